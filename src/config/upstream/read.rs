//! `[[gateway.upstreams]]` and `[gateway.dns]`, read and checked.

use super::tls::tls;
use super::{
    Dns, Eject, Endpoint, Health, Protocol, Retry, Scheme, Server, Upstream, UpstreamConnections,
    UpstreamTimeouts,
};
use crate::config::limits;
use crate::config::reader::Reader;

const SERVER: &str = "a server, such as http://127.0.0.1:3000";
const STATUS: &str = "a status, such as 503";

const PROTOCOLS: [(&str, Protocol); 3] =
    [("auto", Protocol::Auto), ("http1", Protocol::Http1), ("h2", Protocol::Http2)];

/// One upstream; `workers` share out its connections.
pub(in crate::config) fn upstream(r: &mut Reader, workers: usize) -> Option<Upstream> {
    let name: Option<String> = r.parsed("name", "a name");
    if name.is_none() {
        r.mistake("name", "is missing: routes name their upstream by it");
    }
    let servers = servers(r);
    let protocol = r.choice("protocol", &PROTOCOLS).unwrap_or(Protocol::Auto);
    let speaks_tls = servers.iter().flatten().any(|server| server.scheme == Scheme::Https);
    let asked = r.has("tls");
    if asked && !speaks_tls {
        r.mistake("tls", "is for https:// servers, and this upstream has none");
    }
    let tls = r.section("tls", |r| if speaks_tls { tls(r, protocol) } else { None });
    let upstream = Upstream {
        protocol,
        connections: r.section("connections", |r| connections(r, workers)),
        timeouts: r.section("timeouts", |r| UpstreamTimeouts {
            connect: r.duration("connect"),
            response: r.duration("response"),
            body_idle: r.duration("body_idle"),
            request: r.duration("request"),
        }),
        retry: r.section("retry", retry),
        eject: r.section("eject", eject),
        health: r.has("health").then(|| r.section("health", health)),
        tls,
        ..Upstream::new(name?, servers?)
    };
    Some(upstream)
}

fn servers(r: &mut Reader) -> Option<Vec<Server>> {
    let servers = r.list::<Server>("servers", SERVER);
    match &servers {
        Some(list) if !list.is_empty() => {
            if list.len() > limits::SERVERS {
                r.mistake("servers", format!("may be {} at most", limits::SERVERS));
            }
            for (index, server) in list.iter().enumerate() {
                if list.iter().take(index).any(|other| other.endpoint == server.endpoint) {
                    r.mistake(
                        "servers",
                        format!("has {server} twice; use weight= for a larger share"),
                    );
                }
                if let Endpoint::Unix(path) = &server.endpoint
                    && path.as_os_str().len() > limits::UNIX_PATH_BYTES
                {
                    r.mistake(
                        "servers",
                        format!("has {server}, whose path is too long for a socket"),
                    );
                }
            }
        }
        _ => r.mistake("servers", format!("needs at least one server: {SERVER}")),
    }
    servers
}

fn count(
    r: &mut Reader,
    key: &'static str,
    range: std::ops::RangeInclusive<usize>,
) -> Option<usize> {
    let number = r.number(key, *range.start() as u64..=*range.end() as u64)?;
    usize::try_from(number).ok()
}

fn small(r: &mut Reader, key: &'static str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let number = r.number(key, u64::from(*range.start())..=u64::from(*range.end()))?;
    u32::try_from(number).ok()
}

fn connections(r: &mut Reader, workers: usize) -> UpstreamConnections {
    let default = UpstreamConnections::default();
    let max = count(r, "max", 1..=limits::UPSTREAM_CONNECTIONS_MAX).unwrap_or(default.max);
    if max < workers {
        let problem = format!("must be {workers} at least, one for each worker, but is {max}");
        r.mistake("max", problem);
    }
    UpstreamConnections {
        max,
        max_streams: count(r, "max_streams", 1..=limits::UPSTREAM_STREAMS_MAX)
            .unwrap_or(default.max_streams),
        max_waiting: count(r, "max_waiting", 0..=limits::UPSTREAM_WAITING_MAX)
            .unwrap_or(default.max_waiting),
        wait: r.duration("wait").unwrap_or(default.wait),
        max_idle: count(r, "max_idle", 0..=limits::UPSTREAM_CONNECTIONS_MAX)
            .unwrap_or(default.max_idle),
        idle_time: r.duration("idle_time").unwrap_or(default.idle_time),
    }
}

fn statuses(r: &mut Reader) -> Option<Vec<u16>> {
    let list: Vec<u16> = r.list("statuses", STATUS)?;
    if let Some(status) = list.iter().find(|status| !(400..=599).contains(*status)) {
        r.mistake("statuses", format!("must be from 400 to 599, but one is {status}"));
    }
    Some(list)
}

fn retry(r: &mut Reader) -> Retry {
    let default = Retry::default();
    Retry {
        attempts: count(r, "attempts", 0..=limits::RETRIES).unwrap_or(default.attempts),
        budget: small(r, "budget", 0..=100).unwrap_or(default.budget),
        statuses: statuses(r).unwrap_or(default.statuses),
    }
}

fn eject(r: &mut Reader) -> Eject {
    let default = Eject::default();
    let eject = Eject {
        failures: small(r, "failures", 0..=10_000).unwrap_or(default.failures),
        time: r.duration("time").unwrap_or(default.time),
        max_time: r.duration("max_time").unwrap_or(default.max_time),
        max_share: small(r, "max_share", 0..=100).unwrap_or(default.max_share),
        statuses: statuses(r).unwrap_or(default.statuses),
    };
    if eject.max_time < eject.time {
        r.mistake("max_time", "must not be shorter than time");
    }
    eject
}

fn health(r: &mut Reader) -> Health {
    let path: Option<String> = r.parsed("path", "a path");
    let path = path.unwrap_or_else(|| {
        r.mistake("path", "is missing: what a healthy server answers with 200 to 399");
        "/".to_owned()
    });
    if !path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err() {
        r.mistake("path", format!("must be a path that begins with /, but is {path:?}"));
    }
    let default = Health::new(path);
    let health = Health {
        host: r.parsed("host", "a host name"),
        interval: r.duration("interval").unwrap_or(default.interval),
        timeout: r.duration("timeout").unwrap_or(default.timeout),
        healthy: small(r, "healthy", 1..=100).unwrap_or(default.healthy),
        unhealthy: small(r, "unhealthy", 1..=100).unwrap_or(default.unhealthy),
        path: default.path,
    };
    if health.host.as_ref().is_some_and(|host| http::HeaderValue::from_str(host).is_err()) {
        r.mistake("host", "must be a host name");
    }
    health
}

/// `[gateway.dns]`
pub(in crate::config) fn dns(r: &mut Reader) -> Dns {
    let default = Dns::default();
    let dns = Dns {
        servers: r
            .list("servers", "an address and port, such as 10.0.0.2:53")
            .unwrap_or(default.servers),
        min_ttl: r.duration("min_ttl").unwrap_or(default.min_ttl),
        max_ttl: r.duration("max_ttl").unwrap_or(default.max_ttl),
    };
    if dns.max_ttl < dns.min_ttl {
        r.mistake("max_ttl", "must not be shorter than min_ttl");
    }
    dns
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Mistake;

    fn read(text: &str) -> (Option<Upstream>, Vec<String>) {
        let mut reader = Reader::new("u", text.parse().unwrap());
        let upstream = upstream(&mut reader, 2);
        (upstream, reader.finish().iter().map(Mistake::to_string).collect())
    }

    #[test]
    fn a_name_and_a_server_are_enough() {
        let (upstream, mistakes) = read("name = \"a\"\nservers = [\"http://b\"]");
        assert_eq!(mistakes, Vec::<String>::new());
        assert_eq!(upstream, Some(Upstream::new("a", vec!["http://b".parse().unwrap()])));
    }

    #[test]
    fn each_key_is_read() {
        let (upstream, mistakes) = read(
            r#"
            name = "a"
            servers = ["http://b", "unix:/run/c weight=2"]
            protocol = "h2"
            connections = { max = 10, max_streams = 5, max_waiting = 0, wait = "1s", max_idle = 0, idle_time = "3s" }
            timeouts = { connect = "1s", response = "2s", body_idle = "3s", request = "4s" }
            retry = { attempts = 0, budget = 5, statuses = [502] }
            eject = { failures = 1, time = "1s", max_time = "2s", max_share = 10, statuses = [] }
            health = { path = "/up", host = "h", interval = "1s", timeout = "2s", healthy = 3, unhealthy = 4 }
            "#,
        );
        assert_eq!(mistakes, Vec::<String>::new());
        let upstream = upstream.unwrap();
        let s = Duration::from_secs;
        assert_eq!(upstream.protocol, Protocol::Http2);
        assert_eq!(
            upstream.connections,
            UpstreamConnections {
                max: 10,
                max_streams: 5,
                max_waiting: 0,
                wait: s(1),
                max_idle: 0,
                idle_time: s(3)
            }
        );
        assert_eq!(
            upstream.timeouts,
            UpstreamTimeouts {
                connect: Some(s(1)),
                response: Some(s(2)),
                body_idle: Some(s(3)),
                request: Some(s(4)),
            }
        );
        assert_eq!(upstream.retry, Retry { attempts: 0, budget: 5, statuses: vec![502] });
        assert_eq!((upstream.eject.failures, upstream.eject.statuses.len()), (1, 0));
        let health = upstream.health.unwrap();
        assert_eq!(
            (health.path.as_str(), health.host.as_deref(), health.unhealthy),
            ("/up", Some("h"), 4)
        );
    }

    #[test]
    fn mistakes_are_named() {
        let (_, mistakes) = read(
            r#"
            servers = ["http://b", "http://B:80"]
            protocol = "http2"
            tls.ca = "nowhere.pem"
            connections.max = 1
            retry.statuses = [200]
            eject.time = "10m"
            eject.max_time = "1m"
            health.interval = "1s"
            pool = 3
            "#,
        );
        let text = mistakes.join("\n");
        for part in [
            "u.name: is missing",
            "u.servers: has b:80 twice",
            "u.protocol: must be one of auto, http1, h2",
            "u.tls: is for https:// servers",
            "u.connections.max: must be 2 at least",
            "u.retry.statuses: must be from 400 to 599",
            "u.eject.max_time: must not be shorter",
            "u.health.path: is missing",
            "u.pool: unknown key",
        ] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
    }

    #[test]
    fn files_of_tls_that_cannot_be_used_are_mistakes() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let server = "name = \"a\"\nservers = [\"https://b\"]\n";
        let pem = empty.display();
        for (keys, problem) in [
            ("tls.ca = \"/nowhere/ca.pem\"".to_owned(), "u.tls.ca: cannot read"),
            (format!("tls.ca = \"{pem}\""), "u.tls.ca: has no certificate"),
            (
                format!("tls.cert = \"{pem}\"\ntls.insecure_skip_verify = true"),
                "u.tls.key: is missing",
            ),
            (
                "tls.server_name = \"a b\"\ntls.insecure_skip_verify = true".to_owned(),
                "u.tls.server_name",
            ),
        ] {
            let (_, mistakes) = read(&format!("{server}{keys}"));
            assert!(mistakes.join("\n").contains(problem), "{mistakes:?}");
        }
    }

    #[test]
    fn the_same_files_make_equal_settings() {
        let signed = rcgen::generate_simple_self_signed(["b".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (ca, key) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
        std::fs::write(&ca, signed.cert.pem()).unwrap();
        std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
        let text = format!(
            "name = \"a\"\nservers = [\"https://b\"]\ntls = {{ ca = {ca:?}, cert = {ca:?}, key = {key:?} }}"
        );
        let (one, mistakes) = read(&text);
        assert_eq!(mistakes, Vec::<String>::new());
        assert_eq!(one, read(&text).0);
        let other = rcgen::generate_simple_self_signed(["b".to_owned()]).unwrap();
        std::fs::write(&ca, other.cert.pem()).unwrap();
        let (changed, mistakes) = read(&text);
        assert!(changed.is_none_or(|changed| Some(changed) != one), "{mistakes:?}");
        assert!(mistakes.iter().any(|m| m.contains("do not go together")), "{mistakes:?}");
    }
}
