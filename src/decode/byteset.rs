//! Sets of byte values, and which bytes are worth decoding.

use crate::decode::layer::Layer;
use crate::decode::runs::sought::Sought;
use crate::decode::sieve::Table;

/// A set of byte values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ByteSet {
    low: u128,
    high: u128,
}

impl ByteSet {
    /// No byte.
    pub const EMPTY: Self = Self { low: 0, high: 0 };
    /// Every byte.
    pub const FULL: Self = Self { low: u128::MAX, high: u128::MAX };

    /// The set whose member `b` is bit `b % 64` of word `b / 64`.
    pub const fn from_words(words: [u64; 4]) -> Self {
        let [a, b, c, d] = words;
        Self { low: a as u128 | (b as u128) << 64, high: c as u128 | (d as u128) << 64 }
    }

    /// The set and this byte.
    #[must_use]
    pub const fn with(self, byte: u8) -> Self {
        if byte < 128 {
            Self { low: self.low | 1 << byte, high: self.high }
        } else {
            Self { low: self.low, high: self.high | 1 << (byte - 128) }
        }
    }

    /// The set and each of these bytes.
    #[must_use]
    pub const fn with_all(mut self, mut bytes: &[u8]) -> Self {
        while let [first, rest @ ..] = bytes {
            self = self.with(*first);
            bytes = rest;
        }
        self
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { low: self.low | other.low, high: self.high | other.high }
    }

    /// Whether it holds ASCII alone.
    pub const fn is_ascii(&self) -> bool {
        self.high == 0
    }

    /// Whether the byte is in it.
    pub const fn contains(&self, byte: u8) -> bool {
        if byte < 128 { self.low >> byte & 1 == 1 } else { self.high >> (byte - 128) & 1 == 1 }
    }
}

/// What every escape may be made of: a layer may have escaped characters of an escape inside it.
/// What else an escape may be made of depends on what stands beside it.
const STRUCTURE: ByteSet = ByteSet::EMPTY
    .with_all(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    .with_all(b"{}%\\;-");

/// What base64 and hex are made of.
const CHARACTERS: ByteSet =
    ByteSet::EMPTY.with_all(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_");

/// Escapes that a single sign after a backslash, or alone, stands for.
const SINGLE: &[(u8, u8)] = &[(b'"', b'"'), (b'\'', b'\''), (b'/', b'/'), (b'+', b' ')];

/// Letters that ordinary texts have behind backslashes, and what they stand for with them.
const HARMLESS: [(u8, u8); 5] =
    [(b'n', b'\n'), (b'"', b'"'), (b'/', b'/'), (b't', b'\t'), (b'f', 0x0c)];

/// Which escapes are worth undoing, where the tokens looked for are made of known bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relevant {
    tokens: ByteSet,
    products: ByteSet,
    borders: bool,
    quoted: bool,
    utf8: bool,
    runs: Sought,
}

impl Relevant {
    /// Every escape of the layers that are undone anywhere, and no run.
    pub const ALL: Self = Self::of(ByteSet::FULL, ByteSet::FULL, true);

    const fn of(tokens: ByteSet, products: ByteSet, borders: bool) -> Self {
        let runs = Sought::NOTHING;
        Self { tokens, products, borders, quoted: false, utf8: false, runs }
    }

    /// The escapes that may be part of a token made of these bytes, or part of such an escape; and,
    /// where `borders` matter, those whose letters would seem to belong to a token behind them: the
    /// `n` of `\n`, the `20` of `%20`.
    pub fn to(tokens: ByteSet, borders: bool) -> Self {
        let mut products = tokens.union(STRUCTURE);
        for &(letter, product) in SINGLE {
            if tokens.contains(product) {
                products = products.with(letter);
            }
        }
        Self::of(tokens, products, borders)
    }

    /// The same, and the escapes that may be part of a run of base64 or hex; what is looked for in
    /// runs is this.
    #[must_use]
    pub fn with_runs(self, runs: Sought) -> Self {
        Self { products: self.products.union(CHARACTERS), runs, ..self }
    }

    /// The same for what runs decode to, where tokens are those that are looked for in runs.
    #[must_use]
    pub fn inside_runs(&self) -> Self {
        if self.runs.alphabet == self.tokens {
            return *self;
        }
        let inside = Self::to(self.runs.alphabet, self.borders).with_runs(self.runs);
        let asked = [Layer::QuotedPrintable, Layer::Quoted, Layer::Utf8];
        asked.into_iter().filter(|layer| self.undoes(*layer)).fold(inside, Self::and)
    }

    /// What is looked for in runs of base64 and hex.
    pub fn runs(&self) -> &Sought {
        &self.runs
    }

    /// The same, with one more layer that is undone only where asked for: [`Layer::Quoted`] or
    /// [`Layer::Utf8`], for fields of a head. They are undone by [`visit`](super::visit) alone. Any
    /// other layer changes nothing.
    #[must_use]
    pub const fn and(mut self, layer: Layer) -> Self {
        match layer {
            Layer::Quoted => self.quoted = true,
            Layer::Utf8 => {
                self.utf8 = true;
                self.products = self.products.with_all(&[0xC0, 0xC1]);
            }
            _ => {}
        }
        self
    }

    /// Whether the layer is undone at all.
    pub(super) fn undoes(&self, layer: Layer) -> bool {
        match layer {
            Layer::Percent | Layer::Json | Layer::Entity | Layer::Markup => true,
            Layer::Form => self.in_token(b' '),
            Layer::Quoted => self.quoted,
            Layer::Utf8 => self.utf8,
            _ => false,
        }
    }

    /// Which bytes the escapes of texts that stream may begin with. Backslashes are none where what
    /// they stand for with the next letter never matters: those of JSON's line breaks, mostly.
    pub(super) fn marks(&self) -> Table {
        let harmless = HARMLESS.map(|(letter, product)| {
            let matters = self.product(product) || self.borders && is_word(letter);
            (!matters).then_some(letter)
        });
        let form = self.undoes(Layer::Form).then_some(b'+');
        Table::new([Some(b'%'), Some(b'&'), Some(b'<'), form], harmless)
    }

    /// The same in texts given whole, where backslashes may stand before any byte.
    pub(super) fn marks_of_whole(&self) -> Table {
        let form = self.undoes(Layer::Form).then_some(b'+');
        Table::new([Some(b'%'), Some(b'&'), Some(b'<'), form], [])
    }

    /// Whether an escape that ends in `last`, and is followed by `next`, has to be undone for what
    /// is beside the next byte to be seen. What follows is not known at a text's end.
    pub(super) fn is_border(&self, last: u8, next: Option<u8>) -> bool {
        self.borders && is_word(last) && next.is_none_or(|next| self.tokens.contains(next))
    }

    /// Whether no escape behind this byte is worth undoing that stands for a letter beyond ASCII. No
    /// such letter has the bytes that are too long for one of ASCII.
    pub(super) fn passes_over_other_letters(&self, before: Option<u8>) -> bool {
        const OVERLONG: u128 = 0b11 << (0xC0 - 128);
        self.products.high & !OVERLONG == 0
            && !self.borders
            && (!self.utf8 || before.is_some_and(|before| before.is_ascii()))
    }

    /// Whether an escape that stands for this byte is worth undoing.
    pub(super) fn product(&self, byte: u8) -> bool {
        self.products.contains(byte)
    }

    /// Whether the byte may be part of a token.
    pub fn in_token(&self, byte: u8) -> bool {
        self.tokens.contains(byte)
    }
}

/// What may not stand beside a token whose borders matter.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership() {
        let set = ByteSet::EMPTY.with_all(&[0, 63, 64, 127, 128, 255]);
        let members: Vec<u8> = (0..=255).filter(|&b| set.contains(b)).collect();
        assert_eq!(members, [0, 63, 64, 127, 128, 255]);
        assert_eq!(ByteSet::from_words([1 | 1 << 63, 1 | 1 << 63, 1, 1 << 63]), set);
        assert_eq!(ByteSet::from_words([u64::MAX; 4]), ByteSet::FULL);
    }

    #[test]
    fn a_newline_is_relevant_only_where_a_token_has_one() {
        let letters = ByteSet::EMPTY.with_all(b"abc");
        assert!(!Relevant::to(letters, false).product(b'\n'));
        assert!(Relevant::to(letters.with(b'\n'), false).product(b'\n'));
    }

    #[test]
    fn some_layers_are_undone_only_where_asked_for() {
        let letters = ByteSet::EMPTY.with_all(b"abc");
        for layer in [Layer::Quoted, Layer::Utf8] {
            assert!(!Relevant::to(letters, false).undoes(layer));
            assert!(Relevant::to(letters, false).and(layer).undoes(layer));
        }
    }
}
