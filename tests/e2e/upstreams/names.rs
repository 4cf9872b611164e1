//! Servers whose names are resolved, again and again.

use std::net::SocketAddr;
use std::time::Duration;

use super::{GET, configured, until_metric};
use crate::support::dns::Dns;
use crate::support::gateway::{Running, start_with};
use crate::support::soon;
use crate::support::upstream::AnsweringUpstream;
use crate::support::wire::Upstream;

fn start(dns: &Dns, port: u16) -> Running {
    start_with(&[], |config| {
        config.upstreams = vec![configured(&format!("servers = [\"http://app.test:{port}\"]"))];
        config.dns.servers = vec![dns.address];
        config.dns.min_ttl = Duration::from_millis(20);
    })
}

fn requests(upstream: &AnsweringUpstream) -> usize {
    String::from_utf8(upstream.take()).unwrap().matches("GET / ").count()
}

#[tokio::test]
async fn a_name_that_moves_is_followed_and_one_that_fails_stays_where_it_was() {
    let one = AnsweringUpstream::start().await;
    let port = one.address().port();
    let two = AnsweringUpstream::start_at(SocketAddr::from(([127, 0, 0, 2], port))).await;
    let dns = Dns::start(&["127.0.0.1"]).await;
    let gateway = start(&dns, port);
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        assert_eq!(client.ask(GET).await.status(), 200);
    }
    assert_eq!((requests(&one), requests(&two)), (3, 0));

    dns.tell(&["127.0.0.2"]);
    soon("requests at the new address", async {
        while requests(&two) == 0 {
            assert_eq!(client.ask(GET).await.status(), 200);
        }
    })
    .await;
    requests(&one);
    dns.fail();
    let failed = gateway.metric("upstream_resolutions_total{result=\"failed\"}");
    soon("a failed resolution", async {
        while gateway.metric("upstream_resolutions_total{result=\"failed\"}") == failed {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    assert_eq!(client.ask(GET).await.status(), 200);
    assert_eq!((requests(&one), requests(&two)), (0, 1));
    // The series of the server that is gone is gone as well.
    let text = gateway.metrics.text().unwrap();
    assert!(!text.contains("(127.0.0.1)") && text.contains("(127.0.0.2)"), "{text}");
}

#[tokio::test]
async fn each_address_of_a_name_is_a_server() {
    let one = AnsweringUpstream::start().await;
    let port = one.address().port();
    let two = AnsweringUpstream::start_at(SocketAddr::from(([127, 0, 0, 2], port))).await;
    let dns = Dns::start(&["127.0.0.2", "127.0.0.1"]).await;
    let gateway = start(&dns, port);
    let mut client = gateway.connect().await;
    for _ in 0..10 {
        assert_eq!(client.ask(GET).await.status(), 200);
    }
    assert_eq!((requests(&one), requests(&two)), (5, 5));
}

#[tokio::test]
async fn the_other_ip_version_is_used_where_the_first_cannot_be_reached() {
    let upstream = Upstream::bind_to("[::1]:0".parse().unwrap()).await;
    let dns = Dns::start(&["127.0.0.1", "::1"]).await;
    let gateway = start(&dns, upstream.address().port());
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(crate::support::wire::OK).await;
    assert_eq!(client.message().await.status(), 200);
    assert_eq!(gateway.metric("upstream_errors_total{kind=\"connect\"}"), 1);
}

#[tokio::test]
async fn a_name_that_was_never_resolved_is_502_and_comes_to_be() {
    let upstream = AnsweringUpstream::start().await;
    let dns = Dns::start(&[]).await;
    let gateway = start(&dns, upstream.address().port());
    let mut client = gateway.connect().await;
    let answer = client.ask(GET).await;
    assert_eq!(answer.status(), 502);
    assert!(answer.body.contains("upstream-unreachable"), "{}", answer.body);
    dns.tell(&["127.0.0.1"]);
    let up = "upstream_server_up{server=\"app.test";
    let up = format!("{up}:{} (127.0.0.1)\",upstream=\"app\"}}", upstream.address().port());
    until_metric(&gateway, &up, 1).await;
    assert_eq!(client.ask(GET).await.status(), 200);
}
