//! One client connection: which protocol it speaks, its requests, its clock, its end.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::rc::Rc;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;

use super::body::{ClientBody, UnderWay};
use super::client::Client;
use super::client_stream::ClientStream;
use super::listen::Arrival;
use super::opening::{self, Opened, Protocol, count_slow};
use super::pulse::Slow;
use super::request;
use super::worker::Worker;
use crate::config::limits;

/// How connections are served: hyper's settings, each set here, made once a worker.
pub(crate) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<Local>,
}

impl Protocols {
    pub(crate) fn new() -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            // The connection's own clock does this, and tells an idle connection from a slow head.
            .header_read_timeout(None)
            // So that it finds out when a client leaves; `ClientStream` waits a moment before it
            // tells of the end, since the client may have shut its own side only.
            .half_close(false)
            .keep_alive(true)
            // What is forwarded is what was inspected: names in lower case.
            .preserve_header_case(false)
            .max_headers(limits::HEADER_COUNT)
            .max_header_size(limits::HEAD_BYTES)
            .max_buf_size(limits::HEAD_BYTES)
            .auto_date_header(false)
            // It would buffer responses without a bound.
            .pipeline_flush(false);
        let mut http2 = http2::Builder::new(Local);
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits::H2_STREAMS)
            .max_header_list_size(limits::H2_HEADER_LIST_BYTES)
            .max_pending_accept_reset_streams(limits::H2_PENDING_RESETS)
            .max_local_error_reset_streams(limits::H2_LOCAL_RESETS)
            .initial_stream_window_size(limits::H2_STREAM_WINDOW)
            .initial_connection_window_size(limits::H2_CONNECTION_WINDOW)
            .adaptive_window(false)
            .max_frame_size(limits::H2_FRAME_BYTES)
            .max_send_buf_size(limits::H2_SEND_BUFFER)
            .keep_alive_interval(limits::H2_PING_INTERVAL)
            .keep_alive_timeout(limits::H2_PING_TIMEOUT)
            .auto_date_header(false);
        Self { http1, http2 }
    }
}

/// Runs hyper's tasks on the worker's own thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local;

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future<Output: 'static> + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve(worker: Rc<Worker>, arrival: Arrival) {
    let opened = tokio::select! {
        biased;
        opened = opening::open(&worker, arrival) => opened,
        () = nothing_at_drain(&worker) => return,
    };
    let Some(Opened { client, stream, protocol }) = opened else { return };
    let io = TokioIo::new(stream);
    let requests = {
        let client = Rc::clone(&client);
        service_fn(move |request: Request<Incoming>| {
            // Before hyper reads on, so that the client's end is not taken for that of an idle
            // connection.
            let under_way = UnderWay::begin(client.pulse(), !request.body().is_end_stream());
            // Its memory is large and goes with it: hyper would keep room for it in each connection,
            // also in those that are idle.
            Box::pin(serve_request(Rc::clone(&client), under_way, request))
        })
    };
    match protocol {
        Protocol::Http1 => {
            client.pulse().is_sequential();
            let connection = worker.protocols.http1.serve_connection(io, requests).with_upgrades();
            drive(Box::new(connection), &client).await;
        }
        Protocol::Http2 => {
            let connection = worker.protocols.http2.serve_connection(io, requests);
            drive(Box::new(connection), &client).await;
        }
    }
}

async fn serve_request(
    client: Rc<Client>,
    under_way: UnderWay,
    request: Request<Incoming>,
) -> Result<Response<ClientBody>, Infallible> {
    Ok(request::serve(client, under_way, request).await)
}

/// What is asked of a connection of either protocol.
trait Connection: Future<Output = hyper::Result<()>> + Unpin {
    /// Finishes what is under way and takes no more.
    fn finish(&mut self);

    /// Gives up, and gives back the socket, where something can still be said on it.
    fn give_up(self) -> Option<ClientStream>;
}

impl<S> Connection for http1::UpgradeableConnection<TokioIo<ClientStream>, S>
where
    Self: Future<Output = hyper::Result<()>> + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = ClientBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(&mut self) {
        Pin::new(self).graceful_shutdown();
    }

    fn give_up(self) -> Option<ClientStream> {
        self.into_parts().map(|parts| parts.io.into_inner())
    }
}

impl<S> Connection for http2::Connection<TokioIo<ClientStream>, S, Local>
where
    Self: Future<Output = hyper::Result<()>> + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = ClientBody>,
    S::Future: 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(&mut self) {
        Pin::new(self).graceful_shutdown();
    }

    fn give_up(self) -> Option<ClientStream> {
        None
    }
}

/// What a client gets whose request's head stops coming: it is no request yet, so hyper answers
/// nothing.
const HEAD_TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Polls a connection to its end; ends it when it is too slow, and when the worker drains. In a box: an
/// argument lies in a future twice.
async fn drive(mut connection: Box<impl Connection>, client: &Client) {
    let worker = client.worker();
    let mut slow = pin!(client.pulse().slow(|| worker.settings().config.timeouts));
    let mut drained = pin!(worker.drain.cancelled());
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            result = &mut connection => {
                if result.is_err_and(|error| error.is_parse()) {
                    worker.count_malformed();
                }
                return;
            }
            what = &mut slow => {
                count_slow(worker, what);
                if what == Slow::Idle {
                    // An HTTP/2 client is told, so that it sends nothing into a closed connection.
                    connection.finish();
                    let _ = tokio::time::timeout(limits::LINGER_TIME, &mut connection).await;
                } else if what == Slow::Head
                    && let Some(mut stream) = (*connection).give_up()
                    && stream.write_all(HEAD_TIMED_OUT).await.is_ok()
                {
                    let _ = stream.shutdown().await;
                }
                return;
            }
            () = &mut drained, if !draining => {
                draining = true;
                connection.finish();
            }
            () = client.asked_to_close() => {
                draining = true;
                connection.finish();
                if client.is_given_up() {
                    let _ = tokio::time::timeout(limits::GIVE_UP_TIME, &mut connection).await;
                    return;
                }
            }
        }
    }
}

/// Waits until the worker drains, and a moment more for a request that is on its way.
async fn nothing_at_drain(worker: &Worker) {
    worker.drain.cancelled().await;
    tokio::time::sleep(limits::DRAIN_FIRST_BYTES).await;
}
