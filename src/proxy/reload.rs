//! Reload: a running gateway is handed another configuration, which is in force for each request
//! that begins afterwards. Connections and requests under way go on.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, watch};

use super::settings::Base;
use super::tls::{Terminator, TlsProblems};
use super::upstream::Directory;
use crate::config;
use crate::telemetry::metrics::Metrics;

/// What a worker is told to do.
pub(crate) struct Order {
    /// What is in force from now on; none where it is only to answer.
    pub(crate) base: Option<Base>,
    /// Dropped once it is done.
    pub(crate) done: mpsc::Sender<()>,
}

/// A hand on a running gateway that changes its configuration.
pub struct Reloader {
    orders: Vec<mpsc::Sender<Order>>,
    current: watch::Sender<Base>,
    metrics: Arc<Metrics>,
    /// One reload at a time: all workers get them in the same order.
    turn: Mutex<()>,
}

impl Reloader {
    /// For this many workers, each of which has one of the receivers.
    pub(crate) fn new(
        base: Base,
        metrics: Arc<Metrics>,
        workers: usize,
    ) -> (Self, Vec<mpsc::Receiver<Order>>) {
        let (orders, taken) = (0..workers).map(|_| mpsc::channel(1)).unzip();
        show_expiries(base.terminator.as_ref(), &metrics);
        (Self { orders, current: watch::Sender::new(base), metrics, turn: Mutex::new(()) }, taken)
    }

    /// What is in force, whenever it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Base> {
        self.current.subscribe()
    }

    /// Puts another configuration in force, but for the keys that cannot change while the gateway
    /// runs; gives those that would have. Certificates are read again. When this returns, all
    /// workers use it.
    ///
    /// # Errors
    /// What is wrong with the certificates; nothing has changed then.
    pub async fn reload(
        &self,
        mut config: config::Gateway,
    ) -> Result<Vec<&'static str>, TlsProblems> {
        let _turn = self.turn.lock().await;
        let running = self.current.borrow().clone();
        let kept = keep_fixed(&mut config, &running.config);
        // Listeners that are kept need what they were given.
        let terminator = Terminator::load(&config.tls)?.or(running.terminator);
        show_expiries(terminator.as_ref(), &self.metrics);
        running.directory.stop();
        let directory = Directory::new(&config, Some(&running.directory), &self.metrics);
        directory.start();
        let base = Base { config: Arc::new(config), terminator, directory: Arc::new(directory) };
        self.order(Some(&base)).await;
        self.current.send_replace(base);
        Ok(kept)
    }

    /// Waits until each worker has answered: one that does not is stuck.
    pub async fn all_answer(&self) {
        self.order(None).await;
    }

    async fn order(&self, base: Option<&Base>) {
        let (done, mut waiting) = mpsc::channel(1);
        for worker in &self.orders {
            let order = Order { base: base.cloned(), done: done.clone() };
            // A worker that has ended serves no requests.
            let _ = worker.send(order).await;
        }
        drop(done);
        // Ends once each worker has dropped its sender.
        while waiting.recv().await.is_some() {}
    }
}

/// Shows when certificates end, in place of those of before.
fn show_expiries(terminator: Option<&Terminator>, metrics: &Metrics) {
    metrics.certificate_expiry.reset();
    for expiry in terminator.map(Terminator::expiries).unwrap_or_default() {
        metrics.certificate_expiry.with_label_values(&[&expiry.file]).set(expiry.at);
    }
}

/// Keeps what cannot change while the gateway runs; gives the keys that would have.
fn keep_fixed(next: &mut config::Gateway, running: &config::Gateway) -> Vec<&'static str> {
    let mut kept = Vec::new();
    if next.listen != running.listen {
        next.listen.clone_from(&running.listen);
        // What listeners that are kept were given stays as well.
        if next.proxy_protocol_from.is_empty() {
            next.proxy_protocol_from.clone_from(&running.proxy_protocol_from);
        }
        kept.push("gateway.listen");
    }
    if next.unix_mode != running.unix_mode {
        next.unix_mode = running.unix_mode;
        kept.push("gateway.unix_mode");
    }
    if next.workers != running.workers {
        next.workers = running.workers;
        kept.push("gateway.workers");
    }
    if next.admin_listen != running.admin_listen {
        next.admin_listen = running.admin_listen;
        kept.push("gateway.admin_listen");
    }
    if next.access_log.file != running.access_log.file {
        next.access_log.file.clone_from(&running.access_log.file);
        kept.push("gateway.access_log.file");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_change_is_kept_and_named() {
        let running = config::Gateway { workers: 2, ..Default::default() };
        let mut next = config::Gateway {
            name: "other".to_owned(),
            workers: 3,
            admin_listen: Some(([127, 0, 0, 1], 9091).into()),
            access_log: config::AccessLog {
                file: Some(config::AccessLogFile::Stdout),
                ..Default::default()
            },
            ..Default::default()
        };
        assert_eq!(
            keep_fixed(&mut next, &running),
            ["gateway.workers", "gateway.admin_listen", "gateway.access_log.file"]
        );
        assert_eq!(next, config::Gateway { name: "other".to_owned(), ..running });
    }
}
