//! Connections as they are spoken on: hyper's settings for them, and who drives them.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use futures_util::future::Either;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connect::Stream;
use super::counted::Counted;
use super::target::Speaks;
use crate::config::limits;
use crate::proxy::body::UpstreamBody;
use crate::proxy::connection::Local;
use crate::proxy::idle::IdleTimer;

/// A connection to a server, on loan to one request.
pub(super) enum Link {
    Http1(Http1),
    Http2(Http2Loan),
}

/// An HTTP/1.1 connection: one request at a time.
pub(super) struct Http1 {
    sender: http1::SendRequest<UpstreamBody>,
    /// Kept with it, so that it is armed once in a long time rather than for each request.
    pub(super) timer: IdleTimer,
}

/// An HTTP/2 connection, of many requests at once.
pub(super) struct Http2 {
    sender: http2::SendRequest<UpstreamBody>,
    streams: Cell<usize>,
    /// How many the server allows, while the connection lives.
    allowed: Box<dyn Fn() -> Option<usize>>,
    idle_since: Cell<Instant>,
}

/// One request's part of an HTTP/2 connection.
pub(super) struct Http2Loan {
    connection: Rc<Http2>,
    pub(super) timer: IdleTimer,
}

/// What comes of sending a request.
pub(super) type Sent = Result<Response<Incoming>, TrySendError<Request<UpstreamBody>>>;

impl Link {
    /// Begins to speak on a new connection.
    pub(super) async fn over(
        stream: Stream,
        speaks: Speaks,
        gauge: IntGauge,
        streams: usize,
    ) -> hyper::Result<Self> {
        let opened = Counted::new(gauge);
        match stream {
            Stream::Tcp(io) => Self::begin(io, speaks, opened, streams).await,
            Stream::Tls(io) => Self::begin(io, speaks, opened, streams).await,
            Stream::Unix(io) => Self::begin(io, speaks, opened, streams).await,
        }
    }

    async fn begin<T>(io: T, speaks: Speaks, opened: Counted, streams: usize) -> hyper::Result<Self>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(io);
        if speaks == Speaks::Http2 {
            Ok(Self::Http2(Http2::begin(io, opened, streams).await?))
        } else {
            Ok(Self::Http1(Http1::begin(io, opened).await?))
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    pub(super) fn timer(&mut self) -> &mut IdleTimer {
        match self {
            Self::Http1(connection) => &mut connection.timer,
            Self::Http2(loan) => &mut loan.timer,
        }
    }

    /// Sends a request, whose form must be that of the protocol.
    pub(super) fn send(
        &mut self,
        request: Request<UpstreamBody>,
    ) -> impl Future<Output = Sent> + use<> {
        match self {
            Self::Http1(connection) => Either::Left(connection.sender.try_send_request(request)),
            Self::Http2(loan) => {
                Either::Right(loan.connection.sender.clone().try_send_request(request))
            }
        }
    }
}

impl Http1 {
    async fn begin<T>(io: TokioIo<T>, opened: Counted) -> hyper::Result<Self>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            // Of responses, which are not inspected.
            .preserve_header_case(true)
            .max_headers(limits::RESPONSE_HEADER_COUNT)
            .max_header_size(limits::RESPONSE_HEAD_BYTES)
            .max_buf_size(limits::RESPONSE_HEAD_BYTES)
            .handshake(io)
            .await?;
        tokio::task::spawn_local(async move {
            // Whoever waits for a response learns of the error; nobody waits on an idle connection.
            let _ = connection.with_upgrades().await;
            drop(opened);
        });
        Ok(Self { sender, timer: IdleTimer::new(limits::RESPONSE_TIMEOUT) })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl Http2 {
    async fn begin<T>(io: TokioIo<T>, opened: Counted, streams: usize) -> hyper::Result<Http2Loan>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let all = u32::try_from(streams).unwrap_or(u32::MAX);
        let all = limits::UPSTREAM_STREAM_WINDOW.saturating_mul(all).min(limits::H2_WINDOW_MAX);
        let (sender, connection) = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .initial_stream_window_size(limits::UPSTREAM_STREAM_WINDOW)
            .initial_connection_window_size(all.max(limits::UPSTREAM_STREAM_WINDOW))
            .adaptive_window(false)
            .max_frame_size(limits::H2_FRAME_BYTES)
            .max_header_list_size(limits::RESPONSE_HEAD_BYTES as u32)
            .max_send_buf_size(limits::H2_SEND_BUFFER)
            .max_concurrent_reset_streams(limits::UPSTREAM_RESETS)
            .keep_alive_interval(limits::H2_PING_INTERVAL)
            .keep_alive_timeout(limits::H2_PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .handshake(io)
            .await?;
        // Driven by one task and asked by others, in turn.
        let connection = Rc::new(RefCell::new(Some(connection)));
        let asked = Rc::downgrade(&connection);
        let allowed = move || {
            let asked = asked.upgrade()?;
            let connection = asked.try_borrow().ok()?;
            Some(connection.as_ref()?.current_max_send_streams())
        };
        tokio::task::spawn_local(async move {
            // Its requests learn of the error.
            let _ = poll_fn(|cx| match &mut *connection.borrow_mut() {
                Some(connection) => Pin::new(connection).poll(cx),
                None => Poll::Ready(Ok(())),
            })
            .await;
            connection.borrow_mut().take();
            drop(opened);
        });
        let connection = Self {
            sender,
            streams: Cell::new(0),
            allowed: Box::new(allowed),
            idle_since: Cell::new(Instant::now()),
        };
        Ok(Self::lend(&Rc::new(connection)))
    }

    /// A part of it for one request.
    pub(super) fn lend(connection: &Rc<Self>) -> Http2Loan {
        connection.streams.set(connection.streams.get() + 1);
        let timer = IdleTimer::new(limits::RESPONSE_TIMEOUT);
        Http2Loan { connection: Rc::clone(connection), timer }
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.get()
    }

    /// Whether it takes another request, where `most` are configured.
    pub(super) fn has_room(&self, most: usize) -> bool {
        self.streams.get() < (self.allowed)().unwrap_or(most).min(most)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Since when it serves no request; `None` where it serves one.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (self.streams.get() == 0).then(|| self.idle_since.get())
    }
}

impl Http2Loan {
    pub(super) fn connection(&self) -> &Rc<Http2> {
        &self.connection
    }
}

impl Drop for Http2Loan {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.streams.set(connection.streams.get().saturating_sub(1));
        if connection.streams.get() == 0 {
            connection.idle_since.set(Instant::now());
        }
    }
}
