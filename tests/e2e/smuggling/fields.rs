//! Names and values of fields, line ends, and expectations.

use super::Next::{Dropped, Served};
use super::{Begins, arrive, get, post, refused};

#[tokio::test]
async fn malformed_fields_are_refused() {
    let cases = [
        ("folded", get("X: b\r\n c")),
        ("folded by a tab", get("X: b\r\n\tc")),
        ("folded first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n".to_owned()),
        ("folded first by a tab", "GET / HTTP/1.1\r\n\tX: 1\r\nHost: a\r\n\r\n".to_owned()),
        ("folded last", get("X: b\r\n ")),
        ("space before the colon", get("X : 1")),
        ("tab before the colon", get("X\t: 1")),
        ("space within the name", get("X Y: 1")),
        ("no colon", get("X")),
        ("empty name", get(": x")),
        ("only a colon", get(":")),
        ("pseudo-header", get(":path: /x")),
        ("bare carriage return in a value", get("X: b\rY: c")),
        ("bare carriage return at a value's end", get("X: b\r\r")),
        ("bare carriage return in a name", get("X\rY: c")),
        ("carriage return as an empty line", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n".to_owned()),
        ("nul in a value", get("X: b\0c")),
        ("nul in a name", get("X\0: c")),
        ("control in a value", get("X: b\x01c")),
        ("control in a name", get("X\x01: c")),
        ("delete in a value", get("X: b\x7fc")),
        ("vertical tab in a value", get("X: \x0bc")),
        ("escape in a value", get("X: \x1bc")),
        ("quote in a name", get("\"X\": c")),
        ("parenthesis in a name", get("X(1): c")),
        ("slash in a name", get("X/1: c")),
        ("at in a name", get("X@1: c")),
        ("brackets in a name", get("X[1]: c")),
        ("accent in a name", get("X\u{e9}: c")),
        ("byte order mark before a name", get("\u{feff}X: c")),
    ];
    refused(400, Begins::Never, &cases).await;
}

#[tokio::test]
async fn values_arrive_as_they_are() {
    arrive(&[
        ("empty", get("X:"), Served, "GET / HTTP/1.1\r\nhost: a\r\nx: \r\n\r\n"),
        ("space around", get("X: \t b \t "), Served, "GET / HTTP/1.1\r\nhost: a\r\nx: b\r\n\r\n"),
        ("tab within", get("X: b\tc"), Served, "GET / HTTP/1.1\r\nhost: a\r\nx: b\tc\r\n\r\n"),
        ("colons", get("X: :b:"), Served, "GET / HTTP/1.1\r\nhost: a\r\nx: :b:\r\n\r\n"),
        (
            "other scripts",
            get("X: \u{e9}\u{4e2d}"),
            Served,
            "GET / HTTP/1.1\r\nhost: a\r\nx: \u{e9}\u{4e2d}\r\n\r\n",
        ),
        (
            "repeated",
            get("X: 1\r\nY: 2\r\nX: 3"),
            Served,
            "GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\nx: 3\r\ny: 2\r\n\r\n",
        ),
    ])
    .await;
}

#[tokio::test]
async fn line_ends_arrive_as_line_ends() {
    let expected = "GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n\r\n";
    arrive(&[
        ("line feeds", "GET / HTTP/1.1\nHost: a\nX: 1\n\n".to_owned(), Served, expected),
        ("mixed", "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\n".to_owned(), Served, expected),
        (
            "line ends before",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n".to_owned(),
            Served,
            expected,
        ),
    ])
    .await;
}

#[tokio::test]
async fn fields_of_the_hop_do_not_arrive() {
    arrive(&[
        (
            "named by Connection",
            get("X-One: 1\r\nConnection: x-one, X-Two\r\nX-Two: 2\r\nKeep-Alive: 5\r\nX: 1"),
            Served,
            "GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n\r\n",
        ),
        (
            "h2c",
            get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"),
            Served,
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        (
            "proxy connection",
            get("Proxy-Connection: keep-alive"),
            Served,
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        (
            "close",
            get("Connection: close"),
            Dropped,
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
    ])
    .await;
}

/// 0.CL by expectation: whoever does not understand it waits for a body, or for none.
#[tokio::test]
async fn other_expectations_are_refused() {
    let cases = [
        ("unknown", "Expect: something"),
        ("prefixed", "Expect: y 100-continue"),
        ("list", "Expect: 100-continue, x"),
        ("list of the same", "Expect: 100-continue, 100-continue"),
        ("twice", "Expect: 100-continue\r\nExpect: x"),
        ("twice, other first", "Expect: x\r\nExpect: 100-continue"),
        ("parameter", "Expect: 100-continue;x"),
        ("empty", "Expect:"),
        ("other digits", "Expect: 100-continu\u{e9}"),
    ];
    let cases =
        cases.map(|(name, field)| (name, post(&format!("{field}\r\nContent-Length: 2"), "ab")));
    refused(417, Begins::Never, &cases).await;
}

#[tokio::test]
async fn the_known_expectation_is_met_here() {
    let (_gateway, upstream, mut client) = super::connected().await;
    for field in ["Expect: 100-continue", "eXPECT: 100-CONTINUE", "Expect:100-continue"] {
        client.send(post(&format!("{field}\r\nContent-Length: 2"), "")).await;
        assert_eq!(client.head().await.head, "HTTP/1.1 100 Continue\r\n\r\n");
        assert!(upstream.is_untouched().await);
        client.send("ab").await;
        let mut server = upstream.accept().await;
        server.message().await;
        server.send(super::LAST_OK).await;
        server.rest().await;
        assert_eq!(
            super::own_removed(&server.seen),
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab"
        );
        assert_eq!(client.message().await.status(), 200);
    }
}

#[tokio::test]
async fn an_expectation_without_a_body_or_before_1_1_says_nothing() {
    arrive(&[
        ("no body", get("Expect: 100-continue"), Served, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        (
            "1.0",
            "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab"
                .to_owned(),
            Dropped,
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
        ),
    ])
    .await;
}
