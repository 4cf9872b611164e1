//! One request on its way to a server: a slot and a connection are found for it, it is sent, and its
//! response's head is waited for; all of this again where that is safe.
//!
//! What was never sent goes elsewhere. What was sent, and had no response, goes once more only where
//! its server says that it did nothing with it (HTTP/2), or where its method is idempotent or it has
//! an `Idempotency-Key`, its body is at hand whole, and the budget allows it.

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderName, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::{Instant, timeout};

use super::connect::ConnectError;
use super::group::{Group, Tried};
use super::http2;
use super::lease::Lease;
use super::server::{Server, Slot};
use crate::config::limits;
use crate::proxy::body::UpstreamBody;
use crate::proxy::failure::Failure;
use crate::proxy::record::Exchange;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request under way to a server.
pub(super) struct Sending<'a> {
    group: &'a Group,
    exchange: &'a Exchange,
    /// For WebSocket.
    http1_only: bool,
    /// Makes the request's head once more.
    remake: Option<&'a dyn Fn() -> Option<Request<()>>>,
    /// When all must be over.
    end: Option<Instant>,
    tried: Tried,
    /// Kept connections that had died.
    stale: usize,
    /// Servers to which no connection could be made.
    unreachable: usize,
    /// Times that it was sent again though a server may have acted on it.
    again: usize,
    /// Times that a server said that it did nothing with it.
    refused: usize,
}

/// What is kept of a request that was sent.
struct Copy {
    /// There where it cannot be made once more.
    head: Option<Request<()>>,
    bytes: Bytes,
    trailers: Option<HeaderMap>,
    /// Whether it may be sent again though its server may have acted on it.
    may_repeat: bool,
}

/// What came of one attempt.
enum Attempt {
    Answered(Response<Incoming>, Lease),
    /// It is to be made once more, with this request, for this reason.
    Again(Request<UpstreamBody>, &'static str),
}

impl<'a> Sending<'a> {
    pub(super) fn new(
        group: &'a Group,
        exchange: &'a Exchange,
        http1_only: bool,
        remake: Option<&'a dyn Fn() -> Option<Request<()>>>,
    ) -> Self {
        let end = group.roster.timeouts.request.map(|limit| Instant::now() + limit);
        let tried = Tried::default();
        Self {
            group,
            exchange,
            http1_only,
            remake,
            end,
            tried,
            stale: 0,
            unreachable: 0,
            again: 0,
            refused: 0,
        }
    }

    /// Sends it until there is a response.
    pub(super) async fn run(
        mut self,
        mut request: Request<UpstreamBody>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        loop {
            let lease = self.lease().await?;
            match self.attempt(lease, request).await? {
                Attempt::Answered(response, lease) => return Ok((response, lease)),
                Attempt::Again(unanswered, reason) => {
                    self.group.roster.metrics.upstream_retries.with_label_values(&[reason]).inc();
                    request = unanswered;
                }
            }
        }
    }

    /// A connection for the next attempt.
    async fn lease(&mut self) -> Result<Lease, Failure> {
        loop {
            let slot = self.group.slot(&self.tried).await?;
            let fresh = self.stale >= limits::STALE_RETRIES || self.again > 0;
            if let Some(link) = slot.server().kept(self.http1_only, fresh) {
                return Ok(Lease::new(slot, link, true));
            }
            // Rare, and large.
            if let Some(lease) = Box::pin(self.connect(slot)).await {
                return Ok(lease);
            }
            if self.has_no_server_left() {
                return Err(Failure::Connect);
            }
        }
    }

    fn has_no_server_left(&self) -> bool {
        self.unreachable >= self.group.lines().count().min(limits::CONNECT_ATTEMPTS)
    }

    /// Connects to the slot's server, and to another one beside it where that takes long.
    async fn connect(&mut self, slot: Slot) -> Option<Lease> {
        let limit = self.group.roster.timeouts.connect.unwrap_or_default();
        let http1_only = self.http1_only;
        let server = Rc::clone(slot.server());
        let mut first = pin!(connected(slot, http1_only, limit));
        if let Ok(result) = timeout(limits::CONNECT_HEAD_START, first.as_mut()).await {
            return self.noted(&server, result);
        }
        self.tried.add(&server);
        let Some(slot) = self.group.other(&self.tried) else {
            let result = first.await;
            return self.noted(&server, result);
        };
        let other = Rc::clone(slot.server());
        if let Some(link) = other.kept(http1_only, false) {
            self.unreached(&server, &ConnectError::Outrun);
            return Some(Lease::new(slot, link, true));
        }
        let second = pin!(connected(slot, http1_only, limit));
        match select(first, second).await {
            Either::Left((Ok(lease), _)) => Some(lease),
            Either::Left((Err(error), second)) => {
                self.unreached(&server, &error);
                let result = second.await;
                self.noted(&other, result)
            }
            Either::Right((Ok(lease), _)) => {
                self.unreached(&server, &ConnectError::Outrun);
                Some(lease)
            }
            Either::Right((Err(error), first)) => {
                self.unreached(&other, &error);
                let result = first.await;
                self.noted(&server, result)
            }
        }
    }

    fn noted(&mut self, server: &Rc<Server>, result: Result<Lease, ConnectError>) -> Option<Lease> {
        result.map_err(|error| self.unreached(server, &error)).ok()
    }

    fn unreached(&mut self, server: &Rc<Server>, error: &ConnectError) {
        tracing::warn!(server = server.target.name, %error, "no upstream connection");
        self.count("connect");
        server.failed();
        self.tried.add(server);
        self.unreachable += 1;
    }

    fn count(&self, kind: &str) {
        self.group.roster.metrics.upstream_errors.with_label_values(&[kind]).inc();
    }

    async fn attempt(
        &mut self,
        mut lease: Lease,
        mut request: Request<UpstreamBody>,
    ) -> Result<Attempt, Failure> {
        let server = Rc::clone(lease.server());
        let is_http2 = lease.is_http2();
        http2::shape(&mut request, is_http2, &server.target);
        self.exchange.is_sent_by_http2(is_http2);
        let copy = self.copy(&request, &lease);
        let timeouts = &self.group.roster.timeouts;
        lease.restart(timeouts.response.unwrap_or_default(), self.end);
        let Some(link) = lease.link() else { return Err(Failure::Broken) };
        let response = pin!(link.send(request));
        match lease.response(self.exchange, response).await {
            Some(Ok(response)) => {
                let status = response.status().as_u16();
                let failed = status >= 400 && server.counts_as_failure(status);
                if failed {
                    server.failed()
                } else {
                    server.succeeded()
                }
                let retried = &self.group.roster.settings.retry.statuses;
                if status >= 400
                    && retried.contains(&status)
                    && let Some(request) = self.again(copy, &server)
                {
                    return Ok(Attempt::Again(request, "status"));
                }
                lease.restart(timeouts.body_idle.unwrap_or_default(), self.end);
                Ok(Attempt::Answered(response, lease))
            }
            Some(Err(error)) => self.unanswered(error, copy, &lease),
            None => {
                tracing::warn!(server = server.target.name, "no response in time");
                self.count("timeout");
                server.failed();
                Err(Failure::NoResponse)
            }
        }
    }

    /// What is done where the connection gave no response.
    fn unanswered(
        &mut self,
        mut error: TrySendError<Request<UpstreamBody>>,
        copy: Option<Copy>,
        lease: &Lease,
    ) -> Result<Attempt, Failure> {
        let server = lease.server();
        if let Some(unsent) = error.take_message() {
            if lease.is_kept() {
                self.stale += 1;
            } else {
                self.unreached(server, &ConnectError::Unusable);
                if self.has_no_server_left() {
                    return Err(Failure::Connect);
                }
            }
            return Ok(Attempt::Again(unsent, "unsent"));
        }
        if let Some(failure) = self.exchange.stream_failure() {
            return Err(failure);
        }
        let error = error.error();
        if http2::was_refused(error)
            && self.refused < limits::RETRIES
            && let Some(copy) = copy
        {
            self.refused += 1;
            let request = self.once_more(copy).ok_or(Failure::Broken)?;
            return Ok(Attempt::Again(request, "refused"));
        }
        server.failed();
        let failure = self.failure(error, server);
        match failure {
            Failure::Broken => self
                .again(copy, server)
                .map(|request| Attempt::Again(request, "broken"))
                .ok_or(failure),
            _ => Err(failure),
        }
    }

    /// The request once more, where it may be sent again though its server may have acted on it.
    fn again(&mut self, copy: Option<Copy>, server: &Rc<Server>) -> Option<Request<UpstreamBody>> {
        let copy = copy.filter(|copy| copy.may_repeat)?;
        if !self.group.budget.spend() {
            self.group.roster.metrics.upstream_retries_denied.inc();
            return None;
        }
        self.again += 1;
        self.tried.add(server);
        self.once_more(copy)
    }

    fn once_more(&self, copy: Copy) -> Option<Request<UpstreamBody>> {
        let head = copy.head.or_else(|| self.remake?())?;
        let body = UpstreamBody::Held { bytes: copy.bytes, trailers: copy.trailers };
        Some(head.map(|()| body))
    }

    /// What is kept of a request that may have to be sent again.
    fn copy(&self, request: &Request<UpstreamBody>, lease: &Lease) -> Option<Copy> {
        let UpstreamBody::Held { bytes, trailers } = request.body() else { return None };
        let idempotent =
            request.method().is_idempotent() || request.headers().contains_key(IDEMPOTENCY_KEY);
        // A connection just made to the only server is no worse than another one.
        let may_repeat = idempotent
            && self.again < self.group.roster.settings.retry.attempts
            && (lease.is_kept() || self.group.lines().count() > 1);
        if !may_repeat && !lease.is_http2() {
            return None;
        }
        let head = self.remake.is_none().then(|| {
            let mut head = Request::new(());
            *head.method_mut() = request.method().clone();
            *head.uri_mut() = request.uri().clone();
            *head.version_mut() = request.version();
            *head.headers_mut() = request.headers().clone();
            head
        });
        Some(Copy { head, bytes: bytes.clone(), trailers: trailers.clone(), may_repeat })
    }

    /// What came instead of a response, counted.
    fn failure(&self, error: &hyper::Error, server: &Server) -> Failure {
        let server = &server.target.name;
        if error.is_parse_too_large() {
            tracing::warn!(server, %error, "the upstream's response has too large a head");
            self.count("malformed");
            Failure::BadResponse(HEAD_TOO_LARGE)
        } else if error.is_parse() {
            tracing::warn!(server, %error, "the upstream's response is no HTTP");
            self.count("malformed");
            Failure::BadResponse(NO_HTTP)
        } else {
            tracing::warn!(server, %error, "the upstream broke the connection before a response");
            self.count("broken");
            Failure::Broken
        }
    }
}

const HEAD_TOO_LARGE: &str = "The service behind the gateway answered, but its response's head is \
                              larger, or has more fields, than the gateway takes. It may have \
                              acted on the request.";
const NO_HTTP: &str = "The service behind the gateway answered with what is no valid HTTP response. \
                       It may have acted on the request.";

/// A connection to the slot's server.
async fn connected(slot: Slot, http1_only: bool, limit: Duration) -> Result<Lease, ConnectError> {
    let made = timeout(limit, slot.server().connect(http1_only)).await;
    let (link, is_kept) = made.map_err(|_| ConnectError::Slow(limit))??;
    Ok(Lease::new(slot, link, is_kept))
}
