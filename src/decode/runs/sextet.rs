//! What a byte is to a run of base64.

/// Up to here a class is the six bits that the character stands for, in either alphabet.
pub(in crate::decode) const LAST: u8 = 63;
/// Padding.
pub(in crate::decode) const PADDING: u8 = 64;
/// What lenient decoders pass over, and what does not stand between words.
pub(in crate::decode) const JUNK: u8 = 65;
/// What lines are wrapped with.
pub(in crate::decode) const WRAP: u8 = 66;
/// What may begin an escape for one of those.
pub(in crate::decode) const ESCAPE: u8 = 67;
/// What ends a run.
pub(in crate::decode) const END: u8 = 68;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [END; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let class = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => PADDING,
            b' ' | b'\t' | b'\r' | b'\n' => WRAP,
            b'\\' | b'%' => ESCAPE,
            b'"' | b'\'' | b',' | b':' | b';' | b'&' | b'(' | b')' | b'[' | b']' | b'{' | b'}'
            | b'<' | b'>' => END,
            _ => JUNK,
        };
        set(&mut classes, byte, class);
        byte += 1;
    }
    classes
}

#[expect(clippy::indexing_slicing, reason = "in a constant, a byte indexes 256 places")]
const fn set(classes: &mut [u8; 256], byte: u8, class: u8) {
    classes[byte as usize] = class;
}

/// What the byte is.
#[inline(always)]
pub(in crate::decode) fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(END)
}

/// Whether it is a character of base64 in either alphabet.
#[inline(always)]
pub(in crate::decode) fn is_character(byte: u8) -> bool {
    class(byte) <= LAST
}

/// The six bits that the byte stands for, where it is a character of base64 in either alphabet.
#[inline(always)]
pub(in crate::decode) fn sextet(byte: u8) -> Option<u8> {
    Some(class(byte)).filter(|class| *class <= LAST)
}

/// The same as [`class`] where it is a character, and more than [`LAST`] where it is none: without
/// a table, so that many are told at once.
#[inline(always)]
pub(in crate::decode) fn value(byte: u8) -> u8 {
    let upper = byte.wrapping_sub(b'A');
    let lower = byte.wrapping_sub(b'a');
    let digit = byte.wrapping_sub(b'0');
    if upper < 26 {
        upper
    } else if lower < 26 {
        lower + 26
    } else if digit < 10 {
        digit + 52
    } else if byte == b'+' || byte == b'-' {
        62
    } else if byte == b'/' || byte == b'_' {
        63
    } else {
        END
    }
}

/// How many characters of base64 the text begins with.
pub(in crate::decode) fn leading(text: &[u8]) -> usize {
    let mut length = 0;
    for block in text.as_chunks::<16>().0 {
        if block.iter().fold(0, |most, &byte| value(byte).max(most)) > LAST {
            break;
        }
        length += block.len();
    }
    let rest = text.get(length..).unwrap_or_default();
    length + rest.iter().position(|&byte| !is_character(byte)).unwrap_or(rest.len())
}

/// Appends what characters of base64 stand for.
pub(in crate::decode) fn values(characters: &[u8], out: &mut Vec<u8>) {
    out.extend(characters.iter().map(|&byte| value(byte)));
}

/// The four bits that a hex digit stands for.
#[inline(always)]
pub(in crate::decode) fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Bytes that are looked at together, with two words behind them.
const BLOCK: usize = 64;
const WORD: usize = 4;

/// Looks for stretches of characters of base64 in a text, from its beginning to its end.
pub(in crate::decode) struct Stretches<'a> {
    text: &'a [u8],
    length: usize,
    /// The block that was looked at last, and which words in it may be the first ones that a stretch
    /// fills.
    block: usize,
    words: u32,
}

impl<'a> Stretches<'a> {
    /// Stretches of at least so many characters.
    pub(in crate::decode) fn new(text: &'a [u8], length: usize) -> Self {
        let mut stretches = Self { text, length, block: 0, words: 0 };
        stretches.look();
        stretches
    }

    /// How many characters a stretch has at least.
    pub(in crate::decode) fn length(&self) -> usize {
        self.length
    }

    fn look(&mut self) {
        let rest = self.text.get(self.block..).unwrap_or_default();
        let Some(block) = rest.first_chunk::<{ BLOCK + 2 * WORD }>() else { return };
        self.words = if self.length >= 4 * WORD - 1 {
            full_words::<3>(block)
        } else {
            full_words::<2>(block)
        };
    }

    /// Where the first stretch begins, at `from` or after it, where no such
    /// character stands right before `from`; or else how many there are at the text's end, but for
    /// those before `from`. From one call to the next, `from` grows.
    pub(in crate::decode) fn next(&mut self, from: usize) -> Result<usize, usize> {
        let length = self.length;
        let mut here = from;
        // So many characters fill two words in a row.
        if length >= 3 * WORD - 1 {
            if from >= self.block + BLOCK {
                self.block = from;
                self.look();
            }
            // What lies before `from` is over.
            self.pass(from);
            while self.block + BLOCK + 2 * WORD <= self.text.len() {
                while self.words != 0 {
                    let word = self.block + self.words.trailing_zeros() as usize * WORD;
                    match self.begins(word, from, length) {
                        Ok(start) => return Ok(start),
                        Err(strange) => self.pass(strange + 1),
                    }
                }
                self.block += BLOCK;
                self.look();
            }
            // It may begin before the first word that it fills.
            here = self.block.saturating_sub(WORD - 1).max(from);
        }
        while let Some(window) = self.text.get(here..here + length) {
            match window.iter().rposition(|&byte| !is_character(byte)) {
                Some(strange) => here += strange + 1,
                None => return Ok(here),
            }
        }
        let rest = self.text.get(from..).unwrap_or_default();
        Err(rest.iter().rev().take_while(|&&byte| is_character(byte)).count())
    }

    /// Leaves out the words that begin before `from`.
    fn pass(&mut self, from: usize) {
        let words = from.saturating_sub(self.block).div_ceil(WORD) as u32;
        self.words &= u32::MAX.checked_shl(words).unwrap_or_default();
    }

    /// Where the stretch begins whose first full word is at `word`, if it is one of so many
    /// characters, or else where it ends.
    fn begins(&self, word: usize, floor: usize, length: usize) -> Result<usize, usize> {
        let before = floor.max(word.saturating_sub(WORD - 1));
        let before = self.text.get(before..word).unwrap_or_default();
        let start = word - before.iter().rev().take_while(|&&byte| is_character(byte)).count();
        let rest = self.text.get(word..).unwrap_or_default();
        let wanted = start + length - word;
        let rest = rest.get(..wanted).unwrap_or(rest);
        match rest.iter().position(|&byte| !is_character(byte)) {
            Some(end) => Err(word + end),
            None if rest.len() == wanted => Ok(start),
            None => Err(word + rest.len()),
        }
    }
}

/// The words with which `N` words in a row begin that may be all characters of base64. Takes ASCII
/// from `+` on for that: quotes and spaces end nearly every word. Plain enough to be vectorised.
fn full_words<const N: usize>(block: &[u8; BLOCK + 2 * WORD]) -> u32 {
    let mut full = [0_u8; BLOCK / WORD + 2];
    for (full, word) in full.iter_mut().zip(block.as_chunks::<WORD>().0) {
        let word = u32::from_le_bytes(*word);
        let from_plus = (word & 0x7f7f_7f7f) + 0x5555_5555;
        *full = u8::from(from_plus & !word & 0x8080_8080 == 0x8080_8080);
    }
    let mut rows = [0_u8; BLOCK / WORD];
    for (row, words) in rows.iter_mut().zip(full.windows(N)) {
        *row = words.iter().fold(1, |all, one| all & one);
    }
    if u128::from_le_bytes(rows) == 0 {
        return 0;
    }
    (0..).zip(rows).fold(0, |all, (at, row)| all | u32::from(row) << at)
}

/// The bits that are set where four sextets do not decode to ASCII.
#[inline(always)]
pub(in crate::decode) fn not_ascii([a, b, c, _]: [u8; 4]) -> u8 {
    a & 32 | b & 8 | c & 2
}

/// Whether so many groups in a row are plain, that is, have no bits of what is `strange`.
pub(in crate::decode) fn holds<const N: usize>(
    text: &[u8],
    groups: usize,
    strange: impl Fn([u8; N]) -> u8,
) -> bool {
    let mut rest = text.as_chunks::<N>().0;
    while let Some(window) = rest.get(..groups) {
        match window.iter().rposition(|&group| strange(group) != 0) {
            Some(at) => rest = rest.get(at + 1..).unwrap_or_default(),
            None => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stretch(text: &[u8], length: usize) -> Result<usize, usize> {
        Stretches::new(text, length).next(0)
    }

    fn naive(text: &[u8], length: usize) -> Result<usize, usize> {
        let found = text.windows(length).position(|window| window.iter().all(|b| is_character(*b)));
        found.ok_or(text.iter().rev().take_while(|&&byte| is_character(byte)).count())
    }

    proptest! {
        #[test]
        fn the_first_stretch_is_found(
            text in "([a-z+/_-]{0,14}[\"., é=]{0,3}){0,40}",
            length in 1_usize..=17,
        ) {
            let text = text.as_bytes();
            prop_assert_eq!(stretch(text, length), naive(text, length));
        }
    }

    proptest! {
        #[test]
        fn all_stretches_are_found(
            text in "([a-z+/_-]{0,20}[\"., é=:]{0,3}){0,40}",
            length in 1_usize..=17,
        ) {
            let text = text.as_bytes();
            let mut stretches = Stretches::new(text, length);
            let (mut from, mut expected) = (0, 0);
            loop {
                let found = stretches.next(from);
                let rest = naive(&text[expected..], length);
                prop_assert_eq!(found, rest.map(|start| start + expected));
                let Ok(start) = found else { break };
                let rest = text[start..].iter().position(|&byte| !is_character(byte));
                let Some(end) = rest else { break };
                (from, expected) = (start + end, start + end);
            }
        }
    }

    #[test]
    fn a_stretch_is_found_wherever_it_lies() {
        for before in 0..140 {
            for length in 10..18 {
                let text = [" ".repeat(before), "Ab0+/-_".repeat(3)[..length].to_owned()].concat();
                for after in [0, 1, 100] {
                    let text = [text.clone(), " ".repeat(after)].concat();
                    for wanted in [11, 12, 15, 16] {
                        let found = stretch(text.as_bytes(), wanted);
                        assert_eq!(found, naive(text.as_bytes(), wanted));
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_ascii_shows_in_the_sextets() {
        for bytes in 0..1 << 24_u32 {
            if bytes % 251 == 0 {
                let sextets = [18, 12, 6, 0].map(|shift| (bytes >> shift & 63) as u8);
                assert_eq!(not_ascii(sextets) != 0, bytes & 0x80_8080 != 0);
            }
        }
    }
}
