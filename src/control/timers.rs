//! What happens by itself when its time has come.

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::Control;
use super::problem::Problem;
use super::publish::Touched;
use crate::config::limits;
use crate::model::clock;
use crate::store::Changes;

impl Control {
    /// Ends patches, watches and the bypass at their time, keeps computed risks in step, publishes again
    /// what failed to be published, sends what happens to sinks, and removes what is not to be kept,
    /// until [`Self::stop`] is called.
    pub async fn run(&self) {
        self.resume_rotation().await;
        let sinks = &self.inner.sinks;
        let stop = &self.inner.stop;
        tokio::join!(
            self.run_ticks(),
            self.run_with_others(),
            self.run_upkeep(),
            self.run_notifier(),
            sinks.watch(stop),
            sinks.run(stop),
        );
    }

    async fn run_ticks(&self) {
        let mut ticks = tokio::time::interval(limits::CONTROL_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweeps = tokio::time::interval(limits::SESSION_SWEEP);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.inner.stop.cancelled() => return,
                _ = sweeps.tick() => {
                    let idle = self.inner.settings.sign_in.idle;
                    if let Err(error) =
                        self.inner.store.remove_ended_sessions(clock::now(), idle).await
                    {
                        tracing::error!(%error, "sessions that are over could not be forgotten");
                    }
                    let before = clock::now() - limits::IDEMPOTENCY_TIME;
                    if let Err(error) = self.inner.store.forget_calls(before).await {
                        tracing::error!(%error, "calls with a key could not be forgotten");
                    }
                }
                _ = ticks.tick() => self.inner.drafts.forget(tokio::time::Instant::now()),
            }
            if let Err(problem) = self.tick(clock::now()).await {
                tracing::error!(detail = problem.detail(), "what was due could not be done yet");
            }
        }
    }

    /// Takes over what other processes change in the same store: when told of it, and at
    /// [`limits::STORE_POLL`] in case nothing tells.
    async fn run_with_others(&self) {
        let Some(changes) = self.inner.store.changes() else { return };
        let told = Notify::new();
        let listening = &self.inner.metrics.store_listening;
        let listen = async {
            loop {
                match changes.wait().await {
                    Ok(()) => {
                        listening.set(1);
                        told.notify_one();
                    }
                    Err(error) => {
                        if listening.get() == 1 {
                            tracing::warn!(%error, "not told of changes by other processes: looking for them");
                        }
                        listening.set(0);
                        tokio::time::sleep(limits::STORE_LISTEN_PAUSE).await;
                    }
                }
            }
        };
        let follow = async {
            let mut is_failing = false;
            loop {
                let followed = self.follow_others(changes).await;
                if let Err(problem) = &followed
                    && !is_failing
                {
                    tracing::error!(
                        detail = problem.detail(),
                        "what other processes changed cannot be taken over yet"
                    );
                }
                is_failing = followed.is_err();
                self.inner.behind.note("others", !is_failing, clock::now());
                // Whether told or not: the wait is what ends this turn, nothing else.
                let _ = tokio::time::timeout(limits::STORE_POLL, told.notified()).await;
            }
        };
        tokio::select! {
            () = self.inner.stop.cancelled() => {}
            () = listen => {}
            () = follow => {}
        }
    }

    /// Takes over what other processes have changed so far; nothing where the store is this
    /// process's own.
    ///
    /// # Errors
    /// What could not be taken over; it is at the next call.
    async fn follow_others(&self, changes: &dyn Changes) -> Result<(), Problem> {
        let switch = &self.inner.bypass;
        let followed = self.inner.publisher.catch_up(changes, || switch.doubt()).await;
        self.repair_bypass().await?;
        followed
    }

    /// Does what is due at `now`.
    ///
    /// # Errors
    /// What could not be done; it is due again at the next call.
    pub async fn tick(&self, now: Timestamp) -> Result<(), Problem> {
        let enforced = self.end_what_is_over(now).await;
        self.inner.behind.note("publish", enforced.is_ok(), now);
        // Of what is enforced, a risk says nothing.
        let settled = self.inner.store.settle_risks(now).await;
        enforced?;
        settled?;
        Ok(())
    }

    /// Ends what is over at `now`, and publishes what is not published yet.
    async fn end_what_is_over(&self, now: Timestamp) -> Result<(), Problem> {
        self.repair_bypass().await?;
        self.expire_bypass(now).await?;
        if self.inner.publisher.is_due(now) {
            let store = std::sync::Arc::clone(&self.inner.store);
            self.inner
                .publisher
                .change(Touched::Any, async move {
                    let leaks = store.expire_patches(now).await?;
                    Ok(((), leaks.into_iter().map(Touched::Leak).collect()))
                })
                .await?;
        }
        self.inner.publisher.settle(now).await
    }
}
