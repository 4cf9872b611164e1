//! *Entities* that an XML document declares itself, in its DTD: references to them are expanded.
//!
//! A document may stand anywhere in a text, written under escapes in its turn: as a string of JSON, a
//! value of a form. So whoever reads a text, and what its escapes bring forth, looks for the [`Word`]
//! that begins a DTD, or a declaration behind it, and [`Documents`] reads on from there, with the
//! escapes undone that the word was seen under, and one more of each kind. What external entities stand
//! for is never fetched.
//!
//! Expanding is paid for from the budget, a reference that stands for nothing too, so that a document
//! that grows without bounds runs into it.

mod declared;
mod expander;
mod whole;

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use self::expander::{Expander, To};
use super::budget::{Budget, MAX_DEPTH};
use super::byteset::Relevant;
use super::escapes::unescape::Unescaper;
use super::layer::Layer;

/// What begins a DTD.
const DOCTYPE: &[u8] = b"<!DOCTYPE";
/// What begins a declaration.
const DECLARATION: &[u8] = b"<!ENTITY";
/// The words in them, which are mostly readable where the signs before them are not.
static WORDS: LazyLock<(Finder<'static>, Finder<'static>)> =
    LazyLock::new(|| (Finder::new(b"DOCTYPE"), Finder::new(b"ENTITY")));
/// Bytes before a piece in which the beginning of a declaration is looked for whose word ends in it: three
/// times JSON's escapes of every character.
const RECENT: usize = 2 * 1024;
/// Bytes that are unescaped in one go.
const PIECE: usize = 4 * 1024;
/// Ways to undo escapes in one text, at once. More are beyond the budget.
const SPELLINGS: usize = 24;
/// Readings of one text as a document, at once, where it is not clear what of it stands in comments or
/// values. More are beyond the budget.
const EXPANDERS: usize = 6;
/// Escapes under which a document may stand: as a string of JSON, percent-encoded, as a value of a form,
/// in another document.
const ESCAPES: [&[Layer]; 4] =
    [&[Layer::Json], &[Layer::Percent], &[Layer::Form, Layer::Percent], &[Layer::Entity]];

/// Reads what expanding brings forth, in texts of its own.
pub trait Expanded {
    /// State of reading one text.
    type State;

    /// Begins a text that undoing `layers`, outermost first, brings forth; nothing where the budget
    /// has no room for it.
    fn begin(&mut self, layers: &[Layer], budget: &mut Budget) -> Option<Self::State>;

    /// Reads on.
    fn read(&mut self, state: &mut Self::State, layers: &[Layer], text: &[u8], budget: &mut Budget);

    /// Reports what is undecided only because the text may go on.
    fn settle(&mut self, state: &mut Self::State, layers: &[Layer]);

    /// Reads a text's end.
    fn end(&mut self, state: Self::State, layers: &[Layer], budget: &mut Budget);
}

/// Looks for the words of a DTD in a text that comes in pieces.
#[derive(Clone, Copy, Default, Debug)]
pub struct Word {
    /// Bytes of each word that the text so far ends with.
    begun: [usize; 2],
}

impl Word {
    /// Takes the next piece, and tells whether a word ends in it. `in_dtd` is set where it is the one
    /// that begins a DTD; the one that begins a declaration is looked for only where it is set.
    pub fn ends_in(&mut self, piece: &[u8], in_dtd: &mut bool) -> bool {
        let [doctype, entity] = &mut self.begun;
        let begins = ends(&WORDS.0, doctype, true, piece);
        *in_dtd |= begins;
        ends(&WORDS.1, entity, *in_dtd, piece) || begins
    }
}

/// Where in a text the word stands that begins a DTD.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = usize> {
    WORDS.0.find_iter(text)
}

/// Whether a word, of which so much had come, ends in the piece. In both words the first letter stands
/// once, so that nothing but the whole of one can end where another begins.
fn ends(word: &Finder<'static>, begun: &mut usize, sought: bool, piece: &[u8]) -> bool {
    let letters = word.needle();
    let rest = letters.get(*begun..).unwrap_or_default();
    if piece.len() < rest.len() && rest.starts_with(piece) {
        *begun += piece.len();
        return false;
    }
    let across = *begun > 0 && piece.starts_with(rest);
    let begins =
        |length: &usize| letters.get(..*length).is_some_and(|begun| piece.ends_with(begun));
    *begun = (1..letters.len()).rev().find(begins).unwrap_or_default();
    sought && (across || word.find(piece).is_some())
}

/// The documents in one text.
pub struct Documents<S> {
    /// The last bytes before the next piece, and some before them.
    recent: Vec<u8>,
    open: Vec<Document<S>>,
}

/// A text as it is once some escapes are undone, with the documents in it.
struct Document<S> {
    /// What is undone, outermost first, with [`Layer::Dtd`] at the end.
    layers: Vec<Layer>,
    unescapers: Vec<Unescaper>,
    /// What may be the beginning of a declaration.
    held: Vec<u8>,
    expanders: Vec<Expander<S>>,
}

impl<S> Default for Documents<S> {
    fn default() -> Self {
        Self { recent: Vec::new(), open: Vec::new() }
    }
}

impl<S> Documents<S> {
    /// Takes the next piece of the text. `told` are the escapes under which the word of a declaration
    /// was seen in it.
    pub fn push<R: Expanded<State = S>>(
        &mut self,
        piece: &[u8],
        told: &[Vec<Layer>],
        budget: &mut Budget,
        reader: &mut R,
    ) {
        for document in &mut self.open {
            document.push(piece, budget, reader);
        }
        self.open.retain(|document| !document.expanders.is_empty());
        for layers in told {
            let layers = escapes(layers);
            self.open(&layers, piece, budget, reader);
            for escape in ESCAPES {
                self.open(&[&layers, escape].concat(), piece, budget, reader);
            }
        }
        self.remember(piece);
    }

    /// Decides what is undecided as if the text ended here.
    pub fn settle<R: Expanded<State = S>>(&mut self, reader: &mut R) {
        for Document { layers, expanders, .. } in &mut self.open {
            for expander in expanders {
                expander.settle(layers, reader);
            }
        }
    }

    /// Ends the text.
    pub fn finish<R: Expanded<State = S>>(&mut self, budget: &mut Budget, reader: &mut R) {
        for mut document in std::mem::take(&mut self.open) {
            document.finish(budget, reader);
        }
    }

    /// Reads the text as it is under these escapes, from shortly before the piece on.
    fn open<R: Expanded<State = S>>(
        &mut self,
        escapes: &[Layer],
        piece: &[u8],
        budget: &mut Budget,
        reader: &mut R,
    ) {
        let is_open =
            |document: &Document<S>| document.layers.split_last().map(|(_, l)| l) == Some(escapes);
        if escapes.len() >= MAX_DEPTH || self.open.iter().any(is_open) {
            return;
        }
        let mut document = Document {
            layers: [escapes, &[Layer::Dtd]].concat(),
            unescapers: escapes.iter().map(|&layer| Unescaper::new(layer)).collect(),
            held: Vec::new(),
            expanders: Vec::new(),
        };
        let skipped = self.recent.len().saturating_sub(RECENT);
        document.push(self.recent.get(skipped..).unwrap_or_default(), budget, reader);
        document.push(piece, budget, reader);
        if document.expanders.is_empty() {
            return;
        }
        if self.open.len() < SPELLINGS {
            self.open.push(document);
        } else {
            budget.too_deep();
            document.finish(budget, reader);
        }
    }

    fn remember(&mut self, piece: &[u8]) {
        let new = piece.get(piece.len().saturating_sub(RECENT)..).unwrap_or_default();
        // Cut now and then only, since pieces may be of one byte.
        if self.recent.len() + new.len() > 2 * RECENT {
            let kept = RECENT - new.len();
            self.recent.drain(..self.recent.len().saturating_sub(kept));
        }
        self.recent.extend_from_slice(new);
    }
}

/// Those of the layers under which a document may stand. A form's spaces are told by their percents.
fn escapes(layers: &[Layer]) -> Vec<Layer> {
    let behind = layers.iter().skip(1).map(Some).chain([None]);
    let is_one = |(layer, next): &(&Layer, Option<&Layer>)| match layer {
        Layer::Form => *next == Some(&Layer::Percent),
        layer => matches!(layer, Layer::Json | Layer::Percent | Layer::Entity),
    };
    layers.iter().zip(behind).filter(is_one).map(|(layer, _)| *layer).collect()
}

impl<S> Document<S> {
    fn push<R: Expanded<State = S>>(&mut self, text: &[u8], budget: &mut Budget, reader: &mut R) {
        for piece in text.chunks(PIECE) {
            let text = self.unescaped(piece, false);
            self.read(text.as_deref().unwrap_or(piece), false, budget, reader);
        }
    }

    fn finish<R: Expanded<State = S>>(&mut self, budget: &mut Budget, reader: &mut R) {
        let text = self.unescaped(&[], true);
        self.read(text.as_deref().unwrap_or_default(), true, budget, reader);
        for expander in std::mem::take(&mut self.expanders) {
            expander.finish(&mut To { layers: &self.layers, budget, reader });
        }
    }

    /// The piece with its escapes undone, where any are; the last one ends the text.
    fn unescaped(&mut self, piece: &[u8], last: bool) -> Option<Vec<u8>> {
        let mut text: Option<Vec<u8>> = None;
        for unescaper in &mut self.unescapers {
            let mut out = Vec::with_capacity(piece.len());
            unescaper.push(text.as_deref().unwrap_or(piece), &Relevant::ALL, &mut out);
            if last {
                unescaper.finish(&mut out);
            }
            text = Some(out);
        }
        text
    }

    fn read<R: Expanded<State = S>>(
        &mut self,
        text: &[u8],
        last: bool,
        budget: &mut Budget,
        reader: &mut R,
    ) {
        let Self { layers, held, expanders, .. } = self;
        let joined = [&std::mem::take(held)[..], text].concat();
        let mut to = To { layers, budget, reader };
        let mut from = 0;
        let starts = memmem::find_iter(&joined, DOCTYPE).map(|at| (at, true));
        let declarations = memmem::find_iter(&joined, DECLARATION).map(|at| (at, false));
        let mut starts: Vec<(usize, bool)> = starts.chain(declarations).collect();
        starts.sort_unstable();
        for (at, begins_dtd) in starts {
            feed(expanders, joined.get(from..at).unwrap_or_default(), &mut to);
            from = at;
            // What is inside of something is read by itself as well, since what seems to be around it
            // may have begun in a comment that was not seen to be one.
            if begins_dtd || !expanders.iter().any(Expander::takes_declarations) {
                if expanders.len() < EXPANDERS {
                    expanders.push(Expander::new(begins_dtd));
                } else {
                    to.budget.too_deep();
                }
            }
        }
        let rest = joined.get(from..).unwrap_or_default();
        let begun = |length: &usize| {
            [DOCTYPE, DECLARATION]
                .iter()
                .filter_map(|start| {
                    start.get(..*length).filter(|start| start.len() < DOCTYPE.len())
                })
                .any(|begun| rest.ends_with(begun))
        };
        let kept = if last { None } else { (1..DOCTYPE.len()).rev().find(begun) };
        let (rest, kept) =
            rest.split_at_checked(rest.len() - kept.unwrap_or(0)).unwrap_or_default();
        feed(expanders, rest, &mut to);
        held.extend_from_slice(kept);
    }
}

/// Feeds the next bytes to every expander; one that comes to an end is left off.
fn feed<R: Expanded>(expanders: &mut Vec<Expander<R::State>>, text: &[u8], to: &mut To<'_, R>) {
    let mut at = 0;
    while let Some(expander) = expanders.get_mut(at) {
        if expander.push(text, to) {
            at += 1;
        } else {
            expanders.swap_remove(at).finish(to);
        }
    }
}

#[cfg(test)]
mod tests;
