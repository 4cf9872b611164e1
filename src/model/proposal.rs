//! What one person asks for, or has done in haste, and another person has to look at.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::ids::{LeakId, ProposalId};
use super::leak::named;
use super::role::person_of;

named! {
    /// What another person is asked for.
    ProposalKind {
        /// To approve a decision about a leak before it is made.
        Decision = "decision",
        /// To approve that one person's decisions are enough again.
        FourEyesOff = "four_eyes_off",
        /// To acknowledge what was done by one person in haste.
        Review = "review",
    }
}

named! {
    /// How far it is.
    ProposalState {
        /// It waits for another person.
        Pending = "pending",
        /// Another person has approved it, and it was done.
        Approved = "approved",
        /// Somebody has rejected it, or the one who asked has taken it back.
        Rejected = "rejected",
        /// Something else was decided about the leak meanwhile, it has other tokens, or its patch has
        /// ended.
        Superseded = "superseded",
        /// Nobody has approved it in time.
        Expired = "expired",
        /// Another person has acknowledged what was done.
        Acknowledged = "acknowledged",
    }
}

/// What one person asks for, or has done in haste, and another person has to look at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Proposal {
    /// Its id.
    pub id: ProposalId,
    /// Its tenant.
    pub tenant: String,
    /// What another person is asked for.
    pub kind: ProposalKind,
    /// The leak that it is about.
    pub leak: Option<LeakId>,
    /// What is to be done, or was: a decision's name, `edit`, `bypass_on` or `four_eyes_off`.
    pub action: String,
    /// The same in words.
    pub summary: String,
    /// What was said with it; of a review, the reason for the haste.
    pub comment: Option<String>,
    /// How far it is.
    pub state: ProposalState,
    /// Who asks, or has done it.
    pub proposed_by: String,
    /// The person behind them, which nobody outside is told: another one has to look at it.
    #[serde(skip)]
    pub person: String,
    /// When.
    pub proposed_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Who has looked at it.
    pub settled_by: Option<String>,
    /// When.
    pub settled_at: Option<Timestamp>,
    /// What they said.
    pub settled_comment: Option<String>,
}

impl Proposal {
    /// Whether the person is the user of this name.
    pub fn is_of_user(&self, name: &str) -> bool {
        self.person == person_of(name)
    }
}
