//! `Content-Length`.

use super::Next::{Dropped, Served};
use super::{Begins, arrive, get, post, refused};

#[tokio::test]
async fn a_length_that_is_no_single_number_is_refused() {
    let cases = [
        ("conflict", "Content-Length: 1\r\nContent-Length: 2"),
        ("conflict with other fields between", "Content-Length: 2\r\nX: 1\r\nContent-Length: 1"),
        ("list", "Content-Length: 2, 2"),
        ("list without a space", "Content-Length: 2,2"),
        ("list that conflicts", "Content-Length: 1, 2"),
        ("list that ends with a comma", "Content-Length: 2,"),
        ("plus", "Content-Length: +2"),
        ("minus", "Content-Length: -2"),
        ("minus zero", "Content-Length: -0"),
        ("hex", "Content-Length: 0x2"),
        ("fraction", "Content-Length: 2.0"),
        ("exponent", "Content-Length: 2e0"),
        ("underscore", "Content-Length: 0_2"),
        ("quoted", "Content-Length: \"2\""),
        ("space within", "Content-Length: 1 2"),
        ("tab within", "Content-Length: 1\t2"),
        ("parameter", "Content-Length: 2;x=1"),
        ("word", "Content-Length: two"),
        ("empty", "Content-Length:"),
        ("spaces", "Content-Length:   "),
        ("empty beside a number", "Content-Length: 2\r\nContent-Length:"),
        ("beyond 64 bits", "Content-Length: 18446744073709551618"),
        ("far beyond", "Content-Length: 99999999999999999999999999999999999999"),
        ("digits of another script", "Content-Length: \u{0662}"),
        ("no-break space", "Content-Length: \u{a0}2"),
        ("vertical tab", "Content-Length: \x0b2"),
        ("form feed", "Content-Length: 2\x0c"),
        ("nul", "Content-Length: 2\0"),
        ("space before the colon", "Content-Length : 2"),
        ("tab before the colon", "Content-Length\t: 2"),
        ("folded", "Content-Length:\r\n 2"),
        ("bare carriage return", "Content-Length: 2\rX: 1"),
        ("nul in the name", "Content-Length\0: 2"),
    ];
    let cases = cases.map(|(name, fields)| (name, post(fields, "ab")));
    refused(400, Begins::Never, &cases).await;
}

#[tokio::test]
async fn a_length_that_stands_for_none_inside_is_refused() {
    let cases =
        [("the largest", "18446744073709551615"), ("the last but one", "18446744073709551614")];
    let cases = cases.map(|(name, n)| (name, post(&format!("Content-Length: {n}"), "ab")));
    refused(431, Begins::Never, &cases).await;
}

#[tokio::test]
async fn a_length_arrives_as_one_plain_number() {
    let expected = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab";
    let cases = [
        ("plain", "Content-Length: 2"),
        ("twice the same", "Content-Length: 2\r\nContent-Length: 2"),
        ("twice the same, written differently", "Content-Length: 2\r\nContent-Length: 02"),
        ("leading zeros", "Content-Length: 0000000000000000000000000000002"),
        ("case", "cONTENT-lENGTH: 2"),
        ("space around", "Content-Length: \t 2 \t "),
        ("no space", "Content-Length:2"),
    ];
    let cases = cases.map(|(name, fields)| (name, post(fields, "ab"), Served, expected));
    arrive(&cases).await;
}

#[tokio::test]
async fn names_that_only_look_like_a_length_say_nothing() {
    arrive(&[
        (
            "underscore",
            post("Content_Length: 9\r\nContent-Length: 2", "ab"),
            Served,
            "POST / HTTP/1.1\r\nhost: a\r\ncontent_length: 9\r\ncontent-length: 2\r\n\r\nab",
        ),
        (
            "prefix",
            post("X-Content-Length: 9\r\nContent-Length: 2", "ab"),
            Served,
            "POST / HTTP/1.1\r\nhost: a\r\nx-content-length: 9\r\ncontent-length: 2\r\n\r\nab",
        ),
        (
            "named as the hop's",
            post("Connection: content-length, host, x-forwarded-for\r\nContent-Length: 2", "ab"),
            Served,
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
        ),
    ])
    .await;
}

/// CL.0, 0.CL: each side that overlooks the length would take the body for a request.
#[tokio::test]
async fn a_body_is_a_body_whatever_the_method() {
    let inner = "GET /inner HTTP/1.1\r\nHost: a\r\nX: ";
    let mut cases = Vec::new();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "BREW"] {
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{inner}",
            inner.len()
        );
        let arrived = format!(
            "{method} / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{inner}",
            inner.len()
        );
        if method != "HEAD" {
            cases.push((method, request, Served, arrived));
        }
    }
    let cases: Vec<_> = cases
        .iter()
        .map(|(name, sent, next, arrived)| (*name, sent.clone(), *next, arrived.as_str()))
        .collect();
    arrive(&cases).await;
}

#[tokio::test]
async fn without_a_length_there_is_no_body() {
    arrive(&[
        ("get", get("X: 1"), Served, "GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n\r\n"),
        ("post", post("X: 1", ""), Served, "POST / HTTP/1.1\r\nhost: a\r\nx: 1\r\n\r\n"),
        (
            "post of nothing",
            post("Content-Length: 0", ""),
            Served,
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "1.0",
            "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\nab".to_owned(),
            Dropped,
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
        ),
    ])
    .await;
}
