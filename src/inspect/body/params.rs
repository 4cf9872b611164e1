//! Values of header fields that have parameters, read as leniently as backends do: every value that
//! one of them may take for a parameter is given.

use percent_encoding::percent_decode;

use crate::config::limits;
use crate::decode::charset::transcoded;

/// `essence; name=value; …`
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::inspect) struct Parameterized {
    /// What stands before the parameters, in lower case.
    pub(in crate::inspect) essence: Vec<u8>,
    params: Vec<Param>,
    /// The parameters as those read them to whom a backslash is one, where there is any.
    literal: Vec<Param>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Param {
    /// In lower case, without the marks of a continuation.
    name: Vec<u8>,
    value: Vec<u8>,
    /// The part of a continued value that it is.
    section: Option<u32>,
    /// Whether the value is percent-encoded, behind a charset if it is the first part.
    extended: bool,
    /// Whether undoing backslashes changed the value.
    unescaped: bool,
}

impl Parameterized {
    /// The values of one field, which may be a list; some backends take a list for one value.
    pub(in crate::inspect) fn list(field: &[u8]) -> Vec<Self> {
        let pieces = split(field, b',', true);
        let whole = (pieces.len() > 1).then_some(field);
        whole.into_iter().chain(pieces).take(limits::MEDIA_TYPES).map(Self::one).collect()
    }

    /// One value.
    pub(in crate::inspect) fn one(value: &[u8]) -> Self {
        let mut pieces = split(value, b';', true).into_iter();
        let essence = pieces.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        let params = pieces.filter_map(|piece| Param::new(piece, true)).collect();
        let literal = if value.contains(&b'\\') { split(value, b';', false) } else { Vec::new() };
        let literal = literal.into_iter().skip(1).filter_map(|piece| Param::new(piece, false));
        Self { essence, params, literal: literal.collect() }
    }

    /// What a parameter is as a plain value, the last one first.
    pub(in crate::inspect) fn plain(&self, name: &[u8]) -> Option<&[u8]> {
        self.params
            .iter()
            .rfind(|param| param.name == name && param.section.is_none() && !param.extended)
            .map(|param| param.value.as_slice())
    }

    /// Every value that a parameter may be taken to have.
    pub(in crate::inspect) fn all(&self, name: &[u8]) -> Vec<Vec<u8>> {
        let mut values: Vec<Vec<u8>> = self
            .params
            .iter()
            .filter(|param| param.name == name && param.section.is_none())
            .map(|param| if param.extended { extended(&param.value) } else { param.value.clone() })
            .collect();
        values.extend(joined(&self.params, name));
        values.dedup();
        values.truncate(limits::MEDIA_TYPES);
        values
    }

    /// Values that do not stand in the field as they are.
    pub(in crate::inspect) fn decoded(&self) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        for param in self.params.iter().filter(|param| param.section.is_none()) {
            if param.extended {
                values.push(extended(&param.value));
            } else if param.unescaped {
                values.push(param.value.clone());
            }
        }
        for params in [&self.params, &self.literal] {
            let mut names: Vec<&[u8]> = Vec::new();
            for param in params.iter().filter(|param| param.section.is_some()) {
                if !names.contains(&param.name.as_slice()) && names.len() < limits::MEDIA_TYPES {
                    names.push(&param.name);
                }
            }
            values.extend(names.into_iter().filter_map(|name| joined(params, name)));
        }
        values
    }
}

/// A value that comes in several parameters, in the order of their numbers.
fn joined(params: &[Param], name: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&Param> =
        params.iter().filter(|param| param.name == name && param.section.is_some()).collect();
    parts.sort_by_key(|param| param.section);
    let first = *parts.first()?;
    let mut charset = None;
    let mut whole = Vec::new();
    for param in &parts {
        if param.extended {
            let value = if param.section == first.section {
                let (label, value) = labelled(&param.value);
                charset = label;
                value
            } else {
                &param.value
            };
            whole.extend(percent_decode(value));
        } else {
            whole.extend_from_slice(&param.value);
        }
    }
    Some(charset.map_or_else(|| whole.clone(), |label| transcoded(label, &whole)))
}

impl Param {
    /// `escapes` tells whether backslashes escape what follows them.
    fn new(text: &[u8], escapes: bool) -> Option<Self> {
        let equals = memchr::memchr(b'=', text)?;
        let (name, value) = text.split_at_checked(equals)?;
        let value = value.get(1..)?.trim_ascii();
        let mut name = name.trim_ascii().to_ascii_lowercase();
        let extended = name.last() == Some(&b'*');
        if extended {
            name.pop();
        }
        let mut section = None;
        if let Some(star) = memchr::memrchr(b'*', &name)
            && let Some(number) = name
                .get(star + 1..)
                .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok())
        {
            section = Some(number);
            name.truncate(star);
        }
        let quoted = value.first() == Some(&b'"');
        let inner = value.strip_prefix(b"\"").unwrap_or(value);
        let inner = if quoted { inner.strip_suffix(b"\"").unwrap_or(inner) } else { inner };
        let unescaped = escapes && quoted && inner.contains(&b'\\');
        let value = if unescaped { unescape(inner) } else { inner.to_vec() };
        Some(Self { name, value, section, extended, unescaped })
    }
}

/// Splits at separators outside quotes; `escapes` tells whether a quote behind a backslash is none.
fn split(text: &[u8], separator: u8, escapes: bool) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted && escapes => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                pieces.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..).unwrap_or_default());
    pieces
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        out.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    out
}

/// `charset'language'text`, apart.
fn labelled(value: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut pieces = value.splitn(3, |&byte| byte == b'\'');
    match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(charset), Some(_), Some(text)) => (Some(charset), text),
        _ => (None, value),
    }
}

fn extended(value: &[u8]) -> Vec<u8> {
    let (label, text) = labelled(value);
    let bytes: Vec<u8> = percent_decode(text).collect();
    label.map_or_else(|| bytes.clone(), |label| transcoded(label, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_every_spelling() {
        let value = Parameterized::one(
            b"Form-Data ; name=a;name = \"b;\\\"c\" ; filename*=UTF-8'en'x%20y; filename*1=\"d\"; \
              filename*0*=utf-8''%63; broken",
        );
        assert_eq!(value.essence, b"form-data");
        assert_eq!(value.plain(b"name"), Some(&b"b;\"c"[..]));
        assert_eq!(value.all(b"name"), [b"a".to_vec(), b"b;\"c".to_vec()]);
        assert_eq!(value.all(b"filename"), [b"x y".to_vec(), b"cd".to_vec()]);
        assert_eq!(value.decoded(), [b"b;\"c".to_vec(), b"x y".to_vec(), b"cd".to_vec()]);
        assert_eq!(Parameterized::list(b"a; b=\",\"").len(), 1);
        let list = Parameterized::list(b"a; b=c,d");
        let values: Vec<_> = list.iter().map(|value| value.plain(b"b")).collect();
        assert_eq!(values, [Some(&b"c,d"[..]), Some(b"c"), None]);
        let halves = Parameterized::one(br#"x; filename*0="a\"; filename*1="u0062""#);
        assert!(halves.decoded().contains(&br"a\u0062".to_vec()));
        let wide = Parameterized::one(b"x; filename*=utf-16''%00a%00b");
        assert_eq!(wide.decoded(), [b"ab".to_vec()]);
    }
}
