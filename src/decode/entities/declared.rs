//! What a document declares: the texts that its entities stand for.

use std::collections::HashMap;
use std::sync::Arc;

use crate::decode::escapes::escape::backslashes;

/// Bytes of an entity's name.
pub(super) const NAME: usize = 256;
/// Bytes of all names and values of one document together.
const TABLE: usize = 64 * 1024;
/// What every document knows.
const PREDEFINED: [&[u8]; 5] = [b"amp", b"lt", b"gt", b"quot", b"apos"];

/// Entities of one document, by name.
#[derive(Default, Debug)]
pub(super) struct Declared {
    general: HashMap<Box<[u8]>, Arc<[u8]>>,
    parameters: HashMap<Box<[u8]>, Arc<[u8]>>,
    bytes: usize,
}

/// What is wrong with a declaration: it is more than is kept.
#[derive(Debug)]
pub(super) struct TooMuch;

impl Declared {
    /// Whether there is no entity that a text could refer to.
    pub(super) fn is_empty(&self) -> bool {
        self.general.is_empty()
    }

    /// What a reference in a text stands for.
    pub(super) fn general(&self, name: &[u8]) -> Option<Arc<[u8]>> {
        self.general.get(name).cloned()
    }

    /// What a reference among declarations stands for.
    pub(super) fn parameter(&self, name: &[u8]) -> Option<Arc<[u8]>> {
        self.parameters.get(name).cloned()
    }

    /// Takes a declaration, from `<!ENTITY` to `>`. What is declared first counts; external entities
    /// are passed over.
    pub(super) fn declare(&mut self, declaration: &[u8]) -> Result<(), TooMuch> {
        let rest = declaration.strip_prefix(super::DECLARATION).unwrap_or_default();
        let rest = spaces(rest);
        let (is_parameter, rest) = match rest.strip_prefix(b"%") {
            Some(rest) => (true, spaces(rest)),
            None => (false, rest),
        };
        let length = rest.iter().position(|&byte| !is_name(byte)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(length).unwrap_or_default();
        // In a string of JSON, or of JSON in JSON, backslashes stand before a quote.
        let rest = spaces(rest);
        let backslashes = backslashes(rest);
        let rest = rest.get(backslashes..).unwrap_or_default();
        let Some((&quote, rest)) = rest.split_first() else { return Ok(()) };
        if name.is_empty() || !is_quote(quote) || PREDEFINED.contains(&name) {
            return Ok(());
        }
        let end = memchr::memchr(quote, rest).unwrap_or(rest.len());
        let value = rest.get(..end).unwrap_or_default();
        let escaping = value.iter().rev().take(backslashes).take_while(|&&byte| byte == b'\\');
        let end = end - escaping.count();
        let value = self.replacement(rest.get(..end).unwrap_or_default())?;
        let entities = if is_parameter { &mut self.parameters } else { &mut self.general };
        if entities.contains_key(name) {
            return Ok(());
        }
        self.bytes += name.len() + value.len();
        if name.len() > NAME || self.bytes > TABLE {
            return Err(TooMuch);
        }
        entities.insert(name.into(), value.into());
        Ok(())
    }

    /// What a value stands for: its numbers and parameters are put in at once, the other references
    /// where it is used.
    fn replacement(&self, value: &[u8]) -> Result<Vec<u8>, TooMuch> {
        let mut out = Vec::new();
        let mut rest = value;
        while let Some(at) = memchr::memchr2(b'&', b'%', rest) {
            let (before, here) = rest.split_at_checked(at).unwrap_or_default();
            out.extend_from_slice(before);
            let length = if let Some((char, length)) = number(here) {
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                length
            } else if let Some((text, length)) = self.parameter_at(here) {
                out.extend_from_slice(&text);
                length
            } else {
                out.extend(here.first());
                1
            };
            rest = here.get(length..).unwrap_or_default();
            if out.len() > TABLE {
                return Err(TooMuch);
            }
        }
        out.extend_from_slice(rest);
        Ok(out)
    }

    /// What `%name;` at the beginning of the text stands for, and its length.
    fn parameter_at(&self, text: &[u8]) -> Option<(Arc<[u8]>, usize)> {
        let name = text.strip_prefix(b"%")?;
        let length = name.iter().take(NAME + 1).position(|&byte| !is_name(byte))?;
        (name.get(length) == Some(&b';')).then_some(())?;
        Some((self.parameter(name.get(..length)?)?, length + 2))
    }
}

/// The character of `&#65;` or `&#x41;` at the beginning of the text, and its length.
fn number(text: &[u8]) -> Option<(char, usize)> {
    let digits = text.strip_prefix(b"&#")?;
    let (radix, before, digits) = match digits.strip_prefix(b"x") {
        Some(digits) => (16, 3, digits),
        None => (10, 2, digits),
    };
    let length = digits.iter().position(|byte| !byte.is_ascii_hexdigit())?;
    (length > 0 && digits.get(length) == Some(&b';')).then_some(())?;
    let mut code: u32 = 0;
    for &digit in digits.get(..length)? {
        let digit = char::from(digit).to_digit(radix)?;
        code = code.checked_mul(radix)?.checked_add(digit)?;
    }
    Some((char::from_u32(code)?, before + length + 1))
}

/// The text without the spaces it begins with.
fn spaces(text: &[u8]) -> &[u8] {
    let mut rest = text;
    let mut before = None;
    while let Some((&byte, behind)) = rest.split_first() {
        let is_letter = byte == b'\\'
            && behind.get(backslashes(behind)).is_some_and(|&letter| is_space(letter, Some(byte)));
        if !is_space(byte, before) && !is_letter {
            break;
        }
        (before, rest) = (Some(byte), behind);
    }
    rest
}

/// Whether a byte, behind another one, is a space, or the sign by which a form or the letter by which a
/// string of JSON writes one.
pub(super) fn is_space(byte: u8, before: Option<u8>) -> bool {
    match byte {
        b' ' | b'\t' | b'\n' | b'\r' | b'+' => true,
        b'n' | b't' | b'r' => before == Some(b'\\'),
        _ => false,
    }
}

pub(super) fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'')
}

pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte) || byte >= 0x80
}
