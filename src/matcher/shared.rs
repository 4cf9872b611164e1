//! A vector in pieces that are shared between versions: a version's copy costs what has changed.

use std::sync::Arc;

/// Items of one piece.
const PIECE: usize = 1024;

/// A vector whose copies share all pieces that neither has changed since.
#[derive(Clone)]
pub(super) struct Shared<T> {
    pieces: Vec<Arc<Vec<T>>>,
    length: usize,
}

impl<T: Clone> Shared<T> {
    /// One without items.
    pub(super) const fn new() -> Self {
        Self { pieces: Vec::new(), length: 0 }
    }

    /// How many items it has.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The item at this place.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }

    /// The item at this place, to be changed: its piece is copied where another version has it.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        Arc::make_mut(self.pieces.get_mut(index / PIECE)?).get_mut(index % PIECE)
    }

    /// Puts an item at the end.
    pub(super) fn push(&mut self, item: T) {
        if self.length.is_multiple_of(PIECE) {
            self.pieces.push(Arc::new(Vec::new()));
        }
        if let Some(last) = self.pieces.last_mut() {
            Arc::make_mut(last).push(item);
            self.length += 1;
        }
    }

    /// All items in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }

    /// The items from this place on.
    pub(super) fn from(&self, start: usize) -> impl Iterator<Item = &T> + Clone {
        let pieces = self.pieces.get(start / PIECE..).unwrap_or_default();
        pieces.iter().flat_map(|piece| piece.iter()).skip(start % PIECE)
    }

    /// Memory it takes, in bytes, without what its items point to.
    pub(super) fn memory_bytes(&self) -> usize {
        let items: usize = self.pieces.iter().map(|piece| piece.capacity() * size_of::<T>()).sum();
        items + self.pieces.capacity() * size_of::<Arc<Vec<T>>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_what_it_had() {
        let mut items = Shared::new();
        for n in 0..5_000 {
            items.push(n);
        }
        let copy = items.clone();
        *items.get_mut(3_000).unwrap() = 0;
        items.push(5_000);
        assert!(copy.iter().copied().eq(0..5_000));
        assert_eq!((copy.get(3_000), items.get(3_000)), (Some(&3_000), Some(&0)));
        assert_eq!((copy.len(), items.len(), items.get(5_000)), (5_000, 5_001, Some(&5_000)));
        assert_eq!(items.get(5_001), None);
        for start in [0, 1, 1_024, 4_000, 5_001, 9_000] {
            assert!(copy.from(start).copied().eq(start..5_000));
        }
        assert!(items.get_mut(5_001).is_none());
    }
}
