//! A body that is too large or too slow to hold is scanned ahead of what is forwarded: the upstream
//! sees neither the token nor the message's end.

use leakgate::model::event::EventAction;
use leakgate::model::rule::Action;

use crate::support::gateway::{Running, patchset, start, start_blocking};
use crate::support::tokens::token;
use crate::support::wire::{Upstream, Wire};

/// What the upstream saw to the connection's end.
async fn all_seen(mut server: Wire) -> String {
    server.rest().await;
    String::from_utf8_lossy(&server.seen).into_owned()
}

#[tokio::test]
async fn a_large_body_arrives_unharmed() {
    let upstream = Upstream::bind().await;
    let gateway = start_blocking(upstream.address(), &token("tok_", 36));
    let content: String = (0..300_000u32).map(|i| char::from(b'a' + (i % 23) as u8)).collect();
    for chunked in [false, true] {
        let mut client = gateway.connect().await;
        let sending = {
            let content = content.clone();
            tokio::spawn(async move {
                if chunked {
                    client
                        .send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                        .await;
                    for part in content.as_bytes().chunks(70_000) {
                        client.send(format!("{:x}\r\n", part.len())).await;
                        client.send(part).await;
                        client.send("\r\n").await;
                    }
                    client.send("0\r\n\r\n").await;
                } else {
                    let length = content.len();
                    client
                        .send(format!(
                            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
                        ))
                        .await;
                    client.send(&content).await;
                }
                client.message().await
            })
        };
        let mut server = upstream.accept().await;
        let got = server.message().await;
        assert!(got.body == content, "{} bytes came", got.body.len());
        let framing = if chunked { "transfer-encoding" } else { "content-length" };
        assert_eq!(got.fields(framing).len(), 1, "{}", got.head);
        server.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(sending.await.unwrap().status(), 201);
        // Each with a connection of its own.
        drop(server);
    }
}

/// Sends a large body with the token in it, `cut` bytes of the token in one write and the rest in
/// the next, and gives back the answer and what the upstream saw.
async fn stream(
    gateway: &Running,
    upstream: &Upstream,
    token: &str,
    cut: usize,
    chunked: bool,
) -> (String, String) {
    let mut client = gateway.connect().await;
    // A token stands alone: a longer word that holds it is another one.
    let padding = "p".repeat(100_000) + " ";
    let (one, two) = token.split_at(cut);
    let tail = format!(" {}", "t".repeat(1000));
    let length = padding.len() + token.len() + tail.len();
    let framing = if chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {length}")
    };
    client.send(format!("PUT /big HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")).await;
    let part = |text: &str| {
        if chunked { format!("{:x}\r\n{text}\r\n", text.len()) } else { text.to_owned() }
    };
    client.send(part(&padding)).await;
    let mut server = upstream.accept().await;
    server.head().await;
    // The padding has been released; now the token comes in two pieces.
    client.send(part(one)).await;
    let _ = client.try_send(part(two)).await;
    let _ = client.try_send(part(&tail)).await;
    let answer = client.rest().await;
    (answer, all_seen(server).await)
}

#[tokio::test]
async fn the_piece_in_which_a_token_completes_is_never_forwarded() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    for chunked in [false, true] {
        for cut in [1, 20, token.len() - 1] {
            let (answer, seen) = stream(&gateway, &upstream, &token, cut, chunked).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
            assert!(!seen.contains(&token), "the token arrived");
            assert!(!seen.ends_with("0\r\n\r\n"), "the end arrived");
            let content = seen.split_once("\r\n\r\n").unwrap().1;
            assert!(!content.contains('t') || !content.ends_with('t'), "what came after arrived");
            let event = gateway.events.next().await;
            assert_eq!(event.action, EventAction::Blocked);
            assert_eq!((event.response_status, event.path.as_str()), (Some(403), "/big"));
        }
    }
    assert_eq!(gateway.metric("requests_total{outcome=\"blocked\"}"), 6);
}

#[tokio::test]
async fn a_token_at_the_very_end_of_a_declared_body_is_caught_before_its_last_byte() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let mut client = gateway.connect().await;
    let padding = "p".repeat(100_000);
    let length = padding.len() + 1 + token.len();
    client
        .send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{padding}"))
        .await;
    let mut server = upstream.accept().await;
    server.head().await;
    client.send(format!(" {token}")).await;
    assert_eq!(client.message().await.status(), 403);
    let seen = all_seen(server).await;
    assert!(!seen.contains(&token));
    let content = seen.split_once("\r\n\r\n").unwrap().1;
    assert!(content.len() < length, "the upstream cannot take it for whole");
}

#[tokio::test]
async fn a_block_after_the_response_began_resets() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        .await;
    let mut server = upstream.accept().await;
    server.head().await;
    assert_eq!(server.chunk().await, "hi");
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await;
    client.head().await;
    assert_eq!(client.chunk().await, "ok");
    client.send(format!("{:x}\r\n{token}\r\n", token.len())).await;
    let rest = client.rest().await;
    assert!(!rest.contains("0\r\n\r\n"), "the response did not end well: {rest}");
    assert!(!all_seen(server).await.contains(&token));
    let event = gateway.events.next().await;
    assert_eq!((event.action, event.response_status), (EventAction::Blocked, Some(200)));
}

#[tokio::test]
async fn monitored_in_a_stream_passes_and_tells_the_status() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start(upstream.address());
    gateway.patchset.store(patchset(&[(&token, Action::Monitor)]));
    let mut client = gateway.connect().await;
    let padding = "p".repeat(100_000);
    let length = padding.len() + token.len() + 2;
    client
        .send(format!(
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{padding} {token} "
        ))
        .await;
    let mut server = upstream.accept().await;
    assert!(server.message().await.body.contains(&token));
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.message().await.status(), 200);
    let event = gateway.events.next().await;
    assert_eq!((event.action, event.response_status), (EventAction::Monitored, Some(200)));
}

#[tokio::test]
async fn a_client_that_breaks_off_takes_the_upstreams_request_with_it() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    assert_eq!(server.chunk().await, "hi");
    drop(client);
    assert_eq!(server.rest().await, "", "no last chunk");
}

#[tokio::test]
async fn an_upstream_that_breaks_off_takes_the_response_with_it() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut client = gateway.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut server = upstream.accept().await;
        server.head().await;
        server.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n2\r\nok")).await;
        client.head().await;
        drop(server);
        let rest = client.rest().await;
        assert!(rest.len() < 10 && !rest.contains("0\r\n"), "{rest:?}");
    }
}

#[tokio::test]
async fn a_token_in_a_streams_trailer_is_blocked() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let mut client = gateway.connect().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Key\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n",
        )
        .await;
    let mut server = upstream.accept().await;
    server.head().await;
    client.send(format!("0\r\nX-Key: {token}\r\n\r\n")).await;
    assert_eq!(client.message().await.status(), 403);
    let seen = all_seen(server).await;
    assert!(!seen.contains(&token) && !seen.ends_with("0\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn trailers_of_a_stream_go_through() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = gateway.connect().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n",
        )
        .await;
    let mut server = upstream.accept().await;
    let head = server.head().await;
    assert_eq!(head.field("trailer"), "X-Sum");
    assert_eq!(server.chunk().await, "hi");
    client.send("0\r\nX-Sum: 3\r\n\r\n").await;
    assert_eq!(server.exactly(15).await, "0\r\nx-sum: 3\r\n\r\n");
}
