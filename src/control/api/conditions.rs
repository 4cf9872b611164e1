//! Under which conditions a call is to be done: `If-Match`, which names the leak's state that the caller
//! knows, and `Idempotency-Key`, under which the same call is done once.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;

use super::extract::{self, must_be_json};
use crate::config::limits;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::once::Outcome;
use crate::control::problem::Problem;
use crate::model::leak::Leak;
use crate::store::types::{DoneOnce, Once};

/// The field that names a call.
const KEY: &str = "idempotency-key";

/// Marks an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The versions of the leak that the caller knows; absent where any will do.
pub(super) struct IfMatch(pub(super) Option<Vec<u64>>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut tags = Vec::new();
        for value in parts.headers.get_all(header::IF_MATCH) {
            let text = value.to_str().map_err(|_| unreadable())?;
            tags.extend(text.split(',').map(str::trim).filter(|tag| !tag.is_empty()));
        }
        match tags.as_slice() {
            [] if parts.headers.contains_key(header::IF_MATCH) => Err(unreadable()),
            [] | ["*"] => Ok(Self(None)),
            tags if tags.len() > limits::IF_MATCH_TAGS => Err(unreadable()),
            tags => tags
                .iter()
                .map(|tag| version(tag))
                .collect::<Result<Vec<_>, _>>()
                .map(|versions| Self(Some(versions.into_iter().flatten().collect()))),
        }
    }
}

/// The version in an entity tag; none in one that is weak or not of a leak, which matches nothing.
fn version(tag: &str) -> Result<Option<u64>, Problem> {
    let (weak, quoted) = match tag.strip_prefix("W/") {
        Some(quoted) => (true, quoted),
        None => (false, tag),
    };
    let inner = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|inner| !inner.contains('"'))
        .ok_or_else(unreadable)?;
    Ok(inner.parse().ok().filter(|_| !weak))
}

fn unreadable() -> Problem {
    Problem::invalid(
        "If-Match",
        format!(
            "it must be * or the ETag of the leak, in its quotes, such as \"7\"; {} at most",
            limits::IF_MATCH_TAGS
        ),
    )
}

/// The body of a call that may come with a key.
pub(super) struct Keyed<T>(pub(super) Option<Once>, pub(super) T);

/// The same of a body that may be left out.
pub(super) struct MaybeKeyed<T>(pub(super) Option<Once>, pub(super) T);

impl<T: DeserializeOwned> FromRequest<Control> for Keyed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, control: &Control) -> Result<Self, Problem> {
        let (once, body) = keyed(request, control).await?;
        let headers = body.headers;
        must_be_json(&headers)?;
        extract::whole(&body.bytes).map(|value| Self(once, value))
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Control> for MaybeKeyed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, control: &Control) -> Result<Self, Problem> {
        let (once, body) = keyed(request, control).await?;
        if body.bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(once, T::default()));
        }
        must_be_json(&body.headers)?;
        extract::from_json(&body.bytes).map(|value| Self(once, value))
    }
}

struct Read {
    headers: HeaderMap,
    bytes: zeroize::Zeroizing<Vec<u8>>,
}

async fn keyed(request: Request, control: &Control) -> Result<(Option<Once>, Read), Problem> {
    let headers = request.headers().clone();
    let key = key(&headers)?.map(str::to_owned);
    let caller = request.extensions().get::<Caller>().cloned();
    let conditions = headers.get(header::IF_MATCH).map(HeaderValue::as_bytes).unwrap_or_default();
    let call =
        format!("{} {}\n{}", request.method(), request.uri(), String::from_utf8_lossy(conditions));
    let bytes = extract::read(request, limits::API_BODY_BYTES).await?;
    let once = key.zip(caller).map(|(key, caller)| control.once(&caller, &key, &call, &bytes));
    Ok((once, Read { headers, bytes }))
}

/// The key that a call was sent with.
fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim().trim_matches('"');
    let fits = (1..=limits::IDEMPOTENCY_KEY_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits || values.next().is_some() {
        return Err(Problem::invalid(
            "Idempotency-Key",
            format!(
                "it must be one key of 1 to {} visible ASCII characters, another one for each call",
                limits::IDEMPOTENCY_KEY_BYTES
            ),
        ));
    }
    Ok(Some(text))
}

/// Refuses a key where the answer shows a secret that is not kept.
pub(super) struct NoKey;

impl<S: Send + Sync> FromRequestParts<S> for NoKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.headers.contains_key(KEY) {
            return Err(Problem::invalid(
                "Idempotency-Key",
                "this call shows a secret once, which is not kept to be shown again: leave the key \
                 out, and look what is there before the call is repeated",
            ));
        }
        Ok(Self)
    }
}

/// A leak with its entity tag.
pub(super) fn shown(leak: Leak) -> Response {
    tagged(leak.version, Json(leak))
}

/// An answer that shows one leak of this version.
pub(super) fn tagged(version: u64, answer: impl IntoResponse) -> Response {
    ([(header::ETAG, format!("\"{version}\""))], answer).into_response()
}

impl Control {
    /// The answer of a decision that was made now, or before by the same call.
    pub(super) async fn answer_decision(
        &self,
        tenant: &str,
        outcome: Outcome<Response>,
    ) -> Result<Response, Problem> {
        let done = match outcome {
            Outcome::Done(response) => return Ok(response),
            Outcome::Before(done) => done,
        };
        let mut response = match done.answer {
            Some(answer) => replayed(answer),
            None => shown(self.leak_of(tenant, &done).await?),
        };
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }

    /// The leak that a call was about, as it is now.
    pub(super) async fn leak_of(&self, tenant: &str, done: &DoneOnce) -> Result<Leak, Problem> {
        let id = done.leak.ok_or_else(Problem::failed)?;
        Ok(self.store().leak(tenant, id).await?)
    }
}

/// An answer that was given before.
fn replayed(answer: String) -> Response {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: Option<u64>,
    }
    let version = serde_json::from_str(&answer).ok().and_then(|Versioned { version }| version);
    let json = [(header::CONTENT_TYPE, "application/json")];
    match version {
        Some(version) => tagged(version, (json, answer)),
        None => (StatusCode::ACCEPTED, json, answer).into_response(),
    }
}

/// Marks an answer as one that was given before.
pub(super) fn marked(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_versions() {
        assert_eq!(version("\"7\"").unwrap(), Some(7));
        assert_eq!(version("W/\"7\"").unwrap(), None, "a weak tag never matches");
        assert_eq!(version("\"other\"").unwrap(), None);
        for bad in ["7", "\"7", "7\"", "\"a\"b\"", "\""] {
            assert!(version(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_one_word() {
        let with = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(KEY, HeaderValue::from_static(value));
            }
            key(&headers).map(|key| key.map(str::to_owned))
        };
        assert_eq!(with(&[]).unwrap(), None);
        assert_eq!(with(&["\"a-1\""]).unwrap().as_deref(), Some("a-1"));
        for bad in [&[""][..], &["a b"], &["a", "b"], &["\"\""]] {
            assert!(with(bad).is_err(), "{bad:?}");
        }
    }
}
