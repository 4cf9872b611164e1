//! The bodies that hyper sends for us: to the upstream and to the client.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::ending::Side;
use super::pulse::Pulse;
use super::record::Exchange;
use super::stream::{StreamEnded, StreamingBody};
use super::trailers::{Passing, keep_allowed};
use super::upstream::Lease;

/// What is sent to the upstream.
pub(crate) enum UpstreamBody {
    /// A body that was held to its end, or none.
    Held {
        /// The content, until it is sent.
        bytes: Bytes,
        /// The trailers, until they are sent.
        trailers: Option<HeaderMap>,
    },
    /// A body that is inspected as it streams.
    Streaming(Box<StreamingBody>),
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = StreamEnded;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamEnded>>> {
        match self.get_mut() {
            Self::Held { bytes, trailers } => Poll::Ready(if !bytes.is_empty() {
                Some(Ok(Frame::data(std::mem::take(bytes))))
            } else {
                trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))
            }),
            Self::Streaming(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Held { bytes, trailers } => bytes.is_empty() && trailers.is_none(),
            Self::Streaming(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Held { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            Self::Streaming(body) => body.size_hint(),
        }
    }
}

/// Why a response cannot go on once it has begun; the client's connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResponseBroken {
    /// Its connection broke, or its framing did.
    #[error("the upstream's response broke off")]
    Upstream,
    /// No more of it came in time.
    #[error("the upstream's response stopped")]
    Slow,
    /// A token that the request was opened with is blocked by now.
    #[error("the exchange was ended")]
    Ended,
}

/// What is sent to the client. While it lives, its request is under way.
pub(crate) struct ClientBody {
    content: Content,
    _under_way: UnderWay,
}

enum Content {
    Own(Bytes),
    Upstream {
        body: Incoming,
        /// Goes back to its pool when the body has ended.
        lease: Lease,
        /// Recorded when both directions have ended.
        exchange: Rc<Exchange>,
        passing: Passing,
        /// Whether the head tells of a length though nothing follows (304): hyper would drop it from
        /// the head if it knew beforehand that nothing does.
        bare_length: bool,
    },
}

/// A request under way on a connection.
pub(crate) struct UnderWay(Arc<Pulse>);

impl UnderWay {
    /// `in_body` where there may be more of its body to read.
    pub(crate) fn begin(pulse: &Arc<Pulse>, in_body: bool) -> Self {
        pulse.begin(in_body);
        Self(Arc::clone(pulse))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl ClientBody {
    /// A body of the gateway's own.
    pub(crate) fn own(bytes: Bytes, under_way: UnderWay) -> Self {
        Self { content: Content::Own(bytes), _under_way: under_way }
    }

    /// A body passed on, with those of its trailers that will be sent; `bare_length` where its head
    /// tells of a length though there is no content (304).
    pub(crate) fn upstream(
        body: Incoming,
        lease: Lease,
        exchange: Rc<Exchange>,
        passing: Passing,
        bare_length: bool,
        under_way: UnderWay,
    ) -> Self {
        let content = Content::Upstream { body, lease, exchange, passing, bare_length };
        Self { content, _under_way: under_way }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = ResponseBroken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBroken>>> {
        match &mut self.get_mut().content {
            Content::Own(bytes) => {
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(std::mem::take(bytes)))))
            }
            Content::Upstream { exchange, .. } if exchange.ending.is_ended() => {
                Poll::Ready(Some(Err(ResponseBroken::Ended)))
            }
            Content::Upstream { body, lease, exchange, passing, .. } => match Pin::new(body)
                .poll_frame(cx)
            {
                Poll::Pending => {
                    exchange.waits_for_upstream();
                    if exchange.ending.poll_ended(Side::Response, cx).is_ready() {
                        return Poll::Ready(Some(Err(ResponseBroken::Ended)));
                    }
                    std::task::ready!(lease.poll_elapsed(cx));
                    lease.broke();
                    Poll::Ready(Some(Err(ResponseBroken::Slow)))
                }
                Poll::Ready(mut frame) => {
                    lease.moved();
                    match &frame {
                        Some(Ok(frame)) => exchange.gave(frame.data_ref().map_or(0, Bytes::len)),
                        Some(Err(_)) => lease.broke(),
                        None => {}
                    }
                    if let Some(Ok(frame)) = &mut frame
                        && let Some(trailers) = frame.trailers_mut()
                    {
                        let lost = keep_allowed(trailers) + passing.lost(trailers);
                        exchange.trailers_lost("response", lost);
                    }
                    Poll::Ready(frame.map(|result| result.map_err(|_| ResponseBroken::Upstream)))
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(bytes) => bytes.is_empty(),
            Content::Upstream { body, bare_length, .. } => !bare_length && body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Upstream { bare_length: true, .. } => SizeHint::new(),
            Content::Upstream { body, .. } => body.size_hint(),
        }
    }
}
