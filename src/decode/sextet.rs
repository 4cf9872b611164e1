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

/// Where the first stretch of `length` characters of base64 begins, at `from` or after it; or else
/// how many there are at the text's end.
pub(super) fn stretch(text: &[u8], mut from: usize, length: usize) -> Result<usize, usize> {
    while let Some(window) = text.get(from..from + length) {
        match window.iter().rposition(|&byte| !is_character(byte)) {
            Some(strange) => from += strange + 1,
            None => return Ok(from),
        }
    }
    let rest = text.get(from..).unwrap_or_default();
    Err(rest.iter().rev().take_while(|&&byte| is_character(byte)).count())
}
