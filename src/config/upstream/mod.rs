//! `[[gateway.upstreams]]`: where requests go, and how the servers there are treated.

mod read;
mod server;
mod tls;

use std::time::Duration;

pub(super) use read::{dns, upstream};
pub use server::{Endpoint, Scheme, Server};
pub use tls::{TlsClient, UpstreamTls};

use super::{Timeouts, limits};

/// One upstream: servers of which any may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name, for routes and metrics.
    pub name: String,
    /// Its servers. A host name stands for as many servers as it has addresses.
    pub servers: Vec<Server>,
    /// Which HTTP the servers are spoken to.
    pub protocol: Protocol,
    /// How connections are kept and shared out.
    pub connections: UpstreamConnections,
    /// How long things may take, where it differs from `gateway.timeouts`.
    pub timeouts: UpstreamTimeouts,
    /// When a request is sent a second time.
    pub retry: Retry,
    /// When a server that fails gets no more requests for a while.
    pub eject: Eject,
    /// How servers are asked whether they are well; absent, they are not.
    pub health: Option<Health>,
    /// How `https://` servers are spoken to; absent where there is none.
    pub tls: Option<UpstreamTls>,
}

/// `protocol`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/2 with `https://` servers that agree to it, else HTTP/1.1.
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, over plain connections with prior knowledge.
    Http2,
}

/// How connections to one server are kept and shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamConnections {
    /// UpstreamConnections to one server, over all workers, each of which has an equal share.
    pub max: usize,
    /// Requests at once in one HTTP/2 connection; its server may allow fewer.
    pub max_streams: usize,
    /// Requests that wait for a connection of the upstream's, over all workers; the next is answered 503.
    pub max_waiting: usize,
    /// How long each of them waits before it is answered 503.
    pub wait: Duration,
    /// Idle connections kept, per worker and server.
    pub max_idle: usize,
    /// How long a connection may be idle before it is closed.
    pub idle_time: Duration,
}

/// What an upstream has of its own of `gateway.timeouts`; what is absent is as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UpstreamTimeouts {
    /// For a connection to be made, TLS and all.
    pub connect: Option<Duration>,
    /// For a response's head, once the request is sent.
    pub response: Option<Duration>,
    /// Between two pieces of a response's body.
    pub body_idle: Option<Duration>,
    /// From when the request is sent to the response's last byte; absent: no limit.
    pub request: Option<Duration>,
}

impl UpstreamTimeouts {
    /// With what it has not of its own taken from the gateway's.
    pub fn over(self, gateway: &Timeouts) -> Self {
        Self {
            connect: self.connect.or(Some(gateway.connect)),
            response: self.response.or(Some(gateway.response)),
            body_idle: self.body_idle.or(Some(gateway.body_idle)),
            request: self.request,
        }
    }
}

/// When a request of which something was sent is sent again. What was never sent goes to another
/// server in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often, at most; 0: never.
    pub attempts: usize,
    /// Such attempts as a share of all requests, in percent.
    pub budget: u32,
    /// Statuses that are not passed on while another attempt is allowed.
    pub statuses: Vec<u16>,
}

/// When a server that fails gets no more requests for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eject {
    /// Failures in a row; 0: it is never ejected.
    pub failures: u32,
    /// For how long the first time; each further time in a row doubles it.
    pub time: Duration,
    /// For how long at most.
    pub max_time: Duration,
    /// Servers of the upstream that may be ejected at once, in percent; never its last.
    pub max_share: u32,
    /// Statuses that count as failures.
    pub statuses: Vec<u16>,
}

/// How servers are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What is asked for with `GET`; 200 to 399 is well.
    pub path: String,
    /// The `Host` that is asked for; absent: the server's own.
    pub host: Option<String>,
    /// Time between two questions, give or take a tenth.
    pub interval: Duration,
    /// Time for an answer.
    pub timeout: Duration,
    /// Good answers in a row after which a server is well again.
    pub healthy: u32,
    /// Bad ones in a row after which it is not.
    pub unhealthy: u32,
}

/// `[gateway.dns]`: how names of servers are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Name servers that are asked; empty: those of the system.
    pub servers: Vec<std::net::SocketAddr>,
    /// Shortest time after which a name is resolved again, whatever its records say.
    pub min_ttl: Duration,
    /// Longest time.
    pub max_ttl: Duration,
}

impl Upstream {
    /// An upstream with all settings at their defaults.
    pub fn new(name: impl Into<String>, servers: Vec<Server>) -> Self {
        Self {
            name: name.into(),
            servers,
            protocol: Protocol::Auto,
            connections: UpstreamConnections::default(),
            timeouts: UpstreamTimeouts::default(),
            retry: Retry::default(),
            eject: Eject::default(),
            health: None,
            tls: None,
        }
    }
}

impl Default for UpstreamConnections {
    fn default() -> Self {
        Self {
            max: limits::UPSTREAM_CONNECTIONS,
            max_streams: limits::UPSTREAM_STREAMS,
            max_waiting: limits::UPSTREAM_WAITING,
            wait: limits::UPSTREAM_WAIT,
            max_idle: limits::POOL_IDLE_CONNECTIONS,
            idle_time: limits::POOL_IDLE_TIMEOUT,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, budget: limits::RETRY_BUDGET, statuses: Vec::new() }
    }
}

impl Default for Eject {
    fn default() -> Self {
        Self {
            failures: limits::EJECT_FAILURES,
            time: limits::EJECT_TIME,
            max_time: limits::EJECT_TIME_MAX,
            max_share: limits::EJECT_SHARE,
            statuses: vec![502, 503, 504],
        }
    }
}

impl Health {
    /// Asking for this path, with all else at its default.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            host: None,
            interval: limits::HEALTH_INTERVAL,
            timeout: limits::HEALTH_TIMEOUT,
            healthy: 2,
            unhealthy: 3,
        }
    }
}

impl Default for Dns {
    fn default() -> Self {
        Self { servers: Vec::new(), min_ttl: limits::DNS_TTL_MIN, max_ttl: limits::DNS_TTL_MAX }
    }
}
