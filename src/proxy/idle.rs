//! A limit on how long nothing may come, cheap for what comes steadily.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Runs while something awaited is pending. Its timer is armed once and looked at again when it
/// fires, instead of being moved with each piece that comes.
pub(crate) struct IdleTimer {
    limit: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl IdleTimer {
    /// Not running yet.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, since: None, timer: None }
    }

    /// Something came.
    pub(crate) fn moved(&mut self) {
        self.since = None;
    }

    /// Ready once nothing has come for the limit, counted from the first call since
    /// [`Self::moved`].
    pub(crate) fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let deadline = since + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_silence_counts() {
        let limit = Duration::from_secs(10);
        let start = Instant::now();
        let mut idle = IdleTimer::new(limit);
        for _ in 0..3 {
            let early = tokio::time::timeout(limit / 2, poll_fn(|cx| idle.poll_elapsed(cx))).await;
            assert!(early.is_err());
            idle.moved();
        }
        poll_fn(|cx| idle.poll_elapsed(cx)).await;
        assert_eq!(start.elapsed(), limit / 2 * 3 + limit);
    }
}
