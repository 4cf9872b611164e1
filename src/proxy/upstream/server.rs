//! A server as one worker knows it: the connections that it keeps, and how many requests are under
//! way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::connect::{self, ConnectError};
use super::link::{Http1, Http2, Link};
use super::queue::Queue;
use super::roster::Roster;
use super::target::{Speaks, Target};

/// A worker's share of what the configuration allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) connections: usize,
    pub(super) streams: usize,
    pub(super) idle: usize,
    pub(super) idle_time: Duration,
}

/// A server as one worker knows it.
pub(crate) struct Server {
    pub(super) target: Arc<Target>,
    roster: RefCell<Arc<Roster>>,
    share: Cell<Share>,
    /// Idle HTTP/1.1 connections, the most recently used last.
    idle: RefCell<Vec<Idle>>,
    /// HTTP/2 connections.
    shared: RefCell<Vec<Rc<Http2>>>,
    /// Requests that hold a slot.
    in_flight: Cell<usize>,
    /// Whether TLS agreed on HTTP/2 last.
    agreed_on_http2: Cell<bool>,
    /// Held while an HTTP/2 connection is made, which the others wait for instead of making their own.
    opening: Mutex<()>,
    failed_openings: Cell<u64>,
    weight: Cell<usize>,
    queue: Rc<Queue>,
}

struct Idle {
    link: Http1,
    since: Instant,
}

/// The right to one request at a server. When it is dropped, whoever waits gets it.
pub(crate) struct Slot(Rc<Server>);

impl Slot {
    /// A slot at this server, where it has one.
    pub(super) fn at(server: &Rc<Server>) -> Option<Self> {
        server.has_room().then(|| {
            server.in_flight.set(server.in_flight.get() + 1);
            Self(Rc::clone(server))
        })
    }

    pub(super) fn server(&self) -> &Rc<Server> {
        &self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get().saturating_sub(1));
        if !self.0.queue.is_empty() {
            self.0.queue.serve(&self.0);
        }
    }
}

impl Server {
    pub(super) fn new(
        target: Arc<Target>,
        roster: Arc<Roster>,
        share: Share,
        queue: Rc<Queue>,
    ) -> Self {
        Self {
            target,
            roster: RefCell::new(roster),
            share: Cell::new(share),
            idle: RefCell::default(),
            shared: RefCell::default(),
            in_flight: Cell::new(0),
            agreed_on_http2: Cell::new(false),
            opening: Mutex::new(()),
            failed_openings: Cell::new(0),
            weight: Cell::new(1),
            queue,
        }
    }

    /// Goes on under this configuration.
    pub(super) fn adopt(&self, roster: &Arc<Roster>, share: Share, weight: u32) {
        *self.roster.borrow_mut() = Arc::clone(roster);
        self.share.set(share);
        self.weight.set(weight.max(1) as usize);
    }

    /// Whether it has fewer requests under way than the other, for its weight.
    pub(super) fn is_less_busy_than(&self, other: &Self) -> bool {
        self.in_flight.get().saturating_mul(other.weight.get())
            < other.in_flight.get().saturating_mul(self.weight.get())
    }

    pub(super) fn is_available(&self) -> bool {
        self.target.standing.is_available()
    }

    pub(super) fn has_room(&self) -> bool {
        let share = self.share.get();
        let each = if self.expects_http2() { share.streams } else { 1 };
        self.in_flight.get() < share.connections.saturating_mul(each)
    }

    fn expects_http2(&self) -> bool {
        self.target.speaks == Speaks::Http2 || self.agreed_on_http2.get()
    }

    /// A response came that is no failure.
    pub(super) fn succeeded(&self) {
        self.roster.borrow().succeeded(&self.target);
    }

    /// It failed.
    pub(super) fn failed(&self) {
        self.roster.borrow().failed(&self.target);
    }

    pub(super) fn counts_as_failure(&self, status: u16) -> bool {
        self.roster.borrow().settings.eject.statuses.contains(&status)
    }

    /// A connection that is there already; of HTTP/1.1 none where it is to be `fresh`.
    pub(super) fn kept(&self, http1_only: bool, fresh: bool) -> Option<Link> {
        if !http1_only && let Some(link) = self.kept_http2() {
            return Some(link);
        }
        if fresh {
            return None;
        }
        let limit = self.share.get().idle_time;
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { link, since }) = idle.pop() {
            if link.is_ready() && since.elapsed() < limit {
                return Some(Link::Http1(link));
            }
        }
        None
    }

    fn kept_http2(&self) -> Option<Link> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_empty() {
            return None;
        }
        shared.retain(|connection| !connection.is_closed());
        let share = self.share.get();
        let least = shared.iter().min_by_key(|connection| connection.streams())?;
        // With no connection left to open, requests wait inside one for its server's limit.
        let may_open = shared.len() < share.connections;
        if may_open && !least.has_room(share.streams) {
            return None;
        }
        Some(Link::Http2(Http2::lend(least)))
    }

    /// A new connection, or one of HTTP/2 that was made for others in the meantime, and whether it
    /// was.
    pub(super) async fn connect(&self, http1_only: bool) -> Result<(Link, bool), ConnectError> {
        let wanted = if http1_only { Speaks::Http1 } else { self.target.speaks };
        if http1_only || !self.expects_http2() {
            return Ok((self.open(wanted).await?, false));
        }
        let failed = self.failed_openings.get();
        let _turn = self.opening.lock().await;
        if let Some(link) = self.kept_http2() {
            return Ok((link, true));
        }
        if self.failed_openings.get() != failed {
            return Err(ConnectError::Shared);
        }
        let opened = self.open(wanted).await;
        if opened.is_err() {
            self.failed_openings.set(self.failed_openings.get().wrapping_add(1));
        }
        Ok((opened?, false))
    }

    async fn open(&self, wanted: Speaks) -> Result<Link, ConnectError> {
        let (stream, speaks) = connect::open(&self.target, wanted).await?;
        if wanted == Speaks::Agreed {
            self.agreed_on_http2.set(speaks == Speaks::Http2);
        }
        let gauge = self.roster.borrow().connections.clone();
        let link = Link::over(stream, speaks, gauge, self.share.get().streams).await?;
        if let Link::Http2(lent) = &link {
            self.shared.borrow_mut().push(Rc::clone(lent.connection()));
        }
        Ok(link)
    }

    /// Keeps a connection that has served a request.
    pub(super) fn keep(&self, link: Http1) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.share.get().idle {
            idle.push(Idle { link, since: Instant::now() });
        }
    }

    /// Closes the connections that have been idle for too long or were closed by the server.
    pub(super) fn sweep(&self, now: Instant) {
        let limit = self.share.get().idle_time;
        self.idle.borrow_mut().retain(|idle| !idle.link.is_closed() && now - idle.since < limit);
        self.shared.borrow_mut().retain(|connection| {
            !connection.is_closed() && connection.idle_since().is_none_or(|at| now - at < limit)
        });
    }
}
