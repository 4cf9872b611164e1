//! The bounded queue, and the task that writes what is in it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::aggregate::Aggregates;
use super::windows::{Offered, Windows};
use super::{EventSink, Recorder};
use crate::config::limits;
use crate::model::event::Event;
use crate::telemetry::metrics::Metrics;

/// First pause before a failed batch is offered again; doubled after each attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// The writing half of the queue.
pub struct Writer {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Writer {
    /// Writes what is queued, and ends.
    pub async fn finish(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::error!("the writer of events ended by itself: events since then are lost");
        }
    }
}

/// Starts the queue on the current runtime: what is recorded is written to every sink, in batches,
/// as fast as the slowest sink takes it. Of the uses of a token that have all else in common, the first
/// [`limits::EVENT_WINDOW_SINGLE`] of a window are events of their own and the others one together. A
/// use that finds the queue full is counted into an aggregate; one that finds no room there either is
/// counted as dropped.
pub fn start(sinks: Vec<Arc<dyn EventSink>>, metrics: Arc<Metrics>) -> (Recorder, Writer) {
    start_retrying_after(RETRY_PAUSE, sinks, metrics)
}

fn start_retrying_after(
    pause: Duration,
    sinks: Vec<Arc<dyn EventSink>>,
    metrics: Arc<Metrics>,
) -> (Recorder, Writer) {
    let (sender, receiver) = mpsc::channel(limits::EVENT_QUEUE);
    let aggregates = Arc::new(Aggregates::default());
    let windows = Arc::new(Windows::default());
    let recorder = {
        let (aggregates, windows) = (Arc::clone(&aggregates), Arc::clone(&windows));
        let metrics = Arc::clone(&metrics);
        Recorder::new(move |event: Event| {
            let count = event.count;
            metrics.events.with_label_values(&[event.action.name()]).inc_by(count);
            let event = match windows.offer(event, Instant::now()) {
                Offered::Counted => return metrics.events_grouped.inc_by(count),
                Offered::Single(event) => event,
                Offered::Full(event) => {
                    metrics.event_windows_full.inc();
                    event
                }
            };
            let event = match sender.try_send(event) {
                Ok(()) => return metrics.event_queue.inc(),
                Err(TrySendError::Full(event) | TrySendError::Closed(event)) => event,
            };
            if aggregates.add(event) {
                metrics.events_aggregated.inc_by(count);
            } else {
                metrics.events_dropped.with_label_values(&["aggregates_full"]).inc_by(count);
            }
        })
    };
    let stop = CancellationToken::new();
    let sinks = Sinks { sinks, pause, metrics };
    let task = tokio::spawn(write(receiver, aggregates, windows, sinks, stop.clone()));
    (recorder, Writer { stop, task })
}

async fn write(
    mut receiver: mpsc::Receiver<Event>,
    aggregates: Arc<Aggregates>,
    windows: Arc<Windows>,
    sinks: Sinks,
    stop: CancellationToken,
) {
    let mut swept = Instant::now();
    let mut tick = interval(limits::EVENT_FLUSH);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(limits::EVENT_BATCH);
    loop {
        let stopping = tokio::select! {
            biased;
            taken = receiver.recv_many(&mut batch, limits::EVENT_BATCH) => taken == 0,
            _ = tick.tick() => false,
            () = stop.cancelled() => true,
        };
        if stopping {
            receiver.close();
        }
        sinks.metrics.event_queue.sub(i64::try_from(batch.len()).unwrap_or_default());
        if batch.len() < limits::EVENT_BATCH && !aggregates.is_empty() {
            batch.extend(aggregates.take(limits::EVENT_BATCH - batch.len()));
        }
        let now = Instant::now();
        if stopping || now.duration_since(swept) >= limits::EVENT_WINDOW_SWEEP {
            swept = now;
            batch.extend(windows.ended((!stopping).then_some(now)));
            sinks.metrics.event_windows.set(i64::try_from(windows.len()).unwrap_or(i64::MAX));
        }
        if !batch.is_empty() {
            for part in batch.chunks(limits::EVENT_BATCH) {
                sinks.write(part).await;
            }
            batch.clear();
        } else if stopping && receiver.is_empty() && aggregates.is_empty() {
            return;
        }
        // After those that have ended: none of them is noted again.
        let growing = windows.grown();
        for part in growing.chunks(limits::EVENT_BATCH) {
            sinks.hold(part).await;
        }
    }
}

/// Every sink, and how it is retried.
struct Sinks {
    sinks: Vec<Arc<dyn EventSink>>,
    pause: Duration,
    metrics: Arc<Metrics>,
}

impl Sinks {
    async fn write(&self, batch: &[Event]) {
        for sink in &self.sinks {
            self.offer(sink.as_ref(), batch).await;
        }
    }

    /// Has every sink take note of what is still growing. Where one does not, the counts are as exact
    /// as before; it is a kill at this moment that would lose them.
    async fn hold(&self, growing: &[Event]) {
        for sink in &self.sinks {
            if let Err(error) = sink.hold(growing).await {
                self.metrics.event_sink_errors.with_label_values(&[sink.name()]).inc();
                tracing::warn!(sink = sink.name(), error, "growing events were not taken note of");
            }
        }
    }

    /// Offers the batch until the sink takes it or the attempts are used up.
    async fn offer(&self, sink: &dyn EventSink, batch: &[Event]) {
        let mut pause = self.pause;
        for attempt in 1..=limits::EVENT_STORE_ATTEMPTS {
            let Err(error) = sink.write(batch).await else { return };
            self.metrics.event_sink_errors.with_label_values(&[sink.name()]).inc();
            tracing::warn!(sink = sink.name(), attempt, error, "a batch of events was not written");
            if attempt < limits::EVENT_STORE_ATTEMPTS {
                sleep(pause).await;
                pause *= 2;
            }
        }
        let lost: u64 = batch.iter().map(|event| event.count).sum();
        self.metrics.events_dropped.with_label_values(&["sink_failed"]).inc_by(lost);
        tracing::error!(
            sink = sink.name(),
            lost,
            "events were dropped: see the sink's errors above"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::events::tests::event;
    use crate::model::ids::TokenId;

    /// Takes batches only while it has permits, and may fail first.
    struct Gate {
        permits: Semaphore,
        failures: Mutex<usize>,
        taken: Mutex<Vec<Event>>,
        held: Mutex<Vec<Event>>,
    }

    impl Gate {
        fn new(permits: usize, failures: usize) -> Arc<Self> {
            Arc::new(Self {
                permits: Semaphore::new(permits),
                failures: Mutex::new(failures),
                taken: Mutex::default(),
                held: Mutex::default(),
            })
        }
    }

    #[async_trait::async_trait]
    impl EventSink for Gate {
        fn name(&self) -> &'static str {
            "gate"
        }

        async fn write(&self, batch: &[Event]) -> Result<(), String> {
            let permit = self.permits.acquire().await.unwrap();
            drop(permit);
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err("not yet".to_owned());
            }
            self.taken.lock().unwrap().extend_from_slice(batch);
            Ok(())
        }

        async fn hold(&self, growing: &[Event]) -> Result<(), String> {
            self.held.lock().unwrap().extend_from_slice(growing);
            Ok(())
        }
    }

    #[tokio::test]
    async fn counts_stay_exact_when_the_queue_is_full() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let gate = Gate::new(0, 0);
        let (recorder, writer) = start(vec![gate.clone()], Arc::clone(&metrics));
        let token = TokenId::new();
        // So many clients that the queue is full of what is not counted into windows.
        let sent = limits::EVENT_QUEUE * 3;
        for index in 0..sent {
            recorder.record(event(token, &format!("192.0.2.{}", index % 4_000)));
        }
        assert!(metrics.events_aggregated.get() > 0 && metrics.events_grouped.get() > 0);
        gate.permits.add_permits(1);
        writer.finish().await;
        let taken = gate.taken.lock().unwrap();
        assert!(taken.len() < sent, "some were aggregated");
        assert_eq!(taken.iter().map(|event| event.count).sum::<u64>(), sent as u64);
        assert_eq!(metrics.event_queue.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attack_is_a_few_events_and_one_more_for_each_window() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let gate = Gate::new(1, 0);
        let (recorder, writer) = start(vec![gate.clone()], Arc::clone(&metrics));
        let token = TokenId::new();
        for _ in 0..1_000 {
            recorder.record(event(token, "192.0.2.1"));
        }
        sleep(limits::EVENT_FLUSH * 3).await;
        assert_eq!(gate.taken.lock().unwrap().len(), 10);
        let held = gate.held.lock().unwrap().last().cloned().unwrap();
        assert_eq!(held.count, 990, "what a kill would leave");
        sleep(limits::EVENT_WINDOW + limits::EVENT_WINDOW_SWEEP * 2).await;
        let last = gate.taken.lock().unwrap().last().cloned().unwrap();
        assert_eq!((gate.taken.lock().unwrap().len(), last.id, last.count), (11, held.id, 990));
        assert_eq!(metrics.events_grouped.get(), 990);
        recorder.record(event(token, "192.0.2.1"));
        writer.finish().await;
        assert_eq!(gate.taken.lock().unwrap().len(), 12, "a new window has begun");
        assert_eq!(metrics.event_windows.get(), 0);
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_as_dropped() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let gate = Gate::new(0, 0);
        let (recorder, writer) = start(vec![gate.clone()], Arc::clone(&metrics));
        let sent = limits::EVENT_QUEUE + limits::EVENT_AGGREGATES + 100;
        for _ in 0..sent {
            recorder.record(event(TokenId::new(), "192.0.2.1"));
        }
        let dropped = metrics.events_dropped.with_label_values(&["aggregates_full"]).get();
        gate.permits.add_permits(1);
        writer.finish().await;
        assert!(dropped > 0);
        assert_eq!(gate.taken.lock().unwrap().len() as u64 + dropped, sent as u64);
    }

    #[tokio::test]
    async fn a_failed_batch_is_offered_again_and_dropped_at_last() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let gate = Gate::new(1, 3);
        let (recorder, writer) =
            start_retrying_after(Duration::ZERO, vec![gate.clone()], Arc::clone(&metrics));
        recorder.record(event(TokenId::new(), "192.0.2.1"));
        writer.finish().await;
        assert_eq!(gate.taken.lock().unwrap().len(), 1);
        assert_eq!(metrics.event_sink_errors.with_label_values(&["gate"]).get(), 3);

        let gate = Gate::new(1, usize::MAX);
        let (recorder, writer) =
            start_retrying_after(Duration::ZERO, vec![gate.clone()], Arc::clone(&metrics));
        recorder.record(event(TokenId::new(), "192.0.2.1"));
        writer.finish().await;
        assert_eq!(metrics.events_dropped.with_label_values(&["sink_failed"]).get(), 1);
    }
}
