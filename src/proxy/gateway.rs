//! The gateway as a whole: bound, run, drained.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::bypass::BypassSwitch;
use super::listen::{self, BindError};
use super::reload::{Order, Reloader};
use super::worker::{self, Shared};
use crate::config::{self, limits};
use crate::events::Recorder;
use crate::matcher::PatchsetHandle;
use crate::telemetry::metrics::Metrics;

/// A gateway whose addresses are bound, and which has not accepted a connection yet.
pub struct Gateway {
    shared: Shared,
    addresses: Vec<SocketAddr>,
    /// The listeners of each worker.
    listeners: Vec<Vec<TcpListener>>,
    /// The orders of each worker.
    orders: Vec<mpsc::Receiver<Order>>,
    reloader: Arc<Reloader>,
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

impl Gateway {
    /// Binds the addresses of `gateway.listen`. From now on clients can connect; they are served
    /// once it runs.
    ///
    /// # Errors
    /// [`BindError`] names the address and what to do, such as for a port in use.
    pub fn bind(
        config: config::Gateway,
        patchset: PatchsetHandle,
        recorder: Recorder,
        metrics: Arc<Metrics>,
        bypass: BypassSwitch,
    ) -> Result<Self, BindError> {
        let workers = config.workers.max(1);
        let mut listeners: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for address in &config.listen {
            let bound = listen::bind(*address, workers)?;
            addresses.push(bound.address);
            for (worker, listener) in listeners.iter_mut().zip(bound.listeners) {
                worker.push(listener);
            }
        }
        let config = Arc::new(config);
        let drain = CancellationToken::new();
        let (reloader, orders) = Reloader::new(Arc::clone(&config), workers);
        let shared = Shared { config, patchset, recorder, metrics, bypass, drain };
        Ok(Self { shared, addresses, listeners, orders, reloader: Arc::new(reloader) })
    }

    /// The addresses it listens on, in the order of the configuration, with their actual ports.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
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
        let drain = self.shared.drain.clone();
        let watched = tokio::spawn(watch_bypass(self.shared.clone(), self.reloader.watch()));
        let mut workers = FuturesUnordered::new();
        let mut result = Ok(());
        for (number, (listeners, orders)) in self.listeners.into_iter().zip(self.orders).enumerate()
        {
            match start(number, self.shared.clone(), listeners, orders) {
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
        stopping.abort();
        watched.abort();
        result
    }
}

/// Starts a worker's thread; what it returns with comes through the channel.
fn start(
    number: usize,
    shared: Shared,
    listeners: Vec<TcpListener>,
    orders: mpsc::Receiver<Order>,
) -> io::Result<oneshot::Receiver<io::Result<()>>> {
    let (tell, ended) = oneshot::channel();
    thread::Builder::new().name(format!("leakgate-worker-{number}")).spawn(move || {
        // Nobody listens any more only where the process is going down.
        let _ = tell.send(worker::run(shared, listeners, orders));
    })?;
    Ok(ended)
}

/// Turns the bypass switch on while the bypass file is there, which works without a control plane,
/// and shows the switch as a metric.
async fn watch_bypass(shared: Shared, current: watch::Receiver<Arc<config::Gateway>>) {
    let mut ticks = tokio::time::interval(limits::BYPASS_POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let file = current.borrow().bypass_file.clone();
        match file {
            Some(file) => {
                // A file that cannot be looked at changes nothing.
                if let Ok(present) = tokio::fs::try_exists(&file).await {
                    shared.bypass.set_by_file(present);
                }
            }
            None => shared.bypass.set_by_file(false),
        }
        shared.metrics.bypass.set(i64::from(shared.bypass.is_on()));
    }
}
