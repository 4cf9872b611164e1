//! Configuration: a raw file and environment, checked into typed values with every mistake
//! reported at once; and every limit of the program.

mod access_log;
mod file;
mod hooks;
pub mod limits;
mod listener;
mod oidc;
mod reader;
mod sinks;
mod tls;
mod upstream;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use access_log::{AccessLog, AccessLogFile};
pub use file::{ConfigError, DEFAULT_FILE, load};
pub use hooks::{Hook, Policy, Proof, PublicKey, public_key};
use ipnet::IpNet;
pub use listener::{Listener, Place};
pub use oidc::{Oidc, OidcRole};
pub use reader::Mistake;
pub use sinks::{Destination, KeptEvents, Notifications, PAGERDUTY, Sink, SinkRetry, Webhooks};
pub use tls::{Certificate, ClientAuth, Tls, TlsVersion};
pub use upstream::{
    Dns, Eject, Endpoint, Health, Protocol, Retry, Scheme, Server, TlsClient, Upstream,
    UpstreamConnections, UpstreamTimeouts, UpstreamTls,
};

use crate::model::rule::FiltrationMode;
use crate::model::tenant::Owner;

/// The whole configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Config {
    /// The data plane.
    pub gateway: Gateway,
    /// The control plane.
    pub control: Control,
    /// Where everything is kept.
    pub store: Store,
    /// What is done with events beside storing them.
    pub events: Events,
    /// What is sent where as it happens.
    pub sinks: Vec<Sink>,
    /// Log lines.
    pub log: Log,
}

/// `[gateway]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Name in events; default: the host name.
    pub name: String,
    /// Where requests come to.
    pub listen: Vec<Listener>,
    /// Permissions of the Unix sockets among them.
    pub unix_mode: u32,
    /// Networks whose PROXY protocol headers are believed.
    pub proxy_protocol_from: Vec<IpNet>,
    /// How many connections clients may have.
    pub connections: Connections,
    /// Certificates, for those listeners that speak TLS.
    pub tls: Tls,
    /// Filtration mode of all routes that do not say their own.
    pub mode: FiltrationMode,
    /// Worker threads; default: one a core.
    pub workers: usize,
    /// Address of `/metrics`, `/healthz` and `/readyz`, beside the control plane's.
    pub admin_listen: Option<SocketAddr>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// A file whose presence turns the bypass on, checked every half second.
    pub bypass_file: Option<PathBuf>,
    /// Where requests go.
    pub upstreams: Vec<Upstream>,
    /// How names of servers are resolved.
    pub dns: Dns,
    /// Which request goes where; first match wins. Empty: all to the first upstream.
    pub routes: Vec<Route>,
    /// How bodies are held back.
    pub hold: Hold,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How a refusal looks.
    pub block: Block,
    /// What happens where inspection is incomplete.
    pub fail: Fail,
    /// Whether a request that belongs to no trace (W3C) begins one.
    pub begin_traces: bool,
    /// Which requests are told of in the access log.
    pub access_log: AccessLog,
}

/// `[gateway.connections]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// In all.
    pub limit: usize,
    /// From one address (an IPv6 network of 64 bits) that is no trusted proxy.
    pub per_client: usize,
}

/// `[[gateway.routes]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Host names without port, in lower case, `*.example.com` for all below; empty: any.
    pub hosts: Vec<String>,
    /// Prefix of the path, ending at a segment's border.
    pub path_prefix: String,
    /// Index into [`Gateway::upstreams`].
    pub upstream: usize,
    /// Filtration mode of this route.
    pub mode: Option<FiltrationMode>,
    /// Whose requests it carries: that tenant's rules act on them, and no other's.
    pub tenant: Owner,
}

/// `[gateway.hold]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Largest body in bytes that is held until it is inspected whole.
    pub limit: usize,
    /// Bytes of bodies that are held at once over all requests; past it, less is held.
    pub total: usize,
    /// How long a body of undeclared length may pause before what has come of it is released.
    pub pause: Duration,
    /// Bytes a second at which a body of declared length must come while it is held, past
    /// [`Timeouts::body_idle`]; 0: at any.
    pub min_rate: u32,
}

/// `[gateway.timeouts]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a request's head to arrive.
    pub header_read: Duration,
    /// Between two pieces of a body.
    pub body_idle: Duration,
    /// For an upstream connection to be made.
    pub connect: Duration,
    /// For a response's head, once the request is sent.
    pub response: Duration,
    /// For an idle client connection.
    pub keep_alive: Duration,
    /// For requests under way at shutdown.
    pub drain: Duration,
    /// Between readiness going off at shutdown and the drain's beginning; may be zero.
    pub drain_delay: Duration,
}

/// `[gateway.block]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Status of a blocked request: 403 or 401.
    pub status: u16,
    /// Where a client finds help, shown in the refusal.
    pub contact: Option<String>,
}

/// What happens to a request that could not be inspected whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailMode {
    /// It passes, and is counted.
    Open,
    /// It is refused, where a blocking patch is in scope and the mode is `block`.
    Closed,
}

/// `[gateway.fail]`: one key for each cause of the decision table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fail {
    /// The decoder's budget is spent.
    pub budget: FailMode,
    /// A `Content-Encoding` or `grpc-encoding` is unknown, or there are too many.
    pub coding: FailMode,
    /// A declared coding does not decode.
    pub undecodable: FailMode,
    /// A body of a known type (multipart, gRPC, charset) is not well-formed, or its
    /// charset is unknown.
    pub malformed: FailMode,
    /// A body is encrypted, as its type says.
    pub encrypted: FailMode,
    /// A WebSocket's frames or compressed messages are malformed.
    pub websocket: FailMode,
}

/// `[control]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Address of the API, the console, `/metrics`, `/healthz` and `/readyz`.
    pub listen: SocketAddr,
    /// Days for which a closed leak's tokens are watched.
    pub watch_closed_days: u32,
    /// Time after which a session that is not used ends.
    pub session_idle: Duration,
    /// Time after which a session ends, however much it is used.
    pub session_longest: Duration,
    /// Whether a session's cookie is for TLS alone, whatever came over what.
    pub secure_cookies: bool,
    /// How users sign in at an identity provider, where they do.
    pub oidc: Option<Oidc>,
    /// The hooks of partners that report leaks, each partner's once.
    pub hooks: Vec<Hook>,
    /// The tenants whose closed leaks are opened again when one of their tokens is reported.
    pub reopen_reported: Vec<String>,
    /// The console's address as browsers reach it, for links in notifications.
    pub public_url: Option<String>,
    /// Where webhooks may send to.
    pub webhooks: Webhooks,
    /// Who is notified of what.
    pub notifications: Notifications,
}

/// `[store]`
#[derive(Clone, PartialEq, Eq)]
pub struct Store {
    /// `sqlite:` and a path, or `postgres://USER@HOST/DATABASE`, which may hold a password.
    pub url: String,
    /// For how long events are kept.
    pub events: KeptEvents,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.url.starts_with("sqlite:") { &self.url } else { "postgres://…" };
        f.debug_struct("Store").field("url", &shown).field("events", &self.events).finish()
    }
}

/// `[events]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events {
    /// Whether each event is a JSON line on standard output.
    pub stdout: bool,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A `tracing` filter, such as `info` or `leakgate=debug`.
    pub filter: String,
    /// The form of lines.
    pub format: LogFormat,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            name: "gateway".to_owned(),
            listen: vec![Listener::plain(SocketAddr::from(([127, 0, 0, 1], 8080)))],
            unix_mode: 0o660,
            proxy_protocol_from: Vec::new(),
            connections: Connections::default(),
            tls: Tls::default(),
            mode: FiltrationMode::Block,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            admin_listen: None,
            trusted_proxies: Vec::new(),
            bypass_file: None,
            upstreams: vec![Upstream::new(
                "app",
                vec![SocketAddr::from(([127, 0, 0, 1], 3000)).into()],
            )],
            dns: Dns::default(),
            routes: Vec::new(),
            hold: Hold::default(),
            timeouts: Timeouts::default(),
            block: Block::default(),
            fail: Fail::default(),
            begin_traces: false,
            access_log: AccessLog::default(),
        }
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self { limit: limits::CONNECTIONS, per_client: limits::CONNECTIONS_PER_CLIENT }
    }
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            limit: limits::HOLD_LIMIT,
            total: limits::HOLD_TOTAL,
            pause: limits::HOLD_PAUSE,
            min_rate: limits::HOLD_MIN_RATE,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header_read: limits::HEADER_READ_TIMEOUT,
            body_idle: limits::BODY_IDLE_TIMEOUT,
            connect: limits::CONNECT_TIMEOUT,
            response: limits::RESPONSE_TIMEOUT,
            keep_alive: limits::KEEP_ALIVE_TIMEOUT,
            drain: limits::DRAIN_TIMEOUT,
            drain_delay: Duration::ZERO,
        }
    }
}

impl Default for Block {
    fn default() -> Self {
        Self { status: 403, contact: None }
    }
}

impl Default for Fail {
    fn default() -> Self {
        Self {
            budget: FailMode::Closed,
            coding: FailMode::Closed,
            undecodable: FailMode::Closed,
            malformed: FailMode::Open,
            encrypted: FailMode::Open,
            websocket: FailMode::Closed,
        }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            watch_closed_days: limits::WATCH_CLOSED_DAYS,
            session_idle: limits::SESSION_IDLE,
            session_longest: limits::SESSION_LONGEST,
            secure_cookies: false,
            oidc: None,
            hooks: Vec::new(),
            reopen_reported: Vec::new(),
            public_url: None,
            webhooks: Webhooks::default(),
            notifications: Notifications::default(),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { url: "sqlite:leakgate.db".to_owned(), events: KeptEvents::default() }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { stdout: true }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}
