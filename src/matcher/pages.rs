//! Large tables in large pages.
//!
//! A probe of a large table waits for the translation of its address as long as for its memory. Where
//! a table lies in pages of two megabytes, translations stay at hand.

use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use memmap2::MmapMut;

/// Bytes of a large page.
const LARGE: usize = 2 << 20;
/// Bytes from which on a table gets large pages.
const FROM: usize = LARGE / 2;

/// A slice of fixed length, in large pages where it is large and the system has them.
pub(super) struct Pages<T>(Store<T>);

enum Store<T> {
    Heap(Box<[T]>),
    Mapped { map: MmapMut, skipped: usize, bytes: usize },
}

impl<T: Pod> Pages<T> {
    /// So many zeroes.
    pub(super) fn zeroed(count: usize) -> Self {
        let bytes = count.saturating_mul(size_of::<T>());
        if bytes >= FROM
            && let Some(mapped) = mapped(bytes)
        {
            return Self(mapped);
        }
        Self(Store::Heap(vec![T::zeroed(); count].into_boxed_slice()))
    }
}

/// Room that begins at a large page's border, so that large pages fit.
fn mapped<T>(bytes: usize) -> Option<Store<T>> {
    let map = MmapMut::map_anon(bytes.checked_next_multiple_of(LARGE)? + LARGE).ok()?;
    #[cfg(target_os = "linux")]
    {
        // Without them everything works, only slower.
        let _ = map.advise(memmap2::Advice::HugePage);
    }
    let skipped = map.as_ptr().addr().wrapping_neg() % LARGE;
    Some(Store::Mapped { map, skipped, bytes })
}

impl<T: Pod> Deref for Pages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Store::Heap(all) => all,
            Store::Mapped { map, skipped, bytes } => {
                let all = map.get(*skipped..*skipped + *bytes).unwrap_or_default();
                bytemuck::try_cast_slice(all).unwrap_or_default()
            }
        }
    }
}

impl<T: Pod> DerefMut for Pages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Store::Heap(all) => all,
            Store::Mapped { map, skipped, bytes } => {
                let all = map.get_mut(*skipped..*skipped + *bytes).unwrap_or_default();
                bytemuck::try_cast_slice_mut(all).unwrap_or_default()
            }
        }
    }
}

impl<T: Pod> Default for Pages<T> {
    fn default() -> Self {
        Self(Store::Heap(Box::default()))
    }
}

impl<T: Pod> Clone for Pages<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeroed(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_is_put_in_whatever_its_size() {
        for count in [0, 1, 1_000, FROM / 8, FROM / 8 + 1, LARGE / 8 + 3, 1_000_000] {
            let mut pages = Pages::<u64>::zeroed(count);
            assert_eq!(pages.len(), count);
            assert!(pages.iter().all(|word| *word == 0));
            for (place, word) in (0..).zip(pages.iter_mut()) {
                *word = place;
            }
            let copy = pages.clone();
            drop(pages);
            assert!(copy.iter().copied().eq(0..count as u64));
        }
    }

    #[test]
    fn large_tables_begin_at_a_large_pages_border() {
        let pages = Pages::<u64>::zeroed(1_000_000);
        assert_eq!(pages.as_ptr().addr() % LARGE, 0);
    }
}
