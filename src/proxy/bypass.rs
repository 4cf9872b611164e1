//! The bypass switch: while it is on, nothing is blocked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops all blocking while any of its two hands holds it: the control plane, or the local file
/// that works without one. Cheap to clone and to read.
#[derive(Clone, Debug, Default)]
pub struct BypassSwitch(Arc<Hands>);

#[derive(Debug, Default)]
struct Hands {
    control: AtomicBool,
    file: AtomicBool,
}

impl BypassSwitch {
    /// Whether blocking is stopped.
    pub fn is_on(&self) -> bool {
        self.0.control.load(Ordering::Relaxed) || self.0.file.load(Ordering::Relaxed)
    }

    /// Turns it for the control plane.
    pub fn set(&self, on: bool) {
        if self.0.control.swap(on, Ordering::Relaxed) != on {
            announce(on, "the control plane");
        }
    }

    /// Turns it for the local file.
    pub(crate) fn set_by_file(&self, on: bool) {
        if self.0.file.swap(on, Ordering::Relaxed) != on {
            announce(on, "the bypass file");
        }
    }
}

fn announce(on: bool, by: &str) {
    if on {
        tracing::warn!(by, "bypass is ON: leaked tokens are recorded but not blocked");
    } else {
        tracing::warn!(by, "bypass is off again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_hand_holds_it() {
        let switch = BypassSwitch::default();
        assert!(!switch.is_on());
        switch.set(true);
        switch.set_by_file(true);
        switch.set(false);
        assert!(switch.is_on(), "the file still holds it");
        switch.set_by_file(false);
        assert!(!switch.is_on());
    }
}
