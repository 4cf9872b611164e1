//! WebSockets of which each byte is the test's.

use std::hash::{BuildHasher, RandomState};

use super::gateway::Running;
use super::wire::{Upstream, Wire};

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const FIN: u8 = 0x80;
pub const RSV1: u8 = 0x40;

/// The fields of a request that asks for a WebSocket.
pub const ASK: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\n";

/// The fields of the answer, which agree to what is given in an extensions field.
pub fn answer(agreed: &str) -> String {
    let field = match agreed {
        "" => String::new(),
        agreed => format!("Sec-WebSocket-Extensions: {agreed}\r\n"),
    };
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: x\r\n{field}\r\n"
    )
}

/// Opens a WebSocket through the gateway; the upstream agrees to these extensions.
pub async fn open(gateway: &Running, upstream: &Upstream, agreed: &str) -> (Wire, Wire) {
    let mut client = gateway.connect().await;
    client
        .send(format!(
            "GET /s?x=1 HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\n{ASK}\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        ))
        .await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(answer(agreed)).await;
    assert_eq!(client.head().await.status(), 101);
    (client, server)
}

/// A frame with this first byte, without a mask.
pub fn bare(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(length as u8),
        length @ ..0x1_0000 => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// The same masked, as a client sends it.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = (RandomState::new().hash_one(first) as u32).to_ne_bytes();
    let mut frame = bare(first, payload);
    let header = frame.len() - payload.len();
    frame.truncate(header);
    frame[1] |= 0x80;
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// First byte and payload, without its mask.
pub type Frame = (u8, Vec<u8>);

/// Each whole frame; what is left.
pub fn frames(mut bytes: &[u8]) -> (Vec<Frame>, &[u8]) {
    let mut frames = Vec::new();
    while let Some((frame, rest)) = first_frame(bytes) {
        frames.push(frame);
        bytes = rest;
    }
    (frames, bytes)
}

fn first_frame(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match second & 0x7f {
        126 => rest.split_first_chunk().map(|(l, r)| (u16::from_be_bytes(*l) as usize, r))?,
        127 => rest.split_first_chunk().map(|(l, r)| (u64::from_be_bytes(*l) as usize, r))?,
        length => (usize::from(length), rest),
    };
    let (key, rest) = match second & 0x80 {
        0 => ([0; 4], rest),
        _ => rest.split_first_chunk().map(|(key, rest)| (*key, rest))?,
    };
    let (payload, rest) = rest.split_at_checked(length)?;
    let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    Some(((first, payload), rest))
}

/// Close code and reason of the only frame in these bytes.
pub fn closed(bytes: &[u8]) -> (u16, String) {
    match frames(bytes) {
        (frames, []) if frames.len() == 1 && frames[0].0 == FIN | CLOSE => {
            let (code, reason) = frames[0].1.split_first_chunk().unwrap();
            (u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

/// Compresses messages as permessage-deflate does, one after the other.
pub struct Deflate {
    stream: flate2::Compress,
    keeps_context: bool,
}

impl Deflate {
    pub fn new(keeps_context: bool) -> Self {
        let stream = flate2::Compress::new(flate2::Compression::best(), false);
        Self { stream, keeps_context }
    }

    pub fn message(&mut self, text: &[u8]) -> Vec<u8> {
        if !self.keeps_context {
            self.stream.reset();
        }
        let mut out = Vec::with_capacity(text.len() + 1024);
        self.stream.compress_vec(text, &mut out, flate2::FlushCompress::Sync).unwrap();
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        out
    }
}
