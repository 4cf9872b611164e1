//! Events as JSON lines on a stream, such as standard output.

use std::io::Write;
use std::sync::Mutex;

use super::EventSink;
use crate::model::event::Event;

/// Writes each event as one line of JSON.
pub struct JsonLines<W>(Mutex<W>);

impl<W: Write + Send> JsonLines<W> {
    /// Writes to this stream.
    pub fn new(stream: W) -> Self {
        Self(Mutex::new(stream))
    }
}

#[async_trait::async_trait]
impl<W: Write + Send> EventSink for JsonLines<W> {
    fn name(&self) -> &'static str {
        "stdout"
    }

    async fn write(&self, batch: &[Event]) -> Result<(), String> {
        let mut text = Vec::with_capacity(batch.len() * 512);
        for event in batch {
            serde_json::to_writer(&mut text, event).map_err(|error| error.to_string())?;
            text.push(b'\n');
        }
        let mut stream = self.0.lock().map_err(|_| "a writer before this one panicked")?;
        stream.write_all(&text).and_then(|()| stream.flush()).map_err(|error| error.to_string())
    }
}
