//! What a byte is to a run of base64.

/// Up to here a class is the six bits that the character stands for, in either alphabet.
pub(super) const LAST: u8 = 63;
/// Padding.
pub(super) const PADDING: u8 = 64;
/// What lenient decoders pass over, and what does not stand between words.
pub(super) const JUNK: u8 = 65;
/// What lines are wrapped with.
pub(super) const WRAP: u8 = 66;
/// What may begin an escape for one of those.
pub(super) const ESCAPE: u8 = 67;
/// What ends a run.
pub(super) const END: u8 = 68;

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
pub(super) fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(END)
}

/// Whether it is a character of base64 in either alphabet.
#[inline(always)]
pub(super) fn is_character(byte: u8) -> bool {
    class(byte) <= LAST
}

/// The same as [`class`] where it is a character, and more than [`LAST`] where it is none: without
/// a table, so that many are told at once.
#[inline(always)]
fn value(byte: u8) -> u8 {
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
pub(super) fn leading(text: &[u8]) -> usize {
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
pub(super) fn values(characters: &[u8], out: &mut Vec<u8>) {
    out.extend(characters.iter().map(|&byte| value(byte)));
}

/// The four bits that a hex digit stands for.
#[inline(always)]
pub(super) fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Bytes that are looked at together, and the word behind them.
const BLOCK: usize = 64;
const WORD: usize = 4;

/// Where the first stretch of `length` characters of base64 begins, at `from` or after it, where no
/// such character stands right before `from`; or else how many there are at the text's end.
pub(super) fn stretch(text: &[u8], mut from: usize, length: usize) -> Result<usize, usize> {
    loop {
        // So many characters fill two words in a row.
        if length >= 3 * WORD - 1 {
            let floor = from;
            while let Some(block) = text.get(from..from + BLOCK + WORD)
                && !may_hold(block)
            {
                from += BLOCK;
            }
            // It may begin before the first word that it fills.
            from = from.saturating_sub(WORD - 1).max(floor);
        }
        let end = from + BLOCK;
        while from < end {
            let Some(window) = text.get(from..from + length) else {
                let rest = text.get(from..).unwrap_or_default();
                return Err(rest.iter().rev().take_while(|&&byte| is_character(byte)).count());
            };
            match window.iter().rposition(|&byte| !is_character(byte)) {
                Some(strange) => from += strange + 1,
                None => return Ok(from),
            }
        }
    }
}

/// Whether two words in a row may be all characters of base64. Takes ASCII from `+` on for that, but
/// for the comma: quotes, spaces and commas end nearly every word. Plain enough to be vectorised.
#[inline]
fn may_hold(block: &[u8]) -> bool {
    let mut full = [false; BLOCK / WORD + 1];
    for (full, word) in full.iter_mut().zip(block.as_chunks::<WORD>().0) {
        let word = u32::from_le_bytes(*word);
        let from_plus = (word & 0x7f7f_7f7f) + 0x5555_5555;
        let comma = word ^ 0x2c2c_2c2c;
        let no_comma = ((comma & 0x7f7f_7f7f) + 0x7f7f_7f7f) | comma;
        *full = from_plus & no_comma & !word & 0x8080_8080 == 0x8080_8080;
    }
    full.iter().zip(full.iter().skip(1)).fold(false, |any, (one, next)| any | (*one & *next))
}

/// The bits that are set where four sextets do not decode to ASCII.
#[inline(always)]
pub(super) fn not_ascii([a, b, c, _]: [u8; 4]) -> u8 {
    a & 32 | b & 8 | c & 2
}

/// Whether so many groups in a row are plain, that is, have no bits of what is `strange`.
pub(super) fn holds<const N: usize>(
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

    fn naive(text: &[u8], length: usize) -> Result<usize, usize> {
        let found = text.windows(length).position(|window| window.iter().all(|b| is_character(*b)));
        found.ok_or(text.iter().rev().take_while(|&&byte| is_character(byte)).count())
    }

    proptest! {
        #[test]
        fn the_first_stretch_is_found(
            text in "([a-z+/_-]{0,14}[\"., é=]{0,3}){0,40}",
            length in 1_usize..=12,
        ) {
            let text = text.as_bytes();
            prop_assert_eq!(stretch(text, 0, length), naive(text, length));
        }
    }

    #[test]
    fn a_stretch_is_found_wherever_it_lies() {
        for before in 0..140 {
            for length in 10..14 {
                let text = [" ".repeat(before), "Ab0+/-_".repeat(3)[..length].to_owned()].concat();
                for after in [0, 1, 100] {
                    let text = [text.clone(), " ".repeat(after)].concat();
                    assert_eq!(stretch(text.as_bytes(), 0, 12), naive(text.as_bytes(), 12));
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
