//! The secret seed of a writer's patchsets, and the hashes under it.

use std::hash::{BuildHasher, Hasher, RandomState};

use aws_lc_rs::rand;
use bytemuck::Zeroable;
use siphasher::sip128::{Hasher128, SipHasher13};
use zeroize::Zeroizing;

/// Bytes of a seed.
pub(super) const SEED_BYTES: usize = 64;

/// Every hash of a patchset is under these keys: who sends text cannot choose what collides.
#[derive(Clone)]
pub(super) struct Keys {
    gram: [u32; 4],
    window: [u64; 4],
    digest: SipHasher13,
}

impl Keys {
    /// New keys from the system's randomness.
    pub(super) fn random() -> Self {
        let mut bytes = Zeroizing::new([0; SEED_BYTES]);
        if rand::fill(&mut *bytes).is_err() {
            // The standard library's own seed, rather than a panic or a known key.
            for chunk in bytes.as_chunks_mut::<8>().0 {
                *chunk = RandomState::new().build_hasher().finish().to_le_bytes();
            }
        }
        Self::from_seed(&bytes)
    }

    /// The keys of this seed.
    pub(super) fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
        let mut words = seed.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk));
        let mut next = || words.next().unwrap_or_default();
        let [one, other] = [next(), next()];
        let mut halves = [one, one >> 32, other, other >> 32].into_iter();
        let mut half = || halves.next().unwrap_or_default() as u32;
        Self {
            gram: [half(), half() | 1, half(), half() | 1],
            window: [next(), next() | 1, next(), next() | 1],
            digest: SipHasher13::new_with_keys(next(), next()),
        }
    }

    /// A seed of these keys.
    pub(super) fn seed(&self) -> Zeroizing<[u8; SEED_BYTES]> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        let grams = self.gram.as_chunks::<2>().0.iter();
        let grams = grams.map(|[low, high]| u64::from(*high) << 32 | u64::from(*low));
        let (one, other) = self.digest.keys();
        let words = grams.chain(self.window).chain([one, other]);
        for (bytes, word) in seed.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        seed
    }

    /// Hash of a gram of up to eight bytes: products of halves of words, which vector units have.
    #[inline(always)]
    pub(super) fn gram(&self, gram: u64) -> u32 {
        let [salt, factor, salt2, factor2] = self.gram;
        let low = u64::from(gram as u32 ^ salt) * u64::from(factor);
        let high = u64::from((gram >> 32) as u32 ^ salt2) * u64::from(factor2);
        let sum = low.wrapping_add(high.rotate_left(32));
        (sum ^ sum >> 32) as u32
    }

    /// Hash of an anchor window of 6 to 24 bytes.
    #[inline(always)]
    pub(super) fn window(&self, window: &[u8]) -> u32 {
        let [salt, factor, salt2, factor2] = self.window;
        let first = prefix(window);
        let last = suffix(window);
        let mut hash = fold(first ^ salt, factor) ^ last;
        if window.len() > 16 {
            let middle = window.get(8..).map_or(0, prefix);
            hash = fold(hash ^ salt2, factor2) ^ middle;
        }
        (fold(hash ^ salt, factor2) >> 32) as u32
    }

    /// A quick hash of a whole span of 6 bytes and more, which rejects nearly every candidate that
    /// is not its token at a fraction of what the digest costs.
    #[inline]
    pub(super) fn check(&self, span: &[u8]) -> u32 {
        let [salt, factor, salt2, factor2] = self.window;
        let (mut left, mut right) = (salt2, salt);
        let (chunks, _) = span.as_chunks::<16>();
        for chunk in chunks {
            left = fold(left ^ prefix(chunk), factor);
            right = fold(right ^ suffix(chunk), factor2);
        }
        let tail = span.get(span.len().saturating_sub(16)..).unwrap_or_default();
        left = fold(left ^ prefix(tail), factor);
        right = fold(right ^ suffix(tail), factor2);
        (fold(left ^ salt2, right | 1) >> 32) as u32
    }

    /// The digest that a candidate's whole span is verified by.
    pub(super) fn digest(&self, span: &[u8]) -> Digest {
        Digest(self.digest.hash(span).as_u128().to_le_bytes())
    }

    /// The same of a span that lies in two pieces.
    pub(super) fn digest_pair(&self, head: &[u8], tail: &[u8]) -> Digest {
        if head.is_empty() {
            return self.digest(tail);
        }
        let mut hasher = self.digest;
        hasher.write(head);
        hasher.write(tail);
        Digest(hasher.finish128().as_u128().to_le_bytes())
    }
}

/// A keyed 128-bit digest of a token's whole text. Bytes, so that a record needs no padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Zeroable)]
pub(super) struct Digest(pub(super) [u8; 16]);

/// Both halves of the product: the cheapest mixing of all input bits that there is.
#[inline(always)]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The first eight bytes as a number, or as many as there are.
#[inline(always)]
pub(super) fn prefix(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)),
    }
}

/// The last eight bytes as a number; none of fewer, which [`prefix`] covers.
#[inline(always)]
fn suffix(bytes: &[u8]) -> u64 {
    bytes.last_chunk::<8>().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_digest_as_the_whole() {
        let keys = Keys::random();
        let text: Vec<u8> = (0..100).collect();
        for split in 0..=text.len() {
            let (head, tail) = text.split_at(split);
            assert!(keys.digest_pair(head, tail) == keys.digest(&text));
        }
        assert!(Keys::random().digest(&text) != keys.digest(&text));
    }

    #[test]
    fn a_seed_gives_the_same_keys() {
        let keys = Keys::random();
        let same = Keys::from_seed(&keys.seed());
        let text = b"0123456789abcdefghij";
        assert!(same.digest(text) == keys.digest(text));
        assert_eq!(same.check(text), keys.check(text));
        assert_eq!(same.window(text), keys.window(text));
        assert_eq!(same.gram(0x0123_4567_89ab_cdef), keys.gram(0x0123_4567_89ab_cdef));
        assert_eq!(*same.seed(), *keys.seed());
    }

    #[test]
    fn every_byte_of_a_span_is_checked() {
        let keys = Keys::random();
        for length in [6, 8, 15, 16, 17, 40, 100] {
            let span: Vec<u8> = (1..=length).collect();
            for place in 0..span.len() {
                let mut other = span.clone();
                other[place] ^= 0x20;
                assert_ne!(keys.check(&span), keys.check(&other));
            }
        }
    }

    #[test]
    fn every_byte_of_a_window_matters() {
        let keys = Keys::random();
        for length in [6, 8, 12, 20] {
            let window: Vec<u8> = (1..=length).collect();
            for place in 0..window.len() {
                let mut other = window.clone();
                other[place] ^= 0x20;
                assert_ne!(keys.window(&window), keys.window(&other));
            }
        }
    }
}
