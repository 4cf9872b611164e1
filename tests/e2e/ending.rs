//! Exchanges under way end when a token that they were opened with becomes blocked, and no others do.

use leakgate::model::event::EventAction;
use leakgate::model::rule::Action;

use crate::support::gateway::{patchset, start};
use crate::support::h2::{Answer, DATA, END_STREAM, GET, H2Wire};
use crate::support::socket::{ASK, answer, closed};
use crate::support::tokens::token;
use crate::support::wire::{OK, Upstream};

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                      Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n";

#[tokio::test]
async fn a_response_under_way_ends_and_others_go_on() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start(upstream.address());
    let mut honest = gateway.connect().await;
    honest.send("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer other\r\n\r\n").await;
    let mut honest_server = upstream.accept().await;
    honest_server.head().await;
    honest_server.send(STREAM).await;
    honest.head().await;
    assert_eq!(honest.chunk().await, "hi");
    let mut leaked = gateway.connect().await;
    leaked
        .send(format!("GET /e HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"))
        .await;
    let mut leaked_server = upstream.accept().await;
    leaked_server.head().await;
    leaked_server.send(STREAM).await;
    leaked.head().await;
    assert_eq!(leaked.chunk().await, "hi");

    gateway.patchset.store(patchset(&[(&token, Action::Observe)]));
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    assert_eq!(leaked.rest().await, "", "it ends without its last chunk");
    leaked_server.rest().await;
    let event = gateway.events.next().await;
    assert_eq!((event.action, event.response_status), (EventAction::Blocked, Some(200)));
    assert_eq!((event.point.as_str(), event.path.as_str()), ("header:authorization", "/e"));
    assert_eq!(gateway.metric("exchanges_ended_total"), 1);

    honest_server.send("2\r\nho\r\n0\r\n\r\n").await;
    assert_eq!((honest.chunk().await, honest.chunk().await), ("ho".to_owned(), String::new()));
}

#[tokio::test]
async fn a_request_that_waits_for_its_response_is_refused() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send(format!("GET /?k={token} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut server = upstream.accept().await;
    server.head().await;
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    assert_eq!(client.message().await.status(), 403);
    assert_eq!(server.rest().await, "");
    assert_eq!(gateway.events.next().await.response_status, Some(403));
}

#[tokio::test]
async fn a_request_whose_body_streams_is_cut() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nX-Api-Key: {token}\r\nContent-Length: 100000\r\n\r\nab"
        ))
        .await;
    let mut server = upstream.accept().await;
    server.head().await;
    assert_eq!(server.exactly(2).await, "ab");
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    assert_eq!(client.message().await.status(), 403);
    assert_eq!(server.rest().await, "");
}

#[tokio::test]
async fn a_web_socket_is_closed_with_1008() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client
        .send(format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{ASK}\r\n"))
        .await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(answer("")).await;
    assert_eq!(client.head().await.status(), 101);
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    let end = client.rest_bytes();
    let (end, _) = tokio::join!(end, async {
        server.rest().await;
        drop(server);
    });
    assert_eq!(closed(&end).0, 1008);
    assert_eq!(gateway.events.next().await.action, EventAction::Blocked);
}

#[tokio::test]
async fn a_stream_of_http_2_is_reset_and_its_neighbour_goes_on() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start(upstream.address());
    let mut client = H2Wire::connect(&gateway).await;
    let bearer = format!("Bearer {token}");
    let mut servers = Vec::new();
    for (stream, value) in [(1, "Bearer other"), (3, &*bearer)] {
        client.head(stream, END_STREAM, &[&GET, &[("authorization", value)]]).await;
        let mut server = upstream.accept().await;
        server.head().await;
        server.send(STREAM).await;
        assert_eq!(client.answer(stream).await, Answer::Status(200));
        servers.push(server);
    }
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    assert!(matches!(client.answer(3).await, Answer::Reset(_)));
    servers[0].send("2\r\nho\r\n0\r\n\r\n").await;
    loop {
        let frame = client.frame().await.unwrap();
        if frame.kind == DATA && frame.payload == b"ho" {
            assert_eq!(frame.stream, 1);
            break;
        }
    }
}

#[tokio::test]
async fn while_nothing_is_blocked_nothing_ends() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start(upstream.address());
    gateway.bypass.set(true);
    let mut client = gateway.connect().await;
    client.send(format!("GET /?k={token} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(STREAM).await;
    client.head().await;
    assert_eq!(client.chunk().await, "hi");
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    // A request of its own shows that the change was seen: it ends a moment later with the switch.
    let mut other = gateway.connect().await;
    other.send(format!("GET /?k={token} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut other_server = upstream.accept().await;
    other_server.head().await;
    other_server.send(OK).await;
    assert_eq!(other.message().await.status(), 200);
    server.send("2\r\nho\r\n").await;
    assert_eq!(client.chunk().await, "ho");
    gateway.bypass.set(false);
    assert_eq!(client.rest().await, "");
}
