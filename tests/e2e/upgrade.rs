//! WebSocket is passed; any other upgrade is ignored.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::support::gateway::{start, start_blocking};
use crate::support::socket::ASK;
use crate::support::soon;
use crate::support::tokens::token;
use crate::support::wire::{OK, Upstream};

#[tokio::test]
async fn websocket_messages_go_both_ways() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let url = format!("ws://{}/socket?x=1", gateway.address);
    let client = tokio::spawn(async move {
        let (mut socket, response) = tokio_tungstenite::connect_async(url).await.unwrap();
        assert_eq!(response.status(), 101);
        for text in ["one", "two"] {
            socket.send(Message::text(text)).await.unwrap();
            let echo = socket.next().await.unwrap().unwrap();
            assert_eq!(echo, Message::text(format!("echo {text}")));
        }
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    });
    let server = upstream.accept().await;
    let mut socket = tokio_tungstenite::accept_async(server.tcp).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            socket.send(Message::text(format!("echo {text}"))).await.unwrap();
        }
    }
    // The side that was asked to close closes the connection.
    drop(socket);
    soon("the client's end", client).await.unwrap();
    gateway.stop().await;
}

#[tokio::test]
async fn the_fields_of_an_upgrade_are_passed_and_bytes_follow() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send(format!("GET /s HTTP/1.1\r\nHost: a\r\n{ASK}\r\n")).await;
    let mut server = upstream.accept().await;
    let head = server.head().await;
    assert_eq!(head.field("connection"), "Upgrade");
    assert_eq!(head.field("upgrade"), "websocket");
    server
        .send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\
             Sec-WebSocket-Accept: x\r\n\r\nfirst",
        )
        .await;
    let answer = client.head().await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.field("sec-websocket-accept"), "x");
    assert_eq!(client.exactly(5).await, "first");
    client.send("second").await;
    assert_eq!(server.exactly(6).await, "second");
    // A half-closed tunnel still carries the other half.
    use tokio::io::AsyncWriteExt;
    server.tcp.shutdown().await.unwrap();
    assert_eq!(client.rest().await, "");
    client.send("third").await;
    assert_eq!(server.exactly(5).await, "third");
}

#[tokio::test]
async fn an_upgrade_that_is_declined_is_an_ordinary_answer() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send(format!("GET /s HTTP/1.1\r\nHost: a\r\n{ASK}\r\n")).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.message().await.body, "ok");
    // And the connection serves another request.
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(server.head().await.start(), "GET /next HTTP/1.1");
    server.send(OK).await;
    assert_eq!(client.message().await.body, "ok");
}

#[tokio::test]
async fn other_upgrades_are_ignored() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    for fields in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c",
        "Upgrade: websocket",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0",
    ] {
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")).await;
        let mut server = upstream.accept().await;
        let head = server.head().await;
        assert!(head.fields("upgrade").is_empty(), "{}", head.head);
        assert!(head.fields("connection").is_empty(), "{}", head.head);
        assert!(head.fields("http2-settings").is_empty(), "{}", head.head);
        server.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(client.message().await.body, "ok");
    }
}

#[tokio::test]
async fn a_token_in_an_upgrades_head_is_blocked() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let mut client = gateway.connect().await;
    let answer = client.ask(format!("GET /s?t={token} HTTP/1.1\r\nHost: a\r\n{ASK}\r\n")).await;
    assert_eq!(answer.status(), 403);
    assert!(upstream.is_untouched().await);
}
