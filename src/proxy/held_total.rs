//! How much of all bodies is held back at once, over all requests and workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use prometheus::IntCounter;

/// Bytes held back now.
#[derive(Clone)]
pub(crate) struct HeldTotal {
    bytes: Arc<AtomicUsize>,
    /// Counts those that wanted more than there may be.
    reached: IntCounter,
}

/// What one request holds of it; given back when it is dropped.
pub(crate) struct Share {
    total: HeldTotal,
    bytes: usize,
    limit: usize,
}

impl HeldTotal {
    /// Nothing yet.
    pub(crate) fn new(reached: IntCounter) -> Self {
        Self { bytes: Arc::default(), reached }
    }

    /// A share of nothing yet; all of them together may come to `limit`.
    pub(crate) fn share(&self, limit: usize) -> Share {
        Share { total: self.clone(), bytes: 0, limit }
    }
}

impl Share {
    /// Makes it so many bytes larger, unless that would be more than there may be.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let before = self.total.bytes.fetch_add(bytes, Relaxed);
        if before.saturating_add(bytes) > self.limit {
            self.total.bytes.fetch_sub(bytes, Relaxed);
            self.total.reached.inc();
            return false;
        }
        self.bytes += bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.total.bytes.fetch_sub(self.bytes, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_given_back() {
        let reached = IntCounter::new("reached", "reached").unwrap();
        let total = HeldTotal::new(reached.clone());
        let (mut one, mut other) = (total.share(10), total.share(10));
        assert!(one.grow(6) && !other.grow(5) && other.grow(4) && !one.grow(1));
        assert_eq!(reached.get(), 2);
        drop(one);
        assert!(other.grow(6));
        drop(other);
        assert!(total.share(10).grow(10));
    }
}
