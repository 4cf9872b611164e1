//! The transfer encodings of mail, as bytes come in: base64 and quoted-printable, read as leniently
//! as backends do.

use crate::decode::Layer;
use crate::decode::runs::sextet::sextet;

/// State of undoing one transfer encoding.
#[derive(Clone, Debug)]
pub enum Transfer {
    /// Base64.
    Base64(Base64),
    /// Quoted-printable.
    Quoted(Quoted),
}

impl Transfer {
    /// By the value of `Content-Transfer-Encoding`; nothing where it changes nothing or is unknown.
    pub fn named(name: &[u8]) -> Option<Self> {
        let name = name.trim_ascii();
        // A comment or a parameter may follow.
        let end = name.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-');
        let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
        if name.eq_ignore_ascii_case(b"base64") {
            Some(Self::Base64(Base64::default()))
        } else if name.eq_ignore_ascii_case(b"quoted-printable") {
            Some(Self::Quoted(Quoted::default()))
        } else {
            None
        }
    }

    /// The layer that is undone.
    pub const fn layer(&self) -> Layer {
        match self {
            Self::Base64(_) => Layer::Base64,
            Self::Quoted(_) => Layer::QuotedPrintable,
        }
    }

    /// Takes the next bytes and appends what they stand for, as far as it is certain.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Base64(base64) => base64.push(input, out),
            Self::Quoted(quoted) => quoted.push(input, out),
        }
    }

    /// Ends the text and appends what is left.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Base64(base64) => *base64 = Base64::default(),
            Self::Quoted(quoted) => out.append(&mut quoted.held),
        }
    }
}

/// State of reading base64: of either alphabet, with whatever stands between its characters passed
/// over. Complete padding ends a stretch, and another may follow.
#[derive(Clone, Default, Debug)]
pub struct Base64 {
    bits: u32,
    /// Characters of the four that are in `bits`.
    count: u8,
    /// Padding since the last four.
    pads: u8,
}

impl Base64 {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for &byte in input {
            let Some(value) = sextet(byte) else {
                if byte == b'=' && self.count >= 2 {
                    self.pads += 1;
                    if self.count + self.pads >= 4 {
                        *self = Self::default();
                    }
                }
                continue;
            };
            self.bits = self.bits << 6 | u32::from(value);
            self.count += 1;
            // A byte is handed on as soon as its bits are there.
            match self.count {
                2 => out.push((self.bits >> 4) as u8),
                3 => out.push((self.bits >> 2) as u8),
                4 => {
                    out.push(self.bits as u8);
                    *self = Self::default();
                }
                _ => {}
            }
        }
    }
}

/// State of reading quoted-printable. What is no escape stands for itself.
#[derive(Clone, Default, Debug)]
pub struct Quoted {
    /// An escape that is cut: `=`, and what of it came.
    held: Vec<u8>,
}

/// Spaces that are passed over between `=` and the end of the line.
const TRAILING_SPACES: usize = 64;

impl Quoted {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        while let Some((&byte, behind)) = rest.split_first() {
            if self.held.is_empty() {
                let plain = memchr::memchr(b'=', rest).unwrap_or(rest.len());
                let (before, from) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
                out.extend_from_slice(before);
                if !from.is_empty() {
                    self.held.push(b'=');
                }
                rest = from.get(1..).unwrap_or_default();
                continue;
            }
            rest = behind;
            match (self.held.as_slice(), byte) {
                // The second half of a line break of two, behind the `=` of a soft one.
                ([b'=', .., b'\r'], b'\n') => self.held.clear(),
                ([b'=', .., b'\r'], _) => {
                    self.held.clear();
                    rest = self.again(byte, behind, out);
                }
                ([b'='], _) if byte.is_ascii_hexdigit() => self.held.push(byte),
                ([b'=', digit], _) if digit.is_ascii_hexdigit() && byte.is_ascii_hexdigit() => {
                    out.push(hex(*digit) << 4 | hex(byte));
                    self.held.clear();
                }
                ([b'=', spaces @ ..], b'\n' | b'\r' | b' ' | b'\t')
                    if spaces.len() <= TRAILING_SPACES
                        && spaces.iter().all(|space| matches!(space, b' ' | b'\t')) =>
                {
                    if byte == b'\n' {
                        self.held.clear();
                    } else {
                        self.held.push(byte);
                    }
                }
                _ => {
                    out.append(&mut self.held);
                    rest = self.again(byte, behind, out);
                }
            }
        }
    }

    /// Takes a byte that ended an escape, with nothing held.
    fn again<'a>(&mut self, byte: u8, behind: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        if byte == b'=' {
            self.held.push(byte);
        } else {
            out.push(byte);
        }
        behind
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;
    use crate::decode::encode::chunks;

    fn undone(name: &str, text: &[u8], cuts: &[u16]) -> Vec<u8> {
        let mut transfer = Transfer::named(name.as_bytes()).unwrap();
        let mut out = Vec::new();
        for piece in chunks(text, cuts) {
            transfer.push(piece, &mut out);
        }
        transfer.finish(&mut out);
        out
    }

    #[test]
    fn lenient_reading() {
        let base64 = |text: &str| undone(" Base64 (of course)", text.as_bytes(), &[]);
        assert_eq!(base64("YW Jj!\r\nZA=="), b"abcd");
        assert_eq!(base64("YQ==YmM=ZGVm"), b"abcdef");
        assert_eq!(base64("=YWJj"), b"abc");
        let quoted = |text: &str| undone("QUOTED-printable", text.as_bytes(), &[]);
        assert_eq!(quoted("a=3db= \t\r\nc=\nd=\r\n"), b"a=bcd");
        assert_eq!(quoted("a=zz =4x ==41 =4=42 ="), b"a=zz =4x =A =4B =");
        assert!(Transfer::named(b"8bit").is_none());
    }

    proptest! {
        #[test]
        fn what_libraries_encode(
            text in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec(any::<u16>(), 0..8),
        ) {
            let quoted = quoted_printable::encode(&text);
            prop_assert_eq!(&undone("quoted-printable", &quoted, &cuts), &text);
            prop_assert_eq!(&undone("base64", STANDARD.encode(&text).as_bytes(), &cuts), &text);
            prop_assert_eq!(&undone("base64", URL_SAFE_NO_PAD.encode(&text).as_bytes(), &cuts), &text);
        }

        #[test]
        fn chunks_never_matter(text in "[=0-9A-F \t\r\nx]{0,40}", cuts in prop::collection::vec(any::<u16>(), 0..8)) {
            for name in ["base64", "quoted-printable"] {
                prop_assert_eq!(undone(name, text.as_bytes(), &cuts), undone(name, text.as_bytes(), &[]));
            }
        }
    }
}
