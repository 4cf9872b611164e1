//! Requests that wait until a server of their upstream can take another one: in the order in which
//! they came, so many at most, for so long at most.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use prometheus::IntGauge;
use tokio::sync::oneshot;

use super::counted::Counted;
use super::server::{Server, Slot};

/// Who waits for one upstream in one worker.
#[derive(Default)]
pub(super) struct Queue {
    waiting: RefCell<VecDeque<oneshot::Sender<Slot>>>,
    /// How many may wait.
    room: Cell<usize>,
}

/// Why a request got no slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoSlot {
    /// As many as may wait do.
    Full,
    /// Its time was over.
    Late,
}

impl Queue {
    /// From now on so many may wait.
    pub(super) fn set_room(&self, room: usize) {
        self.room.set(room);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Waits for a slot, and is counted meanwhile.
    pub(super) async fn wait(&self, limit: Duration, gauge: &IntGauge) -> Result<Slot, NoSlot> {
        let (tell, told) = oneshot::channel();
        {
            let mut waiting = self.waiting.borrow_mut();
            if waiting.len() >= self.room.get() {
                // Those whose clients left are still in the line.
                waiting.retain(|tell| !tell.is_closed());
            }
            if waiting.len() >= self.room.get() {
                return Err(NoSlot::Full);
            }
            waiting.push_back(tell);
        }
        let _counted = Counted::new(gauge.clone());
        match tokio::time::timeout(limit, told).await {
            Ok(Ok(slot)) => Ok(slot),
            // The other end is never dropped before it has told.
            Ok(Err(_)) | Err(_) => Err(NoSlot::Late),
        }
    }

    /// A server may have room: gives it to those who have waited longest.
    pub(super) fn serve(&self, server: &Rc<Server>) {
        while let Some(tell) = self.next_for(server) {
            let Some(slot) = Slot::at(server) else { return };
            // It was asked whether somebody listens, and nothing has happened since.
            let _ = tell.send(slot);
        }
    }

    fn next_for(&self, server: &Server) -> Option<oneshot::Sender<Slot>> {
        let mut waiting = self.waiting.borrow_mut();
        while waiting.front().is_some_and(oneshot::Sender::is_closed) {
            waiting.pop_front();
        }
        if server.has_room() && server.is_available() { waiting.pop_front() } else { None }
    }
}
