//! HTTP/2 servers that say of a request that they did nothing with it. Their frames are the test's.

use super::{GET, configured};
use crate::support::gateway::{Running, start_with};
use crate::support::wire::{Upstream, Wire};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const INTERNAL_ERROR: u8 = 2;
const REFUSED_STREAM: u8 = 7;

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The server's end of a connection, once both have greeted.
struct Peer(Wire);

impl Peer {
    async fn accept(upstream: &Upstream, settings: &[u8]) -> Self {
        let mut wire = upstream.accept().await;
        assert!(wire.exactly(24).await.starts_with("PRI * HTTP/2.0"));
        wire.send(frame(SETTINGS, 0, 0, settings)).await;
        Self(wire)
    }

    /// The stream of the next request, once its body has come as well, if it has one.
    async fn request(&mut self) -> u32 {
        loop {
            let header = self.0.bytes(9).await;
            let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
            self.0.bytes(length as usize).await;
            let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
            let ends = header[4] & END_STREAM != 0;
            match header[3] {
                HEADERS | DATA if ends => return stream,
                SETTINGS if header[4] & ACK == 0 => self.0.send(frame(SETTINGS, ACK, 0, &[])).await,
                _ => {}
            }
        }
    }

    /// 200, from HPACK's static table.
    async fn answer(&mut self, stream: u32) {
        self.0.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x88])).await;
    }

    async fn reset(&mut self, stream: u32, reason: u8) {
        self.0.send(frame(RST_STREAM, 0, stream, &[0, 0, 0, reason])).await;
    }

    async fn go_away(&mut self, last: u32) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend([0, 0, 0, 0]);
        self.0.send(frame(GOAWAY, 0, 0, &payload)).await;
    }
}

fn start(upstream: &Upstream) -> Running {
    start_with(&[], |config| {
        config.upstreams = vec![configured(&format!(
            "servers = [\"http://{}\"]\nprotocol = \"h2\"",
            upstream.address()
        ))];
    })
}

fn refused(gateway: &Running) -> u64 {
    gateway.metric("upstream_retries_total{reason=\"refused\"}")
}

#[tokio::test]
async fn a_request_after_the_last_that_is_taken_goes_to_a_new_connection() {
    let upstream = Upstream::bind().await;
    let gateway = start(&upstream);
    let (mut first, mut second) = (gateway.connect().await, gateway.connect().await);
    first.send(POST).await;
    let mut peer = Peer::accept(&upstream, &[]).await;
    let taken = peer.request().await;
    second.send(POST).await;
    peer.request().await;
    peer.go_away(taken).await;
    let mut next = Peer::accept(&upstream, &[]).await;
    let stream = next.request().await;
    next.answer(stream).await;
    assert_eq!(second.message().await.status(), 200);
    // That which was taken is finished where it is, and new ones do not go there.
    peer.answer(taken).await;
    assert_eq!(first.message().await.status(), 200);
    first.send(GET).await;
    let stream = next.request().await;
    next.answer(stream).await;
    assert_eq!(first.message().await.status(), 200);
    assert_eq!(refused(&gateway), 1);
    assert_eq!(gateway.metric("upstream_errors_total{kind=\"broken\"}"), 0);
}

#[tokio::test]
async fn a_stream_that_is_refused_is_opened_again_and_one_that_failed_is_not() {
    let upstream = Upstream::bind().await;
    let gateway = start(&upstream);
    let mut client = gateway.connect().await;
    client.send(POST).await;
    let mut peer = Peer::accept(&upstream, &[]).await;
    let stream = peer.request().await;
    peer.reset(stream, REFUSED_STREAM).await;
    let stream = peer.request().await;
    peer.answer(stream).await;
    assert_eq!(client.message().await.status(), 200);
    assert_eq!(refused(&gateway), 1);
    client.send(POST).await;
    let stream = peer.request().await;
    peer.reset(stream, INTERNAL_ERROR).await;
    assert_eq!(client.message().await.status(), 502);
    assert_eq!(refused(&gateway), 1);
}

#[tokio::test]
async fn one_that_always_refuses_is_given_up() {
    let upstream = Upstream::bind().await;
    let gateway = start(&upstream);
    let mut client = gateway.connect().await;
    client.send(POST).await;
    let mut peer = Peer::accept(&upstream, &[]).await;
    for _ in 0..=leakgate::config::limits::RETRIES {
        let stream = peer.request().await;
        peer.reset(stream, REFUSED_STREAM).await;
    }
    assert_eq!(client.message().await.status(), 502);
}

#[tokio::test]
async fn as_many_streams_as_the_server_allows_and_then_another_connection() {
    let upstream = Upstream::bind().await;
    let gateway = start(&upstream);
    let mut first = gateway.connect().await;
    first.send(GET).await;
    // SETTINGS_MAX_CONCURRENT_STREAMS is one.
    let one = [0, 3, 0, 0, 0, 1];
    let mut peer = Peer::accept(&upstream, &one).await;
    let stream = peer.request().await;
    let mut second = gateway.connect().await;
    second.send(GET).await;
    let mut other = Peer::accept(&upstream, &one).await;
    let at_other = other.request().await;
    other.answer(at_other).await;
    assert_eq!(second.message().await.status(), 200);
    peer.answer(stream).await;
    assert_eq!(first.message().await.status(), 200);
}
