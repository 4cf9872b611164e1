//! A connection on loan to one request, from when it is sent to its response's end.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::link::Link;
use super::server::{Server, Slot};
use crate::proxy::record::Exchange;

/// Dropped when the response has ended, the connection goes back to its pool if it can serve another
/// request, and is closed if not.
pub(crate) struct Lease {
    /// There until it is dropped.
    link: Option<Link>,
    server: Rc<Server>,
    slot: Option<Slot>,
    /// Whether the connection was there before.
    is_kept: bool,
}

impl Lease {
    pub(super) fn new(slot: Slot, link: Link, is_kept: bool) -> Self {
        Self { link: Some(link), server: Rc::clone(slot.server()), slot: Some(slot), is_kept }
    }

    pub(super) fn server(&self) -> &Rc<Server> {
        &self.server
    }

    /// The right to one request at the server, for a tunnel that outlives the response.
    pub(crate) fn take_slot(&mut self) -> Option<Slot> {
        self.slot.take()
    }

    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    pub(super) fn is_http2(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_http2)
    }

    pub(super) fn link(&mut self) -> Option<&mut Link> {
        self.link.as_mut()
    }

    /// Nothing may come for so long from now on, and all must be over at the end.
    pub(super) fn restart(&mut self, limit: Duration, end: Option<Instant>) {
        if let Some(link) = &mut self.link {
            link.timer().restart(limit, end);
        }
    }

    /// Waits for the response; `None` where it has not begun in time, counted from when the last of
    /// the request's body was sent.
    pub(super) async fn response<F: Future>(
        &mut self,
        exchange: &Exchange,
        mut response: Pin<&mut F>,
    ) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = response.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if let (Some(moved), Some(link)) = (exchange.last_moved(), &mut self.link) {
                link.timer().moved_at(moved);
            }
            ready!(self.poll_elapsed(cx));
            Poll::Ready(None)
        })
        .await
    }

    /// A piece of the response came.
    pub(crate) fn moved(&mut self) {
        if let Some(link) = &mut self.link {
            link.timer().moved();
        }
    }

    /// Ready once nothing has come for too long.
    pub(crate) fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.link {
            Some(link) => link.timer().poll_elapsed(cx),
            None => Poll::Pending,
        }
    }

    /// The response broke off.
    pub(crate) fn broke(&self) {
        self.server.failed();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Link::Http1(link)) = self.link.take()
            && link.is_ready()
        {
            self.server.keep(link);
        }
        // Only now, so that whoever gets the slot finds the connection.
        self.slot = None;
    }
}
