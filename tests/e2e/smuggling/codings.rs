//! `Transfer-Encoding`, and the same beside `Content-Length`.

use super::Next::{Dropped, Served};
use super::{Begins, arrive, post, refused};

const BODY: &str = "1\r\nx\r\n0\r\n\r\n";

#[tokio::test]
async fn a_coding_that_is_not_exactly_chunked_is_refused() {
    let cases = [
        ("another before", "Transfer-Encoding: gzip, chunked"),
        ("another after", "Transfer-Encoding: chunked, gzip"),
        ("twice in a list", "Transfer-Encoding: chunked, chunked"),
        ("two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ("two fields, other first", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
        ("two fields, other last", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        ("two fields, empty last", "Transfer-Encoding: chunked\r\nTransfer-Encoding:"),
        ("two fields, far apart", "Transfer-Encoding: x\r\nX: 1\r\nTransfer-Encoding: chunked"),
        ("identity", "Transfer-Encoding: identity"),
        ("identity in a list", "Transfer-Encoding: identity, chunked"),
        ("prefix", "Transfer-Encoding: xchunked"),
        ("suffix", "Transfer-Encoding: chunkedx"),
        ("hyphen", "Transfer-Encoding: chunked-"),
        ("quoted", "Transfer-Encoding: \"chunked\""),
        ("single quotes", "Transfer-Encoding: 'chunked'"),
        ("parameter", "Transfer-Encoding: chunked;q=1"),
        ("semicolon", "Transfer-Encoding: chunked;"),
        ("leading comma", "Transfer-Encoding: , chunked"),
        ("trailing comma", "Transfer-Encoding: chunked,"),
        ("empty", "Transfer-Encoding:"),
        ("colon", "Transfer-Encoding: :chunked"),
        ("vertical tab", "Transfer-Encoding: \x0bchunked"),
        ("form feed", "Transfer-Encoding: chunked\x0c"),
        ("nul", "Transfer-Encoding: chunked\0"),
        ("backspace", "Transfer-Encoding: \x08chunked"),
        ("no-break space", "Transfer-Encoding: \u{a0}chunked"),
        ("long s", "Transfer-Encoding: chunked\u{17f}"),
        ("dotless i in another", "Transfer-Encoding: \u{131}dentity"),
        ("folded", "Transfer-Encoding:\r\n chunked"),
        ("folded by a tab", "Transfer-Encoding:\r\n\tchunked"),
        ("folded after", "Transfer-Encoding: chunked\r\n gzip"),
        ("folded field before", "X: 1\r\n Transfer-Encoding: chunked"),
        ("space before the colon", "Transfer-Encoding : chunked"),
        ("tab before the colon", "Transfer-Encoding\t: chunked"),
        ("space within the name", "Transfer Encoding: chunked"),
        ("nul in the name", "Transfer-Encoding\0: chunked"),
        ("bare carriage return before", "X: 1\rTransfer-Encoding: chunked"),
        ("bare carriage return within", "Transfer-Encoding: chunked\rX: 1"),
        ("beside a length", "Content-Length: 4\r\nTransfer-Encoding: xchunked"),
        ("beside a length after it", "Transfer-Encoding: xchunked\r\nContent-Length: 4"),
    ];
    let cases = cases.map(|(name, fields)| (name, post(fields, BODY)));
    refused(400, Begins::Never, &cases).await;
}

#[tokio::test]
async fn no_coding_before_1_1() {
    let cases = [
        ("alone", "Transfer-Encoding: chunked"),
        ("beside a length", "Content-Length: 11\r\nTransfer-Encoding: chunked"),
        ("kept alive", "Connection: keep-alive\r\nTransfer-Encoding: chunked"),
        ("another", "Transfer-Encoding: identity"),
    ];
    let cases =
        cases.map(|(name, fields)| (name, post(fields, BODY).replace("1.1\r\nH", "1.0\r\nH")));
    refused(400, Begins::Never, &cases).await;
}

#[tokio::test]
async fn chunked_arrives_as_exactly_that() {
    let expected =
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    let cases = [
        ("plain", "Transfer-Encoding: chunked"),
        ("case", "tRANSFER-eNCODING: cHUNKED"),
        ("space around", "Transfer-Encoding: \t chunked\t "),
        ("no space", "Transfer-Encoding:chunked"),
        ("named as the hop's", "Connection: transfer-encoding\r\nTransfer-Encoding: chunked"),
    ];
    let cases = cases.map(|(name, fields)| (name, post(fields, BODY), Served, expected));
    arrive(&cases).await;
}

/// CL.TE, TE.CL: chunks are what counts (RFC 9112, 6.3), the length does not arrive, and nothing more
/// is taken from the connection.
#[tokio::test]
async fn a_length_beside_chunks_is_dropped_and_the_connection_closed() {
    let expected =
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    let cases = [
        ("length first", "Content-Length: 4\r\nTransfer-Encoding: chunked"),
        ("length last", "Transfer-Encoding: chunked\r\nContent-Length: 4"),
        ("around", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\nContent-Length: 5"),
        ("the right length", "Content-Length: 11\r\nTransfer-Encoding: chunked"),
        ("no length", "Content-Length: 0\r\nTransfer-Encoding: chunked"),
        ("a malformed length last", "Transfer-Encoding: chunked\r\nContent-Length: +4"),
    ];
    let cases = cases.map(|(name, fields)| (name, post(fields, BODY), Dropped, expected));
    arrive(&cases).await;
}

/// TE.0: whoever overlooks the coding would take the body for a request.
#[tokio::test]
async fn a_chunked_body_is_a_body_whatever_the_method() {
    let inner = "GET /inner HTTP/1.1\r\nHost: a\r\nX: ";
    let body = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let mut cases = Vec::new();
    for method in ["GET", "DELETE", "OPTIONS", "PUT", "BREW"] {
        let sent =
            format!("{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let arrived =
            format!("{method} / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}");
        cases.push((method, sent, arrived));
    }
    let cases: Vec<_> = cases
        .iter()
        .map(|(name, sent, arrived)| (*name, sent.clone(), Served, arrived.as_str()))
        .collect();
    arrive(&cases).await;
}

#[tokio::test]
async fn names_that_only_look_like_a_coding_say_nothing() {
    arrive(&[
        (
            "underscore",
            post("Transfer_Encoding: chunked\r\nContent-Length: 2", "ab"),
            Served,
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer_encoding: chunked\r\ncontent-length: 2\r\n\r\nab",
        ),
        (
            "in a value",
            post("X: Transfer-Encoding: chunked\r\nContent-Length: 2", "ab"),
            Served,
            "POST / HTTP/1.1\r\nhost: a\r\nx: Transfer-Encoding: chunked\r\ncontent-length: 2\r\n\r\nab",
        ),
    ])
    .await;
}
