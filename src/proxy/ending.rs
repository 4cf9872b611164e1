//! An exchange that is ended while it is under way.

use std::cell::Cell;
use std::task::{Context, Poll, Waker};

/// Which side of an exchange waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// Whoever sends the request's body.
    Request,
    /// Whoever waits for the response or passes it on.
    Response,
}

/// Whether an exchange was ended, and who is to be told.
#[derive(Default)]
pub(crate) struct Ending {
    ended: Cell<bool>,
    request: Cell<Option<Waker>>,
    response: Cell<Option<Waker>>,
}

impl Ending {
    /// Ends it; those who wait learn of it.
    pub(crate) fn end(&self) {
        self.ended.set(true);
        for waiting in [&self.request, &self.response] {
            if let Some(waker) = waiting.take() {
                waker.wake();
            }
        }
    }

    /// Whether it was ended.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.get()
    }

    /// Ready once it is ended. The last to ask for a side is told.
    pub(crate) fn poll_ended(&self, side: Side, cx: &Context<'_>) -> Poll<()> {
        if self.ended.get() {
            return Poll::Ready(());
        }
        let waiting = match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        };
        let waker = match waiting.take() {
            Some(waker) if waker.will_wake(cx.waker()) => waker,
            _ => cx.waker().clone(),
        };
        waiting.set(Some(waker));
        Poll::Pending
    }
}
