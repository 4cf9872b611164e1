//! What can be read in two ways never arrives; what is normalised arrives so that it can be read in
//! one.

use crate::support::gateway::{start, start_with};
use crate::support::wire::{OK, Upstream};
use leakgate::model::rule::FiltrationMode;

/// Requests that are refused with 400 whatever the mode, the connection closed.
const REFUSED: &[(&str, &str)] = &[
    ("te gzip", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (
        "te twice",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "te chunked twice",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "te not last",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    ("te unknown", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("te quoted", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    (
        "te vertical tab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    ("te on 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (
        "cl conflict",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ),
    ("cl list", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\nab"),
    ("cl sign", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nab"),
    ("cl negative", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\nab"),
    ("cl hex", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\nab"),
    ("cl empty", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nab"),
    ("cl huge", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\nab"),
    ("no host", "GET / HTTP/1.1\r\n\r\n"),
    ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ("host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    ("host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    ("obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
    ("space before colon", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 0\r\n\r\n"),
    ("leading space", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    ("bare cr", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n"),
    ("nul", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n"),
    ("no colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    ("empty name", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"),
    ("http 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n"),
    ("authority target", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("star target", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("space in target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    (
        "chunk size",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    ),
    (
        "chunk size sign",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n",
    ),
    (
        "chunk size hex prefix",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n",
    ),
    (
        "chunk too long",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    ),
    (
        "chunk size overflow",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab\r\n0\r\n\r\n",
    ),
    (
        "chunk bare lf",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\n0\n\n",
    ),
];

#[tokio::test]
async fn what_reads_in_two_ways_is_refused_in_every_mode() {
    let upstream = Upstream::bind().await;
    for mode in [FiltrationMode::Block, FiltrationMode::Off] {
        let gateway = start_with(&[upstream.address()], |config| config.mode = mode);
        for (name, request) in REFUSED {
            let mut client = gateway.connect().await;
            client.send(request).await;
            let answer = client.rest().await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer}");
            assert_eq!(answer.matches("HTTP/1.").count(), 1, "{name}: {answer}");
            if !upstream.is_untouched().await {
                // Where nothing is held, a stream may have begun before its chunks went wrong.
                assert!(mode == FiltrationMode::Off && name.starts_with("chunk"), "{name} arrived");
            }
        }
        let refused = gateway.metric("requests_total{outcome=\"refused\"}");
        let broken = gateway.metric("requests_total{outcome=\"client_gone\"}");
        assert_eq!(refused + broken, REFUSED.len() as u64);
    }
}

#[tokio::test]
async fn no_tunnels() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nTLS?").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    assert!(upstream.is_untouched().await);
}

#[tokio::test]
async fn a_length_beside_chunks_is_dropped_and_the_connection_closed() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
    ] {
        let mut client = gateway.connect().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n1\r\nx\r\n0\r\n\r\n\
                 GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
            ))
            .await;
        let mut server = upstream.accept().await;
        let got = server.message().await;
        assert_eq!((got.field("transfer-encoding"), got.body.as_str()), ("chunked", "x"));
        assert!(got.fields("content-length").is_empty(), "{}", got.head);
        server.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        let answers = client.rest().await;
        assert_eq!(answers.matches("HTTP/1.1").count(), 1, "one answer: {answers}");
        assert!(!String::from_utf8_lossy(&server.seen).contains("smuggled"));
    }
}

#[tokio::test]
async fn equal_lengths_become_one() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab")
        .await;
    let got = upstream.accept().await.message().await;
    assert_eq!((got.field("content-length"), got.body.as_str()), ("2", "ab"));
}

#[tokio::test]
async fn a_bare_line_feed_arrives_as_a_line_end() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\nHost: a\nX: 1\n\n").await;
    let got = upstream.accept().await.head().await;
    assert!(got.head.starts_with("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n"), "{}", got.head);
    assert!(!got.head.replace("\r\n", "").contains('\n'));
}

#[tokio::test]
async fn the_length_cannot_be_named_away() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length, host, x-forwarded-for\r\n\
             Content-Length: 2\r\n\r\nab",
        )
        .await;
    let got = upstream.accept().await.message().await;
    assert_eq!((got.field("content-length"), got.body.as_str()), ("2", "ab"));
    assert_eq!((got.field("host"), got.field("x-forwarded-for")), ("a", "127.0.0.1"));
}

#[tokio::test]
async fn a_response_that_reads_in_two_ways_is_not_passed_on() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    for response in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut client = gateway.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut server = upstream.accept().await;
        server.head().await;
        server.send(response).await;
        let answer = client.message().await;
        assert_eq!(answer.status(), 502, "{response}");
        assert_eq!(answer.field("content-type"), "application/problem+json");
    }
}
