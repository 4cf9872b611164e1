//! What inspection found and what follows from it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::fingerprint::Fingerprint;
use super::ids::{LeakId, PatchId, TokenId};
use super::rule::Action;

/// Where in a request a token was found. The name inside, where there is one, never carries a
/// token: inspection replaces it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Point {
    /// The method.
    Method,
    /// The authority of an absolute-form target, or its userinfo.
    Authority,
    /// The path as a whole, where the token spans segments.
    Path,
    /// A path segment, counted from 0.
    PathSegment(u32),
    /// The query as a whole, where the token spans parameters.
    QueryString,
    /// A query parameter, by name.
    Query(String),
    /// A header, by name in lower case.
    Header(String),
    /// A cookie, by name.
    Cookie(String),
    /// The body; inside it, where known, such as `json:$.auth.token`.
    Body(Option<String>),
    /// A trailer field, by name in lower case.
    Trailer(String),
    /// A WebSocket message.
    Websocket,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("method"),
            Self::Authority => f.write_str("authority"),
            Self::Path => f.write_str("path"),
            Self::PathSegment(index) => write!(f, "path:{index}"),
            Self::QueryString => f.write_str("query"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Body(None) => f.write_str("body"),
            Self::Body(Some(place)) => write!(f, "body:{place}"),
            Self::Trailer(name) => write!(f, "trailer:{name}"),
            Self::Websocket => f.write_str("websocket"),
        }
    }
}

/// One token found in a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit {
    /// The token.
    pub token: TokenId,
    /// What stands for it in records.
    pub fingerprint: Fingerprint,
    /// The leak whose rule acts (the strongest in scope).
    pub leak: LeakId,
    /// The id of the leak's tenant.
    pub tenant: Arc<str>,
    /// The virtual patch, where the leak has one.
    pub patch: Option<PatchId>,
    /// What is done, after scope, exemptions, expiry, filtration mode and bypass.
    pub action: Action,
    /// Where it was found.
    pub point: Point,
    /// What had to be undone to find it, outermost first.
    pub encodings: Vec<&'static str>,
}

/// Why a request is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It carries a token under a blocking patch.
    Leaked,
    /// It could not be inspected whole, and the decision table says that it may not pass.
    Incomplete {
        /// The cause's name, which is also its configuration key and metric label.
        cause: &'static str,
        /// The status that tells the client whose fault it is.
        status: u16,
        /// What is wrong, for the client, with nothing of its own bytes.
        detail: Cow<'static, str>,
    },
}

/// What to do with what has been inspected so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Forward it.
    Pass,
    /// Refuse it.
    Refuse(Refusal),
}

impl Verdict {
    /// Whether it may be forwarded.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Pass)
    }
}
