//! Charsets in which ASCII is not written as ASCII, transcoded to UTF-8 as bytes come in.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_16BE, UTF_16LE};

use super::Layer;
use super::utf7::Utf7;

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
    /// Another one.
    Other(&'static Encoding),
}

impl Charset {
    /// The charsets that a label may stand for: none where ASCII is written as ASCII or the label is
    /// unknown, and two where it leaves the order of bytes open.
    pub fn labelled(label: &[u8]) -> &'static [Self] {
        const UTF_16: &[Charset] = &[Charset::Utf16Le, Charset::Utf16Be];
        const UTF_32: &[Charset] = &[Charset::Utf32Le, Charset::Utf32Be];
        const ISO_2022_JP: &[Charset] = &[Charset::Other(encoding_rs::ISO_2022_JP)];
        let mut short: Vec<u8> =
            label.iter().filter(|byte| byte.is_ascii_alphanumeric()).copied().collect();
        short.make_ascii_lowercase();
        match short.as_slice() {
            b"utf16" | b"ucs2" | b"unicode" | b"iso10646ucs2" | b"csunicode" | b"u16" => UTF_16,
            b"utf16le" | b"ucs2le" | b"unicodefeff" => &[Self::Utf16Le],
            b"utf16be" | b"ucs2be" | b"unicodefffe" => &[Self::Utf16Be],
            b"utf32" | b"ucs4" | b"iso10646ucs4" | b"u32" => UTF_32,
            b"utf32le" | b"ucs4le" => &[Self::Utf32Le],
            b"utf32be" | b"ucs4be" => &[Self::Utf32Be],
            b"utf7" | b"u7" | b"unicode11utf7" | b"csunicode11utf7" | b"unicode20utf7" => {
                &[Self::Utf7]
            }
            _ if Encoding::for_label(label) == Some(encoding_rs::ISO_2022_JP) => ISO_2022_JP,
            _ => &[],
        }
    }

    /// The charset of a text that begins so, by its byte-order mark or by the zeros of ASCII in it.
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
            _ => None,
        }
    }

    /// The layer that is undone.
    pub fn layer(self) -> Layer {
        match self {
            Self::Utf16Le | Self::Utf16Be => Layer::Utf16,
            Self::Utf32Le | Self::Utf32Be => Layer::Utf32,
            Self::Utf7 => Layer::Utf7,
            Self::Other(encoding) => Layer::Charset(encoding.name()),
        }
    }
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
        }
    }
}
