//! Fields behind a body: never ones that say how a message is framed, where it goes, or from whom it
//! came, since some servers read them together with those of the head.

use super::Next::Dropped;
use super::{arrive, post};

/// Names that the gateway sets in the head itself, or that belong to the head alone.
const NEVER: &[&str] = &[
    "Authorization",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Expect",
    "Forwarded",
    "Host",
    "Keep-Alive",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Request-Id",
];

#[tokio::test]
async fn fields_of_the_head_are_no_trailers() {
    for name in NEVER {
        let trailers = format!("X-Sum: 1\r\n{name}: 7\r\n");
        // Whether they are announced or not.
        for announced in ["X-Sum".to_owned(), format!("X-Sum, {name}")] {
            let sent = post(
                &format!("Trailer: {announced}\r\nTransfer-Encoding: chunked"),
                &format!("2\r\nab\r\n0\r\n{trailers}\r\n"),
            );
            let expected = "POST / HTTP/1.1\r\nhost: a\r\ntrailer: X-Sum\r\n\
                            transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n";
            arrive(&[(name, sent, Dropped, expected)]).await;
        }
    }
}

#[tokio::test]
async fn the_same_where_the_body_streams() {
    let padding = "x".repeat(70_000);
    for name in NEVER {
        let sent = post(
            &format!("Trailer: X-Sum, {name}\r\nTransfer-Encoding: chunked"),
            &format!("{:x}\r\n{padding}\r\n0\r\nX-Sum: 1\r\n{name}: 7\r\n\r\n", padding.len()),
        );
        let (_gateway, upstream, mut client) = super::connected().await;
        client.send(sent).await;
        let mut server = upstream.accept().await;
        let got = server.message().await;
        assert_eq!(got.body.len(), padding.len());
        assert_eq!(got.trailers, "x-sum: 1\r\n", "{name}");
        assert_eq!(got.field("trailer"), "X-Sum", "{name}");
    }
}
