//! Trailers that can be passed on. In HTTP/1.1 hyper sends those that the head names in `Trailer`,
//! and drops the others without a word; so it is known here, for both directions, which these are.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    HOST, HeaderMap, HeaderName, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
};

use super::hop;

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
        Self::Named(names.filter(may_trail).collect())
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

/// Whether hyper sends a field of this name as a trailer: not where it would say how the message is
/// framed, routed, authorised or read (RFC 9110, 6.5.1).
pub(crate) fn may_trail(name: &HeaderName) -> bool {
    const NEVER: [HeaderName; 12] = [
        AUTHORIZATION,
        CACHE_CONTROL,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_RANGE,
        CONTENT_TYPE,
        HOST,
        MAX_FORWARDS,
        SET_COOKIE,
        TRAILER,
        TRANSFER_ENCODING,
        TE,
    ];
    !NEVER.contains(name)
}
