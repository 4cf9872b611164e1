//! How far a token reaches beside an escape.

use super::escape::LONGEST;
use crate::decode::budget::MAX_DEPTH;
use crate::decode::runs::LEFT;
use crate::decode::runs::ending::ending;

/// Bytes that branches are fed at least in one go, where there are as many. Tests want every border.
const STEP: usize = if cfg!(test) { 1 } else { 512 };

/// How many bytes before and after an escape can matter to the reader.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Wherever it stands: the longest token, with a byte beside it.
    pub anywhere: usize,
    /// In the middle of a run of base64 or hex, as far as that goes, if that is more: the longest
    /// token as it is written there.
    pub in_run: usize,
}

impl Reach {
    /// How many bytes, from its last escape on, a text and everything inside it have to say of a
    /// layer, at most. Beside the context: where an escape inside begins may be read differently,
    /// which each layer inside hands on.
    pub(super) fn owed_after_an_escape(self, depth: usize) -> usize {
        let bytes = self.anywhere.max(self.in_run);
        bytes + MAX_DEPTH.saturating_sub(depth) * 2 * LONGEST
    }

    /// How much of that is owed only in the middle of a run.
    pub(super) fn owed_in_run(self) -> usize {
        self.in_run.saturating_sub(self.anywhere)
    }

    /// After how many bytes at least what owes so much may sleep.
    pub(super) fn soonest(self, owes: usize) -> usize {
        owes.saturating_sub(self.owed_in_run()).max(STEP)
    }

    /// How many bytes at the end of a text may belong to one run, where it goes on with a piece.
    pub(super) fn run(self, run: usize, tail: &[u8], piece: &[u8]) -> usize {
        if self.owed_in_run() == 0 { 0 } else { ending(run, tail, piece) }
    }

    /// Bytes that are kept of a text of which so many may belong to one run.
    pub(super) fn kept(self, run: usize) -> usize {
        let bytes = self.anywhere.max((run + LEFT).min(self.in_run));
        bytes + 2 * LONGEST
    }
}
