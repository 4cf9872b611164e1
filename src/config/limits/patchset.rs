//! Bounds of what gateways pull.

use std::time::Duration;

/// Longest time for which a pull of a patchset waits for a change. Less than [`API_CALL_TIME`](super::API_CALL_TIME).
pub const PATCHSET_WAIT: Duration = Duration::from_secs(30);
/// Pulls that wait for a change at once. Fewer than [`API_CALLS`](super::API_CALLS).
pub const PATCHSET_WAITERS: usize = 64;
/// Patchsets that are sent at once.
pub const PATCHSET_PULLS: usize = 8;
/// Time for which another one waits for its turn.
pub const PATCHSET_PULL_WAIT: Duration = Duration::from_secs(20);
