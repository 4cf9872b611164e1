//! How many connections there are, in all and from each client, and which of them go first where
//! there are too many.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use dashmap::DashMap;
use tokio::time::Instant;

use super::client::Client;
use crate::config::limits;

/// The connections of each client, over all workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByClient(Arc<DashMap<IpAddr, usize>>);

/// One connection of a client, counted for as long as this lives.
#[derive(Debug)]
pub(crate) struct Place {
    by_client: ByClient,
    key: IpAddr,
}

impl ByClient {
    /// Counts one more, where the limit allows.
    pub(crate) fn enter(&self, client: IpAddr, limit: usize) -> Option<Place> {
        let key = key(client);
        let mut count = self.0.entry(key).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Place { by_client: self.clone(), key })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.by_client.0.remove_if_mut(&self.key, |_, count| {
            *count = count.saturating_sub(1);
            *count == 0
        });
    }
}

/// Whoever has one IPv6 address has all of its network of 64 bits.
fn key(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

/// The clients of one worker, of which those that have been idle longest are closed where room is
/// needed.
#[derive(Default)]
pub(crate) struct Clients {
    known: RefCell<HashMap<u64, Weak<Client>>>,
    next: Cell<u64>,
    /// When looking for idle ones last found none.
    in_vain: Cell<Option<Instant>>,
}

impl Clients {
    /// Knows a client from now on; gives the number to forget it by.
    pub(crate) fn remember(&self, client: Weak<Client>) -> u64 {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        self.known.borrow_mut().insert(number, client);
        number
    }

    /// Its connection has ended.
    pub(crate) fn forget(&self, number: u64) {
        self.known.borrow_mut().remove(&number);
    }

    /// Closes up to this many idle connections, those that have been idle longest; gives how many.
    pub(crate) fn close_idle(&self, most: usize) -> usize {
        if self.in_vain.get().is_some_and(|at| at.elapsed() < limits::CROWD_PAUSE) {
            return 0;
        }
        let mut idle: Vec<(Instant, Rc<Client>)> = self
            .known
            .borrow()
            .values()
            .filter_map(Weak::upgrade)
            .filter_map(|client| Some((client.idle_since()?, client)))
            .collect();
        let most = most.min(idle.len());
        if most == 0 {
            self.in_vain.set(Some(Instant::now()));
            return 0;
        }
        idle.select_nth_unstable_by_key(most - 1, |(since, _)| *since);
        for (_, client) in idle.iter().take(most) {
            client.close();
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_limit() {
        let by_client = ByClient::default();
        let ip = |text: &str| text.parse().unwrap();
        let first = by_client.enter(ip("203.0.113.9"), 2).unwrap();
        let second = by_client.enter(ip("203.0.113.9"), 2).unwrap();
        assert!(by_client.enter(ip("203.0.113.9"), 2).is_none());
        let other = by_client.enter(ip("203.0.113.10"), 2).unwrap();
        drop(first);
        let third = by_client.enter(ip("203.0.113.9"), 2).unwrap();
        // An IPv6 client has many addresses.
        let six = by_client.enter(ip("2001:db8:0:1::1"), 1).unwrap();
        assert!(by_client.enter(ip("2001:db8:0:1:ffff::2"), 1).is_none());
        assert!(by_client.enter(ip("2001:db8:0:2::1"), 1).is_some());
        drop((second, third, other, six));
        assert!(by_client.0.is_empty(), "nothing is kept of who has gone");
    }
}
