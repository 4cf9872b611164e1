//! At shutdown, what is under way is finished, and nothing new is begun.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::support::gateway::{start, start_with};
use crate::support::soon;
use crate::support::wire::{OK, Upstream};

#[tokio::test]
async fn a_request_under_way_is_finished_and_the_connection_closed() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    gateway.shutdown.cancel();
    soon("refusing", async {
        while TcpStream::connect(gateway.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(!gateway.ended.is_finished());
    server.send(OK).await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.field("connection")), (200, "close"));
    assert_eq!(client.rest().await, "");
    soon("the end", gateway.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn idle_connections_are_closed_at_once() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    client.message().await;
    let mut silent = gateway.connect().await;
    gateway.shutdown.cancel();
    assert_eq!(client.rest().await, "");
    assert_eq!(silent.rest().await, "");
    drop((client, silent));
    soon("the end", gateway.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_finished_in_time_is_cut() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |config| {
        config.timeouts.drain = Duration::from_millis(200);
    });
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    gateway.stop().await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_tunnel_gets_the_drains_time() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    let mut server = upstream.accept().await;
    server.head().await;
    server
        .send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .await;
    client.head().await;
    gateway.shutdown.cancel();
    soon("refusing", async {
        while TcpStream::connect(gateway.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    client.send("still here").await;
    assert_eq!(server.exactly(10).await, "still here");
    assert!(!gateway.ended.is_finished());
    drop((client, server));
    soon("the end", gateway.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn several_workers_and_addresses_drain_together() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |config| {
        config.workers = 3;
        let any = config.listen[0].clone();
        config.listen = vec![any.clone(), any];
    });
    for _ in 0..12 {
        let mut client = gateway.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let mut server = upstream.accept().await;
        server.head().await;
        server.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(client.message().await.status(), 200);
    }
    gateway.stop().await;
}
