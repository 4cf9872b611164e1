//! The tokens of the matrix: one of each shape that leaked, and a twin of it that did not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A small generator: what the matrix sends is the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(*self.pick(alphabet))).collect()
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

pub const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
pub const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// What a token looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A prefix and 36 letters and digits.
    Long,
    /// 12 letters and digits, which match only as a whole word.
    Short,
    /// Base64 with padding.
    Padded,
    /// A phrase with spaces and characters that every format escapes.
    Phrase,
    /// The same as `Long` without capitals, as names of fields have it.
    Lower,
    /// Three parts of base64, with a signature.
    Jwt,
}

pub const SHAPES: [Shape; 6] =
    [Shape::Long, Shape::Short, Shape::Padded, Shape::Phrase, Shape::Lower, Shape::Jwt];

impl Shape {
    pub fn name(self) -> &'static str {
        match self {
            Self::Long => "long",
            Self::Short => "short",
            Self::Padded => "padded",
            Self::Phrase => "phrase",
            Self::Lower => "lower",
            Self::Jwt => "jwt",
        }
    }

    /// A token of this shape.
    pub fn token(self, seed: u64) -> String {
        let mut random = Random(seed.wrapping_mul(977) + self as u64);
        match self {
            Self::Long => ["tok", "_", &random.text(ALPHANUMERIC, 36)].concat(),
            Self::Short => random.text(ALPHANUMERIC, 12),
            Self::Padded => {
                let body = random.text(ALPHANUMERIC, 17);
                format!("{}/{}+{body}==", random.text(LETTERS, 9), random.text(LETTERS, 9))
            }
            Self::Phrase => {
                let mut word = |length| random.text(LETTERS, length);
                let (a, b, c, d, e) = (word(8), word(7), word(6), word(5), word(3));
                format!("{a} {b}&{c}<{d}>\"'\\{e}")
            }
            Self::Lower => ["tok", "-", &random.text(LOWER, 36)].concat(),
            Self::Jwt => {
                let part = |text: String| URL_SAFE_NO_PAD.encode(text);
                let subject = random.text(ALPHANUMERIC, 12);
                let header = part(r#"{"alg":"ES256","typ":"JWT"}"#.to_owned());
                let payload = part(format!(r#"{{"sub":"{subject}","iat":1700000000}}"#));
                format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(random.bytes(64)))
            }
        }
    }
}
