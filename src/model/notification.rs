//! Notifications: what somebody should look at now.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{EventId, LeakId, NotificationId};
use super::leak::{Risk, named};

named! {
    /// What a notification is about.
    NotificationKind {
        /// A leak was registered whose risk is at or above the configured one.
        NewLeak = "new_leak",
        /// A token of a closed leak was reported again.
        ClosedLeakReported = "closed_leak_reported",
        /// An upstream accepted a token of a closed leak.
        ClosedLeakAccepted = "closed_leak_accepted",
        /// A leaked token was used for the first time since it is watched.
        FirstUse = "first_use",
        /// An upstream accepted a token of an open leak that has no patch.
        UnpatchedUseAccepted = "unpatched_use_accepted",
        /// A honeytoken was used.
        HoneytokenUsed = "honeytoken_used",
        /// A virtual patch has ended by itself: its leak is open without one.
        PatchExpired = "patch_expired",
        /// A gateway does not enforce the last patchset.
        GatewayBehind = "gateway_behind",
    }
}

/// Something that somebody should look at now. Nothing in it carries a token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// When it was noticed.
    pub at: Timestamp,
    /// What it is about.
    pub kind: NotificationKind,
    /// The tenant.
    pub tenant: String,
    /// The leak.
    pub leak: Option<LeakId>,
    /// How bad that leak is.
    pub risk: Option<Risk>,
    /// The event that it follows from.
    pub event: Option<EventId>,
    /// What is the matter, in one line.
    pub title: String,
    /// What is known of it, and what to do.
    pub detail: String,
    /// Where the console shows more, where its address is configured.
    pub link: Option<String>,
}
