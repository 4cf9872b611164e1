//! One text that comes in pieces: looked through as it is, and through all layers over it.

use std::sync::Arc;

use crate::decode::{Budget, Layer, Reader, Relevant, Tree};
use crate::matcher::{Patchset, StreamScanner, TokenIndex};

/// State of looking through one text: its scanner, and the layers over it.
pub(super) struct Text {
    raw: StreamScanner,
    tree: Tree<StreamScanner>,
    /// What was undone to bring the text forth, outermost first.
    outer: Vec<Layer>,
}

/// What was found and not yet handed on, each token once.
pub(super) struct Finds {
    patchset: Arc<Patchset>,
    new: Vec<(TokenIndex, Vec<Layer>)>,
    known: Vec<TokenIndex>,
}

impl Finds {
    /// Nothing found yet.
    pub(super) fn new(patchset: &Arc<Patchset>) -> Self {
        Self { patchset: Arc::clone(patchset), new: Vec::new(), known: Vec::new() }
    }

    /// What was found since this was last asked.
    pub(super) fn take(&mut self) -> Vec<(TokenIndex, Vec<Layer>)> {
        std::mem::take(&mut self.new)
    }

    fn note(&mut self, token: TokenIndex, outer: &[Layer], layers: &[Layer]) {
        if let Err(place) = self.known.binary_search(&token) {
            self.known.insert(place, token);
            self.new.push((token, [outer, layers].concat()));
        }
    }
}

/// Notes what is found in a text that undoing `outer` brought forth.
struct Reading<'a> {
    finds: &'a mut Finds,
    outer: &'a [Layer],
}

impl Reader for Reading<'_> {
    type State = StreamScanner;

    fn begin(&mut self, context: &[u8]) -> StreamScanner {
        let mut scanner = StreamScanner::new(Arc::clone(&self.finds.patchset));
        scanner.feed(context, &mut |_| {});
        scanner
    }

    fn read(&mut self, scanner: &mut StreamScanner, text: &[u8], layers: &[Layer]) {
        scanner.feed(text, &mut |found| self.finds.note(found.token, self.outer, layers));
    }

    fn settle(&mut self, scanner: &mut StreamScanner, layers: &[Layer]) {
        scanner.settle(&mut |found| self.finds.note(found.token, self.outer, layers));
    }
}

impl Text {
    /// The beginning of a text that undoing the layers `outer` brings forth.
    pub(super) fn new(patchset: &Arc<Patchset>, relevant: Relevant, outer: Vec<Layer>) -> Self {
        Self {
            raw: StreamScanner::new(Arc::clone(patchset)),
            tree: Tree::new(relevant, patchset.reach()),
            outer,
        }
    }

    /// Takes the next piece, which the budget knows of already.
    pub(super) fn push(&mut self, piece: &[u8], budget: &mut Budget, finds: &mut Finds) {
        let Self { raw, tree, outer } = self;
        let mut reading = Reading { finds, outer };
        reading.read(raw, piece, &[]);
        tree.push(piece, budget, &mut reading);
    }

    /// Decides what is undecided as if the text ended here.
    pub(super) fn settle(&mut self, finds: &mut Finds) {
        let Self { raw, tree, outer } = self;
        let mut reading = Reading { finds, outer };
        reading.settle(raw, &[]);
        tree.settle(&mut reading);
    }

    /// Ends the text.
    pub(super) fn finish(&mut self, budget: &mut Budget, finds: &mut Finds) {
        let Self { raw, tree, outer } = self;
        let mut reading = Reading { finds, outer };
        reading.settle(raw, &[]);
        tree.finish(budget, &mut reading);
    }
}
