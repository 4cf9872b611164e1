//! Large tables in large pages.
//!
//! A probe of a large table waits for the translation of its address as long as for its memory. Where
//! a table lies in pages of two megabytes, translations stay at hand.

use std::ops::{Deref, DerefMut};

use bytemuck::Zeroable;
use memmap2::MmapMut;

/// Bytes of a large page.
const LARGE: usize = 2 << 20;
/// Bytes from which on a table gets large pages.
const FROM: usize = LARGE / 2;

/// A slice of fixed length, in large pages where it is large and the system has them.
pub(super) struct Pages<T>(Store<T>);

enum Store<T> {
    Heap(Box<[T]>),
    Mapped { map: MmapMut, skipped: usize, count: usize },
}

impl<T: Zeroable> Pages<T> {
    /// So many zeroes.
    pub(super) fn zeroed(count: usize) -> Self {
        const { assert!(!std::mem::needs_drop::<T>() && align_of::<T>() <= LARGE) };
        if count.saturating_mul(size_of::<T>()) >= FROM
            && let Some(mapped) = mapped(count)
        {
            return Self(mapped);
        }
        Self(Store::Heap((0..count).map(|_| T::zeroed()).collect()))
    }
}

/// Room that begins at a large page's border, so that large pages fit.
fn mapped<T>(count: usize) -> Option<Store<T>> {
    let bytes = count.checked_mul(size_of::<T>())?;
    let map = MmapMut::map_anon(bytes.checked_next_multiple_of(LARGE)?.checked_add(LARGE)?).ok()?;
    #[cfg(target_os = "linux")]
    {
        // Without them everything works, only slower.
        let _ = map.advise(memmap2::Advice::HugePage);
    }
    let skipped = map.as_ptr().addr().wrapping_neg() % LARGE;
    Some(Store::Mapped { map, skipped, count })
}

impl<T: Zeroable> Deref for Pages<T> {
    type Target = [T];

    #[allow(unsafe_code, reason = "mapped memory is bytes; the gain of large pages is measured")]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Store::Heap(all) => all,
            // SAFETY: the mapping begins at most `LARGE - 1` bytes before `skipped`, and is `LARGE`
            // bytes longer than `count` items, so all of them lie in it, from a border of `LARGE`
            // on, which aligns them. It was zeroes at first, which `T` may be, and is never used as
            // anything else than `T`; it lives as long as `self`.
            Store::Mapped { map, skipped, count } => unsafe {
                std::slice::from_raw_parts(map.as_ptr().add(*skipped).cast(), *count)
            },
        }
    }
}

impl<T: Zeroable> DerefMut for Pages<T> {
    #[allow(unsafe_code, reason = "mapped memory is bytes; the gain of large pages is measured")]
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Store::Heap(all) => all,
            // SAFETY: as above; `self` is borrowed alone.
            Store::Mapped { map, skipped, count } => unsafe {
                std::slice::from_raw_parts_mut(map.as_mut_ptr().add(*skipped).cast(), *count)
            },
        }
    }
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self(Store::Heap(Box::default()))
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
            assert!(pages.iter().copied().eq(0..count as u64));
        }
    }

    #[test]
    fn large_tables_begin_at_a_large_pages_border() {
        let pages = Pages::<u64>::zeroed(1_000_000);
        assert_eq!(pages.as_ptr().addr() % LARGE, 0);
    }
}
