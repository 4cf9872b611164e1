//! Decisions that take two persons. A trait of its own beside [`Store`](super::Store), which includes
//! it.

use async_trait::async_trait;

use super::StoreError;
use super::types::{Decide, Page, PageRequest};
use crate::model::ids::{LeakId, ProposalId};
use crate::model::leak::Leak;
use crate::model::proposal::{Proposal, ProposalKind, ProposalState};
use crate::model::role::Actor;
use crate::model::tenant::Tenants;

/// Which proposals. In each list of values any one of them fits; an empty list does not narrow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProposalQuery {
    /// What is asked for.
    pub kind: Vec<ProposalKind>,
    /// How far they are.
    pub state: Vec<ProposalState>,
    /// About this leak.
    pub leak: Option<LeakId>,
    /// Page.
    pub page: PageRequest,
}

/// What becomes of a proposal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is done.
    Approve,
    /// It is not. Who asked may say so as well.
    Reject,
    /// What was done is acknowledged.
    Acknowledge,
}

/// The part of a store in which two persons decide. As in [`Store`](super::Store), each writing call
/// is one transaction with its audit row.
#[async_trait]
pub trait FourEyesStore: Send + Sync {
    /// Whether what blocks, and what weakens a block, takes two persons in this tenant.
    async fn four_eyes(&self, tenant: &str) -> Result<bool, StoreError>;

    /// The tenants in which it does.
    async fn four_eyes_tenants(&self) -> Result<Vec<String>, StoreError>;

    /// Turns that on, or asks another person to turn it off: then it answers with the proposal.
    async fn set_four_eyes(
        &self,
        tenant: &str,
        on: bool,
        comment: Option<&str>,
        actor: &Actor,
    ) -> Result<Option<Proposal>, StoreError>;

    /// Asks another person to approve a decision, which must be one that could be made now. An earlier
    /// one of the same person about the leak is superseded.
    async fn propose(
        &self,
        tenant: &str,
        leak: LeakId,
        decide: Decide,
        actor: &Actor,
    ) -> Result<Proposal, StoreError>;

    /// A page of proposals, newest first.
    async fn proposals(
        &self,
        of: &Tenants,
        query: &ProposalQuery,
    ) -> Result<Page<Proposal>, StoreError>;

    /// How many proposals and reviews wait for another person, up to `most`.
    async fn waiting(&self, of: &Tenants, most: usize) -> Result<u64, StoreError>;

    /// The proposal of this id.
    async fn proposal(&self, id: ProposalId) -> Result<Option<Proposal>, StoreError>;

    /// Approves, rejects or acknowledges; answers with the leak as well, where one was decided about.
    /// [`StoreError::SamePerson`] where another person has to, [`StoreError::Settled`] where it
    /// waits for nobody.
    async fn settle_proposal(
        &self,
        tenant: &str,
        id: ProposalId,
        verdict: Verdict,
        comment: Option<&str>,
        actor: &Actor,
    ) -> Result<(Proposal, Option<Leak>), StoreError>;
}
