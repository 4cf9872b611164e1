//! Servers that speak HTTP/2, by prior knowledge.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{configured, until_metric};
use crate::h2c::{connect, send};
use crate::support::gateway::{Running, patchset, start_with};
use crate::support::socket::ASK;
use crate::support::tokens::token;
use crate::support::{HOUR, soon};

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// A request that a server got, and how it is answered.
struct Got {
    request: Request<Incoming>,
    answer: mpsc::Sender<Response<Body>>,
}

/// A server whose requests the test answers.
struct Server {
    address: SocketAddr,
    requests: mpsc::Receiver<Got>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, requests) = mpsc::channel(100);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let tell = tell.clone();
                let service = service_fn(move |request| {
                    let tell = tell.clone();
                    async move {
                        let (answer, mut answered) = mpsc::channel(1);
                        tell.send(Got { request, answer }).await.unwrap();
                        Ok::<_, Infallible>(answered.recv().await.unwrap())
                    }
                });
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(builder.serve_connection(TokioIo::new(tcp), service));
            }
        });
        Self { address, requests, connections }
    }

    async fn next(&mut self) -> Got {
        soon("a request", self.requests.recv()).await.unwrap()
    }

    fn gateway(&self) -> Running {
        start_with(&[], |config| {
            config.upstreams = vec![configured(&format!("servers = [\"h2c://{}\"]", self.address))];
            config.hold.pause = std::time::Duration::from_millis(1);
        })
    }
}

impl Got {
    async fn answer(self, text: &'static str) {
        let body = Full::new(Bytes::from_static(text.as_bytes()));
        let body = body.map_err(|never| match never {}).boxed_unsync();
        self.answer.send(Response::new(body)).await.unwrap();
    }
}

#[tokio::test]
async fn a_request_of_either_version_becomes_http_2() {
    let mut server = Server::start().await;
    let gateway = server.gateway();
    let mut client = gateway.connect().await;
    client
        .send(
            "POST /x?y=%41 HTTP/1.1\r\nHost: api.example:81\r\nConnection: keep-alive, x-hop\r\n\
             X-Hop: 1\r\nTE: trailers\r\nX-One: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
        )
        .await;
    let mut got = server.next().await;
    assert_eq!(got.request.uri(), "http://api.example:81/x?y=%41");
    let headers = got.request.headers();
    for gone in ["host", "connection", "x-hop", "transfer-encoding", "keep-alive"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    assert_eq!(headers["x-one"], "1");
    assert_eq!(headers["te"], "trailers");
    let body = got.request.body_mut().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-sum"], "7");
    assert_eq!(body.to_bytes(), "hi");
    got.answer("ok").await;
    let answer = client.message().await;
    assert_eq!((answer.start(), answer.body.as_str()), ("HTTP/1.1 200 OK", "ok"));

    let mut sender = connect(&gateway).await;
    let request = Request::get("http://api.example/z").body(Empty::<Bytes>::new()).unwrap();
    let response = send(&mut sender, request);
    let got = server.next().await;
    assert_eq!(got.request.uri(), "http://api.example/z");
    got.answer("again").await;
    let response = soon("the answer", response).await.unwrap().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "again");
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn many_requests_share_one_connection_and_more_take_another() {
    let mut server = Server::start().await;
    let gateway = start_with(&[], |config| {
        let text = format!("servers = [\"h2c://{}\"]\nconnections.max_streams = 3", server.address);
        config.upstreams = vec![configured(&text)];
    });
    let (mut clients, mut held) = (Vec::new(), Vec::new());
    for count in 1..=7 {
        let mut client = gateway.connect().await;
        client.send(super::GET).await;
        clients.push(client);
        held.push(server.next().await);
        assert_eq!(server.connections.load(Ordering::Relaxed), (count - 1) / 3 + 1);
    }
    for got in held {
        got.answer("ok").await;
    }
    for mut client in clients {
        assert_eq!(client.message().await.status(), 200);
    }
}

#[tokio::test]
async fn the_first_requests_wait_for_one_connection() {
    let mut server = Server::start().await;
    let gateway = server.gateway();
    let mut sender = connect(&gateway).await;
    let mut responses = Vec::new();
    for _ in 0..20 {
        let request = Request::get("http://a/").body(Empty::<Bytes>::new()).unwrap();
        responses.push(send(&mut sender, request));
    }
    for _ in 0..20 {
        server.next().await.answer("ok").await;
    }
    for response in responses {
        assert_eq!(soon("the answer", response).await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn both_sides_talk_at_once_to_the_trailers() {
    let mut server = Server::start().await;
    let gateway = server.gateway();
    let mut sender = connect(&gateway).await;
    let (say, said) = mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(4);
    let request =
        Request::post("http://a/talk").body(StreamBody::new(ReceiverStream::new(said))).unwrap();
    let response = send(&mut sender, request);
    let mut got = server.next().await;
    let (reply, replies) = mpsc::channel::<Result<Frame<Bytes>, hyper::Error>>(4);
    let body = StreamBody::new(ReceiverStream::new(replies)).boxed_unsync();
    got.answer.send(Response::new(body)).await.unwrap();
    let mut response = soon("the answer", response).await.unwrap().unwrap();
    for turn in 0..50 {
        let ping = Bytes::from(format!("ping {turn}"));
        say.send(Ok(Frame::data(ping.clone()))).await.unwrap();
        let frame = soon("the ping", got.request.body_mut().frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), ping);
        let pong = Bytes::from(format!("pong {turn}"));
        reply.send(Ok(Frame::data(pong.clone()))).await.unwrap();
        let frame = soon("the pong", response.body_mut().frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), pong);
    }
    let trailers = |name: &'static str| {
        let mut trailers = HeaderMap::new();
        trailers.insert(name, "0".parse().unwrap());
        Frame::trailers(trailers)
    };
    say.send(Ok(trailers("x-sum"))).await.unwrap();
    drop(say);
    let frame = soon("the trailers", got.request.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_trailers().unwrap()["x-sum"], "0");
    reply.send(Ok(trailers("grpc-status"))).await.unwrap();
    drop(reply);
    let frame = soon("the status", response.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_trailers().unwrap()["grpc-status"], "0");
    assert_eq!(gateway.metric("trailers_dropped_total{direction=\"request\"}"), 0);
}

#[tokio::test]
async fn a_token_in_a_stream_resets_it_and_the_others_live_on() {
    let mut server = Server::start().await;
    let gateway = server.gateway();
    let token = token("tok_", 36);
    gateway.patchset.store(patchset(&[(&token, leakgate::model::rule::Action::Block)]));
    let mut sender = connect(&gateway).await;
    let (say, said) = mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(4);
    let request =
        Request::post("http://a/").body(StreamBody::new(ReceiverStream::new(said))).unwrap();
    let response = send(&mut sender, request);
    let mut other = gateway.connect().await;
    say.send(Ok(Frame::data(Bytes::from_static(b"beginning ")))).await.unwrap();
    let mut got = server.next().await;
    other.send(super::GET).await;
    let living = server.next().await;
    let frame = soon("the beginning", got.request.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "beginning ");
    say.send(Ok(Frame::data(Bytes::from(token)))).await.unwrap();
    assert!(soon("the reset", got.request.body_mut().frame()).await.unwrap().is_err());
    assert_eq!(soon("the answer", response).await.unwrap().unwrap().status(), 403);
    living.answer("ok").await;
    assert_eq!(other.message().await.status(), 200);
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_client_that_leaves_resets_its_stream_only() {
    let mut server = Server::start().await;
    let gateway = server.gateway();
    let mut client = gateway.connect().await;
    client.send(super::GET).await;
    let got = server.next().await;
    client.abort();
    soon("the end of the answer's reader", got.answer.closed()).await;
    let mut client = gateway.connect().await;
    client.send(super::GET).await;
    server.next().await.answer("ok").await;
    assert_eq!(client.message().await.status(), 200);
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_large_answer_waits_for_its_client() {
    let mut server = Server::start().await;
    let gateway = server.gateway();
    let mut client = gateway.connect().await;
    client.send(super::GET).await;
    let got = server.next().await;
    let (reply, replies) = mpsc::channel::<Result<Frame<Bytes>, hyper::Error>>(1);
    let body = StreamBody::new(ReceiverStream::new(replies)).boxed_unsync();
    got.answer.send(Response::new(body)).await.unwrap();
    client.head().await;
    // The client reads nothing more, so at some time the server can send nothing more.
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let mut sent = 0;
    let stuck = std::time::Duration::from_millis(500);
    while let Ok(Ok(())) =
        tokio::time::timeout(stuck, reply.send(Ok(Frame::data(piece.clone())))).await
    {
        sent += piece.len();
        assert!(sent < 64 * 1024 * 1024, "somebody holds all of it");
    }
    // And others are not held up by it.
    let mut other = gateway.connect().await;
    other.send(super::GET).await;
    server.next().await.answer("ok").await;
    assert_eq!(other.message().await.status(), 200);
}

#[tokio::test]
async fn an_upgrade_is_ignored() {
    let mut server = Server::start().await;
    let gateway = server.gateway();
    let mut client = gateway.connect().await;
    client.send(format!("GET /s HTTP/1.1\r\nHost: a\r\n{ASK}\r\n")).await;
    let got = server.next().await;
    assert!(!got.request.headers().contains_key("upgrade"));
    got.answer("no socket").await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_after_its_time() {
    let mut server = Server::start().await;
    let gateway = start_with(&[], |config| {
        config.upstreams = vec![configured(&format!("servers = [\"h2c://{}\"]", server.address))];
        config.upstreams[0].connections.idle_time = std::time::Duration::from_millis(1);
        config.timeouts.keep_alive = HOUR;
    });
    let mut client = gateway.connect().await;
    client.send(super::GET).await;
    server.next().await.answer("ok").await;
    client.message().await;
    until_metric(&gateway, "upstream_connections{upstream=\"app\"}", 0).await;
}
