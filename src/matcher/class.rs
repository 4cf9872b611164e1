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
/// Windows that are looked up together.
const WINDOWS: usize = 32;
/// Grams of a window, at most.
const GRAMS: usize = 13;
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
        let mut windows = None;
        let mut at = 0;
        let mut next = self.probe(keys, text, at);
        while let Some(probes) = next {
            // The next batch's loads are under way before this one's hits are known.
            next = self.probe(keys, text, at + BATCH * S);
            let mut hits = 0_u64;
            for (place, (hash, word)) in probes.iter().enumerate() {
                hits |= Filter::hit(*word, *hash) << place;
            }
            while hits != 0 {
                let place = hits.trailing_zeros() as usize;
                hits &= hits - 1;
                if let Some(probe) = probes.get(place) {
                    self.resolve(keys, text, at + place * S, *probe, &mut windows, found);
                }
            }
            at += BATCH * S;
        }
        while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= Q) {
            let hash = keys.gram(gram::<Q>(rest));
            let word = self.grams.word(hash);
            if Filter::hit(word, hash) == 1 {
                self.resolve(keys, text, at, (hash, word), &mut windows, found);
            }
            at += S;
        }
        if let Some(mut windows) = windows {
            self.look_up(&mut windows, found);
        }
    }

    /// The hashes of a batch of grams from `at` on, and the words in which they may be; none where
    /// the text ends too soon.
    #[inline(always)]
    fn probe(&self, keys: &Keys, text: &[u8], at: usize) -> Option<[(u32, u64); BATCH]> {
        let block = text.get(at..at + (BATCH - 1) * S + READ)?;
        let mut probes = [(0, 0); BATCH];
        for (place, (hash, _)) in probes.iter_mut().enumerate() {
            *hash = keys.gram(gram::<Q>(block.get(place * S..).unwrap_or_default()));
        }
        for (hash, word) in &mut probes {
            *word = self.grams.word(*hash);
        }
        Some(probes)
    }

    /// Tries the places in a window that the gram at `at` may have, and keeps the windows that are
    /// in the filter of windows.
    #[inline(never)]
    fn resolve(
        &self,
        keys: &Keys,
        text: &[u8],
        at: usize,
        (hash, word): (u32, u64),
        windows: &mut Option<Windows>,
        found: &mut impl FnMut(usize, &Record),
    ) {
        let windows = windows.get_or_insert_default();
        let mut places = Filter::places(word, hash, S);
        while places != 0 {
            let place = places.trailing_zeros() as usize;
            places &= places - 1;
            let Some(start) = at.checked_sub(place) else { break };
            let Some(window) = text.get(start..start + Self::WINDOW) else { continue };
            let window = keys.window(window);
            windows.push_if(self.windows.has(window), start, window);
        }
        if windows.is_full() {
            self.look_up(windows, found);
        }
    }

    /// Reports the records of these windows, and forgets them. In steps over all of them, so that
    /// they wait for memory together.
    #[inline(never)]
    fn look_up(&self, windows: &mut Windows, found: &mut impl FnMut(usize, &Record)) {
        let windows = std::mem::take(windows);
        let windows = windows.all.get(..windows.count).unwrap_or_default();
        let mut ranges = [(0, 0); WINDOWS];
        for (range, (_, window)) in ranges.iter_mut().zip(windows) {
            *range = self.base.range(*window);
        }
        let mut firsts = 0_u64;
        for (place, (range, (_, window))) in ranges.iter().zip(windows).enumerate() {
            firsts |= u64::from(self.base.first(range.0) == Some(*window)) << place;
        }
        for (place, (range, (start, window))) in ranges.iter().zip(windows).enumerate() {
            if range.1 - range.0 > 1 || firsts >> place & 1 == 1 {
                for record in self.base.find(*window, *range) {
                    found(*start, record);
                }
            }
        }
        if !self.delta.records().is_empty() {
            for (start, window) in windows {
                for record in self.delta.find(*window, self.delta.range(*window)) {
                    found(*start, record);
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

/// Windows of the text that are to be looked up together: where each begins, and its hash.
struct Windows {
    all: [(usize, u32); WINDOWS],
    count: usize,
}

impl Default for Windows {
    fn default() -> Self {
        Self { all: [(0, 0); WINDOWS], count: 0 }
    }
}

impl Windows {
    /// Whether those of another gram may not find room.
    fn is_full(&self) -> bool {
        self.count + GRAMS > WINDOWS
    }

    /// Keeps the window, where it counts. Without a branch, which could not be foreseen.
    #[inline(always)]
    fn push_if(&mut self, counts: bool, start: usize, window: u32) {
        if let Some(last) = self.all.get_mut(self.count) {
            *last = (start, window);
        }
        self.count += usize::from(counts);
    }
}

/// The first `Q` bytes as a number.
#[inline(always)]
fn gram<const Q: usize>(bytes: &[u8]) -> u64 {
    prefix(bytes) & (u64::MAX >> (64 - 8 * Q))
}
