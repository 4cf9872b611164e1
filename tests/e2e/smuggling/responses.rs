//! Responses that can be read in two ways, and connections with more on them than was asked for.

use super::get;
use crate::support::gateway::start;
use crate::support::wire::{OK, Upstream};

const ASK: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_response_that_reads_in_two_ways_is_not_passed_on() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    for response in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 99 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20x OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "<html></html>",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut client = gateway.connect().await;
        client.send(ASK).await;
        let mut server = upstream.accept().await;
        server.head().await;
        server.send(response).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut server.tcp).await;
        let answer = client.message().await;
        assert_eq!(answer.status(), 502, "{response}");
        assert_eq!(answer.field("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn a_length_beside_chunks_is_not_passed_on() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
    ] {
        let mut client = gateway.connect().await;
        client.send(ASK).await;
        let mut server = upstream.accept().await;
        server.head().await;
        server.send(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n1\r\nx\r\n0\r\n\r\n")).await;
        let answer = client.message().await;
        assert_eq!(answer.head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(answer.body, "x");
    }
}

/// What stands behind a response would be taken for the answer to somebody else's request.
#[tokio::test]
async fn bytes_behind_a_response_are_never_an_answer() {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for (method, response, body) in [
        ("GET", OK.to_owned(), "ok"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), ""),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n".to_owned(), ""),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n".to_owned(), ""),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_owned(),
            "ok",
        ),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".to_owned(), ""),
        ("HEAD", OK.to_owned(), ""),
    ] {
        let upstream = Upstream::bind().await;
        let gateway = start(upstream.address());
        let mut client = gateway.connect().await;
        client.send(ASK.replace("GET", method)).await;
        let mut server = upstream.accept().await;
        server.head().await;
        server.send([&response, poison].concat()).await;
        let head = client.head().await;
        if head.fields("transfer-encoding") == ["chunked"] {
            assert_eq!(
                (client.chunk().await, client.chunk().await),
                (body.to_owned(), String::new())
            );
            client.exactly(2).await;
        } else {
            assert_eq!(client.exactly(body.len()).await, body, "{response}");
        }
        client.send(ASK).await;
        let mut second = upstream.accept().await;
        second.head().await;
        second.send(OK).await;
        assert_eq!(client.message().await.body, "ok", "{response}");
        server.rest().await;
        assert_eq!(String::from_utf8_lossy(&server.seen).matches("HTTP/1.1").count(), 1);
    }
}

#[tokio::test]
async fn an_idle_connection_on_which_something_comes_is_closed() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send(ASK).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    client.message().await;
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison").await;
    assert_eq!(server.rest().await, "", "closed by the gateway");
    client.send(ASK).await;
    let mut second = upstream.accept().await;
    second.head().await;
    second.send(OK).await;
    assert_eq!(client.message().await.body, "ok");
}

#[tokio::test]
async fn interim_responses_are_no_answers() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n\
                   HTTP/1.1 100 Continue\r\n\r\n";
    let mut client = gateway.connect().await;
    client.send(ASK).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(format!("{}{OK}", interim.repeat(1_000))).await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "ok"));
}

#[tokio::test]
async fn endless_interim_responses_take_no_more_than_the_time_for_a_response() {
    let upstream = Upstream::bind().await;
    let gateway = crate::support::gateway::start_with(&[upstream.address()], |config| {
        config.timeouts.response = std::time::Duration::from_millis(200);
    });
    let mut client = gateway.connect().await;
    client.send(ASK).await;
    let mut server = upstream.accept().await;
    server.head().await;
    let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    while server.try_send(&flood).await.is_ok() {}
    assert_eq!(client.message().await.status(), 504);
}

#[tokio::test]
async fn a_connection_is_not_used_again_after_an_answer_before_the_requests_end() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nab").await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno").await;
    assert_eq!(client.message().await.status(), 413);
    drop(client);
    server.rest().await;
    let mut client = gateway.connect().await;
    client.send(get("X: 1")).await;
    let mut second = upstream.accept().await;
    second.head().await;
    second.send(OK).await;
    assert_eq!(client.message().await.body, "ok");
    assert_eq!(String::from_utf8_lossy(&server.seen).matches("HTTP/1.1").count(), 1);
}
