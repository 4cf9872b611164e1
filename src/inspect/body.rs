//! A body, chunk by chunk.

use std::sync::Arc;

use super::text::{Finds, Text};
use crate::decode::{Budget, Layer, Relevant};
use crate::matcher::{Patchset, TokenIndex};

/// State of inspecting a body.
pub(super) struct Body {
    text: Text,
    finds: Finds,
    /// Bytes seen.
    length: u64,
}

impl Body {
    /// A body of which nothing was seen.
    pub(super) fn new(patchset: &Arc<Patchset>, relevant: Relevant) -> Self {
        Self {
            text: Text::new(patchset, relevant, Vec::new()),
            finds: Finds::new(patchset),
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
        self.text.push(chunk, budget, &mut self.finds);
    }

    /// Decides what is undecided as if the body ended here.
    pub(super) fn settle(&mut self) {
        self.text.settle(&mut self.finds);
    }

    /// Ends the body.
    pub(super) fn finish(&mut self, budget: &mut Budget) {
        self.text.finish(budget, &mut self.finds);
    }

    /// What was found since this was last asked.
    pub(super) fn take_found(&mut self) -> Vec<(TokenIndex, Vec<Layer>)> {
        self.finds.take()
    }
}
