//! A server's address, as it is written.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::config::limits;

/// One server of an upstream, written `http://host:port`, `https://host:port`, `h2c://host:port` or
/// `unix:/path`, with ` weight=3` after it where it is to get more requests than others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Its share of requests, relative to the others'.
    pub weight: u32,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain, with the upstream's protocol.
    Http,
    /// TLS.
    Https,
    /// Plain HTTP/2 with prior knowledge, whatever the upstream's protocol.
    H2c,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A host and a port.
    Tcp {
        /// Host name or address (an IPv6 address without brackets).
        host: String,
        /// Port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl Server {
    /// The host, where it has one.
    pub fn host(&self) -> Option<&str> {
        match &self.endpoint {
            Endpoint::Tcp { host, .. } => Some(host),
            Endpoint::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Server {
    /// A plain server at this address.
    fn from(address: SocketAddr) -> Self {
        let endpoint = Endpoint::Tcp { host: address.ip().to_string(), port: address.port() };
        Self { scheme: Scheme::Http, endpoint, weight: 1 }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Tcp { host, port } if host.parse::<std::net::Ipv6Addr>().is_ok() => {
                write!(f, "[{host}]:{port}")
            }
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Server {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (url, weight) = match text.split_once(' ') {
            None => (text, 1),
            Some((url, rest)) => {
                let number = rest.trim().strip_prefix("weight=").and_then(|n| n.parse().ok());
                let known = number.filter(|n| (1..=limits::SERVER_WEIGHT).contains(n));
                (url, known.ok_or("after the address may stand weight=, with 1 to 100")?)
            }
        };
        if let Some(path) = url.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err("the path of a Unix socket must begin with /");
            }
            let endpoint = Endpoint::Unix(PathBuf::from(path));
            return Ok(Self { scheme: Scheme::Http, endpoint, weight });
        }
        let schemes = [
            ("http://", Scheme::Http, 80),
            ("https://", Scheme::Https, 443),
            ("h2c://", Scheme::H2c, 80),
        ];
        let (scheme, authority, port) = schemes
            .iter()
            .find_map(|(prefix, scheme, port)| Some((*scheme, url.strip_prefix(prefix)?, *port)))
            .ok_or("it must begin with http://, https://, h2c:// or unix:/")?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let uri: http::uri::Authority =
            authority.parse().map_err(|_| "it must be a host and a port, without a path")?;
        if uri.as_str().contains('@') {
            return Err("it must be without user and password");
        }
        let host = uri.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("the host is missing");
        }
        if uri.host().starts_with('[') && host.parse::<IpAddr>().is_err() {
            return Err("what stands in brackets must be an IPv6 address");
        }
        let port = match authority.get(uri.host().len()..).unwrap_or_default() {
            "" => port,
            after => after
                .strip_prefix(':')
                .and_then(|number| number.parse().ok())
                .filter(|number| *number > 0)
                .ok_or("the port must be 1 to 65535")?,
        };
        let endpoint = Endpoint::Tcp { host: host.to_ascii_lowercase(), port };
        Ok(Self { scheme, endpoint, weight })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(scheme: Scheme, host: &str, port: u16, weight: u32) -> Result<Server, &'static str> {
        Ok(Server { scheme, endpoint: Endpoint::Tcp { host: host.to_owned(), port }, weight })
    }

    #[test]
    fn each_form_is_read() {
        for (text, server) in [
            ("http://127.0.0.1:3000", tcp(Scheme::Http, "127.0.0.1", 3000, 1)),
            ("http://App.internal/", tcp(Scheme::Http, "app.internal", 80, 1)),
            ("https://[::1]", tcp(Scheme::Https, "::1", 443, 1)),
            ("h2c://grpc:50051 weight=7", tcp(Scheme::H2c, "grpc", 50051, 7)),
        ] {
            assert_eq!(text.parse(), server, "{text}");
        }
        let unix = Endpoint::Unix(PathBuf::from("/run/app.sock"));
        let unix = Server { scheme: Scheme::Http, endpoint: unix, weight: 2 };
        assert_eq!("unix:/run/app.sock weight=2".parse(), Ok(unix));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, problem) in [
            ("127.0.0.1:3000", "must begin with http://"),
            ("http://a/b", "without a path"),
            ("http://u:p@a", "without user"),
            ("http://a weight=0", "weight="),
            ("http://a wait=2", "weight="),
            ("http://a:99999", "port"),
            ("http://a:", "port"),
            ("unix:app.sock", "must begin with /"),
        ] {
            let error = text.parse::<Server>().unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn shown_without_scheme_and_weight() {
        for (text, shown) in [
            ("https://a:8443 weight=2", "a:8443"),
            ("http://[::1]:80", "[::1]:80"),
            ("unix:/run/a", "unix:/run/a"),
        ] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), shown);
        }
    }
}
