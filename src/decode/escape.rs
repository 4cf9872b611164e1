//! One escape: where it begins, what it stands for, whether that matters.

use memchr::{memchr, memchr3};

use super::byteset::Relevant;
use super::layer::Layer;

/// No escape is longer than this, in bytes.
pub(super) const LONGEST: usize = 16;

/// What stands at a mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Escape {
    /// Nothing: the mark stands for itself.
    Literal,
    /// The text ends before that can be told.
    Cut,
    /// An escape.
    Of(Product),
}

/// What an escape stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Product {
    /// Bytes of the escape.
    pub(super) length: usize,
    bytes: [u8; 4],
    count: usize,
}

impl Product {
    fn byte(length: usize, byte: u8) -> Escape {
        Escape::Of(Self { length, bytes: [byte, 0, 0, 0], count: 1 })
    }

    fn nothing(length: usize) -> Escape {
        Escape::Of(Self { length, bytes: [0; 4], count: 0 })
    }

    /// UTF-8 of a code point; a surrogate or what is beyond Unicode is the replacement character.
    fn code_point(length: usize, code: u32) -> Escape {
        let mut bytes = [0; 4];
        let count = char::from_u32(code)
            .unwrap_or(char::REPLACEMENT_CHARACTER)
            .encode_utf8(&mut bytes)
            .len();
        Escape::Of(Self { length, bytes, count })
    }

    /// The bytes it stands for.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or_default()
    }

    /// Whether it may be part of a token, or of an escape for a part of a token, or the border of a
    /// token; `text` begins with the escape.
    pub(super) fn matters(&self, text: &[u8], relevant: &Relevant) -> bool {
        self.count == 0
            || self.bytes().iter().any(|&byte| relevant.product(byte))
            || self
                .length
                .checked_sub(1)
                .and_then(|last| text.get(last))
                .is_some_and(|&last| relevant.is_border(last, text.get(self.length).copied()))
    }
}

/// The byte that each escape of the layer begins with.
pub(super) const fn mark(layer: Layer) -> u8 {
    match layer {
        Layer::Json => b'\\',
        Layer::Form => b'+',
        Layer::Percent | Layer::Base64 | Layer::Hex => b'%',
    }
}

/// What stands at the beginning of the text, which is the layer's mark.
pub(super) fn at(layer: Layer, text: &[u8]) -> Escape {
    match layer {
        Layer::Percent => percent(text),
        Layer::Json => json(text),
        Layer::Form => Product::byte(1, b' '),
        Layer::Base64 | Layer::Hex => Escape::Literal,
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

/// The next escape that matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// It begins here.
    At(usize),
    /// The text ends in what may be one, which begins here.
    Cut(usize),
    /// There is none.
    None,
}

/// Where the next escape of the layer that matters begins, at `from` or after it.
pub(super) fn next(layer: Layer, text: &[u8], from: usize, relevant: &Relevant) -> Next {
    if layer == Layer::Form && !relevant.in_token(b' ') {
        return Next::None;
    }
    let mut here = from;
    loop {
        let rest = text.get(here..).unwrap_or_default();
        let Some(offset) = memchr(mark(layer), rest) else { return Next::None };
        here += offset;
        let rest = rest.get(offset..).unwrap_or_default();
        match at(layer, rest) {
            Escape::Cut => return Next::Cut(here),
            Escape::Literal => here += 1,
            Escape::Of(product) if layer == Layer::Json && product.bytes() == b"\\" => {
                // A run of backslashes matters by what follows it: \\n inside a JSON text inside a
                // JSON text is a newline in the end, however often it was escaped.
                let run = rest.iter().take_while(|&&byte| byte == b'\\').count();
                match rest.get(run) {
                    Some(_) if !run_matters(rest.get(run..).unwrap_or_default(), relevant) => {
                        here += run;
                    }
                    None if run < LONGEST => return Next::Cut(here),
                    _ => return Next::At(here),
                }
            }
            Escape::Of(product) if product.matters(rest, relevant) => return Next::At(here),
            Escape::Of(product) => here += product.length,
        }
    }
}

/// The same in a text that ends where it ends: what is cut stands for itself.
pub(super) fn next_in_whole(
    layer: Layer,
    text: &[u8],
    mut from: usize,
    relevant: &Relevant,
) -> Option<usize> {
    loop {
        match next(layer, text, from, relevant) {
            Next::At(here) => return Some(here),
            Next::None => return None,
            Next::Cut(here) => match at(layer, text.get(here..).unwrap_or_default()) {
                Escape::Of(product) => {
                    if relevant.in_token(b'\\') {
                        return Some(here);
                    }
                    from = here + product.length;
                }
                _ => from = here + 1,
            },
        }
    }
}

/// How many bytes at the end of the text may be the beginning of an escape.
pub(super) fn cut_at_end(layer: Layer, text: &[u8]) -> Option<usize> {
    let mut here = text.len().saturating_sub(LONGEST);
    while here > 0 && text.get(here - 1) == Some(&b'\\') {
        here -= 1;
    }
    loop {
        let rest = text.get(here..).unwrap_or_default();
        let offset = memchr(mark(layer), rest)?;
        here += offset;
        let rest = rest.get(offset..).unwrap_or_default();
        match at(layer, rest) {
            Escape::Cut => return Some(rest.len()),
            Escape::Of(_) if rest.iter().all(|&byte| byte == b'\\') => return Some(rest.len()),
            Escape::Literal => here += 1,
            Escape::Of(product) => here += product.length,
        }
    }
}

/// Whether any escape can come of a run of backslashes, and what follows it, that matters.
fn run_matters(after: &[u8], relevant: &Relevant) -> bool {
    let &[first, ref rest @ ..] = after else { return true };
    match first {
        _ if relevant.in_token(b'\\') => true,
        b'u' | b'x' | b'%' | b'\n' | b'\r' => true,
        b'"' | b'\'' | b'/' | b'b' | b't' | b'n' | b'f' | b'r' => {
            let next = rest.first().copied();
            let Escape::Of(product) = json(&[b'\\', first, next.unwrap_or_default()]) else {
                return true;
            };
            product.bytes().iter().any(|&byte| relevant.product(byte))
                || relevant.is_border(first, next)
        }
        _ => false,
    }
}

/// Whether any escape of any layer in the text matters. The cost on a text without marks is one
/// search for three bytes.
pub fn has_marks(text: &[u8], relevant: &Relevant) -> bool {
    memchr3(b'%', b'\\', b'+', text).is_some_and(|first| {
        super::layer::ESCAPES
            .iter()
            .any(|&layer| next_in_whole(layer, text, first, relevant).is_some())
    })
}

/// Undoes one layer of escapes in a text given whole.
pub fn undo(layer: Layer, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    undo_into(layer, text, &mut out, None);
    out
}

/// Undoes one layer of escapes, and says for each decoded byte where its escape begins.
pub(super) fn undo_into(
    layer: Layer,
    text: &[u8],
    out: &mut Vec<u8>,
    mut origins: Option<&mut Vec<u32>>,
) {
    let mut from = 0;
    while let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
        let plain = memchr(mark(layer), rest).unwrap_or(rest.len());
        out.extend_from_slice(rest.get(..plain).unwrap_or_default());
        if let Some(origins) = origins.as_deref_mut() {
            origins.extend(from as u32..(from + plain) as u32);
        }
        from += plain;
        let Some(here) = rest.get(plain..).filter(|here| !here.is_empty()) else { return };
        let (length, product) = match at(layer, here) {
            Escape::Of(product) => (product.length, product),
            Escape::Literal | Escape::Cut => {
                (1, Product { length: 1, bytes: [mark(layer), 0, 0, 0], count: 1 })
            }
        };
        out.extend_from_slice(product.bytes());
        if let Some(origins) = origins.as_deref_mut() {
            origins.extend(std::iter::repeat_n(from as u32, product.count));
        }
        from += length;
    }
}
