//! A client's socket as it was accepted, which gives back what was read ahead of what reads it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A socket of either family.
pub(crate) struct Socket {
    ahead: Bytes,
    stream: Stream,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Calls a method on the stream, whichever it is.
macro_rules! on_stream {
    ($stream:expr, $name:ident($($argument:expr),*)) => {
        match $stream {
            Stream::Tcp(stream) => Pin::new(stream).$name($($argument),*),
            Stream::Unix(stream) => Pin::new(stream).$name($($argument),*),
        }
    };
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self { ahead: Bytes::new(), stream: Stream::Tcp(stream) }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self { ahead: Bytes::new(), stream: Stream::Unix(stream) }
    }
}

impl Socket {
    /// Waits for bytes and adds what is there, up to the buffer's free room or `room` where it has
    /// none. No memory is taken while nothing has come.
    ///
    /// # Errors
    /// Where the client has gone or shut its side.
    pub(crate) async fn read_some(&mut self, into: &mut BytesMut, room: usize) -> io::Result<()> {
        loop {
            match &self.stream {
                Stream::Tcp(stream) => stream.readable().await?,
                Stream::Unix(stream) => stream.readable().await?,
            }
            if into.capacity() == into.len() {
                into.reserve(room);
            }
            let read = match &self.stream {
                Stream::Tcp(stream) => stream.try_read_buf(into),
                Stream::Unix(stream) => stream.try_read_buf(into),
            };
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives back what was read, to be read again.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.ahead = bytes;
    }

    /// What was given back and not read again yet.
    pub(crate) fn take_ahead(&mut self) -> Bytes {
        std::mem::take(&mut self.ahead)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return on_stream!(&mut self.stream, poll_read(cx, buf));
        }
        let part = self.ahead.len().min(buf.remaining());
        buf.put_slice(self.ahead.get(..part).unwrap_or_default());
        self.ahead.advance(part);
        if self.ahead.is_empty() {
            // An empty view would still keep the buffer.
            self.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_stream!(&mut self.stream, poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_stream!(&mut self.stream, poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(&mut self.stream, poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(&mut self.stream, poll_shutdown(cx))
    }
}
