//! Upstreams: which server gets a request, on which connection.
//!
//! What the process knows of servers is shared: the [`Directory`] holds a roster of each upstream, in
//! which names are resolved again and again, and targets with their standing (ejected, unwell). Each
//! worker has [`Upstreams`] of its own: connections, and how many requests are under way, which nobody
//! else touches.

mod budget;
mod checks;
mod connect;
mod counted;
mod directory;
mod group;
mod http2;
mod lease;
mod link;
mod names;
mod queue;
mod roster;
mod send;
mod server;
mod standing;
mod target;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

pub(crate) use self::directory::Directory;
use self::group::Group;
pub(crate) use self::lease::Lease;
use self::send::Sending;
pub(crate) use self::server::Slot;
use super::body::UpstreamBody;
use super::failure::Failure;
use super::record::Exchange;

/// All upstreams of one worker, in the order of the configuration.
pub(crate) struct Upstreams(Vec<Group>);

impl Upstreams {
    /// Those of the directory, for one of so many workers. The connections of `before`, the same
    /// worker's under the configuration before, are taken over where their servers are still the
    /// same.
    pub(crate) fn new(directory: &Directory, workers: usize, before: Option<&Self>) -> Self {
        let group = |roster: &std::sync::Arc<roster::Roster>| {
            let of_same_name = before.and_then(|before| {
                before.0.iter().find(|group| group.roster.settings.name == roster.settings.name)
            });
            Group::new(roster, workers, of_same_name)
        };
        Self(directory.rosters.iter().map(group).collect())
    }

    /// Whether the upstream has a server that may speak HTTP/1.1, as WebSocket needs it.
    pub(crate) fn speaks_http1(&self, upstream: usize) -> bool {
        self.0.get(upstream).is_some_and(Group::speaks_http1)
    }

    /// Sends a request, in the form of HTTP/1.1, to one of the upstream's servers and waits for its
    /// response's head. It is sent again where that is safe; see `send.rs`. `again` makes its head
    /// once more; without it, it is copied beforehand.
    ///
    /// # Errors
    /// [`Failure::Connect`], [`Failure::Busy`], [`Failure::NoResponse`], [`Failure::Broken`] or
    /// [`Failure::BadResponse`], or why the request's own body was ended.
    pub(crate) async fn send(
        &self,
        upstream: usize,
        request: Request<UpstreamBody>,
        exchange: &Exchange,
        http1_only: bool,
        again: Option<&dyn Fn() -> Option<Request<()>>>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let group = self.0.get(upstream).ok_or(Failure::NoRoute)?;
        group.budget.earn();
        Sending::new(group, exchange, http1_only, again).run(request).await
    }

    /// Closes the connections that have been idle for too long or were closed by their server.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        for group in &self.0 {
            for server in group.lines().all() {
                server.sweep(now);
            }
        }
    }
}
