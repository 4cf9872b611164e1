//! A worker: one thread with a runtime of its own, its own listeners and its own upstream
//! connections. Workers share the patchset handle, the counters and nothing else.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderMap;
use tokio::sync::{Notify, mpsc};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::access_log::AccessQueue;
use super::bypass::BypassSwitch;
use super::connection::{self, Protocols};
use super::counters::Counters;
use super::crowd::{ByClient, Clients};
use super::exchanges::{self, Exchanges};
use super::held_total::HeldTotal;
use super::listen::{Accepting, Arrival, Listening};
use super::record::Outcome;
use super::reload::Order;
use super::request_id::RequestIds;
use super::route::Policy;
use super::settings::{Base, Settings};
use super::tls::Handshakes;
use crate::config::limits;
use crate::events::Recorder;
use crate::matcher::PatchsetHandle;
use crate::model::rule::FiltrationMode;
use crate::telemetry::metrics::Metrics;

/// What all workers are given.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) base: Base,
    pub(crate) patchset: PatchsetHandle,
    pub(crate) recorder: Recorder,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bypass: BypassSwitch,
    pub(crate) by_client: ByClient,
    pub(crate) drain: CancellationToken,
    pub(crate) held: HeldTotal,
    pub(crate) access_log: Option<AccessQueue>,
}

/// What the requests of one worker share.
pub(crate) struct Worker {
    settings: RefCell<Rc<Settings>>,
    pub(crate) patchset: PatchsetHandle,
    pub(crate) recorder: Recorder,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bypass: BypassSwitch,
    /// Cancelled when no more requests are taken.
    pub(crate) drain: CancellationToken,
    /// Cancelled when the drain's time is over.
    pub(crate) cut: CancellationToken,
    pub(crate) by_client: ByClient,
    pub(crate) clients: Clients,
    pub(crate) held: HeldTotal,
    pub(crate) access_log: Option<AccessQueue>,
    pub(crate) exchanges: Exchanges,
    pub(crate) counters: Counters,
    pub(crate) ids: RequestIds,
    pub(crate) protocols: Protocols,
    pub(crate) handshakes: Handshakes,
    /// Memory for the next map of header fields.
    pub(crate) spare: RefCell<HeaderMap>,
    open: Cell<usize>,
    /// Of these.
    tunnels: Cell<usize>,
    closed: Notify,
}

/// An open connection or tunnel, which a drain waits for.
pub(crate) struct Open {
    worker: Rc<Worker>,
    is_tunnel: bool,
}

impl Worker {
    fn new(shared: Shared) -> Self {
        Self {
            counters: Counters::new(&shared.metrics),
            settings: RefCell::new(Settings::new(shared.base)),
            // A child of its own, so that looking at it is not contended.
            drain: shared.drain.child_token(),
            cut: CancellationToken::new(),
            by_client: shared.by_client,
            clients: Clients::default(),
            patchset: shared.patchset,
            recorder: shared.recorder,
            metrics: shared.metrics,
            bypass: shared.bypass,
            held: shared.held,
            access_log: shared.access_log,
            exchanges: Exchanges::default(),
            ids: RequestIds::new(),
            protocols: Protocols::new(),
            handshakes: Handshakes::default(),
            spare: RefCell::default(),
            open: Cell::new(0),
            tunnels: Cell::new(0),
            closed: Notify::new(),
        }
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.settings.borrow())
    }

    /// Puts others in force, for requests that begin from now on.
    fn reload(&self, base: Base) {
        let next = self.settings().followed_by(base);
        self.settings.replace(next);
    }

    /// The filtration mode in force where a route has this policy: the bypass switch weakens it.
    pub(crate) fn in_force(&self, policy: Policy) -> FiltrationMode {
        match policy.mode {
            FiltrationMode::Block if self.bypass.is_on_for(&policy.tenants) => {
                FiltrationMode::Monitoring
            }
            mode => mode,
        }
    }

    /// Counts a connection for as long as the guard lives.
    fn open(self: &Rc<Self>) -> Open {
        self.count(false)
    }

    /// Counts what a connection has become for as long as the guard lives.
    pub(crate) fn open_tunnel(self: &Rc<Self>) -> Open {
        self.tunnels.set(self.tunnels.get() + 1);
        self.count(true)
    }

    fn count(self: &Rc<Self>, is_tunnel: bool) -> Open {
        self.open.set(self.open.get() + 1);
        self.metrics.connections.inc();
        Open { worker: Rc::clone(self), is_tunnel }
    }

    /// Counts a request that was no HTTP, and never came to be one.
    pub(crate) fn count_malformed(&self) {
        self.metrics.refused.with_label_values(&["malformed"]).inc();
        self.counters.outcome(Outcome::Refused);
    }

    async fn all_closed(&self, count: &Cell<usize>) {
        while count.get() > 0 {
            self.closed.notified().await;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Self { worker, is_tunnel } = self;
        worker.open.set(worker.open.get().saturating_sub(1));
        if *is_tunnel {
            worker.tunnels.set(worker.tunnels.get().saturating_sub(1));
        }
        worker.metrics.connections.dec();
        worker.closed.notify_one();
    }
}

/// Serves until the drain is over: the body of a worker's thread.
///
/// # Errors
/// Where the runtime cannot be made or a listener not be registered with it.
pub(crate) fn run(
    shared: Shared,
    listening: Vec<Listening>,
    orders: mpsc::Receiver<Order>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(limits::WORKER_BLOCKING_THREADS)
        .build_local(tokio::runtime::LocalOptions::default())?;
    // What is still open when this returns is cut when the runtime is dropped.
    runtime.block_on(async move {
        let worker = Rc::new(Worker::new(shared));
        let mut accepting = Vec::new();
        for socket in listening {
            let listener = Accepting::new(socket)?;
            accepting.push(tokio::task::spawn_local(accept(Rc::clone(&worker), listener)));
        }
        let obeying = tokio::task::spawn_local(obey(Rc::clone(&worker), orders));
        let sweeping = tokio::task::spawn_local(sweep(Rc::clone(&worker)));
        let looking = tokio::task::spawn_local(exchanges::look_after(Rc::clone(&worker)));
        for task in accepting {
            // It ends when the drain begins, and cannot fail.
            let _ = task.await;
        }
        let drain = worker.settings().config.timeouts.drain;
        if tokio::time::timeout(drain, worker.all_closed(&worker.open)).await.is_err() {
            tracing::warn!(
                connections = worker.open.get(),
                "the drain's time is over; what is still open is cut"
            );
            // Tunnels are told first, by a close frame.
            worker.cut.cancel();
            let told = worker.all_closed(&worker.tunnels);
            let _ = tokio::time::timeout(limits::LINGER_TIME, told).await;
        }
        obeying.abort();
        sweeping.abort();
        looking.abort();
        Ok(())
    })
}

/// Accepts connections until the drain begins, and then those that the kernel has already taken.
async fn accept(worker: Rc<Worker>, listener: Accepting) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = worker.drain.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(arrival) => admit(&worker, arrival),
            // The client has gone again.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
    for arrival in listener.rest() {
        admit(&worker, arrival);
    }
}

fn admit(worker: &Rc<Worker>, arrival: Arrival) {
    let limit = worker.settings().config.connections.limit;
    let open = usize::try_from(worker.metrics.connections.get()).unwrap_or_default();
    if open >= limit.saturating_sub((limit / limits::CROWD_SHARE).max(1)) {
        let most = (limit / limits::CROWD_CLOSED_SHARE).max(1);
        worker.metrics.connections_closed_idle.inc_by(worker.clients.close_idle(most) as u64);
    }
    if open >= limit {
        worker.metrics.connections_refused.with_label_values(&["all"]).inc();
        return;
    }
    let open = worker.open();
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        connection::serve(worker, arrival).await;
        drop(open);
    });
}

/// Does what it is told, as long as anybody can tell it something.
async fn obey(worker: Rc<Worker>, mut orders: mpsc::Receiver<Order>) {
    while let Some(Order { base, done }) = orders.recv().await {
        if let Some(base) = base {
            worker.reload(base);
        }
        drop(done);
    }
}

async fn sweep(worker: Rc<Worker>) {
    let mut ticks = tokio::time::interval(limits::POOL_SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        worker.settings().upstreams.sweep();
    }
}
