//! What requests are served by: one configuration with its upstreams. A request loads them once, and
//! all of its phases use them; a reload puts others in their place.

use std::rc::Rc;
use std::sync::Arc;

use super::upstream::Upstreams;
use crate::config;

/// The settings in force in one worker, from some reload to the next.
pub(crate) struct Settings {
    pub(crate) config: Arc<config::Gateway>,
    pub(crate) upstreams: Upstreams,
    /// Tells settings of different reloads apart.
    pub(crate) generation: u64,
}

impl Settings {
    /// Those that a worker begins with.
    pub(crate) fn new(config: Arc<config::Gateway>) -> Rc<Self> {
        let upstreams = Upstreams::new(&config.upstreams);
        Rc::new(Self { config, upstreams, generation: 0 })
    }

    /// Those that follow these; connections to servers that are in both are taken over.
    pub(crate) fn followed_by(&self, config: Arc<config::Gateway>) -> Rc<Self> {
        let upstreams = self.upstreams.followed_by(&config.upstreams);
        Rc::new(Self { config, upstreams, generation: self.generation.wrapping_add(1) })
    }
}
