//! How partners prove who they are.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use serde::Deserialize;
use tokio::time::Instant;

use super::Receiver;
use crate::config::{Proof, PublicKey, limits, public_key};
use crate::control::problem::Problem;
use crate::model::clock;
use crate::model::partner::Partner;
use crate::model::secret::Secret;

/// Keys that a partner shows.
#[derive(Default)]
pub(super) struct Keys {
    known: Mutex<Vec<PublicKey>>,
    /// When they were asked for last.
    asked: tokio::sync::Mutex<Option<Instant>>,
    http: OnceLock<reqwest::Client>,
}

/// Why keys could not be asked for.
#[derive(Debug, thiserror::Error)]
enum Unreachable {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the answer is longer than {} bytes", limits::HOOK_KEYS_BYTES)]
    TooLong,
    #[error("the answer is not a list of public keys")]
    Form,
}

impl Receiver {
    /// Whether this body comes from the partner.
    ///
    /// # Errors
    /// Where that is not proved, or the partner's keys are being asked for at this moment.
    pub(super) async fn proves(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
        let proved = match (&self.hook.proof, self.hook.partner) {
            (Proof::Keys { keys, url }, _) => {
                let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
                let identifier = text("github-public-key-identifier");
                let signature = text("github-public-key-signature");
                let signature = signature.and_then(|text| STANDARD.decode(text.trim()).ok());
                let (Some(identifier), Some(signature)) = (identifier, signature) else {
                    return Err(Problem::unproven());
                };
                let key = match keys.iter().find(|key| key.identifier == identifier) {
                    Some(key) => Some(key.der.clone()),
                    None => self.keys.key(identifier, url.as_deref()).await?,
                };
                key.is_some_and(|der| {
                    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der);
                    key.verify(body, &signature).is_ok()
                })
            }
            (Proof::Secret(secret), Partner::Gitguardian) => {
                signs(secret, headers, body, clock::now().as_second())
            }
            (Proof::Secret(secret), _) => {
                let sent = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
                sent.is_some_and(|sent| Secret::new(without_scheme(sent).to_vec()) == *secret)
            }
        };
        if proved { Ok(()) } else { Err(Problem::unproven()) }
    }
}

/// The credential of `Authorization`, with or without `Bearer`.
fn without_scheme(value: &[u8]) -> &[u8] {
    match value.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest.trim_ascii(),
        _ => value.trim_ascii(),
    }
}

/// Whether the body is signed: HMAC-SHA256 under the time, as it is written, and the secret.
fn signs(secret: &Secret, headers: &HeaderMap, body: &[u8], now: i64) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(time), Some(signature)) = (text("timestamp"), text("gitguardian-signature")) else {
        return false;
    };
    let Some(at) = time.split('.').next().and_then(|seconds| seconds.trim().parse::<i64>().ok())
    else {
        return false;
    };
    let Some(tag) = signature.trim().strip_prefix("sha256=").and_then(bytes_of_hex) else {
        return false;
    };
    // The signature follows from the time, so this tells nobody anything that they do not know.
    if Duration::from_secs(now.abs_diff(at)) > limits::HOOK_SKEW {
        return false;
    }
    let key = Secret::new([time.as_bytes(), secret.expose()].concat());
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
    hmac::verify(&key, body, &tag).is_ok()
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}

#[derive(Deserialize)]
struct Shown {
    public_keys: Vec<ShownKey>,
}

#[derive(Deserialize)]
struct ShownKey {
    key_identifier: String,
    key: String,
}

impl Keys {
    /// The key of this identifier, out of those that the partner shows; asked for again where it is
    /// not among them, no more often than once in [`limits::HOOK_KEYS_STEP`].
    async fn key(&self, identifier: &str, url: Option<&str>) -> Result<Option<Vec<u8>>, Problem> {
        let known = || {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.iter().find(|key| key.identifier == identifier).map(|key| key.der.clone())
        };
        if let Some(key) = known() {
            return Ok(Some(key));
        }
        let Some(url) = url else { return Ok(None) };
        // Whoever sends unknown identifiers makes nobody wait in line.
        let Ok(mut asked) = self.asked.try_lock() else {
            return Err(Problem::busy("questions for the partner's keys"));
        };
        if asked.is_some_and(|at| at.elapsed() < limits::HOOK_KEYS_STEP) {
            return Ok(known());
        }
        *asked = Some(Instant::now());
        match self.ask(url).await {
            Ok(keys) => *self.known.lock().unwrap_or_else(PoisonError::into_inner) = keys,
            Err(error) => tracing::error!(%error, "a partner's keys could not be asked for"),
        }
        Ok(known())
    }

    async fn ask(&self, url: &str) -> Result<Vec<PublicKey>, Unreachable> {
        let http = match self.http.get() {
            Some(http) => http,
            None => {
                let http = reqwest::Client::builder()
                    .redirect(reqwest::redirect::Policy::none())
                    .connect_timeout(limits::CONNECT_TIMEOUT)
                    .timeout(limits::HOOK_KEYS_TIME)
                    .user_agent("leakgate")
                    .build()?;
                self.http.get_or_init(|| http)
            }
        };
        let mut answer = http.get(url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            if body.len() + piece.len() > limits::HOOK_KEYS_BYTES {
                return Err(Unreachable::TooLong);
            }
            body.extend_from_slice(&piece);
        }
        let shown: Shown = serde_json::from_slice(&body).map_err(|_| Unreachable::Form)?;
        let keys = shown.public_keys.into_iter().take(limits::HOOK_KEYS);
        // A key of another kind is none that this hook could use.
        let usable = |shown: ShownKey| {
            let der = public_key(&shown.key).ok()?;
            Some(PublicKey { identifier: shown.key_identifier, der })
        };
        Ok(keys.filter_map(usable).collect())
    }
}
