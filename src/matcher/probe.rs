//! The innermost loop: which sampled grams of a text are in a filter.

use super::filter::{self, Words};
use super::keys::{Keys, prefix};

/// Probes that are under way at once, so that they wait for memory together.
const BATCH: usize = 24;
/// The same where fewer are left.
const FEW: usize = 8;
/// Bytes that are read of a gram, of which its first `Q` count.
const READ: usize = 8;

/// Probes the text at every `S`-th byte, and reports where the gram of `Q` bytes there is in the
/// filter or seems to be: the place, its hash and its word.
#[inline]
pub(super) fn probe<const Q: usize, const S: usize>(
    keys: &Keys,
    words: Words<'_>,
    text: &[u8],
    report: &mut impl FnMut(usize, u32, u64),
) {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code, reason = "a function for a newer processor, called where it is one")]
    if text.len() >= FEW * S + READ && is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function was compiled for.
        return unsafe { probe_avx2::<Q, S>(keys, words, text, report) };
    }
    probe_plain::<Q, S>(keys, words, text, report);
}

/// The same code, compiled for processors with AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn probe_avx2<const Q: usize, const S: usize>(
    keys: &Keys,
    words: Words<'_>,
    text: &[u8],
    report: &mut impl FnMut(usize, u32, u64),
) {
    probe_plain::<Q, S>(keys, words, text, report);
}

#[inline(always)]
fn probe_plain<const Q: usize, const S: usize>(
    keys: &Keys,
    words: Words<'_>,
    text: &[u8],
    report: &mut impl FnMut(usize, u32, u64),
) {
    let mut at = 0;
    // How many probes can be read in whole words.
    let mut left = text.len().checked_sub(READ).map_or(0, |last| last / S + 1);
    while left >= BATCH {
        batch::<Q, S, BATCH>(keys, words, text, at, 0, report);
        at += BATCH * S;
        left -= BATCH;
    }
    while left >= FEW {
        batch::<Q, S, FEW>(keys, words, text, at, 0, report);
        at += FEW * S;
        left -= FEW;
    }
    if left > 0 && at > 0 {
        // Some of the batch before once more, rather than one by one.
        let again = FEW - left;
        batch::<Q, S, FEW>(keys, words, text, at - again * S, again, report);
        at += left * S;
    }
    while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= Q) {
        let gram = keys.gram(gram::<Q>(rest));
        let word = words.of(gram);
        if filter::hit(word, gram) {
            report(at, gram, word);
        }
        at += S;
    }
}

/// A batch of probes from `at` on, of which the first ones are known. In steps over all of them, so
/// that vector units and memory work on many at once; by index, since iterators are functions that may
/// not be compiled for the same processor.
#[allow(clippy::indexing_slicing, clippy::needless_range_loop, reason = "all arrays have COUNT")]
#[inline(always)]
fn batch<const Q: usize, const S: usize, const COUNT: usize>(
    keys: &Keys,
    words: Words<'_>,
    text: &[u8],
    at: usize,
    known: usize,
    report: &mut impl FnMut(usize, u32, u64),
) {
    let Some(block) = text.get(at..at + (COUNT - 1) * S + READ) else { return };
    let mut grams = [0; COUNT];
    for place in 0..COUNT {
        grams[place] = gram::<Q>(block.get(place * S..).unwrap_or_default());
    }
    let mut hashes = [0; COUNT];
    let mut places = [0; COUNT];
    for place in 0..COUNT {
        hashes[place] = keys.gram(grams[place]);
        places[place] = words.place(hashes[place]);
    }
    let mut found = [0; COUNT];
    for place in 0..COUNT {
        found[place] = words.at(places[place]);
    }
    let mut hits = 0_u32;
    for place in 0..COUNT {
        hits |= u32::from(filter::hit(found[place], hashes[place])) << place;
    }
    hits &= u32::MAX << known;
    while hits != 0 {
        let place = hits.trailing_zeros() as usize;
        hits &= hits - 1;
        if let (Some(hash), Some(word)) = (hashes.get(place), found.get(place)) {
            report(at + place * S, *hash, *word);
        }
    }
}

/// The first `Q` bytes as a number.
#[inline(always)]
pub(super) fn gram<const Q: usize>(bytes: &[u8]) -> u64 {
    prefix(bytes) & (u64::MAX >> (64 - 8 * Q))
}
