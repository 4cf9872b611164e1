//! The PROXY protocol in: the client that a load balancer tells of, and what is closed.

use leakgate::config::{self, Listener};
use tokio::io::AsyncWriteExt;

use crate::support::certificates::{Authority, connect_behind, tls};
use crate::support::gateway::{Running, start_with};
use crate::support::soon;
use crate::support::upstream::AnsweringUpstream;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn start_behind(
    upstream: std::net::SocketAddr,
    change: impl FnOnce(&mut config::Gateway),
) -> Running {
    start_with(&[upstream], |config| {
        let address = config.listen[0].address().unwrap();
        config.listen = vec![Listener { proxy_protocol: true, ..Listener::plain(address) }];
        config.proxy_protocol_from = vec!["127.0.0.0/8".parse().unwrap()];
        change(config);
    })
}

/// A header of version 2 that tells of 203.0.113.9, with what stands behind the addresses.
fn version_2(more: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    header.extend(u16::try_from(12 + more.len()).unwrap().to_be_bytes());
    header.extend([203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x34, 0, 80]);
    header.extend(more);
    header
}

#[tokio::test]
async fn the_client_is_the_one_that_the_header_tells_of() {
    let upstream = AnsweringUpstream::start().await;
    let gateway = start_behind(upstream.address(), |_| {});
    for (header, client) in [
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 80\r\n".to_vec(), "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n".to_vec(), "2001:db8::7"),
        (version_2(&[]), "203.0.113.9"),
        (version_2(&[4, 0, 2, 0, 0]), "203.0.113.9"),
        // A balancer's own check.
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), "127.0.0.1"),
    ] {
        let mut connection = gateway.connect().await;
        // Header and request in one piece, and the header byte by byte.
        let answer = connection.ask([&header, REQUEST.as_bytes()].concat()).await;
        assert_eq!(answer.status(), 200);
        let mut slow = gateway.connect().await;
        for byte in &header {
            slow.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(slow.ask(REQUEST).await.status(), 200);
        let seen = String::from_utf8(upstream.take()).unwrap();
        let told = format!("x-forwarded-for: {client}\r\n");
        assert_eq!(seen.matches(&told).count(), 2, "no {told:?} twice in {seen}");
    }
}

#[tokio::test]
async fn it_stands_before_tls() {
    let authority = Authority::new();
    let upstream = AnsweringUpstream::start().await;
    let issued = authority.issue("a", &["api.example"]);
    let gateway = start_behind(upstream.address(), |config| {
        config.listen[0].tls = true;
        config.tls = tls(&[&issued]);
    });
    let mut client =
        connect_behind(&gateway, authority.client(), "api.example", &version_2(&[])).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ =
        soon("the answer", tokio::io::AsyncReadExt::read_to_end(&mut client, &mut answer)).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let seen = String::from_utf8(upstream.take()).unwrap();
    assert!(seen.contains("forwarded: for=203.0.113.9;proto=https"), "{seen}");
}

#[tokio::test]
async fn what_has_none_or_may_not_is_closed_and_counted() {
    let upstream = AnsweringUpstream::start().await;
    let gateway = start_behind(upstream.address(), |_| {});
    for (sent, reason) in [
        (REQUEST.as_bytes().to_vec(), "missing"),
        (b"PROXY TCP4 nonsense\r\n".to_vec(), "malformed"),
        (version_2(&[0; 4_000]), "malformed"),
        ([b"PROXY ", [b'x'; 200].as_slice()].concat(), "malformed"),
    ] {
        let before = gateway.metric(&failures(reason));
        let mut client = gateway.connect().await;
        client.send(&sent).await;
        assert_eq!(client.rest().await, "", "{sent:?}");
        assert_eq!(gateway.metric(&failures(reason)), before + 1, "{sent:?}");
    }
    let elsewhere = start_behind(upstream.address(), |config| {
        config.proxy_protocol_from = vec!["192.0.2.0/24".parse().unwrap()];
    });
    let mut client = elsewhere.connect().await;
    let _ = client.try_send([&version_2(&[]), REQUEST.as_bytes()].concat()).await;
    assert_eq!(client.rest().await, "");
    assert_eq!(elsewhere.metric(&failures("untrusted")), 1);
    assert!(upstream.take().is_empty());
}

fn failures(reason: &str) -> String {
    format!("proxy_protocol_failures_total{{reason=\"{reason}\"}}")
}
