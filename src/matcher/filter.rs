//! The blocked Bloom filters: all bits of a key lie in one 64-bit word, so a probe is one load.
//!
//! A key sets four bits, and two more that tell its place, where it has one.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::pages::Pages;

/// Bits of filter for each key at which it is built, where it stays in the nearer caches.
const ROOMIEST: usize = 32;
/// Bytes up to which a filter does.
const NEAR: usize = 512 << 10;
/// Bits of filter for each key at which it is built at least.
const ROOMY: usize = 16;
/// Bits of filter for each key below which it is overfull.
const TIGHT: usize = 11;
/// Words of the largest: as many as a hash of 32 bits tells apart.
const WORDS_MAX: usize = 1 << 31;
/// Words of the smallest filter: it lies in the first-level cache whatever else does.
const WORDS_MIN: usize = 512;
/// Spreads a 32-bit hash over the bits that choose within a word.
const SPREAD: u32 = 0x9e37_79b1;

/// A set of 32-bit hashes, each with a small number (its place) that a hit narrows down.
///
/// It only grows, and grows in place: who scans with it meanwhile sees some false hits more.
#[derive(Default)]
pub(super) struct Filter {
    words: Pages<AtomicU64>,
}

impl Filter {
    /// An empty filter with room for so many keys.
    pub(super) fn with_room(keys: usize) -> Self {
        let words = |bits: usize| keys.saturating_mul(bits) / 64 + 1;
        let words = words(ROOMIEST).min(NEAR / 8).max(words(ROOMY)).clamp(WORDS_MIN, WORDS_MAX);
        Self { words: Pages::zeroed(words) }
    }

    /// Whether so many keys fit without too many false hits.
    pub(super) fn fits(&self, keys: usize) -> bool {
        keys.saturating_mul(TIGHT) <= self.words.len().saturating_mul(64)
    }

    /// Memory it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// Its words, to be looked into by several probes.
    #[inline(always)]
    pub(super) fn words(&self) -> Words<'_> {
        let words = &*self.words;
        Words { words, count: words.len() as u32 }
    }

    /// Puts keys in, each with its place below 64, where it has one. They come in batches of any
    /// size, and are put in order first where the filter is larger than what is near: their words
    /// are then near each other.
    pub(super) fn insert(&self, keys: impl Iterator<Item = (u32, Option<u32>)>) {
        if size_of_val(&*self.words) <= NEAR {
            keys.for_each(|(key, place)| self.put(key, place));
            return;
        }
        let mut starts = [0_usize; PARTS + 1];
        let packed: Vec<u64> = keys.map(|(key, place)| pack(key, place)).collect();
        for key in &packed {
            if let Some(start) = starts.get_mut(part(*key) + 1) {
                *start += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut ordered = vec![0; packed.len()];
        for key in packed {
            let Some(start) = starts.get_mut(part(key)) else { continue };
            if let Some(slot) = ordered.get_mut(*start) {
                *slot = key;
            }
            *start += 1;
        }
        for key in ordered {
            let (key, place) = unpack(key);
            self.put(key, place);
        }
    }

    #[inline(always)]
    fn put(&self, key: u32, place: Option<u32>) {
        let words = &*self.words;
        if let Some(word) = words.get(word_of(key, words.len() as u32)) {
            let bits = Bits::of(key);
            let [one, other] = bits.turns();
            let place = place.map_or(0, |place| {
                (1_u64 << place).rotate_left(one) | (1_u64 << place).rotate_left(other)
            });
            // There is one writer; who reads needs only each word whole.
            word.store(word.load(Relaxed) | bits.mask() | place, Relaxed);
        }
    }
}

/// Parts of a filter that keys are ordered by.
const PARTS: usize = 256;

/// A key and its place in one word: the place counts from 1 there, 0 is none.
fn pack(key: u32, place: Option<u32>) -> u64 {
    u64::from(key) | u64::from(place.map_or(0, |place| place + 1)) << 32
}

fn unpack(packed: u64) -> (u32, Option<u32>) {
    (packed as u32, ((packed >> 32) as u32).checked_sub(1))
}

fn part(packed: u64) -> usize {
    (packed >> 24) as usize % PARTS
}

/// Which of so many words a key's bits lie in: the key's share of all words.
#[inline(always)]
fn word_of(key: u32, count: u32) -> usize {
    ((u64::from(key) * u64::from(count)) >> 32) as usize
}

/// The words of a filter.
#[derive(Clone, Copy)]
pub(super) struct Words<'filter> {
    words: &'filter [AtomicU64],
    count: u32,
}

impl Words<'_> {
    /// The word in which a key's bits lie.
    #[inline(always)]
    pub(super) fn of(self, key: u32) -> u64 {
        self.at(self.place(key))
    }

    /// Where the word of a key is.
    #[inline(always)]
    pub(super) fn place(self, key: u32) -> usize {
        word_of(key, self.count)
    }

    /// The word there.
    #[inline(always)]
    pub(super) fn at(self, place: usize) -> u64 {
        self.words.get(place).map_or(0, |word| word.load(Relaxed))
    }

    /// Whether they lie further away than in the nearer caches.
    #[inline(always)]
    pub(super) fn are_far(self) -> bool {
        size_of_val(self.words) > NEAR
    }

    /// Asks the processor for the word there, which will be looked at soon.
    #[inline(always)]
    pub(super) fn prefetch(self, place: usize) {
        #[cfg(target_arch = "x86_64")]
        #[allow(
            unsafe_code,
            reason = "nothing else asks for memory; the gain is in benches/README.md"
        )]
        if let Some(word) = self.words.get(place) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a hint that reads nothing and cannot fail, for an address inside a slice.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(word).cast()) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = place;
    }

    /// Whether the key is in, or seems to be, at whatever place.
    #[inline(always)]
    pub(super) fn has(self, key: u32) -> bool {
        hit(self.of(key), key)
    }
}

/// Whether the word has the key, or seems to.
#[inline(always)]
pub(super) fn hit(word: u64, key: u32) -> bool {
    !word & Bits::of(key).mask() == 0
}

/// The places with which the key may have been put in, one bit each, of those below `count`.
#[inline(always)]
pub(super) fn places(word: u64, key: u32, count: usize) -> u64 {
    let [one, other] = Bits::of(key).turns();
    word.rotate_right(one) & word.rotate_right(other) & ((1 << count) - 1)
}

/// Where in its word a key's bits are. A product of two halves of a word, which vector units have.
#[derive(Clone, Copy)]
struct Bits(u64);

impl Bits {
    #[inline(always)]
    fn of(key: u32) -> Self {
        Self((u64::from(key) * u64::from(SPREAD)) >> 14)
    }

    #[inline(always)]
    fn mask(self) -> u64 {
        let bit = |number: u64| 1 << (self.0 >> (6 * number) & 63);
        bit(0) | bit(1) | bit(2) | bit(3)
    }

    /// By how much a place is turned, for the two bits that tell it.
    #[inline(always)]
    fn turns(self) -> [u32; 2] {
        [(self.0 >> 24) as u32 & 63, (self.0 >> 21) as u32 & 63 ^ 32]
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Keys;
    use super::*;

    #[test]
    fn holds_what_was_put_in_and_little_else() {
        let keys = Keys::random();
        // Grams of text differ in all of their bytes, not in the last ones alone.
        let key = |n: u32| keys.gram(u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let filter = Filter::with_room(100_000);
        filter.insert((0..100_000).map(|n| (key(n), Some(n % 13))));
        let words = filter.words();
        for n in 0..100_000 {
            assert!(words.has(key(n)));
            assert_ne!(places(words.of(key(n)), key(n), 13) & (1 << (n % 13)), 0);
        }
        let false_hits = (200_000..300_000).filter(|n| words.has(key(*n))).count();
        assert!(false_hits < 8_000, "{false_hits}");
        assert!(filter.fits(100_000) && !filter.fits(1_000_000));
    }

    #[test]
    fn nothing_is_in_an_empty_one() {
        assert!(!Filter::default().words().has(7));
        assert!(!Filter::with_room(0).words().has(7));
    }
}
