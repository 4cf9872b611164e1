//! HTTP/2 with prior knowledge in, HTTP/1.1 to the upstream.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::gateway::{Running, start, start_blocking, start_with};
use crate::support::tokens::token;
use crate::support::wire::{OK, Upstream};
use crate::support::{HOUR, soon};

pub async fn connect<B>(gateway: &Running) -> SendRequest<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let tcp = TcpStream::connect(gateway.address).await.unwrap();
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub fn send<B>(
    sender: &mut SendRequest<B>,
    request: Request<B>,
) -> tokio::task::JoinHandle<hyper::Result<Response<Incoming>>>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    tokio::spawn(sender.send_request(request))
}

#[tokio::test]
async fn a_request_becomes_http_1_1() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut sender = connect(&gateway).await;
    let request = Request::get("http://api.example:81/x?y=%41")
        .header("cookie", "a=1")
        .header("x-one", "1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = send(&mut sender, request);
    let mut server = upstream.accept().await;
    let head = server.head().await;
    assert_eq!(head.start(), "GET /x?y=%41 HTTP/1.1");
    assert_eq!(head.field("host"), "api.example:81");
    assert_eq!(head.field("cookie"), "a=1; b=2");
    assert_eq!((head.field("te"), head.field("connection")), ("trailers", "TE"));
    server
        .send(
            "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, x-hop\r\n\
             X-Hop: 1\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n",
        )
        .await;
    let response = soon("the answer", response).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    for gone in ["keep-alive", "connection", "x-hop", "transfer-encoding", "date", "server"] {
        assert!(!response.headers().contains_key(gone), "{gone}");
    }
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-sum"], "7");
    assert_eq!(body.to_bytes(), "ok");
}

#[tokio::test]
async fn bodies_and_trailers_become_chunks_or_keep_their_length() {
    let upstream = Upstream::bind().await;
    // Held to its end, however slow the machine.
    let gateway = start_with(&[upstream.address()], |config| config.hold.pause = HOUR);
    let mut sender = connect(&gateway).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "9".parse().unwrap());
    let frames: Vec<Result<_, std::io::Error>> =
        vec![Ok(Frame::data(Bytes::from_static(b"hi"))), Ok(Frame::trailers(trailers))];
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::post("http://a/").body(body).unwrap();
    let response = send(&mut sender, request);
    let mut server = upstream.accept().await;
    let got = server.message().await;
    assert_eq!((got.field("transfer-encoding"), got.body.as_str()), ("chunked", "hi"));
    assert_eq!(got.trailers, "x-sum: 9\r\n");
    server.send(OK).await;
    assert_eq!(soon("the answer", response).await.unwrap().unwrap().status(), 200);

    let mut sender = connect(&gateway).await;
    let request = Request::post("http://a/").body(Full::new(Bytes::from_static(b"hello"))).unwrap();
    let response = send(&mut sender, request);
    let got = server.message().await;
    assert_eq!((got.field("content-length"), got.body.as_str()), ("5", "hello"));
    server.send(OK).await;
    assert_eq!(soon("the answer", response).await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn tokens_are_blocked_and_other_streams_live_on() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let mut sender = connect(&gateway).await;
    let (one, two) = token.split_at(9);
    for request in [
        Request::get(format!("http://a/?k={token}")).body(Full::new(Bytes::new())).unwrap(),
        Request::get("http://a/")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::new(Bytes::new()))
            .unwrap(),
        Request::post("http://a/").body(Full::new(Bytes::from(format!("k={token}")))).unwrap(),
        Request::post(format!("http://a/?{token}"))
            .body(Full::new(Bytes::from(vec![b'x'; 500_000])))
            .unwrap(),
    ] {
        let response = soon("an answer", send(&mut sender, request)).await.unwrap().unwrap();
        assert_eq!(response.status(), 403);
        assert!(!response.headers().contains_key("connection"));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"{\"") && !body.windows(9).any(|w| w == one.as_bytes()));
    }
    assert!(upstream.is_untouched().await);
    // Crumbs of a cookie are one cookie.
    let request = Request::get("http://a/")
        .header("cookie", format!("x={one}"))
        .header("cookie", two)
        .body(Full::new(Bytes::new()))
        .unwrap();
    let response = send(&mut sender, request);
    let mut server = upstream.accept().await;
    assert_eq!(server.head().await.field("cookie"), format!("x={one}; {two}"));
    server.send(OK).await;
    assert_eq!(soon("the answer", response).await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_token_in_a_streaming_body_ends_the_upstreams_request() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let mut sender = connect(&gateway).await;
    let (tell, told) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(4);
    let body = StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(told));
    let request = Request::post("http://a/").body(body).unwrap();
    let response = send(&mut sender, request);
    tell.send(Ok(Frame::data(Bytes::from_static(b"beginning ")))).await.unwrap();
    let mut server = upstream.accept().await;
    server.head().await;
    assert_eq!(server.chunk().await, "beginning ");
    tell.send(Ok(Frame::data(Bytes::from(token.clone())))).await.unwrap();
    let response = soon("the answer", response).await.unwrap().unwrap();
    assert_eq!(response.status(), 403);
    server.rest().await;
    let seen = String::from_utf8_lossy(&server.seen).into_owned();
    assert!(!seen.contains(&token) && !seen.ends_with("0\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn a_drain_finishes_streams() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut sender = connect(&gateway).await;
    let response =
        send(&mut sender, Request::get("http://a/").body(Empty::<Bytes>::new()).unwrap());
    let mut server = upstream.accept().await;
    server.head().await;
    gateway.shutdown.cancel();
    server.send(OK).await;
    let response = soon("the answer", response).await.unwrap().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    drop(sender);
    soon("the end", gateway.ended).await.unwrap().unwrap();
}
