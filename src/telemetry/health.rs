//! Liveness and readiness.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// Whether the process is ready for traffic: not before the first patchset is enforced, and no
/// longer once it drains.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// The first patchset is enforced and the listeners are bound.
    pub fn ready(&self) {
        // Draining is final: a late start-up step does not undo it.
        let _ = self.0.compare_exchange(STARTING, READY, Ordering::AcqRel, Ordering::Acquire);
    }

    /// No new traffic is wanted.
    pub fn drain(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    /// Why the process is not ready; `None` where it is.
    pub fn obstacle(&self) -> Option<&'static str> {
        match self.0.load(Ordering::Acquire) {
            READY => None,
            DRAINING => Some("draining: finishing what is under way"),
            _ => Some("starting: no patchset is enforced yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draining_is_final() {
        let readiness = Readiness::default();
        assert!(readiness.obstacle().is_some());
        readiness.ready();
        assert_eq!(readiness.obstacle(), None);
        readiness.drain();
        readiness.ready();
        assert!(readiness.obstacle().is_some_and(|text| text.starts_with("draining")));
    }
}
