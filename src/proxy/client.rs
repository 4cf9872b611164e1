//! The client at the other end of a connection, as its requests know it.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::crowd::Place;
use super::forwarded::{self, Introduction};
use super::opening::count_slow;
use super::pulse::{Pulse, Slow};
use super::settings::Settings;
use super::worker::Worker;
use crate::config::limits;

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// Its address.
    pub(crate) peer: IpAddr,
    /// Whether it came over TLS.
    pub(crate) secure: bool,
    /// Who it is by its certificate.
    pub(crate) certificate: Option<Arc<str>>,
}

/// A client.
pub(crate) struct Client {
    worker: Rc<Worker>,
    origin: Origin,
    standing: RefCell<Rc<Standing>>,
    pulse: Arc<Pulse>,
    /// Among the worker's clients.
    number: u64,
    /// Counts it among those of its address.
    _place: Option<Place>,
    closing: Notify,
    given_up: Cell<bool>,
    /// Requests that it left without waiting for their answers, less those that it waited for.
    abandoned: Cell<u32>,
    /// When some response of it was last seen to be taken or waited for.
    moved: Cell<u64>,
}

/// What some settings make of a client.
pub(crate) struct Standing {
    /// Of the settings.
    generation: u64,
    /// Whether it is a proxy that is believed.
    pub(crate) trusted: bool,
    /// What the upstream is told of it.
    pub(crate) introduction: Introduction,
}

impl Standing {
    fn new(origin: &Origin, settings: &Settings) -> Rc<Self> {
        let trusted = forwarded::is_trusted(origin.peer, &settings.config.trusted_proxies);
        let introduction = Introduction::new(origin.peer, trusted, origin.secure);
        Rc::new(Self { generation: settings.generation, trusted, introduction })
    }
}

impl Client {
    pub(crate) fn new(worker: &Rc<Worker>, origin: Origin, place: Option<Place>) -> Rc<Self> {
        let standing = RefCell::new(Standing::new(&origin, &worker.settings()));
        Rc::new_cyclic(|client| Self {
            worker: Rc::clone(worker),
            origin,
            standing,
            pulse: Arc::new(Pulse::new()),
            number: worker.clients.remember(client.clone()),
            _place: place,
            closing: Notify::new(),
            given_up: Cell::new(false),
            abandoned: Cell::new(0),
            moved: Cell::new(0),
        })
    }

    /// The worker that serves it.
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// Its address.
    pub(crate) fn peer(&self) -> IpAddr {
        self.origin.peer
    }

    /// Whether its connection is secured by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.origin.secure
    }

    /// Who it is by its certificate.
    pub(crate) fn certificate(&self) -> Option<&str> {
        self.origin.certificate.as_deref()
    }

    /// What these settings make of it. Worked out once for all requests until the next reload.
    pub(crate) fn standing(&self, settings: &Settings) -> Rc<Standing> {
        let mut standing = self.standing.borrow_mut();
        if standing.generation != settings.generation {
            *standing = Standing::new(&self.origin, settings);
        }
        Rc::clone(&standing)
    }

    /// Fields came behind a body. In HTTP/1.1, where hyper takes a bare line feed behind them for no
    /// end but others might, what follows on the connection is not taken for a request.
    pub(crate) fn trailers_came(&self) {
        if self.pulse.takes_turns() {
            self.close();
        }
    }

    /// Some response of it is taken, or waited for, in this tick.
    pub(crate) fn moves(&self, tick: u64) {
        self.moved.set(tick);
    }

    /// Whether that was so.
    pub(crate) fn has_moved(&self, tick: u64) -> bool {
        self.moved.get() == tick
    }

    /// It takes none of its responses: its connection is closed.
    pub(crate) fn takes_nothing(&self) {
        if !self.given_up.get() {
            count_slow(&self.worker, Slow::Write);
        }
        self.give_up();
    }

    /// It waited for an answer, or did not. Each request that it leaves costs more than it costs the
    /// client, since it takes the upstream's connection with it; who leaves most of them is cut.
    pub(crate) fn waited(&self, for_answer: bool) {
        let before = self.abandoned.get();
        let now = if for_answer { before.saturating_sub(1) } else { before.saturating_add(1) };
        self.abandoned.set(now);
        if now > limits::ABANDONED_REQUESTS && !self.given_up.get() {
            self.worker.metrics.client_limits_hit.with_label_values(&["abandoned"]).inc();
            self.give_up();
        }
    }

    fn give_up(&self) {
        self.given_up.set(true);
        self.close();
    }

    /// Whether its connection is closed whatever is under way on it.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.get()
    }

    /// Its connection's pulse.
    pub(crate) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Since when its connection has been idle; `None` where it is not.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.pulse.idle_since()
    }

    /// Asks its connection to end once no request is under way.
    pub(crate) fn close(&self) {
        self.closing.notify_one();
    }

    /// Waits until it is asked to.
    pub(crate) async fn asked_to_close(&self) {
        self.closing.notified().await;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.worker.clients.forget(self.number);
    }
}
