//! Chunks: sizes, extensions, line ends.

use super::Next::{Dropped, Served};
use super::{Begins, arrive, post, refused};

/// A request with these bytes for its chunks.
fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

#[tokio::test]
async fn chunks_that_can_be_read_in_two_ways_are_refused() {
    let long = "a".repeat(20_000);
    let cases = [
        ("no hex", chunked("zz\r\nab\r\n0\r\n\r\n")),
        ("empty size", chunked("\r\nab\r\n0\r\n\r\n")),
        ("only a space", chunked(" \r\nab\r\n0\r\n\r\n")),
        ("leading space", chunked(" 2\r\nab\r\n0\r\n\r\n")),
        ("leading tab", chunked("\t2\r\nab\r\n0\r\n\r\n")),
        ("plus", chunked("+2\r\nab\r\n0\r\n\r\n")),
        ("minus", chunked("-2\r\nab\r\n0\r\n\r\n")),
        ("minus zero", chunked("2\r\nab\r\n-0\r\n\r\n")),
        ("hex prefix", chunked("0x2\r\nab\r\n0\r\n\r\n")),
        ("underscore", chunked("0_2\r\nab\r\n0\r\n\r\n")),
        ("space within", chunked("0 2\r\nab\r\n0\r\n\r\n")),
        ("vertical tab", chunked("2\x0b\r\nab\r\n0\r\n\r\n")),
        ("nul", chunked("2\0\r\nab\r\n0\r\n\r\n")),
        ("digits of another script", chunked("\u{0662}\r\nab\r\n0\r\n\r\n")),
        ("beyond 64 bits", chunked("10000000000000002\r\nab\r\n0\r\n\r\n")),
        ("far beyond", chunked("fffffffffffffffff\r\nab\r\n0\r\n\r\n")),
        ("too long a chunk", chunked("2\r\nabc\r\n0\r\n\r\n")),
        ("too short a chunk", chunked("3\r\nab\r\n0\r\n\r\n")),
        ("no line end behind a chunk", chunked("2\r\nab0\r\n\r\n")),
        ("other bytes behind a chunk", chunked("2\r\nabXX0\r\n\r\n")),
        ("bare line feed behind a size", chunked("2\nab\r\n0\r\n\r\n")),
        ("bare line feed behind a chunk", chunked("2\r\nab\n0\r\n\r\n")),
        ("bare line feed behind the last size", chunked("2\r\nab\r\n0\n\r\n")),
        ("bare line feeds", chunked("2\nab\n0\n\n")),
        ("bare carriage return behind a size", chunked("2\rab\r\n0\r\n\r\n")),
        ("bare line feed in an extension", chunked("2;x\nab\r\n0\r\n\r\n")),
        ("bare carriage return in an extension", chunked("2;x\rab\r\n0\r\n\r\n")),
        ("two carriage returns", chunked("2\r\r\nab\r\n0\r\n\r\n")),
        ("space and line feed", chunked("2 \nab\r\n0\r\n\r\n")),
        ("huge extensions", chunked(&format!("2;{long}\r\nab\r\n0\r\n\r\n"))),
        ("folded trailer", chunked("2\r\nab\r\n0\r\nX: 1\r\n b\r\n\r\n")),
        ("trailer without a colon", chunked("2\r\nab\r\n0\r\nX\r\n\r\n")),
        ("space before a trailer's colon", chunked("2\r\nab\r\n0\r\nX : 1\r\n\r\n")),
        ("nul in a trailer", chunked("2\r\nab\r\n0\r\nX: 1\0\r\n\r\n")),
        ("bare carriage return in a trailer", chunked("2\r\nab\r\n0\r\nX: 1\rY: 2\r\n\r\n")),
        ("bare line feed in a trailer", chunked("2\r\nab\r\n0\r\nX: 1\nY: 2\r\n\r\n")),
        ("large trailers", chunked(&format!("2\r\nab\r\n0\r\nX: {}\r\n\r\n", long.repeat(4)))),
    ];
    refused(400, Begins::Unheld, &cases).await;
}

#[tokio::test]
async fn chunks_arrive_framed_anew() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let expected = format!("{head}4\r\nabcd\r\n0\r\n\r\n");
    let cases = [
        ("one", "4\r\nabcd\r\n0\r\n\r\n"),
        ("several", "1\r\na\r\n2\r\nbc\r\n1\r\nd\r\n0\r\n\r\n"),
        ("leading zeros", "0000000000000000000000004\r\nabcd\r\n0\r\n\r\n"),
        ("several zeros at the end", "4\r\nabcd\r\n0000\r\n\r\n"),
        ("space behind the size", "4 \r\nabcd\r\n0\r\n\r\n"),
        ("tab behind the size", "4\t\r\nabcd\r\n0\r\n\r\n"),
        ("extension", "4;x=1;y=\"z\"\r\nabcd\r\n0;z\r\n\r\n"),
        ("extension that looks like a chunk", "4;\"0\"\r\nabcd\r\n0\r\n\r\n"),
    ];
    let cases = cases.map(|(name, body)| (name, chunked(body), Served, expected.as_str()));
    arrive(&cases).await;
}

/// hyper reads on behind a bare line feed, to the next proper end of trailers, and takes none of it.
/// Whoever takes it for the end sees a second request there: it is dropped with the connection.
#[tokio::test]
async fn nothing_behind_trailers_is_a_request() {
    let arrived = |trailers: &str| {
        let announced = if trailers.is_empty() { "" } else { "trailer: x\r\n" };
        format!(
            "POST / HTTP/1.1\r\nhost: a\r\n{announced}transfer-encoding: chunked\r\n\r\n\
             2\r\nab\r\n0\r\n{trailers}\r\n"
        )
    };
    let (none, one) = (arrived(""), arrived("x: 1\r\n"));
    arrive(&[
        ("bare line feed", chunked("2\r\nab\r\n0\r\n\n"), Dropped, &none),
        ("bare line feed behind them", chunked("2\r\nab\r\n0\r\nX: 1\r\n\n"), Dropped, &one),
        ("as they should be", chunked("2\r\nab\r\n0\r\nX: 1\r\n\r\n"), Dropped, &one),
    ])
    .await;
}

#[tokio::test]
async fn a_chunk_that_looks_like_a_request_is_none() {
    let inner = "0\r\n\r\nGET /inner HTTP/1.1\r\nHost: a\r\n\r\n";
    let body = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let expected =
        format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}");
    // A size in capitals is written anew.
    let upper = format!("{:X}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    arrive(&[
        ("as it is", chunked(&body), Served, &expected),
        ("capitals", chunked(&upper), Served, &expected),
    ])
    .await;
}
