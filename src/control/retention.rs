//! Events are kept for a time, and so many of them; what is counted from them is kept longer.

use jiff::{SignedDuration, Timestamp};
use tokio::time::MissedTickBehavior;

use super::Control;
use crate::config::limits;
use crate::model::clock;
use crate::store::StoreError;

impl Control {
    /// Removes events that are kept no longer, until [`Self::stop`] is called.
    pub(super) async fn run_retention(&self) {
        let mut sweeps = tokio::time::interval(limits::EVENTS_SWEEP);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.inner.stop.cancelled() => return,
                _ = sweeps.tick() => {}
            }
            if let Err(error) = self.remove_old_events(clock::now()).await {
                tracing::error!(%error, "events that are kept no longer could not be removed yet");
            }
        }
    }

    /// Removes the events that are kept no longer at `now`, in parts, between which events are
    /// written. Answers with how many.
    ///
    /// # Errors
    /// Where the store fails; what was removed until then is gone.
    pub async fn remove_old_events(&self, now: Timestamp) -> Result<u64, StoreError> {
        let events = self.inner.settings.events;
        let days = |days: i64| now.checked_sub(SignedDuration::from_hours(24 * days));
        let mut removed = 0;
        if let Ok(before) = days(i64::from(events.keep_days)) {
            removed += self.remove_events_before(before, "age").await?;
        }
        if let Some(before) = self.inner.store.event_beyond(events.keep).await? {
            // Of those at the very time of the first one beyond, none is removed.
            removed += self.remove_events_before(before, "number").await?;
        }
        if let Ok(before) = days(limits::STATISTICS_DAYS) {
            self.inner.store.remove_counts(before).await?;
        }
        Ok(removed)
    }

    async fn remove_events_before(
        &self,
        before: Timestamp,
        reason: &str,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        while !self.inner.stop.is_cancelled() {
            let part = self.inner.store.remove_events(before, limits::EVENTS_SWEEP_BATCH).await?;
            removed += part;
            self.inner.metrics.events_removed.with_label_values(&[reason]).inc_by(part);
            if part < limits::EVENTS_SWEEP_BATCH as u64 {
                break;
            }
            tokio::task::yield_now().await;
        }
        if removed > 0 {
            tracing::info!(removed, reason, "events that are kept no longer were removed");
        }
        Ok(removed)
    }
}
