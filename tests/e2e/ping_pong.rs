//! A client and an upstream that talk back and forth over one open request are not held up.

use std::time::Duration;

use crate::support::gateway::start_with;
use crate::support::tokens::token;
use crate::support::wire::Upstream;

#[tokio::test]
async fn each_side_gets_what_the_other_says_at_once() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |_| {});
    gateway.patchset.store(crate::support::gateway::patchset(&[(
        &token("tok_", 36),
        leakgate::model::rule::Action::Block,
    )]));
    let mut client = gateway.connect().await;
    client.send("POST /talk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 200);
    for turn in 0..50 {
        let ping = format!("ping {turn:02}");
        client.send(format!("7\r\n{ping}\r\n")).await;
        assert_eq!(server.chunk().await, ping);
        let pong = format!("pong {turn:02}");
        server.send(format!("7\r\n{pong}\r\n")).await;
        assert_eq!(client.chunk().await, pong);
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(server.chunk().await, "");
    server.send("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, "");
}

#[tokio::test]
async fn only_the_beginning_waits_and_only_for_the_pause() {
    let upstream = Upstream::bind().await;
    let pause = Duration::from_millis(200);
    let gateway = start_with(&[upstream.address()], |config| config.hold.pause = pause);
    let mut client = gateway.connect().await;
    let start = std::time::Instant::now();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    assert_eq!(server.chunk().await, "a");
    assert!(start.elapsed() >= pause, "it was held");
    for _ in 0..20 {
        client.send("1\r\nb\r\n").await;
        assert_eq!(server.chunk().await, "b");
    }
    assert!(start.elapsed() < pause * 10, "the turns after it do not each wait");
}

#[tokio::test]
async fn a_response_streams_while_nothing_more_is_asked() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |_| {});
    let mut client = gateway.connect().await;
    client.send("GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    server
        .send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
        )
        .await;
    client.head().await;
    for turn in 0..20 {
        let event = format!("data: {turn:02}\n\n");
        server.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
        assert_eq!(client.chunk().await, event);
    }
}

#[tokio::test]
async fn an_early_answer_is_passed_on_while_the_body_still_comes() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |_| {});
    let mut client = gateway.connect().await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome of it").await;
    let mut server = upstream.accept().await;
    server.head().await;
    assert_eq!(server.exactly(10).await, "some of it");
    server.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!").await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.body.as_str()), (413, "no!"));
    client.send(vec![b'x'; 99_990]).await;
    assert_eq!(server.exactly(99_990).await.len(), 99_990, "and the rest arrives all the same");
}
