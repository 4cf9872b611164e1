//! The place of one reader, which one process at a time has.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::config::limits;
use crate::model::clock;
use crate::store::outgoing::Places;
use crate::store::{Store, StoreError};

/// Where a reader stands, as long as this process has it for itself. The store is asked again when a
/// third of that time is over, and not for each thing that is read.
pub(in crate::control) struct Lease {
    store: Arc<dyn Store>,
    reader: String,
    holder: String,
    /// When the store was asked, and where the reader stands; none where another process has it.
    held: Option<(Instant, Places)>,
}

impl Lease {
    pub(in crate::control) fn new(store: Arc<dyn Store>, reader: &str, holder: &str) -> Self {
        Self { store, reader: reader.to_owned(), holder: holder.to_owned(), held: None }
    }

    /// Takes the reader for this process for a while; none where another one has it.
    ///
    /// # Errors
    /// Where the store fails.
    pub(in crate::control) async fn take(&mut self) -> Result<Option<Places>, StoreError> {
        if let Some((asked, places)) = self.held
            && asked.elapsed() < limits::SINK_LEASE / 3
        {
            return Ok(Some(places));
        }
        let asked = Instant::now();
        let until = until(clock::now());
        let places = self.store.take_cursor(&self.reader, &self.holder, until).await?;
        self.held = places.map(|places| (asked, places));
        Ok(places)
    }

    /// Takes note of where the reader was moved to; none where it stood elsewhere, so that the store
    /// is to be asked.
    pub(in crate::control) fn moved(&mut self, to: Option<Places>) {
        self.held = self.held.zip(to).map(|((asked, _), to)| (asked, to));
    }

    /// Leaves the reader to other processes.
    ///
    /// # Errors
    /// Where the store fails; they wait a while then.
    pub(in crate::control) async fn leave(self) -> Result<(), StoreError> {
        self.store.leave_cursor(&self.reader, &self.holder).await
    }
}

/// The end of a lease that begins now.
fn until(now: Timestamp) -> Timestamp {
    let lease = SignedDuration::try_from(limits::SINK_LEASE).unwrap_or_default();
    now.checked_add(lease).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;
    use crate::store::{self, KeySource};

    #[tokio::test]
    async fn the_store_is_asked_when_a_third_of_the_time_is_over() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("leakgate.db").display());
        let key = KeySource::Environment(Secret::from("a key of a store for tests".repeat(2)));
        let store = store::open(&url, key).await.unwrap().store;
        let mut lease = Lease::new(Arc::clone(&store), "reader", "me");
        let place = lease.take().await.unwrap().unwrap();
        // Another process has it by now, which this one does not ask for yet.
        store.leave_cursor("reader", "me").await.unwrap();
        assert!(store.take_cursor("reader", "other", until(clock::now())).await.unwrap().is_some());
        tokio::time::pause();
        assert_eq!(lease.take().await.unwrap(), Some(place));
        let on = Places { events: place.events + 1, ..place };
        lease.moved(Some(on));
        assert_eq!(lease.take().await.unwrap(), Some(on));
        tokio::time::advance(limits::SINK_LEASE / 3).await;
        tokio::time::resume();
        assert_eq!(lease.take().await.unwrap(), None);
        // It is asked for as well where the reader turns out to stand elsewhere.
        store.leave_cursor("reader", "other").await.unwrap();
        assert_eq!(lease.take().await.unwrap(), Some(place));
        lease.moved(None);
        assert!(lease.held.is_none());
        lease.leave().await.unwrap();
        store.close().await;
    }
}
