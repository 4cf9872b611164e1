//! One length class under construction: grows token by token. What is new is put beside what is
//! there; all of it is compiled anew where much has changed, or, away from here, where little by
//! little has: see [`Due`].

use std::sync::Arc;

use super::anchor;
use super::class::Class;
use super::filter::Filter;
use super::keys::Keys;
use super::rebuild::{Done, Due};
use super::record::{Record, Table};
use super::shared::Shared;

/// New records that are kept beside the base table, whatever its size.
const DELTA_FREE: usize = 1024;
/// The share of the base table that new records may have beside it.
const DELTA_SHARE: usize = 8;
/// The share of the entries that may be of tokens taken out.
const RETIRED_SHARE: usize = 4;
/// The share of the entries that has to change with one build for all to be compiled with it.
const AT_ONCE_SHARE: usize = 4;
/// Entries up to which all are compiled with the build that finds them crowded: a few milliseconds. Next to
/// none in tests, which want to see the other way.
const AT_ONCE: usize = if cfg!(test) { 1 } else { 1 << 14 };
/// Tokens that are put into the filters together.
pub(super) const TOGETHER: usize = 1 << 18;
/// Bytes from which on a token's own repetitions matter.
const LONG: usize = 256;
/// Counters of how many tokens have a window of a hash.
const USES: usize = 1 << 16;

/// The working copy of one class. Holds hashes of the tokens' windows and grams, no text.
pub(super) struct ClassBuilder<const Q: usize, const S: usize> {
    class: Class<Q, S>,
    sampled: Shared<Sampled<S>>,
    /// How many of them are in the filters.
    filtered: usize,
    /// Records that are not in the base table.
    fresh: Vec<Record>,
    /// How many of them are in the delta table.
    tabled: usize,
    /// Slots of tokens taken out, which are not to be used again before the class forgets them.
    retired: Vec<u32>,
    /// How many of them the last build knew.
    known_retired: usize,
    /// Counts how often all was compiled anew.
    epoch: u64,
    /// Whether that is due, and nobody has been told.
    due: bool,
    /// How many windows there are of each hash, roughly.
    uses: Vec<u8>,
}

/// What of a token is in the filters, so that they can be made anew.
#[derive(Clone, Copy)]
pub(super) struct Sampled<const S: usize> {
    pub(super) token: u32,
    pub(super) window: u32,
    pub(super) grams: [u32; S],
}

/// What a class has of its tokens: of each text what is in the filters, and its record, in no
/// particular order. Those of tokens that were taken out are still among them.
pub(super) struct Entries<const Q: usize, const S: usize> {
    pub(super) sampled: Shared<Sampled<S>>,
    pub(super) base: Arc<Table>,
    /// Records that are not in the base table.
    pub(super) fresh: Vec<Record>,
}

impl<const Q: usize, const S: usize> ClassBuilder<Q, S> {
    /// A class without tokens.
    pub(super) fn new() -> Self {
        Self {
            class: Class::default(),
            sampled: Shared::new(),
            filtered: 0,
            fresh: Vec::new(),
            tabled: 0,
            retired: Vec::new(),
            known_retired: 0,
            epoch: 0,
            due: false,
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
    pub(super) fn build(
        &mut self,
        free: &mut Vec<u32>,
        live: impl Fn(u32) -> bool + Sync,
    ) -> Class<Q, S> {
        let entries = self.sampled.len();
        let crowded = self.retired.len() * RETIRED_SHARE > entries;
        let fits = self.class.grams.fits(entries * S) && self.class.windows.fits(entries);
        let delta =
            self.fresh.len() > DELTA_FREE.max(self.class.base.records().len() / DELTA_SHARE);
        if crowded || !fits || delta {
            let changed = entries - self.filtered + self.retired.len() - self.known_retired;
            if entries <= AT_ONCE || changed * AT_ONCE_SHARE >= entries {
                self.rebuild(free, live);
                return self.class.clone();
            }
            self.due = true;
        }
        self.extend();
        self.class.clone()
    }

    /// What there is now, as it can be written. Cheap: nearly all of it is shared.
    pub(super) fn entries(&self) -> Entries<Q, S> {
        Entries {
            sampled: self.sampled.clone(),
            base: Arc::clone(&self.class.base),
            fresh: self.fresh.clone(),
        }
    }

    /// What has to be compiled anew, where that is due; nothing where it is being done.
    pub(super) fn take_due(&mut self) -> Option<Due<Q, S>> {
        std::mem::take(&mut self.due).then(|| Due {
            epoch: self.epoch,
            sampled: self.sampled.clone(),
            base: Arc::clone(&self.class.base),
            fresh: self.fresh.clone(),
            retired: self.retired.len(),
        })
    }

    /// Takes over what was compiled, unless all was compiled anew meanwhile. What came since is
    /// put beside it with the next build.
    pub(super) fn adopt(&mut self, done: Done<Q, S>, free: &mut Vec<u32>) {
        let Done { due, mut sampled, grams, windows, base } = done;
        if due.epoch != self.epoch {
            return;
        }
        self.epoch += 1;
        self.filtered = sampled.len();
        self.sampled.from(due.sampled.len()).for_each(|new| sampled.push(*new));
        self.sampled = sampled;
        self.class = Class { grams, windows, base, delta: Arc::default() };
        self.fresh.drain(..due.fresh.len());
        // After many have come at once, it would keep as much as all of the table takes.
        self.fresh.shrink_to_fit();
        self.tabled = 0;
        free.extend(self.retired.drain(..due.retired));
        self.known_retired = self.known_retired.saturating_sub(due.retired);
        self.due = false;
    }

    /// Compiles all of it anew.
    fn rebuild(&mut self, free: &mut Vec<u32>, live: impl Fn(u32) -> bool + Sync) {
        self.due = true;
        if let Some(due) = self.take_due() {
            self.adopt(due.run(live), free);
        }
        if self.sampled.len() == 0 {
            *self = Self { epoch: self.epoch, ..Self::new() };
        }
    }

    /// Puts what is new into the filters, and into a table beside the base.
    fn extend(&mut self) {
        for start in (self.filtered..self.sampled.len()).step_by(TOGETHER) {
            fill(&self.class.grams, &self.class.windows, self.sampled.from(start).take(TOGETHER));
        }
        self.filtered = self.sampled.len();
        self.known_retired = self.retired.len();
        if self.tabled < self.fresh.len() {
            self.class.delta = Arc::new(Table::build(self.fresh.iter().copied()));
            self.tabled = self.fresh.len();
        }
    }
}

/// Puts some entries into the filters.
pub(super) fn fill<'entries, const S: usize>(
    grams: &Filter,
    windows: &Filter,
    entries: impl Iterator<Item = &'entries Sampled<S>> + Clone,
) {
    let all = entries.clone().flat_map(|entry| entry.grams.iter().copied().zip((0..).map(Some)));
    grams.insert(all);
    windows.insert(entries.map(|entry| (entry.window, None)));
}
