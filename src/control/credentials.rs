//! Credentials of the control plane: API tokens, of which only the SHA-256 is kept, and passwords,
//! of which only the argon2id hash is.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::model::secret::Secret;

/// How an API token begins, so that it is known for what it is where it leaks.
const PREFIX: &str = "lgt_";
/// Random bytes of an API token: 43 characters of base64url.
const TOKEN_BYTES: usize = 32;
/// Random bytes of a session's id: 43 characters of base64url.
const SESSION_BYTES: usize = 32;
/// Random bytes of a key of signatures.
const SIGNING_KEY_BYTES: usize = 32;
/// Random bytes of a generated password: 24 characters of base64url.
const PASSWORD_BYTES: usize = 18;

/// Why no credential could be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CredentialError {
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: no credential was made")]
    NoRandomness,
    /// The password could not be hashed.
    #[error("the password could not be hashed: it may be too long")]
    NotHashed,
}

/// A new API token.
pub(super) fn new_api_token() -> Result<Secret, CredentialError> {
    random_text(PREFIX, TOKEN_BYTES)
}

/// A new key of a webhook's signatures: base64 behind a name, as receivers take it.
pub(super) fn new_signing_key(prefix: &str) -> Result<Secret, CredentialError> {
    let mut random = Zeroizing::new([0; SIGNING_KEY_BYTES]);
    rand::fill(random.as_mut_slice()).map_err(|_| CredentialError::NoRandomness)?;
    let mut text = String::with_capacity(prefix.len() + SIGNING_KEY_BYTES * 2);
    text.push_str(prefix);
    STANDARD.encode_string(random.as_slice(), &mut text);
    Ok(Secret::from(text))
}

/// The id of a new session.
pub(super) fn new_session_id() -> Result<Secret, CredentialError> {
    random_text("", SESSION_BYTES)
}

/// A new password.
pub(super) fn new_password() -> Result<Secret, CredentialError> {
    random_text("", PASSWORD_BYTES)
}

fn random_text(prefix: &str, bytes: usize) -> Result<Secret, CredentialError> {
    let mut random = Zeroizing::new(vec![0; bytes]);
    rand::fill(&mut random).map_err(|_| CredentialError::NoRandomness)?;
    let mut text = String::with_capacity(prefix.len() + bytes * 2);
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(random.as_slice(), &mut text);
    Ok(Secret::from(text))
}

/// What is kept of an API token.
pub(super) fn hash_api_token(token: &Secret) -> [u8; 32] {
    token.digest().0
}

/// What is kept of a password: an argon2id PHC string. Takes some ten milliseconds.
pub(super) fn hash_password(password: &Secret) -> Result<String, CredentialError> {
    Argon2::default()
        .hash_password(password.expose())
        .map(|hash| hash.to_string())
        .map_err(|_| CredentialError::NotHashed)
}

/// Whether the password is the one that this was made of. Takes some ten milliseconds.
pub(super) fn verify_password(password: &Secret, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.expose(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_their_form() {
        let token = new_api_token().unwrap();
        let text = std::str::from_utf8(token.expose()).unwrap();
        let body = text.strip_prefix("lgt_").unwrap();
        assert_eq!(body.len(), 43);
        assert!(body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        assert_ne!(token, new_api_token().unwrap());
    }

    #[test]
    fn passwords_verify() {
        let password = new_password().unwrap();
        let hash = hash_password(&password).unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify_password(&password, &hash));
        assert!(!verify_password(&Secret::from("another".to_owned()), &hash));
        assert!(!verify_password(&password, "") && !verify_password(&password, "nonsense"));
    }
}
