//! The text encoding of a report: a byte order mark is dropped, UTF-16 (what PowerShell's `>`
//! writes) becomes UTF-8. Everything else passes as it is.

use std::borrow::Cow;

/// A byte-order-mark-aware pass, fed piece by piece.
#[derive(Default)]
pub(super) struct ToUtf8 {
    /// The first bytes, until they tell whether there is a mark.
    start: Vec<u8>,
    form: Form,
}

#[derive(Default)]
enum Form {
    #[default]
    Unknown,
    Bytes,
    Utf16 {
        little_endian: bool,
        /// The first byte of a unit that is not complete.
        half: Option<u8>,
        /// The first unit of a surrogate pair.
        high: Option<u16>,
    },
}

impl ToUtf8 {
    /// The next bytes, as UTF-8 where the report began with a UTF-16 mark.
    pub(super) fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match &mut self.form {
            Form::Bytes => Cow::Borrowed(bytes),
            Form::Utf16 { little_endian, half, high } => {
                Cow::Owned(utf16(bytes, *little_endian, half, high))
            }
            Form::Unknown => {
                self.start.extend_from_slice(bytes);
                if self.start.len() < 3 {
                    return Cow::Borrowed(&[]);
                }
                let start = std::mem::take(&mut self.start);
                Cow::Owned(self.begin(start))
            }
        }
    }

    /// What was kept back to tell the mark, where the report is shorter than one.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.start)
    }

    fn begin(&mut self, mut start: Vec<u8>) -> Vec<u8> {
        let little_endian = start.starts_with(&[0xff, 0xfe]);
        if little_endian || start.starts_with(&[0xfe, 0xff]) {
            let (mut half, mut high) = (None, None);
            let rest = start.get(2..).unwrap_or_default();
            let text = utf16(rest, little_endian, &mut half, &mut high);
            self.form = Form::Utf16 { little_endian, half, high };
            return text;
        }
        self.form = Form::Bytes;
        if start.starts_with(&[0xef, 0xbb, 0xbf]) {
            start.drain(..3);
        }
        start
    }
}

fn utf16(
    bytes: &[u8],
    little_endian: bool,
    half: &mut Option<u8>,
    high: &mut Option<u16>,
) -> Vec<u8> {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        let Some(first) = half.take() else {
            *half = Some(byte);
            continue;
        };
        let pair = [first, byte];
        let unit = if little_endian { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) };
        let units = high.take().into_iter().chain([unit]);
        if (0xd800..0xdc00).contains(&unit) {
            // A lone first half before this one is lost; this one waits for its second half.
            if units.count() > 1 {
                text.push(char::REPLACEMENT_CHARACTER);
            }
            *high = Some(unit);
            continue;
        }
        for decoded in char::decode_utf16(units) {
            text.push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut pass = ToUtf8::default();
        let mut out = Vec::new();
        for piece in bytes.chunks(piece) {
            out.extend_from_slice(&pass.push(piece));
        }
        out.extend_from_slice(&pass.finish());
        out
    }

    #[test]
    fn marks_are_dropped_and_utf16_becomes_utf8() {
        let text = "[\"é 🐟\"]";
        let le: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        let be: Vec<u8> = [0xfe, 0xff]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_be_bytes))
            .collect();
        let marked: Vec<u8> = [0xef, 0xbb, 0xbf].into_iter().chain(text.bytes()).collect();
        for piece in [1, 2, 3, 5, 100] {
            for report in [&le, &be, &marked, &text.as_bytes().to_vec()] {
                assert_eq!(all(report, piece), text.as_bytes(), "pieces of {piece}");
            }
        }
        assert_eq!(all(b"", 1), b"");
        assert_eq!(all(b"a", 1), b"a");
        // A first half of a pair without its second.
        assert_eq!(all(&[0xff, 0xfe, 0x00, 0xd8, 0x00, 0xd8, b'a', 0], 2), "��a".as_bytes());
    }
}
