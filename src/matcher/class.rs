//! One length class: its tokens' anchor windows, found by probing the text at every `S`-th byte.
//!
//! A window of `Q + S - 1` bytes holds `S` grams of `Q` bytes, all of which are in the filter. Of
//! the positions probed exactly one is the beginning of a gram of any given window in the text, so
//! no window is missed and none is found twice.

use std::sync::Arc;

use super::filter::Filter;
use super::keys::{Keys, prefix};
use super::record::{Record, Table};

/// Probes that are under way at once, so that they wait for memory together.
const BATCH: usize = 16;
/// Bytes that are read of a gram, of which its first `Q` count.
const READ: usize = 8;

/// What a scan needs of one length class. Shared between the patchsets in which it is the same.
#[derive(Clone, Default)]
pub(super) struct Class<const Q: usize, const S: usize> {
    pub(super) grams: Arc<Filter>,
    pub(super) windows: Arc<Filter>,
    pub(super) base: Arc<Table>,
    pub(super) delta: Arc<Table>,
}

impl<const Q: usize, const S: usize> Class<Q, S> {
    /// Bytes of an anchor window: the shortest token of the class.
    pub(super) const WINDOW: usize = Q + S - 1;

    /// Whether it has no token.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.base.records().is_empty() && self.delta.records().is_empty()
    }

    /// Memory it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.grams.memory_bytes()
            + self.windows.memory_bytes()
            + self.base.memory_bytes()
            + self.delta.memory_bytes()
    }

    /// Reports each window in the text, and the record whose window it is.
    #[inline]
    pub(super) fn scan(&self, keys: &Keys, text: &[u8], found: &mut impl FnMut(usize, &Record)) {
        if self.is_empty() || text.len() < Self::WINDOW {
            return;
        }
        let mut at = 0;
        while let Some(block) = text.get(at..at + (BATCH - 1) * S + READ) {
            let mut hashes = [0; BATCH];
            for (place, hash) in hashes.iter_mut().enumerate() {
                *hash = keys.gram(gram::<Q>(block.get(place * S..).unwrap_or_default()));
            }
            let mut hits = 0_u64;
            for (place, hash) in hashes.iter().enumerate() {
                hits |= Filter::hit(self.grams.word(*hash), *hash) << place;
            }
            while hits != 0 {
                let place = hits.trailing_zeros() as usize;
                hits &= hits - 1;
                let hash = hashes.get(place).copied().unwrap_or_default();
                self.resolve(keys, text, at + place * S, hash, found);
            }
            at += BATCH * S;
        }
        while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= Q) {
            let hash = keys.gram(gram::<Q>(rest));
            if self.grams.has(hash) {
                self.resolve(keys, text, at, hash, found);
            }
            at += S;
        }
    }

    /// Tries the places in a window that the gram at `at` may have.
    #[inline(never)]
    fn resolve(
        &self,
        keys: &Keys,
        text: &[u8],
        at: usize,
        hash: u32,
        found: &mut impl FnMut(usize, &Record),
    ) {
        let mut places = Filter::places(self.grams.word(hash), hash, S);
        while places != 0 {
            let place = places.trailing_zeros() as usize;
            places &= places - 1;
            let Some(start) = at.checked_sub(place) else { break };
            let Some(window) = text.get(start..start + Self::WINDOW) else { continue };
            let window = keys.window(window);
            if self.windows.has(window) {
                for record in self.base.find(window).chain(self.delta.find(window)) {
                    found(start, record);
                }
            }
        }
    }

    /// Hashes of the grams of a window, in order.
    pub(super) fn grams_of(keys: &Keys, window: &[u8]) -> [u32; S] {
        let mut hashes = [0; S];
        for (hash, bytes) in hashes.iter_mut().zip(window.windows(Q)) {
            *hash = keys.gram(gram::<Q>(bytes));
        }
        hashes
    }
}

/// The first `Q` bytes as a number.
#[inline(always)]
fn gram<const Q: usize>(bytes: &[u8]) -> u64 {
    prefix(bytes) & (u64::MAX >> (64 - 8 * Q))
}
