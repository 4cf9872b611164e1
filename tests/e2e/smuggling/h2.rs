//! HTTP/2, whose fields are free of line ends only where someone looks.

use crate::support::gateway::start;
use crate::support::h2::{
    Answer, DATA, END_HEADERS, END_STREAM, GET, H2Wire, HEADERS, POST, block,
};
use crate::support::wire::Upstream;

const PROTOCOL_ERROR: u32 = 1;

/// A head without a body, and what is wrong with it.
type Case = (&'static str, Vec<(&'static str, &'static str)>);

/// A request whose pseudo-header field of this name is another, or missing.
fn with(name: &str, value: Option<&'static str>) -> Vec<(&'static str, &'static str)> {
    let mut fields = Vec::new();
    for (known, before) in GET {
        match value {
            Some(value) if known == name => fields.push((known, value)),
            None if known == name => {}
            _ => fields.push((known, before)),
        }
    }
    fields
}

/// An ordinary request with these fields behind the others.
fn and(fields: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&GET[..], fields].concat()
}

fn malformed() -> Vec<Case> {
    vec![
        ("no path", with(":path", None)),
        ("empty path", with(":path", Some(""))),
        ("path with a space", with(":path", Some("/a b"))),
        ("path with a request", with(":path", Some("/ HTTP/1.1\r\nHost: b\r\n\r\nGET /inner"))),
        ("path with a line feed", with(":path", Some("/a\nb"))),
        ("path with a tab", with(":path", Some("/a\tb"))),
        ("path with a nul", with(":path", Some("/a\0b"))),
        ("relative path", with(":path", Some("a"))),
        ("star", with(":path", Some("*"))),
        ("url as a path", with(":path", Some("http://b/"))),
        ("no method", with(":method", None)),
        ("empty method", with(":method", Some(""))),
        ("method with a space", with(":method", Some("GET /inner HTTP/1.1"))),
        ("method with a line end", with(":method", Some("GET\r\nX: 1"))),
        ("no scheme", with(":scheme", None)),
        ("scheme with a space", with(":scheme", Some("http "))),
        ("another scheme", with(":scheme", Some("ftp"))),
        ("no authority", with(":authority", None)),
        ("empty authority", with(":authority", Some(""))),
        ("authority with a space", with(":authority", Some("a b"))),
        ("authority with a line end", with(":authority", Some("a\r\nX: 1"))),
        ("authority with a path", with(":authority", Some("a/b"))),
        ("authority with a letter port", with(":authority", Some("a:x"))),
        ("another host", and(&[("host", "b")])),
        ("two hosts", and(&[("host", "a"), ("host", "b")])),
        ("path twice", and(&[(":path", "/x")])),
        ("unknown pseudo-header", and(&[(":x", "1")])),
        ("pseudo-header of a response", and(&[(":status", "200")])),
        ("protocol", and(&[(":protocol", "websocket")])),
        ("pseudo-header behind a field", [&[("x", "1")], &GET[..]].concat()),
        ("connection", and(&[("connection", "close")])),
        ("keep-alive", and(&[("keep-alive", "timeout=5")])),
        ("proxy-connection", and(&[("proxy-connection", "close")])),
        ("transfer-encoding", and(&[("transfer-encoding", "chunked")])),
        ("upgrade", and(&[("upgrade", "websocket")])),
        ("te", and(&[("te", "gzip")])),
        ("capitals", and(&[("X", "1")])),
        ("capitals of a length", and(&[("Content-Length", "5")])),
        ("name with a space", and(&[("x y", "1")])),
        ("name with a colon", and(&[("x:y", "1")])),
        ("name with a line end", and(&[("x\r\ny", "1")])),
        ("name with a nul", and(&[("x\0", "1")])),
        ("empty name", and(&[("", "1")])),
        ("value with a line end", and(&[("x", "1\r\ny: 2")])),
        ("value with a carriage return", and(&[("x", "1\ry")])),
        ("value with a line feed", and(&[("x", "1\ny: 2")])),
        ("value with a nul", and(&[("x", "1\0")])),
        ("length without a body", and(&[("content-length", "5")])),
        ("two lengths", and(&[("content-length", "0"), ("content-length", "1")])),
        ("length with a sign", and(&[("content-length", "+0")])),
        ("length list", and(&[("content-length", "0, 0")])),
        ("length beyond 64 bits", and(&[("content-length", "18446744073709551617")])),
        ("another expectation", and(&[("expect", "x")])),
        ("tunnel", vec![(":method", "CONNECT"), (":authority", "a:443")]),
        ("tunnel with a path", with(":method", Some("CONNECT"))),
    ]
}

#[tokio::test]
async fn malformed_heads_do_not_arrive() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut wrong = Vec::new();
    for (name, fields) in malformed() {
        let mut client = H2Wire::connect(&gateway).await;
        client.head(1, END_STREAM, &[&fields]).await;
        let answer = tokio::select! {
            answer = client.answer(1) => answer,
            server = upstream.accept() => {
                wrong.push(format!("{name} arrived: {:?}", super::answered(server).await));
                continue;
            }
        };
        match answer {
            Answer::Status(400 | 417 | 501) | Answer::Reset(_) | Answer::Ended(Some(_)) => {}
            other => wrong.push(format!("{name}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_length_that_is_not_the_data_does_not_arrive() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    for (name, length, data) in
        [("shorter", "2", "abc"), ("longer", "4", "abc"), ("none", "0", "a")]
    {
        let mut client = H2Wire::connect(&gateway).await;
        client.head(1, 0, &[&POST, &[("content-length", length)]]).await;
        client.send(DATA, END_STREAM, 1, data.as_bytes()).await;
        let answer = client.answer(1).await;
        assert_eq!(answer, Answer::Reset(PROTOCOL_ERROR), "{name}");
        assert!(upstream.is_untouched().await, "{name} arrived");
    }
}

#[tokio::test]
async fn a_streaming_length_that_is_not_the_data_has_no_end() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let piece = vec![b'x'; 16_000];
    for (name, length) in [("shorter", "70000"), ("longer", "90000")] {
        let mut client = H2Wire::connect(&gateway).await;
        client.head(1, 0, &[&POST, &[("content-length", length)]]).await;
        let mut server = upstream.accept().await;
        assert_eq!(server.head().await.field("content-length"), length);
        for left in (0..5).rev() {
            client.round_trip().await;
            client.send(DATA, if left == 0 { END_STREAM } else { 0 }, 1, &piece).await;
        }
        let arrived = server.rest().await.len();
        assert!(arrived < length.parse().unwrap(), "{name}: {arrived}");
    }
}

#[tokio::test]
async fn trailers_say_nothing_about_framing() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    for (field, arrives) in [
        (("content-length", "7"), true),
        (("host", "b"), true),
        (("x-forwarded-for", "1.2.3.4"), true),
        (("transfer-encoding", "chunked"), false),
        (("connection", "close"), false),
        ((":path", "/x"), false),
        (("X", "1"), false),
        (("x", "1\r\ny: 2"), false),
    ] {
        let mut client = H2Wire::connect(&gateway).await;
        client.head(1, 0, &[&POST]).await;
        client.send(DATA, 0, 1, b"ab").await;
        let trailers = block(&[("x-sum", "1"), field]);
        client.send(HEADERS, END_STREAM | END_HEADERS, 1, &trailers).await;
        if arrives {
            let mut server = upstream.accept().await;
            server.message().await;
            server.send(super::LAST_OK).await;
            server.rest().await;
            assert_eq!(
                super::own_removed(&server.seen),
                "POST / HTTP/1.1\r\nhost: a\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
                 2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n",
                "{field:?}"
            );
            assert_eq!(client.answer(1).await, Answer::Status(200));
        } else {
            let answer = client.answer(1).await;
            assert!(!matches!(answer, Answer::Status(_)), "{field:?}: {answer:?}");
            while let Some(mut server) = upstream.waiting().await {
                let begun = server.rest().await;
                assert!(!begun.ends_with("0\r\n\r\n"), "{field:?}: {begun}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_odd_but_clear_arrives_clear() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let cases: [(Case, &str); 6] = [
        (("host beside authority", and(&[("host", "A")])), "GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        (("user", with(":authority", Some("u:p@a"))), "GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        (("fragment", with(":path", Some("/a#b"))), "GET /a HTTP/1.1\r\nhost: a\r\n\r\n"),
        (
            ("space around a value", and(&[("x", " 1 ")])),
            "GET / HTTP/1.1\r\nx:  1 \r\nhost: a\r\n\r\n",
        ),
        (
            ("te", and(&[("te", "trailers")])),
            "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: TE\r\n\r\n",
        ),
        (
            ("length of no body", and(&[("content-length", "0")])),
            "GET / HTTP/1.1\r\ncontent-length: 0\r\nhost: a\r\n\r\n",
        ),
    ];
    for ((name, fields), expected) in cases {
        let mut client = H2Wire::connect(&gateway).await;
        client.head(1, END_STREAM, &[&fields]).await;
        let mut server = upstream.accept().await;
        server.message().await;
        server.send(super::LAST_OK).await;
        server.rest().await;
        assert_eq!(super::own_removed(&server.seen), expected, "{name}");
        assert_eq!(client.answer(1).await, Answer::Status(200));
    }
}
