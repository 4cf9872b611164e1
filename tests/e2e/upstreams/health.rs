//! Active health checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::{GET, configured, until_metric};
use crate::support::gateway::start_with;
use crate::support::wire::Wire;

/// A server that answers its health checks with this status, and everything else with 200 and its
/// name.
async fn server(name: &'static str, health: Arc<AtomicU16>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let health = Arc::clone(&health);
            tokio::spawn(async move {
                let mut wire = Wire::new(tcp);
                let head = wire.head().await;
                let status = if head.start().starts_with("GET /up?x ") {
                    assert_eq!(head.field("host"), "checked.example");
                    assert_eq!(head.field("connection"), "close");
                    health.load(Ordering::Relaxed)
                } else {
                    200
                };
                let length = name.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{name}"
                );
                let _ = wire.tcp.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_server_that_is_not_well_gets_no_requests_until_it_is() {
    let status = Arc::new(AtomicU16::new(204));
    let one = server("one", Arc::clone(&status)).await;
    let two = server("two", Arc::new(AtomicU16::new(200))).await;
    let gateway = start_with(&[], |config| {
        config.upstreams = vec![configured(&format!(
            "servers = [\"http://{one}\", \"http://{two}\"]\n\
             health = {{ path = \"/up?x\", host = \"checked.example\", interval = \"10ms\", \
             healthy = 2, unhealthy = 2 }}",
        ))];
    });
    let up = format!("upstream_server_up{{server=\"{one}\",upstream=\"app\"}}");
    assert_eq!(gateway.metric(&up), 1, "until it is known, it is taken to be well");
    let mut client = gateway.connect().await;
    let mut names = Vec::new();
    for _ in 0..4 {
        names.push(client.ask(GET).await.body);
    }
    names.sort();
    assert_eq!(names, ["one", "one", "two", "two"]);

    status.store(500, Ordering::Relaxed);
    until_metric(&gateway, &up, 0).await;
    for _ in 0..4 {
        assert_eq!(client.ask(GET).await.body, "two");
    }
    status.store(301, Ordering::Relaxed);
    until_metric(&gateway, &up, 1).await;
    let mut names = vec![client.ask(GET).await.body, client.ask(GET).await.body];
    names.sort();
    assert_eq!(names, ["one", "two"]);
    assert!(gateway.metric("upstream_health_checks_total{result=\"failed\"}") >= 2);
}

#[tokio::test]
async fn where_none_is_well_all_are_tried() {
    let one = server("one", Arc::new(AtomicU16::new(500))).await;
    let gateway = start_with(&[], |config| {
        config.upstreams = vec![configured(&format!(
            "servers = [\"http://{one}\"]\n\
             health = {{ path = \"/up?x\", host = \"checked.example\", interval = \"10ms\", unhealthy = 1 }}",
        ))];
    });
    let up = format!("upstream_server_up{{server=\"{one}\",upstream=\"app\"}}");
    until_metric(&gateway, &up, 0).await;
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(GET).await.body, "one");
    // Without checks nothing is known of it any more.
    let mut config = gateway.config.clone();
    config.upstreams[0].health = None;
    gateway.reloader.reload(config).await.unwrap();
    until_metric(&gateway, &up, 1).await;
}
