//! What a [`Tree`] keeps of each text.
//!
//! [`Tree`]: crate::decode::escapes::tree::Tree

use super::unescape::Unescaper;
use crate::decode::budget::MAX_DEPTH;
use crate::decode::layer::ESCAPES;

/// What is kept of one text.
pub(in crate::decode) struct Text<S> {
    /// Its last bytes: an escape that is cut at their beginning is out of a token's reach.
    pub(in crate::decode) tail: Vec<u8>,
    /// How many bytes at its end may belong to one run of base64 or hex.
    pub(in crate::decode) run: usize,
    pub(in crate::decode) cut: Option<Cut<S>>,
    pub(in crate::decode) branches: Branches<S>,
}

pub(in crate::decode) type Branches<S> = [Option<Box<Branch<S>>>; ESCAPES.len()];

/// What may be the beginning of an escape of a layer that sleeps, at the end of a text. There cannot
/// be two: no layer's mark goes on another layer's escape.
pub(in crate::decode) struct Cut<S> {
    /// Whose escape.
    pub(in crate::decode) index: usize,
    /// Bytes of it so far.
    pub(in crate::decode) length: usize,
    /// How many bytes before it may belong to one run.
    pub(in crate::decode) run: usize,
    /// What was awake where it begins.
    pub(in crate::decode) before: Branches<S>,
}

/// One layer awake over a text, and the text that undoing it brings forth.
pub(in crate::decode) struct Branch<S> {
    pub(in crate::decode) unescaper: Unescaper,
    pub(in crate::decode) state: S,
    pub(in crate::decode) text: Text<S>,
    pub(in crate::decode) owed: Owed,
    pub(in crate::decode) scratch: Vec<u8>,
}

/// For each layer around a text, by depth: how many more bytes the text must go on before what it
/// has to say of that layer's last escape is said.
pub(in crate::decode) type Owed = [usize; MAX_DEPTH];

impl<S> Text<S> {
    pub(in crate::decode) fn new() -> Self {
        Self { tail: Vec::new(), run: 0, cut: None, branches: Default::default() }
    }

    pub(in crate::decode) fn is_awake(&self, index: usize) -> bool {
        self.branches.get(index).is_some_and(Option::is_some)
    }

    /// Whether it, or a text inside it, ends in what may be the beginning of an escape.
    pub(in crate::decode) fn is_in_an_escape(&self) -> bool {
        let inside = |branch: &Branch<S>| branch.unescaper.holds() || branch.text.is_in_an_escape();
        self.cut.is_some() || self.branches.iter().flatten().any(|branch| inside(branch))
    }
}

impl<S> Branch<S> {
    /// How many more bytes it and everything inside it must go on for the layer at this depth.
    pub(in crate::decode) fn owes(&self, depth: usize) -> usize {
        let own = self.owed.get(depth).copied().unwrap_or_default();
        self.text.branches.iter().flatten().map(|inner| inner.owes(depth)).fold(own, usize::max)
    }

    /// Makes everything inside it owe this much to the layer at this depth.
    pub(in crate::decode) fn inner_owe(&mut self, depth: usize, amount: usize) {
        for inner in self.text.branches.iter_mut().flatten() {
            if let Some(owed) = inner.owed.get_mut(depth) {
                *owed = amount;
            }
            inner.inner_owe(depth, amount);
        }
    }

    /// How many texts end with it.
    pub(in crate::decode) fn texts(&self) -> usize {
        let cut = self.text.cut.as_ref().map_or(0, |cut| texts(&cut.before));
        1 + cut + texts(&self.text.branches)
    }
}

/// How many texts end with these.
pub(in crate::decode) fn texts<S>(branches: &Branches<S>) -> usize {
    branches.iter().flatten().map(|branch| branch.texts()).sum()
}

/// Makes `tail` the last `length` bytes of itself and `text`.
pub(in crate::decode) fn keep_tail(tail: &mut Vec<u8>, text: &[u8], length: usize) {
    if let Some(start) = text.len().checked_sub(length) {
        tail.clear();
        tail.extend_from_slice(text.get(start..).unwrap_or_default());
        return;
    }
    let excess = (tail.len() + text.len()).saturating_sub(length);
    tail.drain(..excess.min(tail.len()));
    tail.extend_from_slice(text);
}
