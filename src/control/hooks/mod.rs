//! Hooks: partners report tokens that they saw; each match becomes a leak, or an occurrence of one,
//! and the hook's policy decides about what nobody has decided.

mod policy;
mod proof;

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::imports::LineReason;
use super::problem::Problem;
use super::throttle::Throttle;
use super::{Control, decisions, scope, sessions};
use crate::config::{self, limits};
use crate::model::clock;
use crate::model::fingerprint::Fingerprint;
use crate::model::leak::{Decision, Status, named};
use crate::model::partner::Partner;
use crate::model::role::{Actor, Role};
use crate::model::rule::PatchMode;
use crate::model::tenant::Tenants;
use crate::model::token::Validity;
use crate::reports::{self, Item, partners};
use crate::store::types::{Conditions, Decide, NewPatch, Registration, Second};

/// What became of a partner's report. Matches are told by their number, from 1.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
pub struct HookAnswer {
    /// Leaks that were made.
    pub leaks: u64,
    /// Matches whose token was known: its leaks got an occurrence.
    pub merged: u64,
    /// Leaks to which the hook's policy applied a virtual patch.
    pub patched: u64,
    /// Matches that were not taken, and why.
    pub refused: Vec<LineReason>,
    /// Matches whose token never becomes a rule by itself, and why.
    pub not_applicable: Vec<LineReason>,
}

named! {
    /// What is known of a reported token.
    LabelKind {
        /// An API accepted it.
        TruePositive = "true_positive",
        /// People marked all its leaks as false.
        FalsePositive = "false_positive",
    }
}

/// What is known of one reported token, for GitHub. Never the token itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Label {
    /// Base64 of the token's SHA-256.
    pub token_hash: String,
    /// The type that GitHub gave it.
    pub token_type: String,
    /// What is known.
    pub label: LabelKind,
}

/// The hooks of this process, and what bounds them.
pub(super) struct Receivers {
    hooks: Vec<Arc<Receiver>>,
    calls: Throttle<(Partner, Option<IpAddr>)>,
    reports: Semaphore,
}

/// One hook.
pub(super) struct Receiver {
    hook: config::Hook,
    keys: proof::Keys,
}

/// A match on its way into the store.
struct Ready {
    kind: Option<String>,
    hash: [u8; 32],
    fingerprint: Fingerprint,
    registration: Registration,
}

/// A hook as it is configured, without what proves the partner.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct HookState {
    /// Who reports.
    pub partner: Partner,
    /// The tenants to which it may report.
    pub tenants: Vec<String>,
    /// Where it calls, with `{tenant}` where the tenant's id stands.
    pub path: String,
    /// What is applied to a new leak: absent where it is registered only.
    pub mode: Option<PatchMode>,
}

impl Control {
    /// The hooks that may report to any of these tenants, as they are configured.
    pub fn hook_states(&self, of: &Tenants) -> Vec<HookState> {
        let hooks = self.inner.receivers.hooks.iter().map(|receiver| &receiver.hook);
        hooks
            .map(|hook| HookState {
                partner: hook.partner,
                tenants: hook.tenants.iter().filter(|id| of.include(id)).cloned().collect(),
                path: format!("/api/v1/hooks/{{tenant}}/{}", call(hook.partner)),
                mode: hook.policy.mode,
            })
            .filter(|hook| !hook.tenants.is_empty())
            .collect()
    }
}

/// The last part of the path that a partner calls.
fn call(of: Partner) -> &'static str {
    match of {
        Partner::Github => "github-secret-scanning",
        Partner::Gitlab => "gitlab-token-revocation",
        Partner::Gitguardian => "gitguardian",
        Partner::Trufflehog => "trufflehog",
    }
}

impl Receivers {
    pub(super) fn new(hooks: &[config::Hook]) -> Self {
        let receiver = |hook: &config::Hook| {
            Arc::new(Receiver { hook: hook.clone(), keys: proof::Keys::default() })
        };
        Self {
            hooks: hooks.iter().map(receiver).collect(),
            calls: Throttle::new(limits::HOOK_STEP, limits::HOOK_BURST, limits::HOOK_REMEMBERED),
            reports: Semaphore::new(limits::HOOK_REPORTS),
        }
    }
}

impl Control {
    /// The hook of a partner for a tenant, for one more call from this address.
    ///
    /// # Errors
    /// Where it is not configured or there is no such tenant: which of both is not told. Where the
    /// address calls too often.
    pub(super) async fn hook(
        &self,
        partner: Partner,
        tenant: &str,
        from: Option<IpAddr>,
    ) -> Result<Arc<Receiver>, Problem> {
        let receivers = &self.inner.receivers;
        let fits = |receiver: &&Arc<Receiver>| {
            receiver.hook.partner == partner
                && receiver.hook.tenants.iter().any(|own| own == tenant)
        };
        let receiver =
            receivers.hooks.iter().find(fits).ok_or_else(|| Problem::not_found("hook"))?;
        let key = (partner, from.map(sessions::network));
        if let Err(wait) = receivers.calls.attempt(&key, Instant::now()) {
            self.hit("hook_calls");
            self.count_report("limited");
            return Err(Problem::too_many(wait));
        }
        if self.inner.store.tenant(tenant).await?.is_none() {
            return Err(Problem::not_found("hook"));
        }
        Ok(Arc::clone(receiver))
    }

    /// Counts a report.
    pub(super) fn count_report(&self, outcome: &'static str) {
        self.inner.metrics.hook_reports.with_label_values(&[outcome]).inc();
    }

    /// Registers what a partner reports, once it has proved who it is. What is registered is in
    /// force when this returns.
    ///
    /// # Errors
    /// Where the proof is wrong, the body is not of the partner's form, or the store fails: the
    /// partner then sends it again, and what was registered already is known by then.
    pub(super) async fn receive(
        &self,
        receiver: &Receiver,
        tenant: &str,
        from: Option<IpAddr>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(HookAnswer, Vec<Label>), Problem> {
        let partner = receiver.hook.partner;
        if let Err(problem) = receiver.proves(headers, body).await {
            if problem.status() != StatusCode::UNAUTHORIZED {
                // Whose it is could not be found out: the partner is to send it again.
                self.hit("hook_keys");
                self.count_report("limited");
                return Err(problem);
            }
            self.count_report("unproven");
            tracing::warn!(%partner, tenant, ?from, "a report was not proved to be the partner's");
            return Err(problem);
        }
        let Ok(_place) = self.inner.receivers.reports.try_acquire() else {
            self.hit("hook_reports");
            self.count_report("limited");
            return Err(Problem::busy("reports of partners"));
        };
        let matches = match partners::read(partner, body, LIMITS, limits::HOOK_MATCHES) {
            Ok(matches) => matches,
            Err(unreadable) => {
                self.count_report("unreadable");
                return Err(match unreadable {
                    partners::Unreadable::NotJson => Problem::malformed(unreadable.to_string()),
                    partners::Unreadable::Form(_) => Problem::invalid("", unreadable.to_string()),
                    partners::Unreadable::TooMany(_) => {
                        self.hit("hook_matches");
                        Problem::invalid("", unreadable.to_string())
                    }
                });
            }
        };
        let result = self.register_matches(receiver, tenant, from, matches).await;
        self.count_report(if result.is_ok() { "accepted" } else { "failed" });
        if let Ok((answer, _)) = &result {
            let count = |outcome, many: u64| {
                self.inner.metrics.hook_matches.with_label_values(&[outcome]).inc_by(many);
            };
            count("new", answer.leaks);
            count("known", answer.merged);
            count("refused", answer.refused.len() as u64);
            tracing::info!(
                %partner,
                tenant,
                leaks = answer.leaks,
                merged = answer.merged,
                patched = answer.patched,
                refused = answer.refused.len(),
                not_applicable = answer.not_applicable.len(),
                "a partner's report was registered"
            );
        }
        result
    }

    async fn register_matches(
        &self,
        receiver: &Receiver,
        tenant: &str,
        from: Option<IpAddr>,
        matches: Vec<partners::Match>,
    ) -> Result<(HookAnswer, Vec<Label>), Problem> {
        let partner = receiver.hook.partner;
        let actor = |who: &str| Actor {
            name: format!("{who}:{partner}"),
            role: Role::Intake,
            tenant: tenant.to_owned(),
            user: None,
            api_token: None,
            address: from.map(|address| address.to_string()),
        };
        let (reporter, policy) = (actor("hook"), actor("policy"));
        let decide = receiver.decision()?;
        let mut answer = HookAnswer::default();
        let ready = self.ready(tenant, matches, &mut answer).await?;
        let mut asked = Vec::new();
        let mut rest = ready.into_iter().peekable();
        while rest.peek().is_some() {
            let group: Vec<Ready> = rest.by_ref().take(limits::HOOK_GROUP).collect();
            for one in &group {
                asked.extend(one.kind.clone().map(|kind| (kind, one.hash, one.fingerprint)));
            }
            let store = Arc::clone(&self.inner.store);
            let (reporter, policy, decide) = (reporter.clone(), policy.clone(), decide.clone());
            let change = async move {
                let deciding = policy::Deciding {
                    store: &*store,
                    reporter: &reporter,
                    policy: &policy,
                    decide: decide.as_ref(),
                };
                let mut touched = Vec::new();
                // Whatever it is that failed, something of the group may be stored: that is read again,
                // and the partner sends the rest once more.
                let taken = deciding.take(group, &mut touched).await.map_err(|error| {
                    tracing::error!(%error, "a partner's matches could not be registered");
                    Problem::failed()
                })?;
                Ok((taken, touched))
            };
            let taken = self.inner.publisher.change_soon(change).await?;
            answer.leaks += taken.made;
            answer.merged += taken.merged;
            answer.patched += taken.patched;
        }
        // All of it is in force before the partner is told.
        self.inner.publisher.settle(clock::now()).await?;
        let mut labels = Vec::new();
        if partner == Partner::Github {
            for (token_type, hash, fingerprint) in asked {
                if let Some(label) = self.label(tenant, &fingerprint).await? {
                    labels.push(Label { token_hash: STANDARD.encode(hash), token_type, label });
                }
            }
        }
        Ok((answer, labels))
    }

    /// The matches as they are registered: judged, and no token of the report in any text.
    async fn ready(
        &self,
        tenant: &str,
        matches: Vec<partners::Match>,
        answer: &mut HookAnswer,
    ) -> Result<Vec<Ready>, Problem> {
        let (mut places, mut findings) = (Vec::new(), Vec::new());
        for found in matches {
            match found.item {
                Item::Refused(item) => {
                    answer.refused.push(LineReason { line: item.line, reason: item.reason });
                }
                Item::Finding(finding) => {
                    places.push((finding.line, found.kind));
                    findings.push(finding);
                }
            }
        }
        let registrations = self.prepared(tenant, findings).await?;
        let mut ready = Vec::with_capacity(registrations.len());
        for ((line, kind), registration) in places.into_iter().zip(registrations) {
            let Some(token) = registration.tokens.first() else { continue };
            for reason in registration.tokens.iter().filter_map(|it| it.not_applicable.clone()) {
                answer.not_applicable.push(LineReason { line, reason });
            }
            let (hash, fingerprint) = (token.material.digest().0, token.fingerprint);
            // A type in which a token stands is not repeated.
            let kind = kind.filter(|_| registration.kind.is_some());
            ready.push(Ready { kind, hash, fingerprint, registration });
        }
        Ok(ready)
    }

    /// What is known of a token, where something is.
    async fn label(
        &self,
        tenant: &str,
        fingerprint: &Fingerprint,
    ) -> Result<Option<LabelKind>, Problem> {
        let of = Tenants::One(tenant.to_owned());
        let lookup = self.inner.store.lookup(&of, fingerprint).await?;
        let is_false = |status: Status| status == Status::FalsePositive;
        Ok(if lookup.validity == Validity::Active {
            Some(LabelKind::TruePositive)
        } else if !lookup.leaks.is_empty() && lookup.leaks.iter().all(|leak| is_false(leak.status))
        {
            Some(LabelKind::FalsePositive)
        } else {
            None
        })
    }
}

/// Bounds of a partner's report, as those of others.
const LIMITS: reports::Limits = reports::Limits {
    item_bytes: limits::REPORT_ITEM_BYTES,
    nesting: limits::REPORT_NESTING,
    token_bytes: limits::TOKEN_BYTES,
    tokens: limits::REPORT_FINDING_TOKENS,
    title_bytes: limits::TITLE_BYTES,
    place_bytes: limits::URL_BYTES,
};

impl Receiver {
    /// What the policy decides about a new leak, from now on.
    fn decision(&self) -> Result<Option<Decide>, Problem> {
        let policy = &self.hook.policy;
        let Some(mode) = policy.mode else { return Ok(None) };
        let now = clock::now();
        let scope = scope::normal(policy.scope.clone(), now).inspect_err(|problem| {
            tracing::error!(
                partner = %self.hook.partner,
                detail = problem.detail(),
                "the scope of a hook's policy cannot be used"
            );
        })?;
        let expires_at = policy.expires_after.and_then(|after| now.checked_add(after).ok());
        Ok(Some(Decide {
            patch: Some(NewPatch { mode, scope, expires_at, force: false, tokens: None }),
            // An operator has decided it in the configuration.
            conditions: Conditions { second: Second::Exempt, ..Conditions::default() },
            ..decisions::plain(Decision::ApplyVirtualPatch, None, Some(self.reason()))
        }))
    }

    fn reason(&self) -> String {
        format!("control.hooks.{}.policy of the configuration", self.hook.partner)
    }
}
