//! The blocked Bloom filters: all bits of a key lie in one 64-bit word, so a probe is one load.

/// Bits of a word that each key sets, beside the two that tell its place.
const BITS_PER_KEY: usize = 3;
/// Bits of filter for each key at which it is built, where it stays in the nearer caches.
const ROOMIEST: usize = 32;
/// Bytes up to which a filter does.
const NEAR: usize = 512 << 10;
/// Bits of filter for each key at which it is built at least.
const ROOMY: usize = 16;
/// Bits of filter for each key below which it is overfull.
const TIGHT: usize = 11;
/// Words of the smallest filter: it lies in the first-level cache whatever else does.
const WORDS_MIN: usize = 512;
/// Spreads a 32-bit hash over the bits that choose within a word.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A set of 32-bit hashes, each with a small number (its place) that a hit narrows down.
#[derive(Clone, Default)]
pub(super) struct Filter {
    words: Box<[u64]>,
}

impl Filter {
    /// An empty filter with room for so many keys.
    pub(super) fn with_room(keys: usize) -> Self {
        let words = |bits: usize| keys.saturating_mul(bits) / 64 + 1;
        let words = words(ROOMIEST).min(NEAR / 8).max(words(ROOMY)).max(WORDS_MIN);
        Self { words: vec![0; words].into_boxed_slice() }
    }

    /// Whether so many keys fit without too many false hits.
    pub(super) fn fits(&self, keys: usize) -> bool {
        keys.saturating_mul(TIGHT) <= self.words.len().saturating_mul(64)
    }

    /// Memory it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// Puts a key in, with its place below 64.
    pub(super) fn insert(&mut self, key: u32, place: u32) {
        let bits = Bits::of(key);
        let at = self.place(key);
        if let Some(word) = self.words.get_mut(at) {
            let [one, other] = bits.turns();
            let place = 1_u64 << place;
            *word |= bits.mask() | place.rotate_left(one) | place.rotate_left(other);
        }
    }

    /// The word in which a key's bits lie.
    #[inline(always)]
    pub(super) fn word(&self, key: u32) -> u64 {
        self.words.get(self.place(key)).copied().unwrap_or_default()
    }

    /// Which word a key's bits lie in: the key's share of all words.
    #[inline(always)]
    fn place(&self, key: u32) -> usize {
        ((u64::from(key) * self.words.len() as u64) >> 32) as usize
    }

    /// 1 where the word has the key, or seems to; 0 where it has not.
    #[inline(always)]
    pub(super) fn hit(word: u64, key: u32) -> u64 {
        Bits::of(key).hit(word)
    }

    /// The places with which the key may have been put in, one bit each, of those below `count`.
    #[inline(always)]
    pub(super) fn places(word: u64, key: u32, count: usize) -> u64 {
        let [one, other] = Bits::of(key).turns();
        word.rotate_right(one) & word.rotate_right(other) & ((1 << count) - 1)
    }

    /// Whether the key is in, or seems to be, at whatever place.
    #[inline(always)]
    pub(super) fn has(&self, key: u32) -> bool {
        Self::hit(self.word(key), key) == 1
    }
}

/// Where in its word a key's bits are.
#[derive(Clone, Copy)]
struct Bits(u64);

impl Bits {
    #[inline(always)]
    fn of(key: u32) -> Self {
        Self(u64::from(key).wrapping_mul(SPREAD) >> 32)
    }

    #[inline(always)]
    fn mask(self) -> u64 {
        (0..BITS_PER_KEY).fold(0, |mask, bit| mask | (1 << ((self.0 >> (6 * bit)) & 63)))
    }

    #[inline(always)]
    fn hit(self, word: u64) -> u64 {
        (0..BITS_PER_KEY).fold(1, |hit, bit| hit & (word >> ((self.0 >> (6 * bit)) & 63)))
    }

    /// By how much a place is turned, for the two bits that tell it.
    #[inline(always)]
    fn turns(self) -> [u32; 2] {
        [(self.0 >> 26) as u32 & 63, (self.0 >> 18) as u32 & 63]
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Keys;
    use super::*;

    #[test]
    fn holds_what_was_put_in_and_little_else() {
        let keys = Keys::random();
        let key = |n: u32| keys.gram(u64::from(n));
        let mut filter = Filter::with_room(100_000);
        for n in 0..100_000 {
            filter.insert(key(n), n % 13);
        }
        for n in 0..100_000 {
            assert!(filter.has(key(n)));
            let places = Filter::places(filter.word(key(n)), key(n), 13);
            assert_ne!(places & (1 << (n % 13)), 0);
        }
        let false_hits = (200_000..300_000).filter(|n| filter.has(key(*n))).count();
        assert!(false_hits < 8_000, "{false_hits}");
        assert!(filter.fits(100_000) && !filter.fits(1_000_000));
    }

    #[test]
    fn nothing_is_in_an_empty_one() {
        assert!(!Filter::default().has(7));
        assert!(!Filter::with_room(0).has(7));
    }
}
