//! The innermost loop: which sampled grams of a text are in a filter.

use super::filter::{self, Words};
use super::keys::{Keys, prefix};

/// Probes that are under way at once, so that they wait for memory together.
const BATCH: usize = 24;
/// The same where fewer are left.
const FEW: usize = 8;
/// Probes whose memory is asked for while as many others are looked at, where the filter lies further
/// away than the nearer caches: more than a processor has loads under way.
const ASKED: usize = 32;
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
    // How many probes can be read in whole words.
    let whole = text.len().checked_sub(READ).map_or(0, |last| last / S + 1);
    if whole < FEW {
        return one_by_one::<Q, S>(keys, words, text, 0, report);
    }
    if words.are_far() {
        far::<Q, S>(keys, words, text, whole, report);
    } else {
        near::<Q, S>(keys, words, text, whole, report);
    }
    one_by_one::<Q, S>(keys, words, text, whole * S, report);
}

/// Probes of a filter in the nearer caches, in batches.
#[inline(always)]
fn near<const Q: usize, const S: usize>(
    keys: &Keys,
    words: Words<'_>,
    text: &[u8],
    mut left: usize,
    report: &mut impl FnMut(usize, u32, u64),
) {
    let mut at = 0;
    while left >= BATCH {
        batch::<Q, S, BATCH>(keys, words, text, at, 0, report);
        at += BATCH * S;
        left -= BATCH;
    }
    few::<Q, S>(keys, words, text, at, left, report);
}

/// The last `left` of at least [`FEW`] probes, from `at` on.
#[inline(always)]
fn few<const Q: usize, const S: usize>(
    keys: &Keys,
    words: Words<'_>,
    text: &[u8],
    mut at: usize,
    mut left: usize,
    report: &mut impl FnMut(usize, u32, u64),
) {
    while left >= FEW {
        batch::<Q, S, FEW>(keys, words, text, at, 0, report);
        at += FEW * S;
        left -= FEW;
    }
    if left > 0 {
        // Some of the batch before once more, rather than one by one.
        let again = FEW - left;
        batch::<Q, S, FEW>(keys, words, text, at - again * S, again, report);
    }
}

/// A batch of probes from `at` on, of which the first ones are known.
#[inline(always)]
fn batch<const Q: usize, const S: usize, const COUNT: usize>(
    keys: &Keys,
    words: Words<'_>,
    text: &[u8],
    at: usize,
    known: usize,
    report: &mut impl FnMut(usize, u32, u64),
) {
    if let Some(block) = Batch::<COUNT>::block::<S>(text, at) {
        Batch::<COUNT>::read::<Q, S>(keys, words, block).check::<S>(words, at, known, report);
    }
}

/// Probes of a filter further away: while some are looked at, the memory of the next ones is on its
/// way.
#[inline(always)]
fn far<const Q: usize, const S: usize>(
    keys: &Keys,
    words: Words<'_>,
    text: &[u8],
    count: usize,
    report: &mut impl FnMut(usize, u32, u64),
) {
    let mut at = 0;
    if let Some(block) = Batch::<ASKED>::block::<S>(text, 0) {
        let mut now = Batch::<ASKED>::read::<Q, S>(keys, words, block);
        now.prefetch(words);
        while let Some(block) = Batch::<ASKED>::block::<S>(text, at + ASKED * S) {
            let next = Batch::<ASKED>::read::<Q, S>(keys, words, block);
            next.prefetch(words);
            now.check::<S>(words, at, 0, report);
            now = next;
            at += ASKED * S;
        }
        ask_one_by_one::<Q, S>(keys, words, text, at + ASKED * S);
        now.check::<S>(words, at, 0, report);
        at += ASKED * S;
    } else {
        ask_one_by_one::<Q, S>(keys, words, text, 0);
    }
    few::<Q, S>(keys, words, text, at, count - at / S, report);
}

/// Asks for the memory of the probes from `at` on.
#[inline(always)]
fn ask_one_by_one<const Q: usize, const S: usize>(
    keys: &Keys,
    words: Words<'_>,
    text: &[u8],
    mut at: usize,
) {
    while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= READ) {
        words.prefetch(words.place(keys.gram(gram::<Q>(rest))));
        at += S;
    }
}

/// The probes from `at` on, whose grams are not read in whole words.
#[inline(always)]
fn one_by_one<const Q: usize, const S: usize>(
    keys: &Keys,
    words: Words<'_>,
    text: &[u8],
    mut at: usize,
    report: &mut impl FnMut(usize, u32, u64),
) {
    while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= Q) {
        let gram = keys.gram(gram::<Q>(rest));
        let word = words.of(gram);
        if filter::hit(word, gram) {
            report(at, gram, word);
        }
        at += S;
    }
}

/// Probes that are looked at together: the hashes of their grams, and where their words are. In steps
/// over all of them, so that vector units and memory work on many at once.
#[derive(Clone, Copy)]
struct Batch<const COUNT: usize> {
    hashes: [u32; COUNT],
    places: [usize; COUNT],
}

#[allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "all arrays have COUNT; iterators are functions that may not be compiled for the same processor"
)]
impl<const COUNT: usize> Batch<COUNT> {
    /// The bytes of so many probes from `at` on, where the text has them.
    #[inline(always)]
    fn block<const S: usize>(text: &[u8], at: usize) -> Option<&[u8]> {
        text.get(at..at + (COUNT - 1) * S + READ)
    }

    /// The probes at every `S`-th byte of their block.
    #[inline(always)]
    fn read<const Q: usize, const S: usize>(keys: &Keys, words: Words<'_>, block: &[u8]) -> Self {
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
        Self { hashes, places }
    }

    /// Asks for their words.
    #[inline(always)]
    fn prefetch(&self, words: Words<'_>) {
        for place in 0..COUNT {
            words.prefetch(self.places[place]);
        }
    }

    /// Reports those that are in the filter or seem to be, but for the first ones, which are known.
    #[inline(always)]
    fn check<const S: usize>(
        &self,
        words: Words<'_>,
        at: usize,
        known: usize,
        report: &mut impl FnMut(usize, u32, u64),
    ) {
        let mut found = [0; COUNT];
        for place in 0..COUNT {
            found[place] = words.at(self.places[place]);
        }
        let mut hits = 0_u32;
        for place in 0..COUNT {
            hits |= u32::from(filter::hit(found[place], self.hashes[place])) << place;
        }
        hits &= u32::MAX << known;
        while hits != 0 {
            let place = hits.trailing_zeros() as usize;
            hits &= hits - 1;
            if let (Some(hash), Some(word)) = (self.hashes.get(place), found.get(place)) {
                report(at + place * S, *hash, *word);
            }
        }
    }
}

/// The first `Q` bytes as a number.
#[inline(always)]
pub(super) fn gram<const Q: usize>(bytes: &[u8]) -> u64 {
    prefix(bytes) & (u64::MAX >> (64 - 8 * Q))
}

#[cfg(test)]
mod tests {
    use super::super::filter::Filter;
    use super::*;

    #[test]
    fn a_far_filter_tells_what_a_near_one_tells() {
        const Q: usize = 8;
        const S: usize = 13;
        let keys = Keys::random();
        let all: Vec<u8> =
            (0_u32..1_500).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        // Larger than what is near, and with every third of the probed grams in it.
        let filter = Filter::with_room(300_000);
        let grams = all.windows(READ).step_by(3 * S).map(|bytes| keys.gram(gram::<Q>(bytes)));
        filter.insert(grams.map(|gram| (gram, Some(0))));
        let words = filter.words();
        assert!(words.are_far());
        for length in 0..all.len() {
            let text = &all[..length];
            let mut expected = Vec::new();
            one_by_one::<Q, S>(&keys, words, text, 0, &mut |at, hash, word| {
                expected.push((at, hash, word));
            });
            let mut found = Vec::new();
            probe::<Q, S>(&keys, words, text, &mut |at, hash, word| found.push((at, hash, word)));
            assert_eq!(found, expected, "{length}");
            let whole = length.checked_sub(READ).map_or(0, |last| last / S + 1);
            if whole < FEW {
                continue;
            }
            expected.retain(|(at, ..)| *at < whole * S);
            for far_one in [false, true] {
                found.clear();
                let mut report = |at, hash, word| found.push((at, hash, word));
                if far_one {
                    far::<Q, S>(&keys, words, text, whole, &mut report);
                } else {
                    near::<Q, S>(&keys, words, text, whole, &mut report);
                }
                assert_eq!(found, expected, "{length} {far_one}");
            }
        }
    }
}
