//! The calls about decisions that take two persons, for those who ask in this process.

use axum::extract::State;
use serde_json::Value;

use super::desk::{Desk, query};
use super::extract::Body;
use super::four_eyes::{self, TurnFourEyes};
use crate::config::limits;
use crate::control::problem::Problem;
use crate::model::ids::ProposalId;
use crate::model::leak::Leak;
use crate::model::proposal::Proposal;
use crate::model::role::Permission;
use crate::store::types::{Page, Verdict};

impl Desk {
    /// Whether two persons decide in this tenant.
    ///
    /// # Errors
    /// As the call, kept to the tenant.
    pub async fn four_eyes(&self, tenant: &str) -> Result<bool, Problem> {
        let (State(control), caller) = self.ask(Permission::See)?;
        let actor = control.at(&caller, tenant, "tenant")?;
        Ok(control.store().four_eyes(&actor.tenant).await?)
    }

    /// The tenants that the visitor reaches in which two persons decide.
    ///
    /// # Errors
    /// As the call.
    pub async fn four_eyes_tenants(&self) -> Result<Vec<String>, Problem> {
        let (State(control), caller) = self.ask(Permission::See)?;
        let mut tenants = control.store().four_eyes_tenants().await?;
        tenants.retain(|tenant| caller.tenants.include(tenant));
        Ok(tenants)
    }

    /// Turns the setting of the visitor's tenant: the call's body. Answers with the proposal, where
    /// another person has to approve it.
    ///
    /// # Errors
    /// As the call.
    pub async fn turn_four_eyes(&self, body: Value) -> Result<Option<Proposal>, Problem> {
        let (State(control), caller) = self.ask(Permission::Administer)?;
        let Body(TurnFourEyes { on, comment }) = Body::of_value(body)?;
        control.set_four_eyes(&caller.actor, on, comment).await
    }

    /// A page of what waits for another person to approve it.
    ///
    /// # Errors
    /// As the call.
    pub async fn proposals(&self, of: &str) -> Result<Page<Proposal>, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(four_eyes::proposals(control, caller, query(of).await?).await?.0)
    }

    /// A page of what was done in haste and waits for another person to acknowledge it.
    ///
    /// # Errors
    /// As the call.
    pub async fn reviews(&self, of: &str) -> Result<Page<Proposal>, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(four_eyes::reviews(control, caller, query(of).await?).await?.0)
    }

    /// How many of both wait, up to [`limits::WAITING_SHOWN`].
    ///
    /// # Errors
    /// As the calls.
    pub async fn waiting(&self) -> Result<u64, Problem> {
        let (State(control), caller) = self.ask(Permission::See)?;
        Ok(control.store().waiting(&caller.tenants, limits::WAITING_SHOWN).await?)
    }

    /// Whether the visitor is the one who asks, or has done it: another person has to look at it.
    pub fn is_own(&self, proposal: &Proposal) -> bool {
        let actor = &self.visitor().actor;
        actor.user.is_some() && proposal.is_of_user(&actor.name)
    }

    /// Says to a proposal or a review what becomes of it, and gives the leak where a decision about
    /// it was approved.
    ///
    /// # Errors
    /// As the calls.
    pub async fn settle(
        &self,
        id: ProposalId,
        verdict: Verdict,
        comment: Option<String>,
    ) -> Result<(Proposal, Option<Leak>), Problem> {
        let (State(control), caller) = self.ask(Permission::Decide)?;
        control.settle_proposal(&caller, id, verdict, comment).await
    }
}
