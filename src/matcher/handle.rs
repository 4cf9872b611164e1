//! The one handle through which a patchset is swapped.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::patchset::Patchset;

/// The current patchset: read without a lock, swapped whole.
#[derive(Clone)]
pub struct PatchsetHandle(Arc<ArcSwap<Patchset>>);

impl PatchsetHandle {
    /// A handle on this patchset.
    pub fn new(patchset: Arc<Patchset>) -> Self {
        Self(Arc::new(ArcSwap::new(patchset)))
    }

    /// The current patchset. A request loads it once and keeps it to its end.
    pub fn load(&self) -> Arc<Patchset> {
        self.0.load_full()
    }

    /// Puts another patchset in its place; requests under way keep theirs.
    pub fn store(&self, patchset: Arc<Patchset>) {
        self.0.store(patchset);
    }
}
