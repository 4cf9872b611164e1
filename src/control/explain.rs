//! Explaining one recorded request: what would be decided about it, and why.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::Control;
use super::problem::Problem;
use crate::model::event::EventAction;
use crate::model::ids::{LeakId, PatchId, TokenId};
use crate::model::tenant::Tenants;
use crate::model::verdict::Hit;

/// What is decided about a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is forwarded.
    Forwarded,
    /// It is refused, since it carries a token under a blocking patch.
    Blocked,
    /// It is refused, since it could not be inspected whole.
    Refused,
}

/// A token found in the request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ExplainedHit {
    /// The token.
    pub token: TokenId,
    /// What stands for it in events and logs.
    pub fingerprint: String,
    /// The leak whose rule acts.
    pub leak: LeakId,
    /// Its virtual patch, where it has one.
    pub virtual_patch: Option<PatchId>,
    /// What is done.
    pub action: EventAction,
    /// Where it was found.
    #[schema(example = "header:authorization")]
    pub point: String,
    /// What had to be undone to find it, outermost first.
    pub encodings: Vec<String>,
}

impl From<&Hit> for ExplainedHit {
    fn from(hit: &Hit) -> Self {
        Self {
            token: hit.token,
            fingerprint: hit.fingerprint.short(),
            leak: hit.leak,
            virtual_patch: hit.patch,
            action: hit.action.into(),
            point: hit.point.to_string(),
            encodings: hit.encodings.iter().map(|&name| name.to_owned()).collect(),
        }
    }
}

/// What would be decided about a request now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// What is decided.
    pub outcome: Outcome,
    /// The status of a refusal.
    pub status: Option<u16>,
    /// Why it is refused, where that is not for a token.
    pub detail: Option<String>,
    /// The tokens found, each once a place.
    pub hits: Vec<ExplainedHit>,
    /// Causes of incomplete inspection that would have refused it, had a blocking patch been in
    /// scope and the mode been `block`.
    pub would_refuse: Vec<String>,
    /// The version of the patchset that decided.
    pub patchset_version: u64,
}

/// Why bytes are not a request, with nothing of them in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct MalformedRequest(pub String);

/// The inspector, as `explain` needs it.
pub trait Explain: Send + Sync {
    /// Inspects one raw HTTP/1.1 request (line, fields, body) as the gateway would, but with the
    /// rules of these tenants alone: nobody learns of another's leaks.
    ///
    /// # Errors
    /// Where the bytes are not a request.
    fn explain(&self, request: &[u8], of: &Tenants) -> Result<Explanation, MalformedRequest>;
}

impl Control {
    pub(super) async fn explain(
        &self,
        request: Zeroizing<Vec<u8>>,
        of: Tenants,
    ) -> Result<Explanation, Problem> {
        let Ok(permit) = Arc::clone(&self.inner.explanations).try_acquire_owned() else {
            self.hit("explanations");
            return Err(Problem::busy("explanations"));
        };
        let explain = Arc::clone(&self.inner.hooks.explain);
        let work = move || {
            let explained = explain.explain(&request, &of);
            drop(permit);
            explained
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Problem::failed())?
            .map_err(|MalformedRequest(why)| Problem::invalid("body", why))
    }

    /// Counts that a limit was reached.
    pub(super) fn hit(&self, limit: &'static str) {
        self.inner.metrics.api_limits_hit.with_label_values(&[limit]).inc();
    }
}
