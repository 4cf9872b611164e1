//! What is kept of a text token, and the tables in which it is found by its window's hash.

use bytemuck::Zeroable;

use super::keys::Digest;
use super::pages::Pages;

/// What is kept of a text token in its text's place.
#[derive(Clone, Copy, Default, Zeroable)]
pub(super) struct Record {
    /// Hash of its anchor window.
    pub(super) window: u32,
    /// Its slot in the patchset.
    pub(super) token: u32,
    /// Where in it the anchor window begins.
    pub(super) offset: u16,
    /// Its length in bytes.
    pub(super) length: u16,
    /// Quick hash of all of it.
    pub(super) check: u32,
    /// Digest of all of it.
    pub(super) digest: Digest,
}

/// Records in the order of their windows' hashes, and where each range of hashes begins.
#[derive(Default)]
pub(super) struct Table {
    records: Pages<Record>,
    starts: Pages<u32>,
    shift: u32,
}

impl Table {
    /// A table of these records. Linear in their number: a counting sort by the hash's high bits.
    pub(super) fn build(records: impl Iterator<Item = Record> + Clone) -> Self {
        let count = records.clone().count();
        if count == 0 {
            return Self::default();
        }
        // Two records a range on average: a byte or two a token, and one cache line a look-up.
        let ranges = (count / 2).max(2).next_power_of_two();
        let shift = 32 - ranges.trailing_zeros();
        let mut starts = Pages::<u32>::zeroed(ranges + 1);
        for record in records.clone() {
            if let Some(start) = starts.get_mut((record.window >> shift) as usize + 1) {
                *start += 1;
            }
        }
        let mut sum = 0;
        for start in starts.iter_mut() {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.to_vec();
        let mut sorted = Pages::<Record>::zeroed(count);
        let room = &mut *sorted;
        for record in records {
            let Some(place) = next.get_mut((record.window >> shift) as usize) else { continue };
            if let Some(slot) = room.get_mut(*place as usize) {
                *slot = record;
            }
            *place += 1;
        }
        Self { records: sorted, starts, shift }
    }

    /// All records.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// The table, to be looked into several times.
    #[inline(always)]
    pub(super) fn view(&self) -> View<'_> {
        View { records: &self.records, starts: &self.starts, shift: self.shift }
    }

    /// Memory it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.records) + size_of_val(&*self.starts)
    }
}

/// A table that is looked into.
#[derive(Clone, Copy)]
pub(super) struct View<'table> {
    records: &'table [Record],
    starts: &'table [u32],
    shift: u32,
}

impl<'table> View<'table> {
    /// Where the records are among which those of a window with this hash would be.
    #[inline(always)]
    pub(super) fn range(self, window: u32) -> (u32, u32) {
        match self.starts.get((window >> self.shift) as usize..) {
            Some([start, end, ..]) => (*start, *end),
            _ => (0, 0),
        }
    }

    /// The hash of the first record's window from here on.
    #[inline(always)]
    pub(super) fn first(self, start: u32) -> Option<u32> {
        self.records.get(start as usize).map(|record| record.window)
    }

    /// The records in the range whose window has this hash.
    #[inline]
    pub(super) fn find(
        self,
        window: u32,
        range: (u32, u32),
    ) -> impl Iterator<Item = &'table Record> {
        let records = self.records.get(range.0 as usize..range.1 as usize).unwrap_or_default();
        records.iter().filter(move |record| record.window == window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_record_by_its_window() {
        for count in [0_u32, 1, 2, 3, 1_000] {
            let window = |n: u32| (n / 2).wrapping_mul(0x9e37_79b9);
            let records =
                (0..count).map(|n| Record { window: window(n), token: n, ..Record::default() });
            let table = Table::build(records);
            for n in 0..count {
                assert!(
                    table
                        .view()
                        .find(window(n), table.view().range(window(n)))
                        .any(|record| record.token == n)
                );
                assert!(table.view().find(window(n), table.view().range(window(n))).count() <= 2);
            }
            assert_eq!(table.view().find(0x1234_5678, table.view().range(0x1234_5678)).count(), 0);
            assert_eq!(table.records().len(), count as usize);
        }
    }

    #[test]
    fn a_record_is_small() {
        assert_eq!(size_of::<Record>(), 32);
    }
}
