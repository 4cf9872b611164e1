//! One sink at work: reads what is next, delivers it, moves on.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::id::delivery_id;
use super::lease::Lease;
use super::{Deliver, Delivery, Failure, Sinks, Spec};
use crate::config::limits;
use crate::store::StoreError;
use crate::store::outgoing::{NewLetter, Outgoing, Places, Wanted};

pub(super) struct Worker {
    sinks: Arc<Sinks>,
    spec: Spec,
    deliver: Box<dyn Deliver>,
    stop: CancellationToken,
    /// Whether the store says that deliveries fail, as far as is known.
    is_failing: Option<bool>,
    /// When it was last written down how deliveries go.
    noted: Option<Instant>,
    lease: Lease,
    /// When the sink last moved on.
    moved: Option<Instant>,
}

/// How a delivery ended.
enum Ended {
    Taken,
    GivenUp {
        attempts: u32,
        error: String,
    },
    /// The process ends, or another one has the sink by now.
    Left,
}

impl Worker {
    pub(super) fn new(
        sinks: Arc<Sinks>,
        spec: Spec,
        deliver: Box<dyn Deliver>,
        stop: CancellationToken,
    ) -> Self {
        let lease = Lease::new(Arc::clone(&sinks.store), &spec.reader, &sinks.holder);
        Self { sinks, spec, deliver, stop, is_failing: None, noted: None, lease, moved: None }
    }

    /// Works until it is stopped, and leaves the sink to other processes then.
    pub(super) async fn run(mut self) {
        self.work().await;
        if let Err(error) = self.lease.leave().await {
            tracing::debug!(sink = self.spec.reader, %error, "other processes wait a while for a sink");
        }
    }

    async fn work(&mut self) {
        let mut ends = self.sinks.ends();
        while !self.stop.is_cancelled() {
            ends.borrow_and_update();
            let more = match self.turn().await {
                Ok(more) => more,
                Err(error) => {
                    tracing::warn!(sink = self.spec.reader, %error, "a sink cannot go on yet");
                    self.pause(limits::SINK_PAUSE).await;
                    continue;
                }
            };
            if !more {
                let stop = self.stop.clone();
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = ends.changed() => {}
                    () = sleep(limits::SINK_LEASE / 3) => {}
                }
            }
        }
    }

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = sleep(time) => {}
        }
    }

    /// Delivers what is next. Answers with whether there may be more.
    async fn turn(&mut self) -> Result<bool, StoreError> {
        let Some(from) = self.lease.take().await? else { return Ok(false) };
        let wanted = Wanted {
            feeds: self.spec.feeds.clone(),
            tenants: self.spec.reads(),
            limit: self.deliver.batch(),
        };
        let mut out = self.sinks.store.outgoing(from, &wanted).await?;
        let missed = out.missed.iter().filter(|(tenant, _)| self.spec.is_told_of(tenant));
        let missed = missed.fold(0_u64, |all, (_, count)| all.saturating_add(*count));
        out.entries.retain(|entry| self.spec.is_told_of(entry.tenant()));
        if out.entries.is_empty() {
            // Moving on over what is not for this sink is no hurry.
            let is_due = self.moved.is_none_or(|at| at.elapsed() >= limits::SINK_LEASE);
            if out.places != from && (is_due || out.more || missed > 0) {
                self.moved(from, out.places, None, missed).await?;
            }
            return Ok(out.more);
        }
        let id = delivery_id(&self.spec.reader, &out.entries);
        let letter = match self.try_long_enough(&id, &out).await? {
            Ended::Left => return Ok(false),
            Ended::Taken => {
                self.count("delivered", 1);
                None
            }
            Ended::GivenUp { attempts, error } => {
                self.count("given_up", 1);
                tracing::error!(
                    sink = self.spec.reader,
                    attempts,
                    error,
                    "a delivery was given up: it is kept as a dead letter"
                );
                let entries = std::mem::take(&mut out.entries);
                Some(NewLetter { tenant: self.spec.owner.clone(), attempts, error, entries })
            }
        };
        self.moved(from, out.places, letter, missed).await?;
        Ok(true)
    }

    async fn moved(
        &mut self,
        from: Places,
        to: Places,
        letter: Option<NewLetter>,
        missed: u64,
    ) -> Result<(), StoreError> {
        let reader = &self.spec.reader;
        let (has_moved, removed) = self.sinks.store.move_cursor(reader, from, to, letter).await?;
        self.moved = Some(Instant::now());
        self.lease.moved(has_moved.then_some(to));
        if removed > 0 {
            self.count("letters_removed", removed);
        }
        // Once, however often what comes after them is tried.
        if has_moved && missed > 0 {
            self.count("missed", missed);
            tracing::error!(
                sink = self.spec.reader,
                missed,
                "events were removed before a sink had them"
            );
        }
        Ok(())
    }

    /// Delivers until it is taken, given up or left to others.
    async fn try_long_enough(&mut self, id: &str, out: &Outgoing) -> Result<Ended, StoreError> {
        let sinks = Arc::clone(&self.sinks);
        let delivery = Delivery { id, entries: &out.entries, public_url: sinks.public_url() };
        let mut attempts = 0_u32;
        let mut pause = self.spec.retry.pause;
        loop {
            attempts = attempts.saturating_add(1);
            let stop = self.stop.clone();
            let tried = tokio::select! {
                tried = self.deliver.deliver(&delivery) => tried,
                () = stop.cancelled() => return Ok(Ended::Left),
            };
            let Err(failure) = tried else {
                self.note(None).await?;
                return Ok(Ended::Taken);
            };
            self.count("failed", 1);
            self.note(Some(&failure)).await?;
            if self.deliver.gives_up() && attempts >= self.spec.retry.attempts {
                return Ok(Ended::GivenUp { attempts, error: failure.text });
            }
            let wait = failure.retry_after.unwrap_or_default().max(jittered(pause));
            let end = Instant::now() + wait.min(limits::SINK_PAUSE_MAX);
            pause = pause.saturating_mul(2).min(limits::SINK_PAUSE_MAX);
            while Instant::now() < end {
                let left = end.saturating_duration_since(Instant::now());
                self.pause(left.min(limits::SINK_LEASE / 3)).await;
                if self.stop.is_cancelled() {
                    return Ok(Ended::Left);
                }
                if self.lease.take().await?.is_none() {
                    return Ok(Ended::Left);
                }
            }
        }
    }

    /// Writes down how deliveries go, where that is news.
    async fn note(&mut self, failure: Option<&Failure>) -> Result<(), StoreError> {
        let is_failing = failure.is_some();
        let is_due = self.noted.is_none_or(|at| at.elapsed() >= limits::SINK_LEASE / 3);
        if self.is_failing == Some(is_failing) && !is_due {
            return Ok(());
        }
        if let Some(failure) = failure {
            tracing::warn!(sink = self.spec.reader, error = failure.text, "a delivery failed");
        } else if self.is_failing == Some(true) {
            tracing::info!(sink = self.spec.reader, "deliveries are taken again");
        }
        self.is_failing = Some(is_failing);
        self.noted = Some(Instant::now());
        let error = failure.map(|failure| failure.text.as_str());
        self.sinks.store.note_delivery(&self.spec.reader, error).await
    }

    fn count(&self, outcome: &'static str, count: u64) {
        let labels = [self.spec.shown(), outcome];
        self.sinks.metrics.sink_deliveries.with_label_values(&labels).inc_by(count);
    }
}

/// Between half of the time and all of it, so that many sinks do not come back at once.
fn jittered(time: Duration) -> Duration {
    let mut random = [0_u8; 2];
    // Without randomness they come back at once; nothing else follows from it.
    let _ = SystemRandom::new().fill(&mut random);
    let share = f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX);
    time.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_never_longer_than_it_is_said() {
        for _ in 0..100 {
            let pause = jittered(Duration::from_secs(2));
            assert!((1.0..=2.0).contains(&pause.as_secs_f64()), "{pause:?}");
        }
    }
}
