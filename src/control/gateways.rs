//! The gateways and what each enforces. There is one as yet: the one in this process.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Control;
use crate::model::clock;

/// A gateway and what it enforces.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct GatewayState {
    /// Its name, as events have it.
    pub name: String,
    /// The version of the program.
    pub version: String,
    /// The patchset that it enforces.
    pub patchset_version: u64,
    /// Tokens in that patchset.
    pub patchset_tokens: u64,
    /// How many versions of the patchset it is behind.
    pub lag: u64,
    /// When it was last heard of.
    pub last_seen: Timestamp,
}

impl Control {
    /// Every gateway.
    pub fn gateways(&self) -> Vec<GatewayState> {
        let patchset = self.inner.handle.load();
        vec![GatewayState {
            name: self.inner.settings.gateway.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            patchset_version: patchset.version(),
            patchset_tokens: patchset.token_count() as u64,
            // In one process, publishing is enforcing.
            lag: 0,
            last_seen: clock::now(),
        }]
    }
}
