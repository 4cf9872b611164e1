//! A limit on how long nothing may come, cheap for what comes steadily.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Runs while something awaited is pending. Its timer is armed once and looked at again when it
/// fires, instead of being moved with each piece that comes; so it may also serve one request after
/// the other.
pub(crate) struct IdleTimer {
    limit: Duration,
    /// When all must be over, whatever came.
    end: Option<Instant>,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl IdleTimer {
    /// Not running yet.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, end: None, since: None, timer: None }
    }

    /// Has another limit from now on, and an end.
    pub(crate) fn restart(&mut self, limit: Duration, end: Option<Instant>) {
        self.limit = limit;
        self.end = end;
        self.since = None;
    }

    /// Something came.
    pub(crate) fn moved(&mut self) {
        self.since = None;
    }

    /// Something came at this time.
    pub(crate) fn moved_at(&mut self, moment: Instant) {
        self.since = self.since.max(Some(moment));
    }

    /// Ready once nothing has come for the limit, counted from the first call since
    /// [`Self::moved`], or the end is reached.
    pub(crate) fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let idle = since + self.limit;
        let deadline = self.end.map_or(idle, |end| end.min(idle));
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
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

    #[tokio::test(start_paused = true)]
    async fn a_shorter_limit_and_an_end_hold_for_an_armed_timer() {
        let second = Duration::from_secs(1);
        let mut idle = IdleTimer::new(second * 60);
        let wait = |idle: &mut IdleTimer, limit| {
            let start = Instant::now();
            idle.restart(limit, Some(start + second * 3));
            start
        };
        assert!(tokio::time::timeout(second, poll_fn(|cx| idle.poll_elapsed(cx))).await.is_err());
        let start = wait(&mut idle, second * 2);
        poll_fn(|cx| idle.poll_elapsed(cx)).await;
        assert_eq!(start.elapsed(), second * 2);
        let start = wait(&mut idle, second * 60);
        poll_fn(|cx| idle.poll_elapsed(cx)).await;
        assert_eq!(start.elapsed(), second * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_elsewhere_counts() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let mut idle = IdleTimer::new(second * 10);
        let early = tokio::time::timeout(second, poll_fn(|cx| idle.poll_elapsed(cx))).await;
        assert!(early.is_err());
        tokio::time::advance(second * 4).await;
        idle.moved_at(start + second * 4);
        poll_fn(|cx| idle.poll_elapsed(cx)).await;
        assert_eq!(start.elapsed(), second * 14);
    }
}
