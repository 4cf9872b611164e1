//! A running gateway takes another configuration: requests that begin afterwards use it, and no
//! connection is dropped.

use leakgate::model::rule::FiltrationMode;

use crate::support::gateway::{patchset, start_with, upstream};
use crate::support::tokens::token;
use crate::support::wire::{OK, Upstream};
use leakgate::model::rule::Action;

#[tokio::test]
async fn open_connections_use_the_new_configuration_from_their_next_request() {
    let (first, second) = (Upstream::bind().await, Upstream::bind().await);
    let gateway = start_with(&[first.address()], |config| config.workers = 2);
    let mut client = gateway.connect().await;
    client.send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = first.accept().await;
    let head = server.head().await;
    assert_eq!(head.field("x-forwarded-for"), "127.0.0.1");

    let mut config = gateway.config.clone();
    config.upstreams = vec![upstream("app", &[second.address()])];
    config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    config.workers = 7;
    assert_eq!(gateway.reloader.reload(config).await.unwrap(), ["gateway.workers"]);

    // The request under way ends as it began.
    server.send(OK).await;
    assert_eq!(client.message().await.body, "ok");
    client.send("GET /two HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n").await;
    let mut server = second.accept().await;
    let head = server.head().await;
    assert_eq!((head.start(), head.field("x-forwarded-proto")), ("GET /two HTTP/1.1", "https"));
    server.send(OK).await;
    assert_eq!(client.message().await.body, "ok");
    drop(client);
    gateway.stop().await;
}

#[tokio::test]
async fn connections_to_servers_that_stay_are_taken_over() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |_| {});
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    client.message().await;

    let mut config = gateway.config.clone();
    config.block.status = 401;
    assert!(gateway.reloader.reload(config).await.unwrap().is_empty());
    client.send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(server.head().await.start(), "GET /again HTTP/1.1");
    server.send(OK).await;
    client.message().await;
    drop(client);
    gateway.stop().await;
}

#[tokio::test]
async fn mode_and_refusals_change() {
    let upstream = Upstream::bind().await;
    let gateway =
        start_with(&[upstream.address()], |config| config.mode = FiltrationMode::Monitoring);
    let token = token("tok_", 36);
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    let request = format!("GET /?k={token} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut client = gateway.connect().await;
    client.send(&request).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);

    let mut config = gateway.config.clone();
    config.mode = FiltrationMode::Block;
    config.block.status = 401;
    gateway.reloader.reload(config).await.unwrap();
    assert_eq!(client.ask(&request).await.status(), 401);
    drop(client);
    gateway.stop().await;
}
