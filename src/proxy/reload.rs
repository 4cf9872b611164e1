//! Reload: a running gateway is handed another configuration, which is in force for each request
//! that begins afterwards. Connections and requests under way go on.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, watch};

use crate::config;

/// What a worker is told to do.
pub(crate) struct Order {
    /// What is in force from now on.
    pub(crate) config: Arc<config::Gateway>,
    /// Dropped once it is.
    pub(crate) applied: mpsc::Sender<()>,
}

/// A hand on a running gateway that changes its configuration.
pub struct Reloader {
    orders: Vec<mpsc::Sender<Order>>,
    current: watch::Sender<Arc<config::Gateway>>,
    /// One reload at a time: all workers get them in the same order.
    turn: Mutex<()>,
}

impl Reloader {
    /// For this many workers, each of which has one of the receivers.
    pub(crate) fn new(
        config: Arc<config::Gateway>,
        workers: usize,
    ) -> (Self, Vec<mpsc::Receiver<Order>>) {
        let (orders, taken) = (0..workers).map(|_| mpsc::channel(1)).unzip();
        (Self { orders, current: watch::Sender::new(config), turn: Mutex::new(()) }, taken)
    }

    /// The configuration in force, whenever it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<config::Gateway>> {
        self.current.subscribe()
    }

    /// Puts another configuration in force, but for the keys that cannot change while the gateway
    /// runs; gives those that would have. When this returns, all workers use it.
    pub async fn reload(&self, mut config: config::Gateway) -> Vec<&'static str> {
        let _turn = self.turn.lock().await;
        let kept = keep_fixed(&mut config, &self.current.borrow());
        let config = Arc::new(config);
        let (applied, mut waiting) = mpsc::channel(1);
        for worker in &self.orders {
            let order = Order { config: Arc::clone(&config), applied: applied.clone() };
            // A worker that has ended serves no requests.
            let _ = worker.send(order).await;
        }
        drop(applied);
        // Ends once each worker has dropped its sender.
        while waiting.recv().await.is_some() {}
        self.current.send_replace(config);
        kept
    }
}

/// Keeps what cannot change while the gateway runs; gives the keys that would have.
fn keep_fixed(next: &mut config::Gateway, running: &config::Gateway) -> Vec<&'static str> {
    let mut kept = Vec::new();
    if next.listen != running.listen {
        next.listen.clone_from(&running.listen);
        kept.push("gateway.listen");
    }
    if next.workers != running.workers {
        next.workers = running.workers;
        kept.push("gateway.workers");
    }
    if next.admin_listen != running.admin_listen {
        next.admin_listen = running.admin_listen;
        kept.push("gateway.admin_listen");
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
            ..Default::default()
        };
        assert_eq!(keep_fixed(&mut next, &running), ["gateway.workers", "gateway.admin_listen"]);
        assert_eq!(next, config::Gateway { name: "other".to_owned(), ..running });
    }
}
