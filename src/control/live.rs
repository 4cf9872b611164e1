//! Events as they happen, for those who watch the live stream.

use std::sync::Arc;

use tokio::sync::{Semaphore, broadcast};

use super::Control;
use crate::config::limits;
use crate::events::EventSink;
use crate::model::event::Event;

/// The channel that live streams read from.
pub(super) struct LiveEvents {
    pub(super) sender: broadcast::Sender<Arc<Event>>,
    pub(super) streams: Arc<Semaphore>,
}

impl LiveEvents {
    pub(super) fn new() -> Self {
        Self {
            sender: broadcast::Sender::new(limits::EVENT_STREAM_LAG),
            streams: Arc::new(Semaphore::new(limits::EVENT_STREAMS)),
        }
    }
}

/// The sink through which events reach the live streams.
pub struct LiveSink(Control);

impl LiveSink {
    /// A sink that feeds the streams of this control plane.
    pub fn new(control: Control) -> Self {
        Self(control)
    }
}

#[async_trait::async_trait]
impl EventSink for LiveSink {
    fn name(&self) -> &'static str {
        "stream"
    }

    async fn write(&self, batch: &[Event]) -> Result<(), String> {
        let sender = &self.0.inner.live.sender;
        if sender.receiver_count() > 0 {
            for event in batch {
                // Nobody left to read is no failure.
                let _ = sender.send(Arc::new(event.clone()));
            }
        }
        // Those before this one have stored the batch.
        self.0.inner.sinks.wake();
        Ok(())
    }
}
