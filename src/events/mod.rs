//! Events on their way from a verdict to where they are kept: uses that come thick and fast counted
//! together, a bounded queue, exact aggregation when it is full, batches, sinks.

mod aggregate;
mod lines;
mod queue;
mod windows;

use std::sync::Arc;

pub use lines::JsonLines;
pub use queue::{Writer, start};

use crate::model::event::Event;

/// Where batches of events go.
#[async_trait::async_trait]
pub trait EventSink: Send + Sync {
    /// The sink's name in metrics and log lines.
    fn name(&self) -> &'static str;

    /// Takes a batch, whole or not at all.
    ///
    /// # Errors
    /// What went wrong, for the log; the batch is offered again, up to a limit.
    async fn write(&self, batch: &[Event]) -> Result<(), String>;

    /// Takes note of events that are still growing: each comes again, by the same id and with a
    /// larger count, until it is written. Only a sink that outlives the process needs them.
    ///
    /// # Errors
    /// As [`Self::write`].
    async fn hold(&self, growing: &[Event]) -> Result<(), String> {
        let _ = growing;
        Ok(())
    }
}

/// The door to the queue: cheap to clone, never blocks.
#[derive(Clone)]
pub struct Recorder {
    record: Arc<dyn Fn(Event) + Send + Sync>,
}

impl Recorder {
    /// A recorder that hands each event to `record`, which must not block.
    pub fn new(record: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { record: Arc::new(record) }
    }

    /// Takes an event over.
    pub fn record(&self, event: Event) {
        (self.record)(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock;
    use crate::model::event::{EventAction, EventType};
    use crate::model::ids::{EventId, LeakId, TokenId};

    /// A blocked use of this token by this client.
    pub(super) fn event(token: TokenId, source_ip: &str) -> Event {
        Event {
            id: EventId::new(),
            at: clock::now(),
            kind: EventType::Vpatch,
            action: EventAction::Blocked,
            tenant: "default".to_owned(),
            leak: LeakId(uuid::Uuid::nil()),
            virtual_patch: None,
            token,
            fingerprint: "0123456789ab".to_owned(),
            point: "path".to_owned(),
            encodings: Vec::new(),
            source_ip: source_ip.to_owned(),
            peer_ip: source_ip.to_owned(),
            forwarded_for: None,
            client_cert: None,
            user_agent: None,
            method: "GET".to_owned(),
            host: "example.com".to_owned(),
            path: "/".to_owned(),
            response_status: Some(403),
            count: 1,
            gateway: "test".to_owned(),
            request_id: "1".to_owned(),
            route: 0,
        }
    }
}
