//! Where in texts given whole there may be anything to undo: many short ones at once.

use super::byteset::Relevant;
use super::entities;
use super::escapes::escape::mark_of;
use super::escapes::marks::judge;
use super::layer::{ESCAPES_OF_WHOLE, Layer};
use super::runs::glance;
use super::runs::stretches::Stretches;
use super::sieve::{self, BITS, WINDOW};

/// What each text ends with: it ends every run and belongs to no escape.
pub const BORDER: u8 = b'"';

/// Reports a place in each text in which [`visit`](super::visit) may find something, where `texts` are
/// put together with a [`BORDER`] behind each of them. What is reported is answered with where its
/// text ends, and may be reported again for another reason.
pub fn doubts(texts: &[u8], relevant: &Relevant, doubt: &mut dyn FnMut(usize) -> usize) {
    runs(texts, relevant, doubt);
    escapes(texts, relevant, doubt);
    for dtd in entities::words(texts) {
        doubt(dtd);
    }
    if relevant.undoes(Layer::Utf8) {
        let mut from = 0;
        while let Some(rest) = texts.get(from..)
            && let Some(at) = memchr::memchr2(0xC0, 0xC1, rest)
        {
            from = doubt(from + at);
        }
    }
}

fn runs(texts: &[u8], relevant: &Relevant, doubt: &mut dyn FnMut(usize) -> usize) {
    let sought = relevant.runs();
    if sought.is_nothing() {
        return;
    }
    let mut stretches = Stretches::new(texts, sought.anchor(true));
    let mut from = 0;
    loop {
        from = glance::pass(texts, from, (true, true), &mut stretches, sought);
        match stretches.next(from) {
            Ok(stretch) => from = doubt(stretch.start),
            Err(_) => return,
        }
    }
}

fn escapes(texts: &[u8], relevant: &Relevant, doubt: &mut dyn FnMut(usize) -> usize) {
    let table = relevant.marks_of_whole();
    let (mut window, mut from) = (0, 0);
    while let Some(rest) = texts.get(window..).filter(|rest| !rest.is_empty()) {
        let bits = sieve::marks(rest.get(..=WINDOW).unwrap_or(rest), &table);
        for (place, mut bits) in bits.into_iter().enumerate() {
            while bits != 0 {
                let here = window + place * BITS + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if here >= from && is_escape(texts, here, relevant) {
                    from = doubt(here);
                }
            }
        }
        window += WINDOW;
    }
}

/// Whether an escape of any layer begins here that matters, or may.
fn is_escape(texts: &[u8], here: usize, relevant: &Relevant) -> bool {
    let mark = texts.get(here).copied();
    let layers = ESCAPES_OF_WHOLE.into_iter().filter(|layer| mark_of(*layer) == mark);
    layers
        .filter(|layer| relevant.undoes(*layer))
        .any(|layer| judge(layer, texts, here, relevant).is_err())
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::*;
    use crate::decode::{Budget, ByteSet, Limits, MAX_DEPTH, Sought, visit};

    fn relevant(shortest: usize) -> Relevant {
        let tokens = ByteSet::EMPTY.with_all(b"abcdefghijklmnopqrstuvwxyz0123456789_ ");
        let sought = Sought::new(shortest..=40, tokens, Some(20)).with_borders(shortest < 16);
        Relevant::to(tokens, shortest < 16).with_runs(sought).and(Layer::Quoted).and(Layer::Utf8)
    }

    /// Whether anything comes of the text.
    fn anything(text: &[u8], relevant: &Relevant) -> bool {
        let mut budget = Budget::new(Limits {
            depth: MAX_DEPTH,
            ratio: 3_000,
            free: 3 << 20,
            texts: 64,
            inflaters: 8,
        });
        let mut any = false;
        visit(text, relevant, false, &mut Vec::new(), &mut budget, &mut |_, _| any = true);
        any
    }

    proptest! {
        /// What is not doubted has nothing in it.
        #[test]
        fn what_is_passed_over_holds_nothing(
            pieces in prop::collection::vec(
                prop_oneof![
                    "[ -~]{0,40}",
                    r"[a%\\u01n+25c4&#;x]{0,20}",
                    "[A-Za-z0-9+/=_.-]{0,120}",
                    "[0-9a-f]{0,90}",
                    r"([A-Za-z0-9]{8,20}[ =.%\\]{0,2}){0,5}",
                    r"(<!DOCTYPE|<!ENTITY a 'b'>|&a;|[ x>\[]){0,8}",
                ],
                0..12,
            ),
            overlong in any::<bool>(),
            shortest in 8_usize..24,
        ) {
            let relevant = relevant(shortest);
            let mut pieces: Vec<Vec<u8>> = pieces.into_iter().map(String::into_bytes).collect();
            if overlong {
                pieces.push(b"a\xc1\x81b".to_vec());
            }
            let mut texts = Vec::new();
            let mut ranges: Vec<Range<usize>> = Vec::new();
            for piece in &pieces {
                // A quote inside would end the piece for runs, and for nothing else.
                let start = texts.len();
                texts.extend_from_slice(piece);
                ranges.push(start..texts.len());
                texts.push(BORDER);
            }
            let mut doubtful = vec![false; pieces.len()];
            doubts(&texts, &relevant, &mut |at| {
                let index = ranges.iter().position(|range| range.start <= at && at <= range.end);
                doubtful[index.unwrap()] = true;
                ranges[index.unwrap()].end
            });
            for (piece, doubtful) in pieces.iter().zip(doubtful) {
                // What is beside a text is nothing to an escape, as a border is.
                let bordered = [&[BORDER], &piece[..], &[BORDER]].concat();
                prop_assert!(doubtful || !anything(&bordered, &relevant), "{}", piece.escape_ascii());
            }
        }
    }
}
