//! A client's connection as hyper sees it, plain or TLS: keeps the connection's pulse, and closes
//! gently.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

use super::pulse::Pulse;
use super::socket::Socket;
use crate::config::limits;

/// The connection as hyper sees it.
pub(crate) struct ClientStream {
    transport: Transport,
    pulse: Arc<Pulse>,
    half_closed: Option<HalfClosed>,
    linger: Option<Linger>,
}

enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// Calls a method on the transport, whichever it is.
macro_rules! on_transport {
    ($transport:expr, $name:ident($($argument:expr),*)) => {
        match $transport {
            Transport::Plain(socket) => Pin::new(socket).$name($($argument),*),
            Transport::Tls(stream) => Pin::new(stream).$name($($argument),*),
        }
    };
}

/// The client has shut its side. Whether it is gone or waits for its answer cannot be told until
/// something is written to it; so it is given a moment, and another after each write that went. Were
/// the end never told to hyper, each client that leaves would keep its upstream connection for as
/// long as the upstream takes to answer.
struct HalfClosed {
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

/// A close under way: our side is shut, and what the client still sends is thrown away for a while.
/// A socket closed with unread bytes in it would be reset, and the reset would overtake an answer
/// that the client has not read yet.
struct Linger {
    until: Pin<Box<Sleep>>,
    left: usize,
}

impl ClientStream {
    /// A connection without TLS.
    pub(crate) fn plain(socket: Socket, pulse: Arc<Pulse>) -> Self {
        Self::new(Transport::Plain(socket), pulse)
    }

    /// A connection whose handshake is done.
    pub(crate) fn secure(stream: Box<TlsStream<Socket>>, pulse: Arc<Pulse>) -> Self {
        Self::new(Transport::Tls(stream), pulse)
    }

    fn new(transport: Transport, pulse: Arc<Pulse>) -> Self {
        Self { transport, pulse, half_closed: None, linger: None }
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Linger {
            until: Box::pin(tokio::time::sleep(limits::LINGER_TIME)),
            left: limits::LINGER_BYTES,
        });
        let mut scratch = [MaybeUninit::<u8>::uninit(); 4096];
        while linger.left > 0 {
            let mut buf = ReadBuf::uninit(&mut scratch);
            match on_transport!(&mut self.transport, poll_read(cx, &mut buf)) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    linger.left = linger.left.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return linger.until.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }

    /// Ready once the client's end may be told.
    fn poll_half_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(limit) = self.pulse.half_closed() {
            let half_closed = self.half_closed.get_or_insert_with(|| HalfClosed {
                since: Instant::now(),
                timer: Box::pin(tokio::time::sleep(limit)),
            });
            let deadline = half_closed.since + limit;
            if deadline <= Instant::now() {
                break;
            }
            half_closed.timer.as_mut().reset(deadline);
            ready!(half_closed.timer.as_mut().poll(cx));
        }
        Poll::Ready(())
    }

    fn note_write<T>(&mut self, written: Poll<T>) -> Poll<T> {
        match written {
            Poll::Pending => self.pulse.write_waits(),
            Poll::Ready(_) => {
                self.pulse.write_went();
                if let Some(half_closed) = &mut self.half_closed {
                    half_closed.since = Instant::now();
                }
            }
        }
        written
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match ready!(on_transport!(&mut self.transport, poll_read(cx, buf))) {
            Ok(()) => {}
            // A TLS client that ends without saying so: HTTP tells by itself whether a message is
            // whole.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
        if buf.filled().len() > before {
            self.pulse.received();
        } else if buf.remaining() > 0 {
            ready!(self.poll_half_closed(cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = on_transport!(&mut self.transport, poll_write(cx, buf));
        self.note_write(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = on_transport!(&mut self.transport, poll_write_vectored(cx, bufs));
        self.note_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(socket) => socket.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.half_closed.is_some() && self.pulse.half_closed().is_none() {
            // The answer has gone: the end, which hyper was not told yet, is read now.
            self.half_closed = None;
            cx.waker().wake_by_ref();
        }
        // TLS takes what is written before the socket does.
        let flushed = on_transport!(&mut self.transport, poll_flush(cx));
        match flushed {
            Poll::Pending => self.pulse.write_waits(),
            Poll::Ready(_) => self.pulse.write_went(),
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(on_transport!(&mut self.transport, poll_shutdown(cx)))?;
        }
        if !self.pulse.is_tunnel() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
