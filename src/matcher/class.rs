//! One length class: its tokens' anchor windows, found by probing the text at every `S`-th byte.
//!
//! A window of `Q + S - 1` bytes holds `S` grams of `Q` bytes, all of which are in the filter. Of
//! the positions probed exactly one is the beginning of a gram of any given window in the text, so
//! no window is missed and none is found twice.

use std::sync::Arc;

use super::filter::{self, Filter};
use super::keys::Keys;
use super::probe::{gram, probe};
use super::record::{Record, Table};

/// Windows that are looked up together.
const WINDOWS: usize = 32;
/// Grams of a window, at most.
const GRAMS: usize = 13;

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
        let mut resolve = |at: usize, gram: u32, word: u64| {
            self.resolve(keys, text, at, (gram, word), &mut windows, found);
        };
        probe::<Q, S>(keys, self.grams.words(), text, &mut resolve);
        if let Some(mut windows) = windows
            && windows.count > 0
        {
            self.look_up(&mut windows, found);
        }
    }

    /// Keeps the windows in which the gram at `at` may have its place, and asks for the memory that
    /// tells whether they are in the filter of windows.
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
        let mut places = filter::places(word, hash, S);
        let filter = self.windows.words();
        while places != 0 {
            let place = places.trailing_zeros() as usize;
            places &= places - 1;
            let Some(start) = at.checked_sub(place) else { break };
            let Some(window) = text.get(start..start + Self::WINDOW) else { continue };
            let window = keys.window(window);
            filter.prefetch(filter.place(window));
            windows.push(start, window);
        }
        if windows.is_full() {
            self.look_up(windows, found);
        }
    }

    /// Reports the records of these windows, and forgets them. In steps over all of them, so that
    /// they wait for memory together.
    #[inline(never)]
    fn look_up(&self, windows: &mut Windows, found: &mut impl FnMut(usize, &Record)) {
        let filter = self.windows.words();
        windows.retain(|window| filter.has(window));
        let count = std::mem::take(&mut windows.count);
        let windows = windows.all.get(..count).unwrap_or_default();
        let (base, delta) = (self.base.view(), self.delta.view());
        let mut ranges = [(0, 0); WINDOWS];
        for (range, (_, window)) in ranges.iter_mut().zip(windows) {
            *range = base.range(*window);
        }
        let mut firsts = 0_u64;
        for (place, (range, (_, window))) in ranges.iter().zip(windows).enumerate() {
            firsts |= u64::from(base.first(range.0) == Some(*window)) << place;
        }
        for (place, (range, (start, window))) in ranges.iter().zip(windows).enumerate() {
            if range.1 - range.0 > 1 || firsts >> place & 1 == 1 {
                for record in base.find(*window, *range) {
                    found(*start, record);
                }
            }
        }
        if !self.delta.records().is_empty() {
            for (start, window) in windows {
                for record in delta.find(*window, delta.range(*window)) {
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

    #[inline(always)]
    fn push(&mut self, start: usize, window: u32) {
        if let Some(last) = self.all.get_mut(self.count) {
            *last = (start, window);
            self.count += 1;
        }
    }

    /// Keeps only those that count. Without a branch, which could not be foreseen.
    #[inline(always)]
    fn retain(&mut self, counts: impl Fn(u32) -> bool) {
        let mut kept = 0;
        for place in 0..self.count {
            let Some(&(start, window)) = self.all.get(place) else { break };
            if let Some(slot) = self.all.get_mut(kept) {
                *slot = (start, window);
            }
            kept += usize::from(counts(window));
        }
        self.count = kept;
    }
}
