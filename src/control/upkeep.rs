//! What is removed in time, and what a process that is gone has left to be done.

use jiff::{SignedDuration, Timestamp, ToSpan as _};
use tokio::time::MissedTickBehavior;

use super::Control;
use crate::config::limits;
use crate::model::clock;
use crate::store::StoreError;
use crate::store::outgoing::Keep;

impl Control {
    /// Looks now and then, until [`Self::stop`] is called.
    pub(super) async fn run_upkeep(&self) {
        let mut ticks = tokio::time::interval(limits::UPKEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.inner.stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.upkeep(clock::now()).await {
                tracing::error!(%error, "what is not to be kept could not be removed yet");
            }
        }
    }

    /// Writes events that were left behind, and removes what is not to be kept at `now`.
    ///
    /// # Errors
    /// What could not be done; it is due again at the next call.
    pub async fn upkeep(&self, now: Timestamp) -> Result<(), StoreError> {
        let store = &self.inner.store;
        let longest = SignedDuration::try_from(limits::GROWING_LONGEST).unwrap_or_default();
        let quiet = now.checked_sub(longest).unwrap_or(now);
        // This process and others may still count what is younger.
        let released = store.release_held_events(quiet).await?;
        if released > 0 {
            tracing::info!(
                released,
                "events that a process had not ended were stored as they were"
            );
            self.inner.sinks.wake();
        }
        let kept = &self.inner.settings.outgoing.kept;
        let from = kept.days.and_then(|days| now.checked_sub((i64::from(days) * 24).hours()).ok());
        let keep = Keep { from, bytes: kept.bytes };
        loop {
            let trimmed = store.trim_events(&keep).await?;
            let metrics = &self.inner.metrics;
            metrics.events_bytes.set(i64::try_from(trimmed.bytes).unwrap_or(i64::MAX));
            metrics.events_removed.with_label_values(&["age"]).inc_by(trimmed.by_age);
            metrics.events_removed.with_label_values(&["size"]).inc_by(trimmed.by_size);
            if !trimmed.more || self.inner.stop.is_cancelled() {
                break;
            }
        }
        store.trim_outgoing(now, limits::SINK_FEED).await
    }
}
