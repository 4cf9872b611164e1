//! The bypass switch: stops all blocking at once, until it is turned off or ends by itself. There is
//! one of the whole installation, and one of each tenant.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::intake::{fits, one_line};
use super::problem::Problem;
use super::{Control, Visitor, api};
use crate::config::limits;
use crate::model::clock;
use crate::model::role::{Actor, SYSTEM};
use crate::model::tenant::{DEFAULT_TENANT, Tenants};
use crate::store::StoreError;
use crate::store::types::Bypass;

/// The gateway's end of the bypass switch. Must act within a second.
pub trait BypassControl: Send + Sync {
    /// Stops all blocking, or lets it begin again.
    fn set(&self, on: bool);

    /// Stops blocking on the routes of these tenants, and of no others by themselves.
    fn set_tenants(&self, tenants: &[String]);
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

/// How a bypass switch stands, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct BypassState {
    /// The switch.
    #[serde(flatten)]
    pub bypass: Bypass,
    /// The tenant whose switch it is; absent: that of the whole installation.
    pub tenant: Option<String>,
    /// Whether the switch of the whole installation is on: nothing is blocked then, however this
    /// one stands.
    pub everywhere: bool,
}

/// What the process keeps of the switches.
#[derive(Default)]
pub(super) struct Switch {
    /// One turn at a time, so that store and gateway never disagree.
    turning: Arc<Mutex<()>>,
    /// Those that are on, by tenant (none: the whole installation's), and when each ends by itself.
    on: std::sync::Mutex<BTreeMap<Option<String>, Option<Timestamp>>>,
    /// Whether they may stand otherwise in the store.
    doubtful: AtomicBool,
}

impl Switch {
    /// Has the switches read again, until that succeeds.
    pub(super) fn doubt(&self) {
        self.doubtful.store(true, Ordering::Release);
    }

    fn on(&self) -> std::sync::MutexGuard<'_, BTreeMap<Option<String>, Option<Timestamp>>> {
        self.on.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those whose time is over.
    fn over(&self, now: Timestamp) -> Vec<Option<String>> {
        let over = |end: &Option<Timestamp>| end.is_some_and(|end| end <= now);
        self.on().iter().filter(|(_, end)| over(end)).map(|(tenant, _)| tenant.clone()).collect()
    }
}

impl Control {
    /// Sets the gateway's switches as they were left, where their time is not over. Where that
    /// fails, or one is being turned in this process, it is tried again at every tick.
    pub(super) async fn restore_bypass(&self) -> Result<(), StoreError> {
        let switch = &self.inner.bypass;
        // A turn in this process would be undone by what was read before it.
        let Ok(turning) = switch.turning.try_lock() else {
            switch.doubt();
            return Ok(());
        };
        switch.doubtful.store(false, Ordering::Release);
        let restored = self.act_on_stored().await;
        drop(turning);
        restored.inspect_err(|_| switch.doubt())
    }

    /// The same where the store may have other ones.
    pub(super) async fn repair_bypass(&self) -> Result<(), StoreError> {
        if !self.inner.bypass.doubtful.load(Ordering::Acquire) {
            return Ok(());
        }
        self.restore_bypass().await
    }

    async fn act_on_stored(&self) -> Result<(), StoreError> {
        let whole = self.inner.store.bypass().await?;
        let tenants = self.inner.store.tenant_bypasses().await?;
        let is_stored = |held: &&String| tenants.iter().any(|(tenant, _)| tenant == *held);
        let held: Vec<String> = self.inner.bypass.on().keys().flatten().cloned().collect();
        self.act_on(None, &whole);
        for gone in held.iter().filter(|held| !is_stored(held)) {
            self.forget_bypass(gone);
        }
        for (tenant, bypass) in tenants {
            self.act_on(Some(tenant), &bypass);
        }
        Ok(())
    }

    /// How the switch stands that the caller reaches: the whole installation's where that is all
    /// tenants.
    pub(super) async fn bypass(&self, of: &Tenants) -> Result<BypassState, Problem> {
        let whole = self.inner.store.bypass().await?;
        let everywhere = whole.on;
        let bypass = match of.only() {
            None => whole,
            Some(tenant) => {
                let all = self.inner.store.tenant_bypasses().await?;
                let own = all.into_iter().find(|(of, _)| of == tenant);
                own.map(|(_, bypass)| bypass).unwrap_or_default()
            }
        };
        Ok(BypassState { bypass, tenant: of.only().map(str::to_owned), everywhere })
    }

    pub(super) async fn turn_bypass(
        &self,
        caller: &Visitor,
        request: BypassRequest,
    ) -> Result<BypassState, Problem> {
        let now = clock::now();
        let actor = &caller.actor;
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
        let tenant = caller.tenants.only().map(str::to_owned);
        self.set_bypass(tenant, bypass, actor.clone(), None).await?;
        self.bypass(&caller.tenants).await
    }

    /// Turns those switches off whose time is over.
    pub(super) async fn expire_bypass(&self, now: Timestamp) -> Result<(), Problem> {
        for tenant in self.inner.bypass.over(now) {
            let bypass = Bypass {
                on: false,
                reason: Some("its time was over".to_owned()),
                expires_at: None,
                changed_by: Some(SYSTEM.to_owned()),
                changed_at: Some(now),
            };
            self.set_bypass(tenant, bypass, Actor::system(DEFAULT_TENANT), Some(now)).await?;
        }
        Ok(())
    }

    /// Forgets the switch of a tenant that is gone.
    pub(super) fn forget_bypass(&self, tenant: &str) {
        self.act_on(Some(tenant.to_owned()), &Bypass::default());
    }

    /// Stores the switch's state and acts on it; both happen, whether or not the caller waits.
    /// With `only_if_over`, nothing happens if somebody has meanwhile given it a later end.
    async fn set_bypass(
        &self,
        tenant: Option<String>,
        bypass: Bypass,
        actor: Actor,
        only_if_over: Option<Timestamp>,
    ) -> Result<(), Problem> {
        let control = self.clone();
        let turn = async move {
            let switch = &control.inner.bypass;
            let turning = Arc::clone(&switch.turning).lock_owned().await;
            if only_if_over.is_some_and(|now| !switch.over(now).contains(&tenant)) {
                return Ok(());
            }
            let store = &control.inner.store;
            let stored = match &tenant {
                None => store.set_bypass(bypass.clone(), &actor).await,
                Some(tenant) => store.set_tenant_bypass(tenant, bypass.clone(), &actor).await,
            };
            // A store that fails does not say whether it is stored all the same.
            stored.inspect_err(|_| switch.doubt())?;
            control.act_on(tenant, &bypass);
            drop(turning);
            Ok::<_, StoreError>(())
        };
        match tokio::spawn(turn).await {
            Ok(done) => Ok(done?),
            Err(error) => {
                tracing::error!(%error, "turning the bypass switch broke off");
                Err(Problem::failed())
            }
        }
    }

    fn act_on(&self, tenant: Option<String>, bypass: &Bypass) {
        let over = bypass.expires_at.is_some_and(|at| at <= clock::now());
        let on = bypass.on && !over;
        let by = bypass.changed_by.as_deref().unwrap_or("nobody");
        let of = tenant.as_deref().unwrap_or("all tenants").to_owned();
        let mut held = self.inner.bypass.on();
        if bypass.on {
            held.insert(tenant.clone(), bypass.expires_at);
        } else {
            held.remove(&tenant);
        }
        if tenant.is_none() {
            self.inner.hooks.bypass.set(on);
        } else {
            let now = clock::now();
            let lasts = |end: &Option<Timestamp>| end.is_none_or(|end| end > now);
            let on = held.iter().filter(|(_, end)| lasts(end));
            let tenants: Vec<String> = on.filter_map(|(tenant, _)| tenant.clone()).collect();
            self.inner.hooks.bypass.set_tenants(&tenants);
        }
        drop(held);
        if on {
            tracing::warn!(by, of, "the bypass is on: nothing is blocked");
        } else if bypass.changed_at.is_some() {
            tracing::warn!(by, of, "the bypass is off: virtual patches are in force");
        }
    }
}
