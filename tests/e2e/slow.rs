//! Clients that are slow on purpose, and those that merely wait.

use std::time::{Duration, Instant};

use leakgate::config::limits;
use tokio::io::AsyncWriteExt;

use crate::support::gateway::start_with;
use crate::support::wire::{OK, Upstream};

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |c| c.timeouts.header_read = SHORT);
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // The same for the second head of a connection.
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    client.message().await;
    client.send("GET / HTTP").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 408 "));
    assert_eq!(gateway.metric("client_timeouts_total{kind=\"head\"}"), 2);
}

#[tokio::test]
async fn a_preface_that_does_not_end_is_given_up() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |c| c.timeouts.header_read = SHORT);
    for beginning in ["", "PRI * HT"] {
        let mut client = gateway.connect().await;
        client.send(beginning).await;
        assert_eq!(client.rest().await, "");
    }
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |c| {
        c.timeouts.header_read = SHORT;
        c.timeouts.keep_alive = SHORT * 4;
    });
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    client.message().await;
    let start = Instant::now();
    assert_eq!(client.rest().await, "", "no answer to no request");
    assert!(start.elapsed() >= SHORT * 3, "{:?}", start.elapsed());
    assert_eq!(gateway.metric("client_timeouts_total{kind=\"head\"}"), 0);
}

#[tokio::test]
async fn a_held_body_that_stops_coming_is_answered_with_408() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |c| c.timeouts.body_idle = SHORT);
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab").await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.field("connection")), (408, "close"));
    assert!(upstream.is_untouched().await);
    assert_eq!(gateway.metric("client_timeouts_total{kind=\"body\"}"), 1);
}

#[tokio::test]
async fn a_streaming_body_that_stops_coming_is_answered_with_408() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |c| c.timeouts.body_idle = SHORT);
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nab").await;
    let mut server = upstream.accept().await;
    server.head().await;
    assert_eq!(client.message().await.status(), 408);
    assert_eq!(server.rest().await, "ab");
}

#[tokio::test]
async fn a_response_that_stops_coming_is_reset() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |c| c.timeouts.body_idle = SHORT);
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab").await;
    client.head().await;
    assert_eq!(client.rest().await, "ab");
    assert_eq!(server.rest().await, "");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |c| c.timeouts.body_idle = SHORT);
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
    let block = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while server.try_send(&block).await.is_ok() {
        sent += block.len();
        assert!(sent < 1_000_000_000, "someone reads it");
    }
    assert_eq!(gateway.metric("client_timeouts_total{kind=\"write\"}"), 1);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |_| {});
    let mut client = gateway.connect().await;
    let _ = client
        .try_send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(70_000)))
        .await;
    assert!(client.rest().await.starts_with("HTTP/1.1 431 "));
    let mut client = gateway.connect().await;
    let fields: String = (0..200).map(|i| format!("X-{i}: 1\r\n")).collect();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
    assert!(client.rest().await.starts_with("HTTP/1.1 431 "));
    assert!(upstream.is_untouched().await);
}

#[tokio::test]
async fn a_client_that_shuts_its_side_after_a_whole_request_gets_its_answer() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |_| {});
    let large = "x".repeat(100_000);
    for (request, shut_early) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), true),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), false),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi".to_owned(), true),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
                .to_owned(),
            true,
        ),
        (format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{large}"), true),
    ] {
        let mut client = gateway.connect().await;
        client.send(&request).await;
        if shut_early {
            client.tcp.shutdown().await.unwrap();
        }
        let mut server = upstream.accept().await;
        server.message().await;
        if !shut_early {
            client.tcp.shutdown().await.unwrap();
        }
        // Longer than a body may still take once the client's side is shut.
        tokio::time::sleep(limits::HALF_CLOSED_BODY_TIME * 2).await;
        server.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        let start = Instant::now();
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"), "{answer}");
        assert!(start.elapsed() < limits::HALF_CLOSED_TIME / 2, "and the connection ends with it");
    }
}

#[tokio::test]
async fn a_client_that_is_gone_frees_the_upstream() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |_| {});
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    drop(client);
    assert_eq!(server.rest().await, "", "closed long before the response's time is over");
    assert_eq!(gateway.metric("requests_total{outcome=\"client_gone\"}"), 1);
}
