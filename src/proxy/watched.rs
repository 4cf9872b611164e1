//! A request's body of which it is known whether it was read to its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// hyper's body tells its end only where its length was declared; this one does wherever the end was
/// read. A connection may then serve another request though this one was refused.
pub(crate) struct Watched<'a> {
    body: &'a mut Incoming,
    ended: bool,
    had_trailers: bool,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(body: &'a mut Incoming) -> Self {
        Self { body, ended: false, had_trailers: false }
    }

    /// Whether it ended with trailers.
    pub(crate) fn had_trailers(&self) -> bool {
        self.had_trailers
    }

    /// Reads on while pieces are at hand, without waiting for any, up to a limit of bytes: what a
    /// client has sent in one go with a refused piece may be the rest of its body.
    pub(crate) async fn look_ahead(&mut self) {
        let mut left = crate::config::limits::LINGER_BYTES;
        while !self.is_end_stream() && left > 0 {
            let piece = tokio::select! {
                biased;
                piece = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)) => piece,
                // hyper gives the next piece that it has already read in its own turn.
                () = tokio::task::yield_now() => return,
            };
            match piece {
                Some(Ok(frame)) => {
                    left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                }
                Some(Err(_)) => return,
                None => {}
            }
        }
    }
}

impl Body for Watched<'_> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut *self.body).poll_frame(cx));
        // Trailers end a body.
        self.had_trailers |= matches!(&frame, Some(Ok(frame)) if frame.is_trailers());
        self.ended |= self.had_trailers || frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
