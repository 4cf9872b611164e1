//! Compiling a length class anew, away from the working copy: from a copy of what was there, while
//! the working copy goes on.

use std::sync::Arc;

use super::builder::{Sampled, TOGETHER, fill};
use super::filter::Filter;
use super::record::{Record, Table};
use super::rulebook::Rulebook;
use super::shared::Shared;

/// Entries from which on the tables are made beside the filters, on a thread of their own.
const APART: usize = 1 << 15;

/// What of a class was there when its rebuild began.
pub(super) struct Due<const Q: usize, const S: usize> {
    /// Which of the rebuilds of the class it is.
    pub(super) epoch: u64,
    pub(super) sampled: Shared<Sampled<S>>,
    pub(super) base: Arc<Table>,
    /// Records that are not in the base table.
    pub(super) fresh: Vec<Record>,
    /// How many slots were retired.
    pub(super) retired: usize,
}

/// What came of it.
pub(super) struct Done<const Q: usize, const S: usize> {
    pub(super) due: Due<Q, S>,
    pub(super) sampled: Shared<Sampled<S>>,
    pub(super) grams: Arc<Filter>,
    pub(super) windows: Arc<Filter>,
    pub(super) base: Arc<Table>,
}

impl<const Q: usize, const S: usize> Due<Q, S> {
    /// Makes filters and table without the tokens taken out.
    pub(super) fn run(self, live: impl Fn(u32) -> bool + Sync) -> Done<Q, S> {
        let mut sampled = Shared::new();
        if self.retired == 0 {
            sampled = self.sampled.clone();
        } else {
            let kept = self.sampled.from(0).filter(|entry| live(entry.token));
            kept.for_each(|entry| sampled.push(*entry));
        }
        let tables = || {
            let records = self.base.records().iter().chain(&self.fresh);
            Table::build(records.filter(|record| live(record.token)).copied())
        };
        let filters = || {
            let grams = Filter::with_room(sampled.len() * S);
            let windows = Filter::with_room(sampled.len());
            for start in (0..sampled.len()).step_by(TOGETHER) {
                fill(&grams, &windows, sampled.from(start).take(TOGETHER));
            }
            (grams, windows)
        };
        let (base, (grams, windows)) = if sampled.len() < APART {
            (tables(), filters())
        } else {
            std::thread::scope(|scope| {
                let tables = scope.spawn(tables);
                let made = filters();
                match tables.join() {
                    Ok(base) => (base, made),
                    // Half a patchset is none.
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            })
        };
        let (grams, windows, base) = (Arc::new(grams), Arc::new(windows), Arc::new(base));
        Done { due: self, sampled, grams, windows, base }
    }
}

/// A rebuild that is due: take it to another thread, [run](Self::run) it, and let the writer
/// [adopt](super::PatchsetWriter::adopt) what comes of it.
pub struct Rebuild {
    pub(super) book: Rulebook,
    pub(super) long: Option<Due<8, 13>>,
    pub(super) middle: Option<Due<8, 5>>,
    pub(super) short: Option<Due<6, 3>>,
    pub(super) tiny: Option<Due<4, 3>>,
}

/// A rebuild that is done.
pub struct Rebuilt {
    pub(super) long: Option<Done<8, 13>>,
    pub(super) middle: Option<Done<8, 5>>,
    pub(super) short: Option<Done<6, 3>>,
    pub(super) tiny: Option<Done<4, 3>>,
}

impl Rebuild {
    /// Compiles it: some tenths of a second for a million tokens.
    pub fn run(self) -> Rebuilt {
        let live = |token: u32| self.book.is_live(token);
        Rebuilt {
            long: self.long.map(|due| due.run(live)),
            middle: self.middle.map(|due| due.run(live)),
            short: self.short.map(|due| due.run(live)),
            tiny: self.tiny.map(|due| due.run(live)),
        }
    }
}
