//! A request body that streams: scanned ahead of what is forwarded, piece by piece.
//!
//! The piece in which a token completes is never forwarded. The stream then ends with an error,
//! on which hyper drops the upstream connection in the middle of the message: the upstream sees
//! neither the token nor the message's end.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::ending::Side;
use super::failure::Failure;
use super::idle::IdleTimer;
use super::inspector::Inspector;
use super::record::{Exchange, Facts};
use super::trailers::{Passing, keep_allowed};

/// Why a stream was ended; the reason itself is with the [`Exchange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's body was ended by the gateway")]
pub(crate) struct StreamEnded;

/// The beginning that was held, and the rest of a body as it comes.
pub(crate) struct StreamingBody {
    beginning: Bytes,
    rest: Incoming,
    inspector: Inspector,
    idle: IdleTimer,
    exchange: Rc<Exchange>,
    facts: Facts,
    passing: Passing,
    ended: bool,
}

impl StreamingBody {
    /// `beginning` has been inspected and settled; `passing` says which trailers will be sent.
    pub(crate) fn new(
        beginning: Bytes,
        rest: Incoming,
        inspector: Inspector,
        idle: Duration,
        exchange: Rc<Exchange>,
        facts: Facts,
        passing: Passing,
    ) -> Self {
        let idle = IdleTimer::new(idle);
        Self { beginning, rest, inspector, idle, exchange, facts, passing, ended: false }
    }

    /// Inspects a frame; with the last one, the body's end as well, since with a declared length the
    /// upstream takes the last byte for the end.
    fn inspect(&mut self, frame: &Frame<Bytes>) -> Result<(), Failure> {
        self.ended = frame.is_trailers() || self.rest.is_end_stream();
        if self.ended {
            self.exchange.body_ended();
        }
        self.inspector.piece(frame, self.ended)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.ended = true;
        self.exchange.body_ended();
        self.inspector.finish()
    }

    fn end(&mut self, failure: Failure) -> StreamEnded {
        self.ended = true;
        self.exchange.note(self.inspector.inspection(), &self.facts);
        self.exchange.end_stream(failure);
        StreamEnded
    }
}

impl Drop for StreamingBody {
    fn drop(&mut self) {
        self.exchange.note(self.inspector.inspection(), &self.facts);
        self.exchange.inspected(&self.inspector);
    }
}

impl Body for StreamingBody {
    type Data = Bytes;
    type Error = StreamEnded;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamEnded>>> {
        let this = &mut *self;
        if !this.beginning.is_empty() {
            let beginning = std::mem::take(&mut this.beginning);
            return Poll::Ready(Some(Ok(Frame::data(beginning))));
        }
        if this.ended {
            return Poll::Ready(None);
        }
        if this.exchange.ending.poll_ended(Side::Request, cx).is_ready() {
            return Poll::Ready(Some(Err(this.end(Failure::Leaked))));
        }
        let result = match Pin::new(&mut this.rest).poll_frame(cx) {
            Poll::Pending => {
                std::task::ready!(this.idle.poll_elapsed(cx));
                Err(Failure::SlowBody)
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.idle.moved();
                this.exchange.body_moved();
                this.inspect(&frame).map(|()| Some(frame))
            }
            Poll::Ready(Some(Err(_))) => Err(Failure::BrokenBody),
            Poll::Ready(None) => this.finish().map(|()| None),
        };
        Poll::Ready(match result {
            Ok(Some(mut frame)) => {
                this.exchange.note(this.inspector.inspection(), &this.facts);
                if let Some(trailers) = frame.trailers_mut() {
                    this.exchange.trailers_came();
                    let mut lost = keep_allowed(trailers);
                    if !this.exchange.passes_all_trailers() {
                        lost += this.passing.lost(trailers);
                    }
                    this.exchange.trailers_lost("request", lost);
                }
                Some(Ok(frame))
            }
            Ok(None) => None,
            Err(failure) => Some(Err(this.end(failure))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.beginning.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let beginning = self.beginning.len() as u64;
        match self.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(beginning + rest),
            None => SizeHint::new(),
        }
    }
}
