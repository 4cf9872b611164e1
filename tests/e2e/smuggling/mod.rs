//! What can be read in two ways never arrives; what is normalised arrives in bytes that can be read in
//! one.
//!
//! Each request is sent as bytes with a second one right behind it, so that whoever takes a part of
//! the first for another request shows it. What arrives at the upstream is compared byte by byte.

mod chunks;
mod codings;
mod fields;
mod h2;
mod lengths;
mod responses;
mod targets;
mod trailers;

use std::sync::Arc;

use leakgate::model::rule::FiltrationMode;

use crate::support::gateway::{Running, start, start_with};
use crate::support::soon;
use crate::support::wire::{Upstream, Wire};

/// What is sent right behind each request.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
/// The same as it arrives.
const NEXT_ARRIVED: &str = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";
/// An answer on a connection that is closed, so that each request gets one of its own.
const LAST_OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// A request with a body, where `fields` say how it is framed.
fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}")
}

/// A request without a body, with these fields.
fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")
}

/// Whether something of a refused request may have gone on before it turned out to be malformed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// Its head is.
    Never,
    /// Its body is, which is not held in every mode.
    Unheld,
}

/// These requests are refused with this status whatever the mode, and the connection is closed.
async fn refused(status: u16, begins: Begins, cases: &[(&str, String)]) {
    let upstream = Upstream::bind().await;
    let mut wrong = Vec::new();
    for mode in [FiltrationMode::Block, FiltrationMode::Off] {
        let gateway = start_with(&[upstream.address()], |config| config.mode = mode);
        for (name, request) in cases {
            let mut client = gateway.connect().await;
            // The connection may be closed in between.
            let _ = client.try_send([request, NEXT].concat()).await;
            let may_begin = begins == Begins::Unheld && mode == FiltrationMode::Off;
            let mut begun = String::new();
            let answer = tokio::select! {
                answer = soon(name, client.rest()) => answer,
                server = upstream.accept() => {
                    begun = begun_on(server, may_begin).await;
                    client.rest().await
                }
            };
            while let Some(server) = upstream.waiting().await {
                begun.push_str(&begun_on(server, may_begin).await);
            }
            let is_refused = answer.starts_with(&format!("HTTP/1.1 {status} "))
                && answer.matches("HTTP/1.").count() == 1;
            let has_arrived = if may_begin {
                begun.contains("/next") || begun.ends_with("0\r\n\r\n")
            } else {
                !begun.is_empty()
            };
            if !is_refused || has_arrived {
                wrong.push(format!("{name} ({mode:?}): arrived {begun:?}, answered {answer:?}"));
            }
        }
        let metrics = Arc::clone(&gateway.metrics);
        gateway.stop().await;
        let counted = ["refused", "client_gone"]
            .map(|outcome| metrics.requests.with_label_values(&[outcome]).get());
        if wrong.is_empty() {
            assert_eq!(counted.iter().sum::<u64>(), cases.len() as u64);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What comes on a connection. Where nothing may, it is answered, so that the test does not wait.
async fn begun_on(mut server: Wire, may_begin: bool) -> String {
    if may_begin { server.rest().await } else { answered(server).await }
}

/// Reads what comes on a connection while it is answered.
async fn answered(mut server: Wire) -> String {
    // It may be closed already.
    let _ = server.try_send(LAST_OK).await;
    server.rest().await
}

/// What becomes of what was sent behind a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It is a request of its own.
    Served,
    /// The connection is closed before it.
    Dropped,
}

/// These requests arrive in exactly these bytes, but for the fields that the gateway adds.
async fn arrive(cases: &[(&str, String, Next, &str)]) {
    let mut wrong = Vec::new();
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    for (name, request, next, expected) in cases {
        let mut client = gateway.connect().await;
        client.send([request, NEXT].concat()).await;
        let mut arrived = Vec::new();
        let answers = loop {
            tokio::select! {
                answers = soon(name, client.rest()) => break answers,
                mut server = upstream.accept() => {
                    server.message().await;
                    server.send(LAST_OK).await;
                    server.rest().await;
                    arrived.push(own_removed(&server.seen));
                }
            }
        };
        let expected: &[&str] = match next {
            Next::Served => &[*expected, NEXT_ARRIVED],
            Next::Dropped => &[*expected],
        };
        let oks = answers.matches(" 200 OK\r\n").count();
        if arrived != expected || oks != expected.len() || answers.matches("HTTP/1.").count() != oks
        {
            wrong.push(format!("{name}: arrived {arrived:?}, answered {answers:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The bytes of one request without the fields that the gateway adds to each, which must be there
/// once.
fn own_removed(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let is_own = |line: &&str| {
        ["x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http"].contains(line)
            || line.starts_with("x-request-id: ")
            || line.starts_with("x-forwarded-host: ")
            || line.starts_with("forwarded: for=127.0.0.1;proto=http")
    };
    let (own, others): (Vec<_>, Vec<_>) = head.split("\r\n").partition(is_own);
    let hostless = head.contains("\r\nhost: \r\n");
    assert_eq!(own.len(), if hostless { 4 } else { 5 }, "{head}");
    format!("{}\r\n\r\n{body}", others.join("\r\n"))
}

/// A gateway before an upstream, and a connection to it.
async fn connected() -> (Running, Upstream, Wire) {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let client = gateway.connect().await;
    (gateway, upstream, client)
}
