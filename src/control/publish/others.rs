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
    /// Takes over what others have changed since the last time, and publishes it. Answers whether
    /// the bypass switch was among it.
    ///
    /// What is read is the state of the leaks, not the change: so it does no harm that one is taken
    /// over twice, or together with a later one, or after one of this process's own. The working
    /// copy is locked for as long as this process changes the store itself, so that none of its own
    /// changes is between the store and the working copy meanwhile.
    pub(in crate::control) async fn catch_up(
        &self,
        changes: &dyn Changes,
    ) -> Result<bool, Problem> {
        let mut working = Arc::clone(&self.working).lock_owned().await;
        let mut bypass_turned = false;
        loop {
            let changed = changes.after(working.place).await?;
            bypass_turned |= changed.missed || changed.changes.contains(&Change::Bypass);
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
        Ok(bypass_turned)
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
