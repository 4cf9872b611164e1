//! Who the client is, past trusted proxies, and what the upstream is told of it.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::HeaderValue;
use http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::config::limits;

/// `X-Forwarded-For`.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether it is the gateway that sets this field.
pub(crate) fn is_own(name: &HeaderName) -> bool {
    [FORWARDED, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO].contains(name)
}

/// Whether the address belongs to a proxy that is believed.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The client: where the peer is trusted, the right-most address in `X-Forwarded-For` that is not;
/// else the peer. An entry that is no address ends the search at what was known before it.
pub(crate) fn source(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let mut source = peer;
    let lines = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
    for entry in entries.take(limits::FORWARDED_ENTRIES) {
        let Some(address) = address(entry) else { break };
        source = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    source
}

/// An address, bare or with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|a| a.ip()));
    Some(address.ok()?.to_canonical())
}

/// What one connection's requests tell the upstream of their peer, made once.
#[derive(Debug)]
pub(crate) struct Introduction {
    trusted: bool,
    peer: HeaderValue,
    proto: &'static str,
    forwarded_for: String,
}

impl Introduction {
    /// For this peer.
    pub(crate) fn new(peer: IpAddr, trusted: bool, secure: bool) -> Self {
        let proto = if secure { "https" } else { "http" };
        let forwarded_for = match peer {
            IpAddr::V4(address) => format!("for={address};proto={proto}"),
            IpAddr::V6(address) => format!("for=\"[{address}]\";proto={proto}"),
        };
        // An address is a valid value.
        let peer =
            HeaderValue::from_str(&peer.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { trusted, peer, proto, forwarded_for }
    }

    /// Adds the peer to `X-Forwarded-For` and `Forwarded`. `X-Forwarded-Proto` and
    /// `X-Forwarded-Host` are set anew, but for those of a trusted proxy.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, host: &HeaderValue) {
        match joined(headers, &X_FORWARDED_FOR, self.peer.as_bytes()) {
            Some(longer) => headers.insert(X_FORWARDED_FOR, longer),
            None => headers.insert(X_FORWARDED_FOR, self.peer.clone()),
        };
        let element = self.element(host);
        let forwarded = joined(headers, &FORWARDED, element.as_bytes())
            .or_else(|| HeaderValue::from_maybe_shared(bytes::Bytes::from(element)).ok());
        if let Some(forwarded) = forwarded {
            headers.insert(FORWARDED, forwarded);
        }
        if !(self.trusted && headers.contains_key(X_FORWARDED_PROTO)) {
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(self.proto));
        }
        if !(self.trusted && headers.contains_key(X_FORWARDED_HOST)) {
            if host.is_empty() {
                headers.remove(X_FORWARDED_HOST);
                return;
            }
            headers.insert(X_FORWARDED_HOST, host.clone());
        }
    }

    /// The element of `Forwarded` (RFC 7239) for a request to this host, which has been checked to
    /// hold nothing that would end a quoted string.
    fn element(&self, host: &HeaderValue) -> String {
        let mut element = String::with_capacity(self.forwarded_for.len() + host.len() + 8);
        element.push_str(&self.forwarded_for);
        let host = host.to_str().unwrap_or_default();
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        // Writing to a string cannot fail.
        let _ = if host.is_empty() {
            Ok(())
        } else if host.bytes().all(is_token) {
            write!(element, ";host={host}")
        } else {
            write!(element, ";host=\"{host}\"")
        };
        element
    }
}

/// All lines of a list field and one element more, as one line; `None` where there is no line yet.
fn joined(headers: &HeaderMap, name: &HeaderName, element: &[u8]) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let mut all = lines.next()?.as_bytes().to_vec();
    for part in lines.map(HeaderValue::as_bytes).chain([element]) {
        if !all.is_empty() {
            all.extend_from_slice(b", ");
        }
        all.extend_from_slice(part);
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(all)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_trusted() {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|n| n.parse().unwrap()).collect();
        let client = |peer: &str, lines: &[&'static str]| {
            let fields: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            source(&headers(&fields), ip(peer), &trusted).to_string()
        };
        assert_eq!(client("192.0.2.1", &["203.0.113.9"]), "192.0.2.1", "an untrusted peer lies");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 10.1.1.1"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["198.51.100.1", "203.0.113.9,10.1.1.1"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["10.1.1.1"]), "10.1.1.1", "trusted all the way");
        assert_eq!(client("10.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(client("fd00::1", &["::ffff:203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["203.0.113.9, unknown, 10.1.1.1"]), "10.1.1.1");
        assert_eq!(client("10.0.0.1", &[""]), "10.0.0.1");
    }

    fn told(peer: &str, trusted: bool, host: &'static str, mut before: HeaderMap) -> Vec<String> {
        Introduction::new(ip(peer), trusted, false)
            .apply(&mut before, &HeaderValue::from_static(host));
        let mut all: Vec<String> = before
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn the_upstream_is_told() {
        assert_eq!(
            told("192.0.2.1", false, "example.com", HeaderMap::new()),
            [
                "forwarded: for=192.0.2.1;proto=http;host=example.com",
                "x-forwarded-for: 192.0.2.1",
                "x-forwarded-host: example.com",
                "x-forwarded-proto: http",
            ]
        );
        assert_eq!(
            told("2001:db8::1", false, "example.com:8080", HeaderMap::new()).first().unwrap(),
            "forwarded: for=\"[2001:db8::1]\";proto=http;host=\"example.com:8080\""
        );
    }

    #[test]
    fn what_stood_there_is_kept_or_set_anew() {
        let before = || {
            headers(&[
                ("x-forwarded-for", "203.0.113.9"),
                ("x-forwarded-for", "203.0.113.10"),
                ("forwarded", "for=203.0.113.9"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "shop.example"),
            ])
        };
        assert_eq!(
            told("10.0.0.1", true, "a", before()),
            [
                "forwarded: for=203.0.113.9, for=10.0.0.1;proto=http;host=a",
                "x-forwarded-for: 203.0.113.9, 203.0.113.10, 10.0.0.1",
                "x-forwarded-host: shop.example",
                "x-forwarded-proto: https",
            ]
        );
        assert_eq!(
            told("10.0.0.1", false, "a", before()).get(2..).unwrap(),
            ["x-forwarded-host: a", "x-forwarded-proto: http"]
        );
    }
}
