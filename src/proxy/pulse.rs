//! Where a client connection stands, and until when it may stand there.
//!
//! hyper's own header timeout also ends idle keep-alive connections and arms a new timer for each
//! request; this clock knows idle from slow, and its one timer is armed anew only when it fires.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Timeouts, limits};

/// The state of one connection. Shared between its socket, which hyper wants to be `Send`, and its
/// requests, on one thread; so the atomics cost what plain numbers do.
#[derive(Debug)]
pub(crate) struct Pulse {
    base: Instant,
    /// Whether one request follows the other (HTTP/1.1), so that a byte while none is under way
    /// begins a head.
    sequential: AtomicBool,
    /// Requests under way.
    in_flight: AtomicU32,
    /// Whether there may be more of the body of the request under way (HTTP/1.1).
    in_body: AtomicBool,
    /// Whether a head has begun to come.
    in_head: AtomicBool,
    /// When the present state began, in microseconds from `base`.
    since: AtomicU64,
    /// When a write began to wait, in microseconds from `base`; 0: none waits.
    write_waits: AtomicU64,
    /// Whether the connection has become a tunnel, which has no such states.
    tunnel: AtomicBool,
}

/// What a connection was too slow at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slow {
    /// It is idle, which is no fault.
    Idle,
    /// A request's head has begun and does not end.
    Head,
    /// It does not take what is written.
    Write,
}

impl Pulse {
    /// A connection that has just been accepted, and owes a head.
    pub(crate) fn new() -> Self {
        Self {
            // One earlier, so that 0 microseconds never stands for a time.
            base: Instant::now().checked_sub(Duration::from_millis(1)).unwrap_or(Instant::now()),
            sequential: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
            in_body: AtomicBool::new(false),
            in_head: AtomicBool::new(true),
            since: AtomicU64::new(1_000),
            write_waits: AtomicU64::new(0),
            tunnel: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn at(&self, micros: u64) -> Instant {
        self.base + Duration::from_micros(micros)
    }

    /// The connection speaks HTTP/1.1.
    pub(crate) fn is_sequential(&self) {
        self.sequential.store(true, Relaxed);
    }

    /// Whether one request follows the other.
    pub(crate) fn takes_turns(&self) -> bool {
        self.sequential.load(Relaxed)
    }

    /// Bytes came.
    pub(crate) fn received(&self) {
        if self.sequential.load(Relaxed)
            && self.in_flight.load(Relaxed) == 0
            && !self.in_head.swap(true, Relaxed)
        {
            self.since.store(self.now(), Relaxed);
        }
    }

    /// A request begins; `in_body` where there may be more of its body to read.
    pub(crate) fn begin(&self, in_body: bool) {
        self.in_body.store(in_body, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        self.in_head.store(false, Relaxed);
    }

    /// The request's body was read to its end.
    pub(crate) fn body_ended(&self) {
        self.in_body.store(false, Relaxed);
    }

    /// How long a client that has shut its side may still be waiting for the answer to the request
    /// under way; `None` where none is.
    pub(crate) fn half_closed(&self) -> Option<Duration> {
        let waits = self.sequential.load(Relaxed) && self.in_flight.load(Relaxed) > 0;
        let limit = if self.in_body.load(Relaxed) {
            limits::HALF_CLOSED_BODY_TIME
        } else {
            limits::HALF_CLOSED_TIME
        };
        (waits && !self.is_tunnel()).then_some(limit)
    }

    /// A request is answered.
    pub(crate) fn end(&self) {
        if self.in_flight.fetch_sub(1, Relaxed) == 1 {
            self.since.store(self.now(), Relaxed);
        }
    }

    /// A write waits for the client.
    pub(crate) fn write_waits(&self) {
        if self.write_waits.load(Relaxed) == 0 {
            self.write_waits.store(self.now(), Relaxed);
        }
    }

    /// A write went on.
    pub(crate) fn write_went(&self) {
        if self.write_waits.load(Relaxed) != 0 {
            self.write_waits.store(0, Relaxed);
        }
    }

    /// The connection is a tunnel from now on.
    pub(crate) fn becomes_tunnel(&self) {
        self.tunnel.store(true, Relaxed);
    }

    /// Whether it is one.
    pub(crate) fn is_tunnel(&self) -> bool {
        self.tunnel.load(Relaxed)
    }

    /// Since when no request has been under way or on its way; `None` where one is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.in_flight.load(Relaxed) == 0
            && !self.in_head.load(Relaxed)
            && self.write_waits.load(Relaxed) == 0
            && !self.is_tunnel();
        is_idle.then(|| self.at(self.since.load(Relaxed)))
    }

    /// What it will have been too slow at, and when; for a request under way, when to look again.
    fn deadline(&self, timeouts: &Timeouts) -> (Option<Slow>, Instant) {
        let waits = self.write_waits.load(Relaxed);
        if waits != 0 {
            return (Some(Slow::Write), self.at(waits) + timeouts.body_idle);
        }
        let since = self.at(self.since.load(Relaxed));
        if self.in_flight.load(Relaxed) > 0 {
            let soon = timeouts.header_read.min(timeouts.body_idle).min(timeouts.keep_alive);
            (None, Instant::now() + soon.max(Duration::from_millis(10)))
        } else if self.in_head.load(Relaxed) {
            (Some(Slow::Head), since + timeouts.header_read)
        } else {
            (Some(Slow::Idle), since + timeouts.keep_alive)
        }
    }

    /// Waits until the connection has been too slow for the timeouts in force.
    pub(crate) async fn slow(&self, timeouts: impl Fn() -> Timeouts) -> Slow {
        loop {
            let (slow, deadline) = self.deadline(&timeouts());
            match slow {
                Some(slow) if deadline <= Instant::now() => return slow,
                _ => tokio::time::sleep_until(deadline).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        header_read: Duration::from_secs(10),
        body_idle: Duration::from_secs(30),
        connect: Duration::from_secs(1),
        response: Duration::from_secs(1),
        keep_alive: Duration::from_secs(75),
        drain: Duration::from_secs(1),
        drain_delay: Duration::ZERO,
    };

    async fn seconds_until_slow(pulse: &Pulse) -> (Slow, u64) {
        let start = Instant::now();
        let slow = pulse.slow(|| TIMEOUTS).await;
        (slow, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_owes_a_head() {
        let pulse = Pulse::new();
        assert_eq!(seconds_until_slow(&pulse).await, (Slow::Head, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_is_not_slow() {
        let pulse = Pulse::new();
        pulse.is_sequential();
        assert_eq!(pulse.idle_since(), None);
        pulse.begin(false);
        assert_eq!(pulse.idle_since(), None);
        pulse.end();
        assert_eq!(pulse.idle_since().map(|since| since.elapsed().as_secs()), Some(0));
        assert_eq!(seconds_until_slow(&pulse).await, (Slow::Idle, 75));
        pulse.begin(false);
        pulse.end();
        pulse.received();
        pulse.received();
        assert_eq!(pulse.idle_since(), None);
        assert_eq!(seconds_until_slow(&pulse).await, (Slow::Head, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_is_not_timed_but_a_write_is() {
        let pulse = Pulse::new();
        pulse.begin(false);
        let never = tokio::time::timeout(Duration::from_secs(3_600), pulse.slow(|| TIMEOUTS));
        assert!(never.await.is_err());
        pulse.write_waits();
        assert_eq!(seconds_until_slow(&pulse).await.0, Slow::Write);
        pulse.write_went();
        pulse.end();
        assert_eq!(seconds_until_slow(&pulse).await, (Slow::Idle, 75));
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http2_are_no_heads() {
        let pulse = Pulse::new();
        pulse.begin(false);
        pulse.end();
        pulse.received();
        assert_eq!(seconds_until_slow(&pulse).await, (Slow::Idle, 75));
    }
}
