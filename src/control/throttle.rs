//! A limit on how often something may be tried, for each of many keys, in bounded memory: each try
//! moves the key's time forward by one step, and may lie no more than a few steps ahead.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Counts tries by key.
pub(super) struct Throttle<K> {
    /// Time in which one try is forgotten.
    step: Duration,
    /// Tries at once.
    burst: u32,
    /// Keys that are remembered.
    most: usize,
    tries: Mutex<Tries<K>>,
}

struct Tries<K> {
    by_key: HashMap<K, Instant>,
    /// All keys together for which there is no room.
    others: Option<Instant>,
    /// When keys that count no more were last looked for.
    swept: Option<Instant>,
}

impl<K: Eq + Hash + Clone> Throttle<K> {
    pub(super) fn new(step: Duration, burst: u32, most: usize) -> Self {
        let tries = Mutex::new(Tries { by_key: HashMap::new(), others: None, swept: None });
        Self { step, burst, most, tries }
    }

    /// Counts a try.
    ///
    /// # Errors
    /// With the time to wait, where there were too many; it is not counted then.
    pub(super) fn attempt(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let ahead = self.step.saturating_mul(self.burst.saturating_sub(1));
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        // Looking through all of them is not for every try of a flood.
        let is_due = tries.swept.is_none_or(|swept| now >= swept + self.step);
        if tries.by_key.len() >= self.most && is_due {
            tries.by_key.retain(|_, until| *until > now);
            tries.swept = Some(now);
        }
        let is_full = tries.by_key.len() >= self.most && !tries.by_key.contains_key(key);
        let before = if is_full { tries.others } else { tries.by_key.get(key).copied() };
        let until = before.filter(|until| *until > now).unwrap_or(now);
        let lead = until.saturating_duration_since(now);
        if lead > ahead {
            return Err(lead.saturating_sub(ahead));
        }
        let next = until + self.step;
        if is_full {
            tries.others = Some(next);
        } else {
            tries.by_key.insert(key.clone(), next);
        }
        Ok(())
    }

    /// Takes a counted try back.
    pub(super) fn forgive(&self, key: &K) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = tries.by_key.get_mut(key)
            && let Some(earlier) = until.checked_sub(self.step)
        {
            *until = earlier;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(6);

    #[tokio::test]
    async fn tries_are_counted_by_key() {
        let throttle = Throttle::new(STEP, 3, 10);
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(throttle.attempt(&"a", now), Ok(()));
        }
        assert_eq!(throttle.attempt(&"a", now), Err(STEP));
        assert_eq!(throttle.attempt(&"b", now), Ok(()));
        assert_eq!(throttle.attempt(&"a", now + STEP / 2), Err(STEP / 2));
        assert_eq!(throttle.attempt(&"a", now + STEP), Ok(()));
        assert!(throttle.attempt(&"a", now + STEP).is_err());
        throttle.forgive(&"a");
        assert_eq!(throttle.attempt(&"a", now + STEP), Ok(()));
    }

    #[tokio::test]
    async fn a_flood_of_keys_takes_no_more_memory() {
        let throttle = Throttle::new(STEP, 2, 4);
        let now = Instant::now();
        let passed = (0..1_000).filter(|key| throttle.attempt(key, now).is_ok()).count();
        assert_eq!(passed, 4 + 2, "those that are remembered, and the burst of all others");
        assert_eq!(throttle.tries.lock().unwrap().by_key.len(), 4);
        assert_eq!(throttle.attempt(&2_000, now + STEP), Ok(()), "those before are forgotten");
    }
}
