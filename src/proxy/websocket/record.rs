//! What is kept of a WebSocket's messages: an event for the first use of each token in it at once, and
//! for all further uses one a minute at most, with their count, and one at its end.

use std::rc::Rc;

use jiff::Timestamp;

use super::gate::Report;
use crate::config::limits;
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
    /// The last event of them.
    event: Event,
    /// How many came after it.
    more: u64,
    /// When the last of them came.
    last: Timestamp,
}

impl Uses {
    /// One more.
    fn again(&mut self, at: Timestamp) {
        self.more += 1;
        self.last = at;
    }

    /// Whether it is time for an event of those that none tells of yet.
    fn is_due(&self) -> bool {
        let passed = self.last.duration_since(self.event.at);
        passed.unsigned_abs() >= limits::WEBSOCKET_EVENT_STEP
    }

    /// The event of those that none tells of yet.
    fn rest(&mut self) -> Option<Event> {
        let count = std::mem::take(&mut self.more);
        if count == 0 {
            return None;
        }
        self.event = Event { id: EventId::new(), at: self.last, count, ..self.event.clone() };
        Some(self.event.clone())
    }
}

impl Record {
    /// Of the WebSocket that this exchange opened.
    pub(crate) fn new(exchange: Rc<Exchange>, facts: Facts) -> Self {
        Self { exchange, facts, uses: Vec::new() }
    }

    /// The exchange that opened it.
    pub(crate) fn exchange(&self) -> &Rc<Exchange> {
        &self.exchange
    }

    /// Records what became known of a message.
    pub(crate) fn note(&mut self, report: &Report<'_>) {
        for hit in report.hits {
            let action = EventAction::from(hit.action);
            let known =
                |uses: &&mut Uses| uses.event.token == hit.token && uses.event.action == action;
            if let Some(uses) = self.uses.iter_mut().find(known) {
                uses.again(clock::now());
                if uses.is_due()
                    && let Some(event) = uses.rest()
                {
                    self.exchange.record(event);
                }
            } else if self.uses.len() < limits::EVENTS_PER_WEBSOCKET {
                let at = clock::now();
                // The patchset may be another one than that of the messages before.
                let shown = self.exchange.shown(&self.facts, report.inspection);
                let event = self.exchange.event(hit, &shown, at);
                self.exchange.record(event.clone());
                self.uses.push(Uses { event, more: 0, last: at });
            } else {
                self.exchange.too_many(1);
            }
        }
        if let Some(outcome) = report.ended {
            self.exchange.message_ended(outcome, report.inspection);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        for event in self.uses.iter_mut().filter_map(Uses::rest) {
            self.exchange.record(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::model::event::EventType;
    use crate::model::ids::{LeakId, TokenId};

    #[test]
    fn many_uses_are_few_events_with_exact_counts() {
        let at = clock::now();
        let event = Event {
            id: EventId::new(),
            at,
            kind: EventType::Vpatch,
            action: EventAction::Monitored,
            tenant: String::new(),
            leak: LeakId::new(),
            virtual_patch: None,
            token: TokenId::new(),
            fingerprint: String::new(),
            point: String::new(),
            encodings: Vec::new(),
            source_ip: String::new(),
            peer_ip: String::new(),
            forwarded_for: None,
            client_cert: None,
            user_agent: None,
            method: String::new(),
            host: String::new(),
            path: String::new(),
            response_status: None,
            count: 1,
            gateway: String::new(),
            request_id: String::new(),
            route: 0,
        };
        let mut uses = Uses { event, more: 0, last: at };
        let mut counts = Vec::new();
        for second in 0..150 {
            uses.again(at.checked_add(second.seconds()).unwrap());
            if uses.is_due() {
                counts.extend(uses.rest().map(|event| event.count));
            }
        }
        counts.extend(uses.rest().map(|event| event.count));
        assert_eq!(counts, [61, 60, 29]);
        assert!(uses.rest().is_none());
    }
}
