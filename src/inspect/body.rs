//! A body, chunk by chunk.

use std::sync::Arc;

use crate::decode::{Budget, Layer, Reader, Relevant, Tree};
use crate::matcher::{Patchset, StreamScanner, TokenIndex};

/// State of inspecting a body: the raw text's scanner, and the layers over it.
pub(super) struct Body {
    raw: StreamScanner,
    tree: Tree<StreamScanner>,
    finds: Finds,
    /// Bytes seen.
    length: u64,
}

/// What was found and not yet handed on, each token once.
struct Finds {
    patchset: Arc<Patchset>,
    new: Vec<(TokenIndex, Vec<Layer>)>,
    known: Vec<TokenIndex>,
}

impl Finds {
    fn note(&mut self, token: TokenIndex, layers: &[Layer]) {
        if let Err(place) = self.known.binary_search(&token) {
            self.known.insert(place, token);
            self.new.push((token, layers.to_vec()));
        }
    }
}

impl Reader for Finds {
    type State = StreamScanner;

    fn begin(&mut self, context: &[u8]) -> StreamScanner {
        let mut scanner = StreamScanner::new(Arc::clone(&self.patchset));
        scanner.feed(context, &mut |_| {});
        scanner
    }

    fn read(&mut self, scanner: &mut StreamScanner, text: &[u8], layers: &[Layer]) {
        scanner.feed(text, &mut |found| self.note(found.token, layers));
    }

    fn settle(&mut self, scanner: &mut StreamScanner, layers: &[Layer]) {
        scanner.settle(&mut |found| self.note(found.token, layers));
    }
}

impl Body {
    /// A body of which nothing was seen.
    pub(super) fn new(patchset: &Arc<Patchset>, relevant: Relevant) -> Self {
        Self {
            raw: StreamScanner::new(Arc::clone(patchset)),
            tree: Tree::new(relevant, patchset.reach()),
            finds: Finds { patchset: Arc::clone(patchset), new: Vec::new(), known: Vec::new() },
            length: 0,
        }
    }

    /// Bytes seen so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Takes the next chunk.
    pub(super) fn push(&mut self, chunk: &[u8], budget: &mut Budget) {
        budget.earn(chunk.len());
        self.length += chunk.len() as u64;
        self.finds.read(&mut self.raw, chunk, &[]);
        self.tree.push(chunk, budget, &mut self.finds);
    }

    /// Decides what is undecided as if the body ended here.
    pub(super) fn settle(&mut self) {
        self.finds.settle(&mut self.raw, &[]);
        self.tree.settle(&mut self.finds);
    }

    /// Ends the body.
    pub(super) fn finish(&mut self, budget: &mut Budget) {
        self.finds.settle(&mut self.raw, &[]);
        self.tree.finish(budget, &mut self.finds);
    }

    /// What was found since this was last asked.
    pub(super) fn take_found(&mut self) -> Vec<(TokenIndex, Vec<Layer>)> {
        std::mem::take(&mut self.finds.new)
    }
}
