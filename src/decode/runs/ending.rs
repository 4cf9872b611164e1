//! How far back the run may have begun that a text ends in.

use super::LINE;
use super::sextet::{END, ESCAPE, WRAP, class};

/// Bytes that a line break in a run takes at most, escaped more than once.
const BREAK: usize = 20;

/// How many bytes at the end of a text may belong to one run: of a text that was told to end in
/// `before` of them already, and goes on with `piece`; `tail` is what stands before the piece.
///
/// More rather than fewer: junk of any length is taken to go on with a run.
pub(in crate::decode) fn ending(before: usize, tail: &[u8], piece: &[u8]) -> usize {
    // All that is sure to belong, and the line break behind it that may not.
    let (mut sure, mut wrap, mut plain) = (0, None, 0);
    let bytes = tail.iter().chain(piece).rev();
    for (walked, &byte) in bytes.enumerate() {
        // From here on it is as was told of the text before, unless that ends in a line break.
        if walked >= piece.len() && wrap.is_none() && before > 0 {
            return piece.len() + before;
        }
        match class(byte) {
            END => return sure,
            WRAP | ESCAPE => {
                match wrap {
                    None => wrap = Some(walked),
                    Some(end) if walked - end < BREAK => {}
                    Some(_) => return sure,
                }
                plain = 0;
            }
            _ => plain += 1,
        }
        if plain >= LINE {
            wrap = None;
        }
        if wrap.is_none() {
            sure = walked + 1;
        }
    }
    sure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> usize {
        ending(0, &[], text.as_bytes())
    }

    #[test]
    fn a_run_goes_back_over_what_lenient_decoders_pass_over() {
        let line = "QUJDREVGR0hJSktMTU5PUA==";
        for (text, expected) in [
            ("", 0),
            ("\"", 0),
            ("\"QUJD", 4),
            ("{\"a\":\"QUJD==!/-_x", 11),
            ("a sentence of words", 5),
            ("some other words\n", 0),
        ] {
            assert_eq!(whole(text), expected, "{text}");
        }
        for wrap in [" ", "\r\n", r"\r\n", r"\\\\r\\\\n", "%0D%0A", "*.~"] {
            let text = format!("\"{line}{wrap}{line}{wrap}QUJ");
            assert_eq!(whole(&text), text.len() - 1, "{text}");
            // The letters of an escaped line break may be more characters of the run.
            let text = format!("\"QUJD{wrap}{line}{wrap}QUJ");
            let least = line.len() + wrap.len() + 3;
            let most = if wrap == "*.~" { text.len() - 1 } else { least + wrap.len() };
            assert!((least..=most).contains(&whole(&text)), "{text}: {}", whole(&text));
        }
    }

    #[test]
    fn pieces_make_no_difference() {
        let texts = [
            "\"QUJDREVGR0hJSktMTU5PUA==\\r\\nQUJDREVGR0hJSktMTU5PUA==%0AQUJDREVG\"",
            "x=QUJDREVGR0hJSktMTU5PUA a sentence of words and then QUJDREVGR0hJSktMTU5PUA QUJD",
        ];
        for text in texts {
            for end in 0..=text.len() {
                let expected = whole(&text[..end]);
                for size in [1, 2, 5] {
                    let (mut told, mut seen) = (0, 0);
                    for piece in text.as_bytes()[..end].chunks(size) {
                        told = ending(told, &text.as_bytes()[..seen], piece);
                        seen += piece.len();
                    }
                    assert_eq!(told, expected, "{} in {size}", &text[..end]);
                }
            }
        }
    }
}
