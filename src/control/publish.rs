//! Publishing: the working copy of all rules and tokens, kept in step with the store, and the
//! patchset that is built from it. A change is enforced when its call returns.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::problem::Problem;
use crate::config::limits;
use crate::matcher::{PatchsetHandle, PatchsetWriter, Rule};
use crate::model::clock;
use crate::model::ids::{LeakId, TokenId};
use crate::model::leak::{Leak, Status};
use crate::model::rule::{Action, Scope, VirtualPatch};
use crate::store::types::{EnforcedLeak, EnforcedToken};
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;

/// What a change in the store means for the working copy.
pub(super) enum Touched {
    /// The leak's status or patch may have changed; its tokens have not.
    Rule(Box<Leak>),
    /// Tokens may have been added to the leak, and these were removed from it.
    Tokens(Box<Leak>, Vec<TokenId>),
    /// Something about the leak changed; what, the store knows.
    Leak(LeakId),
}

/// Serialises changes: store, working copy, patchset.
#[derive(Clone)]
pub(super) struct Publisher {
    working: Arc<Mutex<Working>>,
    store: Arc<dyn Store>,
    handle: PatchsetHandle,
    watch_closed_days: u32,
    metrics: Arc<Metrics>,
    /// Milliseconds of the time when the next patch ends or the next watch is over.
    next_due: Arc<AtomicI64>,
}

/// The working copy and what is known of it.
struct Working {
    writer: PatchsetWriter,
    leaks: HashMap<LeakId, Entry>,
    /// Leaks whose change is stored but could not be taken over: repaired before the next build.
    doubtful: Vec<LeakId>,
    /// How many changes were taken over, and how many of them are in the last build.
    changes: u64,
    built: u64,
}

/// What the working copy holds of one leak.
#[derive(Clone, Copy)]
struct Entry {
    /// Whether tokens are in that only force brought in.
    forced: bool,
    /// When its patch ends.
    expires_at: Option<Timestamp>,
    /// When its watch ends.
    watch_until: Option<Timestamp>,
}

impl Publisher {
    pub(super) fn new(
        store: Arc<dyn Store>,
        handle: PatchsetHandle,
        watch_closed_days: u32,
        metrics: Arc<Metrics>,
    ) -> Self {
        let working = Working {
            writer: PatchsetWriter::new(),
            leaks: HashMap::new(),
            doubtful: Vec::new(),
            changes: 0,
            built: 0,
        };
        Self {
            working: Arc::new(Mutex::new(working)),
            store,
            handle,
            watch_closed_days,
            metrics,
            next_due: Arc::new(AtomicI64::new(i64::MAX)),
        }
    }

    /// Takes everything over from the store and publishes it.
    pub(super) async fn load(&self) -> Result<(), StoreError> {
        let mut working = Arc::clone(&self.working).lock_owned().await;
        let now = clock::now();
        let leaks = self.store.enforced_leaks(now, self.watch_closed_days).await?;
        let mut loading = stream::iter(leaks)
            .map(|leak| async move {
                let tokens = self.first_tokens(leak.id).await?;
                Ok::<_, StoreError>((leak, tokens))
            })
            .buffered(limits::PUBLISH_READERS);
        while let Some((leak, first)) = loading.try_next().await? {
            self.take_over(&mut working, &leak, first, now).await?;
        }
        drop(loading);
        self.build(working)
            .await
            .map(drop)
            .map_err(|_| StoreError::Failed("building the patchset broke off".to_owned()))
    }

    /// Runs a change: what `operation` does in the store, then the working copy, then the patchset.
    /// Once begun it is brought to its end, whether or not the caller still waits.
    pub(super) async fn change<T, F>(&self, operation: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<(T, Vec<Touched>), Problem>> + Send + 'static,
    {
        let this = self.clone();
        let task = tokio::spawn(async move { this.run(operation).await });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a change broke off");
            Err(Problem::failed())
        })
    }

    async fn run<T, F>(&self, operation: F) -> Result<T, Problem>
    where
        F: Future<Output = Result<(T, Vec<Touched>), Problem>>,
    {
        let mut working = Arc::clone(&self.working).lock_owned().await;
        let (value, touched) = operation.await?;
        if touched.is_empty() {
            return Ok(value);
        }
        working.changes += 1;
        let mine = working.changes;
        let leaks: Vec<LeakId> = touched.iter().map(Touched::leak).collect();
        for touched in touched {
            let id = touched.leak();
            if let Err(error) = self.follow(&mut working, touched).await {
                tracing::error!(%error, leak = %id, "a stored change could not be taken over");
                working.doubtful.push(id);
            }
        }
        // Changes that wait already go first: one build then serves them all.
        drop(working);
        let mut working = Arc::clone(&self.working).lock_owned().await;
        if working.built < mine {
            working = self.publish(working).await?;
        }
        if leaks.iter().any(|id| working.doubtful.contains(id)) {
            return Err(Problem::not_enforced_yet());
        }
        Ok(value)
    }

    /// Repairs what is doubtful, drops watches that are over, and publishes if anything changed.
    pub(super) async fn settle(&self, now: Timestamp) -> Result<(), Problem> {
        let mut working = Arc::clone(&self.working).lock_owned().await;
        let over: Vec<LeakId> = working
            .leaks
            .iter()
            .filter(|(_, entry)| entry.watch_until.is_some_and(|until| until <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            working.forget(id);
            working.changes += 1;
        }
        if working.doubtful.is_empty() && working.built == working.changes {
            return Ok(());
        }
        self.publish(working).await.map(drop)
    }

    /// Whether a patch or a watch has come to its end.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.next_due.load(Ordering::Acquire) <= now.as_millisecond()
    }

    async fn publish(
        &self,
        mut working: OwnedMutexGuard<Working>,
    ) -> Result<OwnedMutexGuard<Working>, Problem> {
        if let Err(error) = self.repair(&mut working).await {
            tracing::error!(%error, "rules could not be read again from the store");
            self.metrics.publish_failures.inc();
        }
        self.build(working).await
    }

    /// Reads doubtful leaks again from the store.
    async fn repair(&self, working: &mut Working) -> Result<(), StoreError> {
        if working.doubtful.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let mut current: HashMap<LeakId, EnforcedLeak> = self
            .store
            .enforced_leaks(now, self.watch_closed_days)
            .await?
            .into_iter()
            .map(|leak| (leak.id, leak))
            .collect();
        while let Some(id) = working.doubtful.last().copied() {
            working.changes += 1;
            match current.remove(&id) {
                Some(leak) => {
                    // All is read before anything is changed: a failure leaves the old state whole.
                    let tokens = self.all_tokens(id).await?;
                    let forced = leak.virtual_patch.as_ref().is_some_and(|patch| patch.force);
                    working.forget(id);
                    if let Some(rule) = self.rule(&leak, now) {
                        working.set(rule, forced);
                        working.add(id, &tokens, forced);
                    }
                }
                None => working.forget(id),
            }
            working.doubtful.retain(|other| *other != id);
        }
        Ok(())
    }

    /// Compiles the working copy, away from the threads that serve calls, and swaps it in.
    async fn build(
        &self,
        mut working: OwnedMutexGuard<Working>,
    ) -> Result<OwnedMutexGuard<Working>, Problem> {
        let begun = Instant::now();
        let built = tokio::task::spawn_blocking(move || {
            let patchset = working.writer.build();
            (working, patchset)
        })
        .await;
        let Ok((mut working, patchset)) = built else {
            self.metrics.publish_failures.inc();
            return Err(Problem::not_enforced_yet());
        };
        working.built = working.changes;
        self.next_due.store(working.next_due(), Ordering::Release);
        let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.patchset_version.set(patchset.version().try_into().unwrap_or(i64::MAX));
        self.metrics.patchset_tokens.set(size(patchset.token_count()));
        self.metrics.patchset_bytes.set(size(patchset.memory_bytes()));
        self.handle.store(patchset);
        self.metrics.publish.observe(begun.elapsed().as_secs_f64());
        Ok(working)
    }

    /// Brings the working copy in step with one stored change.
    async fn follow(&self, working: &mut Working, touched: Touched) -> Result<(), StoreError> {
        let now = clock::now();
        let (leak, removed) = match touched {
            Touched::Rule(leak) => (leak, None),
            Touched::Tokens(leak, removed) => (leak, Some(removed)),
            Touched::Leak(id) => {
                working.doubtful.push(id);
                return Ok(());
            }
        };
        let entry = working.leaks.get(&leak.id).copied();
        if leak.status == Status::Closed && entry.is_none() {
            // Its watch is over, and no edit begins it again.
            return Ok(());
        }
        // A leak does not tell when it was closed: closing it was its last change, or else the end
        // of its watch is known already.
        let closed_at = (leak.status == Status::Closed).then_some(leak.updated_at);
        let mut rule = rule(
            leak.id,
            leak.status,
            leak.virtual_patch.as_ref(),
            closed_at,
            self.watch_closed_days,
            now,
        );
        if let (Some(rule), Some(until)) = (&mut rule, entry.and_then(|entry| entry.watch_until))
            && rule.watch_until.is_some()
        {
            rule.watch_until = Some(until);
        }
        let Some(rule) = rule else {
            working.forget(leak.id);
            return Ok(());
        };
        let forced = leak.virtual_patch.as_ref().is_some_and(|patch| patch.force);
        let same_tokens = removed.is_none() && entry.is_some_and(|entry| entry.forced == forced);
        if same_tokens {
            working.set(rule, forced);
            return Ok(());
        }
        // What has to be read is read first, so that a failure leaves the old state whole.
        let tokens = self.all_tokens(leak.id).await?;
        if entry.is_some_and(|entry| entry.forced && !forced) {
            working.forget(leak.id);
        }
        for id in removed.unwrap_or_default() {
            working.writer.remove_token(leak.id, id);
        }
        working.set(rule, forced);
        working.add(leak.id, &tokens, forced);
        Ok(())
    }

    /// Takes over a leak as the store tells it, with its first page of tokens at hand.
    async fn take_over(
        &self,
        working: &mut Working,
        leak: &EnforcedLeak,
        first: Vec<EnforcedToken>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let patch = leak.virtual_patch.as_ref();
        let Some(rule) = self.rule(leak, now) else { return Ok(()) };
        let forced = patch.is_some_and(|patch| patch.force);
        working.set(rule, forced);
        let mut page = first;
        loop {
            working.add(leak.id, &page, forced);
            let Some(last) = page.last().filter(|_| page.len() >= limits::PUBLISH_PAGE) else {
                return Ok(());
            };
            let after = last.id;
            page = self.store.enforced_tokens(leak.id, Some(after), limits::PUBLISH_PAGE).await?;
        }
    }

    fn rule(&self, leak: &EnforcedLeak, now: Timestamp) -> Option<Rule> {
        let patch = leak.virtual_patch.as_ref();
        rule(leak.id, leak.status, patch, leak.closed_at, self.watch_closed_days, now)
    }

    async fn first_tokens(&self, leak: LeakId) -> Result<Vec<EnforcedToken>, StoreError> {
        self.store.enforced_tokens(leak, None, limits::PUBLISH_PAGE).await
    }

    async fn all_tokens(&self, leak: LeakId) -> Result<Vec<EnforcedToken>, StoreError> {
        let mut tokens = self.first_tokens(leak).await?;
        let mut full = tokens.len() >= limits::PUBLISH_PAGE;
        while full {
            let after = tokens.last().map(|token| token.id);
            let page = self.store.enforced_tokens(leak, after, limits::PUBLISH_PAGE).await?;
            full = page.len() >= limits::PUBLISH_PAGE;
            tokens.extend(page);
        }
        Ok(tokens)
    }
}

impl Touched {
    fn leak(&self) -> LeakId {
        match self {
            Self::Rule(leak) | Self::Tokens(leak, _) => leak.id,
            Self::Leak(id) => *id,
        }
    }
}

impl Working {
    fn set(&mut self, rule: Rule, forced: bool) {
        let entry = Entry { forced, expires_at: rule.expires_at, watch_until: rule.watch_until };
        self.leaks.insert(rule.leak, entry);
        self.writer.set_rule(rule);
    }

    fn add(&mut self, leak: LeakId, tokens: &[EnforcedToken], forced: bool) {
        for token in tokens.iter().filter(|token| applies(token, forced)) {
            self.writer.add_token(leak, token.id, token.fingerprint, &token.material);
        }
    }

    fn forget(&mut self, leak: LeakId) {
        if self.leaks.remove(&leak).is_some() {
            self.writer.remove_leak(leak);
        }
    }

    fn next_due(&self) -> i64 {
        self.leaks
            .values()
            .flat_map(|entry| [entry.expires_at, entry.watch_until])
            .flatten()
            .map(Timestamp::as_millisecond)
            .min()
            .unwrap_or(i64::MAX)
    }
}

/// Whether a rule is made of the token.
fn applies(token: &EnforcedToken, forced: bool) -> bool {
    match token.material.length() {
        None => true,
        Some(length) => {
            token.not_applicable.is_none() || (forced && length >= limits::TOKEN_BYTES_FORCED)
        }
    }
}

/// What a leak asks for its tokens; absent where it is neither enforced nor watched.
fn rule(
    leak: LeakId,
    status: Status,
    patch: Option<&VirtualPatch>,
    closed_at: Option<Timestamp>,
    watch_closed_days: u32,
    now: Timestamp,
) -> Option<Rule> {
    let observe = Rule {
        leak,
        patch: None,
        action: Action::Observe,
        scope: Scope::default(),
        expires_at: None,
        watch_until: None,
    };
    match (status, patch) {
        (Status::Open, Some(patch)) => Some(Rule {
            patch: Some(patch.id),
            action: patch.mode.into(),
            scope: patch.scope.clone(),
            expires_at: patch.expires_at,
            ..observe
        }),
        (Status::Open, None) => Some(observe),
        (Status::Closed, _) => {
            let watch = SignedDuration::from_hours(24 * i64::from(watch_closed_days));
            let until = closed_at.unwrap_or(now).checked_add(watch).unwrap_or(Timestamp::MAX);
            (until > now).then_some(Rule { watch_until: Some(until), ..observe })
        }
        (Status::FalsePositive, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PatchId;
    use crate::model::rule::PatchMode;

    #[test]
    fn rules_follow_status_and_patch() {
        let leak = LeakId::new();
        let now = clock::now();
        let patch = VirtualPatch {
            id: PatchId::new(),
            leak,
            mode: PatchMode::Block,
            scope: Scope { methods: vec!["POST".to_owned()], ..Scope::default() },
            expires_at: Some(now),
            force: false,
            created_by: "admin".to_owned(),
            created_at: now,
        };
        let made = rule(leak, Status::Open, Some(&patch), None, 30, now).unwrap();
        assert_eq!((made.action, made.patch), (Action::Block, Some(patch.id)));
        assert_eq!((&made.scope, made.expires_at), (&patch.scope, Some(now)));

        let made = rule(leak, Status::Open, None, None, 30, now).unwrap();
        assert_eq!((made.action, made.patch, made.watch_until), (Action::Observe, None, None));

        let ago = |hours| now - SignedDuration::from_hours(hours);
        let made = rule(leak, Status::Closed, None, Some(ago(24)), 30, now).unwrap();
        assert_eq!(made.action, Action::Observe);
        assert_eq!(made.watch_until, Some(ago(24) + SignedDuration::from_hours(24 * 30)));
        assert_eq!(rule(leak, Status::Closed, None, Some(ago(24 * 30)), 30, now), None);
        assert_eq!(rule(leak, Status::Closed, None, Some(now), 0, now), None);
        assert_eq!(rule(leak, Status::FalsePositive, None, None, 30, now), None);
    }
}
