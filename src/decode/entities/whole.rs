//! The documents in a text given whole.

use std::ops::Range;

use super::{Documents, Expanded, Word};
use crate::decode::budget::Budget;
use crate::decode::layer::Layer;
use crate::decode::whole::{View, Walk};

/// A declaration, and a reference to what it declares, have more bytes.
const LEAST: usize = 20;

/// Keeps what documents expand to, and the layers undone.
#[derive(Default)]
pub(super) struct Collect(pub(super) Vec<(Vec<Layer>, Vec<u8>)>);

impl Expanded for Collect {
    type State = Vec<u8>;

    fn begin(&mut self, _: &[Layer], _: &mut Budget) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn read(&mut self, state: &mut Vec<u8>, _: &[Layer], text: &[u8], _: &mut Budget) {
        state.extend_from_slice(text);
    }

    fn settle(&mut self, _: &mut Vec<u8>, _: &[Layer]) {}

    fn end(&mut self, state: Vec<u8>, layers: &[Layer], _: &mut Budget) {
        self.0.push((layers.to_vec(), state));
    }
}

impl Walk<'_> {
    /// Shows what the documents in a text expand to, and what layers make of that.
    pub(in crate::decode) fn documents(
        &mut self,
        text: &[u8],
        within: &Range<usize>,
        path: &mut Vec<Layer>,
    ) {
        if text.len() < LEAST || !Word::default().ends_in(text, &mut false) {
            return;
        }
        let mut collect = Collect::default();
        let mut documents = Documents::default();
        documents.push(text, &[Vec::new()], self.budget, &mut collect);
        documents.finish(self.budget, &mut collect);
        // Where undoing one more escape changes nothing, it is the same text.
        let mut texts = collect.0;
        texts.sort_by_key(|(layers, _)| layers.len());
        for at in (1..texts.len()).rev() {
            let (before, from) = texts.split_at(at);
            if from.first().is_some_and(|(_, text)| before.iter().any(|(_, other)| other == text)) {
                texts.remove(at);
            }
        }
        for (layers, bytes) in texts {
            if !self.budget.allows_layer(path.len() + layers.len() - 1) {
                return;
            }
            let outer = path.len();
            path.extend(layers);
            // Any byte may come from anywhere in the text.
            let origins = self.with_origins.then(|| vec![within.start as u32; bytes.len()]);
            let origins = origins.as_deref();
            (self.visitor)(&View { bytes: &bytes, origins, within: within.clone() }, path);
            self.walk(&bytes, origins, within.clone(), path);
            path.truncate(outer);
        }
    }
}
