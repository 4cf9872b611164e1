//! Whether a server gets requests: what failures in a row, and health checks, have come to. Shared
//! by all workers; a healthy server costs them two loads a request.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::Eject;

/// A point in time, in milliseconds since the process first asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Moment(u64);

impl Moment {
    pub(super) fn now() -> Self {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        // From 1 on: 0 stands for never.
        Self(START.elapsed().as_millis() as u64 + 1)
    }

    fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time.as_millis() as u64))
    }
}

/// What is known of one server.
#[derive(Default, Debug)]
pub(super) struct Standing {
    /// Failures in a row.
    failures: AtomicU32,
    /// Ejections of which none was outlived.
    ejections: AtomicU32,
    /// When the last of them ends or ended; 0 where there is none.
    until: AtomicU64,
    /// Whether health checks found it unwell.
    is_down: AtomicBool,
}

impl Standing {
    /// Whether it is neither ejected nor found unwell.
    pub(super) fn is_available(&self) -> bool {
        !self.is_down.load(Ordering::Relaxed)
            && (self.until.load(Ordering::Relaxed) == 0 || !self.is_ejected(Moment::now()))
    }

    fn is_ejected(&self, now: Moment) -> bool {
        self.until.load(Ordering::Relaxed) > now.0
    }

    /// It answered well.
    pub(super) fn succeeded(&self, rule: &Eject) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.until.load(Ordering::Relaxed) != 0 {
            self.outlives(rule, Moment::now());
        }
    }

    /// An ejection is forgotten once the server has been well for as long as it lasted.
    fn outlives(&self, rule: &Eject, now: Moment) {
        let until = self.until.load(Ordering::Relaxed);
        let lasted = lasts(rule, self.ejections.load(Ordering::Relaxed).saturating_sub(1));
        if now >= Moment(until).after(lasted) {
            self.ejections.store(0, Ordering::Relaxed);
            self.until.store(0, Ordering::Relaxed);
        }
    }

    /// It failed. Gives for how long it is ejected, where that is so from now on; `others` says
    /// whether there are enough others.
    pub(super) fn failed(
        &self,
        rule: &Eject,
        now: Moment,
        others: impl FnOnce() -> bool,
    ) -> Option<Duration> {
        let until = self.until.load(Ordering::Relaxed);
        if rule.failures == 0 || until > now.0 {
            return None;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        // One that came back from an ejection has yet to show that it is well.
        if (failures < rule.failures && until == 0) || !others() {
            return None;
        }
        let time = lasts(rule, self.ejections.load(Ordering::Relaxed));
        let ends = now.after(time).0;
        // Of several workers that see it fail at the same time, one ejects it.
        self.until.compare_exchange(until, ends, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        self.ejections.fetch_add(1, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        Some(time)
    }

    /// Notes what health checks found; gives whether that is new.
    pub(super) fn found(&self, is_well: bool) -> bool {
        self.is_down.swap(!is_well, Ordering::Relaxed) == is_well
    }
}

/// How long an ejection lasts after so many others.
fn lasts(rule: &Eject, before: u32) -> Duration {
    let factor = 1_u32.checked_shl(before).unwrap_or(u32::MAX);
    rule.time.saturating_mul(factor).min(rule.max_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Eject = Eject {
        failures: 3,
        time: Duration::from_secs(10),
        max_time: Duration::from_secs(60),
        max_share: 50,
        statuses: Vec::new(),
    };

    fn at(seconds: u64) -> Moment {
        Moment(1 + seconds * 1_000)
    }

    fn fail(standing: &Standing, seconds: u64) -> Option<u64> {
        standing.failed(&RULE, at(seconds), || true).map(|time| time.as_secs())
    }

    #[test]
    fn only_failures_in_a_row_eject() {
        let standing = Standing::default();
        for _ in 0..5 {
            assert_eq!((fail(&standing, 0), fail(&standing, 0)), (None, None));
            standing.succeeded(&RULE);
        }
        assert_eq!((fail(&standing, 0), fail(&standing, 0)), (None, None));
        assert_eq!(fail(&standing, 0), Some(10));
        assert!(standing.is_ejected(at(9)) && !standing.is_ejected(at(10)));
    }

    #[test]
    fn one_that_fails_again_at_once_stays_away_for_longer_each_time() {
        let standing = Standing::default();
        let mut now = 0;
        assert_eq!((fail(&standing, now), fail(&standing, now)), (None, None));
        for time in [10, 20, 40, 60, 60] {
            assert_eq!(fail(&standing, now), Some(time));
            assert_eq!(fail(&standing, now + 1), None, "it is ejected already");
            now += time;
        }
        // Well for as long as it was away: all is forgotten.
        standing.outlives(&RULE, at(now + 59));
        assert_eq!(fail(&standing, now + 59), Some(60));
        standing.outlives(&RULE, at(now + 59 + 60 + 60));
        assert_eq!(fail(&standing, now + 300), None);
    }

    #[test]
    fn the_last_servers_stay_and_zero_turns_it_off() {
        let standing = Standing::default();
        for _ in 0..10 {
            assert_eq!(standing.failed(&RULE, at(0), || false), None);
        }
        assert!(standing.is_available());
        let off = Eject { failures: 0, ..RULE };
        let standing = Standing::default();
        assert!((0..10).all(|_| standing.failed(&off, at(0), || true).is_none()));
    }

    #[test]
    fn health_checks_are_news_only_when_they_change_something() {
        let standing = Standing::default();
        assert!(!standing.found(true));
        assert!(standing.found(false) && !standing.is_available() && !standing.found(false));
        assert!(standing.found(true) && standing.is_available());
    }
}
