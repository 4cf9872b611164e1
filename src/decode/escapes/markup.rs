//! What XML and HTML allow in the middle of a text and take away: comments, processing instructions
//! and the brackets of CDATA sections.

use memchr::memchr;

use super::escape::{Escape, Inside, Product};

/// Where a byte stands first that may begin or end one, inside of this.
pub(in crate::decode) fn find_mark(inside: Inside, text: &[u8]) -> Option<usize> {
    let ends = |end: u8| text.iter().position(|&byte| byte == end || is_forbidden(byte));
    match inside {
        Inside::Nothing | Inside::Number(_) => memchr(b'<', text),
        Inside::Section => memchr(b']', text),
        Inside::Comment => ends(b'-'),
        Inside::Instruction => ends(b'?'),
    }
}

/// Whether no document may hold the byte: what seemed to be a comment is none then, but bytes of no
/// text, in which it might never end.
fn is_forbidden(byte: u8) -> bool {
    byte < b' ' && !b"\t\n\r".contains(&byte)
}

/// What stands at the beginning of the text, which is the mark.
pub(in crate::decode) fn bracket(inside: Inside, text: &[u8]) -> Escape {
    if inside.is_dropped()
        && let Some(byte) = text.first().filter(|&&byte| is_forbidden(byte))
    {
        return Product::of(1, &[*byte]);
    }
    let brackets: &[(&[u8], Inside)] = match inside {
        Inside::Nothing | Inside::Number(_) => &[
            (b"<!--", Inside::Comment),
            (b"<![CDATA[", Inside::Section),
            (b"<?", Inside::Instruction),
        ],
        Inside::Section => &[(b"]]>", Inside::Nothing)],
        Inside::Comment => &[(b"-->", Inside::Nothing)],
        Inside::Instruction => &[(b"?>", Inside::Nothing)],
    };
    for &(bracket, then) in brackets {
        if text.starts_with(bracket) {
            return Product::bracket(bracket.len(), then);
        }
        if bracket.starts_with(text) {
            return Escape::Cut;
        }
    }
    Escape::Literal
}
