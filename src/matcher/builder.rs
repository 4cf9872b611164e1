//! One length class under construction: grows token by token, and is compiled anew only where what
//! has changed is a good share of it.

use std::sync::Arc;

use super::anchor;
use super::class::Class;
use super::filter::Filter;
use super::keys::Keys;
use super::record::{Record, Table};

/// New records that are kept beside the base table, whatever its size.
const DELTA_FREE: usize = 1024;
/// The share of the base table that new records may have beside it.
const DELTA_SHARE: usize = 8;
/// The share of the entries that may be of tokens taken out.
const RETIRED_SHARE: usize = 4;
/// Tokens that are put into the filters together.
const TOGETHER: usize = 1 << 16;
/// Bytes from which on a token's own repetitions matter.
const LONG: usize = 256;
/// Counters of how many tokens have a window of a hash.
const USES: usize = 1 << 16;

/// The working copy of one class. Holds hashes of the tokens' windows and grams, no text.
pub(super) struct ClassBuilder<const Q: usize, const S: usize> {
    class: Class<Q, S>,
    sampled: Vec<Sampled<S>>,
    /// How many of them are in the filters.
    filtered: usize,
    /// Records that are not in the base table.
    fresh: Vec<Record>,
    /// How many of them are in the delta table.
    tabled: usize,
    /// Slots of tokens taken out, which are not to be used again before the class forgets them.
    retired: Vec<u32>,
    /// How many windows there are of each hash, roughly.
    uses: Vec<u8>,
}

/// What of a token is in the filters, so that they can be made anew.
struct Sampled<const S: usize> {
    token: u32,
    window: u32,
    grams: [u32; S],
}

impl<const Q: usize, const S: usize> ClassBuilder<Q, S> {
    /// A class without tokens.
    pub(super) fn new() -> Self {
        Self {
            class: Class::default(),
            sampled: Vec::new(),
            filtered: 0,
            fresh: Vec::new(),
            tabled: 0,
            retired: Vec::new(),
            uses: Vec::new(),
        }
    }

    /// Puts a token in whose length is this class's.
    pub(super) fn add(&mut self, keys: &Keys, token: u32, text: &[u8], length: u16) {
        let (offset, hash) = self.anchor(keys, text);
        let window = text.get(offset..offset + Class::<Q, S>::WINDOW).unwrap_or_default();
        let grams = Class::<Q, S>::grams_of(keys, window);
        self.sampled.push(Sampled { token, window: hash, grams });
        let (offset, check, digest) = (offset as u16, keys.check(text), keys.digest(text));
        self.fresh.push(Record { window: hash, token, offset, length, check, digest });
    }

    /// Takes the token in this slot out; it stays in the tables, unseen, for a while.
    pub(super) fn retire(&mut self, token: u32) {
        self.retired.push(token);
    }

    /// The rarest window by its look; where many tokens have it already, the one that fewest have,
    /// so that one look-up never leads to a long list.
    fn anchor(&mut self, keys: &Keys, text: &[u8]) -> (usize, u32) {
        let length = Class::<Q, S>::WINDOW;
        if self.uses.is_empty() {
            self.uses = vec![0; USES];
        }
        let hash =
            |offset: usize| keys.window(text.get(offset..offset + length).unwrap_or_default());
        let place = |hash: u32| hash as usize % USES;
        let uses = |hash: u32| self.uses.get(place(hash)).copied().unwrap_or_default();
        let offset = anchor::choose(text, length);
        let mut best = (offset, hash(offset));
        // What chance alone brings together is no reason to look further.
        let usual = 8 + 2 * (self.sampled.len() / USES);
        // A window that a long token repeats would have all of it verified over and over.
        let repeats = |offset: usize| {
            let window = text.get(offset..offset + length).unwrap_or_default();
            text.len() >= LONG && text.windows(length).filter(|other| *other == window).count() > 1
        };
        if usize::from(uses(best.1)) > usual || repeats(offset) {
            let last = text.len() - length;
            let others = (0..last).step_by(length / 2).chain([last]);
            let others = others.map(|offset| (offset, hash(offset)));
            best =
                others.min_by_key(|(offset, hash)| (repeats(*offset), uses(*hash))).unwrap_or(best);
        }
        if let Some(uses) = self.uses.get_mut(place(best.1)) {
            *uses = uses.saturating_add(1);
        }
        best
    }

    /// Compiles what is there now. Slots that may be used again go to `free`.
    pub(super) fn build(&mut self, free: &mut Vec<u32>, live: impl Fn(u32) -> bool) -> Class<Q, S> {
        let crowded = self.retired.len() * RETIRED_SHARE > self.sampled.len();
        let tokens = self.sampled.len();
        let fits = self.class.grams.fits(tokens * S) && self.class.windows.fits(tokens);
        if crowded || !fits {
            self.rebuild(live);
            free.append(&mut self.retired);
        } else {
            self.extend();
        }
        self.class.clone()
    }

    /// Makes filters and tables anew, without the tokens taken out.
    fn rebuild(&mut self, live: impl Fn(u32) -> bool) {
        if !self.retired.is_empty() {
            self.sampled.retain(|sampled| live(sampled.token));
        }
        if self.sampled.is_empty() {
            let retired = std::mem::take(&mut self.retired);
            *self = Self { retired, ..Self::new() };
            return;
        }
        self.class.grams = Arc::new(Filter::with_room(self.sampled.len() * S));
        self.class.windows = Arc::new(Filter::with_room(self.sampled.len()));
        self.filtered = 0;
        self.filter();
        let records = self.class.base.records().iter().chain(&self.fresh);
        let records = records.filter(|record| live(record.token)).copied();
        self.class.base = Arc::new(Table::build(records));
        self.forget_delta();
    }

    /// Puts what is new into the filters and tables that are there.
    fn extend(&mut self) {
        if self.filtered < self.sampled.len() {
            self.filter();
        }
        let base = self.class.base.records();
        if self.fresh.len() > DELTA_FREE.max(base.len() / DELTA_SHARE) {
            let records = base.iter().chain(&self.fresh).copied();
            self.class.base = Arc::new(Table::build(records));
            self.forget_delta();
        } else if self.tabled < self.fresh.len() {
            self.class.delta = Arc::new(Table::build(self.fresh.iter().copied()));
            self.tabled = self.fresh.len();
        }
    }

    fn filter(&mut self) {
        let new = self.sampled.get(self.filtered..).unwrap_or_default();
        for some in new.chunks(TOGETHER) {
            let grams =
                some.iter().flat_map(|sampled| sampled.grams.iter().copied().zip((0..).map(Some)));
            self.class.grams.insert(grams);
        }
        self.class.windows.insert(new.iter().map(|sampled| (sampled.window, None)));
        self.filtered = self.sampled.len();
    }

    fn forget_delta(&mut self) {
        self.class.delta = Arc::default();
        self.fresh = Vec::new();
        self.tabled = 0;
    }
}
