//! Fingerprints: what is shown and logged in a token's place.

use std::fmt;

use aws_lc_rs::hmac;
use serde::{Serialize, Serializer};

use super::token::TokenDigest;

/// HMAC-SHA256 of SHA-256(token) under the installation's fingerprint key, so a token given as text
/// and the same one given as a digest have one fingerprint. Cut to 128 bits, which tell all tokens
/// there can be apart. Shown as its first 12 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// The 12 hex digits that people see.
    pub fn short(&self) -> String {
        self.0.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.short())
    }
}

/// The installation's key of fingerprints: made at first start, kept encrypted in the store, never
/// rotated (old log lines would lose their meaning).
#[derive(Clone)]
pub struct FingerprintKey(hmac::Key);

impl FingerprintKey {
    /// A key of these 32 bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The fingerprint of the token with this digest.
    pub fn fingerprint(&self, digest: &TokenDigest) -> Fingerprint {
        let tag = hmac::sign(&self.0, &digest.0);
        Fingerprint(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    #[test]
    fn text_and_digest_agree_and_the_key_matters() {
        let secret = Secret::from("an example of a token".to_owned());
        let key = FingerprintKey::new(&[7; 32]);
        let one = key.fingerprint(&secret.digest());
        assert_eq!(one.short().len(), 12);
        assert_eq!(one, key.fingerprint(&secret.digest()));
        assert_ne!(one, FingerprintKey::new(&[8; 32]).fingerprint(&secret.digest()));
    }
}
