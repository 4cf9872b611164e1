//! Decisions that take two persons: the setting, proposals, reviews; and the policies of the
//! configuration, which decide alone and whose changes are therefore in the audit log.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::intake::fits;
use super::problem::Problem;
use super::publish::Touched;
use super::{Control, Visitor};
use crate::config::limits;
use crate::model::ids::ProposalId;
use crate::model::leak::Leak;
use crate::model::proposal::Proposal;
use crate::model::role::Actor;
use crate::model::tenant::DEFAULT_TENANT;
use crate::store::StoreError;
use crate::store::types::Verdict;

impl Control {
    /// Turns the setting of the actor's tenant. Answers with the proposal to turn it off, which
    /// another person has to approve.
    pub(super) async fn set_four_eyes(
        &self,
        actor: &Actor,
        on: bool,
        comment: Option<String>,
    ) -> Result<Option<Proposal>, Problem> {
        let comment = self.said(actor, comment).await?;
        let store = &self.inner.store;
        Ok(store.set_four_eyes(&actor.tenant, on, comment.as_deref(), actor).await?)
    }

    /// Says to a proposal or a review what becomes of it. A decision that is approved is in force
    /// when this returns.
    pub(super) async fn settle_proposal(
        &self,
        caller: &Visitor,
        id: ProposalId,
        verdict: Verdict,
        comment: Option<String>,
    ) -> Result<(Proposal, Option<Leak>), Problem> {
        let what = if verdict == Verdict::Acknowledge { "review" } else { "proposal" };
        let found = self.inner.store.proposal(id).await?;
        let found = found.ok_or_else(|| Problem::not_found(what))?;
        let actor = self.at(caller, &found.tenant, what)?;
        let comment = self.said(&actor, comment).await?;
        let perhaps = found.leak.map_or(Touched::Any, Touched::Leak);
        let store = Arc::clone(&self.inner.store);
        self.inner
            .publisher
            .change(perhaps, async move {
                let (tenant, comment) = (&actor.tenant, comment.as_deref());
                let (proposal, leak) =
                    store.settle_proposal(tenant, id, verdict, comment, &actor).await?;
                let touched = leak.iter().map(|leak| Touched::Rule(Box::new(leak.clone())));
                let touched = touched.collect();
                Ok(((proposal, leak), touched))
            })
            .await
    }

    /// A comment that is short enough and carries no token.
    async fn said(
        &self,
        actor: &Actor,
        comment: Option<String>,
    ) -> Result<Option<String>, Problem> {
        let text = comment.as_deref().unwrap_or_default();
        fits("comment", text, limits::COMMENT_BYTES)?;
        let redactor = self.redactor(&actor.tenant, &[], &[text]).await?;
        Ok(redactor.option(comment).filter(|comment| !comment.is_empty()))
    }

    /// Writes into the audit log which policies of the configuration are others than before.
    pub(super) async fn note_policies(&self) -> Result<(), StoreError> {
        let policies = self.inner.settings.hooks.iter().map(|hook| {
            let policy = &hook.policy;
            let mode = policy.mode.map_or("register only", |mode| mode.name());
            let scope = serde_json::to_string(&policy.scope).unwrap_or_default();
            let ends =
                policy.expires_after.map(|after| format!(", ends after {}s", after.as_secs()));
            let words = format!("{mode}, scope {scope}{}", ends.unwrap_or_default());
            (hook.partner.to_string(), words)
        });
        let policies: BTreeMap<String, String> = policies.collect();
        let (store, system) = (&self.inner.store, Actor::system(DEFAULT_TENANT));
        store.note_configuration("hooks", &policies, &system).await?;
        let reopens = self.inner.settings.reopen_reported.iter();
        let reopens = reopens.map(|tenant| (tenant.clone(), "reopens".to_owned())).collect();
        store.note_configuration("reopen_reported", &reopens, &system).await
    }

    /// Whether a closed leak of the tenant is opened again when one of its tokens is reported.
    pub(super) fn reopens(&self, tenant: &str) -> bool {
        self.inner.settings.reopen_reported.iter().any(|own| own == tenant)
    }
}
