//! The encoded words of mail (RFC 2047) in a header field, which some backends undo in names of files:
//! `=?charset?B?base64?=` and `=?charset?Q?quoted=2Dprintable?=`.

use memchr::{memchr, memmem};

use super::charset::transcoded;
use super::transfer::Transfer;

/// Bytes of the charset's name, with a language behind it.
const LABEL: usize = 80;

/// What each of them begins with.
pub const BEGINS: &[u8] = b"=?";

/// The text with its encoded words undone, without the spaces between two of them; nothing where there
/// is none.
pub fn undone(text: &[u8]) -> Option<Vec<u8>> {
    memchr(b'?', text)?;
    let mut out = Vec::new();
    // What is before `done` has been handed on, the last word ends at `word_end`.
    let (mut done, mut at, mut word_end) = (0, 0, None);
    while let Some(found) = memmem::find(text.get(at..)?, BEGINS) {
        at += found;
        let Some((word, length)) = text.get(at..).and_then(word) else {
            at += 1;
            continue;
        };
        let between = text.get(done..at).unwrap_or_default();
        if word_end != Some(done) || !between.trim_ascii().is_empty() {
            out.extend_from_slice(between);
        }
        out.extend_from_slice(&word);
        at += length;
        (done, word_end) = (at, Some(at));
    }
    word_end?;
    out.extend_from_slice(text.get(done..)?);
    Some(out)
}

/// The encoded word that the text begins with, undone, and its length.
fn word(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let rest = text.strip_prefix(BEGINS)?;
    let length = rest.iter().take(LABEL + 1).position(|&byte| byte == b'?')?;
    let (label, rest) = rest.split_at_checked(length)?;
    // A language may stand behind the charset.
    let label = label.split(|&byte| byte == b'*').next()?;
    let [b'?', encoding, b'?', rest @ ..] = rest else { return None };
    let end = memmem::find(rest, b"?=")?;
    let content = rest.get(..end)?;
    let (mut transfer, content) = match encoding {
        b'B' | b'b' => (Transfer::named(b"base64")?, content.to_vec()),
        b'Q' | b'q' => {
            let spaced = content.iter().map(|&byte| if byte == b'_' { b' ' } else { byte });
            (Transfer::named(b"quoted-printable")?, spaced.collect())
        }
        _ => return None,
    };
    let mut bytes = Vec::new();
    transfer.push(&content, &mut bytes);
    transfer.finish(&mut bytes);
    Some((transcoded(label, &bytes), length + end + 7))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields and, behind a bar, the ASCII in what `email.header` of Python reads in them.
    const ORACLE: &str = include_str!("words.txt");

    #[test]
    fn words_are_as_python_reads_them() {
        for line in ORACLE.lines() {
            let (field, expected) = line.rsplit_once('|').unwrap();
            let mut found = undone(field.as_bytes()).unwrap();
            found.retain(u8::is_ascii);
            assert_eq!(String::from_utf8(found).unwrap(), expected, "{field}");
        }
    }

    #[test]
    fn what_is_no_word_stays() {
        for (text, expected) in [
            ("a =?utf-8?Q?b_c=2d?= d", Some("a b c- d")),
            ("=?us-ascii*en?b?YQ==?==?x?Q?b?= \t =?x?q??=", Some("ab")),
            ("=?=?utf-8?Q?a?=", Some("=?a")),
            ("=?utf-8?X?a?= =?utf-8?Q?a", None),
            ("https://a.example/?a=?b", None),
            ("", None),
        ] {
            assert_eq!(undone(text.as_bytes()).as_deref(), expected.map(str::as_bytes), "{text}");
        }
        let hostile = "=?".repeat(30_000);
        assert_eq!(undone(hostile.as_bytes()), None);
    }
}
