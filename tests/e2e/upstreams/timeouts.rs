//! How long servers may take, each upstream as it is configured.

use std::time::Duration;

use super::GET;
use crate::support::HOUR;
use crate::support::gateway::{Running, start_with};
use crate::support::wire::Upstream;

const SHORT: Duration = Duration::from_millis(100);

fn start(
    upstream: &Upstream,
    change: impl FnOnce(&mut leakgate::config::UpstreamTimeouts),
) -> Running {
    start_with(&[upstream.address()], |config| {
        config.timeouts.response = HOUR;
        config.timeouts.body_idle = HOUR;
        change(&mut config.upstreams[0].timeouts);
    })
}

#[tokio::test]
async fn an_upstream_has_its_own_time_to_answer() {
    let upstream = Upstream::bind().await;
    let gateway = start(&upstream, |timeouts| timeouts.response = Some(SHORT));
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    assert_eq!(client.message().await.status(), 504);
    assert_eq!(server.rest().await, "", "its connection is not used again");
    assert_eq!(gateway.metric("upstream_errors_total{kind=\"timeout\"}"), 1);
}

#[tokio::test]
async fn a_response_that_stops_is_cut() {
    let upstream = Upstream::bind().await;
    let gateway = start(&upstream, |timeouts| timeouts.body_idle = Some(SHORT));
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_eq!(client.head().await.status(), 200);
    assert_eq!(client.rest().await, "half");
}

#[tokio::test]
async fn the_whole_may_be_limited_however_steadily_it_comes() {
    let upstream = Upstream::bind().await;
    let gateway = start(&upstream, |timeouts| timeouts.request = Some(SHORT * 3));
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 200);
    let trickling = async {
        while server.try_send("1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(SHORT / 20).await;
        }
    };
    let (rest, ()) = tokio::join!(client.rest(), trickling);
    assert!(rest.starts_with("1\r\nx\r\n") && !rest.ends_with("0\r\n\r\n"), "{rest:?}");
    // And while nothing comes at all.
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    assert_eq!(client.message().await.status(), 504);
}
