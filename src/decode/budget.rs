//! How much decoding one request may ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Layers, one inside the other, that can be told apart at all.
pub const MAX_DEPTH: usize = 8;

/// The bounds of a [`Budget`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Layers one inside the other, [`MAX_DEPTH`] at most.
    pub depth: usize,
    /// Decoded bytes for each byte that came in, above `free`.
    pub ratio: u64,
    /// Decoded bytes whatever came in.
    pub free: u64,
    /// Texts under decoding at once.
    pub texts: usize,
    /// Decompressed or otherwise unpacked bytes for each byte that came in, above `free`.
    pub unpacked_ratio: u64,
    /// Decoded bytes for each unpacked byte, beside those for what came in.
    pub decoded_of_unpacked: u64,
    /// Unpacked bytes that beginning a decompression counts as.
    pub unpack_begin: usize,
    /// Decompressions of what runs hold at once.
    pub inflaters: usize,
}

/// What one request may ask for, and what it has used.
#[derive(Clone, Debug)]
pub struct Budget {
    limits: Limits,
    came_in: u64,
    produced: u64,
    unpacked: u64,
    spent: bool,
    /// Layers around what is being decoded.
    around: usize,
    /// Texts under decoding that come of runs.
    seats: Option<Arc<AtomicUsize>>,
    /// Decompressions of what runs hold.
    inflaters: Option<Arc<AtomicUsize>>,
}

/// Room for one text under decoding that comes of a run, or for one decompression of what a run
/// holds, as long as it is kept.
#[derive(Debug)]
pub struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(seats: &mut Option<Arc<AtomicUsize>>, most: usize) -> Option<Self> {
        let seats = seats.get_or_insert_default();
        let taken = Self(Arc::clone(seats));
        (seats.fetch_add(1, Ordering::Relaxed) < most).then_some(taken)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits { depth: limits.depth.min(MAX_DEPTH), ..limits };
        Self {
            limits,
            came_in: 0,
            produced: 0,
            unpacked: 0,
            spent: false,
            around: 0,
            seats: None,
            inflaters: None,
        }
    }

    /// Sets what may be produced whatever came in, of each kind.
    pub fn set_free(&mut self, bytes: u64) {
        self.limits.free = bytes;
    }

    /// How much was produced beyond what the bytes that came in allow by themselves, of both kinds.
    pub fn overdrawn(&self) -> u64 {
        let Limits { ratio, unpacked_ratio, decoded_of_unpacked, .. } = self.limits;
        let allowed = self.came_in.saturating_mul(ratio);
        let allowed = allowed.saturating_add(self.unpacked.saturating_mul(decoded_of_unpacked));
        let unpacked = self.unpacked.saturating_sub(self.came_in.saturating_mul(unpacked_ratio));
        self.produced.saturating_sub(allowed).saturating_add(unpacked)
    }

    /// Says that so many bytes came in.
    pub fn earn(&mut self, bytes: usize) {
        self.came_in += bytes as u64;
    }

    /// Takes so many decoded bytes, and tells whether they were there.
    pub fn spend(&mut self, bytes: usize) -> bool {
        self.produced += bytes as u64;
        self.spent |= !self.allows_more();
        !self.spent
    }

    /// Takes so many bytes that a container (a compression, a charset, a transfer encoding) holds,
    /// and tells whether they were there. They are counted apart from those of escapes, since each of
    /// them may hold escapes in its turn.
    pub fn unpack(&mut self, bytes: usize) -> bool {
        self.unpacked += bytes as u64;
        self.spent |= self.unpacked
            > self
                .limits
                .free
                .saturating_add(self.came_in.saturating_mul(self.limits.unpacked_ratio));
        !self.spent
    }

    /// Layers that may be undone one inside the other.
    pub fn depth(&self) -> usize {
        self.limits.depth.saturating_sub(self.around)
    }

    /// Sets how many layers are around what is decoded next, and tells how many were.
    pub fn set_around(&mut self, layers: usize) -> usize {
        std::mem::replace(&mut self.around, layers)
    }

    /// Whether a run may be decoded inside so many layers. If not, something stays undecoded.
    pub fn allows_layer(&mut self, inside: usize) -> bool {
        let fits = inside < self.limits.depth;
        self.spent |= !fits;
        fits
    }

    /// Room for one more text that comes of a run. If there is none, something stays undecoded.
    pub fn seat(&mut self) -> Option<Seat> {
        let taken = Seat::take(&mut self.seats, self.limits.texts);
        self.spent |= taken.is_none();
        taken
    }

    /// Room for one more decompression of what a run holds, which has its cost, inside so many layers.
    /// If there is none, something stays undecoded.
    pub fn inflater(&mut self, inside: usize) -> Option<Seat> {
        if !self.allows_layer(inside) || !self.unpack(self.limits.unpack_begin) {
            return None;
        }
        let taken = Seat::take(&mut self.inflaters, self.limits.inflaters);
        self.spent |= taken.is_none();
        taken
    }

    /// The same as [`Self::unpack`] for the next piece of what a decompression hands on, where an empty
    /// one tells that another member or frame begins.
    pub fn unpack_piece(&mut self, piece: &[u8]) -> bool {
        self.unpack(if piece.is_empty() { self.limits.unpack_begin } else { piece.len() })
    }

    /// Says that something lies deeper than that.
    pub fn too_deep(&mut self) {
        self.spent = true;
    }

    /// Whether there is room for one more text beside `texts`. If not, something stays undecoded.
    pub fn room(&mut self, texts: usize) -> bool {
        let fits = texts < self.limits.texts;
        self.spent |= !fits;
        fits
    }

    /// Whether anything was left undecoded for want of budget.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// Whether decoded bytes may still be produced.
    pub(super) fn allows_more(&self) -> bool {
        let allowed = self
            .limits
            .free
            .saturating_add(self.came_in.saturating_mul(self.limits.ratio))
            .saturating_add(self.unpacked.saturating_mul(self.limits.decoded_of_unpacked));
        self.produced <= allowed
    }

    /// Bytes that came in and bytes that were decoded from them.
    pub fn inspected(&self) -> u64 {
        self.came_in + self.produced + self.unpacked
    }
}
