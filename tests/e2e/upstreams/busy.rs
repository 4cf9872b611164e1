//! More requests than connections: some wait, the others are told to come again.

use std::time::Duration;

use super::{GET, configured, until_metric};
use crate::support::HOUR;
use crate::support::gateway::{Running, start_with};
use crate::support::wire::{OK, Upstream};

const WAITING: &str = "upstream_waiting{upstream=\"app\"}";

fn one_connection(upstream: &Upstream, waiting: usize, wait: Duration) -> Running {
    start_with(&[upstream.address()], |config| {
        let connections = &mut config.upstreams[0].connections;
        (connections.max, connections.max_waiting, connections.wait) = (1, waiting, wait);
    })
}

#[tokio::test]
async fn those_who_wait_are_served_in_turn_and_the_rest_is_503() {
    let upstream = Upstream::bind().await;
    let gateway = one_connection(&upstream, 2, HOUR);
    let mut first = gateway.connect().await;
    first.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    let mut waiting = Vec::new();
    for turn in 0..2 {
        let mut client = gateway.connect().await;
        client.send(format!("GET /{turn} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        waiting.push(client);
        until_metric(&gateway, WAITING, turn + 1).await;
    }
    let mut refused = gateway.connect().await;
    let answer = refused.ask(GET).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.field("retry-after"), "1");
    assert!(answer.body.contains("upstream-busy"), "{}", answer.body);
    server.send(OK).await;
    assert_eq!(first.message().await.status(), 200);
    for (turn, mut client) in waiting.into_iter().enumerate() {
        assert_eq!(server.head().await.start(), format!("GET /{turn} HTTP/1.1"));
        server.send(OK).await;
        assert_eq!(client.message().await.status(), 200);
    }
    assert!(upstream.is_untouched().await);
    assert_eq!(gateway.metric("upstream_waits_total{outcome=\"served\"}"), 2);
    assert_eq!(gateway.metric("upstream_waits_total{outcome=\"full\"}"), 1);
}

#[tokio::test]
async fn nobody_waits_longer_than_allowed() {
    let upstream = Upstream::bind().await;
    let gateway = one_connection(&upstream, 10, Duration::from_millis(50));
    let mut first = gateway.connect().await;
    first.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(GET).await.status(), 503);
    assert_eq!(gateway.metric("upstream_waits_total{outcome=\"late\"}"), 1);
    server.send(OK).await;
    assert_eq!(first.message().await.status(), 200);
    client.send(GET).await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_and_its_connection_free() {
    let upstream = Upstream::bind().await;
    let gateway = one_connection(&upstream, 1, HOUR);
    let mut first = gateway.connect().await;
    first.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    let mut left = gateway.connect().await;
    left.send(GET).await;
    until_metric(&gateway, WAITING, 1).await;
    left.abort();
    until_metric(&gateway, WAITING, 0).await;
    first.abort();
    // Its connection is closed, since its answer will never be read.
    server.rest().await;
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test]
async fn a_websocket_holds_its_connection() {
    let upstream = Upstream::bind().await;
    let gateway = one_connection(&upstream, 1, HOUR);
    let (mut client, mut server) = crate::support::socket::open(&gateway, &upstream, "").await;
    let mut waiting = gateway.connect().await;
    waiting.send(GET).await;
    client.send(crate::support::socket::masked(0x81, b"hello")).await;
    assert!(!server.bytes(11).await.is_empty());
    assert!(upstream.is_untouched().await);
    drop((client, server));
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(waiting.message().await.status(), 200);
}

#[tokio::test]
async fn idle_connections_are_closed_after_their_time_and_beyond_their_number() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[], |config| {
        config.upstreams = vec![configured(&format!(
            "servers = [\"http://{}\"]\nconnections.max_idle = 0",
            upstream.address()
        ))];
    });
    let mut client = gateway.connect().await;
    for _ in 0..2 {
        client.send(GET).await;
        let mut server = upstream.accept().await;
        server.head().await;
        server.send(OK).await;
        assert_eq!(client.message().await.status(), 200);
        assert_eq!(server.rest().await, "");
    }
    until_metric(&gateway, "upstream_connections{upstream=\"app\"}", 0).await;
}
