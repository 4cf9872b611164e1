//! The control plane: where leaks are registered and decided, and from where the patchset that the
//! gateways enforce is published.

mod account;
mod api;
mod auth;
mod bootstrap;
mod bulk;
mod bypass;
mod credentials;
pub mod csrf;
mod decisions;
mod drafts;
mod event_intake;
mod explain;
mod findings;
mod four_eyes;
mod gateways;
pub mod guard;
mod hooks;
mod imports;
mod intake;
mod live;
mod notify;
mod oidc;
mod once;
mod passwords;
mod problem;
mod publish;
mod redact;
mod rotation;
mod scope;
mod sessions;
mod sinks;
mod throttle;
mod timers;
mod upkeep;
mod users;
mod webhooks;

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{self, Config, limits};
use crate::matcher::PatchsetHandle;
use crate::model::clock;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;

pub use account::NewPassword;
pub use api::{
    Access, Call, Desk, LeakFilter, NewlyMadeApiToken, Upload, bounded, calls, form_body, openapi,
    router, upload,
};
pub use auth::{Credential, Visitor};
pub use bootstrap::{BootstrapError, Bootstrapped, FirstStart, bootstrap};
pub use bulk::{BulkAnswer, BulkRequest, BulkTarget};
pub use bypass::{BypassControl, BypassState};
pub use credentials::CredentialError;
pub use decisions::{Decided, LeakChange, PatchRequest};
pub use drafts::{Drafted, NewReport, Review, Reviewed};
pub use explain::{Explain, ExplainedHit, Explanation, MalformedRequest, Outcome};
pub use gateways::GatewayState;
pub use hooks::{HookAnswer, HookState, Label};
pub use imports::{Import, ImportStatus, LineReason};
pub use intake::{NewLeak, RegisteredLeak};
pub use live::LiveSink;
pub use oidc::{Departure, Return};
pub use problem::{Problem, ProblemDocument};
pub use sessions::{Origin, Session, SignIn, SignInSettings, no_cookie};
pub use sinks::SinkSettings;
pub use users::{ChangedUser, NewUser};
pub use webhooks::{ChangedWebhook, NewWebhook};

pub use crate::config::limits::{TOTAL_COUNT, TOTAL_COUNT_ONE_BY_ONE, WAITING_SHOWN};
pub use crate::model::tenant::DEFAULT_TENANT;
pub use crate::store::identity::{Tenant, User};
pub use crate::store::outgoing::{Letter, Webhook};
pub use crate::store::types::{
    ApiToken, AuditEntry, Bypass, Count, Day, EventPage, Impact, ImpactRow, LeakPage, Page, Stats,
    Verdict,
};
pub use crate::store::views::{EventGroup, EventGroups, GroupBy, UserSession};

use live::LiveEvents;
use publish::Publisher;

/// What the control plane needs to know of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Days for which a closed leak's tokens are watched.
    pub watch_closed_days: u32,
    /// The name of the gateway in this process.
    pub gateway: String,
    /// How sessions are.
    pub sign_in: SignInSettings,
    /// The identity provider, where there is one.
    pub oidc: Option<config::Oidc>,
    /// The hooks of partners that report leaks.
    pub hooks: Vec<config::Hook>,
    /// The tenants whose closed leaks are opened again when one of their tokens is reported.
    pub reopen_reported: Vec<String>,
    /// What is sent, notified and kept.
    pub outgoing: OutgoingSettings,
}

/// What the control plane needs to know of the configuration for what goes out by itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutgoingSettings {
    /// Where things are sent.
    pub sinks: SinkSettings,
    /// Who is notified of what.
    pub notifications: config::Notifications,
    /// For how long events are kept.
    pub kept: config::KeptEvents,
}

impl From<&Config> for OutgoingSettings {
    fn from(config: &Config) -> Self {
        Self {
            sinks: SinkSettings {
                sinks: config.sinks.clone(),
                webhooks: config.control.webhooks.clone(),
                public_url: config.control.public_url.clone(),
            },
            notifications: config.control.notifications,
            kept: config.store.events,
        }
    }
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            watch_closed_days: config.control.watch_closed_days,
            gateway: config.gateway.name.clone(),
            sign_in: SignInSettings::from(&config.control),
            oidc: config.control.oidc.clone(),
            hooks: config.control.hooks.clone(),
            reopen_reported: config.control.reopen_reported.clone(),
            outgoing: OutgoingSettings::from(config),
        }
    }
}

/// What the process lends to the control plane.
#[derive(Clone)]
pub struct Hooks {
    /// The gateway's bypass switch.
    pub bypass: Arc<dyn BypassControl>,
    /// The inspector, for `explain`.
    pub explain: Arc<dyn Explain>,
}

/// The control plane of one process. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    publisher: Publisher,
    handle: PatchsetHandle,
    settings: Settings,
    hooks: Hooks,
    bypass: bypass::Switch,
    live: LiveEvents,
    sinks: Arc<sinks::Sinks>,
    behind: notify::Behind,
    sign_ins: sessions::SignIns,
    provider: Option<oidc::Provider>,
    receivers: hooks::Receivers,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    calls: Arc<Semaphore>,
    heavy_reads: Semaphore,
    exports: Arc<Semaphore>,
    explanations: Arc<Semaphore>,
    patchset_waiters: Semaphore,
    patchset_pulls: Arc<Semaphore>,
    /// Changes and imports under way.
    tasks: TaskTracker,
    imports: imports::Imports,
    import_permits: Arc<Semaphore>,
    rotation: rotation::Rotation,
    drafts: drafts::Drafts,
}

impl Control {
    /// A control plane that has published nothing yet: see [`Self::publish`].
    pub fn new(
        store: Arc<dyn Store>,
        handle: PatchsetHandle,
        settings: Settings,
        hooks: Hooks,
        metrics: Arc<Metrics>,
    ) -> Self {
        let tasks = TaskTracker::new();
        let publisher = Publisher::new(
            Arc::clone(&store),
            handle.clone(),
            settings.watch_closed_days,
            Arc::clone(&metrics),
            tasks.clone(),
        );
        let sinks = Arc::new(sinks::Sinks::new(
            Arc::clone(&store),
            settings.outgoing.sinks.clone(),
            &settings.gateway,
            Arc::clone(&metrics),
        ));
        Self {
            inner: Arc::new(Inner {
                store,
                publisher,
                handle,
                provider: settings.oidc.clone().map(oidc::Provider::new),
                receivers: hooks::Receivers::new(&settings.hooks),
                settings,
                hooks,
                bypass: bypass::Switch::default(),
                live: LiveEvents::new(),
                sinks,
                behind: notify::Behind::default(),
                sign_ins: sessions::SignIns::default(),
                metrics,
                stop: CancellationToken::new(),
                calls: Arc::new(Semaphore::new(limits::API_CALLS)),
                heavy_reads: Semaphore::new(limits::HEAVY_READS),
                exports: Arc::new(Semaphore::new(limits::EVENT_EXPORTS)),
                explanations: Arc::new(Semaphore::new(limits::EXPLANATIONS)),
                patchset_waiters: Semaphore::new(limits::PATCHSET_WAITERS),
                patchset_pulls: Arc::new(Semaphore::new(limits::PATCHSET_PULLS)),
                tasks,
                imports: imports::Imports::default(),
                import_permits: Arc::new(Semaphore::new(limits::IMPORTS)),
                rotation: rotation::Rotation::default(),
                drafts: drafts::Drafts::default(),
            }),
        }
    }

    /// Loads every leak that is enforced or watched, publishes the patchset, and sets the bypass
    /// switch as it was left. To be called once, before requests are let in.
    ///
    /// # Errors
    /// What went wrong in the store; nothing was published.
    pub async fn publish(&self) -> Result<(), StoreError> {
        self.inner.publisher.load().await?;
        // Where no other process uses the store, whoever counted what still grows is gone.
        if self.inner.store.changes().is_none() {
            self.inner.store.release_held_events(clock::now()).await?;
        }
        // What happens from now on is sent, whether or not a sink runs yet.
        self.inner.sinks.begin(notify::READER).await?;
        self.note_policies().await?;
        self.restore_bypass().await
    }

    /// Stands in line for one of the few places of reads that look through much of the store.
    async fn heavy_read(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let place = self.inner.heavy_reads.acquire();
        match tokio::time::timeout(limits::HEAVY_READ_WAIT, place).await {
            Ok(Ok(place)) => Ok(place),
            _ => {
                self.hit("heavy_reads");
                Err(Problem::busy("calls that look through much of the store"))
            }
        }
    }

    /// Whether users can sign in at an identity provider.
    pub fn has_provider(&self) -> bool {
        self.inner.provider.is_some()
    }

    /// Where everything is kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Waits for changes and imports under way, until `deadline`. For shutdown, once no more calls
    /// come in and before the store is closed. An import that is not done by then is told in the log.
    pub async fn finish(&self, deadline: Instant) {
        self.inner.tasks.close();
        if tokio::time::timeout_at(deadline, self.inner.tasks.wait()).await.is_ok() {
            return;
        }
        tracing::error!("changes under way were cut off: they are stored whole or not at all");
        for import in self.inner.imports.running() {
            tracing::error!(
                import = %import.id,
                leaks = import.leaks,
                tokens = import.tokens,
                merged = import.merged,
                "an import was cut off: what it had registered stays, import the report again"
            );
        }
    }

    /// Ends what has no end by itself: live streams and the timers. For shutdown.
    pub fn stop(&self) {
        self.inner.stop.cancel();
    }
}
