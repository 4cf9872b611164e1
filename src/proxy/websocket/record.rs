//! What is kept of a WebSocket's messages: an event for the first use of each token in it, and one
//! more, with their count, for all further uses, at its end.

use std::rc::Rc;

use jiff::Timestamp;

use super::gate::{Outcome, Report};
use crate::config::limits;
use crate::inspect::Inspection;
use crate::model::clock;
use crate::model::event::{Event, EventAction};
use crate::model::ids::EventId;
use crate::proxy::record::{Exchange, Facts};

/// The record of one WebSocket.
pub(crate) struct Record {
    exchange: Rc<Exchange>,
    facts: Facts,
    uses: Vec<Uses>,
}

/// The uses of one token to which the same was done.
struct Uses {
    first: Event,
    /// How many came after the first.
    more: u64,
    /// When the last of them came.
    last: Timestamp,
}

impl Record {
    /// Of the WebSocket that this exchange opened.
    pub(crate) fn new(exchange: Rc<Exchange>, facts: Facts) -> Self {
        Self { exchange, facts, uses: Vec::new() }
    }

    /// The exchange that opened it.
    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Records what became known of a message.
    pub(crate) fn note(&mut self, report: &Report<'_>) {
        for hit in report.hits {
            let action = EventAction::from(hit.action);
            let known =
                |uses: &&mut Uses| uses.first.token == hit.token && uses.first.action == action;
            if let Some(uses) = self.uses.iter_mut().find(known) {
                uses.more += 1;
                uses.last = clock::now();
            } else if self.uses.len() < limits::EVENTS_PER_WEBSOCKET {
                let at = clock::now();
                let first = self.exchange.event(hit, &self.facts, report.inspection, at);
                self.exchange.record(first.clone());
                self.uses.push(Uses { first, more: 0, last: at });
            } else {
                self.exchange.too_many(1);
            }
        }
        if let Some(outcome) = report.ended {
            self.ended(outcome, report.inspection);
        }
    }

    fn ended(&self, outcome: Outcome, inspection: &Inspection) {
        let label = match outcome {
            Outcome::Passed => "passed",
            Outcome::Blocked => "blocked",
            Outcome::Refused => "refused",
            Outcome::Uninspected => "uninspected",
        };
        let metrics = self.exchange.metrics();
        metrics.websocket_messages.with_label_values(&[label]).inc();
        if outcome == Outcome::Refused {
            for cause in inspection.incomplete().iter().take(1) {
                metrics.refused.with_label_values(&[cause]).inc();
            }
        }
        self.exchange.inspected_message(inspection);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        for Uses { first, more, last } in self.uses.drain(..).filter(|uses| uses.more > 0) {
            let id = EventId::new();
            self.exchange.record(Event { id, at: last, count: more, ..first });
        }
    }
}
