//! `[[sinks]]`, `[control.webhooks]` and `[control.notifications]`: what is sent where as it happens,
//! and who is notified of what.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::limits;
use super::reader::Reader;
use crate::model::leak::Risk;
use crate::model::secret::Secret;
use crate::model::sink::{FeedKind, Format};
use crate::model::tenant::is_tenant_id;

/// Where PagerDuty takes events.
pub const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// `[[sinks]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// Its name, by which it is known again after a restart.
    pub name: String,
    /// Where things are sent.
    pub to: Destination,
    /// By which names they are told.
    pub format: Format,
    /// What is sent.
    pub feeds: Vec<FeedKind>,
    /// Whose; empty: those of all tenants.
    pub tenants: Vec<String>,
    /// How a delivery is tried again.
    pub retry: SinkRetry,
}

/// Where things are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file, one line of JSON each.
    File(PathBuf),
    /// Standard output, one line of JSON each.
    Stdout,
    /// A receiver that checks a signature.
    Webhook {
        /// Its address.
        url: Secret,
        /// The key of signatures.
        secret: Secret,
    },
    /// Slack, or what understands the same.
    Slack {
        /// Its address, which lets whoever knows it send.
        url: Secret,
    },
    /// PagerDuty's events, version 2.
    Pagerduty {
        /// Its address.
        url: Secret,
        /// The key of the service that is told.
        routing_key: Secret,
    },
    /// Syslog (RFC 5424) in datagrams (RFC 5426).
    SyslogUdp {
        /// Host and port.
        address: String,
    },
    /// Syslog (RFC 5424) on a connection, each message behind its length (RFC 6587).
    SyslogTcp {
        /// Host and port.
        address: String,
    },
    /// OpenTelemetry logs, in JSON over HTTP.
    Otlp {
        /// The whole address, which ends in `/v1/logs`.
        url: Secret,
        /// What stands in `Authorization`, where something is to.
        authorization: Option<Secret>,
    },
}

/// How a delivery is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkRetry {
    /// Attempts before a delivery is given up and kept aside. A file, standard output and syslog
    /// are tried for ever.
    pub attempts: u32,
    /// The pause after the first one that failed; it doubles each time, up to [`limits::SINK_PAUSE_MAX`].
    pub pause: Duration,
}

impl Default for SinkRetry {
    fn default() -> Self {
        Self { attempts: limits::SINK_ATTEMPTS, pause: limits::SINK_PAUSE }
    }
}

/// `[control.webhooks]`
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Webhooks {
    /// Networks beside public ones to which webhooks may send; never to what nobody sends to, such as
    /// a cloud's metadata.
    pub networks: Vec<IpNet>,
    /// How their deliveries are tried again.
    pub retry: SinkRetry,
}

/// `[control.notifications]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notifications {
    /// The risk from which on somebody is notified of a new leak.
    pub risk: Risk,
    /// Time in which nobody is notified of the same thing again.
    pub window: Duration,
    /// Notifications of one tenant in a minute.
    pub per_minute: u32,
}

impl Default for Notifications {
    fn default() -> Self {
        Self {
            risk: Risk::High,
            window: limits::NOTIFICATION_WINDOW,
            per_minute: limits::NOTIFICATIONS_PER_MINUTE,
        }
    }
}

/// `[store.events]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptEvents {
    /// Days after which events are removed; none: never.
    pub days: Option<u32>,
    /// Bytes of events above which the oldest are removed.
    pub bytes: Option<u64>,
}

impl Default for KeptEvents {
    fn default() -> Self {
        Self { days: Some(limits::EVENTS_KEPT_DAYS), bytes: None }
    }
}

/// Reads `[store.events]`.
pub(super) fn kept(r: &mut Reader) -> KeptEvents {
    let days = match r.number("keep_days", 0..=36_500) {
        Some(0) => None,
        Some(days) => u32::try_from(days).ok(),
        None => KeptEvents::default().days,
    };
    let bytes = r.bytes("keep_bytes", usize::MAX).map(|bytes| bytes as u64);
    if bytes.is_some_and(|bytes| bytes < limits::EVENTS_KEPT_BYTES_LEAST) {
        let least = limits::EVENTS_KEPT_BYTES_LEAST;
        r.mistake("keep_bytes", format!("must be {least} or more"));
    }
    KeptEvents { days, bytes }
}

/// Reads `[control.notifications]`.
pub(super) fn notifications(r: &mut Reader) -> Notifications {
    let default = Notifications::default();
    let risks: Vec<(&'static str, Risk)> =
        Risk::ALL.iter().map(|risk| (risk.name(), *risk)).collect();
    Notifications {
        risk: r.choice("risk", &risks).unwrap_or(default.risk),
        window: r.duration("window").unwrap_or(default.window),
        per_minute: r
            .number("per_minute", 1..=10_000)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(default.per_minute),
    }
}

/// Reads `[control.webhooks]`; `networks` is read by what reads the networks of the file.
pub(super) fn webhooks(
    r: &mut Reader,
    networks: impl FnOnce(&mut Reader, &'static str) -> Option<Vec<IpNet>>,
) -> Webhooks {
    Webhooks { networks: networks(r, "networks").unwrap_or_default(), retry: retry(r) }
}

fn retry(r: &mut Reader) -> SinkRetry {
    let default = SinkRetry::default();
    SinkRetry {
        attempts: r
            .number("attempts", 1..=1_000)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(default.attempts),
        pause: r.duration("pause").unwrap_or(default.pause),
    }
}

/// Reads `[[sinks]]`.
pub(super) fn sinks(r: &mut Reader) -> Vec<Sink> {
    let sinks = r.sections("sinks", sink).unwrap_or_default();
    let mut names: Vec<&str> = Vec::new();
    let mut twice = None;
    for sink in &sinks {
        if names.contains(&sink.name.as_str()) {
            twice = Some(sink.name.clone());
        }
        names.push(&sink.name);
    }
    if let Some(name) = twice {
        r.mistake("sinks", format!("two have the name {name:?}: each needs its own"));
    }
    if sinks.len() > limits::SINKS {
        r.mistake("sinks", format!("may be {} at most", limits::SINKS));
    }
    sinks
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Stdout,
    Webhook,
    Slack,
    Pagerduty,
    SyslogUdp,
    SyslogTcp,
    Otlp,
}

const KINDS: [(&str, Kind); 8] = [
    ("file", Kind::File),
    ("stdout", Kind::Stdout),
    ("webhook", Kind::Webhook),
    ("slack", Kind::Slack),
    ("pagerduty", Kind::Pagerduty),
    ("syslog_udp", Kind::SyslogUdp),
    ("syslog_tcp", Kind::SyslogTcp),
    ("otlp", Kind::Otlp),
];

fn sink(r: &mut Reader) -> Option<Sink> {
    let name = r.parsed::<String>("name", "a name").filter(|name| !name.trim().is_empty());
    if name.is_none() {
        r.mistake("name", "is missing: by it the sink is known again after a restart");
    }
    let is_said = r.has("kind");
    let kind = r.choice("kind", &KINDS);
    if !is_said {
        let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        r.mistake("kind", format!("is needed: one of {}", names.join(", ")));
    }
    let formats: Vec<(&'static str, Format)> =
        Format::ALL.iter().map(|format| (format.name(), *format)).collect();
    let format = r.choice("format", &formats).unwrap_or(Format::Native);
    let feeds = feeds(r);
    let tenants = r.list::<String>("tenants", "a tenant's id").unwrap_or_default();
    if !tenants.iter().all(|tenant| is_tenant_id(tenant)) {
        r.mistake("tenants", "must be tenants' ids: lower-case letters, digits and hyphens");
    }
    let retry = retry(r);
    let to = destination(r, kind?)?;
    let for_people = matches!(to, Destination::Slack { .. } | Destination::Pagerduty { .. });
    let feeds = feeds.unwrap_or_else(|| {
        if for_people { vec![FeedKind::Notifications] } else { FeedKind::ALL.to_vec() }
    });
    Some(Sink { name: name?, to, format, feeds, tenants, retry })
}

fn feeds(r: &mut Reader) -> Option<Vec<FeedKind>> {
    let names = r.list::<String>("feeds", "events, audit or notifications")?;
    let feeds: Vec<FeedKind> = names.iter().filter_map(|name| FeedKind::from_name(name)).collect();
    if feeds.is_empty() || feeds.len() != names.len() {
        r.mistake("feeds", "must be one or more of events, audit, notifications");
    }
    Some(feeds)
}

fn destination(r: &mut Reader, kind: Kind) -> Option<Destination> {
    Some(match kind {
        Kind::Stdout => Destination::Stdout,
        Kind::File => {
            let path = r.parsed::<String>("path", "a path").filter(|path| !path.is_empty());
            if path.is_none() {
                r.mistake("path", "is missing: the file that lines are added to");
            }
            Destination::File(PathBuf::from(path?))
        }
        Kind::Webhook => {
            let (url, secret) = (url(r, None), secret(r));
            if secret.as_ref().is_none_or(|secret| secret.len() < limits::HOOK_SECRET_BYTES) {
                let least = limits::HOOK_SECRET_BYTES;
                r.mistake("secret", format!("must be there, of {least} bytes and more"));
            }
            Destination::Webhook { url: url?, secret: secret? }
        }
        Kind::Slack => Destination::Slack { url: url(r, None)? },
        Kind::Pagerduty => {
            let (url, routing_key) = (url(r, Some(PAGERDUTY)), secret(r));
            if routing_key.is_none() {
                r.mistake("secret", "is missing: the routing key of the service that is told");
            }
            Destination::Pagerduty { url: url?, routing_key: routing_key? }
        }
        Kind::SyslogUdp => Destination::SyslogUdp { address: address(r)? },
        Kind::SyslogTcp => Destination::SyslogTcp { address: address(r)? },
        Kind::Otlp => Destination::Otlp { url: url(r, None)?, authorization: secret(r) },
    })
}

fn address(r: &mut Reader) -> Option<String> {
    let wanted = "a host and a port, such as logs.example:601";
    let address = r.parsed::<String>("address", wanted);
    let is_one = |text: &str| {
        text.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if !address.as_deref().is_some_and(is_one) {
        r.mistake("address", format!("must be {wanted}"));
        return None;
    }
    address
}

/// An address of HTTP. It may let whoever knows it send, so it is not repeated in a mistake.
fn url(r: &mut Reader, default: Option<&str>) -> Option<Secret> {
    let url = r.parsed::<String>("url", "a URL").or_else(|| default.map(str::to_owned));
    let is_one = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    match url {
        Some(url) if is_one(&url) => Some(Secret::from(url)),
        _ => {
            r.mistake("url", "must be a URL that begins with https:// or http://");
            None
        }
    }
}

/// `secret`, or the first line of `secret_file`.
fn secret(r: &mut Reader) -> Option<Secret> {
    let secret = r.parsed::<String>("secret", "a text").filter(|text| !text.is_empty());
    let file = r.parsed::<String>("secret_file", "a path");
    match (secret.map(Secret::from), file) {
        (Some(_), Some(_)) => {
            r.mistake("secret_file", "goes without secret: give one of both");
            None
        }
        (None, Some(file)) => match std::fs::read(&file) {
            Ok(text) => {
                let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
                Some(Secret::new(line.trim_ascii().to_vec()))
            }
            Err(error) => {
                r.mistake("secret_file", format!("cannot be read: {error}"));
                None
            }
        },
        (secret, None) => secret,
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::Reader;
    use super::*;

    fn read(text: &str) -> (Vec<Sink>, Vec<String>) {
        let mut reader = Reader::new("", text.parse().unwrap());
        let sinks = sinks(&mut reader);
        (sinks, reader.finish().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_kind_is_read() {
        let (sinks, mistakes) = read(
            r#"
            [[sinks]]
            name = "lines"
            kind = "file"
            path = "leakgate.jsonl"
            format = "ecs"
            [[sinks]]
            name = "siem"
            kind = "webhook"
            url = "https://siem.example/in?key=hidden"
            secret = "0123456789abcdef"
            feeds = ["events", "audit"]
            tenants = ["acme"]
            attempts = 3
            pause = "20ms"
            [[sinks]]
            name = "page"
            kind = "pagerduty"
            secret = "a routing key"
            [[sinks]]
            name = "log"
            kind = "syslog_tcp"
            address = "logs.example:601"
            [[sinks]]
            name = "otel"
            kind = "otlp"
            url = "http://127.0.0.1:4318/v1/logs"
            "#,
        );
        assert_eq!(mistakes, Vec::<String>::new());
        assert_eq!(sinks.len(), 5);
        assert_eq!((sinks[0].format, sinks[0].feeds.len()), (Format::Ecs, 3));
        assert_eq!((sinks[1].retry.attempts, sinks[1].tenants.len()), (3, 1));
        assert_eq!(sinks[2].feeds, [FeedKind::Notifications]);
        assert!(!format!("{sinks:?}").contains("hidden"));
    }

    #[test]
    fn every_mistake_is_named() {
        let (_, mistakes) = read(
            r#"
            [[sinks]]
            kind = "webhok"
            [[sinks]]
            name = "b"
            kind = "webhook"
            url = "ftp://secret.example"
            secret = "short"
            feeds = ["event"]
            [[sinks]]
            name = "b"
            kind = "stdout"
            [[sinks]]
            name = "b"
            kind = "syslog_udp"
            address = "nowhere"
            [[sinks]]
            name = "c"
            "#,
        );
        let text = mistakes.join("\n");
        for part in [
            "sinks[0].name: is missing",
            "sinks[0].kind: must be one of",
            "did you mean webhook?",
            "sinks[1].url: must be a URL",
            "sinks[1].secret: must be there, of 16 bytes",
            "sinks[1].feeds: must be one or more of events",
            "sinks[3].address: must be a host and a port",
            "sinks[4].kind: is needed",
        ] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
        assert!(!text.contains("secret.example"), "{text}");
    }
}
