//! What a byte is to a run of base64.

use crate::decode::sieve::{self, BITS};

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
    loop {
        let here = sieve::first_characters(text.get(length..).unwrap_or_default());
        let here = here.trailing_ones() as usize;
        length += here;
        if here < BITS {
            return length;
        }
    }
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

/// The bits that are set where four sextets do not decode to ASCII.
#[inline(always)]
pub(in crate::decode) fn not_ascii([a, b, c, _]: [u8; 4]) -> u8 {
    a & 32 | b & 8 | c & 2
}

/// Set where a sextet is of no hex digit.
#[inline(always)]
pub(in crate::decode) fn not_hex([sextet]: [u8; 1]) -> u8 {
    u8::from(!matches!(sextet, 0..=5 | 26..=31 | 52..=61))
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
    use super::*;

    #[test]
    fn hex_digits_show_in_the_sextets() {
        for byte in (0..=255).filter(|byte| is_character(*byte)) {
            assert_eq!(not_hex([class(byte)]) == 0, nibble(byte).is_some());
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
