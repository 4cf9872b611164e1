//! One process with both halves: started in order, drained in reverse.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::explain::Explainer;
use super::reload::Reload;
use super::signals::{Asked, Signals};
use super::{Failure, admin};
use crate::config::{Config, Listener, Route, limits};
use crate::console;
use crate::control::{
    self, Bootstrapped, BypassControl, Control, Explain, FirstStart, Hooks, LiveSink, Settings,
};
use crate::events::{self, EventSink, JsonLines, Writer};
use crate::matcher::{Patchset, PatchsetHandle};
use crate::model::event::Event;
use crate::model::tenant::TenantKey;
use crate::proxy::{AccessLog, BypassSwitch, Gateway, PassedSockets, Reloader, RunError};
use crate::store::{self, KeySource, Store};
use crate::telemetry::health::Readiness;
use crate::telemetry::metrics::Metrics;

/// What a start needs beside the configuration.
pub(super) struct Start {
    /// The sockets that systemd passed.
    pub(super) passed: PassedSockets,
    /// Where the store's key comes from.
    pub(super) key: KeySource,
    /// The first administrator's credentials.
    pub(super) admin: FirstStart,
    /// Tells the operator what happened on the way.
    pub(super) tell: fn(&str),
}

/// Reads the configuration anew.
pub(super) type Again<'a> = dyn Fn() -> Result<Config, Failure> + 'a;

/// A running process.
pub(super) struct Process {
    store: Arc<dyn Store>,
    control: Control,
    writer: Writer,
    readiness: Readiness,
    listeners: Vec<Listener>,
    control_address: SocketAddr,
    admin_address: Option<SocketAddr>,
    gateway: JoinHandle<Result<(), RunError>>,
    api: JoinHandle<std::io::Result<()>>,
    timers: JoinHandle<()>,
    stop_gateway: CancellationToken,
    stop_api: CancellationToken,
    reload: Reload,
    access_log: Option<AccessLog>,
    /// What is shown once.
    pub(super) bootstrapped: Bootstrapped,
}

impl Process {
    /// Starts everything; ready when this returns.
    ///
    /// # Errors
    /// What kept it from starting.
    pub(super) async fn start(config: Config, start: Start) -> Result<Self, Failure> {
        let metrics = Arc::new(Metrics::new()?);
        let readiness = Readiness::default();
        let control_address = config.control.listen;
        let listener = listen("control.listen", control_address).await?;
        let control_address = listener.local_addr().unwrap_or(control_address);
        let admin_listener = match config.gateway.admin_listen {
            Some(address) => Some(listen("gateway.admin_listen", address).await?),
            None => None,
        };

        let opened = store::open(&config.store.url, start.key).await?;
        for notice in &opened.notices {
            (start.tell)(notice);
        }
        let store = opened.store;
        let patchset = PatchsetHandle::new(Arc::new(Patchset::empty()));
        let bypass = BypassSwitch::default();
        let explainer = Arc::new(Explainer::new(patchset.clone(), &config.gateway));
        let hooks = Hooks {
            bypass: Arc::new(Hand { switch: bypass.clone(), metrics: Arc::clone(&metrics) }),
            explain: Arc::clone(&explainer) as Arc<dyn Explain>,
        };
        let control = Control::new(
            Arc::clone(&store),
            patchset.clone(),
            Settings::from(&config),
            hooks,
            Arc::clone(&metrics),
        );
        let mut sinks: Vec<Arc<dyn EventSink>> =
            vec![Arc::new(StoreSink(Arc::clone(&store))), Arc::new(LiveSink::new(control.clone()))];
        if config.events.stdout {
            sinks.push(Arc::new(JsonLines::new(std::io::stdout())));
        }
        let (recorder, writer) = events::start(sinks, Arc::clone(&metrics));
        let running = config.clone();
        let key = store.fingerprint_key().clone();
        let access_log = match &config.gateway.access_log.file {
            Some(file) => {
                Some(AccessLog::start(file, key, patchset.clone(), Arc::clone(&metrics))?)
            }
            None => None,
        };
        let routes = config.gateway.routes.clone();
        let mut gateway = Gateway::bind(
            config.gateway,
            start.passed,
            patchset,
            recorder,
            Arc::clone(&metrics),
            bypass,
        )?;
        if let Some(log) = &access_log {
            gateway = gateway.logging_to(log);
        }
        let reload = Reload {
            running,
            gateway: gateway.reloader(),
            explainer,
            metrics: Arc::clone(&metrics),
        };
        let listeners = gateway.listeners().to_vec();

        // Last of what can fail: what it makes is shown only once.
        control.publish().await?;
        let bootstrapped = control::bootstrap(store.as_ref(), start.admin).await?;
        warn_of_unknown_tenants(store.as_ref(), &routes).await?;

        let stop_gateway = CancellationToken::new();
        let stop_api = CancellationToken::new();
        let router = control::router(control.clone())
            .merge(console::router(control.clone()))
            .merge(admin::router(readiness.clone(), Arc::clone(&metrics)));
        let admin_address = admin_listener.as_ref().and_then(|l| l.local_addr().ok());
        if let Some(listener) = admin_listener {
            let (router, stop) = (admin::router(readiness.clone(), metrics), stop_api.clone());
            // It ends with the API; what it answers is made at once.
            tokio::spawn(async move {
                axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
            });
        }
        let api = tokio::spawn({
            let stop = stop_api.clone();
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            async move {
                axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await
            }
        });
        let gateway = tokio::spawn(gateway.run(stop_gateway.clone()));
        let timers = tokio::spawn({
            let control = control.clone();
            async move { control.run().await }
        });
        readiness.ready();
        Ok(Self {
            store,
            control,
            writer,
            readiness,
            listeners,
            control_address,
            admin_address,
            gateway,
            api,
            timers,
            stop_gateway,
            stop_api,
            reload,
            access_log,
            bootstrapped,
        })
    }

    /// A hand on the running gateway.
    pub(super) fn reloader(&self) -> Arc<Reloader> {
        Arc::clone(&self.reload.gateway)
    }

    /// The first address that requests come to.
    pub(super) fn gateway_address(&self) -> SocketAddr {
        let first = self.listeners.iter().find_map(Listener::address);
        // The demo, which asks, listens on an address.
        first.unwrap_or(self.control_address)
    }

    /// All places that requests come to.
    pub(super) fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// The address of the API.
    pub(super) fn control_address(&self) -> SocketAddr {
        self.control_address
    }

    /// The address of metrics and health beside the API's, where one is configured.
    pub(super) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Until a signal asks for the end, or one half ends by itself. `again` reads the configuration
    /// anew, for SIGHUP; without it the signal only opens logs anew.
    pub(super) async fn wait(&mut self, signals: &mut Signals, again: Option<&Again<'_>>) -> Ended {
        loop {
            tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Drain => return Ended::Asked,
                    Asked::Reload => {
                        if let Some(log) = &self.access_log {
                            log.reopen();
                        }
                        self.control.reopen_sinks();
                        if let Some(again) = again {
                            self.reload.take(again()).await;
                        }
                    }
                },
                ended = &mut self.gateway => {
                    tracing::error!("the gateway ended by itself");
                    return Ended::Gateway(ended.unwrap_or(Ok(())));
                }
                _ = &mut self.api => {
                    tracing::error!("the control plane ended by itself");
                    return Ended::Control;
                }
            }
        }
    }

    /// Finishes what is under way, writes what is queued, closes the store. The halves are ended in
    /// the order in which nothing is lost: requests, their events, the store.
    pub(super) async fn drain(self, ended: Ended) -> Result<(), Failure> {
        let timeouts = self.reload.running.gateway.timeouts;
        self.readiness.drain();
        if matches!(ended, Ended::Asked) {
            // Whoever sends requests here learns that it is not to, before it is refused.
            tokio::time::sleep(timeouts.drain_delay).await;
        }
        let deadline = Instant::now() + timeouts.drain;
        self.stop_gateway.cancel();
        self.control.stop();
        self.stop_api.cancel();
        let api_ended = matches!(ended, Ended::Control);
        let result = match ended {
            Ended::Gateway(result) => result,
            Ended::Asked | Ended::Control => self.gateway.await.unwrap_or(Ok(())),
        };
        if !api_ended && timeout(timeouts.drain, self.api).await.is_err() {
            tracing::warn!("calls of the API were cut off at the drain's end");
        }
        if self.timers.await.is_err() {
            tracing::error!("the timers ended by themselves: patches may not have ended in time");
        }
        // What was promised to be done is done before the store is closed.
        self.control.finish(deadline.max(Instant::now() + limits::DRAIN_LAST)).await;
        self.writer.finish().await;
        if let Some(log) = self.access_log
            && tokio::task::spawn_blocking(move || log.finish()).await.is_err()
        {
            tracing::error!("the access log could not be finished");
        }
        self.store.close().await;
        Ok(result?)
    }
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|source| Failure::Listen { key, address, source })
}

/// Why a process ends.
pub(super) enum Ended {
    /// A signal asked for it.
    Asked,
    /// The gateway ended by itself.
    Gateway(Result<(), RunError>),
    /// The control plane ended by itself.
    Control,
}

/// Says which routes name a tenant that is not there: on those, no rule acts.
async fn warn_of_unknown_tenants(store: &dyn Store, routes: &[Route]) -> Result<(), Failure> {
    for route in routes {
        let tenant = &*route.tenant.id;
        if store.tenant(tenant).await?.is_none() {
            tracing::warn!(
                tenant,
                "a route names a tenant that is not there: no rule acts on it until \
                 `leakgate tenants create` makes it"
            );
        }
    }
    Ok(())
}

/// The control plane's hand on the gateway's bypass switch.
struct Hand {
    switch: BypassSwitch,
    metrics: Arc<Metrics>,
}

impl BypassControl for Hand {
    fn set(&self, on: bool) {
        self.switch.set(on);
        self.metrics.bypass.set(i64::from(on));
    }

    fn set_tenants(&self, tenants: &[String]) {
        self.switch.set_tenants(tenants.iter().map(|id| TenantKey::of(id)).collect());
        self.metrics.bypass_tenants.set(i64::try_from(tenants.len()).unwrap_or(i64::MAX));
    }
}

/// Events into the store.
struct StoreSink(Arc<dyn Store>);

#[async_trait::async_trait]
impl EventSink for StoreSink {
    fn name(&self) -> &'static str {
        "store"
    }

    async fn write(&self, batch: &[Event]) -> Result<(), String> {
        self.0.append_events(batch).await.map(drop).map_err(|error| error.to_string())
    }

    async fn hold(&self, growing: &[Event]) -> Result<(), String> {
        self.0.hold_events(growing).await.map_err(|error| error.to_string())
    }
}
