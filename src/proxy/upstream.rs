//! Upstream connections of one worker: made on demand, kept alive, handed from request to request.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::body::UpstreamBody;
use super::failure::Failure;
use super::record::Exchange;
use crate::config::{self, Timeouts, limits};
use crate::telemetry::metrics::Metrics;

/// All upstreams, in the order of the configuration.
pub(crate) struct Upstreams(Vec<Group>);

/// The servers of one upstream, taken in turn.
struct Group {
    servers: Vec<Rc<Pool>>,
    next: Cell<usize>,
}

/// The idle connections of one server, the most recently used last.
struct Pool {
    server: config::Server,
    /// The server's address, for log lines.
    name: String,
    idle: RefCell<Vec<Idle>>,
}

struct Idle {
    sender: SendRequest<UpstreamBody>,
    since: Instant,
}

/// A connection on loan to one request. Dropped when the response has ended, it goes back to its
/// pool if it can serve another request, and is closed if not.
pub(crate) struct Lease {
    sender: Option<SendRequest<UpstreamBody>>,
    pool: Rc<Pool>,
    pooled: bool,
}

impl Upstreams {
    pub(crate) fn new(upstreams: &[config::Upstream]) -> Self {
        Self(Vec::new()).followed_by(upstreams)
    }

    /// Those of another configuration; a server that is in both keeps its connections.
    pub(crate) fn followed_by(&self, upstreams: &[config::Upstream]) -> Self {
        let known = |server: &config::Server| {
            self.0.iter().flat_map(|group| &group.servers).find(|pool| pool.server == *server)
        };
        let pool =
            |server: &config::Server| known(server).map_or_else(|| Pool::new(server), Rc::clone);
        let group = |upstream: &config::Upstream| Group {
            servers: upstream.servers.iter().map(pool).collect(),
            next: Cell::new(0),
        };
        Self(upstreams.iter().map(group).collect())
    }

    /// Sends a request to one of the upstream's servers and waits for its response's head.
    ///
    /// A server that cannot be reached is passed over for the next one. A request is sent again
    /// only where nothing of it had been sent: its pooled connection had died.
    ///
    /// # Errors
    /// [`Failure::Connect`], [`Failure::NoResponse`], [`Failure::Broken`] or
    /// [`Failure::BadResponse`], or why the request's own body was ended.
    pub(crate) async fn send(
        &self,
        upstream: usize,
        mut request: Request<UpstreamBody>,
        exchange: &Exchange,
        timeouts: &Timeouts,
        metrics: &Metrics,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let group = self.0.get(upstream).ok_or(Failure::NoRoute)?;
        let mut stale = 0;
        let mut unreachable = 0;
        loop {
            let pool = group.next().ok_or(Failure::Connect)?;
            let pooled = if stale < limits::STALE_RETRIES { pool.take() } else { None };
            let mut lease = match pooled {
                Some(lease) => lease,
                None => match Pool::connect(pool, timeouts.connect).await {
                    Ok(lease) => lease,
                    Err(error) => {
                        tracing::warn!(server = pool.name, %error, "no upstream connection");
                        metrics.upstream_errors.with_label_values(&["connect"]).inc();
                        unreachable += 1;
                        if unreachable < group.servers.len() {
                            continue;
                        }
                        return Err(Failure::Connect);
                    }
                },
            };
            let Some(sender) = &mut lease.sender else { return Err(Failure::Broken) };
            let response = pin!(sender.try_send_request(request));
            match within(timeouts.response, exchange, response).await {
                Some(Ok(response)) => return Ok((response, lease)),
                Some(Err(mut error)) => match error.take_message() {
                    Some(unsent) if lease.pooled => {
                        metrics.upstream_retries.inc();
                        stale += 1;
                        request = unsent;
                    }
                    _ => {
                        if let Some(failure) = exchange.stream_failure() {
                            return Err(failure);
                        }
                        return Err(lease.pool.failure(error.error(), metrics));
                    }
                },
                None => {
                    tracing::warn!(server = lease.pool.name, "no response in time");
                    metrics.upstream_errors.with_label_values(&["timeout"]).inc();
                    return Err(Failure::NoResponse);
                }
            }
        }
    }

    /// Closes the connections that have been idle for too long or were closed by their server.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        for pool in self.0.iter().flat_map(|group| &group.servers) {
            pool.idle.borrow_mut().retain(|idle| {
                !idle.sender.is_closed() && now - idle.since < limits::POOL_IDLE_TIMEOUT
            });
        }
    }
}

/// Waits for the response; `None` where it has not begun in time, counted from when the last of the
/// request's body was sent.
async fn within<F: Future>(
    limit: Duration,
    exchange: &Exchange,
    mut response: std::pin::Pin<&mut F>,
) -> Option<F::Output> {
    let mut since = Instant::now();
    loop {
        match tokio::time::timeout_at(since + limit, response.as_mut()).await {
            Ok(output) => return Some(output),
            Err(_) => match exchange.last_moved() {
                Some(moved) if moved > since => since = moved,
                _ => return None,
            },
        }
    }
}

impl Group {
    fn next(&self) -> Option<&Rc<Pool>> {
        let turn = self.next.get();
        self.next.set(turn.wrapping_add(1));
        self.servers.get(turn.checked_rem(self.servers.len())?)
    }
}

impl Pool {
    fn new(server: &config::Server) -> Rc<Self> {
        let name = format!("{}:{}", server.host, server.port);
        Rc::new(Self { server: server.clone(), name, idle: RefCell::default() })
    }

    fn take(self: &Rc<Self>) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { sender, since }) = idle.pop() {
            if sender.is_ready() && since.elapsed() < limits::POOL_IDLE_TIMEOUT {
                return Some(Lease { sender: Some(sender), pool: Rc::clone(self), pooled: true });
            }
        }
        None
    }

    /// What came instead of a response, counted.
    fn failure(&self, error: &hyper::Error, metrics: &Metrics) -> Failure {
        let server = &self.name;
        let (kind, failure) = if error.is_parse_too_large() {
            tracing::warn!(server, %error, "the upstream's response has too large a head");
            ("malformed", Failure::BadResponse(HEAD_TOO_LARGE))
        } else if error.is_parse() {
            tracing::warn!(server, %error, "the upstream's response is no HTTP");
            ("malformed", Failure::BadResponse(NO_HTTP))
        } else {
            tracing::warn!(server, %error, "the upstream broke the connection before a response");
            ("broken", Failure::Broken)
        };
        metrics.upstream_errors.with_label_values(&[kind]).inc();
        failure
    }

    async fn connect(pool: &Rc<Self>, limit: Duration) -> Result<Lease, ConnectError> {
        let tcp = tokio::time::timeout(limit, open(&pool.server))
            .await
            .map_err(|_| ConnectError::Slow(limit))??;
        tcp.set_nodelay(true)?;
        let (sender, connection) = Builder::new()
            // Of responses, which are not inspected.
            .preserve_header_case(true)
            .max_headers(limits::RESPONSE_HEADER_COUNT)
            .max_header_size(limits::RESPONSE_HEAD_BYTES)
            .max_buf_size(limits::RESPONSE_HEAD_BYTES)
            .handshake(TokioIo::new(tcp))
            .await?;
        tokio::task::spawn_local(async move {
            // Whoever waits for a response learns of the error; nobody waits on an idle connection.
            let _ = connection.with_upgrades().await;
        });
        Ok(Lease { sender: Some(sender), pool: Rc::clone(pool), pooled: false })
    }
}

const HEAD_TOO_LARGE: &str = "The service behind the gateway answered, but its response's head is \
                              larger, or has more fields, than the gateway takes. It may have \
                              acted on the request.";
const NO_HTTP: &str = "The service behind the gateway answered with what is no valid HTTP response. \
                       It may have acted on the request.";

/// Opens a connection to the first of the server's addresses that takes one.
async fn open(server: &config::Server) -> std::io::Result<TcpStream> {
    match server.host.parse::<IpAddr>() {
        Ok(address) => TcpStream::connect((address, server.port)).await,
        Err(_) => TcpStream::connect((server.host.as_str(), server.port)).await,
    }
}

/// Why a server cannot be reached.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("no connection within {0:?}")]
    Slow(Duration),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Handshake(#[from] hyper::Error),
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(sender) = self.sender.take().filter(SendRequest::is_ready) else { return };
        let mut idle = self.pool.idle.borrow_mut();
        if idle.len() < limits::POOL_IDLE_CONNECTIONS {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }
}
