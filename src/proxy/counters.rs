//! The counters that each request touches.

use std::cell::Cell;

use prometheus::IntCounter;

use super::inspector;
use super::record::Outcome;
use super::websocket;
use crate::telemetry::metrics::Metrics;

/// All of them, looked up once.
pub(crate) struct Counters {
    outcomes: [(Outcome, IntCounter); 6],
    messages: [(websocket::Outcome, IntCounter); 4],
    pub(crate) inspected_bytes: IntCounter,
    inspections: Cell<u64>,
    /// Millionths of a line that the access log is owed.
    owed: Cell<u32>,
}

impl Counters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let outcomes = [
            Outcome::Forwarded,
            Outcome::Blocked,
            Outcome::Refused,
            Outcome::NoRoute,
            Outcome::UpstreamError,
            Outcome::ClientGone,
        ];
        let messages = [
            (websocket::Outcome::Passed, "passed"),
            (websocket::Outcome::Blocked, "blocked"),
            (websocket::Outcome::Refused, "refused"),
            (websocket::Outcome::Uninspected, "uninspected"),
        ];
        Self {
            messages: messages.map(|(outcome, label)| {
                (outcome, metrics.websocket_messages.with_label_values(&[label]))
            }),
            outcomes: outcomes
                .map(|outcome| (outcome, metrics.requests.with_label_values(&[outcome.label()]))),
            inspected_bytes: metrics.inspected_bytes.clone(),
            inspections: Cell::new(0),
            owed: Cell::new(0),
        }
    }

    /// Whether this request is among those that get a line in the access log whatever comes of them:
    /// so many of a million.
    pub(crate) fn is_logged(&self, sample: u32) -> bool {
        let owed = self.owed.get() + sample;
        let logged = owed >= 1_000_000;
        self.owed.set(if logged { owed - 1_000_000 } else { owed });
        logged
    }

    /// Whether the time of this inspection is taken: one in [`inspector::SAMPLE`].
    pub(crate) fn is_sampled(&self) -> bool {
        let count = self.inspections.get().wrapping_add(1);
        self.inspections.set(count);
        count.is_multiple_of(inspector::SAMPLE)
    }

    pub(crate) fn message(&self, outcome: websocket::Outcome) {
        if let Some((_, counter)) = self.messages.iter().find(|(name, _)| *name == outcome) {
            counter.inc();
        }
    }

    pub(crate) fn outcome(&self, outcome: Outcome) {
        if let Some((_, counter)) = self.outcomes.iter().find(|(name, _)| *name == outcome) {
            counter.inc();
        }
    }
}
