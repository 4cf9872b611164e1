//! Character references of XML and HTML.

use super::escape::{Escape, Inside, Product};

/// Leading zeros of a number that are looked at in one go.
const ZEROS: usize = 6;

/// Digits of a code point that are not leading zeros.
const DIGITS: usize = 7;

/// No name is longer, in bytes.
const LONGEST_NAME: usize = 13;

/// The names whose characters tokens, or other escapes, are made of.
const NAMES: &[(&[u8], &[u8])] = &[
    (b"AMP", b"&"),
    (b"GT", b">"),
    (b"Hat", b"^"),
    (b"LT", b"<"),
    (b"NewLine", b"\n"),
    (b"QUOT", b"\""),
    (b"Tab", b"\t"),
    (b"UnderBar", b"_"),
    (b"VerticalLine", b"|"),
    (b"amp", b"&"),
    (b"apos", b"'"),
    (b"ast", b"*"),
    (b"bsol", b"\\"),
    (b"colon", b":"),
    (b"comma", b","),
    (b"commat", b"@"),
    (b"dollar", b"$"),
    (b"equals", b"="),
    (b"excl", b"!"),
    (b"fjlig", b"fj"),
    (b"grave", b"`"),
    (b"gt", b">"),
    (b"lbrace", b"{"),
    (b"lbrack", b"["),
    (b"lcub", b"{"),
    (b"lowbar", b"_"),
    (b"lpar", b"("),
    (b"lsqb", b"["),
    (b"lt", b"<"),
    (b"midast", b"*"),
    (b"num", b"#"),
    (b"percnt", b"%"),
    (b"period", b"."),
    (b"plus", b"+"),
    (b"quest", b"?"),
    (b"quot", b"\""),
    (b"rbrace", b"}"),
    (b"rbrack", b"]"),
    (b"rcub", b"}"),
    (b"rpar", b")"),
    (b"rsqb", b"]"),
    (b"semi", b";"),
    (b"sol", b"/"),
    (b"verbar", b"|"),
    (b"vert", b"|"),
];

/// What stands at the beginning of the text, which is `&`; `ended` tells that the text ends where
/// it ends.
pub(in crate::decode) fn reference(text: &[u8], ended: bool) -> Escape {
    let cut = if ended { Escape::Literal } else { Escape::Cut };
    match *text {
        [_] => cut,
        [_, b'#'] => cut,
        [_, b'#', b'x' | b'X', ..] => number(text, 3, 16, ended),
        [_, b'#', ..] => number(text, 2, 10, ended),
        [_, first, ..] if first.is_ascii_alphabetic() => named(text).unwrap_or(cut),
        _ => Escape::Literal,
    }
}

/// Whether what follows a `&` may make a reference of it, as far as it goes: `stops` tells where no
/// more can be told.
pub(in crate::decode) fn may_follow(after: &[u8], stops: impl Fn(u8) -> bool) -> bool {
    let told = after.iter().take(LONGEST_NAME + 1).position(|&byte| stops(byte));
    let after = told.and_then(|told| after.get(..told)).unwrap_or(after);
    match after.first() {
        None | Some(b'#') => true,
        Some(first) if first.is_ascii_alphabetic() => {
            let name = after.iter().position(|byte| !byte.is_ascii_alphanumeric());
            match name.and_then(|length| after.split_at_checked(length)) {
                None => NAMES.iter().any(|(name, _)| name.starts_with(after)),
                Some((name, rest)) => rest.first() == Some(&b';') && find(name).is_some(),
            }
        }
        Some(_) => false,
    }
}

/// A number to a base, after so many bytes.
pub(in crate::decode) fn number(text: &[u8], before: usize, base: u32, ended: bool) -> Escape {
    let digits = text.get(before..).unwrap_or_default();
    let zeros = digits.iter().take(ZEROS).take_while(|&&byte| byte == b'0').count();
    if zeros == ZEROS {
        // One stays, so that what follows is a number too.
        return Product::bracket(before + ZEROS - 1, Inside::Number(base));
    }
    let digit = |at: usize| digits.get(at).and_then(|&byte| char::from(byte).to_digit(base));
    let mut code = 0;
    let mut count = zeros;
    while let Some(digit) = digit(count).filter(|_| count - zeros < DIGITS) {
        code = code * base + digit;
        count += 1;
    }
    match digits.get(count) {
        None if !ended => Escape::Cut,
        _ if count == 0 => Escape::Literal,
        Some(b';') => Product::code_point(before + count + 1, code),
        _ => Product::code_point(before + count, code),
    }
}

/// A reference by name; nothing where the text ends in it.
fn named(text: &[u8]) -> Option<Escape> {
    let name = text.get(1..).unwrap_or_default();
    let length = name.iter().take(LONGEST_NAME).position(|byte| !byte.is_ascii_alphanumeric());
    let Some(length) = length else {
        return (name.len() >= LONGEST_NAME).then_some(Escape::Literal);
    };
    let (name, rest) = name.split_at_checked(length).unwrap_or_default();
    if rest.first() != Some(&b';') {
        return Some(Escape::Literal);
    }
    Some(find(name).map_or(Escape::Literal, |product| Product::of(length + 2, product)))
}

fn find(name: &[u8]) -> Option<&'static [u8]> {
    let place = NAMES.binary_search_by_key(&name, |&(name, _)| name).ok()?;
    NAMES.get(place).map(|&(_, product)| product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_in_order_and_fit() {
        assert!(NAMES.is_sorted());
        assert!(NAMES.iter().all(|(name, _)| name.len() < LONGEST_NAME));
    }

    #[test]
    fn what_may_follow() {
        let stops = |byte| byte == b'%';
        for (after, may) in [
            ("", true),
            ("#", true),
            ("lt;", true),
            ("lt", true),
            ("lo%", true),
            ("%", true),
            ("page=", false),
            ("page;", false),
            ("=", false),
            ("abcdefghijklmnop", false),
        ] {
            assert_eq!(may_follow(after.as_bytes(), stops), may, "{after}");
        }
    }
}
