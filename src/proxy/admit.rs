//! What may come in at all: a request whose framing, host and target read in one way only.
//!
//! hyper has already refused what is no HTTP (obs-fold, NUL, a bare CR, whitespace before a
//! colon, conflicting or malformed `Content-Length`, `Transfer-Encoding` on HTTP/1.0), and has
//! dropped a `Content-Length` beside `Transfer-Encoding` and closes such a connection.

use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Version};

use super::failure::Failure;

/// What is known of a request once it is admitted.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The host asked for: lower case, without port and without the root's dot.
    pub(crate) host: String,
    /// The `Host` field that the upstream gets.
    pub(crate) host_field: HeaderValue,
    /// `Content-Length`, where there is one.
    pub(crate) declared: Option<u64>,
}

/// Checks a request's head, writes its length in one way, and joins the cookie fields of an HTTP/2
/// request, which its clients may split (RFC 9113, 8.2.3): inspected is what will be forwarded.
pub(crate) fn admit(parts: &mut Parts) -> Result<Admitted, Failure> {
    if parts.method == Method::CONNECT {
        return Err(framing(
            "connect",
            StatusCode::NOT_IMPLEMENTED,
            "this gateway opens no tunnels",
        ));
    }
    let declared = body_framing(parts)?;
    plain_length(&mut parts.headers);
    expectation(parts)?;
    target(parts)?;
    let host_field = host_field(parts)?;
    let host = host_name(host_field.as_bytes())
        .ok_or_else(|| bad("host", "the host is not a valid name or address"))?;
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if parts.version == Version::HTTP_2 {
        join_cookies(parts);
    }
    Ok(Admitted { host, host_field, declared })
}

fn body_framing(parts: &Parts) -> Result<Option<u64>, Failure> {
    let mut codings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    if let Some(coding) = codings.next() {
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(bad(
                "transfer_encoding",
                "Transfer-Encoding may only be exactly \"chunked\"",
            ));
        }
        if lengths.next().is_some() || parts.version != Version::HTTP_11 {
            return Err(bad("transfer_encoding", "Transfer-Encoding does not belong here"));
        }
        return Ok(None);
    }
    let Some(length) = lengths.next() else { return Ok(None) };
    let digits = length.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match digits.and_then(|text| text.parse().ok()) {
        Some(length) if lengths.next().is_none() => Ok(Some(length)),
        _ => Err(bad("content_length", "Content-Length must be one decimal number")),
    }
}

/// Writes a length with leading zeros without them: some read those as octal.
pub(crate) fn plain_length(headers: &mut HeaderMap) {
    let Some(length) = headers.get(CONTENT_LENGTH) else { return };
    let digits = length.as_bytes();
    if digits.len() > 1
        && digits.starts_with(b"0")
        && let Some(length) = length.to_str().ok().and_then(|digits| digits.parse::<u64>().ok())
    {
        headers.insert(CONTENT_LENGTH, length.into());
    }
}

/// An expectation that is not met here would leave the client, the gateway and the upstream each with
/// its own idea of whether the body comes.
fn expectation(parts: &Parts) -> Result<(), Failure> {
    let mut fields = parts.headers.get_all(EXPECT).iter();
    let is_met = |field: &HeaderValue| field.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if fields.next().is_none_or(is_met) && fields.next().is_none() {
        return Ok(());
    }
    Err(framing(
        "expectation",
        StatusCode::EXPECTATION_FAILED,
        "Expect may only be exactly \"100-continue\"",
    ))
}

fn target(parts: &Parts) -> Result<(), Failure> {
    let path = parts.uri.path();
    let known_scheme = parts.uri.scheme_str().is_none_or(|s| s == "http" || s == "https");
    let origin = path.starts_with('/') || (path == "*" && parts.method == Method::OPTIONS);
    if known_scheme && origin {
        Ok(())
    } else {
        Err(bad("target", "the request target must be a path or an http URL"))
    }
}

/// The `Host` field to forward: of an absolute target or `:authority` where there is one (RFC 9112,
/// 3.2.2), without userinfo, which is inspected but never forwarded.
fn host_field(parts: &Parts) -> Result<HeaderValue, Failure> {
    let mut fields = parts.headers.get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(bad("host", "there must be one Host field"));
    }
    if let Some(authority) = parts.uri.authority() {
        let authority = authority.as_str();
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let differs =
            field.is_some_and(|field| !field.as_bytes().eq_ignore_ascii_case(authority.as_bytes()));
        if differs && parts.version == Version::HTTP_2 {
            return Err(bad("host", "Host and :authority differ"));
        }
        return HeaderValue::from_str(authority)
            .map_err(|_| bad("host", "the host is not a valid name or address"));
    }
    match field {
        Some(field) => Ok(field.clone()),
        None if parts.version == Version::HTTP_10 => Ok(HeaderValue::from_static("")),
        None => Err(bad("host", "the Host field is missing")),
    }
}

/// The name or address in `name[:port]`; `None` where it is neither.
fn host_name(field: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(field).ok()?;
    let name_end = match text.strip_prefix('[') {
        Some(_) => text.find(']')? + 1,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (name, port) = text.split_at_checked(name_end)?;
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let name_fits = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&b)),
    };
    let port_fits = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    (name_fits && port_fits).then_some(name)
}

fn join_cookies(parts: &mut Parts) {
    let mut crumbs = parts.headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    // Valid values joined by valid bytes are a valid value.
    if let Ok(cookie) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        parts.headers.insert(COOKIE, cookie);
    }
}

fn framing(cause: &'static str, status: StatusCode, detail: &'static str) -> Failure {
    Failure::Framing { cause, status, detail }
}

fn bad(cause: &'static str, detail: &'static str) -> Failure {
    framing(cause, StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(version: Version, target: &str, fields: &[(&str, &str)]) -> Parts {
        let mut builder = Request::builder().version(version).uri(target);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn cause(result: Result<Admitted, Failure>) -> &'static str {
        match result {
            Ok(_) => "admitted",
            Err(Failure::Framing { cause, .. }) => cause,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn framing_reads_in_one_way_only() {
        let host = ("host", "a");
        for (version, fields, expected) in [
            (Version::HTTP_11, vec![host], "admitted"),
            (Version::HTTP_11, vec![host, ("transfer-encoding", "Chunked")], "admitted"),
            (Version::HTTP_11, vec![host, ("content-length", "5")], "admitted"),
            (
                Version::HTTP_11,
                vec![host, ("transfer-encoding", "gzip, chunked")],
                "transfer_encoding",
            ),
            (Version::HTTP_11, vec![host, ("transfer-encoding", "chunked;x")], "transfer_encoding"),
            (
                Version::HTTP_11,
                vec![host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
                "transfer_encoding",
            ),
            (
                Version::HTTP_11,
                vec![host, ("transfer-encoding", "chunked"), ("content-length", "5")],
                "transfer_encoding",
            ),
            (Version::HTTP_10, vec![host, ("transfer-encoding", "chunked")], "transfer_encoding"),
            (Version::HTTP_11, vec![host, ("content-length", "+5")], "content_length"),
            (Version::HTTP_11, vec![host, ("content-length", "5, 5")], "content_length"),
            (
                Version::HTTP_11,
                vec![host, ("content-length", "5"), ("content-length", "6")],
                "content_length",
            ),
        ] {
            let mut parts = request(version, "/", &fields);
            assert_eq!(cause(admit(&mut parts)), expected, "{fields:?}");
        }
    }

    #[test]
    fn one_host() {
        let host = |version, target: &str, fields: &[(&str, &str)]| match admit(&mut request(
            version, target, fields,
        )) {
            Ok(admitted) => admitted.host,
            Err(Failure::Framing { cause, .. }) => format!("refused: {cause}"),
            Err(other) => panic!("{other:?}"),
        };
        let v11 = Version::HTTP_11;
        assert_eq!(host(v11, "/", &[("host", "Api.Example.COM:8080")]), "api.example.com");
        assert_eq!(host(v11, "/", &[("host", "api.example.com.")]), "api.example.com");
        assert_eq!(host(v11, "/", &[("host", "[::1]:80")]), "[::1]");
        assert_eq!(host(v11, "/", &[("host", "")]), "");
        assert_eq!(host(v11, "/", &[]), "refused: host");
        assert_eq!(host(v11, "/", &[("host", "a"), ("host", "a")]), "refused: host");
        for bad in ["a b", "a,b", "a/b", "u@a", "a:b", "a:80:80", "[::1", "[::1]x", "[x]"] {
            assert_eq!(host(v11, "/", &[("host", bad)]), "refused: host", "{bad}");
        }
        assert_eq!(host(Version::HTTP_10, "/", &[]), "");
        // An absolute target decides, and its userinfo goes no further.
        assert_eq!(host(v11, "http://user:pass@b:1/", &[("host", "a")]), "b");
        assert_eq!(host(Version::HTTP_2, "http://b/", &[]), "b");
        assert_eq!(host(Version::HTTP_2, "http://b/", &[("host", "B")]), "b");
        assert_eq!(host(Version::HTTP_2, "http://b/", &[("host", "a")]), "refused: host");
    }

    #[test]
    fn targets() {
        let target =
            |target: &str| cause(admit(&mut request(Version::HTTP_11, target, &[("host", "a")])));
        assert_eq!(target("/a?b"), "admitted");
        assert_eq!(target("a:80"), "target");
        assert_eq!(target("ftp://a/"), "target");
        assert_eq!(target("*"), "target", "only OPTIONS asks for the server as a whole");
    }

    #[test]
    fn cookie_crumbs_are_joined() {
        let fields = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")];
        let mut parts = request(Version::HTTP_2, "http://a/", &fields);
        admit(&mut parts).unwrap();
        let all: Vec<_> = parts.headers.get_all(COOKIE).iter().collect();
        assert_eq!(all, ["a=1; b=2; c=3"]);
    }

    #[test]
    fn no_tunnels() {
        let mut parts = request(Version::HTTP_11, "a:443", &[("host", "a:443")]);
        parts.method = Method::CONNECT;
        assert_eq!(cause(admit(&mut parts)), "connect");
    }
}
