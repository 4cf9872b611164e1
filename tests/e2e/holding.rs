//! A body that fits is inspected before the upstream sees a byte; what carries a blocked token
//! never leaves.

use leakgate::model::event::EventAction;
use leakgate::model::rule::{Action, FiltrationMode};

use crate::support::gateway::{patchset, start_blocking, start_with, upstream as group};
use crate::support::tokens::token;
use crate::support::wire::{OK, Upstream};

#[tokio::test]
async fn a_token_anywhere_in_the_head_is_blocked_and_the_upstream_untouched() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    for request in [
        format!("GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"),
        format!("GET /x/{token}/y HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /x?key={token} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /x HTTP/1.1\r\nHost: a\r\nCookie: a=b; sid={token}\r\n\r\n"),
        format!("GET http://{token}@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        let mut client = gateway.connect().await;
        let answer = client.ask(&request).await;
        assert_eq!(answer.status(), 403, "{request}");
        assert_eq!(answer.field("content-type"), "application/problem+json");
        assert!(!answer.head.contains(&token) && !answer.body.contains(&token));
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["request_id"], answer.field("x-request-id"));

        let event = gateway.events.next().await;
        assert_eq!(event.action, EventAction::Blocked);
        assert_eq!(event.response_status, Some(403));
        assert_eq!(event.request_id, answer.field("x-request-id"));
        assert_eq!((event.source_ip.as_str(), event.host.as_str()), ("127.0.0.1", "a"));
        assert!(!serde_json::to_string(&event).unwrap().contains(&token), "{event:?}");
        // The connection lives on.
        assert_eq!(client.ask(&request).await.status(), 403);
        gateway.events.next().await;
    }
    assert!(upstream.is_untouched().await);
    assert_eq!(gateway.metric("requests_total{outcome=\"blocked\"}"), 10);
}

#[tokio::test]
async fn a_token_in_a_held_body_is_blocked_however_it_is_cut() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let content = format!("{{\"key\":\"{token}\"}}");
    for cut in [1, 10, 30, content.len() - 1] {
        let (one, two) = content.split_at(cut);
        let mut client = gateway.connect().await;
        let length = content.len();
        client
            .send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{one}"))
            .await;
        client.send(two).await;
        assert_eq!(client.message().await.status(), 403, "cut at {cut}");

        let mut client = gateway.connect().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                 {:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
                one.len(),
                two.len()
            ))
            .await;
        assert_eq!(client.message().await.status(), 403, "chunks cut at {cut}");
    }
    assert!(upstream.is_untouched().await);
}

#[tokio::test]
async fn the_upstream_sees_nothing_before_a_declared_body_is_whole() {
    let upstream = Upstream::bind().await;
    let gateway = start_blocking(upstream.address(), &token("tok_", 36));
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
    // Another request passes meanwhile, so the gateway has had its time.
    let mut other = gateway.connect().await;
    other.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    assert_eq!(server.head().await.start(), "GET /other HTTP/1.1");
    server.send(OK).await;
    other.message().await;
    assert!(upstream.is_untouched().await);
    client.send("cd").await;
    let got = server.message().await;
    assert_eq!((got.start(), got.body.as_str()), ("POST / HTTP/1.1", "abcd"));
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test]
async fn a_token_in_a_trailer_is_blocked() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let mut client = gateway.connect().await;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Key\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n0\r\nX-Key: {token}\r\n\r\n"
        ))
        .await;
    assert_eq!(client.message().await.status(), 403);
    assert!(upstream.is_untouched().await);
}

#[tokio::test]
async fn monitoring_and_watching_pass_and_tell_the_status() {
    let upstream = Upstream::bind().await;
    let (monitored, observed) = (token("tok_", 36), token("tok_", 36));
    let gateway = start_blocking(upstream.address(), &token("tok_", 36));
    gateway
        .patchset
        .store(patchset(&[(&monitored, Action::Monitor), (&observed, Action::Observe)]));
    for (token, action) in
        [(&monitored, EventAction::Monitored), (&observed, EventAction::Observed)]
    {
        let mut client = gateway.connect().await;
        client
            .send(format!("POST /p?q={token} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"))
            .await;
        let mut server = upstream.accept().await;
        assert!(server.message().await.start().contains(token.as_str()));
        server.send("HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        assert_eq!(client.message().await.status(), 418);
        let event = gateway.events.next().await;
        assert_eq!((event.action, event.response_status), (action, Some(418)));
        assert!(!event.path.contains(token.as_str()) && event.path.starts_with("/p?q="));
        assert!(event.path.contains(&event.fingerprint), "{}", event.path);
    }
}

#[tokio::test]
async fn an_exchange_that_breaks_is_recorded_without_a_status() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    gateway.patchset.store(patchset(&[(&token, Action::Observe)]));
    let mut client = gateway.connect().await;
    client.send(format!("GET /?{token} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut server = upstream.accept().await;
    server.head().await;
    drop(client);
    let event = gateway.events.next().await;
    assert_eq!((event.action, event.response_status), (EventAction::Observed, None));
    // The upstream's request is given up as well.
    assert_eq!(server.rest().await, "");
    assert_eq!(gateway.metric("requests_total{outcome=\"client_gone\"}"), 1);
}

#[tokio::test]
async fn the_bypass_switch_lets_pass_and_still_records() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let request = format!("GET /?k={token} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(&request).await.status(), 403);
    gateway.events.next().await;
    gateway.bypass.set(true);
    client.send(&request).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
    assert_eq!(gateway.events.next().await.action, EventAction::Monitored);
    gateway.bypass.set(false);
    assert_eq!(client.ask(&request).await.status(), 403);
}

#[tokio::test]
async fn the_bypass_file_works_without_a_control_plane() {
    let upstream = Upstream::bind().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bypass");
    let gateway =
        start_with(&[upstream.address()], |config| config.bypass_file = Some(file.clone()));
    std::fs::write(&file, "").unwrap();
    crate::support::soon("the bypass", async {
        while !gateway.bypass.is_on() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    std::fs::remove_file(&file).unwrap();
    crate::support::soon("the bypass's end", async {
        while gateway.bypass.is_on() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_route_can_be_weaker_but_is_no_way_around() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_with(&[upstream.address()], |config| {
        config.upstreams = vec![group("app", &[upstream.address()])];
        let route = |path_prefix: &str, mode| leakgate::config::Route {
            hosts: Vec::new(),
            path_prefix: path_prefix.to_owned(),
            upstream: 0,
            mode,
            tenant: Default::default(),
        };
        config.routes = vec![route("/open", Some(FiltrationMode::Off)), route("/", None)];
    });
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    let get = |path: &str| format!("GET {path}?{token} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(get("/x")).await.status(), 403);
    assert_eq!(client.ask(get("/open/../x")).await.status(), 403);
    assert_eq!(client.ask(get("/open/%2e%2e/x")).await.status(), 403);
    client.send(get("/open/x")).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test]
async fn a_refusal_can_be_401_a_page_and_name_a_contact() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_with(&[upstream.address()], |config| {
        config.block.status = 401;
        config.block.contact = Some("https://help.example/leaked".to_owned());
    });
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    let mut client = gateway.connect().await;
    let answer = client
        .ask(format!("GET /?{token} HTTP/1.1\r\nHost: a\r\nAccept: text/html,*/*\r\n\r\n"))
        .await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.field("www-authenticate"), "Bearer error=\"invalid_token\"");
    assert_eq!(answer.field("content-type"), "text/html; charset=utf-8");
    assert!(answer.body.contains("https://help.example/leaked"), "{}", answer.body);
    assert!(answer.body.contains(answer.field("x-request-id")));
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let mut client = gateway.connect().await;
    client
        .send(format!("PUT /?{token} HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n"))
        .await;
    // The refusal is on its way, or there; what is sent now must not turn it into a reset.
    for _ in 0..60 {
        if client.try_send(vec![b'x'; 10_000]).await.is_err() {
            break;
        }
    }
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_token_in_a_trusted_proxys_request_id_is_not_echoed() {
    let upstream = Upstream::bind().await;
    let token = token("tok-", 36);
    let gateway = start_with(&[upstream.address()], |config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    });
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    let mut client = gateway.connect().await;
    let answer =
        client.ask(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: {token}\r\n\r\n")).await;
    assert_eq!(answer.status(), 403);
    assert!(!answer.head.contains(&token) && !answer.body.contains(&token), "{answer:?}");
    assert_eq!(gateway.events.next().await.request_id, answer.field("x-request-id"));
}

#[tokio::test]
async fn a_new_patchset_acts_on_the_next_request_of_an_open_connection() {
    let upstream = Upstream::bind().await;
    let (token, other) = (token("tok_", 36), token("tok_", 36));
    let gateway = start_blocking(upstream.address(), &other);
    let request = format!("GET /?{token} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut client = gateway.connect().await;
    client.send(&request).await;
    let mut server = upstream.accept().await;
    server.head().await;
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200, "it began under the old patchset");
    assert_eq!(client.ask(&request).await.status(), 403);
}

#[tokio::test]
async fn a_refusal_after_the_whole_body_keeps_the_connection() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let length = token.len();
    for request in [
        format!("X-Key: {token}\r\nContent-Length: 2\r\n\r\nhi"),
        format!("Content-Length: {length}\r\n\r\n{token}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{token}\r\n0\r\n\r\n"),
        format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n {token} \r\n1\r\nx\r\n0\r\n\r\n",
            length + 2
        ),
    ] {
        let mut client = gateway.connect().await;
        let get = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{request}{get}")).await;
        let answer = client.message().await;
        assert_eq!((answer.status(), answer.fields("connection").len()), (403, 0), "{request}");
        let mut server = upstream.accept().await;
        assert_eq!(server.head().await.start(), "GET /next HTTP/1.1");
        server.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(client.message().await.status(), 200);
    }
}

#[tokio::test]
async fn a_refusal_before_the_whole_body_closes_the_connection() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    for request in [
        format!("X-Key: {token}\r\nContent-Length: 3\r\n\r\nhi"),
        format!("X-Key: {token}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n {token} \r\n", token.len() + 2),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n {token} \r\nx", token.len() + 2),
        // Where such a body ends is not the same to everyone.
        format!("Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Key: {token}\r\n\r\n"),
    ] {
        let mut client = gateway.connect().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{request}")).await;
        let answer = client.message().await;
        assert_eq!((answer.status(), answer.field("connection")), (403, "close"), "{request}");
        assert_eq!(client.rest().await, "");
    }
}
