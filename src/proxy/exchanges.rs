//! The exchanges under way in one worker.
//!
//! Those that last are decided again when what is in force changes: one that was opened with a token
//! that is blocked by now is ended. A change is looked for now and then, and those under way are gone
//! through one by one, between everything else that the worker does: a swap stalls nobody. Exchanges
//! that began afterwards were decided under it already, and those that were about to end have ended by
//! then.
//!
//! And clients that take none of the responses on their connection are given up.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use slab::Slab;
use tokio::time::{Instant, MissedTickBehavior};

use super::record::Exchange;
use super::worker::Worker;
use crate::config::limits;

/// All of them.
#[derive(Default)]
pub(crate) struct Exchanges {
    under_way: RefCell<Slab<Weak<Exchange>>>,
    /// Counts the changes that were seen.
    generation: Cell<u64>,
}

/// What decides about requests.
#[derive(Clone, Copy, PartialEq, Eq)]
struct InForce {
    patchset: u64,
    bypass: u64,
    settings: u64,
}

impl InForce {
    fn of(worker: &Worker) -> Self {
        Self {
            patchset: worker.patchset.load().version(),
            bypass: worker.bypass.version(),
            settings: worker.settings().generation,
        }
    }
}

impl Exchanges {
    /// The changes seen so far.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.get()
    }

    /// One more; the place is for [`Self::leave`].
    pub(crate) fn enter(&self, exchange: Weak<Exchange>) -> usize {
        self.under_way.borrow_mut().insert(exchange)
    }

    /// It has ended.
    pub(crate) fn leave(&self, place: usize) {
        self.under_way.borrow_mut().try_remove(place);
    }

    /// Gives back the memory of those that have ended, where there were many more.
    fn shrink(&self) {
        let mut under_way = self.under_way.borrow_mut();
        if under_way.len() < under_way.capacity() / 4 {
            under_way.shrink_to_fit();
        }
    }

    /// The places in which one may be.
    fn places(&self) -> std::ops::Range<usize> {
        0..self.under_way.borrow().capacity()
    }

    fn at(&self, place: usize) -> Option<Rc<Exchange>> {
        self.under_way.borrow().get(place)?.upgrade()
    }
}

/// Looks after them, now and then.
pub(crate) async fn look_after(worker: Rc<Worker>) {
    let mut decided = InForce::of(&worker);
    let mut ticks = tokio::time::interval(limits::EXCHANGES_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 1.. {
        ticks.tick().await;
        worker.exchanges.shrink();
        give_up_stalled(&worker, tick);
        let in_force = InForce::of(&worker);
        if in_force != decided {
            decided = in_force;
            decide_again(&worker).await;
        }
    }
}

async fn decide_again(worker: &Worker) {
    let exchanges = &worker.exchanges;
    exchanges.generation.set(exchanges.generation.get().wrapping_add(1));
    tokio::time::sleep(limits::REDECIDE_MOMENT).await;
    for place in exchanges.places() {
        let exchange = exchanges.at(place);
        if exchange.is_some_and(|exchange| exchange.decide_again()) {
            tokio::task::yield_now().await;
        }
    }
}

/// Gives up the HTTP/2 clients of which each response has waited for too long to be taken. Of an
/// HTTP/1.1 client the socket tells.
fn give_up_stalled(worker: &Worker, tick: u64) {
    let limit = worker.settings().config.timeouts.body_idle;
    let Some(before) = Instant::now().checked_sub(limit) else { return };
    let exchanges = &worker.exchanges;
    let mut stalled = Vec::new();
    for exchange in exchanges.places().filter_map(|place| exchanges.at(place)) {
        if exchange.given().is_some_and(|given| given < before) {
            stalled.push(exchange);
        } else {
            exchange.client().moves(tick);
        }
    }
    for exchange in stalled {
        if !exchange.client().has_moved(tick) {
            exchange.client().takes_nothing();
        }
    }
}
