//! permessage-deflate (RFC 7692): the messages of one direction of a WebSocket, inflated as their
//! bytes come.

use flate2::{Decompress, FlushDecompress, Status};

use crate::decode::budget::Budget;

/// What a sender leaves out at the end of each message (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Why a message was not inflated to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotInflated {
    /// It is no DEFLATE stream, or refers to what was never sent.
    #[error("the message is not compressed as DEFLATE asks for")]
    Malformed,
    /// It inflates to more than the budget allows.
    #[error("the message inflates to more than may be decoded")]
    Budget,
}

/// The state of inflating the messages of one direction. Takes no memory before the first of them,
/// and then that of one window (32 KiB) and one piece.
pub struct Permessage {
    /// Whether a message may refer to those before it.
    keeps_context: bool,
    piece: usize,
    stream: Option<Box<Decompress>>,
    out: Vec<u8>,
    /// Whether the last block said that it was the last: what follows is a stream of its own.
    ended: bool,
}

impl Permessage {
    /// `keeps_context` unless `no_context_takeover` was agreed on for this direction; `piece` is how
    /// many inflated bytes are handed on at once.
    pub fn new(keeps_context: bool, piece: usize) -> Self {
        Self { keeps_context, piece, stream: None, out: Vec::new(), ended: false }
    }

    /// Whether a message that was not inflated to its end leaves those after it unreadable.
    pub fn keeps_context(&self) -> bool {
        self.keeps_context
    }

    /// Begins a message.
    pub fn begin(&mut self) {
        if !self.keeps_context {
            self.restart();
        }
    }

    /// Takes the next bytes of the message and hands on what they inflate to, which is charged to
    /// the budget; the bytes themselves are known to it already.
    ///
    /// # Errors
    /// [`NotInflated`]: nothing more of this message can be read.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        budget: &mut Budget,
        read: &mut dyn FnMut(&[u8], &mut Budget),
    ) -> Result<(), NotInflated> {
        self.out.resize(self.piece, 0);
        loop {
            if self.ended {
                if bytes.is_empty() {
                    return Ok(());
                }
                self.restart();
            }
            let stream = self.stream.get_or_insert_with(|| Box::new(Decompress::new(false)));
            let (taken, made) = (stream.total_in(), stream.total_out());
            let status = stream
                .decompress(bytes, &mut self.out, FlushDecompress::Sync)
                .map_err(|_| NotInflated::Malformed)?;
            let taken = usize::try_from(stream.total_in() - taken).unwrap_or(usize::MAX);
            let made = usize::try_from(stream.total_out() - made).unwrap_or(usize::MAX);
            bytes = bytes.get(taken..).unwrap_or_default();
            if made > 0 {
                let fits = budget.unpack(made);
                read(self.out.get(..made).unwrap_or_default(), budget);
                if !fits || !budget.allows_more() {
                    return Err(NotInflated::Budget);
                }
            }
            if status == Status::StreamEnd {
                self.ended = true;
            } else if bytes.is_empty() && made < self.out.len() {
                return Ok(());
            } else if taken == 0 && made == 0 {
                return Err(NotInflated::Malformed);
            }
        }
    }

    /// Ends the message.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(
        &mut self,
        budget: &mut Budget,
        read: &mut dyn FnMut(&[u8], &mut Budget),
    ) -> Result<(), NotInflated> {
        if self.ended { Ok(()) } else { self.push(&TAIL, budget, read) }
    }

    fn restart(&mut self) {
        self.ended = false;
        if let Some(stream) = &mut self.stream {
            stream.reset(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::prelude::*;

    use super::*;
    use crate::decode::Limits;

    fn budget() -> Budget {
        Budget::new(Limits { depth: 8, ratio: 32, free: 256 * 1024, texts: 64, inflaters: 8 })
    }

    /// One message as a sender compresses it.
    fn compress(compress: &mut Compress, text: &[u8]) -> Vec<u8> {
        if text.is_empty() {
            // RFC 7692, 7.2.3.6: a sender has nothing to flush.
            return vec![0];
        }
        let mut out = Vec::with_capacity(text.len() + 1024);
        compress.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    }

    fn inflate(
        inflater: &mut Permessage,
        message: &[u8],
        piece: usize,
    ) -> Result<Vec<u8>, NotInflated> {
        let mut budget = budget();
        budget.earn(message.len());
        let mut text = Vec::new();
        let mut read = |bytes: &[u8], _: &mut Budget| text.extend_from_slice(bytes);
        inflater.begin();
        for piece in message.chunks(piece) {
            inflater.push(piece, &mut budget, &mut read)?;
        }
        inflater.finish(&mut budget, &mut read)?;
        Ok(text)
    }

    proptest! {
        #[test]
        fn messages_are_inflated_in_pieces_of_any_size(
            texts in prop::collection::vec(
                prop::collection::vec(prop::sample::select(b"abcdefgh {}\":".to_vec()), 0..900),
                1..6,
            ),
            keeps_context: bool,
            piece in 1_usize..400,
            made in 1_usize..100,
            level in 0_u32..=9,
        ) {
            let mut sender = Compress::new(Compression::new(level), false);
            let mut inflater = Permessage::new(keeps_context, made);
            for text in texts {
                if !keeps_context {
                    sender.reset();
                }
                let message = compress(&mut sender, &text);
                prop_assert_eq!(inflate(&mut inflater, &message, piece), Ok(text));
            }
        }

        #[test]
        fn anything_may_come(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
            keeps_context: bool,
        ) {
            let mut inflater = Permessage::new(keeps_context, 64);
            for message in messages {
                let _ = inflate(&mut inflater, &message, 7);
            }
        }
    }

    #[test]
    fn what_refers_to_a_message_before_needs_its_context() {
        let text = b"the same text, said again and again";
        let mut sender = Compress::new(Compression::best(), false);
        let (first, second) = (compress(&mut sender, text), compress(&mut sender, text));
        let mut inflater = Permessage::new(true, 64);
        assert_eq!(inflate(&mut inflater, &first, 9).as_deref(), Ok(&text[..]));
        assert_eq!(inflate(&mut inflater, &second, 9).as_deref(), Ok(&text[..]));
        let mut inflater = Permessage::new(false, 64);
        assert_eq!(inflate(&mut inflater, &first, 9).as_deref(), Ok(&text[..]));
        assert_eq!(inflate(&mut inflater, &second, 9), Err(NotInflated::Malformed));
    }

    #[test]
    fn a_last_block_is_followed_by_a_stream_of_its_own() {
        let finished = |text: &[u8]| {
            let mut out = Vec::with_capacity(1024);
            let mut sender = Compress::new(Compression::best(), false);
            sender.compress_vec(text, &mut out, FlushCompress::Finish).unwrap();
            out
        };
        // With and without the empty block that RFC 7692, 7.2.3.5, asks for.
        for end in [&[0][..], &[]] {
            let mut inflater = Permessage::new(true, 64);
            for text in [&b"one"[..], b"two"] {
                let message = [&finished(text), end].concat();
                assert_eq!(inflate(&mut inflater, &message, 5).as_deref(), Ok(text));
            }
        }
        let both =
            [finished(b"one"), compress(&mut Compress::new(Compression::best(), false), b"two")];
        let mut inflater = Permessage::new(true, 64);
        assert_eq!(inflate(&mut inflater, &both.concat(), 4).as_deref(), Ok(&b"onetwo"[..]));
    }

    #[test]
    fn a_bomb_is_inflated_no_further_than_the_budget_goes() {
        let message =
            compress(&mut Compress::new(Compression::best(), false), &vec![0; 10_000_000]);
        let mut inflater = Permessage::new(true, 8 * 1024);
        let mut budget = budget();
        budget.earn(message.len());
        let mut made = 0;
        let result = inflater.push(&message, &mut budget, &mut |text, _| made += text.len());
        assert_eq!(result, Err(NotInflated::Budget));
        assert!(budget.is_spent());
        assert!(made <= 256 * 1024 + 32 * message.len() + 8 * 1024, "{made}");
    }
}
