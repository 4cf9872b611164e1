//! Where inside a text a token stands: which segment, parameter, cookie or JSON value. Only asked
//! once a token was found.

use std::ops::Range;

/// One `name=value` of a list of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pair {
    /// Its place in the list, from 0.
    pub(super) position: usize,
    /// Where its name stands in the text.
    pub(super) name: Range<usize>,
}

/// The path segment, counted from 0, that the range lies in.
pub(super) fn segment(path: &[u8], range: &Range<usize>) -> Option<u32> {
    let (index, _) = piece(path, b'/', range)?;
    // What stands before the first slash is no segment.
    let index = if path.first() == Some(&b'/') { index.checked_sub(1)? } else { index };
    u32::try_from(index).ok()
}

/// The pair that the range lies in.
pub(super) fn pair(text: &[u8], separator: u8, range: &Range<usize>) -> Option<Pair> {
    let (position, piece) = piece(text, separator, range)?;
    let bytes = text.get(piece.clone())?;
    let spaces = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let length = bytes.iter().position(|&byte| byte == b'=').unwrap_or(bytes.len());
    let start = piece.start + spaces.min(length);
    Some(Pair { position, name: start..piece.start + length })
}

/// Which of the pieces between separators the range lies in.
fn piece(text: &[u8], separator: u8, range: &Range<usize>) -> Option<(usize, Range<usize>)> {
    if text.get(range.clone())?.contains(&separator) {
        return None;
    }
    let before = text.get(..range.start)?;
    let index = before.iter().filter(|&&byte| byte == separator).count();
    let start = before.iter().rposition(|&byte| byte == separator).map_or(0, |at| at + 1);
    let rest = text.get(range.end..)?;
    let end = rest.iter().position(|&byte| byte == separator).unwrap_or(rest.len());
    Some((index, start..range.end + end))
}

/// One step of a JSON path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// A member: where its key stands in the text (without quotes), and which member it is.
    Member(Range<usize>, usize),
    /// An element of an array.
    Element(usize),
}

/// Deeper than this, JSON is not followed.
const JSON_DEPTH: usize = 64;

enum Level {
    Object { key: Option<Range<usize>>, count: usize },
    Array { count: usize },
}

/// The way to the JSON string, number or key that the range lies in; for a key, the way to its
/// member. Takes JSON that is broken for what it seems to be.
pub(super) fn json_path(text: &[u8], range: &Range<usize>) -> Option<Vec<Step>> {
    let mut levels: Vec<Level> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if at >= range.end {
            return None;
        }
        let start = at;
        at += 1;
        match byte {
            b'{' | b'[' if levels.len() >= JSON_DEPTH => return None,
            b'{' => levels.push(Level::Object { key: None, count: 0 }),
            b'[' => levels.push(Level::Array { count: 0 }),
            b'}' | b']' => {
                levels.pop();
            }
            b',' => match levels.last_mut() {
                Some(Level::Object { key, count }) => {
                    *key = None;
                    *count += 1;
                }
                Some(Level::Array { count }) => *count += 1,
                None => {}
            },
            b'"' => {
                at = end_of_string(text, at);
                let inside = start + 1..at.saturating_sub(1).max(start + 1);
                if let Some(Level::Object { key: key @ None, .. }) = levels.last_mut() {
                    *key = Some(inside.clone());
                }
                if inside.start <= range.start && range.end <= at {
                    return Some(steps(&levels));
                }
            }
            byte if byte.is_ascii_whitespace() || byte == b':' => {}
            _ => {
                let rest = text.get(at..).unwrap_or_default();
                at += rest
                    .iter()
                    .position(|b| matches!(b, b',' | b'}' | b']' | b'"') || b.is_ascii_whitespace())
                    .unwrap_or(rest.len());
                if start <= range.start && range.end <= at {
                    return Some(steps(&levels));
                }
            }
        }
    }
    None
}

/// One past the closing quote of the string whose inside begins at `at`.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    while let Some(offset) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += offset + 1;
        if text.get(at - 1) == Some(&b'"') {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn steps(levels: &[Level]) -> Vec<Step> {
    levels
        .iter()
        .filter_map(|level| match level {
            Level::Object { key, count } => {
                key.as_ref().map(|key| Step::Member(key.clone(), *count))
            }
            Level::Array { count } => Some(Step::Element(*count)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range_of(text: &str, part: &str) -> Range<usize> {
        let start = text.find(part).unwrap();
        start..start + part.len()
    }

    #[test]
    fn segments() {
        for (path, part, expected) in [
            ("/a/TOK/b", "TOK", Some(1)),
            ("/TOK", "TOK", Some(0)),
            ("/a/b;m=TOK/c", "TOK", Some(1)),
            ("/a/TOK", "a/TOK", None),
            ("/a/TOK", "/TOK", None),
            ("TOK", "TOK", Some(0)),
            ("/a//TOK", "TOK", Some(2)),
        ] {
            assert_eq!(segment(path.as_bytes(), &range_of(path, part)), expected, "{path}");
        }
    }

    #[test]
    fn pairs() {
        for (text, separator, part, expected) in [
            ("a=1&key=TOK&c", '&', "TOK", Some((1, "key"))),
            ("TOK", '&', "TOK", Some((0, "TOK"))),
            ("a=1&TOK=2", '&', "TOK", Some((1, "TOK"))),
            ("a=TO&K=1", '&', "TO&K", None),
            ("a=b; sid=TOK; c=d", ';', "TOK", Some((1, "sid"))),
            ("a=b;  =TOK", ';', "TOK", Some((1, ""))),
        ] {
            let found = pair(text.as_bytes(), separator as u8, &range_of(text, part));
            let found = found.map(|pair| (pair.position, &text[pair.name]));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn json_paths() {
        for (text, expected) in [
            (r#"{"auth":{"token":"TOK"}}"#, Some("$.auth.token")),
            (r#"[1,{"a":["x","yTOKz"]}]"#, Some("$[1].a[1]")),
            (r#"{"a":"\"","b":"TOK"}"#, Some("$.b")),
            (r#"{"a":{"b":1},"TOK":2}"#, Some("$.TOK")),
            (r#"{"a" : 1, "b" : TOK }"#, Some("$.b")),
            (r#""TOK""#, Some("$")),
            ("{\"a\":1}\n{\"b\":\"TOK\"}", Some("$.b")),
            (r#"{"a":"TOK"#, Some("$.a")),
            (r#"{"a":"x","b":"y"} "#, None),
        ] {
            let part = if text.contains("TOK") { "TOK" } else { r#"x","b"# };
            let found = json_path(text.as_bytes(), &range_of(text, part));
            let shown = found.map(|steps| {
                steps.iter().fold("$".to_owned(), |path, step| match step {
                    Step::Member(key, _) => format!("{path}.{}", &text[key.clone()]),
                    Step::Element(index) => format!("{path}[{index}]"),
                })
            });
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
        let deep = "[".repeat(1000) + "\"TOK\"";
        assert_eq!(json_path(deep.as_bytes(), &range_of(&deep, "TOK")), None);
    }
}
