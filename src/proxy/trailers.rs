//! Trailers that can be passed on. In HTTP/1.1 hyper sends those that the head names in `Trailer`,
//! and drops the others without a word; so it is known here, for both directions, which these are.

use http::HeaderValue;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    COOKIE, EXPECT, HOST, HeaderMap, HeaderName, MAX_FORWARDS, PROXY_AUTHORIZATION, SET_COOKIE,
    TRAILER,
};

use super::answer::X_REQUEST_ID;
use super::{forwarded, hop};

/// Which trailers of a message will be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Passing {
    /// All of them (HTTP/2).
    All,
    /// Those with these names; none, where its framing or its receiver takes none.
    Named(Vec<HeaderName>),
}

impl Passing {
    /// None.
    pub(crate) fn none() -> Self {
        Self::Named(Vec::new())
    }

    /// Those that the head of a chunked message names.
    pub(crate) fn named_by(headers: &HeaderMap) -> Self {
        let names = hop::tokens(headers, &TRAILER)
            .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok());
        Self::Named(names.collect())
    }

    /// How many of these fields will not be sent.
    pub(crate) fn lost(&self, trailers: &HeaderMap) -> u64 {
        match self {
            Self::All => 0,
            Self::Named(names) => {
                trailers.iter().filter(|(name, _)| !names.contains(name)).count() as u64
            }
        }
    }
}

/// Removes what must not stand behind a body, and says how many fields that were.
pub(crate) fn keep_allowed(trailers: &mut HeaderMap) -> u64 {
    let before = trailers.len();
    let forbidden: Vec<HeaderName> =
        trailers.keys().filter(|name| !may_trail(name)).cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
    (before - trailers.len()) as u64
}

/// Makes the `Trailer` field announce nothing that must not stand behind a body.
pub(crate) fn announce_allowed(headers: &mut HeaderMap) {
    let is_allowed =
        |name: &str| HeaderName::from_bytes(name.as_bytes()).is_ok_and(|n| may_trail(&n));
    if hop::tokens(headers, &TRAILER).all(is_allowed) {
        return;
    }
    let allowed: Vec<&str> =
        hop::tokens(headers, &TRAILER).filter(|name| is_allowed(name)).collect();
    match HeaderValue::from_str(&allowed.join(", ")) {
        Ok(names) if !names.is_empty() => headers.insert(TRAILER, names),
        _ => headers.remove(TRAILER),
    };
}

/// Whether a field of this name may stand behind a body: not one that says how a message is framed,
/// routed, authorised or read (RFC 9110, 6.5.1), or that the gateway sets in the head; some servers
/// take both together.
fn may_trail(name: &HeaderName) -> bool {
    const NEVER: [HeaderName; 14] = [
        AUTHORIZATION,
        CACHE_CONTROL,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_RANGE,
        CONTENT_TYPE,
        COOKIE,
        EXPECT,
        HOST,
        MAX_FORWARDS,
        PROXY_AUTHORIZATION,
        SET_COOKIE,
        TRAILER,
        X_REQUEST_ID,
    ];
    !NEVER.contains(name) && !hop::FIXED.contains(name) && !forwarded::is_own(name)
}
