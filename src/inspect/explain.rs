//! One recorded raw request, inspected whole: what would be decided about it, and why.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};

use super::{Context, Inspection};
use crate::config::limits;
use crate::matcher::Patchset;
use crate::model::verdict::{Hit, Verdict};

/// What came of inspecting a recorded request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// What is decided.
    pub verdict: Verdict,
    /// What was found.
    pub hits: Vec<Hit>,
    /// Causes of incomplete inspection that would have refused it, had a blocking patch been in
    /// scope and the mode been `block`.
    pub would_refuse: Vec<&'static str>,
    /// How many bytes were inspected, raw and decoded.
    pub inspected_bytes: u64,
}

/// Why bytes are not a recorded request. Tells nothing of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotARequest {
    /// The head does not parse.
    #[error(
        "it does not begin with the head of an HTTP/1 request: a line such as GET /path HTTP/1.1, \
         fields, and an empty line"
    )]
    Head,
    /// The head has more fields than the gateway takes.
    #[error("its head has more than {} fields", limits::HEADER_COUNT)]
    TooManyFields,
    /// The head never ends.
    #[error("the empty line after its head is missing")]
    Unfinished,
    /// The chunks of its body do not parse.
    #[error("its body is said to come in chunks, and the chunks do not parse")]
    Chunks,
}

/// A raw HTTP/1 request, taken apart: line, fields, an empty line, and the rest as its body, whose
/// chunks are told apart where the head declares them.
pub struct Recorded<'a> {
    /// Method, target and fields.
    pub head: Parts,
    /// The pieces of the body.
    pub body: Vec<&'a [u8]>,
    /// The fields after the last chunk.
    pub trailers: HeaderMap,
}

impl<'a> Recorded<'a> {
    /// Takes the bytes apart.
    ///
    /// # Errors
    /// [`NotARequest`] where they are no request.
    pub fn parse(request: &'a [u8]) -> Result<Self, NotARequest> {
        let (head, mut rest) = split(request)?;
        let (mut body, mut trailers) = (Vec::new(), HeaderMap::new());
        if is_chunked(&head.headers) {
            while let Some((chunk, after)) = next_chunk(rest)? {
                body.push(chunk);
                rest = after;
            }
            trailers = self::trailers(rest)?;
        } else if !rest.is_empty() {
            body.push(rest);
        }
        Ok(Self { head, body, trailers })
    }

    /// The head alone, of what begins with one.
    ///
    /// # Errors
    /// [`NotARequest`] where it does not.
    pub fn head(request: &[u8]) -> Result<Parts, NotARequest> {
        split(request).map(|(head, _)| head)
    }

    /// The host asked for, in lower case and without port.
    pub fn host(&self) -> Option<String> {
        let authority = match self.head.uri.authority() {
            Some(authority) => authority.clone(),
            None => self.head.headers.get(header::HOST)?.to_str().ok()?.parse().ok()?,
        };
        Some(authority.host().to_ascii_lowercase())
    }
}

/// Inspects a recorded request whole. The host of `context` is the recorded one's, where there is
/// one.
pub fn explain(request: &Recorded<'_>, patchset: Arc<Patchset>, mut context: Context) -> Report {
    if let Some(host) = request.host() {
        context.host = host;
    }
    let mut inspection = Inspection::new(patchset, context);
    let mut verdict = inspection.head(&request.head);
    for chunk in &request.body {
        verdict = stronger(verdict, inspection.body(chunk));
    }
    verdict = stronger(verdict, inspection.trailers(&request.trailers));
    verdict = stronger(verdict, inspection.finish());
    Report {
        verdict,
        hits: inspection.hits().to_vec(),
        would_refuse: inspection.would_refuse().to_vec(),
        inspected_bytes: inspection.inspected_bytes(),
    }
}

fn stronger(before: Verdict, after: Verdict) -> Verdict {
    if before.passes() { after } else { before }
}

fn is_chunked(headers: &HeaderMap) -> bool {
    headers.get_all(header::TRANSFER_ENCODING).iter().any(|value| {
        let mut codings = value.as_bytes().split(|&byte| byte == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"))
    })
}

/// The head, and what follows it.
fn split(request: &[u8]) -> Result<(Parts, &[u8]), NotARequest> {
    let mut fields = vec![httparse::EMPTY_HEADER; limits::HEADER_COUNT];
    let mut head = httparse::Request::new(&mut fields);
    let length = match head.parse(request) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Err(NotARequest::Unfinished),
        Err(httparse::Error::TooManyHeaders) => return Err(NotARequest::TooManyFields),
        Err(_) => return Err(NotARequest::Head),
    };
    let method = head.method.and_then(|name| Method::from_bytes(name.as_bytes()).ok());
    let target = head.path.and_then(|path| path.parse::<Uri>().ok());
    let mut parts = Request::new(()).into_parts().0;
    parts.method = method.ok_or(NotARequest::Head)?;
    parts.uri = target.ok_or(NotARequest::Head)?;
    parts.headers = fields_of(head.headers)?;
    Ok((parts, request.get(length..).unwrap_or_default()))
}

fn fields_of(parsed: &[httparse::Header<'_>]) -> Result<HeaderMap, NotARequest> {
    let mut headers = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| NotARequest::Head)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| NotARequest::Head)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// A chunk's content, and what follows it.
type Chunk<'a> = (&'a [u8], &'a [u8]);

/// The next chunk; none at the last, empty one, whose trailers
/// follow.
fn next_chunk(rest: &[u8]) -> Result<Option<Chunk<'_>>, NotARequest> {
    let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) else {
        return Err(NotARequest::Chunks);
    };
    if size == 0 {
        return Ok(None);
    }
    let size = usize::try_from(size).map_err(|_| NotARequest::Chunks)?;
    let end = start.checked_add(size).ok_or(NotARequest::Chunks)?;
    let chunk = rest.get(start..end).ok_or(NotARequest::Chunks)?;
    let after = rest.get(end..).unwrap_or_default();
    let after = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n"));
    Ok(Some((chunk, after.ok_or(NotARequest::Chunks)?)))
}

/// The fields after the last chunk.
fn trailers(rest: &[u8]) -> Result<HeaderMap, NotARequest> {
    let Ok(httparse::Status::Complete((start, _))) = httparse::parse_chunk_size(rest) else {
        return Err(NotARequest::Chunks);
    };
    let mut fields = vec![httparse::EMPTY_HEADER; limits::HEADER_COUNT];
    match httparse::parse_headers(rest.get(start..).unwrap_or_default(), &mut fields) {
        Ok(httparse::Status::Complete((_, parsed))) => fields_of(parsed),
        _ => Err(NotARequest::Chunks),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::matcher::{PatchsetWriter, Rule};
    use crate::model::clock;
    use crate::model::fingerprint::Fingerprint;
    use crate::model::ids::{LeakId, TokenId};
    use crate::model::rule::{Action, FiltrationMode, Scope};
    use crate::model::secret::Secret;
    use crate::model::token::TokenMaterial;
    use crate::model::verdict::Refusal;

    const TOKEN: &str = "an-example-of-a-leaked-token";

    fn explained(request: &str, scope: Scope) -> Result<Report, NotARequest> {
        let mut writer = PatchsetWriter::new();
        let leak = LeakId::new();
        let action = Action::Block;
        let rule = Rule { scope, ..Rule::new(leak, action) };
        writer.set_rule(rule);
        let material = TokenMaterial::Text(Secret::from(TOKEN.to_owned()));
        writer.add_token(leak, TokenId::new(), Fingerprint([7; 16]), &material);
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let context = Context::new(client, "unknown", FiltrationMode::Block, clock::now());
        Ok(explain(&Recorded::parse(request.as_bytes())?, writer.build(), context))
    }

    fn point_of(request: &str) -> String {
        let report = explained(request, Scope::default()).unwrap();
        assert_eq!(report.verdict, Verdict::Refuse(Refusal::Leaked), "{request}");
        report.hits.first().unwrap().point.to_string()
    }

    #[test]
    fn finds_the_token_in_every_part() {
        let point = point_of(&format!("GET /a?key={TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(point, "query:key");
        let point = point_of(&format!("GET / HTTP/1.1\nHost: x\nX-Key: {TOKEN}\n\n"));
        assert_eq!(point, "header:x-key");
        let point = point_of(&format!("POST / HTTP/1.1\r\nHost: x\r\n\r\nkey={TOKEN}"));
        assert!(point.starts_with("body"), "{point}");
        let (one, two) = TOKEN.split_at(10);
        let point = point_of(&format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
            one.len(),
            two.len()
        ));
        assert!(point.starts_with("body"), "{point}");
        let point = point_of(&format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: {TOKEN}\r\n\r\n"
        ));
        assert_eq!(point, "trailer:x-sum");
    }

    #[test]
    fn the_recorded_host_is_in_scope() {
        let scope = Scope { hosts: vec!["api.example".to_owned()], ..Scope::default() };
        let request = |host: &str| format!("GET /{TOKEN} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let report = explained(&request("API.example:8080"), scope.clone()).unwrap();
        assert!(!report.verdict.passes());
        let report = explained(&request("other.example"), scope).unwrap();
        assert!(report.verdict.passes());
        assert_eq!(report.hits.first().unwrap().action, Action::Observe);
    }

    #[test]
    fn what_is_no_request_says_why() {
        let error = |text: &str| explained(text, Scope::default()).unwrap_err();
        assert_eq!(error(""), NotARequest::Unfinished);
        assert_eq!(error("GET / HTTP/1.1\r\nHost: x\r\n"), NotARequest::Unfinished);
        assert_eq!(error("\u{0}\r\n\r\n"), NotARequest::Head);
        let many = "a: b\r\n".repeat(limits::HEADER_COUNT + 1);
        assert_eq!(error(&format!("GET / HTTP/1.1\r\n{many}\r\n")), NotARequest::TooManyFields);
        let chunked = "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(error(chunked), NotARequest::Chunks);
        assert_eq!(error(&format!("{chunked}ff\r\nshort\r\n")), NotARequest::Chunks);
    }
}
