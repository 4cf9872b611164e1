//! Encryption at rest: AES-256-GCM under a key derived from the installation's.
//!
//! A sealed value is the generation of its key (1 byte, so that keys can be rotated), a random
//! nonce (12 bytes) and the ciphertext with its tag (16 bytes).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::{Zeroize as _, Zeroizing};

use super::StoreError;
use crate::model::ids::TokenId;
use crate::model::secret::Secret;
use crate::model::token::{TokenDigest, TokenMaterial};

/// Bytes that the tag adds to the plaintext.
const TAG_LEN: usize = 16;
/// Last byte of a token's plaintext: what comes before it is the token's text.
const TEXT: u8 = b't';
/// Last byte of a token's plaintext: what comes before it is the token's SHA-256.
const DIGEST: u8 = b'd';

/// The key of everything that is sealed in one store.
pub(super) struct DataKey(RandomizedNonceKey);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(…)")
    }
}

impl DataKey {
    /// The key derived from what the operator keeps.
    pub(super) fn derive(secret: &Secret) -> Result<Self, StoreError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        Salt::new(HKDF_SHA256, b"leakgate")
            .extract(secret.expose())
            // So it was named when there was one. A generation is a number that values begin with, and
            // not a part of the key.
            .expand(&[b"store data key, generation 1"], HKDF_SHA256)
            .and_then(|okm| okm.fill(bytes.as_mut_slice()))
            .and_then(|()| RandomizedNonceKey::new(&AES_256_GCM, bytes.as_slice()))
            .map(Self)
            .map_err(|_| StoreError::Failed("the store's key cannot be derived".to_owned()))
    }

    /// Seals `plain`, bound to `aad`; `generation` is what the value begins with.
    pub(super) fn seal(
        &self,
        generation: u8,
        aad: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        self.seal_parts(generation, aad, &[plain])
    }

    fn seal_parts(
        &self,
        generation: u8,
        aad: &[u8],
        parts: &[&[u8]],
    ) -> Result<Vec<u8>, StoreError> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        // Room for the tag from the start: a buffer that grew would leave plaintext behind.
        let mut buffer = Vec::with_capacity(length + TAG_LEN);
        for part in parts {
            buffer.extend_from_slice(part);
        }
        let Ok(nonce) = self.0.seal_in_place_append_tag(Aad::from(aad), &mut buffer) else {
            buffer.zeroize();
            return Err(StoreError::Failed("encryption failed".to_owned()));
        };
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + buffer.len());
        sealed.push(generation);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&buffer);
        Ok(sealed)
    }

    /// Opens what was sealed with the same `aad`; none where it was not, or with another key. The
    /// generation has told which key to take and is not looked at.
    pub(super) fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (_, rest) = sealed.split_first()?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }

    /// Seals a token, bound to its id.
    pub(super) fn seal_token(
        &self,
        generation: u8,
        id: TokenId,
        material: &TokenMaterial,
    ) -> Result<Vec<u8>, StoreError> {
        match material {
            TokenMaterial::Text(secret) => {
                self.seal_parts(generation, id.0.as_bytes(), &[secret.expose(), &[TEXT]])
            }
            TokenMaterial::Digest(digest) => {
                self.seal_parts(generation, id.0.as_bytes(), &[&digest.0, &[DIGEST]])
            }
        }
    }

    /// Opens a token.
    pub(super) fn open_token(
        &self,
        id: TokenId,
        sealed: &[u8],
    ) -> Result<TokenMaterial, StoreError> {
        let damaged = || {
            StoreError::Unusable(format!(
                "the token {id} cannot be decrypted: the database is damaged or was changed by other hands; put back a backup of it"
            ))
        };
        let plain = self.open(id.0.as_bytes(), sealed).ok_or_else(damaged)?;
        match plain.split_last() {
            Some((&TEXT, text)) => Ok(TokenMaterial::Text(Secret::new(text.to_vec()))),
            Some((&DIGEST, digest)) => digest
                .try_into()
                .map(|digest| TokenMaterial::Digest(TokenDigest(digest)))
                .map_err(|_| damaged()),
            _ => Err(damaged()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fill: char) -> DataKey {
        DataKey::derive(&Secret::from(fill.to_string().repeat(32))).unwrap()
    }

    #[test]
    fn opens_only_with_the_same_key_and_binding() {
        let sealed = key('a').seal(1, b"one", b"plain").unwrap();
        assert_eq!(key('a').open(b"one", &sealed).unwrap().as_slice(), b"plain");
        assert!(key('b').open(b"one", &sealed).is_none());
        assert!(key('a').open(b"two", &sealed).is_none());
        for index in 1..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(key('a').open(b"one", &changed).is_none(), "byte {index}");
            assert!(key('a').open(b"one", &sealed[..index]).is_none(), "cut at {index}");
        }
    }

    #[test]
    fn tokens_come_back_as_they_went_in() {
        let key = key('a');
        let id = TokenId::new();
        let digest = TokenMaterial::Digest(TokenDigest([7; 32]));
        for material in [
            TokenMaterial::Text(Secret::new(b"\x00bytes\xff".to_vec())),
            TokenMaterial::Text(Secret::new(vec![b'd'; 32])),
            digest,
        ] {
            let sealed = key.seal_token(1, id, &material).unwrap();
            assert_eq!(key.open_token(id, &sealed).unwrap(), material);
            assert!(key.open_token(TokenId::new(), &sealed).is_err());
            assert_ne!(sealed, key.seal_token(1, id, &material).unwrap(), "nonces differ");
        }
    }
}
