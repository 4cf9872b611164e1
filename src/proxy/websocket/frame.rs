//! Frames (RFC 6455, 5.2), walked through as their bytes come. Readers of WebSocket hand out frames
//! that they hold whole; here a frame of any length is looked at in pieces, and goes on as it came.

/// Bytes of the longest header.
const HEADER_BYTES: usize = 14;

/// `RSV1`, where it is set in [`Header::reserved`].
pub(crate) const RSV1: u8 = 0x40;

/// The opcode of a close frame.
pub(crate) const CLOSE: u8 = 8;

/// The header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// Whether the frame is its message's last.
    pub(crate) fin: bool,
    /// The reserved bits, at their places in the first byte.
    pub(crate) reserved: u8,
    /// What kind of frame it is.
    pub(crate) opcode: u8,
    /// The key that its payload is masked with.
    pub(crate) mask: Option<[u8; 4]>,
    /// Bytes of its payload.
    pub(crate) length: u64,
}

/// The next of what a stream of frames is made of.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Step<'a> {
    /// A header, which is now whole.
    Header(Header),
    /// Bytes of the frame's payload as they came, and the key that they are masked with, from the
    /// first of them on.
    Payload(&'a [u8], [u8; 4]),
}

/// Where a stream of frames stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walker {
    /// What has come of a header.
    header: [u8; HEADER_BYTES],
    filled: usize,
    /// What is still to come of the frame's payload.
    left: u64,
    key: [u8; 4],
}

impl Walker {
    /// Whether a frame ends here, or none has begun.
    pub(crate) fn is_between(&self) -> bool {
        self.filled == 0 && self.left == 0
    }

    /// Takes the next step off the bytes; `None` where all of them are used up.
    pub(crate) fn step<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Step<'a>> {
        if self.left > 0 {
            let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            let (payload, rest) = bytes.split_at_checked(length).filter(|_| length > 0)?;
            let key = self.key;
            self.key.rotate_left(length % 4);
            self.left -= length as u64;
            *bytes = rest;
            return Some(Step::Payload(payload, key));
        }
        loop {
            if let Some(header) = self.whole_header() {
                self.filled = 0;
                self.left = header.length;
                self.key = header.mask.unwrap_or_default();
                return Some(Step::Header(header));
            }
            let (&byte, rest) = bytes.split_first()?;
            *bytes = rest;
            if let Some(place) = self.header.get_mut(self.filled) {
                *place = byte;
            }
            self.filled += 1;
        }
    }

    fn whole_header(&self) -> Option<Header> {
        let mut bytes = self.header.get(..self.filled)?;
        let [first, second] = *take(&mut bytes)?;
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(*take(&mut bytes)?)),
            127 => u64::from_be_bytes(*take(&mut bytes)?),
            length => u64::from(length),
        };
        let mask = if second & 0x80 == 0 { None } else { Some(*take(&mut bytes)?) };
        Some(Header {
            fin: first & 0x80 != 0,
            reserved: first & 0x70,
            opcode: first & 0x0f,
            mask,
            length,
        })
    }
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

/// Writes the payload without its mask into `out`, as far as both go.
pub(crate) fn unmask(payload: &[u8], key: [u8; 4], out: &mut [u8]) {
    let (words, rest) = payload.as_chunks::<4>();
    let (out_words, out_rest) = out.as_chunks_mut::<4>();
    let word = u32::from_ne_bytes(key);
    for (out, masked) in out_words.iter_mut().zip(words) {
        *out = (u32::from_ne_bytes(*masked) ^ word).to_ne_bytes();
    }
    let last = out_words.get_mut(words.len()).map_or(out_rest, <[u8; 4]>::as_mut_slice);
    for ((out, masked), key) in last.iter_mut().zip(rest).zip(key) {
        *out = masked ^ key;
    }
}

/// What a frame of a client is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// It begins a message.
    Begins {
        /// Whether the message is compressed.
        compressed: bool,
    },
    /// It goes on with the message.
    Continues,
    /// It stands for itself, perhaps in the middle of a message.
    Control,
}

/// What a client may send next.
#[derive(Debug)]
pub(crate) struct Order {
    /// Whether it may compress messages.
    compresses: bool,
    in_message: bool,
}

impl Order {
    /// Nothing has come yet.
    pub(crate) fn new(compresses: bool) -> Self {
        Self { compresses, in_message: false }
    }

    /// What the next frame is part of; `None` where a client may not send it.
    pub(crate) fn next(&mut self, header: &Header) -> Option<Part> {
        if header.mask.is_none() || header.length > i64::MAX as u64 {
            return None;
        }
        let part = match header.opcode {
            0 if self.in_message && header.reserved == 0 => Part::Continues,
            1 | 2 if !self.in_message => match header.reserved {
                0 => Part::Begins { compressed: false },
                RSV1 if self.compresses => Part::Begins { compressed: true },
                _ => return None,
            },
            8..=10 if header.fin && header.length <= 125 && header.reserved == 0 => Part::Control,
            _ => return None,
        };
        if part != Part::Control {
            self.in_message = !header.fin;
        }
        Some(part)
    }
}

/// A close frame as a server sends it, or, with a key, as a client does. The reason is cut to what
/// such a frame has room for.
pub(crate) fn close(code: u16, reason: &str, key: Option<[u8; 4]>) -> Vec<u8> {
    let reason = reason.get(..reason.floor_char_boundary(123)).unwrap_or_default();
    let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut frame = vec![0x80 | CLOSE, mask | payload.len() as u8];
    match key {
        None => frame.extend_from_slice(&payload),
        Some(key) => {
            frame.extend_from_slice(&key);
            let mut masked = vec![0; payload.len()];
            unmask(&payload, key, &mut masked);
            frame.extend_from_slice(&masked);
        }
    }
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;
    use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

    use super::*;

    /// A frame as another implementation writes it, and its payload.
    fn frame() -> impl Strategy<Value = (Header, Vec<u8>, Vec<u8>)> {
        let opcodes = prop::sample::select(vec![0_u8, 1, 2, 8, 9, 10]);
        let lengths = prop_oneof![0_usize..200, 65_530_usize..65_540, Just(70_000)];
        (any::<bool>(), 0_u8..8, opcodes, any::<Option<[u8; 4]>>(), lengths, any::<u8>()).prop_map(
            |(fin, reserved, opcode, mask, length, seed)| {
                let payload: Vec<u8> = (0..length).map(|n| (n % 253) as u8 ^ seed).collect();
                let header = FrameHeader {
                    is_final: fin,
                    rsv1: reserved & 4 != 0,
                    rsv2: reserved & 2 != 0,
                    rsv3: reserved & 1 != 0,
                    opcode: OpCode::from(opcode),
                    mask,
                };
                let mut bytes = Vec::new();
                Frame::from_payload(header, payload.clone().into()).format(&mut bytes).unwrap();
                let length = length as u64;
                (Header { fin, reserved: reserved << 4, opcode, mask, length }, payload, bytes)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_are_read_as_another_implementation_writes_them(
            frames in prop::collection::vec(frame(), 1..5),
            sizes in prop::collection::vec(prop_oneof![1_usize..20, 1_usize..9_000], 1..8),
        ) {
            let bytes = frames.iter().flat_map(|(_, _, bytes)| bytes).copied().collect::<Vec<_>>();
            let mut walker = Walker::default();
            let mut read: Vec<(Header, Vec<u8>)> = Vec::new();
            let (mut rest, mut sizes) = (&bytes[..], sizes.iter().cycle());
            while !rest.is_empty() {
                let size = (*sizes.next().unwrap()).min(rest.len());
                let (mut piece, more) = rest.split_at(size);
                while let Some(step) = walker.step(&mut piece) {
                    match step {
                        Step::Header(header) => read.push((header, Vec::new())),
                        Step::Payload(payload, key) => {
                            let mut plain = vec![0; payload.len()];
                            unmask(payload, key, &mut plain);
                            read.last_mut().unwrap().1.extend_from_slice(&plain);
                        }
                    }
                }
                prop_assert!(piece.is_empty());
                rest = more;
            }
            prop_assert!(walker.is_between());
            let written: Vec<_> =
                frames.into_iter().map(|(header, payload, _)| (header, payload)).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn anything_may_come(bytes: Vec<u8>, cut in 0_usize..100) {
            let mut walker = Walker::default();
            let (one, other) = bytes.split_at(cut.min(bytes.len()));
            for mut piece in [one, other] {
                while walker.step(&mut piece).is_some() {}
                prop_assert!(piece.is_empty());
            }
        }
    }

    #[test]
    fn close_frames_are_what_another_implementation_writes() {
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        for (reason, kept) in [("", ""), ("why", "why"), (&"ü".repeat(90), &"ü".repeat(61))] {
            for key in [None, Some([1, 2, 3, 4])] {
                let close = CloseFrame { code: 1008.into(), reason: kept.into() };
                let mut expected = Frame::close(Some(close));
                expected.header_mut().mask = key;
                let mut bytes = Vec::new();
                expected.format(&mut bytes).unwrap();
                assert_eq!(super::close(1008, reason, key), bytes);
            }
        }
    }

    #[test]
    fn what_a_client_may_send() {
        let header = |first: u8, length| Header {
            fin: first & 0x80 != 0,
            reserved: first & 0x70,
            opcode: first & 0x0f,
            mask: Some([0; 4]),
            length,
        };
        let begins = |compressed| Some(Part::Begins { compressed });
        let (continues, control) = (Some(Part::Continues), Some(Part::Control));
        for (compresses, frames) in [
            (false, &[(0x81, begins(false)), (0x82, begins(false)), (0x89, control)][..]),
            (
                false,
                &[(0x01, begins(false)), (0x8a, control), (0x00, continues), (0x80, continues)],
            ),
            (false, &[(0x01, begins(false)), (0x81, None)]),
            (false, &[(0x01, begins(false)), (0x80, continues), (0x80, None)]),
            (false, &[(0x80, None)]),
            (false, &[(0x09, None)]),
            (false, &[(0xc1, None)]),
            (true, &[(0xc1, begins(true)), (0x81, begins(false)), (0xc9, None)]),
            (true, &[(0x41, begins(true)), (0xc0, None)]),
            (true, &[(0xe1, None)]),
            (true, &[(0x91, None)]),
            (true, &[(0x83, None)]),
            (true, &[(0x8b, None)]),
        ] {
            let mut order = Order::new(compresses);
            for (first, expected) in frames {
                assert_eq!(order.next(&header(*first, 125)), *expected, "{frames:x?}");
            }
        }
        let mut order = Order::new(true);
        assert_eq!(order.next(&header(0x89, 126)), None);
        assert_eq!(order.next(&header(0x82, 1 << 63)), None);
        assert_eq!(order.next(&Header { mask: None, ..header(0x81, 1) }), None);
        assert_eq!(order.next(&header(0x82, (1 << 63) - 1)), begins(false));
    }
}
