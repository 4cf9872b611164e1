//! Telling a report's format from its beginning.

use super::{Format, csv};

/// Bytes of a report's beginning that are enough to tell its format.
pub const SNIFF_BYTES: usize = 8 * 1024;

/// The format of a report that begins with these bytes (up to [`SNIFF_BYTES`], in UTF-8 and without
/// a byte order mark); absent where it could be several or is none of ours.
pub fn sniff(first: &[u8]) -> Option<Format> {
    let text = first.trim_ascii_start();
    match text.first()? {
        b'{' => json(text),
        b'[' => match text.get(1..).unwrap_or_default().trim_ascii_start().first() {
            Some(b'{') => json(text),
            // No findings at all, as Gitleaks writes it.
            Some(b']') => Some(Format::Gitleaks),
            _ => None,
        },
        _ => plain(text, first.len() >= SNIFF_BYTES),
    }
}

/// Keys that only reports of one format have; the first format of which any is there wins.
const KEYS: &[(&str, Format)] = &[
    ("\"runs\"", Format::Sarif),
    ("sarif", Format::Sarif),
    ("\"SourceMetadata\"", Format::Trufflehog),
    ("\"DetectorName\"", Format::Trufflehog),
    ("\"RuleID\"", Format::Gitleaks),
    ("\"ruleID\"", Format::Betterleaks),
    ("\"snippet\"", Format::Kingfisher),
    ("kingfisher", Format::Kingfisher),
    ("\"findings\"", Format::Kingfisher),
    ("\"Secret\"", Format::Gitleaks),
];

fn json(text: &[u8]) -> Option<Format> {
    // A finding's own text may hold another's keys, so the one that stands first decides.
    KEYS.iter()
        .enumerate()
        .filter_map(|(rank, (key, format))| {
            memchr::memmem::find(text, key.as_bytes()).map(|at| ((at, rank), *format))
        })
        .min_by_key(|(place, _)| *place)
        .map(|(_, format)| format)
}

fn plain(text: &[u8], more: bool) -> Option<Format> {
    let mut lines = text.split(|&byte| byte == b'\n');
    if csv::header_delimiter(lines.next()?).is_some() {
        return Some(Format::Csv);
    }
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    if more && lines.len() > 1 {
        lines.pop();
    }
    let token = |line: &[u8]| line.trim_ascii().iter().all(|b| b.is_ascii_graphic() || *b >= 0x80);
    lines.into_iter().all(token).then_some(Format::List)
}
