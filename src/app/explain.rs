//! The inspector, lent to the control plane and to the local command for `explain`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config;
use crate::control::{Explain, ExplainedHit, Explanation, MalformedRequest, Outcome};
use crate::inspect::Context;
use crate::inspect::explain::{Recorded, Report, explain};
use crate::matcher::{Patchset, PatchsetHandle};
use crate::model::clock;
use crate::model::rule::FiltrationMode;
use crate::model::tenant::{RouteTenants, TenantKey, Tenants};
use crate::model::verdict::{Refusal, Verdict};
use crate::proxy::route_of;

/// Explains against the patchset and the configuration in force.
pub(super) struct Explainer {
    patchset: PatchsetHandle,
    decides: ArcSwap<Decides>,
}

/// What of a gateway's configuration decides.
struct Decides {
    gateway: config::Gateway,
}

impl From<&config::Gateway> for Decides {
    fn from(gateway: &config::Gateway) -> Self {
        Self { gateway: gateway.clone() }
    }
}

impl Explainer {
    /// As this gateway would decide.
    pub(super) fn new(patchset: PatchsetHandle, gateway: &config::Gateway) -> Self {
        Self { patchset, decides: ArcSwap::from_pointee(Decides::from(gateway)) }
    }

    /// As this one would decide, from now on.
    pub(super) fn follow(&self, gateway: &config::Gateway) {
        self.decides.store(Arc::new(Decides::from(gateway)));
    }
}

impl Decides {
    fn explanation(&self, patchset: &Patchset, report: &Report) -> Explanation {
        let (outcome, status, detail) = match &report.verdict {
            Verdict::Pass => (Outcome::Forwarded, None, None),
            Verdict::Refuse(Refusal::Leaked) => {
                (Outcome::Blocked, Some(self.gateway.block.status), None)
            }
            Verdict::Refuse(Refusal::Incomplete { status, detail, .. }) => {
                (Outcome::Refused, Some(*status), Some(detail.to_string()))
            }
        };
        Explanation {
            outcome,
            status,
            detail,
            hits: report.hits.iter().map(ExplainedHit::from).collect(),
            would_refuse: report.would_refuse.iter().map(|&cause| cause.to_owned()).collect(),
            patchset_version: patchset.version(),
        }
    }
}

impl Explain for Explainer {
    fn explain(&self, request: &[u8], of: &Tenants) -> Result<Explanation, MalformedRequest> {
        let patchset = self.patchset.load();
        let decides = self.decides.load();
        // A record does not tell its client, so no exemption applies.
        let client = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let gateway = &decides.gateway;
        let mut context = Context::new(client, String::new(), gateway.mode, clock::now());
        context.fail = gateway.fail;
        let request =
            Recorded::parse(request).map_err(|error| MalformedRequest(error.to_string()))?;
        let host = request.host().unwrap_or_default();
        if let Some((mode, tenants)) = route_of(gateway, &host, request.head.uri.path()) {
            (context.mode, context.tenants) = (mode, tenants);
        }
        if let Some(tenant) = of.only().map(TenantKey::of) {
            // On the routes of others, no rule of theirs acts.
            if context.tenants.include(tenant) {
                context.tenants = RouteTenants::one(tenant);
            } else {
                context.mode = FiltrationMode::Off;
            }
        }
        let report = explain(&request, Arc::clone(&patchset), context);
        Ok(decides.explanation(&patchset, &report))
    }
}
