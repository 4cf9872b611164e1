//! What a gauge counts while it lives.

use prometheus::IntGauge;

/// One more in the gauge, until it is dropped.
pub(super) struct Counted(IntGauge);

impl Counted {
    pub(super) fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
