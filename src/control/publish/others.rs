//! What other processes that use the same store have changed, taken over from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::working::Working;
use super::{Publisher, Tokens};
use crate::control::problem::Problem;
use crate::model::clock;
use crate::model::ids::LeakId;
use crate::store::types::{Change, EnforcedLeak};
use crate::store::{Changes, StoreError};

impl Publisher {
    /// Takes over what others have changed since the last time, and publishes it.
    /// `doubt_bypass` is called where the bypass switch was among it, before that counts as taken
    /// over: so it is not forgotten where the rest fails.
    ///
    /// What is read is the state of the leaks, not the change: so it does no harm that one is taken
    /// over twice, or together with a later one, or after one of this process's own. The working
    /// copy is locked for as long as this process changes the store itself, so that none of its own
    /// changes is between the store and the working copy meanwhile.
    pub(in crate::control) async fn catch_up(
        &self,
        changes: &dyn Changes,
        doubt_bypass: impl Fn() + Send,
    ) -> Result<(), Problem> {
        let mut working = Arc::clone(&self.working).lock_owned().await;
        loop {
            let changed = changes.after(working.place).await?;
            if changed.missed || changed.changes.contains(&Change::Bypass) {
                doubt_bypass();
            }
            self.metrics.store_changes.inc_by(changed.changes.len() as u64);
            if changed.missed {
                self.doubt_all(&mut working).await?;
            } else {
                self.follow_others(&mut working, &changed.changes).await?;
            }
            working.place = changed.place;
            if !changed.more {
                break;
            }
        }
        if working.is_doubtful() || working.built < working.changes {
            self.publish(working).await?;
        }
        Ok(())
    }

    /// Doubts every leak that is here or in the store.
    async fn doubt_all(&self, working: &mut Working) -> Result<(), StoreError> {
        tracing::warn!(
            "too much was changed by other processes meanwhile: reading all rules again"
        );
        let stored = self.store.enforced_leaks(clock::now(), self.watch_closed_days).await?;
        working.doubtful.clear();
        working.doubtful.extend(stored.iter().map(|leak| leak.id));
        let ended: Vec<LeakId> = working.leaks.keys().copied().collect();
        working.doubtful.extend(ended);
        working.doubtful.sort_unstable();
        working.doubtful.dedup();
        Ok(())
    }

    async fn follow_others(
        &self,
        working: &mut Working,
        changes: &[Change],
    ) -> Result<(), StoreError> {
        // A leak that was changed more than once is read once.
        let mut touched: BTreeMap<LeakId, Tokens> = BTreeMap::new();
        for change in changes {
            let (leak, tokens) = match *change {
                Change::Rule(leak) => (leak, Tokens::AsBefore),
                Change::Tokens(leak) => {
                    working.doubtful.push(leak);
                    continue;
                }
                Change::Appended(leak, after) => (leak, Tokens::After(after)),
                Change::Bypass => continue,
            };
            let before = touched.remove(&leak).unwrap_or(Tokens::AsBefore);
            touched.insert(leak, before.and(tokens));
        }
        if touched.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let ids: Vec<LeakId> = touched.keys().copied().collect();
        let stored = self.store.enforced_leaks_of(&ids, now, self.watch_closed_days).await?;
        let mut stored: BTreeMap<LeakId, EnforcedLeak> =
            stored.into_iter().map(|leak| (leak.id, leak)).collect();
        for (id, tokens) in touched {
            self.take_from_others(working, id, stored.remove(&id), tokens, now).await?;
            working.changes += 1;
        }
        Ok(())
    }

    async fn take_from_others(
        &self,
        working: &mut Working,
        id: LeakId,
        stored: Option<EnforcedLeak>,
        tokens: Tokens,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(leak) = stored else {
            working.forget(id);
            return Ok(());
        };
        let rule = self.rule(working, &leak, now);
        self.put(working, id, rule, leak.virtual_patch.as_ref(), tokens).await
    }
}

impl Tokens {
    /// What two changes of a leak, none of which took tokens out, mean together.
    fn and(self, later: Self) -> Self {
        match (self, later) {
            (Self::After(one), Self::After(other)) => Self::After(one.min(other)),
            (Self::AsBefore, tokens) | (tokens, _) => tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use async_trait::async_trait;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::matcher::{Patchset, PatchsetHandle};
    use crate::store::types::Changed;
    use crate::store::{self, KeySource};
    use crate::telemetry::metrics::Metrics;

    /// The bypass is turned, and what comes after it cannot be read the first time.
    #[derive(Default)]
    struct Breaks(AtomicI64);

    #[async_trait]
    impl Changes for Breaks {
        async fn place(&self) -> Result<i64, StoreError> {
            Ok(0)
        }

        async fn after(&self, place: i64) -> Result<Changed, StoreError> {
            let changes = if place == 0 { vec![Change::Bypass] } else { Vec::new() };
            if place == 1 && self.0.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err(StoreError::Failed("for a moment".to_owned()));
            }
            Ok(Changed { place: place + 1, missed: false, changes, more: place == 0 })
        }

        async fn wait(&self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_turned_bypass_is_not_forgotten_where_the_rest_fails() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("leakgate.db").display());
        let store = store::open(&url, KeySource::File).await.unwrap().store;
        let handle = PatchsetHandle::new(Arc::new(Patchset::empty()));
        let metrics = Arc::new(Metrics::new().unwrap());
        let publisher = Publisher::new(Arc::clone(&store), handle, 30, metrics, TaskTracker::new());
        let (changes, turned) = (Breaks::default(), AtomicUsize::new(0));
        let doubt = || {
            turned.fetch_add(1, Ordering::SeqCst);
        };
        publisher.catch_up(&changes, doubt).await.unwrap_err();
        publisher.catch_up(&changes, doubt).await.unwrap();
        assert_eq!(turned.load(Ordering::SeqCst), 1);
        store.close().await;
    }
}
