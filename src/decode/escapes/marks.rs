//! Which escapes matter, and where the next one begins.

use memchr::{memchr2, memchr3};

use super::escape::{
    Escape, Inside, LONGEST, Product, at, at_in_whole, backslashes, begins, find_mark,
};
use super::reference::may_follow;
use crate::decode::byteset::Relevant;
use crate::decode::layer::{ESCAPES_OF_WHOLE, Layer};

/// Whether an escape of the layer may be part of a token, or of an escape for a part of a token, or
/// the border of a token; `text` begins with the escape, and `before` stands before it, where that is
/// known.
pub(in crate::decode) fn matters(
    layer: Layer,
    product: &Product,
    before: Option<u8>,
    text: &[u8],
    relevant: &Relevant,
) -> bool {
    let after = text.get(product.length..).unwrap_or_default();
    let bytes = product.bytes();
    bytes.is_empty()
        || bytes.iter().any(|&byte| {
            relevant.product(byte) || is_structure(layer, byte, before, after, relevant)
        })
        || product
            .length
            .checked_sub(1)
            .and_then(|last| text.get(last))
            .is_some_and(|&last| relevant.is_border(last, after.first().copied()))
}

/// Whether the byte may be part of an escape, with what stands beside it. Where that is not known,
/// or may be an escape of another layer, it may.
fn is_structure(
    layer: Layer,
    byte: u8,
    before: Option<u8>,
    after: &[u8],
    relevant: &Relevant,
) -> bool {
    let behind = |bytes: &[u8]| before.is_none_or(|before| bytes.contains(&before));
    let ahead = |bytes: &[u8]| next_byte(layer, after).is_none_or(|next| bytes.contains(&next));
    match byte {
        // &#65; &lt;
        b'&' if begins(layer, Inside::Nothing, after) => {
            let next = next_byte(layer, after);
            next.is_none_or(|next| next == b'#' || next.is_ascii_alphabetic())
        }
        b'&' => may_follow(after, is_mark),
        b'#' => behind(b"&"),
        // <!-- --> <![CDATA[ ]]> <? ?>
        b'<' => ahead(b"!?"),
        b'!' => behind(b"<"),
        b'?' => behind(b"<") || ahead(b">"),
        b'[' => behind(b"!A"),
        b']' => behind(b"]") || ahead(b"]>"),
        b'>' => behind(b"-]?"),
        0x80..=0xBF => relevant.undoes(Layer::Utf8) && behind(&[0xC0, 0xC1]),
        _ => false,
    }
}

/// What the text begins with, once the layer is undone; nothing where that is not known, or may be
/// an escape of another layer.
fn next_byte(layer: Layer, text: &[u8]) -> Option<u8> {
    let &first = text.first()?;
    if begins(layer, Inside::Nothing, text) {
        return match at(layer, Inside::Nothing, text) {
            Escape::Of(product) => product.bytes().first().copied(),
            Escape::Cut => None,
            Escape::Literal => Some(first),
        };
    }
    (!is_mark(first)).then_some(first)
}

/// Whether an escape of any layer may begin with the byte.
fn is_mark(byte: u8) -> bool {
    b"%\\&<".contains(&byte)
}

/// The next escape that matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::decode) enum Next {
    /// It begins here.
    At(usize),
    /// The text ends in what may be one, which begins here.
    Cut(usize),
    /// There is none.
    None,
}

/// Where the next escape of the layer that matters begins, at `from` or after it.
pub(in crate::decode) fn next(layer: Layer, text: &[u8], from: usize, relevant: &Relevant) -> Next {
    if !relevant.undoes(layer) {
        return Next::None;
    }
    let mut here = from;
    loop {
        let rest = text.get(here..).unwrap_or_default();
        let Some(offset) = find_mark(layer, Inside::Nothing, rest) else { return Next::None };
        match judge(layer, text, here + offset, relevant) {
            Ok(past) => here = past,
            Err(next) => return next,
        }
    }
}

/// Whether the escape of the layer whose mark stands here matters, or may; or else where to go on.
pub(in crate::decode) fn judge(
    layer: Layer,
    text: &[u8],
    here: usize,
    relevant: &Relevant,
) -> Result<usize, Next> {
    let rest = text.get(here..).unwrap_or_default();
    if layer == Layer::Json && is_letter_beyond_ascii(rest) {
        let before = here.checked_sub(1).and_then(|before| text.get(before));
        if relevant.passes_over_other_letters(before.copied()) {
            return Ok(here + 6);
        }
    }
    match at(layer, Inside::Nothing, rest) {
        Escape::Cut => Err(Next::Cut(here)),
        Escape::Literal => Ok(here + 1),
        Escape::Of(product) if may_be_run(layer, &product) => {
            // A run of backslashes matters by what follows it: \\n inside a JSON text inside a
            // JSON text is a newline in the end, however often it was escaped.
            let run = backslashes(rest);
            let after = rest.get(run..).unwrap_or_default();
            let last = last_of_run(run, relevant);
            if after.is_empty() && run - last < LONGEST {
                return Err(Next::Cut(here + last));
            }
            if run_matters(layer, run, after, relevant) {
                Err(Next::At(here + last))
            } else {
                Ok(here + run)
            }
        }
        Escape::Of(product) => {
            let before = here.checked_sub(1).and_then(|before| text.get(before)).copied();
            if matters(layer, &product, before, rest, relevant) {
                return Err(Next::At(here));
            }
            Ok(here + product.length)
        }
    }
}

/// Whether the text begins with what JSON in ASCII has for a letter of any other script: `\u` and four
/// digits, of no ASCII and of no half of a pair.
fn is_letter_beyond_ascii(text: &[u8]) -> bool {
    let Some(&[b'\\', b'u', a, b, c, d]) = text.first_chunk::<6>() else { return false };
    let digits = [a, b, c, d];
    digits.iter().all(u8::is_ascii_hexdigit)
        && !matches!(a, b'd' | b'D')
        && (digits.starts_with(b"00") && c >= b'8' || !digits.starts_with(b"00"))
}

/// The same in a text that ends where it ends: what is cut stands for itself.
pub(in crate::decode) fn next_in_whole(
    layer: Layer,
    text: &[u8],
    mut from: usize,
    relevant: &Relevant,
) -> Option<usize> {
    loop {
        match next(layer, text, from, relevant) {
            Next::At(here) => return Some(here),
            Next::None => return None,
            Next::Cut(here) => match judge_cut(layer, text, here, relevant) {
                Ok(past) => from = past,
                Err(here) => return Some(here),
            },
        }
    }
}

/// Whether what the text ends in the middle of is an escape that matters all the same; or else where to
/// go on.
pub(in crate::decode) fn judge_cut(
    layer: Layer,
    text: &[u8],
    here: usize,
    relevant: &Relevant,
) -> Result<usize, usize> {
    let rest = text.get(here..).unwrap_or_default();
    let Escape::Of(product) = at_in_whole(layer, Inside::Nothing, rest) else {
        return Ok(here + 1);
    };
    let matters = if may_be_run(layer, &product) {
        relevant.in_token(b'\\')
    } else {
        matters(layer, &product, None, rest, relevant)
    };
    if matters { Err(here) } else { Ok(here + product.length) }
}

/// How many bytes at the end of the text may be the beginning of an escape.
pub(in crate::decode) fn cut_at_end(
    layer: Layer,
    text: &[u8],
    relevant: &Relevant,
) -> Option<usize> {
    if !relevant.undoes(layer) {
        return None;
    }
    let mut here = text.len().saturating_sub(LONGEST);
    while here > 0 && text.get(here - 1) == Some(&b'\\') {
        here -= 1;
    }
    loop {
        let rest = text.get(here..).unwrap_or_default();
        let offset = find_mark(layer, Inside::Nothing, rest)?;
        here += offset;
        let rest = rest.get(offset..).unwrap_or_default();
        match at(layer, Inside::Nothing, rest) {
            Escape::Cut => return Some(rest.len()),
            Escape::Of(_) if backslashes(rest) == rest.len() => {
                return Some(rest.len() - last_of_run(rest.len(), relevant));
            }
            Escape::Literal => here += 1,
            Escape::Of(product) => here += product.length,
        }
    }
}

/// Whether the escape may begin a run of backslashes.
fn may_be_run(layer: Layer, product: &Product) -> bool {
    matches!(layer, Layer::Json | Layer::Quoted) && product.bytes() == b"\\"
}

/// Where in a run of backslashes its last pair begins, or its last one where they are odd: however
/// long the run, no more of it can be part of an escape, unless a token may have backslashes.
fn last_of_run(run: usize, relevant: &Relevant) -> usize {
    if relevant.in_token(b'\\') { 0 } else { run.saturating_sub(1) & !1 }
}

/// Whether any escape can come of a run of so many backslashes, and what follows it, that matters.
fn run_matters(layer: Layer, run: usize, after: &[u8], relevant: &Relevant) -> bool {
    let &[first, ref rest @ ..] = after else { return true };
    match first {
        _ if relevant.in_token(b'\\') => true,
        _ if layer == Layer::Quoted => relevant.product(first),
        b'U' => rest.first().is_none_or(|next| next.is_ascii_hexdigit() || is_mark(*next)),
        b'u' | b'x' | b'%' | b'&' | b'<' | b'\n' | b'\r' => true,
        // However often it was escaped, a line that ends has a power of two before its letter; with
        // others a backslash stands before the line's end, which goes on then.
        b'n' | b'r' if !run.is_power_of_two() => true,
        b'"' | b'\'' | b'/' | b'b' | b't' | b'n' | b'f' | b'r' => {
            let next = rest.first().copied();
            let escape = [b'\\', first, next.unwrap_or_default()];
            let Escape::Of(product) = at(layer, Inside::Nothing, &escape) else {
                return true;
            };
            product.bytes().iter().any(|&byte| relevant.product(byte))
                || relevant.is_border(first, next)
        }
        _ => false,
    }
}

/// Whether any escape of any layer in the text matters. The cost on a text without marks is two
/// searches for a few bytes.
pub fn has_marks(text: &[u8], relevant: &Relevant) -> bool {
    let first = memchr3(b'%', b'\\', b'+', text);
    let first =
        memchr2(b'&', b'<', first.and_then(|first| text.get(..first)).unwrap_or(text)).or(first);
    let from = if relevant.undoes(Layer::Utf8) { Some(0) } else { first };
    from.is_some_and(|from| {
        ESCAPES_OF_WHOLE.iter().any(|&layer| next_in_whole(layer, text, from, relevant).is_some())
    })
}
