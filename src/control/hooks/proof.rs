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
    known: Mutex<Option<Known>>,
    /// When they were asked for last.
    asked: tokio::sync::Mutex<Option<Instant>>,
    http: OnceLock<reqwest::Client>,
}

/// What a partner has shown, and when.
struct Known {
    at: Instant,
    keys: Vec<PublicKey>,
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
                    None => self.keys.key(identifier, url.as_deref(), Instant::now()).await?,
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
    /// The key of this identifier, out of those that the partner shows. They are asked for again
    /// where it is not among them, or they are older than [`limits::HOOK_KEYS_AGE`]: a key that the
    /// partner withdraws is not believed for ever. That is no more often than once in
    /// [`limits::HOOK_KEYS_STEP`].
    ///
    /// # Errors
    /// Where what the partner shows is not known at the moment.
    async fn key(
        &self,
        identifier: &str,
        url: Option<&str>,
        now: Instant,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let Some(url) = url else { return Ok(None) };
        let unknown = || Problem::busy("questions for the partner's keys");
        // The keys of no greater age, and this one out of them.
        let known = |age: Duration| {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let known =
                known.as_ref().filter(|known| now.saturating_duration_since(known.at) < age)?;
            let key = known.keys.iter().find(|key| key.identifier == identifier);
            Some(key.map(|key| key.der.clone()))
        };
        if let Some(Some(key)) = known(limits::HOOK_KEYS_AGE) {
            return Ok(Some(key));
        }
        let mut asked = match known(limits::HOOK_KEYS_AGE_MOST) {
            // One that was good stands in line to be good again.
            Some(Some(_)) => self.asked.lock().await,
            // Whoever sends unknown identifiers makes nobody wait in line.
            _ => self.asked.try_lock().map_err(|_| unknown())?,
        };
        let is_due =
            asked.is_none_or(|at| now.saturating_duration_since(at) >= limits::HOOK_KEYS_STEP);
        if is_due {
            *asked = Some(now);
            match self.ask(url).await {
                Ok(keys) => {
                    let known = Known { at: now, keys };
                    *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
                }
                Err(error) => tracing::error!(%error, "a partner's keys could not be asked for"),
            }
        }
        known(limits::HOOK_KEYS_AGE_MOST).ok_or_else(unknown)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::routing::get;
    use serde_json::{Value, json};

    use super::*;

    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEejj2lQ3vib2ZnO3rVSUbiCi/5JRV\n\
        P88HGIKmPLBsYu72k3n/buAmTYGsNAgTZZfljVoVeP3hjb+UCQ1v7aUtfg==\n\
        -----END PUBLIC KEY-----\n";

    /// A partner that shows this, or answers with an error where it is nothing.
    async fn partner() -> (Arc<Mutex<Option<Value>>>, String) {
        let shown: Arc<Mutex<Option<Value>>> = Arc::default();
        let answers = Arc::clone(&shown);
        let answer = move || {
            let shown = answers.lock().unwrap().clone();
            async move { shown.map(axum::Json).ok_or(http::StatusCode::BAD_GATEWAY) }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let router = Router::new().route("/keys", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (shown, url)
    }

    fn showing(identifiers: &[&str]) -> Option<Value> {
        let key = |identifier| json!({"key_identifier": identifier, "key": PEM});
        Some(json!({"public_keys": identifiers.iter().map(key).collect::<Vec<_>>()}))
    }

    #[tokio::test]
    async fn a_key_that_is_withdrawn_is_believed_no_more() {
        let (shown, url) = partner().await;
        *shown.lock().unwrap() = showing(&["one", "two"]);
        let (keys, begun) = (Keys::default(), Instant::now());
        let key = async |identifier, now| keys.key(identifier, Some(&url), now).await;
        assert!(key("one", begun).await.unwrap().is_some());
        *shown.lock().unwrap() = showing(&["two"]);
        let soon = begun + limits::HOOK_KEYS_AGE - Duration::from_secs(1);
        assert!(key("one", soon).await.unwrap().is_some());
        let later = begun + limits::HOOK_KEYS_AGE;
        assert!(key("one", later).await.unwrap().is_none());
        assert!(key("two", later).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn keys_outlive_a_partner_that_does_not_answer_for_a_time() {
        let (shown, url) = partner().await;
        let (keys, begun) = (Keys::default(), Instant::now());
        let key = async |identifier, now| keys.key(identifier, Some(&url), now).await;
        // What cannot be known is not told to be false.
        assert_eq!(key("one", begun).await.unwrap_err().status(), 503);
        let begun = begun + limits::HOOK_KEYS_STEP;
        *shown.lock().unwrap() = showing(&["one"]);
        assert!(key("one", begun).await.unwrap().is_some());
        *shown.lock().unwrap() = None;
        let last = begun + limits::HOOK_KEYS_AGE_MOST;
        let just = last - Duration::from_secs(1);
        assert!(key("one", just).await.unwrap().is_some());
        assert!(key("another", just).await.unwrap().is_none());
        assert_eq!(key("one", last).await.unwrap_err().status(), 503);
        let again = last + limits::HOOK_KEYS_STEP;
        *shown.lock().unwrap() = showing(&["one"]);
        assert!(key("one", again).await.unwrap().is_some());
    }
}
