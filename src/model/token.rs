//! A leaked token as the store and the API know it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fingerprint::Fingerprint;
use super::ids::TokenId;
use super::rule::TokenMode;
use super::secret::Secret;

/// SHA-256 of a token. Written `sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A digest of a weak token can be searched for, so it is not logged either.
        f.write_str("TokenDigest(…)")
    }
}

/// Why a text is not a token digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token digest is written sha256: followed by 64 hex digits")]
pub struct InvalidDigest;

impl FromStr for TokenDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("sha256:").ok_or(InvalidDigest)?.as_bytes();
        let mut out = [0; 32];
        if hex.len() != 64 {
            return Err(InvalidDigest);
        }
        for (byte, pair) in out.iter_mut().zip(hex.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| InvalidDigest)?;
            if pair.starts_with('+') {
                return Err(InvalidDigest);
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidDigest)?;
        }
        Ok(Self(out))
    }
}

/// What is known of a token: its text, or only its digest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenMaterial {
    /// The text itself.
    Text(Secret),
    /// Only SHA-256 of the text.
    Digest(TokenDigest),
}

impl TokenMaterial {
    /// SHA-256 of the token.
    pub fn digest(&self) -> TokenDigest {
        match self {
            Self::Text(secret) => secret.digest(),
            Self::Digest(digest) => *digest,
        }
    }

    /// How the token is shown to people. Of a digest nothing can be shown.
    pub fn masked(&self) -> String {
        match self {
            Self::Text(secret) => secret.masked(),
            Self::Digest(_) => "sha256:…".to_owned(),
        }
    }

    /// Length of the text in bytes, where known.
    pub fn length(&self) -> Option<usize> {
        match self {
            Self::Text(secret) => Some(secret.len()),
            Self::Digest(_) => None,
        }
    }
}

/// Whether the token still works, learnt from what the upstream answered to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// An upstream answered 2xx to it.
    Active,
    /// An upstream answered 401 to it.
    Inactive,
    /// Not seen in use yet.
    #[default]
    Unknown,
}

/// A token as the API shows it: never its text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What stands for it in events and logs.
    #[schema(value_type = String, example = "3f2a9c01be77")]
    pub fingerprint: Fingerprint,
    /// How it is shown to people.
    #[schema(example = "ghp_…3f9a")]
    pub masked: String,
    /// Length in bytes; absent where only a digest is known.
    pub length: Option<usize>,
    /// What it is, such as `github_pat`; `unknown` where no known form fits.
    pub kind: String,
    /// Whether it was planted on purpose: any use of it is by somebody who found it.
    pub honeytoken: bool,
    /// What the leak's patch does with requests that carry it; absent where there is no patch.
    pub mode: Option<TokenMode>,
    /// Whether it still works.
    pub validity: Validity,
    /// When a request last carried it.
    pub last_used_at: Option<Timestamp>,
    /// Why no rule is made of it (see the guard); absent where one can be.
    pub not_applicable: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_parses_only_its_own_form() {
        let hex = "0123456789abcdef".repeat(4);
        assert!(format!("sha256:{hex}").parse::<TokenDigest>().is_ok());
        for bad in [hex.clone(), format!("sha256:{hex}0"), "sha256:zz".into(), String::new()] {
            assert_eq!(bad.parse::<TokenDigest>(), Err(InvalidDigest));
        }
        assert!(format!("sha256:+f{}", &hex[2..]).parse::<TokenDigest>().is_err());
    }
}
