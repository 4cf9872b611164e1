//! WebSocket after the upgrade: the client's messages are inspected before they go on, and forwarded
//! as they came.

pub(crate) mod extensions;
mod frame;
mod gate;
mod record;
mod relay;
#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::sync::Arc;

use http::request::Parts;
use tokio::io::{AsyncRead, AsyncWrite};

use self::extensions::Agreed;
use self::gate::Gate;
pub(crate) use self::gate::Outcome;
use self::record::Record;
use self::relay::{Judge, relay};
use super::record::{Exchange, Facts};
use super::route::Policy;
use super::worker::Worker;
use crate::inspect::{self, Context};
use crate::model::rule::FiltrationMode;

/// What is known of a WebSocket from the request that opens it.
pub(crate) struct Opening {
    opening: Arc<inspect::Opening>,
    policy: Policy,
    record: Record,
}

impl Opening {
    /// Of this request, on a route with this policy.
    pub(crate) fn new(
        parts: &Parts,
        context: Context,
        policy: Policy,
        exchange: Rc<Exchange>,
    ) -> Self {
        let record = Record::new(exchange, Facts::of(parts, &context.host));
        Self { opening: Arc::new(inspect::Opening::new(parts, context)), policy, record }
    }
}

/// Joins both sides of a WebSocket until it ends.
pub(crate) async fn join<C, U>(
    mut client: C,
    mut upstream: U,
    opening: Opening,
    agreed: Agreed,
    worker: Rc<Worker>,
) where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let Opening { opening, policy, record } = opening;
    if policy.mode == FiltrationMode::Off {
        // Either side may end it at any time; both are then closed.
        let copied = tokio::io::copy_bidirectional(&mut client, &mut upstream);
        let _ = worker.cut.run_until_cancelled(copied).await;
        return;
    }
    let gate = match agreed {
        Agreed::Nothing => Gate::new(&opening, None),
        Agreed::Deflate { keeps_context } => Gate::new(&opening, Some(keeps_context)),
        Agreed::Unknown => Gate::unreadable(&opening),
    };
    relay(client, upstream, Judge { gate, record, worker, policy }).await;
}
