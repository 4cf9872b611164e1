//! Nothing else is touched: the bytes that arrive on both ends.

use ipnet::IpNet;

use crate::support::HOUR;
use crate::support::gateway::{start, start_with};
use crate::support::wire::{OK, Upstream};

/// The fields that the gateway adds for a client on loopback, in order, without the request's id.
fn added(host: &str) -> String {
    format!(
        "x-forwarded-for: 127.0.0.1\r\nforwarded: for=127.0.0.1;proto=http;host={host}\r\n\
         x-forwarded-proto: http\r\nx-forwarded-host: {host}\r\nx-request-id: "
    )
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    let sent = "GET /a%2Fb//c/../d;p=1?q=%41+b&q=&&x={}|[] HTTP/1.1\r\nX-First: 1\r\n\
                host: example.com\r\nACCEPT: */*\r\nx-Dup: one\r\nX-duP: two\r\n\
                User-Agent: curl/8\r\n";
    client.send(format!("{sent}\r\n")).await;
    let mut server = upstream.accept().await;
    let arrived = server.head().await.head;
    // Names of fields are inspected, and forwarded, in lower case.
    let expected = "GET /a%2Fb//c/../d;p=1?q=%41+b&q=&&x={}|[] HTTP/1.1\r\nx-first: 1\r\n\
                    host: example.com\r\naccept: */*\r\nx-dup: one\r\nx-dup: two\r\n\
                    user-agent: curl/8\r\n";
    let expected = format!("{expected}{}", added("example.com"));
    assert!(arrived.starts_with(&expected), "{arrived}\n---\n{expected}");
    let id = arrived.strip_prefix(&expected).unwrap().strip_suffix("\r\n\r\n").unwrap();
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 7);

    let answer = "HTTP/1.1 299 Quite Fine\r\nX-B: 1\r\nServer: theirs\r\nx-a: 1\r\nX-A: 2\r\n\
                  Content-Length: 3\r\n\r\nyes";
    server.send(answer).await;
    let got = client.message().await;
    assert_eq!(format!("{}{}", got.head, got.body), answer);
    gateway.stop().await;
}

#[tokio::test]
async fn fields_of_the_hop_end_here() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client
        .send(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\n\
             Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: deflate\r\n\
             Proxy-Authorization: Basic eA==\r\nX-Kept: 1\r\nUpgrade: h2c\r\n\r\n",
        )
        .await;
    let mut server = upstream.accept().await;
    let head = server.head().await;
    let kept = "GET / HTTP/1.1\r\nhost: a\r\nproxy-authorization: Basic eA==\r\nx-kept: 1\r\n";
    assert!(head.head.starts_with(&format!("{kept}{}", added("a"))), "{}", head.head);

    server
        .send(
            "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n\
             Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\
             Content-Length: 999\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        )
        .await;
    let got = client.message().await;
    let fields =
        "HTTP/1.1 200 OK\r\nProxy-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!((got.head.as_str(), got.body.as_str()), (fields, "ok"));
}

#[tokio::test]
async fn lengths_stay_lengths_and_chunks_stay_chunks() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    let mut server = upstream.accept().await;
    let got = server.message().await;
    assert_eq!((got.field("content-length"), got.body.as_str()), ("5", "hello"));
    assert!(got.fields("transfer-encoding").is_empty());
    server.send(OK).await;
    assert_eq!(client.message().await.field("content-length"), "2");

    // Chunk extensions belong to the hop.
    for method in ["POST", "GET", "DELETE"] {
        client
            .send(format!(
                "{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
            ))
            .await;
        let got = server.message().await;
        assert_eq!((got.field("transfer-encoding"), got.body.as_str()), ("chunked", "hello"));
        assert!(got.fields("content-length").is_empty());
        server
            .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            .await;
        let got = client.message().await;
        assert_eq!((got.field("transfer-encoding"), got.body.as_str()), ("chunked", "ok"));
    }
}

#[tokio::test]
async fn a_post_without_content_says_so_as_it_did() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    let mut server = upstream.accept().await;
    assert_eq!(server.head().await.field("content-length"), "0");
    server.send(OK).await;
    client.message().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = server.head().await;
    assert!(
        head.fields("content-length").is_empty() && head.fields("transfer-encoding").is_empty()
    );
}

#[tokio::test]
async fn responses_without_content() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await;
    assert_eq!(client.head().await.field("content-length"), "1234");
    for status in ["204 No Content", "304 Not Modified"] {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        server.head().await;
        server.send(format!("HTTP/1.1 {status}\r\nETag: \"x\"\r\n\r\n")).await;
        let got = client.head().await;
        assert_eq!(got.head, format!("HTTP/1.1 {status}\r\nETag: \"x\"\r\n\r\n"));
    }
    // Nothing of a content came after them: the next answer is where it should be.
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(client.message().await.body, "ok");
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
        )
        .await;
    let mut server = upstream.accept().await;
    let got = server.message().await;
    assert_eq!((got.body.as_str(), got.trailers.as_str()), ("hi", "x-sum: 7\r\n"));
    assert_eq!((got.field("te"), got.field("connection")), ("trailers", "TE"));
    server
        .send(
            "HTTP/1.1 200 OK\r\nTrailer: X-Check\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nX-Check: 9\r\n\r\n",
        )
        .await;
    let got = client.message().await;
    assert_eq!((got.body.as_str(), got.trailers.as_str()), ("ok", "x-check: 9\r\n"));
}

#[tokio::test]
async fn trailers_that_were_not_announced_come_with_a_held_body() {
    let upstream = Upstream::bind().await;
    // Held to its end, however slow the machine.
    let gateway = start_with(&[upstream.address()], |config| config.hold.pause = HOUR);
    let mut client = gateway.connect().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
        )
        .await;
    let got = upstream.accept().await.message().await;
    assert_eq!((got.field("trailer"), got.trailers.as_str()), ("x-sum", "x-sum: 7\r\n"));
}

#[tokio::test]
async fn expect_100_continue() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client
        .send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await;
    assert_eq!(client.head().await.head, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hi").await;
    let mut server = upstream.accept().await;
    let got = server.message().await;
    assert_eq!(got.body, "hi");
    assert!(got.fields("expect").is_empty(), "the gateway has met it");
    server.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test]
async fn an_absolute_target_decides_the_host() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send("GET http://user:pw@b.example:81/x?y HTTP/1.1\r\nHost: other\r\n\r\n").await;
    let mut server = upstream.accept().await;
    let head = server.head().await;
    assert_eq!(head.start(), "GET /x?y HTTP/1.1");
    assert_eq!(head.field("host"), "b.example:81");
    assert_eq!(head.field("forwarded"), "for=127.0.0.1;proto=http;host=\"b.example:81\"",);
    assert!(!head.head.contains("user"), "userinfo goes no further: {}", head.head);
    server.send(OK).await;
    client.message().await;
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(server.head().await.start(), "OPTIONS * HTTP/1.1");
}

#[tokio::test]
async fn an_http_1_0_client_is_served_as_it_asks() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let mut server = upstream.accept().await;
    let head = server.head().await;
    assert_eq!((head.start(), head.field("host")), ("GET / HTTP/1.1", ""));
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").await;
    let all = client.rest().await;
    assert!(all.starts_with("HTTP/1.0 200 OK\r\n") && all.ends_with("\r\n\r\nok"), "{all}");
    assert!(!all.contains("chunked"), "{all}");
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_no_other() {
    let upstream = Upstream::bind().await;
    let trusted: IpNet = "127.0.0.0/8".parse().unwrap();
    let believing = start_with(&[upstream.address()], |c| c.trusted_proxies = vec![trusted]);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\
                   X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n\
                   X-Request-Id: theirs-1\r\n\r\n";
    let mut client = believing.connect().await;
    client.send(request).await;
    let head = upstream.accept().await.head().await;
    assert_eq!(head.field("x-forwarded-for"), "203.0.113.9, 127.0.0.1");
    assert_eq!(head.field("x-forwarded-proto"), "https");
    assert_eq!(head.field("x-forwarded-host"), "shop.example");
    assert_eq!(head.field("x-request-id"), "theirs-1");

    let doubting = start(upstream.address());
    let mut client = doubting.connect().await;
    client.send(request).await;
    let head = upstream.accept().await.head().await;
    assert_eq!(head.field("x-forwarded-proto"), "http");
    assert_eq!(head.field("x-forwarded-host"), "a");
    assert_ne!(head.field("x-request-id"), "theirs-1");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send(get("/1") + get("/2").as_str()).await;
    let mut server = upstream.accept().await;
    for (path, body) in [("/1", "one"), ("/2", "two")] {
        assert_eq!(server.head().await.start(), format!("GET {path} HTTP/1.1"));
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{body}")).await;
        assert_eq!(client.message().await.body, body);
    }
}

#[tokio::test]
async fn a_client_that_is_not_ours_gets_its_answer() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let url = format!("http://{}/x", gateway.address);
    let asked = tokio::spawn(async move { reqwest::get(url).await.unwrap().text().await.unwrap() });
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(asked.await.unwrap(), "ok");
}

#[tokio::test]
async fn trailers_that_cannot_be_passed_on_are_counted() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    // The body pauses for longer than it is held, so that its head has gone when its trailers come.
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Sum, Authorization\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        )
        .await;
    let mut server = upstream.accept().await;
    server.head().await;
    assert_eq!(server.chunk().await, "hi");
    client.send("0\r\nX-Sum: 7\r\nX-Late: 1\r\nX-Late: 2\r\nAuthorization: x\r\n\r\n").await;
    assert_eq!(server.exactly(15).await, "0\r\nx-sum: 7\r\n\r\n");
    assert_eq!(gateway.metric("trailers_dropped_total{direction=\"request\"}"), 3);
    server
        .send(
            "HTTP/1.1 200 OK\r\nTrailer: X-Check\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nX-Check: 9\r\nX-Late: 1\r\n\r\n",
        )
        .await;
    let got = client.message().await;
    assert_eq!((got.body.as_str(), got.trailers.as_str()), ("ok", "x-check: 9\r\n"));
    assert_eq!(gateway.metric("trailers_dropped_total{direction=\"response\"}"), 1);
    // A client that does not take trailers gets none.
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.head().await;
    server
        .send(
            "HTTP/1.1 200 OK\r\nTrailer: X-Check\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nX-Check: 9\r\n\r\n",
        )
        .await;
    assert_eq!(client.message().await.trailers, "");
    assert_eq!(gateway.metric("trailers_dropped_total{direction=\"response\"}"), 2);
}

#[tokio::test]
async fn only_trailers_that_will_come_are_announced() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let send = async |trailers: &str| {
        let mut client = gateway.connect().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                 2\r\nhi\r\n0\r\n{trailers}\r\n"
            ))
            .await;
        client
    };
    let _client = send("Content-Length: 1\r\nX-Sum: 7\r\nAuthorization: x\r\n").await;
    let mut server = upstream.accept().await;
    let got = server.message().await;
    assert_eq!(got.body, "hi");
    assert_eq!((got.field("trailer"), got.trailers.as_str()), ("x-sum", "x-sum: 7\r\n"));
    server.send(OK).await;
    let _client = send("Authorization: x\r\n").await;
    let got = server.message().await;
    assert_eq!((got.body.as_str(), got.trailers.as_str()), ("hi", ""));
    assert_eq!((got.field("transfer-encoding"), got.fields("trailer").len()), ("chunked", 0));
    assert_eq!(gateway.metric("trailers_dropped_total{direction=\"request\"}"), 3);
}

#[tokio::test]
async fn an_expectation_that_was_met_leaves_the_order_of_fields() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nA: 1\r\nB: 2\r\n\
             Content-Length: 2\r\nC: 3\r\n\r\nhi",
        )
        .await;
    let got = upstream.accept().await.message().await;
    let kept = "POST / HTTP/1.1\r\nhost: a\r\na: 1\r\nb: 2\r\ncontent-length: 2\r\nc: 3\r\n";
    assert!(got.head.starts_with(kept), "{}", got.head);
}

#[tokio::test]
async fn a_response_without_content_keeps_the_length_it_tells_of() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    let mut server = None;
    for method in ["GET", "HEAD"] {
        for length in ["Content-Length: 1234\r\n", ""] {
            client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            if server.is_none() {
                server = Some(upstream.accept().await);
            }
            let server = server.as_mut().unwrap();
            server.head().await;
            let answer = format!("HTTP/1.1 304 Not Modified\r\nETag: x\r\n{length}\r\n");
            server.send(&answer).await;
            assert_eq!(client.head().await.head, answer, "{method}");
        }
    }
}
