//! What requests are served by: one configuration with its upstreams and certificates. A request loads them once, and
//! all of its phases use them; a reload puts others in their place.

use std::rc::Rc;
use std::sync::Arc;

use super::tls::Terminator;
use super::upstream::{Directory, Upstreams};
use crate::config;

/// What all workers make their settings of.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) config: Arc<config::Gateway>,
    pub(crate) terminator: Option<Terminator>,
    pub(crate) directory: Arc<Directory>,
}

/// The settings in force in one worker, from some reload to the next.
pub(crate) struct Settings {
    pub(crate) config: Arc<config::Gateway>,
    pub(crate) upstreams: Upstreams,
    /// What TLS connections are accepted with.
    pub(crate) terminator: Option<Terminator>,
    /// Tells settings of different reloads apart.
    pub(crate) generation: u64,
}

impl Settings {
    /// Those that a worker begins with.
    pub(crate) fn new(base: Base) -> Rc<Self> {
        let Base { config, terminator, directory } = base;
        let upstreams = Upstreams::new(&directory, config.workers, None);
        Rc::new(Self { config, upstreams, terminator, generation: 0 })
    }

    /// Those that follow these; connections to servers that are in both are taken over.
    pub(crate) fn followed_by(&self, base: Base) -> Rc<Self> {
        let Base { config, terminator, directory } = base;
        let upstreams = Upstreams::new(&directory, config.workers, Some(&self.upstreams));
        let generation = self.generation.wrapping_add(1);
        Rc::new(Self { config, upstreams, terminator, generation })
    }
}
