//! Clients that send much of what costs them little, over HTTP/2, and those that take nothing.

use std::time::Duration;

use crate::support::gateway::{start, start_with};
use crate::support::h2::{
    Answer, CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, H2Wire, HEADERS, PING, POST,
    RST_STREAM, SETTINGS, block, frame,
};
use crate::support::wire::Upstream;

const SHORT: Duration = Duration::from_millis(150);
const ENHANCE_YOUR_CALM: u32 = 11;
const CANCEL: [u8; 4] = 8_u32.to_be_bytes();

#[tokio::test]
async fn a_head_without_an_end_ends_the_connection() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = H2Wire::connect(&gateway).await;
    client.send(HEADERS, END_STREAM, 1, &block(&GET)).await;
    let more = frame(CONTINUATION, 0, 1, &block(&[("x", "1")])).repeat(100);
    while client.wire.try_send(&more).await.is_ok() {}
    assert!(upstream.is_untouched().await);
    // The same with nothing in it.
    let mut client = H2Wire::connect(&gateway).await;
    client.send(HEADERS, END_STREAM, 1, &block(&GET)).await;
    let more = frame(CONTINUATION, 0, 1, &[]).repeat(100);
    while client.wire.try_send(&more).await.is_ok() {}
    assert!(upstream.is_untouched().await);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_others_go_on() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = H2Wire::connect(&gateway).await;
    // As much as fits into a frame, which is more than the list of fields may be.
    let long = "x".repeat(8_150);
    client.head(1, END_STREAM, &[&GET, &[("x", &long), ("y", &long)]]).await;
    let refused = client.answer(1).await;
    assert!(matches!(refused, Answer::Status(431) | Answer::Reset(_)), "{refused:?}");
    client.head(3, END_STREAM, &[&GET]).await;
    upstream.accept().await.head().await;
}

/// A field of 4,000 bytes, named by one byte over and over.
#[tokio::test]
async fn a_head_that_is_large_only_once_unpacked_is_refused() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = H2Wire::connect(&gateway).await;
    let mut bomb = block(&GET);
    let mut entry = block(&[("x", &"x".repeat(4_000))]);
    // Into the table, rather than into none.
    entry[0] = 0x40;
    bomb.extend(entry);
    bomb.extend([0x80 | 62; 10_000]);
    client.send(HEADERS, END_STREAM | END_HEADERS, 1, &bomb).await;
    let refused = client.answer(1).await;
    assert!(!matches!(refused, Answer::Status(200)), "{refused:?}");
    assert!(upstream.is_untouched().await);
}

#[tokio::test]
async fn streams_reset_as_they_begin_end_the_connection() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = H2Wire::connect(&gateway).await;
    let mut stream = 1;
    loop {
        let mut flood = Vec::new();
        for _ in 0..100 {
            flood.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&GET)));
            flood.extend(frame(RST_STREAM, 0, stream, &CANCEL));
            stream += 2;
        }
        if client.wire.try_send(&flood).await.is_err() {
            break;
        }
        assert!(stream < 1_000_000);
    }
}

/// Each is let in before it is reset, which no limit on what waits to be let in sees.
#[tokio::test]
async fn a_client_that_leaves_its_requests_is_cut() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = H2Wire::connect(&gateway).await;
    let mut requests = 0;
    let code = loop {
        let stream = requests * 2 + 1;
        requests += 1;
        assert!(requests < 10_000, "nobody minds");
        let head = frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&GET));
        let _ = client.wire.try_send(head).await;
        let mut server = tokio::select! {
            server = upstream.accept() => server,
            code = client.ended() => break code,
        };
        server.head().await;
        let _ = client.wire.try_send(frame(RST_STREAM, 0, stream, &CANCEL)).await;
        assert_eq!(server.rest().await, "", "it goes with its request");
    };
    assert_eq!(code, Some(0), "told that it is over");
    assert!(requests > 100, "{requests}");
    assert_eq!(gateway.metric("client_limits_hit_total{limit=\"abandoned\"}"), 1);
}

#[tokio::test]
async fn frames_that_ask_for_an_answer_nobody_takes_end_the_connection() {
    let upstream = Upstream::bind().await;
    for flood in [frame(SETTINGS, 0, 0, &[]), frame(PING, 0, 0, b"12345678")] {
        let gateway = start_with(&[upstream.address()], |c| c.timeouts.body_idle = SHORT);
        let mut client = H2Wire::connect(&gateway).await;
        let flood = flood.repeat(10_000);
        while client.wire.try_send(&flood).await.is_ok() {}
        assert_eq!(gateway.metric("client_timeouts_total{kind=\"write\"}"), 1);
    }
}

#[tokio::test]
async fn data_without_data_ends_the_connection() {
    let upstream = Upstream::bind().await;
    let gateway = start(upstream.address());
    let mut client = H2Wire::connect(&gateway).await;
    client.head(1, 0, &[&POST]).await;
    let flood = frame(DATA, 0, 1, &[]).repeat(1_000);
    while client.wire.try_send(&flood).await.is_ok() {}
    let mut client = H2Wire::connect(&gateway).await;
    client.head(1, 0, &[&POST]).await;
    let _ = client.wire.try_send(flood.repeat(10)).await;
    assert_eq!(client.ended().await, Some(ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn a_client_whose_window_stays_shut_is_given_up() {
    const INITIAL_WINDOW_SIZE: u16 = 4;
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |c| c.timeouts.body_idle = SHORT);
    let mut client = H2Wire::connect_with(&gateway, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    let mut servers = Vec::new();
    for stream in [1, 3, 5] {
        client.head(stream, END_STREAM, &[&GET]).await;
        let mut server = upstream.accept().await;
        server.head().await;
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n").await;
        server.send(vec![b'x'; 100_000]).await;
        servers.push(server);
    }
    assert_eq!(client.ended().await, Some(0));
    for mut server in servers {
        server.rest().await;
    }
    assert_eq!(gateway.metric("client_timeouts_total{kind=\"write\"}"), 1);
}
