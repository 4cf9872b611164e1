//! What an XML declaration says of the charset of the text behind it.

use memchr::memmem;

use crate::config::limits;
use crate::decode::charset::{Charset, Transcoder};

/// Begins a declaration, in ASCII.
const BEGIN: &[u8] = b"<?xml";
const END: &[u8] = b"?>";
/// The same in EBCDIC.
const EBCDIC_BEGIN: &[u8] = b"\x4c\x6f\xa7\x94\x93";
const EBCDIC_END: &[u8] = b"\x6f\x6e";
const ENCODING: &[u8] = b"encoding";

/// Whether a text that begins so has a declaration whose end has not come.
pub(in crate::inspect) fn goes_on(beginning: &[u8]) -> bool {
    let goes_on = |begin: &[u8], end: &[u8]| {
        let begins = beginning.starts_with(begin) || begin.starts_with(beginning);
        begins && memmem::find(beginning, end).is_none()
    };
    beginning.len() < limits::XML_DECLARATION_BYTES
        && (goes_on(BEGIN, END) || goes_on(EBCDIC_BEGIN, EBCDIC_END))
}

/// The charsets that the declaration of a text that begins so may name, where they must be undone.
pub(in crate::inspect) fn charsets(beginning: &[u8]) -> Vec<Charset> {
    let head = beginning.get(..limits::XML_DECLARATION_BYTES).unwrap_or(beginning);
    if head.starts_with(BEGIN) {
        return label(head).map(Charset::labelled).unwrap_or_default();
    }
    let Some(ebcdic) = Charset::sniff(head).filter(|_| head.starts_with(EBCDIC_BEGIN)) else {
        return Vec::new();
    };
    let mut text = Vec::new();
    Transcoder::new(ebcdic).push(head, true, &mut |piece| {
        text.extend_from_slice(piece);
        true
    });
    label(&text).map(Charset::labelled).unwrap_or_default()
}

/// `encoding="…"` of the declaration that the text begins with.
fn label(text: &[u8]) -> Option<&[u8]> {
    let declaration = text.get(..memmem::find(text, END)?)?;
    let value = declaration.get(memmem::find(declaration, ENCODING)? + ENCODING.len()..)?;
    let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first()?;
    value.get(..memchr::memchr(*quote, value)?)
}
