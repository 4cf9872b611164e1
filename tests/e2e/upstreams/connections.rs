//! Upstream connections: kept, replaced, missing; and whose fault it was.

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::gateway::{start, start_with, upstream as group};
use crate::support::wire::{OK, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    Upstream::bind().await.address()
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    client.message().await;
    for _ in 0..3 {
        let mut client = gateway.connect().await;
        client.send(GET).await;
        server.head().await;
        server.send(OK).await;
        assert_eq!(client.message().await.status(), 200);
    }
    assert!(upstream.is_untouched().await);
}

#[tokio::test]
async fn a_pooled_connection_that_died_is_replaced() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
        let mut server = upstream.accept().await;
        assert_eq!(server.message().await.body, "hi");
        server.send(OK).await;
        assert_eq!(client.message().await.status(), 200);
        drop(server);
    }
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_sent_again() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    drop(server);
    let answer = client.message().await;
    assert_eq!(answer.status(), 502);
    assert!(answer.body.contains("upstream-broken"), "{}", answer.body);
    assert!(upstream.is_untouched().await);
    assert_eq!(gateway.metric("upstream_errors_total{kind=\"broken\"}"), 1);
    assert_eq!(gateway.metric("upstream_retries_total{reason=\"broken\"}"), 0);
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_502() {
    let gateway = start(nobody().await);
    let mut client = gateway.connect().await;
    let answer = client.ask(GET).await;
    assert_eq!(answer.status(), 502);
    assert!(answer.body.contains("upstream-unreachable"), "{}", answer.body);
    // The client's connection lives on.
    assert_eq!(client.ask(GET).await.status(), 502);
    assert_eq!(gateway.metric("requests_total{outcome=\"upstream_error\"}"), 2);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_passed_over() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[nobody().await, upstream.address()], |_| {});
    for _ in 0..3 {
        let mut client = gateway.connect().await;
        client.send(GET).await;
        let mut server = upstream.accept().await;
        server.head().await;
        server.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(client.message().await.status(), 200);
    }
}

#[tokio::test]
async fn servers_take_turns() {
    let (one, two) = (Upstream::bind().await, Upstream::bind().await);
    let gateway = start_with(&[one.address(), two.address()], |_| {});
    let mut client = gateway.connect().await;
    for _ in 0..2 {
        for upstream in [&one, &two] {
            client.send(GET).await;
            let mut server = upstream.accept().await;
            server.head().await;
            server.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
            client.message().await;
        }
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_504() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |config| {
        config.timeouts.response = Duration::from_millis(150);
    });
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    let answer = client.message().await;
    assert_eq!(answer.status(), 504);
    assert!(answer.body.contains("upstream-timeout"), "{}", answer.body);
    assert_eq!(server.rest().await, "", "its connection is not used again");
}

#[tokio::test]
async fn routes_lead_to_their_upstreams_and_elsewhere_is_404() {
    let (api, site) = (Upstream::bind().await, Upstream::bind().await);
    let gateway = start_with(&[], |config| {
        config.upstreams = vec![group("api", &[api.address()]), group("site", &[site.address()])];
        let route = |host: &str, path_prefix: &str, upstream| leakgate::config::Route {
            hosts: vec![host.to_owned()],
            path_prefix: path_prefix.to_owned(),
            upstream,
            mode: None,
            tenant: Default::default(),
        };
        config.routes = vec![route("a.example", "/api", 0), route("*.example", "/", 1)];
    });
    let get = |host: &str, path: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut client = gateway.connect().await;
    for (host, path, upstream) in
        [("A.example:80", "/api/x", &api), ("a.example", "/apis", &site), ("b.example", "/", &site)]
    {
        client.send(get(host, path)).await;
        let mut server = upstream.accept().await;
        server.head().await;
        server.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(client.message().await.status(), 200);
    }
    let answer = client.ask(get("other", "/")).await;
    assert_eq!(answer.status(), 404);
    assert!(answer.body.contains("no-route"), "{}", answer.body);
}

#[tokio::test]
async fn a_name_is_resolved() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[], |config| {
        let server = format!("http://localhost:{}", upstream.address().port());
        config.upstreams =
            vec![leakgate::config::Upstream::new("app", vec![server.parse().unwrap()])];
    });
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test]
async fn a_response_that_ends_with_its_connection_is_passed_on() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it").await;
    drop(server);
    let answer = client.message().await;
    assert_eq!((answer.start(), answer.body.as_str()), ("HTTP/1.1 200 OK", "all of it"));
}

#[tokio::test]
async fn informational_answers_are_not_taken_for_the_answer() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await;
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test]
async fn a_response_of_many_fields_is_passed_on_and_one_of_too_many_is_said_to_be() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    let cookies = |count: usize| "Set-Cookie: a=b\r\n".repeat(count);
    server.send(format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", cookies(200))).await;
    assert_eq!(client.message().await.fields("set-cookie").len(), 200);

    for head in [cookies(600), format!("X: {}\r\n", "x".repeat(70_000))] {
        client.send(GET).await;
        server.head().await;
        // The gateway may stop reading before all of it is sent.
        let _ =
            server.try_send(format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 0\r\n\r\n")).await;
        let answer = client.message().await;
        assert_eq!(answer.status(), 502);
        assert!(answer.body.contains("upstream-malformed"), "{}", answer.body);
        assert!(answer.body.contains("head is larger, or has more fields"), "{}", answer.body);
        client.send(GET).await;
        server = upstream.accept().await;
        server.head().await;
        server.send(OK).await;
        assert_eq!(client.message().await.status(), 200);
    }
    assert_eq!(gateway.metric("upstream_errors_total{kind=\"malformed\"}"), 2);
}
