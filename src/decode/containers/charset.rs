//! Charsets in which ASCII is not written as ASCII, transcoded to UTF-8 as bytes come in.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_16BE, UTF_16LE};

use super::ebcdic::{self, Ebcdic, Page};
use super::utf7::Utf7;
use crate::decode::Layer;

/// Bytes that are transcoded in one go.
const PIECE: usize = 4 * 1024;
/// Bytes of a text's beginning that tell its charset.
pub const SHAPE: usize = 4;

/// A charset that must be undone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charset {
    /// UTF-16, the high byte last.
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
    /// UTF-32, the high byte last.
    Utf32Le,
    /// UTF-32, the high byte first.
    Utf32Be,
    /// UTF-7.
    Utf7,
    /// A code page of EBCDIC, and whether characters of two bytes are in it.
    Ebcdic(&'static Page, bool),
    /// Another one.
    Other(&'static Encoding),
}

impl Charset {
    /// The charsets that a label may stand for: none where ASCII is written as ASCII or the label is
    /// unknown, and two where it leaves the order of bytes open.
    pub fn labelled(label: &[u8]) -> Vec<Self> {
        let mut short: Vec<u8> =
            label.iter().filter(|byte| byte.is_ascii_alphanumeric()).copied().collect();
        short.make_ascii_lowercase();
        match short.as_slice() {
            b"utf16" | b"ucs2" | b"unicode" | b"iso10646ucs2" | b"csunicode" | b"u16" => {
                vec![Self::Utf16Le, Self::Utf16Be]
            }
            b"utf16le" | b"ucs2le" | b"unicodefeff" => vec![Self::Utf16Le],
            b"utf16be" | b"ucs2be" | b"unicodefffe" => vec![Self::Utf16Be],
            b"utf32" | b"ucs4" | b"iso10646ucs4" | b"u32" => vec![Self::Utf32Le, Self::Utf32Be],
            b"utf32le" | b"ucs4le" => vec![Self::Utf32Le],
            b"utf32be" | b"ucs4be" => vec![Self::Utf32Be],
            b"utf7" | b"u7" | b"unicode11utf7" | b"csunicode11utf7" | b"unicode20utf7" => {
                vec![Self::Utf7]
            }
            _ => match Encoding::for_label(label) {
                Some(encoding) if encoding == encoding_rs::ISO_2022_JP => {
                    vec![Self::Other(encoding)]
                }
                Some(_) => Vec::new(),
                None => ebcdic::labelled(label)
                    .map(|(page, mixed)| Self::Ebcdic(page, mixed))
                    .into_iter()
                    .collect(),
            },
        }
    }

    /// Whether a label is known: whether what it stands for is undone, or ASCII is written as ASCII
    /// in it.
    pub fn is_known(label: &[u8]) -> bool {
        label.trim_ascii().is_empty()
            || Encoding::for_label(label).is_some()
            || !Self::labelled(label).is_empty()
    }

    /// The charset of a text that begins so, by its byte-order mark, by the zeros of ASCII in it or as
    /// XML in EBCDIC, whose code page is not told.
    pub fn sniff(beginning: &[u8]) -> Option<Self> {
        match *beginning {
            [0xff, 0xfe, 0, 0, ..] => Some(Self::Utf32Le),
            [0, 0, 0xfe, 0xff, ..] => Some(Self::Utf32Be),
            [0xff, 0xfe, ..] => Some(Self::Utf16Le),
            [0xfe, 0xff, ..] => Some(Self::Utf16Be),
            [0, 0, 0, 1..=127, ..] => Some(Self::Utf32Be),
            [1..=127, 0, 0, 0, ..] => Some(Self::Utf32Le),
            [0, 1..=127, 0, 1..=127, ..] => Some(Self::Utf16Be),
            [1..=127, 0, 1..=127, 0, ..] => Some(Self::Utf16Le),
            // `<?xm` in every code page of EBCDIC.
            [0x4c, 0x6f, 0xa7, 0x94, ..] => Self::labelled(b"cp037").pop(),
            _ => None,
        }
    }

    /// The layer that is undone.
    pub fn layer(self) -> Layer {
        match self {
            Self::Utf16Le | Self::Utf16Be => Layer::Utf16,
            Self::Utf32Le | Self::Utf32Be => Layer::Utf32,
            Self::Utf7 => Layer::Utf7,
            Self::Ebcdic(..) => Layer::Charset("ebcdic"),
            Self::Other(encoding) => Layer::Charset(encoding.name()),
        }
    }
}

/// A short text in the charset of a label, as far as ASCII is written in another way there.
pub fn transcoded(label: &[u8], bytes: &[u8]) -> Vec<u8> {
    let charsets = Charset::labelled(label);
    let sniffed = Charset::sniff(bytes).filter(|sniffed| charsets.contains(sniffed));
    let Some(charset) = sniffed.or(charsets.last().copied()) else {
        return bytes.to_vec();
    };
    let mut text = Vec::new();
    Transcoder::new(charset).push(bytes, true, &mut |piece| {
        text.extend_from_slice(piece);
        true
    });
    text
}

/// State of transcoding one text to UTF-8.
pub struct Transcoder {
    engine: Engine,
    malformed: bool,
    hopeless: bool,
}

enum Engine {
    Library(Box<Decoder>),
    Utf32 { big: bool, held: [u8; 4], count: usize },
    Utf7(Utf7),
    Ebcdic(Box<Ebcdic>),
}

impl Transcoder {
    /// The beginning of a text.
    pub fn new(charset: Charset) -> Self {
        let library = |encoding: &'static Encoding| {
            Engine::Library(Box::new(encoding.new_decoder_without_bom_handling()))
        };
        let engine = match charset {
            Charset::Utf16Le => library(UTF_16LE),
            Charset::Utf16Be => library(UTF_16BE),
            Charset::Utf32Le => Engine::Utf32 { big: false, held: [0; 4], count: 0 },
            Charset::Utf32Be => Engine::Utf32 { big: true, held: [0; 4], count: 0 },
            Charset::Utf7 => Engine::Utf7(Utf7::default()),
            Charset::Ebcdic(page, mixed) => Engine::Ebcdic(Box::new(Ebcdic::new(page, mixed))),
            Charset::Other(encoding) => library(encoding),
        };
        Self { engine, malformed: false, hopeless: false }
    }

    /// Whether something was not of the charset; U+FFFD stands for it.
    pub fn malformed(&self) -> bool {
        self.malformed
    }

    /// Whether there was something that no decoder takes for text of the charset.
    pub fn is_hopeless(&self) -> bool {
        self.hopeless
    }

    /// Takes the next bytes and hands on their text, piece by piece, as long as `out` says true;
    /// `last` ends the text.
    pub fn push(&mut self, input: &[u8], last: bool, out: &mut dyn FnMut(&[u8]) -> bool) {
        match &mut self.engine {
            Engine::Library(decoder) => {
                let mut buffer = [0; PIECE];
                let mut rest = input;
                loop {
                    let (result, read, written, errors) =
                        decoder.decode_to_utf8(rest, &mut buffer, last);
                    self.malformed |= errors;
                    rest = rest.get(read..).unwrap_or_default();
                    let goes_on = out(buffer.get(..written).unwrap_or_default());
                    if result == CoderResult::InputEmpty || !goes_on {
                        break;
                    }
                }
            }
            Engine::Utf32 { big, held, count } => {
                let mut text = String::new();
                for &byte in input {
                    if let Some(slot) = held.get_mut(*count) {
                        *slot = byte;
                    }
                    *count += 1;
                    if *count == held.len() {
                        *count = 0;
                        let code = if *big {
                            u32::from_be_bytes(*held)
                        } else {
                            u32::from_le_bytes(*held)
                        };
                        let char = char::from_u32(code);
                        self.malformed |= char.is_none();
                        self.hopeless |= code > u32::from(char::MAX);
                        text.push(char.unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    if text.len() >= PIECE {
                        if !out(text.as_bytes()) {
                            return;
                        }
                        text.clear();
                    }
                }
                self.malformed |= last && *count > 0;
                out(text.as_bytes());
            }
            Engine::Utf7(utf7) => {
                for piece in input.chunks(PIECE) {
                    let mut text = String::new();
                    self.malformed |= !utf7.push(piece, &mut text);
                    if !out(text.as_bytes()) {
                        return;
                    }
                }
            }
            Engine::Ebcdic(ebcdic) => {
                for piece in input.chunks(PIECE) {
                    let mut text = String::new();
                    ebcdic.push(piece, &mut text);
                    if !out(text.as_bytes()) {
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::encode::chunks;

    fn transcoded(charset: Charset, bytes: &[u8], cuts: &[u16]) -> (String, bool) {
        let mut transcoder = Transcoder::new(charset);
        let mut out = Vec::new();
        for piece in chunks(bytes, cuts) {
            transcoder.push(piece, false, &mut |text| {
                out.extend_from_slice(text);
                true
            });
        }
        transcoder.push(&[], true, &mut |text| {
            out.extend_from_slice(text);
            true
        });
        (String::from_utf8(out).unwrap(), transcoder.malformed())
    }

    #[test]
    fn labels() {
        assert_eq!(Charset::labelled(b"UTF_16le"), [Charset::Utf16Le]);
        assert_eq!(Charset::labelled(b"utf-16"), [Charset::Utf16Le, Charset::Utf16Be]);
        assert_eq!(Charset::labelled(b"unicode-1-1-utf-7"), [Charset::Utf7]);
        for label in ["utf-8", "us-ascii", "iso-8859-1", "shift_jis", "gb18030", "", "?"] {
            assert!(Charset::labelled(label.as_bytes()).is_empty(), "{label}");
        }
        for label in ["", " UTF-8 ", "latin1", "utf-7", "UCS-2", "windows-1252", "ibm037", "cp500"]
        {
            assert!(Charset::is_known(label.as_bytes()), "{label}");
        }
        for label in ["ibm437", "cp5000", "?"] {
            assert!(!Charset::is_known(label.as_bytes()), "{label}");
        }
        assert_eq!(Charset::sniff(b"ab"), None);
        assert_eq!(Charset::sniff(b"{\"a\""), None);
    }

    #[test]
    fn utf_7_as_the_rfc_has_it() {
        for (text, expected) in [
            ("A+ImIDkQ.", "A\u{2262}\u{391}."),
            ("Hi Mom +Jjo-!", "Hi Mom \u{263a}!"),
            ("+ZeVnLIqe-", "\u{65e5}\u{672c}\u{8a9e}"),
            ("1 +- 1 +2D3eAA-", "1 + 1 \u{1f600}"),
            ("+AGE-b+AGM", "abc"),
        ] {
            assert_eq!(
                transcoded(Charset::Utf7, text.as_bytes(), &[]),
                (expected.to_owned(), false)
            );
        }
        assert!(transcoded(Charset::Utf7, b"\xff", &[]).1);
    }

    proptest! {
        #[test]
        fn what_is_encoded(text in "\\PC{0,60}", cuts in prop::collection::vec(any::<u16>(), 0..8)) {
            let units: Vec<u16> = text.encode_utf16().collect();
            let bytes = |to: fn(u16) -> [u8; 2]| units.iter().flat_map(|&unit| to(unit)).collect::<Vec<_>>();
            let wide = |to: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| to(u32::from(c))).collect::<Vec<_>>();
            let seven: String = text.chars().map(|char| {
                let mut units = [0; 2];
                let units: Vec<u8> =
                    char.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()).collect();
                let base64 = ::base64::engine::general_purpose::STANDARD_NO_PAD;
                format!("+{}-", ::base64::Engine::encode(&base64, units))
            }).collect();
            for (charset, bytes) in [
                (Charset::Utf16Le, bytes(u16::to_le_bytes)),
                (Charset::Utf16Be, bytes(u16::to_be_bytes)),
                (Charset::Utf32Le, wide(u32::to_le_bytes)),
                (Charset::Utf32Be, wide(u32::to_be_bytes)),
                (Charset::Utf7, seven.into_bytes()),
            ] {
                prop_assert_eq!(transcoded(charset, &bytes, &cuts), (text.clone(), false));
            }
            let japanese = encoding_rs::ISO_2022_JP;
            let (bytes, _, unmappable) = japanese.encode(&text);
            if !unmappable {
                let (expected, _) = japanese.decode_without_bom_handling(&bytes);
                let charset = Charset::Other(japanese);
                prop_assert_eq!(transcoded(charset, &bytes, &cuts).0, expected.into_owned());
            }
        }

        #[test]
        fn chunks_never_matter(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            cuts in prop::collection::vec(any::<u16>(), 0..8),
        ) {
            for charset in [Charset::Utf16Le, Charset::Utf32Be, Charset::Utf7] {
                prop_assert_eq!(transcoded(charset, &bytes, &cuts), transcoded(charset, &bytes, &[]));
            }
        }
    }
}
