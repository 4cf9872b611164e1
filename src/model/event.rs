//! Events: one recorded use of a leaked token.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{EventId, LeakId, PatchId, TokenId};
use super::leak::named;
use super::rule::Action;

named! {
    /// What was done to the request.
    EventAction {
        /// The leak has no patch in force here: it passed, and was recorded.
        Observed = "observed",
        /// A patch in monitoring mode, or weakened to it: it passed, and was recorded.
        Monitored = "monitored",
        /// It was refused.
        Blocked = "blocked",
    }
}

impl From<Action> for EventAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Observe => Self::Observed,
            Action::Monitor => Self::Monitored,
            Action::Block => Self::Blocked,
        }
    }
}

named! {
    /// The type of an event.
    EventType {
        /// The use of a leaked token.
        Vpatch = "vpatch",
    }
}

/// One recorded use of a leaked token. Nothing in it carries the token: in every text that came
/// from the request it is replaced by its fingerprint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// When the request arrived.
    pub at: Timestamp,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// What was done.
    pub action: EventAction,
    /// The tenant of the leak, and of the route on which it was seen.
    pub tenant: String,
    /// The leak.
    pub leak: LeakId,
    /// The virtual patch, where the leak has one in force.
    pub virtual_patch: Option<PatchId>,
    /// The token.
    pub token: TokenId,
    /// The token's fingerprint, as log lines have it.
    pub fingerprint: String,
    /// Where it was found, such as `header:authorization`.
    pub point: String,
    /// What had to be undone to find it, outermost first.
    pub encodings: Vec<String>,
    /// The client, past trusted proxies.
    pub source_ip: String,
    /// The other end of the connection.
    pub peer_ip: String,
    /// What the request itself said of its way (`X-Forwarded-For`).
    pub forwarded_for: Option<String>,
    /// The identity in the client's certificate.
    pub client_cert: Option<String>,
    /// `User-Agent`, at most 512 bytes.
    pub user_agent: Option<String>,
    /// The method.
    pub method: String,
    /// The host asked for, without port.
    pub host: String,
    /// The path and query, at most 2,048 bytes.
    pub path: String,
    /// The status that the client got; absent where the exchange broke before one.
    pub response_status: Option<u16>,
    /// How many uses this event stands for; more than 1 where they came too fast to store each.
    pub count: u64,
    /// The gateway that saw it.
    pub gateway: String,
    /// The request's id, also in the answer.
    pub request_id: String,
    /// The place of its route in the gateway's configuration, where the gateway is: uses on different
    /// routes are not counted together. Neither shown nor stored.
    #[serde(skip)]
    #[schema(ignore)]
    pub route: usize,
}
