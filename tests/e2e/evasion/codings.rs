//! How a whole body is written: content codings and charsets, by name.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::encodings::gzip;
use super::request::Sent;

/// What is done to a whole body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A content coding, declared or not.
    Coding,
    /// A charset: only of a text.
    Charset,
}

/// One way to write a body.
pub struct Coding {
    pub name: &'static str,
    pub kind: Kind,
    pub apply: fn(Sent) -> Sent,
}

pub fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn stored(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A member with every optional field in its header.
fn gzip_with_fields(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new()
        .filename("body.json")
        .comment("a comment")
        .extra(b"ab\x04\0four".to_vec())
        .mtime(1)
        .write(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Members of so many bytes each.
fn members(text: &[u8], size: usize) -> Vec<u8> {
    text.chunks(size.max(1)).flat_map(gzip).collect()
}

/// One stream that is flushed after every few bytes, as a streaming client does.
fn flushed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in text.chunks(9) {
        encoder.write_all(piece).unwrap();
        encoder.flush().unwrap();
    }
    encoder.finish().unwrap()
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 4096, 5, 20).write_all(text).unwrap();
    out
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 3).unwrap()
}

/// Two frames with a frame that is to be skipped between them.
fn zstd_frames(text: &[u8]) -> Vec<u8> {
    let (one, two) = text.split_at(text.len() / 2);
    let skipped = [&0x184d_2a50_u32.to_le_bytes()[..], &4_u32.to_le_bytes(), b"skip"].concat();
    [zstd(one), skipped, zstd(two)].concat()
}

type Encode = fn(&[u8]) -> Vec<u8>;

fn coded(mut sent: Sent, names: &str, apply: &[Encode]) -> Sent {
    for apply in apply {
        sent.body = apply(&sent.body);
    }
    if names.is_empty() { sent } else { sent.field("Content-Encoding", names) }
}

fn utf_16(text: &[u8], big: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

fn utf_32(text: &[u8], big: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let bytes = |c: char| if big { (c as u32).to_be_bytes() } else { (c as u32).to_le_bytes() };
    text.chars().flat_map(bytes).collect()
}

/// UTF-7 with every letter in base64, each run for itself.
fn utf_7(text: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    text.iter()
        .flat_map(|&byte| {
            if byte.is_ascii_alphanumeric() {
                let run = base64::engine::general_purpose::STANDARD_NO_PAD.encode([0, byte]);
                format!("+{run}-").into_bytes()
            } else if byte == b'+' {
                b"+-".to_vec()
            } else {
                vec![byte]
            }
        })
        .collect()
}

/// The bytes of printable ASCII in code pages of EBCDIC, as another library writes them.
const EBCDIC: &str = include_str!("../../../src/decode/containers/ebcdic.txt");

/// A text in a code page of EBCDIC.
fn ebcdic(text: &[u8], page: &str) -> Vec<u8> {
    let line = EBCDIC.lines().find_map(|line| line.strip_prefix(page)?.strip_prefix(' ')).unwrap();
    let byte = |char: u8| match char {
        b'\n' => 0x25,
        b'\r' => 0x0d,
        b' '..=b'~' => {
            let at = 2 * usize::from(char - b' ');
            u8::from_str_radix(&line[at..at + 2], 16).unwrap_or(0x6f)
        }
        _ => 0x6f,
    };
    text.iter().map(|&char| byte(char)).collect()
}

fn in_ebcdic(sent: Sent, page: &str, label: &str) -> Sent {
    let body = ebcdic(&sent.body, page);
    declared(sent, label, body)
}

/// ISO-2022-JP, with an escape to ASCII, which is in force already, after every few characters.
fn iso_2022_jp(text: &[u8]) -> Vec<u8> {
    text.chunks(5).collect::<Vec<_>>().join(&b"\x1b(B"[..])
}

/// Says the charset in the content type, where there is one.
fn declared(mut sent: Sent, charset: &str, body: Vec<u8>) -> Sent {
    sent.body = body;
    match sent.fields.iter_mut().find(|(name, _)| name == "Content-Type") {
        Some((_, value)) => value.extend(format!("; charset={charset}").bytes()),
        None => sent = sent.field("Content-Type", format!("text/plain; charset={charset}")),
    }
    sent
}

fn silent(mut sent: Sent, before: &[u8], body: Vec<u8>) -> Sent {
    sent.body = [before, &body].concat();
    sent
}

/// Every way to write a whole body.
pub const CODINGS: &[Coding] = &[
    coding("gzip", |s| coded(s, "gzip", &[gzip])),
    coding("gzip:upper", |s| coded(s, "GZIP", &[gzip])),
    coding("gzip:x", |s| coded(s, "x-gzip", &[gzip])),
    coding("gzip:stored", |s| coded(s, "gzip", &[stored])),
    coding("gzip:fields", |s| coded(s, "gzip", &[gzip_with_fields])),
    coding("gzip:flushed", |s| coded(s, "gzip", &[flushed])),
    coding("gzip:members", |s| coded(s, "gzip", &[|t| members(t, t.len() / 2 + 1)])),
    coding("gzip:many-members", |s| coded(s, "gzip", &[|t| members(t, 16 + t.len() / 50)])),
    coding("gzip:chunked", |s| coded(s, "gzip", &[gzip]).chunks(10)),
    coding("gzip:undeclared", |s| coded(s, "", &[gzip])),
    coding("gzip:undeclared-chunked", |s| coded(s, "", &[gzip]).chunks(3)),
    coding("gzip:identity", |s| coded(s, "identity", &[gzip])),
    coding("gzip:undeclared-twice", |s| coded(s, "", &[gzip, gzip])),
    coding("deflate:zlib", |s| coded(s, "deflate", &[zlib])),
    coding("deflate:raw", |s| coded(s, "deflate", &[raw_deflate])),
    coding("deflate:undeclared-zlib", |s| coded(s, "", &[zlib])),
    coding("br", |s| coded(s, "br", &[brotli])),
    coding("br:upper", |s| coded(s, "BR", &[brotli])),
    coding("zstd", |s| coded(s, "zstd", &[zstd])),
    coding("zstd:frames", |s| coded(s, "zstd", &[zstd_frames])),
    coding("zstd:undeclared", |s| coded(s, "", &[zstd])),
    coding("stack:gzip-gzip", |s| coded(s, "gzip, gzip", &[gzip, gzip])),
    coding("stack:gzip-br", |s| coded(s, "gzip, br", &[gzip, brotli])),
    coding("stack:br-gzip", |s| coded(s, "br,gzip", &[brotli, gzip])),
    coding("stack:deflate-zstd", |s| coded(s, "deflate, zstd", &[zlib, zstd])),
    coding("stack:zstd-gzip-br", |s| coded(s, "zstd, gzip, br", &[zstd, gzip, brotli])),
    coding("stack:identity-gzip", |s| coded(s, "identity, gzip", &[gzip])),
    coding("stack:two-fields", |s| {
        coded(s, "gzip", &[gzip, brotli]).field("Content-Encoding", "br")
    }),
    coding("stack:gzip-hidden-gzip", |s| coded(s, "gzip", &[gzip, gzip])),
    charset("utf-16:le-marked", |s| {
        let body = utf_16(&s.body, false);
        silent(s, b"\xff\xfe", body)
    }),
    charset("utf-16:be-marked", |s| {
        let body = utf_16(&s.body, true);
        silent(s, b"\xfe\xff", body)
    }),
    charset("utf-16:le-declared", |s| {
        let body = utf_16(&s.body, false);
        declared(s, "utf-16le", body)
    }),
    charset("utf-16:be-declared", |s| {
        let body = utf_16(&s.body, true);
        declared(s, "\"UTF-16BE\"", body)
    }),
    charset("utf-16:declared-marked", |s| {
        let body = [&b"\xfe\xff"[..], &utf_16(&s.body, true)].concat();
        declared(s, "utf-16", body)
    }),
    charset("utf-16:le-silent", |s| {
        let body = utf_16(&s.body, false);
        silent(s, b"", body)
    }),
    charset("utf-16:be-silent", |s| {
        let body = utf_16(&s.body, true);
        silent(s, b"", body)
    }),
    charset("utf-16:le-chunked", |s| {
        let body = utf_16(&s.body, false);
        silent(s, b"\xff\xfe", body).chunks(7)
    }),
    charset("utf-32:le-marked", |s| {
        let body = utf_32(&s.body, false);
        silent(s, b"\xff\xfe\0\0", body)
    }),
    charset("utf-32:be-marked", |s| {
        let body = utf_32(&s.body, true);
        silent(s, b"\0\0\xfe\xff", body)
    }),
    charset("utf-32:le-declared", |s| {
        let body = utf_32(&s.body, false);
        declared(s, "utf-32le", body)
    }),
    charset("utf-32:be-silent", |s| {
        let body = utf_32(&s.body, true);
        silent(s, b"", body)
    }),
    charset("utf-7", |s| {
        let body = utf_7(&s.body);
        declared(s, "utf-7", body)
    }),
    charset("ebcdic:ibm037", |s| in_ebcdic(s, "37", "ibm037")),
    charset("ebcdic:cp500", |s| in_ebcdic(s, "500", "cp500")),
    charset("ebcdic:ibm1047", |s| in_ebcdic(s, "1047", "IBM-1047")),
    charset("ebcdic:ibm1140", |s| in_ebcdic(s, "1140", "\"IBM01140\"")),
    charset("ebcdic:cp273", |s| in_ebcdic(s, "273", "cp273")),
    charset("ebcdic:cp1026", |s| in_ebcdic(s, "1026", "cp1026")),
    charset("ebcdic:chunked", |s| in_ebcdic(s, "284", "Cp284").chunks(5)),
    // Kana, with small letters where other pages have none, and shifts to characters of two bytes.
    charset("ebcdic:cp930", |s| {
        let text = ebcdic(&s.body, "930");
        let shifts = &b"\x0e\x42\xc1\x0f"[..];
        let body: Vec<&[u8]> = text.chunks(7).flat_map(|piece| [piece, b"\x0e\x0f"]).collect();
        let body = [shifts, &body.concat()].concat();
        declared(s, "x-ibm930", body)
    }),
    charset("xml-declaration:utf-7", |s| {
        let body = utf_7(&s.body);
        silent(s, b"<?xml version=\"1.0\" encoding='UTF-7'?>", body)
    }),
    charset("xml-declaration:ebcdic-behind-ascii", |s| {
        let body = ebcdic(&s.body, "1047");
        silent(s, b"<?xml version=\"1.0\" encoding = \"IBM1047\" ?>", body)
    }),
    charset("xml-declaration:ebcdic", |s| {
        let text = [&b"<?xml version=\"1.0\" encoding=\"cp500\"?>\n"[..], &s.body].concat();
        let body = ebcdic(&text, "500");
        silent(s, b"", body).chunks(9)
    }),
    charset("iso-2022-jp", |s| {
        let body = iso_2022_jp(&s.body);
        declared(s, "iso-2022-jp", body)
    }),
];

const fn coding(name: &'static str, apply: fn(Sent) -> Sent) -> Coding {
    Coding { name, kind: Kind::Coding, apply }
}

const fn charset(name: &'static str, apply: fn(Sent) -> Sent) -> Coding {
    Coding { name, kind: Kind::Charset, apply }
}
