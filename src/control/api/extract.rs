//! Reading what a call was sent, with every mistake answered by what would be right, and never by
//! what was sent: that may be a token.

use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use futures_util::StreamExt;
use http::request::Parts;
use http::{HeaderMap, header};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;
use zeroize::Zeroizing;

use super::values::OURS;
use crate::config::limits;
use crate::control::auth::TENANT;
use crate::control::problem::Problem;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

/// A JSON body that may be left out.
pub(super) struct MaybeBody<T>(pub(super) T);

/// The query, read as if it were a JSON object of texts and lists of texts.
pub(super) struct FromQuery<T>(pub(super) T);

/// The id in the path.
pub(super) struct Id<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        Self::of(request).await
    }
}

impl<T: DeserializeOwned> Body<T> {
    /// The body out of what would be sent as JSON.
    pub(super) fn of_value(value: Value) -> Result<Self, Problem> {
        serde_path_to_error::deserialize(value).map(Self).map_err(|error| misfit(&error))
    }

    /// The body of this request.
    pub(super) async fn of(request: Request) -> Result<Self, Problem> {
        must_be_json(request.headers())?;
        let body = read(request, limits::API_BODY_BYTES).await?;
        whole(&body).map(Self)
    }
}

/// A body that must be there.
pub(super) fn whole<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(Problem::malformed("the body is empty: this call takes a JSON object"));
    }
    from_json(body)
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let body = read(request, limits::API_BODY_BYTES).await?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(T::default()));
        }
        must_be_json(&headers)?;
        from_json(&body).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for FromQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::malformed("the query is not a list of name=value"))?;
        let mut object = Map::new();
        // The tenant is for whoever checks that the caller reaches it.
        for (name, value) in pairs.into_iter().filter(|(name, _)| name != TENANT) {
            match object.get_mut(&name) {
                None => {
                    object.insert(name, Value::String(value));
                }
                Some(Value::Array(values)) => values.push(Value::String(value)),
                Some(first) => {
                    let earlier = first.take();
                    *first = Value::Array(vec![earlier, Value::String(value)]);
                }
            }
        }
        serde_path_to_error::deserialize(Value::Object(object))
            .map(Self)
            .map_err(|error| misfit(&error))
    }
}

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        text.ok()
            .and_then(|Path(text)| text.parse().ok())
            .map(Self)
            .ok_or_else(|| Problem::not_found("object"))
    }
}

pub(super) fn must_be_json(headers: &HeaderMap) -> Result<(), Problem> {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|essence| essence.trim().to_ascii_lowercase())
        .unwrap_or_default();
    if essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
    {
        Ok(())
    } else {
        Err(Problem::unsupported_media_type("send JSON, with Content-Type: application/json"))
    }
}

/// Reads the body whole, up to `limit` bytes, into memory that is wiped afterwards.
pub(super) async fn read(request: Request, limit: usize) -> Result<Zeroizing<Vec<u8>>, Problem> {
    must_be_plain(request.headers())?;
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok())
        .unwrap_or(0);
    if declared > limit {
        return Err(Problem::too_large(limit));
    }
    // Room for the whole where its length is declared, so that growing leaves no copies behind.
    let mut body = Zeroizing::new(Vec::with_capacity(declared));
    let mut stream = request.into_body().into_data_stream();
    while let Some(chunk) = next_chunk(&mut stream).await? {
        if body.len() + chunk.len() > limit {
            return Err(Problem::too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The body must not be compressed.
pub(super) fn must_be_plain(headers: &HeaderMap) -> Result<(), Problem> {
    let coded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if coded {
        return Err(Problem::unsupported_media_type("send the body without Content-Encoding"));
    }
    Ok(())
}

/// The next piece of a body, with a limit on the pause before it.
pub(super) async fn next_chunk(
    stream: &mut axum::body::BodyDataStream,
) -> Result<Option<Bytes>, Problem> {
    match tokio::time::timeout(limits::BODY_IDLE_TIMEOUT, stream.next()).await {
        Err(_) => Err(Problem::too_slow()),
        Ok(None) => Ok(None),
        Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        Ok(Some(Err(_))) => Err(Problem::malformed("the body broke off: send it again")),
    }
}

pub(super) fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // The library would take an array for an object, its values in the order of the fields.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) => Problem::invalid("", "the body must be a JSON object"),
            Err(error) => not_json(&error),
        });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value =
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| misfit(&error))?;
    deserializer.end().map_err(|error| {
        Problem::malformed(format!(
            "something follows the JSON object, at line {} column {}",
            error.line(),
            error.column()
        ))
    })?;
    Ok(value)
}

/// Says what is wrong without repeating what was sent. The library's own message quotes it, so only
/// those parts of the message are used that come from this program: names of fields and what was
/// expected.
fn misfit(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    if inner.classify() != Category::Data {
        return not_json(inner);
    }
    let message = inner.to_string();
    let message = match message.rfind(" at line ") {
        Some(at) if inner.line() > 0 => message.get(..at).unwrap_or_default(),
        _ => message.as_str(),
    };
    let field = named_path(error.path());
    let expected = message.rfind(", expected ").and_then(|at| message.get(at + 11..));
    if let Some(rest) = message.strip_prefix("missing field `") {
        let name = rest.trim_end_matches('`');
        return Problem::invalid(join(&field, name), "it is required");
    }
    if let Some(rest) = message.strip_prefix("duplicate field `") {
        return Problem::invalid(join(&field, rest.trim_end_matches('`')), "it is there twice");
    }
    if let Some(rest) = message.strip_prefix("unknown field `") {
        return unknown_field(error.path(), rest);
    }
    if let Some(ours) = message.strip_prefix(OURS) {
        return Problem::invalid(field, format!("it must be {ours}"));
    }
    let quoting = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `"];
    match expected {
        Some(expected) if quoting.iter().any(|start| message.starts_with(start)) => {
            Problem::invalid(field, format!("it must be {}", wanted(expected.trim_end())))
        }
        _ if field.ends_with("client") => Problem::invalid(
            field,
            "it must be an address (203.0.113.7), a network (203.0.113.0/24) or cert: and a \
             certificate's name",
        ),
        _ if field.ends_with("until") => {
            Problem::invalid(field, "it must be a time such as 2026-01-31T12:00:00Z")
        }
        _ => Problem::invalid(field, "it is not of the form that this field has"),
    }
}

/// What a library says that it expected, in words of the API.
fn wanted(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a sequence" => "a list",
        "a map" => "an object",
        "a boolean" => "true or false",
        "a borrowed string" | "string or map" | "a formatted UUID string" => "a string",
        other if other.starts_with("struct ") || other.starts_with("a map ") => "an object",
        other if other.starts_with("enum ") || other.starts_with("variant ") => "a known name",
        other if other.starts_with("a formatted UUID") || other.starts_with("UUID") => "an id",
        other => other,
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::malformed(format!(
        "the body is not valid JSON, at line {} column {}",
        error.line(),
        error.column()
    ))
}

/// An unknown field is named only where its name is nearly a known one, which is proposed: any other
/// may be a token.
fn unknown_field(path: &serde_path_to_error::Path, rest: &str) -> Problem {
    let Some((name, known)) = rest.rsplit_once("`, expected ") else {
        return Problem::invalid("", "there is a field that this call does not have");
    };
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let near = known
        .iter()
        .map(|field| (strsim::damerau_levenshtein(name, field), *field))
        .min()
        .filter(|(distance, field)| *distance * 3 <= field.len());
    // The path may end in the unknown name itself.
    let mut outer: Vec<&Segment> = path.iter().collect();
    outer.pop_if(|last| matches!(last, Segment::Map { key } if key == name));
    let outer = named(outer.into_iter());
    match near {
        Some((_, field)) => Problem::invalid(
            join(&outer, name),
            format!("there is no such field; did you mean `{field}`?"),
        ),
        None => Problem::invalid(
            outer,
            format!("there is a field that is not known; there are: {}", known.join(", ")),
        ),
    }
}

/// The path of a field, all of whose names are known ones.
fn named_path(path: &serde_path_to_error::Path) -> String {
    named(path.iter())
}

fn named<'a>(segments: impl Iterator<Item = &'a Segment>) -> String {
    let mut text = String::new();
    for segment in segments {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } => text = join(&text, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}

fn join(outer: &str, name: &str) -> String {
    if outer.is_empty() { name.to_owned() } else { format!("{outer}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::model::leak::Source;
    use crate::model::object;
    use crate::model::rule::Scope;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sent {
        #[serde(rename = "title")]
        _title: String,
        #[serde(default, rename = "count", deserialize_with = "super::super::values::number")]
        _count: Option<u64>,
        #[serde(default, rename = "at", deserialize_with = "super::super::values::time")]
        _at: Option<jiff::Timestamp>,
        #[serde(default, rename = "source", deserialize_with = "object::optional")]
        _source: Option<Source>,
        #[serde(default, rename = "scope", deserialize_with = "object::optional")]
        _scope: Option<Scope>,
    }

    fn problem(json: &str) -> Problem {
        from_json::<Sent>(json.as_bytes()).unwrap_err()
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            (r#"{}"#, "title", "required"),
            (r#"{"title":1}"#, "title", "must be a string"),
            (r#"{"title":"a","title":"b"}"#, "title", "twice"),
            (r#"{"title":"a","titel":1}"#, "titel", "did you mean `title`?"),
            (r#"{"title":"a","count":-1}"#, "count", "a whole number"),
            (r#"{"title":"a","at":"soon"}"#, "at", "a time such as"),
            (r#"{"title":"a","source":{"kind":"github","lin":1}}"#, "source.lin", "`line`"),
            (r#"{"title":"a","source":{"kind":"gitbub"}}"#, "source.kind", "`github`"),
            (r#"{"title":"a","scope":{"hosts":"x"}}"#, "scope.hosts", "a list"),
            (r#"{"title":"a","source":"x"}"#, "source", "must be an object"),
            (r#"{"title":"a","source":["manual"]}"#, "source", "must be an object"),
            (
                r#"{"title":"a","source":{"kind":"github","line":-1}}"#,
                "source.line",
                "whole number",
            ),
            (r#"{"title":"a","scope":[]}"#, "scope", "must be an object"),
            (
                r#"{"title":"a","scope":{"except_clients":[["10.0.0.1"]]}}"#,
                "scope.except_clients[0]",
                "must be an object",
            ),
            (
                r#"{"title":"a","scope":{"except_clients":[{"client":"everybody"}]}}"#,
                "scope.except_clients[0].client",
                "an address",
            ),
        ];
        for (json, field, says) in cases {
            let problem = problem(json);
            assert_eq!(problem.status(), 422, "{json}");
            assert_eq!(problem.field(), Some(field), "{json}: {problem:?}");
            assert!(problem.detail().contains(says), "{json}: {problem:?}");
        }
        for json in ["", "{", "{]", "nul", r#"{"title":"a"} x"#] {
            assert_eq!(problem(json).status(), 400, "{json}");
        }
    }

    #[test]
    fn what_was_sent_is_not_repeated() {
        for token in [format!("zq{}7Kx9", "Wm4tR8vL"), format!("zqwm{}", "trvlkxpd")] {
            not_repeated(&token);
        }
    }

    fn not_repeated(token: &str) {
        for json in [
            r#"{"title":["T"]}"#,
            r#"{"T":1}"#,
            r#"{"title":"a","T":1}"#,
            r#"{"title":"a","count":"T"}"#,
            r#"{"title":"a","count":{"T":"T"}}"#,
            r#"{"title":"a","at":"T"}"#,
            r#"{"title":"a","source":"T"}"#,
            r#"{"title":"a","source":{"kind":"T"}}"#,
            r#"{"title":"a","source":{"T":"T"}}"#,
            r#"{"title":"a","source":{"kind":"T, expected T"}}"#,
            r#"{"title":"a","scope":{"except_clients":[{"client":"T"}]}}"#,
            r#"{"title":"a","scope":{"except_clients":[{"client":"10.0.0.1","until":"T"}]}}"#,
            r#"{"title":"a", T}"#,
            r#"T"#,
        ] {
            let json = json.replace('T', token);
            let text = serde_json::to_string(&problem(&json)).unwrap();
            assert!(!text.contains(token), "{text}");
        }
    }
}
