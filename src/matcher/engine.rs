//! The four length classes together.

use zeroize::Zeroize;

use super::class::Class;
use super::keys::Keys;
use super::record::Record;

/// Tokens of 20 bytes and more.
pub(super) type Long = Class<8, 13>;
/// Tokens of 12 to 19 bytes.
pub(super) type Middle = Class<8, 5>;
/// Tokens of 8 to 11 bytes.
pub(super) type Short = Class<6, 3>;
/// Tokens of 6 and 7 bytes.
pub(super) type Tiny = Class<4, 3>;

/// Bytes on either side of a chunk's border in which a window across it lies.
const BORDER: usize = Long::WINDOW - 1;

/// Finds where tokens may be, by their anchor windows.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) keys: Keys,
    pub(super) long: Long,
    pub(super) middle: Middle,
    pub(super) short: Short,
    pub(super) tiny: Tiny,
}

impl Engine {
    /// An engine without tokens.
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            long: Long::default(),
            middle: Middle::default(),
            short: Short::default(),
            tiny: Tiny::default(),
        }
    }

    /// Memory it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.long.memory_bytes()
            + self.middle.memory_bytes()
            + self.short.memory_bytes()
            + self.tiny.memory_bytes()
    }

    /// Reports each place in the text where a token's window begins, and its record.
    #[inline]
    pub(super) fn scan(&self, text: &[u8], found: &mut impl FnMut(usize, &Record)) {
        self.long.scan(&self.keys, text, found);
        self.middle.scan(&self.keys, text, found);
        self.short.scan(&self.keys, text, found);
        self.tiny.scan(&self.keys, text, found);
    }

    /// Reports the same for the windows that begin in `before` and end in `after`; places count
    /// from the beginning of `before`.
    pub(super) fn scan_border(
        &self,
        before: &[u8],
        after: &[u8],
        found: &mut impl FnMut(usize, &Record),
    ) {
        self.border(&self.long, before, after, found);
        self.border(&self.middle, before, after, found);
        self.border(&self.short, before, after, found);
        self.border(&self.tiny, before, after, found);
    }

    fn border<const Q: usize, const S: usize>(
        &self,
        class: &Class<Q, S>,
        before: &[u8],
        after: &[u8],
        found: &mut impl FnMut(usize, &Record),
    ) {
        if class.is_empty() {
            return;
        }
        let reach = Class::<Q, S>::WINDOW - 1;
        let skipped = before.len().saturating_sub(reach);
        let pieces = before.iter().skip(skipped).chain(after.iter().take(reach));
        let mut joined = [0; 2 * BORDER];
        let mut length = 0;
        for (place, byte) in joined.iter_mut().zip(pieces) {
            *place = *byte;
            length += 1;
        }
        let text = joined.get(..length).unwrap_or_default();
        class.scan(&self.keys, text, &mut |start, record| found(skipped + start, record));
        joined.zeroize();
    }
}
