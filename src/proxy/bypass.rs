//! The bypass switch: while it is on, nothing is blocked, or nothing on the routes of some tenants.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::model::tenant::{RouteTenants, TenantKey};

/// Stops all blocking while any of its two hands holds it: the control plane, or the local file
/// that works without one. The control plane can also hold it for single tenants. Cheap to clone
/// and to read.
#[derive(Clone, Debug, Default)]
pub struct BypassSwitch(Arc<Hands>);

#[derive(Debug, Default)]
struct Hands {
    control: AtomicBool,
    file: AtomicBool,
    /// Whether it is held for any tenant by itself, so that most requests look no further.
    any_tenant: AtomicBool,
    tenants: ArcSwap<Vec<TenantKey>>,
    /// Counts how often it was turned.
    version: AtomicU64,
}

impl BypassSwitch {
    /// Whether all blocking is stopped.
    pub fn is_on(&self) -> bool {
        self.0.control.load(Ordering::Relaxed) || self.0.file.load(Ordering::Relaxed)
    }

    /// Whether blocking is stopped for requests of a route: for all, or for every tenant whose
    /// rules act on it.
    pub(crate) fn is_on_for(&self, tenants: &RouteTenants) -> bool {
        self.is_on()
            || self.0.any_tenant.load(Ordering::Acquire) && {
                let held = self.0.tenants.load();
                tenants.all(|tenant| held.contains(&tenant))
            }
    }

    /// How often it was turned: what was decided before the last time may be decided otherwise.
    pub(crate) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Acquire)
    }

    /// Turns it for the control plane.
    pub fn set(&self, on: bool) {
        if self.0.control.swap(on, Ordering::Relaxed) != on {
            self.turned();
            announce(on, "the control plane");
        }
    }

    /// Holds it for these tenants and no others.
    pub fn set_tenants(&self, tenants: Vec<TenantKey>) {
        if **self.0.tenants.load() == tenants {
            return;
        }
        let any = !tenants.is_empty();
        self.0.tenants.store(Arc::new(tenants));
        self.0.any_tenant.store(any, Ordering::Release);
        self.turned();
    }

    /// Turns it for the local file.
    pub(crate) fn set_by_file(&self, on: bool) {
        if self.0.file.swap(on, Ordering::Relaxed) != on {
            self.turned();
            announce(on, "the bypass file");
        }
    }

    fn turned(&self) {
        self.0.version.fetch_add(1, Ordering::AcqRel);
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

    #[test]
    fn tenants_are_held_one_by_one() {
        let switch = BypassSwitch::default();
        let [one, other] = ["one", "other"].map(TenantKey::of);
        let before = switch.version();
        switch.set_tenants(vec![one]);
        assert!(switch.version() > before && !switch.is_on());
        let route = RouteTenants::one(one);
        assert!(switch.is_on_for(&route) && !switch.is_on_for(&RouteTenants::one(other)));
        assert!(!switch.is_on_for(&route.and(other)), "the other's rules still block");
        switch.set_tenants(Vec::new());
        assert!(!switch.is_on_for(&route));
        switch.set(true);
        assert!(switch.is_on_for(&RouteTenants::one(other)));
    }
}
