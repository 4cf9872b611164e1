//! Rotation of the key of tokens at rest: begun by a call, done in the background.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;
use utoipa::ToSchema;

use super::Control;
use super::problem::Problem;
use crate::config::limits;
use crate::model::role::Actor;
use crate::model::tenant::DEFAULT_TENANT;
use crate::store::StoreError;

/// How the keys of tokens at rest stand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(super) struct KeysState {
    /// The generation of the key in use: 1 at first, one more with each rotation.
    generation: u8,
    /// Whether a rotation is under way: until it is over, the old key is needed as well.
    rotating: bool,
    /// Tokens in the store.
    tokens: u64,
    /// Tokens that this process has looked at in the rotation under way.
    resealed: u64,
}

/// The rotation that this process does, if any.
#[derive(Default)]
pub(super) struct Rotation {
    is_running: AtomicBool,
    resealed: AtomicU64,
}

impl Control {
    /// How the keys stand.
    pub(super) async fn keys(&self) -> Result<KeysState, Problem> {
        let state = self.inner.store.key_state().await?;
        let resealed = self.inner.rotation.resealed.load(Ordering::Relaxed);
        Ok(KeysState {
            generation: state.generation,
            rotating: state.rotating,
            tokens: state.tokens,
            resealed: if state.rotating { resealed } else { 0 },
        })
    }

    /// Goes over to the next key, and seals everything anew in the background.
    pub(super) async fn rotate_keys(&self, actor: &Actor) -> Result<KeysState, Problem> {
        self.inner.store.begin_key_rotation(actor).await?;
        self.go_on_rotating(actor.clone());
        self.keys().await
    }

    /// Goes on with a rotation that another process of this store did not end.
    pub(super) async fn resume_rotation(&self) {
        match self.inner.store.key_state().await {
            Ok(state) if state.rotating => self.go_on_rotating(Actor::system(DEFAULT_TENANT)),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "how the keys stand could not be read"),
        }
    }

    fn go_on_rotating(&self, actor: Actor) {
        if self.inner.rotation.is_running.swap(true, Ordering::SeqCst) {
            return;
        }
        let control = self.clone();
        self.inner.tasks.spawn(async move {
            while !control.inner.stop.is_cancelled() {
                match control.reseal_all(&actor).await {
                    Ok(true) if control.is_rotating_no_more().await => return,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::error!(%error, "the rotation of keys waits");
                        let pause = tokio::time::sleep(limits::KEY_PAUSE);
                        let _ = control.inner.stop.run_until_cancelled(pause).await;
                    }
                }
            }
        });
    }

    /// Gives the work up, unless another rotation was begun before that: whoever began it has left it to
    /// the work under way.
    async fn is_rotating_no_more(&self) -> bool {
        let is_running = &self.inner.rotation.is_running;
        is_running.store(false, Ordering::SeqCst);
        let state = self.inner.store.key_state().await;
        let is_needed = !matches!(state, Ok(state) if !state.rotating);
        !is_needed || is_running.swap(true, Ordering::SeqCst)
    }

    /// Answers whether the rotation is over.
    async fn reseal_all(&self, actor: &Actor) -> Result<bool, StoreError> {
        let (store, rotation) = (&self.inner.store, &self.inner.rotation);
        rotation.resealed.store(0, Ordering::Relaxed);
        let mut after = None;
        while let Some(resealed) = store.reseal(after).await? {
            rotation.resealed.fetch_add(resealed.tokens, Ordering::Relaxed);
            after = Some(resealed.last);
            if self.inner.stop.is_cancelled() {
                return Ok(false);
            }
        }
        let is_over = store.end_key_rotation(actor).await?;
        if is_over {
            tracing::info!("keys are rotated: the old one is not needed any more");
        }
        Ok(is_over)
    }
}
