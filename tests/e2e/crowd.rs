//! Limits on connections: in all, of one client, and which go first.

use leakgate::config::{Connections, Listener};

use crate::support::gateway::{Running, start_with};
use crate::support::soon;
use crate::support::upstream::AnsweringUpstream;
use crate::support::wire::Client;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn start_limited(upstream: std::net::SocketAddr, limit: usize, per_client: usize) -> Running {
    start_with(&[upstream], |config| config.connections = Connections { limit, per_client })
}

/// A connection that has been served and is idle now.
async fn idle(gateway: &Running) -> Client {
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(REQUEST).await.status(), 200);
    client
}

#[tokio::test]
async fn those_idle_longest_go_first_and_all_that_comes_is_served() {
    let upstream = AnsweringUpstream::start().await;
    let gateway = start_limited(upstream.address(), 8, 100);
    let mut waiting = Vec::new();
    for _ in 0..7 {
        waiting.push(idle(&gateway).await);
    }
    // The first of them is the one that was used last.
    assert_eq!(waiting[0].ask(REQUEST).await.status(), 200);
    let mut newest = idle(&gateway).await;
    assert_eq!(gateway.metric("connections_closed_idle_total"), 1);
    assert_eq!(waiting[1].rest().await, "");
    assert_eq!(waiting[0].ask(REQUEST).await.status(), 200);
    assert_eq!(waiting[2].ask(REQUEST).await.status(), 200);
    assert_eq!(newest.ask(REQUEST).await.status(), 200);
    assert_eq!(gateway.metric("connections_refused_total{limit=\"all\"}"), 0);
}

#[tokio::test]
async fn where_none_is_idle_the_next_is_refused() {
    let upstream = AnsweringUpstream::start().await;
    let gateway = start_limited(upstream.address(), 3, 100);
    // They owe a head.
    let mut waiting = Vec::new();
    for count in 1..=3 {
        let mut client = gateway.connect().await;
        client.send("GET / HT").await;
        waiting.push(client);
        gateway.reaches("connections", count).await;
    }
    let mut refused = gateway.connect().await;
    let _ = refused.try_send(REQUEST).await;
    assert_eq!(refused.rest().await, "");
    assert_eq!(gateway.metric("connections_refused_total{limit=\"all\"}"), 1);
    waiting[0].send("TP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(waiting[0].message().await.status(), 200);
}

#[tokio::test]
async fn one_client_does_not_take_the_places_of_others() {
    let upstream = AnsweringUpstream::start().await;
    let gateway = start_with(&[upstream.address()], |config| {
        config.workers = 2;
        config.connections = Connections { limit: 100, per_client: 2 };
        let address = config.listen[0].address().unwrap();
        config.listen = vec![Listener { proxy_protocol: true, ..Listener::plain(address) }];
        config.proxy_protocol_from = vec!["127.0.0.1/32".parse().unwrap()];
        config.trusted_proxies = vec!["198.51.100.0/24".parse().unwrap()];
    });
    let connect = async |client: &str| {
        let mut connection = gateway.connect().await;
        let header = format!("PROXY TCP4 {client} 192.0.2.1 4711 80\r\n{REQUEST}");
        let _ = connection.try_send(header).await;
        connection
    };
    let mut first = connect("203.0.113.7").await;
    let mut second = connect("203.0.113.7").await;
    assert_eq!((first.message().await.status(), second.message().await.status()), (200, 200));
    let mut third = connect("203.0.113.7").await;
    assert_eq!(third.rest().await, "");
    assert_eq!(gateway.metric("connections_refused_total{limit=\"client\"}"), 1);
    assert_eq!(connect("203.0.113.8").await.message().await.status(), 200);
    // A trusted proxy stands for many clients.
    let mut proxied = Vec::new();
    for _ in 0..4 {
        let mut connection = connect("198.51.100.1").await;
        assert_eq!(connection.message().await.status(), 200);
        proxied.push(connection);
    }
    drop(first);
    soon("a place to become free", async {
        while connect("203.0.113.7").await.rest_or_head().await.is_empty() {}
    })
    .await;
    assert_eq!(second.ask(REQUEST).await.status(), 200);
}
