//! Which of several servers gets a request, and which gets none for a while.

use std::time::Duration;

use super::{GET, configured, until_metric};
use crate::support::gateway::{Running, start_with};
use crate::support::upstream::AnsweringUpstream;
use crate::support::wire::{OK, Upstream, Wire};

const CLOSE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

async fn get(gateway: &Running) -> Wire {
    let mut client = gateway.connect().await;
    client.send(GET).await;
    client
}

#[tokio::test]
async fn the_server_with_fewer_requests_under_way_gets_the_next() {
    let (one, two) = (Upstream::bind().await, Upstream::bind().await);
    let gateway = start_with(&[one.address(), two.address()], |_| {});
    let _first = get(&gateway).await;
    // The first in turn is busy from now on.
    let mut busy = one.accept().await;
    busy.head().await;
    for _ in 0..6 {
        let mut client = get(&gateway).await;
        let mut server = two.accept().await;
        server.head().await;
        server.send(CLOSE).await;
        assert_eq!(client.message().await.status(), 200);
    }
    assert!(one.is_untouched().await);
}

#[tokio::test]
async fn weights_share_requests_out() {
    let (one, two) = (AnsweringUpstream::start().await, AnsweringUpstream::start().await);
    let servers = format!("[\"http://{} weight=3\", \"http://{}\"]", one.address(), two.address());
    let gateway = start_with(&[], |config| {
        config.upstreams = vec![configured(&format!("servers = {servers}"))];
    });
    let mut client = gateway.connect().await;
    for _ in 0..40 {
        assert_eq!(client.ask(GET).await.status(), 200);
    }
    let count = |upstream: &AnsweringUpstream| {
        String::from_utf8(upstream.take()).unwrap().matches("GET / ").count()
    };
    assert_eq!((count(&one), count(&two)), (30, 10));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_ejected_and_comes_back() {
    let gone = Upstream::bind().await;
    let (address, well) = (gone.address(), AnsweringUpstream::start().await);
    drop(gone);
    let gateway = start_with(&[address, well.address()], |config| {
        config.upstreams[0].eject.failures = 3;
        config.upstreams[0].eject.time = Duration::from_millis(300);
    });
    let mut client = gateway.connect().await;
    for _ in 0..20 {
        assert_eq!(client.ask(GET).await.status(), 200);
    }
    // Only so often was it tried; whether once more depends on the time.
    assert!((3..=4).contains(&gateway.metric("upstream_errors_total{kind=\"connect\"}")));
    assert!(gateway.metric("upstream_ejections_total{upstream=\"app\"}") >= 1);
    let again = Upstream::bind_to(address).await;
    let came = async {
        loop {
            let client = get(&gateway).await;
            if !again.is_untouched().await {
                break;
            }
            drop(client);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    crate::support::soon("requests to the server that came back", came).await;
    until_metric(
        &gateway,
        &format!("upstream_server_up{{server=\"{address}\",upstream=\"app\"}}"),
        1,
    )
    .await;
}

#[tokio::test]
async fn a_server_that_answers_503_or_breaks_off_is_ejected() {
    for answer in ["HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", ""] {
        let (bad, well) = (Upstream::bind().await, AnsweringUpstream::start().await);
        let gateway = start_with(&[bad.address(), well.address()], |config| {
            config.upstreams[0].eject.failures = 2;
            config.upstreams[0].retry.attempts = 0;
        });
        let mut client = gateway.connect().await;
        for _ in 0..2 {
            client.send(GET).await;
            let mut server = bad.accept().await;
            server.head().await;
            server.send(answer).await;
            drop(server);
            assert!(matches!(client.message().await.status(), 502 | 503));
            assert_eq!(client.ask(GET).await.status(), 200);
        }
        let up = format!("upstream_server_up{{server=\"{}\",upstream=\"app\"}}", bad.address());
        assert_eq!(gateway.metric(&up), 0);
        for _ in 0..5 {
            assert_eq!(client.ask(GET).await.status(), 200);
        }
        assert!(bad.is_untouched().await);
        assert_eq!(gateway.metric("upstream_ejections_total{upstream=\"app\"}"), 1);
    }
}

#[tokio::test]
async fn the_last_servers_are_never_ejected() {
    let servers = [Upstream::bind().await, Upstream::bind().await, Upstream::bind().await];
    let addresses = servers.each_ref().map(Upstream::address);
    drop(servers);
    let gateway = start_with(&addresses, |config| {
        config.upstreams[0].eject.failures = 1;
        config.upstreams[0].eject.max_share = 100;
    });
    let mut client = gateway.connect().await;
    for _ in 0..10 {
        assert_eq!(client.ask(GET).await.status(), 502);
    }
    assert_eq!(gateway.metric("upstream_ejections_total{upstream=\"app\"}"), 2);
    // It alone is tried first, and it may come back at any time.
    let again = Upstream::bind_to(addresses[2]).await;
    client.send(GET).await;
    let mut server = again.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
    until_metric(&gateway, "upstream_connections{upstream=\"app\"}", 1).await;
}

#[tokio::test]
async fn a_server_that_takes_long_to_connect_is_not_waited_for_alone() {
    // An address of a full backlog: nobody accepts, so the kernel leaves further clients waiting.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let slow = socket.local_addr().unwrap().as_socket().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(tcp)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(slow)).await
    {
        held.push(tcp);
    }
    let well = AnsweringUpstream::start().await;
    let gateway = start_with(&[slow, well.address()], |config| {
        config.timeouts.connect = crate::support::HOUR;
    });
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(GET).await.status(), 200);
    assert_eq!(gateway.metric("upstream_errors_total{kind=\"connect\"}"), 1);
}
