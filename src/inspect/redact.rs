//! Texts for records: every token replaced by its fingerprint.

use std::fmt::Write as _;
use std::ops::Range;

use super::search::{budget, held, locate, relevant};
use crate::config::limits;
use crate::decode::Relevant;
use crate::matcher::Patchset;

/// What stands for a piece of which no more can be told than that a token is in it.
const HIDDEN: &str = "[token]";

/// The text with every token of the patchset, in whatever encoding it stands there, replaced by its
/// fingerprint, and with what is not printable escaped, cut to at most `limit` bytes.
///
/// The result is searched again through all layers before it is handed out; should a token still be
/// in it, the smallest enclosing piece is hidden, or else the whole.
pub fn redact(patchset: &Patchset, text: &[u8], limit: usize) -> String {
    let relevant = relevant(patchset);
    let clean = |text: &str| {
        let mut budget = budget();
        held(patchset, &relevant, &mut budget, text.as_bytes()).is_empty() && !budget.is_spent()
    };
    let mut shown = printable(&replaced(patchset, &relevant, text));
    if !clean(&shown) {
        shown = hide_pieces(&shown, &clean);
    }
    if !clean(&shown) {
        return cut(HIDDEN.to_owned(), limit);
    }
    let whole = shown.len();
    let shown = cut(shown, limit);
    // A cut may end a text where only a longer one was harmless.
    if shown.len() < whole && !clean(&shown) { cut(HIDDEN.to_owned(), limit) } else { shown }
}

/// A name as a point shows it, or nothing where a token stands in it: printable, and cut.
pub(super) fn name(patchset: &Patchset, relevant: &Relevant, name: &[u8]) -> Option<String> {
    let mut budget = budget();
    if !held(patchset, relevant, &mut budget, name).is_empty() || budget.is_spent() {
        return None;
    }
    Some(cut(printable(name), limits::POINT_NAME_BYTES))
}

/// The text with a fingerprint in each place where a token stands; where places overlap, one stands
/// for all.
fn replaced(patchset: &Patchset, relevant: &Relevant, text: &[u8]) -> Vec<u8> {
    let mut places: Vec<(Range<usize>, String)> = locate(patchset, relevant, text)
        .into_iter()
        .filter_map(|found| {
            let fingerprint = patchset.token(found.token)?.fingerprint;
            Some((found.range, format!("[token:{fingerprint}]")))
        })
        .collect();
    places
        .sort_by(|(one, _), (other, _)| one.start.cmp(&other.start).then(other.end.cmp(&one.end)));
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for (place, stand_in) in places {
        if place.start >= done {
            out.extend_from_slice(text.get(done..place.start).unwrap_or_default());
            out.extend_from_slice(stand_in.as_bytes());
        }
        done = done.max(place.end);
    }
    out.extend_from_slice(text.get(done..).unwrap_or_default());
    out
}

/// Hides each piece between separators that is not clean by itself.
fn hide_pieces(text: &str, clean: &dyn Fn(&str) -> bool) -> String {
    text.split_inclusive(['/', '?', '&', ';', '=', ',', ' '])
        .map(|piece| if clean(piece) { piece } else { HIDDEN })
        .collect()
}

/// The text as valid UTF-8, with what is not printable escaped.
fn printable(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            if is_printable(char) {
                out.push(char);
            } else {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(char));
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Neither a control character nor one that changes the order or the lines of what is shown.
fn is_printable(char: char) -> bool {
    !char.is_control()
        && !matches!(
            char,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

fn cut(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}
