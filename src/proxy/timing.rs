//! How long the parts of an exchange took, and how much went each way: for the access log alone.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::Instant;

/// Of one exchange. Without an access log nothing is measured.
#[derive(Default)]
pub(crate) struct Timing {
    begun: Option<Instant>,
    sampled: bool,
    sent: Cell<Option<Instant>>,
    upstream: RefCell<Option<String>>,
    upstream_time: Cell<Option<Duration>>,
    inspection_time: Cell<Option<Duration>>,
    bytes_in: Cell<u64>,
    bytes_out: Cell<u64>,
}

impl Timing {
    /// Of an exchange that begins now; `sampled` where it gets a line whatever comes of it.
    pub(crate) fn begin(sampled: bool) -> Self {
        Self { begun: Some(Instant::now()), sampled, ..Self::default() }
    }

    /// Whether it gets a line whatever comes of it.
    pub(crate) fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The request goes to this upstream.
    pub(crate) fn sent(&self, upstream: &str) {
        if self.begun.is_some() {
            self.sent.set(Some(Instant::now()));
            *self.upstream.borrow_mut() = Some(upstream.to_owned());
        }
    }

    /// Its response has begun.
    pub(crate) fn answered(&self) {
        self.upstream_time.set(self.sent.get().map(|sent| sent.elapsed()));
    }

    /// What its inspection took, where that was measured, and how much of a body there was.
    pub(crate) fn inspected(&self, spent: Option<Duration>, body: u64) {
        self.inspection_time.set(spent);
        self.bytes_in.set(body);
    }

    /// So much of the response's body was given to the client.
    pub(crate) fn gave(&self, bytes: usize) {
        self.bytes_out.set(self.bytes_out.get() + bytes as u64);
    }

    /// Time since it began.
    pub(crate) fn elapsed(&self) -> Option<Duration> {
        self.begun.map(|begun| begun.elapsed())
    }

    /// The upstream's name.
    pub(crate) fn upstream(&self) -> Option<String> {
        self.upstream.borrow().clone()
    }

    /// Time until the response began.
    pub(crate) fn upstream_time(&self) -> Option<Duration> {
        self.upstream_time.get()
    }

    /// Time spent inspecting.
    pub(crate) fn inspection_time(&self) -> Option<Duration> {
        self.inspection_time.get()
    }

    /// Bytes of the request's body.
    pub(crate) fn bytes_in(&self) -> u64 {
        self.bytes_in.get()
    }

    /// Bytes of the response's body.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.bytes_out.get()
    }
}
