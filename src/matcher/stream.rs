//! Scanning in chunks.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::carry::Carry;
use super::digest::DigestScanner;
use super::found::{Match, TokenIndex};
use super::patchset::Patchset;
use super::record::Record;
use super::verify::{Finding, Verifier, View, is_token_byte};

/// Scans a text that comes in chunks; finds exactly what a scan of the whole would.
///
/// Between two chunks it keeps as many bytes as the longest token has (where there are tokens given
/// as digests, [`DIGEST_CANDIDATE_BYTES`] as well), and wipes them on drop. A new one allocates
/// nothing; with a patchset without tokens it never does.
///
/// [`DIGEST_CANDIDATE_BYTES`]: crate::config::limits::DIGEST_CANDIDATE_BYTES
pub struct StreamScanner {
    patchset: Arc<Patchset>,
    carry: Carry,
    /// Length of the text so far.
    position: u64,
    /// Candidates whose end has not come: few, since each stands for a whole window of a token
    /// within the last bytes, and few tokens share a window.
    unseen: BinaryHeap<Unseen>,
    /// Tokens that end where the text so far does, and may turn out to be part of a longer run.
    open: Vec<Match>,
    digests: DigestScanner,
}

impl StreamScanner {
    /// A scanner at the beginning of a text.
    pub fn new(patchset: Arc<Patchset>) -> Self {
        let mut carry = Carry::default();
        carry.set_keep(patchset.longest());
        Self {
            patchset,
            carry,
            position: 0,
            unseen: BinaryHeap::new(),
            open: Vec::new(),
            digests: DigestScanner::new(),
        }
    }

    /// Takes the next chunk and reports each match that is complete and decided with it.
    pub fn feed(&mut self, chunk: &[u8], found: &mut dyn FnMut(Match)) {
        let Some(first) = chunk.first() else { return };
        let patchset = &*self.patchset;
        if patchset.has_texts() {
            for open in self.open.drain(..).filter(|_| !is_token_byte(*first)) {
                found(open);
            }
            let view = View { before: self.carry.bytes(), after: chunk };
            let mut candidates = Candidates {
                patchset,
                verifier: Verifier::new(patchset.keys(), &patchset.rulebook),
                view,
                begins: self.position - view.before.len() as u64,
                unseen: &mut self.unseen,
                open: &mut self.open,
                found,
            };
            candidates.complete(self.position + chunk.len() as u64);
            let border = view.before.len();
            let engine = patchset.engine();
            engine.scan_border(view.before, chunk, &mut |window, record| {
                candidates.examine(window, record);
            });
            engine.scan(chunk, &mut |window, record| candidates.examine(border + window, record));
            self.carry.push(chunk);
        }
        if let Some(digests) = patchset.digests() {
            self.digests.feed(chunk, &mut |text, start| {
                for token in digests.find(patchset.keys(), text) {
                    found(Match { token, start, end: start + text.len() as u64 });
                }
            });
        }
        self.position += chunk.len() as u64;
    }

    /// Reports the matches that are undecided only because a boundary has not been seen yet, as if
    /// the text ended here. The text may go on afterwards; none is reported twice.
    pub fn settle(&mut self, found: &mut dyn FnMut(Match)) {
        for open in self.open.drain(..) {
            found(open);
        }
        let patchset = &*self.patchset;
        if let Some(digests) = patchset.digests() {
            self.digests.settle(&mut |text, start| {
                for token in digests.find(patchset.keys(), text) {
                    found(Match { token, start, end: start + text.len() as u64 });
                }
            });
        }
    }
}

/// What a feed does with the candidates it comes upon.
struct Candidates<'feed> {
    patchset: &'feed Patchset,
    verifier: Verifier<'feed>,
    view: View<'feed>,
    /// Where in the stream the view begins.
    begins: u64,
    unseen: &'feed mut BinaryHeap<Unseen>,
    open: &'feed mut Vec<Match>,
    found: &'feed mut dyn FnMut(Match),
}

impl Candidates<'_> {
    /// Examines the candidates that wait for their end, of which it has now come.
    fn complete(&mut self, seen: u64) {
        while let Some(candidate) = self.unseen.peek()
            && candidate.end <= seen
            && let Some(Unseen { end, record }) = self.unseen.pop()
        {
            let start = end - u64::from(record.length);
            if let Some(start) = start.checked_sub(self.begins) {
                self.decide(start as usize, &record);
            }
        }
    }

    /// Examines the candidate whose window is here in the view.
    fn examine(&mut self, window: usize, record: &Record) {
        if let Some(start) = window.checked_sub(usize::from(record.offset)) {
            self.decide(start, record);
        }
    }

    fn decide(&mut self, start: usize, record: &Record) {
        let first = self.begins + start as u64;
        let end = first + u64::from(record.length);
        let place = Match { token: TokenIndex(record.token), start: first, end };
        let finding = self.verifier.examine(self.view, start, record);
        // Last, since it is another place in memory, and those taken out are few.
        if finding != Finding::Nothing && !self.patchset.is_live(record.token) {
            return;
        }
        match finding {
            Finding::Match => (self.found)(place),
            Finding::Nothing => {}
            Finding::Open => self.open.push(place),
            Finding::Unseen => self.unseen.push(Unseen { end, record: *record }),
        }
    }
}

/// A candidate whose end has not come; the one that ends first is the greatest.
struct Unseen {
    end: u64,
    record: Record,
}

impl Ord for Unseen {
    fn cmp(&self, other: &Self) -> Ordering {
        other.end.cmp(&self.end)
    }
}

impl PartialOrd for Unseen {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Unseen {
    fn eq(&self, other: &Self) -> bool {
        self.end == other.end
    }
}

impl Eq for Unseen {}
