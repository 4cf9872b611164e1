//! The bypass switch: stops all blocking at once, until it is turned off or ends by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::intake::{fits, one_line};
use super::problem::Problem;
use super::{Control, api, timers};
use crate::config::limits;
use crate::model::clock;
use crate::model::role::Actor;
use crate::store::StoreError;
use crate::store::types::Bypass;

/// The gateway's end of the bypass switch. Must act within a second.
pub trait BypassControl: Send + Sync {
    /// Stops all blocking, or lets it begin again.
    fn set(&self, on: bool);
}

/// How the bypass switch is to stand.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BypassRequest {
    /// Whether all blocking is to stop.
    on: bool,
    /// Why: one line, up to 256 bytes.
    #[serde(default)]
    reason: Option<String>,
    /// When it ends by itself.
    #[serde(default, deserialize_with = "api::time")]
    expires_at: Option<Timestamp>,
}

/// What the process keeps of the switch.
pub(super) struct Switch {
    /// One turn at a time, so that store and gateway never disagree.
    turning: Arc<Mutex<()>>,
    /// Milliseconds of the time when it ends by itself.
    ends_at: AtomicI64,
}

impl Default for Switch {
    fn default() -> Self {
        Self { turning: Arc::default(), ends_at: AtomicI64::new(i64::MAX) }
    }
}

impl Control {
    /// Sets the gateway's switch as it was left, where its time is not over.
    pub(super) async fn restore_bypass(&self) -> Result<(), StoreError> {
        let bypass = self.inner.store.bypass().await?;
        self.act_on(&bypass);
        Ok(())
    }

    /// How the switch stands.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn bypass(&self) -> Result<Bypass, Problem> {
        Ok(self.inner.store.bypass().await?)
    }

    pub(super) async fn turn_bypass(
        &self,
        actor: &Actor,
        request: BypassRequest,
    ) -> Result<Bypass, Problem> {
        let now = clock::now();
        let reason = request.reason.map(|reason| one_line(&reason)).filter(|r| !r.is_empty());
        fits("reason", reason.as_deref().unwrap_or_default(), limits::NAME_BYTES)?;
        if request.expires_at.is_some_and(|at| !request.on || at <= now) {
            return Err(Problem::invalid(
                "expires_at",
                "it says when a switch that is on ends by itself: give a later time, with on: true",
            ));
        }
        let said = reason.as_deref().unwrap_or_default();
        let redactor = self.redactor(&actor.tenant, &[], &[said]).await?;
        let bypass = Bypass {
            on: request.on,
            reason: redactor.option(reason),
            expires_at: request.expires_at,
            changed_by: Some(actor.name.clone()),
            changed_at: Some(now),
        };
        self.set_bypass(bypass, actor.clone(), None).await
    }

    /// Turns the switch off where its time is over.
    pub(super) async fn expire_bypass(&self, now: Timestamp) -> Result<(), Problem> {
        if !self.bypass_is_over(now) {
            return Ok(());
        }
        let bypass = Bypass {
            on: false,
            reason: Some("its time was over".to_owned()),
            expires_at: None,
            changed_by: Some(timers::SYSTEM.to_owned()),
            changed_at: Some(now),
        };
        self.set_bypass(bypass, timers::system(), Some(now)).await.map(drop)
    }

    /// Stores the switch's state and acts on it; both happen, whether or not the caller waits.
    /// With `only_if_over`, nothing happens if somebody has meanwhile given it a later end.
    async fn set_bypass(
        &self,
        bypass: Bypass,
        actor: Actor,
        only_if_over: Option<Timestamp>,
    ) -> Result<Bypass, Problem> {
        let control = self.clone();
        let turn = async move {
            let turning = Arc::clone(&control.inner.bypass.turning).lock_owned().await;
            if only_if_over.is_some_and(|now| !control.bypass_is_over(now)) {
                return Ok(bypass);
            }
            control.inner.store.set_bypass(bypass.clone(), &actor).await?;
            control.act_on(&bypass);
            drop(turning);
            Ok::<_, StoreError>(bypass)
        };
        match tokio::spawn(turn).await {
            Ok(done) => Ok(done?),
            Err(error) => {
                tracing::error!(%error, "turning the bypass switch broke off");
                Err(Problem::failed())
            }
        }
    }

    fn bypass_is_over(&self, now: Timestamp) -> bool {
        self.inner.bypass.ends_at.load(Ordering::Acquire) <= now.as_millisecond()
    }

    fn act_on(&self, bypass: &Bypass) {
        let over = bypass.expires_at.is_some_and(|at| at <= clock::now());
        let on = bypass.on && !over;
        let ends_at = match bypass.expires_at {
            Some(at) if bypass.on => at.as_millisecond(),
            _ => i64::MAX,
        };
        self.inner.hooks.bypass.set(on);
        self.inner.bypass.ends_at.store(ends_at, Ordering::Release);
        let by = bypass.changed_by.as_deref().unwrap_or("nobody");
        if on {
            tracing::warn!(by, "the bypass is on: nothing is blocked");
        } else if bypass.changed_at.is_some() {
            tracing::warn!(by, "the bypass is off: virtual patches are in force");
        }
    }
}
