//! What XML and HTML allow in the middle of a text and take away: comments, processing instructions
//! and the brackets of CDATA sections.

use super::escape::{Escape, Inside, Product};

/// The byte that may begin or end one, inside of this.
pub(super) fn mark(inside: Inside) -> u8 {
    match inside {
        Inside::Nothing | Inside::Number(_) => b'<',
        Inside::Section => b']',
        Inside::Comment => b'-',
        Inside::Instruction => b'?',
    }
}

/// What stands at the beginning of the text, which is the mark.
pub(super) fn bracket(inside: Inside, text: &[u8]) -> Escape {
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
