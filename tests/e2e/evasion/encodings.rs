//! How a value is written: one encoding each, by name.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Where a backend would undo it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    Anywhere,
    /// Heads.
    Head,
    /// Query and form.
    Form,
    Cookie,
    /// Bodies.
    Body,
}

type Apply = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// One way to write a value.
pub struct Encoding {
    pub name: String,
    pub at: At,
    /// Whether it stands for its kind in pairs.
    pub in_pairs: bool,
    pub apply: Apply,
}

fn each(text: &[u8], write: impl Fn(usize, u8) -> String) -> Vec<u8> {
    text.iter().enumerate().flat_map(|(at, &byte)| write(at, byte).into_bytes()).collect()
}

/// Writes the character at `at` alone, counted from the end where negative.
fn only(text: &[u8], at: isize, write: impl Fn(u8) -> String) -> Vec<u8> {
    let at = if at < 0 { text.len() - at.unsigned_abs() } else { at.unsigned_abs() };
    let mut out = text[..at].to_vec();
    out.extend(write(text[at]).bytes());
    out.extend_from_slice(&text[at + 1..]);
    out
}

fn percent(byte: u8) -> String {
    format!("%{byte:02X}")
}

fn percent_lower(byte: u8) -> String {
    format!("%{byte:02x}")
}

fn percent_all(text: &[u8]) -> Vec<u8> {
    each(text, |_, byte| percent(byte))
}

/// What is no letter or digit, as every client library does.
fn percent_natural(text: &[u8]) -> Vec<u8> {
    each(text, |_, byte| match byte {
        b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => percent(byte),
    })
}

fn json_u(byte: u8) -> String {
    format!("\\u{byte:04x}")
}

fn json_natural(text: &[u8]) -> Vec<u8> {
    each(text, |_, byte| match byte {
        b'"' | b'\\' | b'/' => format!("\\{}", char::from(byte)),
        byte => char::from(byte).to_string(),
    })
}

pub fn xml_natural(text: &[u8]) -> Vec<u8> {
    each(text, |_, byte| match byte {
        b'&' => "&amp;".to_owned(),
        b'<' => "&lt;".to_owned(),
        b'>' => "&gt;".to_owned(),
        b'"' => "&quot;".to_owned(),
        b'\'' => "&apos;".to_owned(),
        byte => char::from(byte).to_string(),
    })
}

pub fn hex(text: &[u8]) -> Vec<u8> {
    each(text, |_, byte| format!("{byte:02x}"))
}

/// Quoted-printable with every character escaped.
pub fn quoted_printable(text: &[u8]) -> Vec<u8> {
    each(text, |_, byte| format!("={byte:02X}"))
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn wrapped(text: &[u8], width: usize, end: &str) -> Vec<u8> {
    let encoded = STANDARD.encode(text);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join(end).into_bytes()
}

/// Every encoding of a value.
pub fn encodings() -> Vec<Encoding> {
    let mut all = Vec::new();
    let mut add = |name: &str, at: At, in_pairs: bool, apply: Apply| {
        all.push(Encoding { name: name.to_owned(), at, in_pairs, apply });
    };
    add("percent:all", At::Anywhere, true, Box::new(percent_all));
    add("percent:lower", At::Anywhere, false, Box::new(|t| each(t, |_, b| percent_lower(b))));
    add("percent:first", At::Anywhere, false, Box::new(|t| only(t, 0, percent)));
    add("percent:last", At::Anywhere, false, Box::new(|t| only(t, -1, percent)));
    add("percent:natural", At::Anywhere, true, Box::new(percent_natural));
    add(
        "percent:mixed",
        At::Anywhere,
        false,
        Box::new(|t| {
            each(t, |at, b| match at % 3 {
                0 => percent(b),
                1 => percent_lower(b),
                _ => char::from(b).to_string(),
            })
        }),
    );
    add("percent:twice", At::Anywhere, false, Box::new(|t| percent_all(&percent_all(t))));
    add(
        "percent:twice-natural",
        At::Anywhere,
        false,
        Box::new(|t| percent_natural(&percent_all(t))),
    );
    add(
        "percent:thrice",
        At::Anywhere,
        false,
        Box::new(|t| percent_natural(&percent_natural(&percent_all(t)))),
    );
    add("percent-u:all", At::Anywhere, false, Box::new(|t| each(t, |_, b| format!("%u{b:04X}"))));
    add("percent-u:first", At::Anywhere, true, Box::new(|t| only(t, 0, |b| format!("%u{b:04x}"))));
    add(
        "form:natural",
        At::Form,
        false,
        Box::new(|t| {
            each(t, |_, b| match b {
                b' ' => "+".to_owned(),
                b'-' | b'_' | b'.' | b'*' => char::from(b).to_string(),
                b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
                b => percent(b),
            })
        }),
    );
    add("json-u:all", At::Anywhere, true, Box::new(|t| each(t, |_, b| json_u(b))));
    add("json-u:upper", At::Anywhere, false, Box::new(|t| each(t, |_, b| format!("\\u{b:04X}"))));
    add("json-u:first", At::Anywhere, false, Box::new(|t| only(t, 0, json_u)));
    add("json-u:last", At::Anywhere, false, Box::new(|t| only(t, -1, json_u)));
    add("json:natural", At::Anywhere, false, Box::new(json_natural));
    add("json5-x:all", At::Anywhere, false, Box::new(|t| each(t, |_, b| format!("\\x{b:02x}"))));
    add("json5-x:first", At::Anywhere, true, Box::new(|t| only(t, 0, |b| format!("\\x{b:02X}"))));
    add("json5-brace", At::Anywhere, false, Box::new(|t| each(t, |_, b| format!("\\u{{{b:x}}}"))));
    add(
        "json5-line",
        At::Body,
        false,
        Box::new(|t| [&t[..t.len() / 2], b"\\\n", &t[t.len() / 2..]].concat()),
    );
    add("entity:dec", At::Anywhere, true, Box::new(|t| each(t, |_, b| format!("&#{b};"))));
    add("entity:hex", At::Anywhere, false, Box::new(|t| each(t, |_, b| format!("&#x{b:x};"))));
    add(
        "entity:hex-upper",
        At::Anywhere,
        false,
        Box::new(|t| each(t, |_, b| format!("&#X{b:X};"))),
    );
    add("entity:first", At::Anywhere, false, Box::new(|t| only(t, 0, |b| format!("&#x{b:X};"))));
    add("entity:zeroes", At::Anywhere, false, Box::new(|t| each(t, |_, b| format!("&#{b:07};"))));
    add("entity:natural", At::Anywhere, false, Box::new(xml_natural));
    add(
        "utf8-overlong",
        At::Head,
        true,
        Box::new(|t| each(t, |_, b| format!("%{:02X}%{:02X}", 0xC0 | b >> 6, 0x80 | b & 0x3F))),
    );
    add(
        "cookie-octal",
        At::Cookie,
        true,
        Box::new(|t| [b"\"", &each(t, |_, b| format!("\\{b:03o}"))[..], b"\""].concat()),
    );
    add("hex:lower", At::Anywhere, true, Box::new(hex));
    add("hex:upper", At::Anywhere, false, Box::new(|t| each(t, |_, b| format!("{b:02X}"))));
    add("hex:0x", At::Anywhere, false, Box::new(|t| [b"0x", &hex(t)[..]].concat()));
    add("hex:inside", At::Anywhere, false, Box::new(|t| hex(&[b"key: ", t, b"; more"].concat())));
    for (engine_name, engine) in [
        ("std", &STANDARD),
        ("std-nopad", &STANDARD_NO_PAD),
        ("url", &URL_SAFE),
        ("url-nopad", &URL_SAFE_NO_PAD),
    ] {
        for before in 0..3 {
            for after in 0..3 {
                let representative =
                    matches!((engine_name, before, after), ("std", 0, 0) | ("url-nopad", 1, 2));
                add(
                    &format!("b64:{engine_name}:{before}:{after}"),
                    At::Anywhere,
                    representative,
                    Box::new(move |t| {
                        let text = [&b"?:"[..before], t, &b";/"[..after]].concat();
                        engine.encode(text).into_bytes()
                    }),
                );
            }
        }
    }
    add("b64:lines-76", At::Body, false, Box::new(|t| wrapped(t, 76, "\r\n")));
    add("b64:lines-20", At::Body, false, Box::new(|t| wrapped(t, 20, "\n")));
    add(
        "b64:twice",
        At::Anywhere,
        false,
        Box::new(|t| STANDARD.encode(STANDARD.encode(t)).into_bytes()),
    );
    add(
        "b64:document",
        At::Anywhere,
        false,
        Box::new(|t| {
            let text = [br#"{"user":"someone","token":""#, t, br#"","scope":["read"]}"#].concat();
            URL_SAFE_NO_PAD.encode(text).into_bytes()
        }),
    );
    add(
        "b64:data-url",
        At::Anywhere,
        false,
        Box::new(|t| format!("data:text/plain;base64,{}", STANDARD.encode(t)).into_bytes()),
    );
    add("b64:gzip", At::Anywhere, false, Box::new(|t| STANDARD.encode(gzip(t)).into_bytes()));
    all
}
