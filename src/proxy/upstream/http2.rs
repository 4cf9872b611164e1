//! A request's head in the forms of both versions, and what HTTP/2 says of a request that it did not
//! take.

use std::error::Error;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri, Version};
use hyper::body::Body;

use super::target::Target;

/// Gives the head the form of the connection's version.
pub(super) fn shape<B: Body>(request: &mut Request<B>, is_http2: bool, target: &Target) {
    match (is_http2, request.version() == Version::HTTP_2) {
        (true, false) => to_http2(request, target),
        (false, true) => to_http1(request),
        _ => {}
    }
}

fn to_http2<B>(request: &mut Request<B>, target: &Target) {
    let headers = request.headers_mut();
    let host = headers.remove(HOST);
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let path = request.uri().path_and_query().cloned();
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if target.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = authority.or_else(|| target.authority.parse().ok());
    parts.path_and_query = Some(path.unwrap_or(PathAndQuery::from_static("/")));
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_2;
}

fn to_http1<B: Body>(request: &mut Request<B>) {
    let path = request.uri().path_and_query().cloned();
    let authority = request.uri().authority().map(|a| HeaderValue::from_str(a.as_str()));
    *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    *request.version_mut() = Version::HTTP_11;
    let has_body = !request.body().is_end_stream();
    let headers = request.headers_mut();
    if let Some(Ok(host)) = authority {
        headers.insert(HOST, host);
    }
    if headers.contains_key(TE) {
        headers.insert(CONNECTION, HeaderValue::from_static("TE"));
    }
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Whether the server says that it has done nothing with the request: its stream was refused, or came
/// after the last that a GOAWAY takes.
pub(super) fn was_refused(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM) && error.is_reset();
            return error.is_remote() && (refused || error.is_go_away());
        }
        source = error.source();
    }
    false
}
