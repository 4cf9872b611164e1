//! All layers over a text given whole, in every order.

use std::ops::Range;

use crate::decode::budget::Budget;
use crate::decode::byteset::Relevant;
use crate::decode::escapes::escape::{Inside, undo_into};
use crate::decode::escapes::marks::next_in_whole;
use crate::decode::layer::{ESCAPES_OF_WHOLE, Layer};

/// One decoded text, and where in the outermost text its bytes come from.
pub struct View<'a> {
    /// The decoded bytes.
    pub bytes: &'a [u8],
    pub(super) origins: Option<&'a [u32]>,
    /// What the whole of it comes from.
    pub(super) within: Range<usize>,
}

impl View<'_> {
    /// The bytes of the outermost text that the decoded bytes `range` come from; where origins were
    /// not asked for, the whole of it.
    pub fn origin(&self, range: Range<usize>) -> Range<usize> {
        let (Some(origins), Some(last)) = (self.origins, range.end.checked_sub(1)) else {
            return self.within.clone();
        };
        let (Some(&start), Some(&last_start)) = (origins.get(range.start), origins.get(last))
        else {
            return self.within.clone();
        };
        // Several bytes may come from one escape: its end is where another one begins.
        let after = origins.get(range.end..).unwrap_or_default();
        let end = after.iter().find(|&&origin| origin > last_start);
        start as usize..end.map_or(self.within.end, |&end| end as usize)
    }
}

/// Shows the visitor every text that layers, in any order, make of the one given, with the layers
/// that were undone, outermost first, after those in `path`. The text itself is not shown. A layer
/// that has nothing in the text that matters is not undone.
pub fn visit(
    text: &[u8],
    relevant: &Relevant,
    with_origins: bool,
    path: &mut Vec<Layer>,
    budget: &mut Budget,
    visitor: &mut dyn FnMut(&View<'_>, &[Layer]),
) {
    let with_origins = with_origins && u32::try_from(text.len()).is_ok();
    let mut walk = Walk { relevant, with_origins, budget, visitor };
    walk.walk(text, None, 0..text.len(), path);
}

pub(super) struct Walk<'a> {
    pub(super) relevant: &'a Relevant,
    pub(super) with_origins: bool,
    pub(super) budget: &'a mut Budget,
    pub(super) visitor: &'a mut dyn FnMut(&View<'_>, &[Layer]),
}

impl Walk<'_> {
    pub(super) fn walk(
        &mut self,
        text: &[u8],
        origins: Option<&[u32]>,
        within: Range<usize>,
        path: &mut Vec<Layer>,
    ) {
        self.runs(text, origins, &within, path);
        self.documents(text, &within, path);
        for layer in ESCAPES_OF_WHOLE {
            if next_in_whole(layer, text, 0, self.relevant).is_none() {
                continue;
            }
            if path.len() >= self.budget.depth() {
                self.budget.too_deep();
                return;
            }
            if !self.budget.spend_whole(text.len()) {
                return;
            }
            let mut decoded = Vec::with_capacity(text.len());
            let mut starts = self.with_origins.then(|| Vec::with_capacity(text.len()));
            // A long run of backslashes would take more layers than there are, for nothing.
            let collapse = !self.relevant.in_token(b'\\');
            undo_into(layer, Inside::Nothing, text, collapse, &mut decoded, starts.as_mut());
            if let (Some(starts), Some(origins)) = (&mut starts, origins) {
                for start in starts {
                    *start = origins.get(*start as usize).copied().unwrap_or(*start);
                }
            }
            path.push(layer);
            let origins = starts.as_deref();
            let view = View { bytes: &decoded, origins, within: within.clone() };
            (self.visitor)(&view, path);
            self.walk(&decoded, origins, within.clone(), path);
            path.pop();
        }
    }
}
