//! Events on their way from a verdict to where they are kept: a bounded queue, exact aggregation
//! when it is full, batches, sinks.

mod aggregate;
mod lines;
mod queue;

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
