//! The gateway as a whole: bound, run, drained.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::access_log::AccessLog;
use super::bypass::BypassSwitch;
use super::crowd::ByClient;
use super::held_total::HeldTotal;
use super::listen::{self, BindError, Bound, Listening, PassedSockets, SocketFile};
use super::reload::{Order, Reloader};
use super::settings::Base;
use super::tls::{Terminator, TlsProblems};
use super::upstream::Directory;
use super::worker::{self, Shared};
use crate::config::{self, limits};
use crate::events::Recorder;
use crate::matcher::PatchsetHandle;
use crate::telemetry::metrics::Metrics;

/// A gateway whose addresses are bound, and which has not accepted a connection yet.
pub struct Gateway {
    shared: Shared,
    bound: Vec<config::Listener>,
    /// The listening sockets of each worker.
    listening: Vec<Vec<Listening>>,
    /// The orders of each worker.
    orders: Vec<mpsc::Receiver<Order>>,
    reloader: Arc<Reloader>,
    /// Removed at the end.
    files: Vec<SocketFile>,
}

/// Why a running gateway stopped before it was told to.
#[derive(Debug, thiserror::Error)]
#[error("gateway worker {worker} stopped: {source}")]
pub struct RunError {
    /// The worker's number.
    pub worker: usize,
    /// Why.
    pub source: io::Error,
}

/// Why a gateway cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsProblems),
}

impl Gateway {
    /// Binds the places of `gateway.listen`; those of systemd are among the sockets that it passed.
    /// From now on clients can connect; they are served once it runs.
    ///
    /// # Errors
    /// [`StartError`] names the address or the file and what to do, such as for a port in use.
    pub fn bind(
        config: config::Gateway,
        mut passed: PassedSockets,
        patchset: PatchsetHandle,
        recorder: Recorder,
        metrics: Arc<Metrics>,
        bypass: BypassSwitch,
    ) -> Result<Self, StartError> {
        let workers = config.workers.max(1);
        let terminator = Terminator::load(&config.tls)?;
        let mut listening: Vec<Vec<Listening>> = (0..workers).map(|_| Vec::new()).collect();
        let (mut bound, mut files) = (Vec::new(), Vec::new());
        for listener in &config.listen {
            let Bound { listener, sockets, file } =
                listen::bind(listener, config.unix_mode, &mut passed, workers)?;
            bound.push(listener);
            files.extend(file);
            for (worker, sockets) in listening.iter_mut().zip(sockets) {
                worker.extend(sockets);
            }
        }
        let directory = Arc::new(Directory::new(&config, None, &metrics));
        let base = Base { config: Arc::new(config), terminator, directory };
        let drain = CancellationToken::new();
        let (reloader, orders) = Reloader::new(base.clone(), Arc::clone(&metrics), workers);
        let by_client = ByClient::default();
        let shared = Shared {
            base,
            patchset,
            recorder,
            held: HeldTotal::new(metrics.hold_total_reached.clone()),
            metrics,
            bypass,
            by_client,
            drain,
            access_log: None,
        };
        Ok(Self { shared, bound, listening, orders, reloader: Arc::new(reloader), files })
    }

    /// Its requests are told of in this access log, as `gateway.access_log` says.
    #[must_use]
    pub fn logging_to(mut self, log: &AccessLog) -> Self {
        self.shared.access_log = Some(log.queue());
        self
    }

    /// Where it listens, in the order of the configuration, with actual ports.
    pub fn listeners(&self) -> &[config::Listener] {
        &self.bound
    }

    /// The addresses among these.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.bound.iter().filter_map(config::Listener::address).collect()
    }

    /// A hand on it that changes its configuration while it runs.
    pub fn reloader(&self) -> Arc<Reloader> {
        Arc::clone(&self.reloader)
    }

    /// Serves until `shutdown` is cancelled, and then drains: no more connections are taken,
    /// requests under way are finished, and what is still open after `gateway.timeouts.drain` is
    /// cut.
    ///
    /// # Errors
    /// [`RunError`] where a worker could not start or stopped by itself; the others are drained
    /// then.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let Self { shared, listening, orders, reloader, .. } = self;
        let drain = shared.drain.clone();
        let (bypass, metrics) = (shared.bypass.clone(), Arc::clone(&shared.metrics));
        let watched = tokio::spawn(watch_bypass(bypass, metrics, reloader.watch()));
        shared.base.directory.start();
        let mut workers = FuturesUnordered::new();
        let mut result = Ok(());
        for (number, (listening, orders)) in listening.into_iter().zip(orders).enumerate() {
            match start(number, shared.clone(), listening, orders) {
                Ok(ended) => workers.push(async move {
                    let panicked = |_| Err(io::Error::other("it panicked"));
                    (number, ended.await.unwrap_or_else(panicked))
                }),
                Err(source) => {
                    result = Err(RunError { worker: number, source });
                    drain.cancel();
                }
            }
        }
        // What it begins with is given up at the first reload.
        drop(shared);
        let stopping = tokio::spawn({
            let drain = drain.clone();
            async move {
                shutdown.cancelled().await;
                drain.cancel();
            }
        });
        while let Some((number, ended)) = workers.next().await {
            if let Err(source) = ended {
                tracing::error!(worker = number, error = %source, "a worker stopped");
                drain.cancel();
                result = Err(RunError { worker: number, source });
            }
        }
        reloader.watch().borrow().directory.stop();
        stopping.abort();
        watched.abort();
        drop(self.files);
        result
    }
}

/// Starts a worker's thread; what it returns with comes through the channel.
fn start(
    number: usize,
    shared: Shared,
    listening: Vec<Listening>,
    orders: mpsc::Receiver<Order>,
) -> io::Result<oneshot::Receiver<io::Result<()>>> {
    let (tell, ended) = oneshot::channel();
    thread::Builder::new().name(format!("leakgate-worker-{number}")).spawn(move || {
        // Nobody listens any more only where the process is going down.
        let _ = tell.send(worker::run(shared, listening, orders));
    })?;
    Ok(ended)
}

/// Turns the bypass switch on while the bypass file is there, which works without a control plane,
/// and shows the switch as a metric.
async fn watch_bypass(bypass: BypassSwitch, metrics: Arc<Metrics>, current: watch::Receiver<Base>) {
    let mut ticks = tokio::time::interval(limits::BYPASS_POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let file = current.borrow().config.bypass_file.clone();
        match file {
            Some(file) => {
                // A file that cannot be looked at changes nothing.
                if let Ok(present) = tokio::fs::try_exists(&file).await {
                    bypass.set_by_file(present);
                }
            }
            None => bypass.set_by_file(false),
        }
        metrics.bypass.set(i64::from(bypass.is_on()));
    }
}
