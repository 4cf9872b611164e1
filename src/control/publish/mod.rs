//! Publishing: the working copy of all rules and tokens, kept in step with the store, and the
//! patchset that is built from it. A change is enforced when its call returns.

mod build;
mod others;
mod records;
mod working;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::problem::Problem;
use crate::config::limits;
use crate::matcher::{PatchsetHandle, Rule};
use crate::model::clock;
use crate::model::ids::{LeakId, TokenId};
use crate::model::leak::{Leak, Status};
use crate::model::rule::VirtualPatch;
use crate::store::types::{EnforcedLeak, EnforcedToken, NewToken};
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;

use working::Working;

/// What a change in the store means for the working copy.
pub(super) enum Touched {
    /// The leak's status or patch may have changed; its tokens have not.
    Rule(Box<Leak>),
    /// Tokens may have been added to the leak, and these were removed from it.
    Tokens(Box<Leak>, Vec<TokenId>),
    /// Tokens were added to the leak, which is new or had them added at its end: all of them have
    /// ids after this one.
    Appended(Box<Leak>, TokenId),
    /// These tokens of a tenant were reported; those that were known by their digest are now known by their
    /// text.
    Texts(String, Vec<NewToken>),
    /// Something about the leak changed; what, the store knows.
    Leak(LeakId),
    /// Leaks may have been added, or patches may have ended; which, the store knows.
    Any,
}

/// When a change has to be in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    /// When the call returns.
    Now,
    /// At the next tick, or when somebody settles.
    Soon,
}

impl Touched {
    fn leak(&self) -> Option<LeakId> {
        match self {
            Self::Rule(leak) | Self::Tokens(leak, _) | Self::Appended(leak, _) => Some(leak.id),
            Self::Leak(id) => Some(*id),
            Self::Texts(..) | Self::Any => None,
        }
    }
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
    /// What must not be cut off at the end.
    tasks: TaskTracker,
    /// How many changes are in the patchset in force.
    published: Arc<watch::Sender<u64>>,
    /// What tells this process's patchsets from those of others.
    process: Uuid,
}

impl Publisher {
    pub(super) fn new(
        store: Arc<dyn Store>,
        handle: PatchsetHandle,
        watch_closed_days: u32,
        metrics: Arc<Metrics>,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            working: Arc::default(),
            store,
            handle,
            watch_closed_days,
            metrics,
            next_due: Arc::new(AtomicI64::new(i64::MAX)),
            tasks,
            published: Arc::default(),
            process: records::process(),
        }
    }

    /// Takes everything over from the store and publishes it.
    pub(super) async fn load(&self) -> Result<(), StoreError> {
        let mut working = Arc::clone(&self.working).lock_owned().await;
        let now = clock::now();
        if let Some(changes) = self.store.changes() {
            // Asked for first: what is changed while everything is read is taken over once more.
            working.place = changes.place().await?;
        }
        let leaks = self.store.enforced_leaks(now, self.watch_closed_days).await?;
        let mut loading = stream::iter(leaks)
            .map(|leak| async move {
                let tokens = self.tokens_after(leak.id, None).await?;
                Ok::<_, StoreError>((leak, tokens))
            })
            .buffered(limits::PUBLISH_READERS);
        // Nothing is awaited in here: the others that read would not be polled meanwhile, and might
        // hold or stand in line for the very connection that is waited for.
        while let Some((leak, tokens)) = loading.try_next().await? {
            self.take_over(&mut working, &leak, &tokens, now);
        }
        drop(loading);
        self.build(working)
            .await
            .map(drop)
            .map_err(|_| StoreError::Failed("building the patchset broke off".to_owned()))
    }

    /// Runs a change: what `operation` does in the store, then the working copy, then the patchset.
    /// Once begun it is brought to its end, whether or not the caller still waits.
    ///
    /// `perhaps` is what is read again where the store fails and does not say whether the change
    /// was stored.
    pub(super) async fn change<T, F>(&self, perhaps: Touched, operation: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<(T, Vec<Touched>), Problem>> + Send + 'static,
    {
        self.spawn(perhaps, operation, When::Now).await
    }

    /// The same for one of many changes: what it means is in force at the next tick, or when
    /// [`Self::settle`] returns.
    pub(super) async fn change_soon<T, F>(&self, operation: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<(T, Vec<Touched>), Problem>> + Send + 'static,
    {
        self.spawn(Touched::Any, operation, When::Soon).await
    }

    async fn spawn<T, F>(&self, perhaps: Touched, operation: F, when: When) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<(T, Vec<Touched>), Problem>> + Send + 'static,
    {
        let this = self.clone();
        let task = self.tasks.spawn(async move { this.run(perhaps, operation, when).await });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a change broke off");
            Err(Problem::failed())
        })
    }

    async fn run<T, F>(&self, perhaps: Touched, operation: F, when: When) -> Result<T, Problem>
    where
        F: Future<Output = Result<(T, Vec<Touched>), Problem>>,
    {
        let mut working = Arc::clone(&self.working).lock_owned().await;
        let (value, touched) = match operation.await {
            Ok(done) => done,
            Err(problem) if problem.leaves_doubt() => {
                working.doubt(&perhaps);
                // Where that fails as well, it is tried again at every tick.
                self.publish(working).await?;
                return Err(problem);
            }
            Err(problem) => return Err(problem),
        };
        if touched.is_empty() {
            return Ok(value);
        }
        working.changes += 1;
        let mine = working.changes;
        let leaks: Vec<LeakId> = touched.iter().filter_map(Touched::leak).collect();
        for touched in touched {
            let leak = touched.leak();
            if let Err(error) = self.follow(&mut working, touched).await {
                tracing::error!(%error, ?leak, "a stored change could not be taken over");
                working.doubtful.extend(leak);
            }
        }
        if when == When::Soon {
            return Ok(value);
        }
        // Changes that wait already go first: one build then serves them all.
        drop(working);
        let mut working = Arc::clone(&self.working).lock_owned().await;
        if working.built < mine {
            working = self.publish(working).await?;
        }
        if working.all_doubtful || leaks.iter().any(|id| working.doubtful.contains(id)) {
            return Err(Problem::not_enforced_yet());
        }
        Ok(value)
    }

    /// Repairs what is doubtful, drops watches that are over, and publishes if anything changed.
    ///
    /// # Errors
    /// Where something is doubtful still, or nothing could be published.
    pub(super) async fn settle(&self, now: Timestamp) -> Result<(), Problem> {
        let mut working = Arc::clone(&self.working).lock_owned().await;
        let over = if self.is_due(now) { working.over(now) } else { Vec::new() };
        for id in over {
            working.forget(id);
            working.changes += 1;
        }
        if !working.is_doubtful() && working.built == working.changes {
            return Ok(());
        }
        if self.publish(working).await?.is_doubtful() {
            return Err(Problem::not_enforced_yet());
        }
        Ok(())
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
            if working.built == working.changes {
                return Ok(working);
            }
        }
        self.build(working).await
    }

    /// Reads doubtful leaks again from the store.
    async fn repair(&self, working: &mut Working) -> Result<(), StoreError> {
        if !working.is_doubtful() {
            return Ok(());
        }
        let now = clock::now();
        let days = self.watch_closed_days;
        let current = if working.all_doubtful {
            self.store.enforced_leaks(now, days).await?
        } else {
            self.store.enforced_leaks_of(&working.doubtful, now, days).await?
        };
        let mut current: HashMap<LeakId, EnforcedLeak> =
            current.into_iter().map(|leak| (leak.id, leak)).collect();
        if working.all_doubtful {
            working.doubt_where_other(&current);
            working.all_doubtful = false;
        }
        while let Some(id) = working.doubtful.last().copied() {
            working.changes += 1;
            match current.remove(&id) {
                Some(leak) => {
                    // All is read before anything is changed: a failure leaves the old state whole.
                    let tokens = self.tokens_after(id, None).await?;
                    working.forget(id);
                    self.take_over(working, &leak, &tokens, now);
                }
                None => working.forget(id),
            }
            working.doubtful.retain(|other| *other != id);
        }
        Ok(())
    }

    /// Brings the working copy in step with one stored change.
    async fn follow(&self, working: &mut Working, touched: Touched) -> Result<(), StoreError> {
        let now = clock::now();
        let (leak, tokens) = match touched {
            Touched::Rule(leak) => (leak, Tokens::AsBefore),
            Touched::Tokens(leak, removed) => (leak, Tokens::Changed(removed)),
            Touched::Appended(leak, after) => (leak, Tokens::After(after)),
            Touched::Texts(tenant, tokens) => {
                working.learn(&tenant, &tokens);
                return Ok(());
            }
            touched @ (Touched::Leak(_) | Touched::Any) => {
                working.doubt(&touched);
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
        let patch = leak.virtual_patch.as_ref();
        let days = self.watch_closed_days;
        let owned = (leak.id, working.owner(&leak.tenant));
        let mut rule = working::rule(owned, leak.status, patch, closed_at, days, now);
        if let (Some(rule), Some(until)) = (&mut rule, entry.and_then(|entry| entry.watch_until))
            && rule.watch_until.is_some()
        {
            rule.watch_until = Some(until);
        }
        self.put(working, leak.id, rule, patch, tokens).await
    }

    /// Puts a leak's rule into the working copy, and the tokens that this asks for.
    async fn put(
        &self,
        working: &mut Working,
        leak: LeakId,
        rule: Option<Rule>,
        patch: Option<&VirtualPatch>,
        tokens: Tokens,
    ) -> Result<(), StoreError> {
        let entry = working.leaks.get(&leak).copied();
        let Some(rule) = rule else {
            working.forget(leak);
            return Ok(());
        };
        let forced = patch.is_some_and(|patch| patch.force);
        let modes = match patch {
            Some(_) => self.store.token_modes(leak).await?,
            None => Vec::new(),
        };
        let same_force = entry.is_some_and(|entry| entry.forced == forced);
        // What has to be read is read first, so that a failure leaves the old state whole.
        let (removed, added) = match tokens {
            Tokens::AsBefore if same_force => (Vec::new(), Vec::new()),
            Tokens::After(after) if same_force => {
                (Vec::new(), self.tokens_after(leak, Some(after)).await?)
            }
            Tokens::Changed(removed) => (removed, self.tokens_after(leak, None).await?),
            Tokens::AsBefore | Tokens::After(_) => {
                (Vec::new(), self.tokens_after(leak, None).await?)
            }
        };
        if entry.is_some_and(|entry| entry.forced && !forced) {
            working.forget(leak);
        }
        working.remove(leak, &removed);
        working.set(rule.clone(), forced);
        working.add(leak, &added, forced);
        working.set_modes(&rule, &modes);
        Ok(())
    }

    /// Takes over a leak and its tokens as the store tells them.
    fn take_over(
        &self,
        working: &mut Working,
        leak: &EnforcedLeak,
        tokens: &[EnforcedToken],
        now: Timestamp,
    ) {
        let Some(rule) = self.rule(working, leak, now) else { return };
        let forced = leak.virtual_patch.as_ref().is_some_and(|patch| patch.force);
        working.set(rule.clone(), forced);
        working.add(leak.id, tokens, forced);
        working.set_modes(&rule, &leak.token_modes);
    }

    /// What a leak asks for its tokens, as the store tells it.
    fn rule(&self, working: &mut Working, leak: &EnforcedLeak, now: Timestamp) -> Option<Rule> {
        let owned = (leak.id, working.owner(&leak.tenant));
        let (status, patch) = (leak.status, leak.virtual_patch.as_ref());
        working::rule(owned, status, patch, leak.closed_at, self.watch_closed_days, now)
    }

    async fn tokens_after(
        &self,
        leak: LeakId,
        mut after: Option<TokenId>,
    ) -> Result<Vec<EnforcedToken>, StoreError> {
        let mut tokens = Vec::new();
        loop {
            let page = self.store.enforced_tokens(leak, after, limits::PUBLISH_PAGE).await?;
            let full = page.len() >= limits::PUBLISH_PAGE;
            tokens.extend(page);
            if !full {
                return Ok(tokens);
            }
            after = tokens.last().map(|token: &EnforcedToken| token.id);
        }
    }
}

/// What a change means for a leak's tokens in the working copy.
enum Tokens {
    AsBefore,
    After(TokenId),
    Changed(Vec<TokenId>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits;
    use crate::matcher::Patchset;
    use crate::model::leak::{Decision, DetectedBy, Risk, Source, SourceKind};
    use crate::model::role::Actor;
    use crate::model::rule::{Action, PatchMode, Scope};
    use crate::model::secret::Secret;
    use crate::model::tenant::DEFAULT_TENANT;
    use crate::model::token::{TokenMaterial, Validity};
    use crate::store::types::{Conditions, Decide, NewPatch, Registration};
    use crate::store::{self, KeySource};

    fn registration(store: &dyn Store, text: &str) -> Registration {
        let material = TokenMaterial::Text(Secret::from(text.to_owned()));
        let token = NewToken {
            fingerprint: store.fingerprint_key().fingerprint(&material.digest()),
            material,
            kind: "unknown".to_owned(),
            validity: Validity::Unknown,
            not_applicable: None,
        };
        Registration {
            tenant: "default".to_owned(),
            title: "leak".to_owned(),
            risk: Some(Risk::High),
            exposed_at: None,
            source: Source::of_kind(SourceKind::Manual),
            detected_by: DetectedBy::Manual,
            kind: None,
            owner: None,
            contact: None,
            comment: None,
            tokens: vec![token],
            continues: None,
            once: None,
            reopens: false,
        }
    }

    /// Whoever settles is not told that all is in force where something could not be read.
    #[tokio::test]
    async fn what_cannot_be_read_is_not_said_to_be_in_force() {
        use sqlx::{ConnectOptions as _, Connection as _};
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("leakgate.db");
        let url = format!("sqlite:{}", file.display());
        let store = store::open(&url, KeySource::File).await.unwrap().store;
        let handle = PatchsetHandle::new(Arc::new(Patchset::empty()));
        let metrics = Arc::new(Metrics::new().unwrap());
        let publisher =
            Publisher::new(Arc::clone(&store), handle.clone(), 30, metrics, TaskTracker::new());
        publisher.load().await.unwrap();
        let (of, new) =
            (Arc::clone(&store), registration(&*store, &format!("Zq7{}", "mK2xW9vR4tL8")));
        let registered = publisher.change_soon(async move {
            let leak = of.register(new, &Actor::system(DEFAULT_TENANT)).await?.leak.unwrap();
            Ok(((), vec![Touched::Leak(leak.id)]))
        });
        registered.await.unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let mut connection = options.connect().await.unwrap();
        sqlx::query("ALTER TABLE leak_tokens RENAME TO lost")
            .execute(&mut connection)
            .await
            .unwrap();
        publisher.settle(clock::now()).await.unwrap_err();
        sqlx::query("ALTER TABLE lost RENAME TO leak_tokens")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        publisher.settle(clock::now()).await.unwrap();
        assert_eq!(handle.load().token_count(), 1);
        store.close().await;
    }

    /// A change that was stored before the store failed is in force, though the call fails.
    #[tokio::test]
    async fn what_was_stored_is_enforced_though_the_store_failed() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("leakgate.db").display());
        let store = store::open(&url, KeySource::File).await.unwrap().store;
        let handle = PatchsetHandle::new(Arc::new(Patchset::empty()));
        let metrics = Arc::new(Metrics::new().unwrap());
        let publisher =
            Publisher::new(Arc::clone(&store), handle.clone(), 30, metrics, TaskTracker::new());
        publisher.load().await.unwrap();
        let text = format!("Zq7{}", "mK2xW9vR4tL8");
        let action = || {
            let (patchset, mut action) = (handle.load(), None);
            patchset.scan(text.as_bytes(), &mut |hit| {
                action = patchset.rules(hit.token).map(|rule| rule.action).max();
            });
            action
        };

        let (of, new) = (Arc::clone(&store), registration(&*store, &text));
        let registered = publisher.change(Touched::Any, async move {
            of.register(new, &Actor::system(DEFAULT_TENANT)).await?;
            Err::<((), _), _>(Problem::failed())
        });
        registered.await.unwrap_err();
        assert_eq!(action(), Some(Action::Observe));

        let leaks = store.enforced_leaks(clock::now(), 30).await.unwrap();
        let (of, id) = (Arc::clone(&store), leaks.first().unwrap().id);
        let patch = NewPatch {
            mode: PatchMode::Block,
            scope: Scope::default(),
            expires_at: Some(clock::now() + limits::CONTROL_TICK),
            force: false,
            tokens: None,
        };
        let decision = Decision::ApplyVirtualPatch;
        let conditions = Conditions::default();
        let decide =
            Decide { decision, patch: Some(patch), resolution: None, comment: None, conditions };
        let decided = publisher.change(Touched::Leak(id), async move {
            of.decide("default", id, decide, &Actor::system(DEFAULT_TENANT)).await?;
            Err::<((), _), _>(Problem::failed())
        });
        decided.await.unwrap_err();
        assert_eq!(action(), Some(Action::Block));

        let of = Arc::clone(&store);
        let ended = publisher.change(Touched::Any, async move {
            of.expire_patches(clock::now() + limits::API_CALL_TIME).await?;
            Err::<((), _), _>(Problem::failed())
        });
        ended.await.unwrap_err();
        assert_eq!(action(), Some(Action::Observe));
        store.close().await;
    }
}
