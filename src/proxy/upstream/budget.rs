//! How much may be sent again, so that a failing upstream is not drowned in second attempts: a share
//! of the requests, and a small reserve that comes back with time.

use std::cell::Cell;

use tokio::time::Instant;

use crate::config::limits;

/// One upstream's budget in one worker.
pub(super) struct Budget {
    /// Hundredths of an attempt that each request adds.
    share: u32,
    /// Hundredths of an attempt.
    saved: Cell<u32>,
    reserve: Cell<u32>,
    since: Cell<Option<Instant>>,
}

impl Budget {
    /// `share` in percent of requests.
    pub(super) fn new(share: u32) -> Self {
        let reserve = if share == 0 { 0 } else { limits::RETRY_RESERVE };
        Self { share, saved: Cell::new(0), reserve: Cell::new(reserve), since: Cell::new(None) }
    }

    /// A request came.
    pub(super) fn earn(&self) {
        let most = self.share * 1_000;
        self.saved.set((self.saved.get() + self.share).min(most));
    }

    /// Takes an attempt out, where one is left.
    pub(super) fn spend(&self) -> bool {
        if self.share == 0 {
            return false;
        }
        if let Some(rest) = self.saved.get().checked_sub(100) {
            self.saved.set(rest);
            return true;
        }
        let now = Instant::now();
        if self.since.get().is_some_and(|since| now - since >= limits::RETRY_RESERVE_TIME) {
            self.reserve.set(limits::RETRY_RESERVE);
            self.since.set(None);
        }
        let Some(rest) = self.reserve.get().checked_sub(1) else { return false };
        self.reserve.set(rest);
        self.since.set(self.since.get().or(Some(now)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(budget: &Budget) -> usize {
        std::iter::repeat_with(|| budget.spend()).take_while(|ok| *ok).take(10_000).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_of_requests_and_a_reserve() {
        let budget = Budget::new(20);
        let reserve = limits::RETRY_RESERVE as usize;
        assert_eq!(spent(&budget), reserve);
        (0..50).for_each(|_| budget.earn());
        assert_eq!(spent(&budget), 10);
        (0..1_000_000).for_each(|_| budget.earn());
        assert_eq!(spent(&budget), 200, "what is saved up has an end");
        tokio::time::advance(limits::RETRY_RESERVE_TIME).await;
        assert_eq!(spent(&budget), reserve);
    }

    #[tokio::test(start_paused = true)]
    async fn none_of_it_is_nothing() {
        let budget = Budget::new(0);
        budget.earn();
        assert_eq!(spent(&budget), 0);
    }
}
