//! Of what kinds of bytes a token is: its alphabet, in two bytes.

/// Bytes that are a kind each: what tokens have beside letters and digits.
const ALONE: &[u8] = b"-_.+/=:";

/// Kinds of bytes, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Kinds(u16);

impl Kinds {
    /// The kind of one byte.
    fn of(byte: u8) -> Self {
        let number = match byte {
            b'0'..=b'9' => 0,
            b'A'..=b'Z' => 1,
            b'a'..=b'z' => 2,
            128.. => 3,
            other if other.is_ascii_control() => 4,
            b' ' => 5,
            other => (7..).zip(ALONE).find(|(_, one)| **one == other).map_or(6, |(kind, _)| kind),
        };
        Self(1 << number)
    }

    /// Puts those of a text in.
    pub(super) fn add(&mut self, text: &[u8]) {
        text.iter().for_each(|byte| *self = self.and(Self::of(*byte)));
    }

    /// Those of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All bytes of these kinds: bit `b % 64` of word `b / 64` for byte `b`.
    pub(super) fn alphabet(self) -> [u64; 4] {
        let mut words = [0; 4];
        for byte in (0..=u8::MAX).filter(|byte| self.0 & Self::of(*byte).0 != 0) {
            if let Some(word) = words.get_mut(usize::from(byte / 64)) {
                *word |= 1_u64 << (byte % 64);
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alphabet_has_all_of_a_text_and_little_else() {
        let has = |kinds: Kinds, byte: u8| {
            kinds.alphabet()[usize::from(byte / 64)] >> (byte % 64) & 1 == 1
        };
        for byte in 0..=u8::MAX {
            let mut kinds = Kinds::default();
            assert_eq!(kinds.alphabet(), [0; 4]);
            kinds.add(&[byte]);
            assert!(has(kinds, byte));
        }
        let mut kinds = Kinds::default();
        kinds.add(b"glpat-Zq7");
        let all: Vec<u8> = (0..=u8::MAX).filter(|byte| has(kinds, *byte)).collect();
        assert!(all.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'));
        assert_eq!(all.len(), 26 + 26 + 10 + 1);
    }
}
