//! What a scan finds.

/// A token's place in its patchset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenIndex(pub u32);

/// One occurrence of a token: bytes `start..end` of the text, counted from the stream's beginning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Match {
    /// The token.
    pub token: TokenIndex,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}
