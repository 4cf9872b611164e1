//! How much decoding one request may ask for.

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
}

/// What one request may ask for, and what it has used.
#[derive(Clone, Debug)]
pub struct Budget {
    limits: Limits,
    came_in: u64,
    produced: u64,
    spent: bool,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits { depth: limits.depth.min(MAX_DEPTH), ..limits };
        Self { limits, came_in: 0, produced: 0, spent: false }
    }

    /// Says that so many bytes came in.
    pub fn earn(&mut self, bytes: usize) {
        self.came_in += bytes as u64;
    }

    /// Takes so many decoded bytes, and tells whether they were there.
    pub fn spend(&mut self, bytes: usize) -> bool {
        self.produced += bytes as u64;
        let allowed =
            self.limits.free.saturating_add(self.came_in.saturating_mul(self.limits.ratio));
        self.spent |= self.produced > allowed;
        !self.spent
    }

    /// Layers that may be undone one inside the other.
    pub(super) fn depth(&self) -> usize {
        self.limits.depth
    }

    /// Says that something lies deeper than that.
    pub(super) fn too_deep(&mut self) {
        self.spent = true;
    }

    /// Whether there is room for one more text beside `texts`. If not, something stays undecoded.
    pub(super) fn room(&mut self, texts: usize) -> bool {
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
        self.produced
            <= self.limits.free.saturating_add(self.came_in.saturating_mul(self.limits.ratio))
    }

    /// Bytes that came in and bytes that were decoded from them.
    pub fn inspected(&self) -> u64 {
        self.came_in + self.produced
    }
}
