//! Virtual patches: what is done to requests that carry a leak's tokens.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{LeakId, PatchId, TokenId};
use super::leak::named;
use super::object;

named! {
    /// What a virtual patch does with a request that carries a token.
    PatchMode {
        /// Records it and lets it pass.
        Monitoring = "monitoring",
        /// Refuses it.
        Block = "block",
    }
}

named! {
    /// What a virtual patch does with a request that carries one token of its leak.
    TokenMode {
        /// Refuses it.
        Block = "block",
        /// Records it and lets it pass.
        Monitoring = "monitoring",
        /// Leaves the token out of the patch: it is watched, as without one.
        None = "none",
    }
}

impl From<PatchMode> for TokenMode {
    fn from(mode: PatchMode) -> Self {
        match mode {
            PatchMode::Monitoring => Self::Monitoring,
            PatchMode::Block => Self::Block,
        }
    }
}

impl From<TokenMode> for Action {
    fn from(mode: TokenMode) -> Self {
        match mode {
            TokenMode::None => Self::Observe,
            TokenMode::Monitoring => Self::Monitor,
            TokenMode::Block => Self::Block,
        }
    }
}

/// The mode of one token, where it is not that of the patch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModeOfToken {
    /// The token.
    pub id: TokenId,
    /// What is done with requests that carry it.
    pub mode: TokenMode,
}

named! {
    /// The filtration mode of a gateway or route: it can only weaken a rule.
    FiltrationMode {
        /// Nothing is blocked or recorded.
        Off = "off",
        /// Blocks are turned into records.
        Monitoring = "monitoring",
        /// Rules act as they are.
        Block = "block",
    }
}

named! {
    /// What a rule asks for, weakest first: of several on one token, the strongest acts.
    Action {
        /// The leak is watched: its use is recorded.
        Observe = "observe",
        /// A patch in monitoring mode.
        Monitor = "monitor",
        /// A patch in block mode.
        Block = "block",
    }
}

impl From<PatchMode> for Action {
    fn from(mode: PatchMode) -> Self {
        match mode {
            PatchMode::Monitoring => Self::Monitor,
            PatchMode::Block => Self::Block,
        }
    }
}

/// Which client an exemption is for: an address, a network, or the identity in a client
/// certificate (written `cert:` and the name).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ClientPattern {
    /// An address or a network.
    Network(IpNet),
    /// A client certificate's identity.
    Certificate(String),
}

/// Why a text names no client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a client is an address (203.0.113.7), a network (203.0.113.0/24) or cert: and a certificate's name"
)]
pub struct InvalidClient;

impl FromStr for ClientPattern {
    type Err = InvalidClient;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(name) = text.strip_prefix("cert:") {
            if name.is_empty() {
                return Err(InvalidClient);
            }
            return Ok(Self::Certificate(name.to_owned()));
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network.trunc()));
        }
        text.parse::<IpAddr>()
            .map(|address| Self::Network(IpNet::from(address.to_canonical())))
            .map_err(|_| InvalidClient)
    }
}

impl fmt::Display for ClientPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Self::Network(network) => network.fmt(f),
            Self::Certificate(name) => write!(f, "cert:{name}"),
        }
    }
}

impl Serialize for ClientPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClientPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A client that a blocking patch spares for a while, so that a partner can be moved to a new token
/// while everybody else is shut out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExceptClient {
    /// Whom: an address, a network, or `cert:` and a client certificate's identity.
    #[schema(value_type = String, example = "203.0.113.7")]
    pub client: ClientPattern,
    /// Until when; absent: until the patch changes.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

named! {
    /// Where in a text a token counts as found.
    #[derive(Default)]
    Boundary {
        /// A token of 16 bytes and more anywhere; a shorter one only where it is not part of a
        /// longer run of letters, digits, `-` and `_`.
        #[default]
        Auto = "auto",
        /// Anywhere, whatever its length.
        Anywhere = "anywhere",
        /// Only where it is not part of such a run, whatever its length.
        Delimited = "delimited",
    }
}

/// Where a virtual patch acts; what is empty does not narrow it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scope {
    /// Host names without port, in lower case; `*.example.com` stands for every name below.
    pub hosts: Vec<String>,
    /// Path prefixes, each beginning with `/`; compared with the path as sent and as normalised.
    pub path_prefixes: Vec<String>,
    /// Methods, in capitals.
    pub methods: Vec<String>,
    /// Clients with a grace period.
    #[serde(deserialize_with = "object::list")]
    pub except_clients: Vec<ExceptClient>,
    /// Where in a text its tokens count as found. A token that is in several leaks is looked for
    /// as the widest of their rules asks.
    pub boundary: Boundary,
}

/// The rule that applies to a leak's tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct VirtualPatch {
    /// Its id: a changed patch keeps it.
    pub id: PatchId,
    /// The leak it belongs to.
    pub leak: LeakId,
    /// What it does.
    pub mode: PatchMode,
    /// Where it acts.
    pub scope: Scope,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Whether the guard was overridden for it.
    pub force: bool,
    /// Who applied it.
    pub created_by: String,
    /// When it was applied.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_parse_and_print() {
        for text in
            ["203.0.113.7", "203.0.113.0/24", "2001:db8::1", "2001:db8::/32", "cert:partner"]
        {
            assert_eq!(text.parse::<ClientPattern>().unwrap().to_string(), text);
        }
        assert_eq!("10.1.2.3/8".parse::<ClientPattern>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("::ffff:10.1.2.3".parse::<ClientPattern>().unwrap().to_string(), "10.1.2.3");
        for bad in ["", "partner", "cert:", "10.0.0.0/33"] {
            assert_eq!(bad.parse::<ClientPattern>(), Err(InvalidClient));
        }
    }

    #[test]
    fn block_is_strongest() {
        assert!(Action::Observe < Action::Monitor && Action::Monitor < Action::Block);
    }
}
