//! A client's socket: gives back what was read to tell the protocol, keeps the connection's pulse,
//! and closes gently.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::pulse::Pulse;
use crate::config::limits;

/// The socket as hyper sees it.
pub(crate) struct ClientStream {
    tcp: TcpStream,
    sniffed: Bytes,
    pulse: Arc<Pulse>,
    half_closed: Option<HalfClosed>,
    linger: Option<Linger>,
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
    /// A socket of which `sniffed` has already been read.
    pub(crate) fn new(tcp: TcpStream, sniffed: Bytes, pulse: Arc<Pulse>) -> Self {
        Self { tcp, sniffed, pulse, half_closed: None, linger: None }
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Linger {
            until: Box::pin(tokio::time::sleep(limits::LINGER_TIME)),
            left: limits::LINGER_BYTES,
        });
        let mut scratch = [MaybeUninit::<u8>::uninit(); 4096];
        while linger.left > 0 {
            let mut buf = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut self.tcp).poll_read(cx, &mut buf) {
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
        if !self.sniffed.is_empty() {
            let part = self.sniffed.len().min(buf.remaining());
            buf.put_slice(self.sniffed.get(..part).unwrap_or_default());
            self.sniffed.advance(part);
            if self.sniffed.is_empty() {
                // An empty view would still keep the buffer.
                self.sniffed = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
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
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.note_write(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.note_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.half_closed.is_some() && self.pulse.half_closed().is_none() {
            // The answer has gone: the end, which hyper was not told yet, is read now.
            self.half_closed = None;
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
        }
        if !self.pulse.is_tunnel() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
