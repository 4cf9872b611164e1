//! Whether a candidate is the token: its boundaries and its whole span.

use super::keys::{Digest, Keys};
use super::record::Record;
use super::rulebook::Rulebook;

/// Length in bytes from which a token matches anywhere, and below which only where it is not part
/// of a longer run of token characters.
pub(super) const FREE_STANDING: u16 = 16;

/// A text in two pieces: what is kept of the bytes before, and the bytes at hand.
#[derive(Clone, Copy)]
pub(super) struct View<'text> {
    pub(super) before: &'text [u8],
    pub(super) after: &'text [u8],
}

impl<'text> View<'text> {
    /// Length of both pieces.
    pub(super) fn len(self) -> usize {
        self.before.len() + self.after.len()
    }

    /// The byte at this place.
    pub(super) fn byte(self, at: usize) -> Option<u8> {
        match at.checked_sub(self.before.len()) {
            Some(at) => self.after.get(at).copied(),
            None => self.before.get(at).copied(),
        }
    }

    /// The bytes `start..end`, in the pieces in which they lie.
    pub(super) fn span(self, start: usize, end: usize) -> (&'text [u8], &'text [u8]) {
        let border = self.before.len();
        let head = self.before.get(start.min(border)..end.min(border)).unwrap_or_default();
        let tail = start.saturating_sub(border)..end.saturating_sub(border);
        (head, self.after.get(tail).unwrap_or_default())
    }
}

/// What is known of a candidate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finding {
    /// It is the token.
    Match,
    /// It is not.
    Nothing,
    /// Its end has not been seen.
    Unseen,
    /// It is the token, unless the next byte goes on with it.
    Open,
}

/// Tells whether candidates are their tokens. Remembers the last span's digest, since tokens that
/// share a window tend to share a length.
pub(super) struct Verifier<'keys> {
    keys: &'keys Keys,
    book: &'keys Rulebook,
    last: Option<((usize, usize), Digest)>,
}

impl<'keys> Verifier<'keys> {
    /// A verifier for one text.
    pub(super) fn new(keys: &'keys Keys, book: &'keys Rulebook) -> Self {
        Self { keys, book, last: None }
    }

    /// Examines the candidate that begins at `start` of the view. The view's beginning counts as
    /// the text's: what comes before it is kept as long as it may matter.
    pub(super) fn examine(&mut self, view: View<'_>, start: usize, record: &Record) -> Finding {
        let end = start + usize::from(record.length);
        let bounded = self.book.stands_alone(record.token, record.length < FREE_STANDING);
        if bounded && start.checked_sub(1).and_then(|at| view.byte(at)).is_some_and(is_token_byte) {
            return Finding::Nothing;
        }
        if end > view.len() {
            return Finding::Unseen;
        }
        if bounded && view.byte(end).is_some_and(is_token_byte) {
            return Finding::Nothing;
        }
        let (head, tail) = view.span(start, end);
        if head.is_empty() && self.keys.check(tail) != record.check
            || self.digest(start, head, tail) != record.digest
        {
            return Finding::Nothing;
        }
        if bounded && end == view.len() { Finding::Open } else { Finding::Match }
    }

    fn digest(&mut self, start: usize, head: &[u8], tail: &[u8]) -> Digest {
        let place = (start, head.len() + tail.len());
        if let Some((last, digest)) = self.last
            && last == place
        {
            return digest;
        }
        let digest = self.keys.digest_pair(head, tail);
        self.last = Some((place, digest));
        digest
    }
}

/// Whether a byte makes a run of token characters longer.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
