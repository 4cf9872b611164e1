//! HTTP/2 of which each frame is the test's.

use super::gateway::Running;
use super::wire::Wire;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Fields as a header block, each in full and left out of every table.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name);
        string(&mut block, value);
    }
    block
}

fn string(block: &mut Vec<u8>, text: &str) {
    let mut rest = text.len();
    if rest < 127 {
        block.push(rest as u8);
    } else {
        block.push(127);
        rest -= 127;
        while rest >= 128 {
            block.push(rest as u8 | 128);
            rest >>= 7;
        }
        block.push(rest as u8);
    }
    block.extend(text.as_bytes());
}

/// The pseudo-header fields of an ordinary request.
pub const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];

/// The same for one with a body.
pub const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];

/// A frame as it was read.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Status(u16),
    /// The stream was reset with this code.
    Reset(u32),
    /// The connection was ended, with the code of its last frame where it had one.
    Ended(Option<u32>),
}

/// The client's end of a connection.
pub struct H2Wire {
    pub wire: Wire,
    /// The code with which the other end has said that the connection ends.
    code: Option<u32>,
}

impl H2Wire {
    /// Connected, with the settings exchanged.
    pub async fn connect(gateway: &Running) -> Self {
        Self::connect_with(gateway, &[]).await
    }

    /// The same with these settings: identifiers and values.
    pub async fn connect_with(gateway: &Running, settings: &[(u16, u32)]) -> Self {
        let mut wire = gateway.connect().await;
        let mut payload = Vec::new();
        for (identifier, value) in settings {
            payload.extend(identifier.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        wire.send([PREFACE, &frame(SETTINGS, 0, 0, &payload)].concat()).await;
        let mut connected = Self { wire, code: None };
        while connected.frame().await.unwrap().kind != SETTINGS {}
        connected.send(SETTINGS, ACK, 0, &[]).await;
        connected
    }

    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.wire.send(frame(kind, flags, stream, payload)).await;
    }

    /// Sends a request's head in one frame.
    pub async fn head(&mut self, stream: u32, flags: u8, fields: &[&[(&str, &str)]]) {
        self.send(HEADERS, flags | END_HEADERS, stream, &block(&fields.concat())).await;
    }

    /// The next frame; `None` at the connection's end.
    pub async fn frame(&mut self) -> Option<Frame> {
        let header = self.wire.bytes_or_end(9).await?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let stream = u32::from_be_bytes(header[5..9].try_into().unwrap());
        let payload = self.wire.bytes_or_end(length as usize).await?;
        Some(Frame { kind: header[3], flags: header[4], stream, payload })
    }

    /// What comes of this stream.
    pub async fn answer(&mut self, stream: u32) -> Answer {
        while let Some(frame) = self.frame().await {
            match frame.kind {
                HEADERS if frame.stream == stream => return Answer::Status(status(&frame.payload)),
                RST_STREAM if frame.stream == stream => {
                    return Answer::Reset(number(&frame.payload));
                }
                GOAWAY => self.code = Some(number(&frame.payload[4..])),
                _ => {}
            }
        }
        Answer::Ended(self.code)
    }

    /// The code with which the connection is ended.
    pub async fn ended(&mut self) -> Option<u32> {
        match self.answer(u32::MAX).await {
            Answer::Ended(code) => code,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until all that was sent before was taken.
    pub async fn round_trip(&mut self) {
        self.send(PING, 0, 0, b"12345678").await;
        loop {
            let frame = self.frame().await.unwrap();
            if frame.kind == PING && frame.flags & ACK != 0 {
                return;
            }
        }
    }
}

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

/// The status at the beginning of a response's header block.
fn status(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match block[0] {
        index @ 0x88..=0x8e => INDEXED[usize::from(index - 0x88)],
        // A literal with the name's index: plain or in Huffman's code.
        _ if block[1] & 0x80 == 0 => String::from_utf8_lossy(&block[2..5]).parse().unwrap(),
        _ => digits(&block[2..2 + usize::from(block[1] & 0x7f)]),
    }
}

/// Three digits in HPACK's Huffman code: five bits for 0 to 2, six for the others.
fn digits(bytes: &[u8]) -> u16 {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut take = |count: usize| bits.by_ref().take(count).fold(0, |all, bit| all << 1 | bit);
    let mut number = 0;
    for _ in 0..3 {
        let code = take(5);
        let digit = if code < 3 { code } else { (code << 1 | take(1)) - 0b011001 + 3 };
        number = number * 10 + u16::from(digit);
    }
    number
}
