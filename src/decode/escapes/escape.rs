//! One escape: where it may begin, and what it stands for.

use memchr::{memchr, memchr2};

use super::markup;
use super::reference::{number, reference};
use crate::decode::layer::Layer;

/// No escape is longer than this, in bytes.
pub(in crate::decode) const LONGEST: usize = 16;

/// What stands at a mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::decode) enum Escape {
    /// Nothing: the mark stands for itself.
    Literal,
    /// The text ends before that can be told.
    Cut,
    /// An escape.
    Of(Product),
}

/// What a text is inside of, which decides how its next bytes are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::decode) enum Inside {
    /// Nothing.
    #[default]
    Nothing,
    /// The leading zeros of a character reference to this base.
    Number(u32),
    /// A CDATA section, which is text to its end.
    Section,
    /// A comment.
    Comment,
    /// A processing instruction.
    Instruction,
}

impl Inside {
    /// Whether what stands here is no text.
    pub(in crate::decode) fn is_dropped(self) -> bool {
        matches!(self, Self::Comment | Self::Instruction)
    }
}

/// What an escape stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::decode) struct Product {
    /// Bytes of the escape.
    pub(in crate::decode) length: usize,
    /// What the text behind it is inside of.
    pub(in crate::decode) then: Inside,
    bytes: [u8; 4],
    count: usize,
}

impl Product {
    /// As many of these bytes as an escape can stand for: four.
    pub(in crate::decode) fn of(length: usize, product: &[u8]) -> Escape {
        let mut bytes = [0; 4];
        for (to, from) in bytes.iter_mut().zip(product) {
            *to = *from;
        }
        let count = product.len().min(bytes.len());
        Escape::Of(Self { length, then: Inside::Nothing, bytes, count })
    }

    /// What stands for nothing, and says what follows.
    pub(in crate::decode) fn bracket(length: usize, then: Inside) -> Escape {
        Escape::Of(Self { length, then, bytes: [0; 4], count: 0 })
    }

    /// UTF-8 of a code point; a surrogate or what is beyond Unicode is the replacement character.
    pub(in crate::decode) fn code_point(length: usize, code: u32) -> Escape {
        let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        Self::of(length, char.encode_utf8(&mut [0; 4]).as_bytes())
    }

    fn byte(length: usize, byte: u8) -> Escape {
        Self::of(length, &[byte])
    }

    fn nothing(length: usize) -> Escape {
        Self::of(length, &[])
    }

    /// The bytes it stands for.
    pub(in crate::decode) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or_default()
    }
}

/// The byte that the layer's escapes begin with, where that is one and the same.
pub(in crate::decode) fn mark_of(layer: Layer) -> Option<u8> {
    match layer {
        Layer::Percent => Some(b'%'),
        Layer::Json | Layer::Quoted => Some(b'\\'),
        Layer::Form => Some(b'+'),
        Layer::Entity => Some(b'&'),
        Layer::Markup => Some(b'<'),
        _ => None,
    }
}

/// Where a byte stands first that an escape of the layer may begin with.
pub(in crate::decode) fn find_mark(layer: Layer, inside: Inside, text: &[u8]) -> Option<usize> {
    match layer {
        Layer::Entity if matches!(inside, Inside::Number(_)) => (!text.is_empty()).then_some(0),
        Layer::Markup => markup::find_mark(inside, text),
        Layer::Utf8 => memchr2(0xC0, 0xC1, text),
        _ => memchr(mark_of(layer)?, text),
    }
}

/// Whether an escape of the layer may begin where the text begins.
pub(in crate::decode) fn begins(layer: Layer, inside: Inside, text: &[u8]) -> bool {
    match (layer, inside) {
        (Layer::Utf8, _) | (Layer::Entity | Layer::Markup, _) if inside != Inside::Nothing => {
            find_mark(layer, inside, text.get(..1).unwrap_or_default()).is_some()
        }
        (Layer::Utf8, _) => matches!(text.first(), Some(0xC0 | 0xC1)),
        _ => text.first().is_some_and(|first| mark_of(layer) == Some(*first)),
    }
}

/// What stands at the beginning of the text, which is a mark of the layer.
pub(in crate::decode) fn at(layer: Layer, inside: Inside, text: &[u8]) -> Escape {
    match layer {
        Layer::Percent => percent(text),
        Layer::Json => json(text),
        Layer::Form => Product::byte(1, b' '),
        Layer::Entity => entity(inside, text, false),
        Layer::Markup => markup::bracket(inside, text),
        Layer::Quoted => quoted(text),
        Layer::Utf8 => overlong(text),
        _ => Escape::Literal,
    }
}

/// The same where the text ends where it ends. Some of what was cut is an escape then.
pub(in crate::decode) fn at_in_whole(layer: Layer, inside: Inside, text: &[u8]) -> Escape {
    match at(layer, inside, text) {
        Escape::Cut if layer == Layer::Entity => entity(inside, text, true),
        Escape::Cut => Escape::Literal,
        escape => escape,
    }
}

fn entity(inside: Inside, text: &[u8], ended: bool) -> Escape {
    match inside {
        Inside::Number(base) => number(text, 0, base, ended),
        _ => reference(text, ended),
    }
}

fn percent(text: &[u8]) -> Escape {
    match *text {
        [_] | [_, b'u'] => Escape::Cut,
        [_, b'u', ref rest @ ..] => utf16(rest, 2, b"%u"),
        [_, high] if hex(high).is_some() => Escape::Cut,
        [_, high, low, ..] => match (hex(high), hex(low)) {
            (Some(high), Some(low)) => Product::byte(3, (high << 4 | low) as u8),
            _ => Escape::Literal,
        },
        _ => Escape::Literal,
    }
}

fn json(text: &[u8]) -> Escape {
    let Some(&kind) = text.get(1) else { return Escape::Cut };
    match kind {
        b'"' | b'\\' | b'/' | b'\'' => Product::byte(2, kind),
        b'b' => Product::byte(2, 8),
        b't' => Product::byte(2, 9),
        b'n' => Product::byte(2, 10),
        b'f' => Product::byte(2, 12),
        b'r' => Product::byte(2, 13),
        b'\n' => Product::nothing(2),
        b'\r' => match text.get(2) {
            None => Escape::Cut,
            Some(b'\n') => Product::nothing(3),
            Some(_) => Product::nothing(2),
        },
        b'x' => match digits(text.get(2..).unwrap_or_default(), 2) {
            Digits::Are(code) => Product::code_point(4, code),
            Digits::Cut => Escape::Cut,
            Digits::Not => Escape::Literal,
        },
        b'U' => match digits(text.get(2..).unwrap_or_default(), 8) {
            Digits::Are(code) => Product::code_point(10, code),
            Digits::Cut => Escape::Cut,
            Digits::Not => Escape::Literal,
        },
        b'u' => match text.get(2..).unwrap_or_default() {
            [] => Escape::Cut,
            [b'{', rest @ ..] => braced(rest),
            rest => utf16(rest, 2, b"\\u"),
        },
        _ => Escape::Literal,
    }
}

/// `41}` of `\u{41}`.
fn braced(text: &[u8]) -> Escape {
    let mut code = 0;
    for (index, &byte) in text.iter().take(7).enumerate() {
        match hex(byte) {
            Some(digit) if index < 6 => code = code << 4 | digit,
            None if byte == b'}' && index > 0 => return Product::code_point(index + 4, code),
            _ => return Escape::Literal,
        }
    }
    if text.len() < 7 { Escape::Cut } else { Escape::Literal }
}

/// Four hex digits of a UTF-16 unit after an introducer of `before` bytes; where it is the first
/// of a pair, the second one, with its introducer, belongs to it.
fn utf16(text: &[u8], before: usize, introducer: &[u8; 2]) -> Escape {
    let first = match digits(text, 4) {
        Digits::Are(code) => code,
        Digits::Cut => return Escape::Cut,
        Digits::Not => return Escape::Literal,
    };
    let alone = Product::code_point(before + 4, first);
    if !(0xD800..0xDC00).contains(&first) {
        return alone;
    }
    let rest = text.get(4..).unwrap_or_default();
    let Some(second) = rest.strip_prefix(introducer.as_slice()) else {
        return if introducer.starts_with(rest) { Escape::Cut } else { alone };
    };
    match digits(second, 4) {
        Digits::Are(code @ 0xDC00..0xE000) => {
            Product::code_point(before + 10, 0x10000 + ((first - 0xD800) << 10 | (code - 0xDC00)))
        }
        Digits::Cut => Escape::Cut,
        _ => alone,
    }
}

/// What a backslash does in a quoted string, and in a cookie's with three octal digits.
fn quoted(text: &[u8]) -> Escape {
    match *text {
        [_] => Escape::Cut,
        [_, a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
            Product::byte(4, (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
        }
        [_, b'0'..=b'3'] | [_, b'0'..=b'3', b'0'..=b'7'] => Escape::Cut,
        [_, byte, ..] => Product::byte(2, byte),
        [] => Escape::Literal,
    }
}

fn overlong(text: &[u8]) -> Escape {
    match *text {
        [_] => Escape::Cut,
        [lead, next @ 0x80..=0xBF, ..] => Product::byte(2, (lead & 1) << 6 | (next & 0x3F)),
        _ => Escape::Literal,
    }
}

enum Digits {
    Are(u32),
    Cut,
    Not,
}

fn digits(text: &[u8], count: usize) -> Digits {
    let mut code = 0;
    for &byte in text.iter().take(count) {
        let Some(digit) = hex(byte) else { return Digits::Not };
        code = code << 4 | digit;
    }
    if text.len() < count { Digits::Cut } else { Digits::Are(code) }
}

fn hex(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

/// Undoes one layer of escapes in a text given whole.
pub fn undo(layer: Layer, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    undo_into(layer, Inside::Nothing, text, false, &mut out, None);
    out
}

/// Undoes one layer of escapes, and says for each decoded byte where its escape begins. Where runs
/// `collapse`, one backslash stands for all those that a run of them stands for.
pub(in crate::decode) fn undo_into(
    layer: Layer,
    mut inside: Inside,
    text: &[u8],
    collapse: bool,
    out: &mut Vec<u8>,
    mut origins: Option<&mut Vec<u32>>,
) {
    let mut from = 0;
    while let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
        let plain = find_mark(layer, inside, rest).unwrap_or(rest.len());
        if !inside.is_dropped() {
            out.extend_from_slice(rest.get(..plain).unwrap_or_default());
            if let Some(origins) = origins.as_deref_mut() {
                origins.extend(from as u32..(from + plain) as u32);
            }
        }
        from += plain;
        let here = rest.get(plain..).unwrap_or_default();
        let Some(&mark) = here.first() else { return };
        let literal = [mark];
        let escape = at_in_whole(layer, inside, here);
        let (mut length, bytes): (usize, &[u8]) = match &escape {
            Escape::Of(product) => (product.length, product.bytes()),
            Escape::Literal | Escape::Cut if inside.is_dropped() => (1, &[]),
            Escape::Literal | Escape::Cut => (1, &literal),
        };
        if let Escape::Of(product) = escape {
            inside = product.then;
        }
        if collapse && length == 2 && here.starts_with(br"\\") {
            length = backslashes(here) & !1;
        }
        out.extend_from_slice(bytes);
        if let Some(origins) = origins.as_deref_mut() {
            origins.extend(std::iter::repeat_n(from as u32, bytes.len()));
        }
        from += length;
    }
}

/// How many backslashes the text begins with.
pub(in crate::decode) fn backslashes(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| byte == b'\\').count()
}
