//! The descriptors that connections take: as many as the system lets this process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Of one client connection: its own, and the upstream's.
const PER_CONNECTION: u64 = 2;

/// Raises the soft limit to the hard one, and says where that is too few for so many connections.
pub(super) fn raise(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    let wanted = (connections as u64).saturating_mul(PER_CONNECTION);
    if let Some(limit) = limit.filter(|limit| *limit < wanted) {
        tracing::warn!(
            limit,
            wanted,
            "too few descriptors for gateway.connections.limit; raise LimitNOFILE= or ulimit -n"
        );
    }
}
