//! How much decoding one request may ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Layers, one inside the other, that can be told apart at all.
pub const MAX_DEPTH: usize = 8;

/// Work of one byte that escapes decode to: it is decoded, matched, and looked through for all
/// layers again, so that it costs more still where most of a text is escapes; but honest texts mix them,
/// too. The unit is what one unpacked byte, or one that a run decodes to, costs: a nanosecond or two.
const ESCAPED: u64 = 3;
/// Work of each text under decoding for each piece that comes, however short.
const PIECE: u64 = 8;
/// Work of beginning a text beside another one, whose last bytes it begins with.
const BRANCH: u64 = 64;
/// Work of beginning a text that is given whole, beside its bytes.
const WHOLE: u64 = 256;
/// Work of beginning a text that comes of a run. It costs more, but honest lists of short ids in base64
/// begin one for each id.
const RUN: u64 = 384;
/// Work of beginning a decompression, or another member or frame of one. The same holds for short messages.
const INFLATING: u64 = 1024;

/// The bounds of a [`Budget`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Layers one inside the other, [`MAX_DEPTH`] at most.
    pub depth: usize,
    /// Work for each byte that came in, above `free`: one for each byte that is unpacked or that a run
    /// of base64 or hex decodes to, three for each that escapes decode to, and more where something
    /// begins.
    pub ratio: u64,
    /// Work whatever came in.
    pub free: u64,
    /// Texts under decoding at once.
    pub texts: usize,
    /// Decompressions of what runs hold at once.
    pub inflaters: usize,
}

/// What one request may ask for, and what it has used.
#[derive(Clone, Debug)]
pub struct Budget {
    limits: Limits,
    came_in: u64,
    /// Bytes that were decoded or unpacked.
    produced: u64,
    work: u64,
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
            work: 0,
            spent: false,
            around: 0,
            seats: None,
            inflaters: None,
        }
    }

    /// Sets what work there is whatever comes in.
    pub fn set_free(&mut self, work: u64) {
        self.limits.free = work;
    }

    /// How much work was done beyond what the bytes that came in allow by themselves.
    pub fn overdrawn(&self) -> u64 {
        self.work.saturating_sub(self.came_in.saturating_mul(self.limits.ratio))
    }

    /// Says that so many bytes came in.
    pub fn earn(&mut self, bytes: usize) {
        self.came_in += bytes as u64;
    }

    /// Takes so many bytes that escapes decode to, and tells whether they were there.
    pub fn spend(&mut self, bytes: usize) -> bool {
        self.produced += bytes as u64;
        self.take(bytes as u64 * ESCAPED)
    }

    /// Takes so many bytes that a run decodes to, or that a container (a compression, a charset, a
    /// transfer encoding) holds, and tells whether they were there.
    pub fn unpack(&mut self, bytes: usize) -> bool {
        self.produced += bytes as u64;
        self.take(bytes as u64)
    }

    /// Takes so many bytes of a text given whole that escapes decode to, and tells whether they were
    /// there.
    pub fn spend_whole(&mut self, bytes: usize) -> bool {
        self.take(WHOLE) && self.spend(bytes)
    }

    /// Takes another piece of so many texts under decoding, and tells whether it was there.
    pub fn begin_piece(&mut self, texts: usize) -> bool {
        self.take(texts as u64 * PIECE)
    }

    /// Takes the beginning of a decompression, and tells whether it was there.
    pub fn begin_inflating(&mut self) -> bool {
        self.take(INFLATING)
    }

    /// Takes so much work that was done already, and tells whether it was there.
    pub fn take(&mut self, work: u64) -> bool {
        self.work = self.work.saturating_add(work);
        self.spent |= !self.allows_more();
        !self.spent
    }

    /// The work that was done.
    pub fn work(&self) -> u64 {
        self.work
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
        if !self.take(RUN) {
            return None;
        }
        let taken = Seat::take(&mut self.seats, self.limits.texts);
        self.spent |= taken.is_none();
        taken
    }

    /// Room for one more decompression of what a run holds, which has its cost, inside so many layers.
    /// If there is none, something stays undecoded.
    pub fn inflater(&mut self, inside: usize) -> Option<Seat> {
        if !self.allows_layer(inside) || !self.begin_inflating() {
            return None;
        }
        let taken = Seat::take(&mut self.inflaters, self.limits.inflaters);
        self.spent |= taken.is_none();
        taken
    }

    /// The same as [`Self::unpack`] for the next piece of what a decompression hands on, where an empty
    /// one tells that another member or frame begins.
    pub fn unpack_piece(&mut self, piece: &[u8]) -> bool {
        if piece.is_empty() { self.begin_inflating() } else { self.unpack(piece.len()) }
    }

    /// Says that something lies deeper than that.
    pub fn too_deep(&mut self) {
        self.spent = true;
    }

    /// Room for one more text beside `texts`. If there is none, something stays undecoded.
    pub fn room(&mut self, texts: usize) -> bool {
        let fits = texts < self.limits.texts;
        self.spent |= !fits;
        fits && self.take(BRANCH)
    }

    /// Whether anything was left undecoded for want of budget.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// Whether any more may be done.
    pub(super) fn allows_more(&self) -> bool {
        self.work <= self.allowed()
    }

    fn allowed(&self) -> u64 {
        self.limits.free.saturating_add(self.came_in.saturating_mul(self.limits.ratio))
    }

    /// Bytes that came in and bytes that were decoded from them.
    pub fn inspected(&self) -> u64 {
        self.came_in + self.produced
    }
}
