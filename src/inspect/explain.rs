//! One recorded raw request: what would be decided.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Context, Inspection};
use crate::config::limits;
use crate::matcher::Patchset;
use crate::model::fingerprint::Fingerprint;
use crate::model::ids::{LeakId, PatchId, TokenId};
use crate::model::rule::Action;
use crate::model::verdict::{Refusal, Verdict};

/// What would be decided about a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// `pass`, `blocked`, or `refused` where it could not be inspected whole.
    pub verdict: &'static str,
    /// The status of a refusal made for want of inspection.
    pub status: Option<u16>,
    /// What is wrong, where it is refused for that.
    pub detail: Option<String>,
    /// Every token found, once a point.
    pub hits: Vec<Explained>,
    /// How many more were found than are listed.
    pub hits_beyond: u64,
    /// Causes that would have refused it, had a blocking patch been in scope and the mode `block`.
    pub would_refuse: Vec<&'static str>,
    /// Bytes inspected, raw and decoded.
    pub inspected_bytes: u64,
}

/// One token found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Explained {
    /// The token.
    pub token: TokenId,
    /// What stands for it in records.
    #[schema(value_type = String, example = "3f2a9c01be77")]
    pub fingerprint: Fingerprint,
    /// The leak whose rule acts.
    pub leak: LeakId,
    /// Its virtual patch, where it has one in force.
    pub virtual_patch: Option<PatchId>,
    /// What is done.
    pub action: Action,
    /// Where it was found.
    #[schema(example = "header:authorization")]
    pub point: String,
    /// What had to be undone, outermost first.
    pub encodings: Vec<&'static str>,
}

/// Why bytes are not a request as it goes over the wire. Says nothing of the bytes themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotARequest {
    /// The head does not end.
    #[error("the head is cut: it ends with an empty line, also where there is no body")]
    HeadCut,
    /// The head is not HTTP/1.
    #[error("the head is not HTTP/1: {0}")]
    Head(httparse::Error),
    /// The target is none.
    #[error("the target in the request line is not a valid URI")]
    Target,
    /// A header field is not valid.
    #[error("header field {0} (counted from 1) is not valid")]
    Field(usize),
    /// A chunk is broken.
    #[error("chunk {0} (counted from 1) of the body is broken or cut")]
    Chunk(usize),
}

/// Inspects a recorded HTTP/1 request: request line, header fields, an empty line, then the body to
/// the end of the text, in chunks if `Transfer-Encoding` says so. Lines may end in CRLF or LF.
///
/// # Errors
/// [`NotARequest`] where the text is no such request.
pub fn explain(
    raw: &[u8],
    patchset: &Arc<Patchset>,
    context: Context,
) -> Result<Explanation, NotARequest> {
    let (request, body) = head(raw)?;
    let (parts, ()) = request.into_parts();
    let body = if is_chunked(&parts.headers) {
        chunked(body)?
    } else {
        Body { bytes: body.to_vec(), trailers: HeaderMap::new() }
    };
    let mut inspection = Inspection::new(Arc::clone(patchset), context);
    inspection.head(&parts);
    inspection.body(&body.bytes);
    inspection.trailers(&body.trailers);
    let verdict = inspection.finish();
    Ok(explanation(&inspection, verdict))
}

fn explanation(inspection: &Inspection, verdict: Verdict) -> Explanation {
    let (verdict, status, detail) = match verdict {
        Verdict::Pass => ("pass", None, None),
        Verdict::Refuse(Refusal::Leaked) => ("blocked", None, None),
        Verdict::Refuse(Refusal::Incomplete { status, detail, .. }) => {
            ("refused", Some(status), Some(detail.into_owned()))
        }
    };
    let hits = inspection.hits().iter().map(|hit| Explained {
        token: hit.token,
        fingerprint: hit.fingerprint,
        leak: hit.leak,
        virtual_patch: hit.patch,
        action: hit.action,
        point: hit.point.to_string(),
        encodings: hit.encodings.clone(),
    });
    Explanation {
        verdict,
        status,
        detail,
        hits: hits.collect(),
        hits_beyond: inspection.hits_beyond(),
        would_refuse: inspection.would_refuse().to_vec(),
        inspected_bytes: inspection.inspected_bytes(),
    }
}

/// The request's head, and what comes after it.
fn head(raw: &[u8]) -> Result<(http::Request<()>, &[u8]), NotARequest> {
    let mut fields = [httparse::EMPTY_HEADER; limits::HEADER_COUNT];
    let mut parsed = httparse::Request::new(&mut fields);
    let length = match parsed.parse(raw).map_err(NotARequest::Head)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Err(NotARequest::HeadCut),
    };
    let method = parsed.method.unwrap_or_default();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| NotARequest::Head(httparse::Error::Token))?;
    let uri: Uri = parsed.path.unwrap_or_default().parse().map_err(|_| NotARequest::Target)?;
    let mut request = http::Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = fields_of(parsed.headers)?;
    Ok((request, raw.get(length..).unwrap_or_default()))
}

fn fields_of(parsed: &[httparse::Header<'_>]) -> Result<HeaderMap, NotARequest> {
    let mut fields = HeaderMap::with_capacity(parsed.len());
    for (index, field) in parsed.iter().enumerate() {
        let broken = NotARequest::Field(index + 1);
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| broken)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| broken)?;
        fields.append(name, value);
    }
    Ok(fields)
}

fn is_chunked(headers: &HeaderMap) -> bool {
    headers.get_all(http::header::TRANSFER_ENCODING).iter().any(|value| {
        let mut codings = value.as_bytes().split(|&byte| byte == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"))
    })
}

struct Body {
    bytes: Vec<u8>,
    trailers: HeaderMap,
}

fn chunked(mut rest: &[u8]) -> Result<Body, NotARequest> {
    let mut bytes = Vec::with_capacity(rest.len());
    let mut count = 0;
    loop {
        count += 1;
        let broken = NotARequest::Chunk(count);
        let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) else {
            return Err(broken);
        };
        rest = rest.get(start..).ok_or(broken)?;
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).map_err(|_| broken)?;
        let (chunk, after) = rest.split_at_checked(size).ok_or(broken)?;
        bytes.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n")).ok_or(broken)?;
    }
    let mut fields = [httparse::EMPTY_HEADER; limits::HEADER_COUNT];
    let trailers = match httparse::parse_headers(rest, &mut fields).map_err(NotARequest::Head)? {
        httparse::Status::Complete((_, fields)) => fields_of(fields)?,
        // A recording may end with the last chunk.
        httparse::Status::Partial if rest.trim_ascii().is_empty() => HeaderMap::new(),
        httparse::Status::Partial => return Err(NotARequest::HeadCut),
    };
    Ok(Body { bytes, trailers })
}
