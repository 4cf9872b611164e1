//! Looking for tokens in a text given whole, through all layers.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use crate::config::limits;
use crate::decode::{Budget, ByteSet, Layer, Limits, Relevant, Sought, visit};
use crate::matcher::{Patchset, TokenIndex};

/// One token found in a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// The token.
    pub(super) token: TokenIndex,
    /// The bytes of the text that stand for it.
    pub(super) range: Range<usize>,
    /// What had to be undone, outermost first.
    pub(super) layers: Vec<Layer>,
}

/// What tokens given as digests are made of, where they are looked for in base64 and hex.
const IN_DIGESTED: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%*+-./:=?@^_|~";

/// The budget of one request.
pub(super) fn budget() -> Budget {
    Budget::new(Limits {
        depth: limits::DECODE_DEPTH,
        ratio: limits::DECODE_WORK,
        free: limits::DECODE_FREE_WORK,
        texts: limits::DECODE_TEXTS,
        inflaters: limits::RUN_INFLATERS,
    })
}

/// Which escapes and runs are worth undoing for this patchset. What streams leaves out what is read
/// only in fields of a head.
pub(super) fn relevant(patchset: &Patchset) -> Relevant {
    let alphabet = ByteSet::from_words(patchset.alphabet());
    // A token given as a digest may hold nearly any byte, but hardly any does. If all that runs decode
    // to were read as text for its sake, images would cost more than the budget has.
    let mut in_runs = ByteSet::from_words(patchset.text_alphabet());
    if patchset.has_digests() {
        in_runs = in_runs.with_all(IN_DIGESTED);
    }
    let sought = patchset.shortest().map(|shortest| {
        Sought::new(shortest..=patchset.reach(), in_runs, patchset.shortest_signature())
            .with_borders(patchset.minds_borders() || patchset.has_digests())
    });
    Relevant::to(alphabet, patchset.minds_borders())
        .with_runs(sought.unwrap_or(Sought::NOTHING))
        .and(Layer::Quoted)
        .and(Layer::Utf8)
}

/// The tokens that stand in the text, in any layer, each with the layers that one of its places is
/// under, outermost first. Allocates only where a layer has to be undone or a token is found.
pub(super) fn held(
    patchset: &Patchset,
    relevant: &Relevant,
    budget: &mut Budget,
    text: &[u8],
) -> BTreeMap<TokenIndex, Vec<Layer>> {
    budget.earn(text.len());
    held_inside(patchset, relevant, budget, &[], text)
}

/// The same for a text that undoing the layers `outer` brought forth, which the budget knows of
/// already.
pub(super) fn held_inside(
    patchset: &Patchset,
    relevant: &Relevant,
    budget: &mut Budget,
    outer: &[Layer],
    text: &[u8],
) -> BTreeMap<TokenIndex, Vec<Layer>> {
    let mut held = BTreeMap::new();
    patchset.scan(text, &mut |found| {
        held.entry(found.token).or_insert_with(|| outer.to_vec());
    });
    visit(text, relevant, false, &mut outer.to_vec(), budget, &mut |view, layers| {
        patchset.scan(view.bytes, &mut |found| {
            held.entry(found.token).or_insert_with(|| layers.to_vec());
        });
    });
    held
}

/// Every place where a token stands in the text, those with the fewest layers first, as far as a
/// budget of its own goes: what [`held`] tells of a text may have no place here.
pub(super) fn locate(patchset: &Patchset, relevant: &Relevant, text: &[u8]) -> Vec<Found> {
    locate_within(&mut budget(), patchset, relevant, text)
}

/// The same within this budget.
pub(super) fn locate_within(
    budget: &mut Budget,
    patchset: &Patchset,
    relevant: &Relevant,
    text: &[u8],
) -> Vec<Found> {
    let mut all = Vec::new();
    // What was found with fewer layers already is the same place.
    let mut places = HashSet::new();
    patchset.scan(text, &mut |found| {
        let range = found.start as usize..found.end as usize;
        if places.insert((found.token, range.clone())) {
            all.push(Found { token: found.token, range, layers: Vec::new() });
        }
    });
    budget.earn(text.len());
    visit(text, relevant, true, &mut Vec::new(), budget, &mut |view, layers| {
        patchset.scan(view.bytes, &mut |found| {
            let range = view.origin(found.start as usize..found.end as usize);
            if places.insert((found.token, range.clone())) {
                all.push(Found { token: found.token, range, layers: layers.to_vec() });
            }
        });
    });
    all.sort_by_key(|found| found.layers.len());
    all
}
