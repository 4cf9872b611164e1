//! Sinks over HTTP: a receiver that checks a signature, Slack, PagerDuty, OpenTelemetry.

use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::format::{self, otlp, pagerduty, slack};
use super::guard::Guard;
use super::{Deliver, Delivery, Failure};
use crate::config::limits;
use crate::model::clock;
use crate::model::secret::Secret;
use crate::model::sink::Format;

/// The name of a key of signatures, before its base64.
pub(in crate::control) const KEY_PREFIX: &str = "whsec_";

/// What is sent, and how it proves where it comes from.
pub(super) enum Protocol {
    /// Entries together, signed.
    Signed {
        /// The key.
        secret: Secret,
        /// By which names.
        format: Format,
    },
    /// A message for each.
    Slack,
    /// An alert for each.
    Pagerduty {
        /// The key of the service that is told.
        routing_key: Secret,
    },
    /// Log records.
    Otlp {
        /// What stands in `Authorization`.
        authorization: Option<Secret>,
        /// By which names.
        format: Format,
    },
}

/// A sink over HTTP.
pub(super) struct Http {
    client: reqwest::Client,
    guard: Guard,
    url: Secret,
    protocol: Protocol,
}

/// A client that goes where the guard allows, and nowhere that it is sent from there.
///
/// # Errors
/// Where the system's certificates cannot be read.
pub(super) fn client(guard: Guard) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // A proxy would resolve names by itself.
        .no_proxy()
        .dns_resolver(guard)
        .connect_timeout(limits::CONNECT_TIMEOUT)
        .timeout(limits::SINK_TIME)
        .pool_idle_timeout(limits::POOL_IDLE_TIMEOUT)
        .user_agent(concat!("leakgate/", env!("CARGO_PKG_VERSION")))
        .build()
}

impl Http {
    pub(super) fn new(
        client: reqwest::Client,
        guard: Guard,
        url: Secret,
        protocol: Protocol,
    ) -> Self {
        Self { client, guard, url, protocol }
    }

    async fn post(&self, body: &Value, headers: HeaderMap) -> Result<(), Failure> {
        self.post_text(body.to_string(), headers).await
    }

    async fn post_text(&self, body: String, headers: HeaderMap) -> Result<(), Failure> {
        let url = std::str::from_utf8(self.url.expose())
            .ok()
            .and_then(|url| reqwest::Url::parse(url).ok())
            .ok_or_else(|| Failure::new("its address is no URL"))?;
        self.guard.check(url.host_str().unwrap_or_default())?;
        let request = self
            .client
            .post(url)
            .headers(headers)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let mut answer = request.send().await.map_err(Failure::of_http)?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(seconds);
        // Read, so that the connection can be used again.
        let mut read = 0;
        while let Ok(Some(piece)) = answer.chunk().await {
            read += piece.len();
            if read > limits::SINK_ANSWER_BYTES {
                break;
            }
        }
        if status.is_success() {
            return Ok(());
        }
        let text = if status.is_redirection() {
            format!("it answered {status}, and nobody is followed elsewhere")
        } else {
            format!("it answered {status}")
        };
        Err(Failure { text, retry_after })
    }
}

/// How long a receiver asks to wait.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[async_trait]
impl Deliver for Http {
    fn batch(&self) -> usize {
        match self.protocol {
            Protocol::Slack | Protocol::Pagerduty { .. } => 1,
            Protocol::Signed { .. } | Protocol::Otlp { .. } => limits::SINK_BATCH,
        }
    }

    fn gives_up(&self) -> bool {
        true
    }

    async fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<(), Failure> {
        match &self.protocol {
            Protocol::Signed { secret, format } => {
                let body = format::body(delivery, *format).to_string();
                let at = clock::now().as_second();
                let signed = signature_headers(secret, delivery.id, at, body.as_bytes())?;
                self.post_text(body, signed).await
            }
            Protocol::Slack => {
                for entry in delivery.entries {
                    self.post(&slack::message(entry), HeaderMap::new()).await?;
                }
                Ok(())
            }
            Protocol::Pagerduty { routing_key } => {
                for entry in delivery.entries {
                    let key = String::from_utf8_lossy(routing_key.expose());
                    let alert = pagerduty::alert(entry, &key, delivery.public_url);
                    self.post(&alert, HeaderMap::new()).await?;
                }
                Ok(())
            }
            Protocol::Otlp { authorization, format } => {
                let mut headers = HeaderMap::new();
                if let Some(authorization) = authorization {
                    let mut value = HeaderValue::from_bytes(authorization.expose())
                        .map_err(|_| Failure::new("its secret cannot stand in a header field"))?;
                    value.set_sensitive(true);
                    headers.insert(AUTHORIZATION, value);
                }
                self.post(&otlp::logs(delivery.entries, *format), headers).await
            }
        }
    }
}

/// The fields by which a receiver knows where a body comes from: its id, the time in seconds, and
/// HMAC-SHA256 over `id.time.body`.
fn signature_headers(
    secret: &Secret,
    id: &str,
    at: i64,
    body: &[u8],
) -> Result<HeaderMap, Failure> {
    let signature = sign(secret, id, at, body);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", format!("v1,{signature}")),
    ] {
        let value = HeaderValue::try_from(value)
            .map_err(|_| Failure::new("its signature cannot stand in a header field"))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

/// The signature of a body, in base64.
fn sign(secret: &Secret, id: &str, at: i64, body: &[u8]) -> String {
    let key = key_bytes(secret);
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{id}.{at}.").as_bytes());
    context.update(body);
    STANDARD.encode(context.sign())
}

/// The bytes of a key: what stands behind `whsec_` in base64, or else the text itself.
fn key_bytes(secret: &Secret) -> Secret {
    secret
        .expose()
        .strip_prefix(KEY_PREFIX.as_bytes())
        .and_then(|text| STANDARD.decode(text).ok())
        .map_or_else(|| secret.clone(), Secret::new)
}

impl Failure {
    /// Why nothing was answered. The address is left out, since it may be a secret.
    fn of_http(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut text = if error.is_timeout() {
            "it did not answer in time".to_owned()
        } else if error.is_connect() {
            "no connection to it could be made".to_owned()
        } else {
            "the exchange with it broke".to_owned()
        };
        // The innermost cause says most.
        let mut source = std::error::Error::source(&error);
        let mut last = None;
        while let Some(cause) = source {
            last = Some(cause.to_string());
            source = cause.source();
        }
        if let Some(last) = last {
            text.push_str(": ");
            text.push_str(&last);
        }
        Self { text, retry_after: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_documented_command() {
        // printf 'msg_1.1700000000.{}' | openssl dgst -sha256 -hmac 'a key of tests only' -binary | base64
        const COMPUTED: &str = "D6Zof1OkBUnqSUr0Jbazz05loiTseTMMbLqxNdazJUU=";
        let secret = Secret::from("a key of tests only".to_owned());
        let encoded = format!("{KEY_PREFIX}{}", STANDARD.encode("a key of tests only"));
        assert_eq!(sign(&secret, "msg_1", 1_700_000_000, b"{}"), COMPUTED);
        assert_eq!(sign(&Secret::from(encoded), "msg_1", 1_700_000_000, b"{}"), COMPUTED);
        let headers = signature_headers(&secret, "msg_1", 1_700_000_000, b"{}").unwrap();
        assert_eq!(headers["webhook-id"], "msg_1");
        assert_eq!(headers["webhook-timestamp"], "1700000000");
        assert_eq!(headers["webhook-signature"], format!("v1,{COMPUTED}"));
    }
}
