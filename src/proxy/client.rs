//! The client at the other end of a connection, as its requests know it.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::crowd::Place;
use super::forwarded::{self, Introduction};
use super::pulse::Pulse;
use super::settings::Settings;
use super::worker::Worker;

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
