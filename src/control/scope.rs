//! A virtual patch's scope, checked and put into the form that inspection compares with.

use http::Method;
use jiff::Timestamp;

use super::problem::Problem;
use crate::config::limits;
use crate::model::rule::{ClientPattern, ExceptClient, Scope};

/// Longest host name, by the rules of DNS.
const HOST_BYTES: usize = 253;
/// Longest method that is taken.
const METHOD_BYTES: usize = 32;

/// The scope with hosts in lower case, without port and brackets, methods in capitals, each entry once.
pub(super) fn normal(scope: Scope, now: Timestamp) -> Result<Scope, Problem> {
    Ok(Scope {
        hosts: each("scope.hosts", scope.hosts, |host| normal_host(&host))?,
        path_prefixes: each("scope.path_prefixes", scope.path_prefixes, |prefix| {
            normal_prefix(prefix)
        })?,
        methods: each("scope.methods", scope.methods, |method| normal_method(&method))?,
        except_clients: each("scope.except_clients", scope.except_clients, |client| {
            normal_client(client, now)
        })?,
        boundary: scope.boundary,
    })
}

fn each<T, U: PartialEq>(
    field: &'static str,
    values: Vec<T>,
    normal: impl Fn(T) -> Result<U, &'static str>,
) -> Result<Vec<U>, Problem> {
    if values.len() > limits::SCOPE_ENTRIES {
        return Err(Problem::invalid(
            field,
            format!("up to {} entries are taken", limits::SCOPE_ENTRIES),
        ));
    }
    let mut normalised: Vec<U> = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        let value =
            normal(value).map_err(|why| Problem::invalid(format!("{field}[{index}]"), why))?;
        if !normalised.contains(&value) {
            normalised.push(value);
        }
    }
    Ok(normalised)
}

fn normal_host(host: &str) -> Result<String, &'static str> {
    const WRONG: &str = "it must be a host name or address such as api.example.com, or \
                         *.example.com for all below";
    let host = host.trim().to_ascii_lowercase();
    let name = if let Some(rest) = host.strip_prefix('[') {
        // An IPv6 address in brackets, perhaps with a port.
        rest.split_once(']').map(|(address, _)| address).ok_or(WRONG)?
    } else {
        match host.split_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host.as_str(),
        }
    };
    let name = name.trim_end_matches('.');
    if let Ok(address) = name.parse::<std::net::IpAddr>() {
        return Ok(address.to_string());
    }
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let well_formed = !labels.is_empty()
        && name.len() <= HOST_BYTES
        && labels.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        });
    if well_formed { Ok(name.to_owned()) } else { Err(WRONG) }
}

fn normal_prefix(prefix: String) -> Result<String, &'static str> {
    if !prefix.starts_with('/') {
        return Err("it must begin with /");
    }
    if prefix.len() > limits::URL_BYTES || prefix.contains(['?', '#']) {
        return Err("it must be a path of up to 2,048 bytes, without query");
    }
    Ok(prefix)
}

fn normal_method(method: &str) -> Result<String, &'static str> {
    let method = method.trim().to_ascii_uppercase();
    if method.len() > METHOD_BYTES || Method::from_bytes(method.as_bytes()).is_err() {
        return Err("it must be a method such as POST");
    }
    Ok(method)
}

fn normal_client(client: ExceptClient, now: Timestamp) -> Result<ExceptClient, &'static str> {
    if client.until.is_some_and(|until| until <= now) {
        return Err("its time is over already: leave it out, or give it a later time");
    }
    if let ClientPattern::Certificate(name) = &client.client
        && name.len() > limits::NAME_BYTES
    {
        return Err("a certificate's name may have 256 bytes");
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock;
    use crate::model::rule::Boundary;

    #[test]
    fn hosts() {
        for (given, kept) in [
            ("API.Example.com", "api.example.com"),
            ("api.example.com:8443", "api.example.com"),
            ("*.example.com", "*.example.com"),
            ("api.example.com.", "api.example.com"),
            ("[2001:DB8::1]:443", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[::1]", "::1"),
            ("[0:0:0:0:0:0:0:1]", "::1"),
            ("10.1.2.3:80", "10.1.2.3"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(normal_host(given), Ok(kept.to_owned()));
        }
        for bad in ["", "*", "*.", "a b", "https://a.example", "a/b", "[::1", "a..b", "a:b:c"] {
            assert!(normal_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scopes() {
        let now = clock::now();
        let scope = Scope {
            hosts: vec!["A.example".into(), "a.example:80".into()],
            path_prefixes: vec!["/v1".into()],
            methods: vec!["post".into()],
            except_clients: Vec::new(),
            boundary: Boundary::default(),
        };
        let kept = normal(scope, now).unwrap();
        assert_eq!(kept.hosts, ["a.example"]);
        assert_eq!(kept.methods, ["POST"]);
        let fails = |scope: Scope| normal(scope, now).unwrap_err().field().map(str::to_owned);
        let wrong = Scope { path_prefixes: vec!["/a".into(), "v1".into()], ..Scope::default() };
        assert_eq!(fails(wrong), Some("scope.path_prefixes[1]".into()));
        let wrong = Scope { methods: vec!["GET /".into()], ..Scope::default() };
        assert_eq!(fails(wrong), Some("scope.methods[0]".into()));
        let many = vec!["/a".to_owned(); limits::SCOPE_ENTRIES + 1];
        let wrong = Scope { path_prefixes: many, ..Scope::default() };
        assert_eq!(fails(wrong), Some("scope.path_prefixes".into()));
        let over = ExceptClient { client: "10.0.0.1".parse().unwrap(), until: Some(now) };
        let wrong = Scope { except_clients: vec![over], ..Scope::default() };
        assert_eq!(fails(wrong), Some("scope.except_clients[0]".into()));
    }
}
