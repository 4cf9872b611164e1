//! What an attacker may send to make inspection cost much: bodies, heads and messages, each of a size
//! that an ordinary request has too.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http::request::Parts;

/// A token that leaked, of those that are looked for.
pub(crate) const LEAKED: &str = "tok_Hn4sVbQw9LxTzRk2JmYc7PdGf3";

/// One hostile input.
pub(crate) struct Hostile {
    /// What it is.
    pub(crate) name: &'static str,
    /// How it comes.
    pub(crate) carried: Carried,
}

/// How an input comes.
pub(crate) enum Carried {
    /// As a body with these header fields, in pieces of so many bytes, each of which is released
    /// before the next one where `released` says so.
    Body {
        /// What its head says.
        fields: Vec<(&'static str, &'static str)>,
        /// The bytes.
        bytes: Vec<u8>,
        /// Bytes of a piece.
        piece: usize,
        /// Whether each piece is settled.
        released: bool,
    },
    /// As a head: a target, and fields.
    Head {
        /// Path and query.
        target: String,
        /// The fields.
        fields: Vec<(String, Vec<u8>)>,
    },
    /// As the messages of a WebSocket, compressed or not.
    Messages {
        /// Whether permessage-deflate was used.
        compressed: bool,
        /// Each message, in the pieces that its frames have.
        messages: Vec<Vec<Vec<u8>>>,
    },
}

impl Hostile {
    fn body(name: &'static str, bytes: Vec<u8>) -> Self {
        Self::said(name, &[("content-type", "application/json")], bytes)
    }

    fn said(name: &'static str, fields: &[(&'static str, &'static str)], bytes: Vec<u8>) -> Self {
        let fields = fields.to_vec();
        Self { name, carried: Carried::Body { fields, bytes, piece: 16 * 1024, released: false } }
    }

    fn released(name: &'static str, bytes: Vec<u8>) -> Self {
        let fields = vec![("content-type", "application/json")];
        Self { name, carried: Carried::Body { fields, bytes, piece: 1, released: true } }
    }

    /// Bytes that the client sends.
    pub(crate) fn length(&self) -> usize {
        match &self.carried {
            Carried::Body { bytes, released: false, .. } => bytes.len(),
            // As chunks, each of which has five bytes around it.
            Carried::Body { bytes, piece, .. } => bytes.len() + bytes.len().div_ceil(*piece) * 5,
            Carried::Head { target, fields } => {
                target.len()
                    + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
            }
            // A frame of a client has six bytes before its payload.
            Carried::Messages { messages, .. } => {
                messages.iter().flatten().map(|piece| piece.len() + 6).sum()
            }
        }
    }
}

/// The head of a request that carries such a body.
pub(crate) fn head(fields: &[(&'static str, &'static str)]) -> Parts {
    let mut request = Request::post("/api/v1/items").header("host", "api.example.com");
    for (field, value) in fields {
        request = request.header(*field, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// The head that such a target and fields make.
pub(crate) fn request(target: &str, fields: &[(String, Vec<u8>)]) -> Parts {
    let mut request = Request::get(target);
    for (name, value) in fields {
        request = request.header(name.as_str(), value.as_slice());
    }
    request.body(()).unwrap().into_parts().0
}

/// As much of the text, over and over, as fits.
fn filled(text: &[u8], bytes: usize) -> Vec<u8> {
    text.iter().copied().cycle().take(bytes).collect()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// So many bytes of these pieces in a random order.
    fn mixed(&mut self, pieces: &[&str], length: usize) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < length {
            text.extend_from_slice(pieces[self.next() % pieces.len()].as_bytes());
        }
        text.truncate(length);
        text
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8], window: u32) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(window).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 5, lgwin: 24, ..Default::default() };
    brotli::BrotliCompress(&mut &*text, &mut out, &params).unwrap();
    out
}

/// One message as permessage-deflate has it.
fn deflated(text: &[u8]) -> Vec<u8> {
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    let mut out = Vec::with_capacity(text.len() + 1024);
    compress.compress_vec(text, &mut out, flate2::FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
    out
}

/// Bytes in deflate, each in a block of its own: empty ones, and with `dynamic` headers of codes.
fn blocks(bytes: usize) -> Vec<u8> {
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    let mut out = Vec::with_capacity(bytes + 1024);
    let mut random = Random(29);
    while out.len() < bytes {
        compress.compress_vec(&random.bytes(1), &mut out, flate2::FlushCompress::Sync).unwrap();
    }
    out
}

/// Messages of gRPC, each of these bytes.
fn grpc(message: &[u8], compressed: bool, bytes: usize) -> Vec<u8> {
    let prefix = [&[u8::from(compressed)][..], &(message.len() as u32).to_be_bytes()].concat();
    filled(&[&prefix, message].concat(), bytes)
}

const DENSE: &[&str] = &[
    "%25",
    "%5C",
    "%2525",
    "\\u0025",
    "\\u005C",
    "\\\\",
    "\\u0026",
    "%26",
    "&#37;",
    "&#92;",
    "&#x26;",
    "&amp;",
    "%74",
    "\\u0074",
    "&#116;",
    "<!---->",
    "%3C!----%3E",
    "&lt;!----&gt;",
    "+",
    "%2b",
    "<![CDATA[",
    "]]>",
];

/// Nested gzip: a bomb inside a bomb.
fn nested_gzip(bytes: usize) -> Vec<u8> {
    gzip(&gzip(&vec![b'0'; bytes * 500_000]))
}

/// A gzip file of so many bytes that holds 40 times as much, nearly all of it this text.
fn bomb(text: &[u8], bytes: usize) -> Vec<u8> {
    let noise = Random(37).bytes(bytes - bytes / 6);
    gzip(&[filled(text, bytes * 40), noise].concat())
}

/// The hostile inputs of about so many bytes.
pub(crate) fn bodies(bytes: usize) -> Vec<Hostile> {
    let mut random = Random(23);
    let json = ("content-type", "application/json");
    let gzipped = [json, ("content-encoding", "gzip")];
    let mut all = vec![
        Hostile::body(
            "everything in everything",
            filled(br"%255Cu0025%2525%5C%5C\\u005Cu0025\u0074%2b+", bytes),
        ),
        Hostile::body("escapes mixed at random", random.mixed(DENSE, bytes)),
        Hostile::body("percent of percent", filled(b"%25252525252525252525252574", bytes)),
        Hostile::body(
            "percent of percent, long",
            filled(&[&b"%"[..], &b"25".repeat(900)].concat(), bytes),
        ),
        Hostile::body("percent between JSON escapes", filled(br"%74\u0074", bytes)),
        Hostile::body("three escapes in turn", filled(br"%74\u0074&#116;", bytes)),
        Hostile::body("four escapes in turn", filled(br"%74\u0074&#116;<!---->", bytes)),
        Hostile::body("escapes that begin and never end", filled(br"%7\u007&#11\x7<!-<?", bytes)),
        Hostile::body("backslashes", filled(b"\\", bytes)),
        Hostile::body(
            "backslashes before a letter",
            filled(&[&b"\\".repeat(63)[..], b"u0074"].concat(), bytes),
        ),
        Hostile::body("JSON in JSON in JSON", json_in_json(bytes)),
        Hostile::body(
            "references of every kind",
            filled(b"&#116;&#x74;&lowbar;&amp;#116;&#0000000000000000116;&amp;amp;lt;", bytes),
        ),
        Hostile::body(
            "zeros of a reference",
            filled(&[&b"&#"[..], &b"0".repeat(4_000)].concat(), bytes),
        ),
        Hostile::body(
            "a comment that never ends",
            [&b"<!--"[..], &filled(b"a -- %74 ", bytes)].concat(),
        ),
        Hostile::body("comments", filled(b"<!--a-->%74", bytes)),
        Hostile::body("sections", filled(b"<![CDATA[\\u0074]]>", bytes)),
        Hostile::body(
            "one escape every thousand bytes",
            filled(&[&b"%74"[..], &b"a".repeat(1_000)].concat(), bytes),
        ),
        Hostile::body(
            "escapes of three layers, apart",
            filled(&[&b"%74\\u0074&#116;"[..], &b"a b ".repeat(300)].concat(), bytes),
        ),
        Hostile::body("short runs of base64", filled(b"dG9rX0FBQUFBQUFBQUFB\"", bytes)),
        Hostile::body("runs of base64 just long enough", random_runs(&mut random, 44, b",", bytes)),
        Hostile::body(
            "base64 of text, short runs",
            filled(b"YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWZnaGlqa2w\"", bytes),
        ),
        Hostile::body("base64 with junk", random_runs(&mut random, 16, b"!", bytes)),
        Hostile::body("base64 with padding", random_runs(&mut random, 16, b"==", bytes)),
        Hostile::body("base64 of text with padding", filled(b"YWJjZGVmZ2hpamtsbW5vcA==", bytes)),
        Hostile::body(
            "base64 of text with one padding",
            filled(b"YWJjZGVmZ2hpamtsbW5vcHE=", bytes),
        ),
        Hostile::body("base64 in lines", random_runs(&mut random, 16, b"\n", bytes)),
        Hostile::body("base64 in escaped lines", random_runs(&mut random, 16, b"\\r\\n", bytes)),
        Hostile::body("one character and a sign", filled(b"A=B!", bytes)),
        Hostile::body("base64 of base64 of text", nested_base64(4, bytes)),
        Hostile::body("hex", filled(b"0123456789abcdef", bytes)),
        Hostile::body("hex of text", filled(b"746f6b5f6162636465666768696a6b6c6d6e6f70", bytes)),
        Hostile::body("hex of hex of hex", nested_hex(bytes)),
        Hostile::body(
            "hex and base64",
            filled(b"746f6b5f6162636465666768696a6b6c6d6e6f70+dG9rX0FBQUFBQUFB", bytes),
        ),
        Hostile::body(
            "base64 of escapes",
            filled(
                STANDARD.encode(filled(br"%74\u0074&#116;%25", 3 * bytes / 4)).as_bytes(),
                bytes,
            ),
        ),
        Hostile::body("base64 of escapes of base64", escapes_of_base64(bytes)),
        Hostile::body("percent of base64", filled(b"%64%47%39%72%58%30%46%42", bytes)),
        Hostile::body("base64 with escapes in it", filled(b"dG9rX0FBQUFBQUFB%64\\u0064", bytes)),
        Hostile::body(
            "magic numbers of gzip in base64",
            filled(STANDARD.encode(b"\x1f\x8b\x08").as_bytes(), bytes),
        ),
        Hostile::body(
            "files of gzip in base64",
            filled(STANDARD.encode(gzip(b"")).as_bytes(), bytes),
        ),
        Hostile::body(
            "a bomb of gzip in base64",
            filled(STANDARD.encode(gzip(&vec![b'0'; bytes * 500])).as_bytes(), bytes),
        ),
        Hostile::body(
            "base64 of random bytes",
            filled(STANDARD.encode(random.bytes(bytes)).as_bytes(), bytes),
        ),
        Hostile::said(
            "a bomb of gzip",
            &[json, ("content-encoding", "gzip")],
            filled(&gzip(&vec![b'0'; bytes * 500]), bytes),
        ),
        Hostile::said("a bomb of gzip, not said", &[json], gzip(&vec![b'0'; bytes * 500])),
        Hostile::said("40 times as much in gzip: zeros", &gzipped, bomb(b"0", bytes)),
        Hostile::said("40 times as much in gzip: text", &gzipped, bomb(b"abc def, ghi: ", bytes)),
        Hostile::said("40 times as much in gzip: escapes", &gzipped, bomb(br"%74\u0074", bytes)),
        Hostile::said(
            "40 times as much in gzip: base64",
            &gzipped,
            bomb(STANDARD.encode(br"%74\u0074abc def").as_bytes(), bytes),
        ),
        Hostile::said(
            "40 times as much in gzip: short base64",
            &gzipped,
            bomb(b"YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWZnaGlqa2w\"", bytes),
        ),
        Hostile::said(
            "40 times as much in gzip: a token",
            &gzipped,
            bomb(LEAKED.as_bytes(), bytes),
        ),
        Hostile::body(
            "a token, over and over",
            filled(&[LEAKED, " "].concat().into_bytes(), bytes),
        ),
        Hostile::body(
            "a token in escapes, over and over",
            filled(&[&LEAKED.replace('_', "%5F"), " "].concat().into_bytes(), bytes),
        ),
        Hostile::said(
            "a bomb of escapes in gzip",
            &[json, ("content-encoding", "gzip")],
            gzip(&filled(br"%255Cu0025%2525%5C%5C\\u005Cu0025\u0074%2b+", bytes * 100)),
        ),
        Hostile::said(
            "a bomb of base64 in gzip",
            &[json, ("content-encoding", "gzip")],
            gzip(&filled(STANDARD.encode(filled(br"\u0074%74", 3_000)).as_bytes(), bytes * 100)),
        ),
        Hostile::said(
            "empty members of gzip",
            &[json, ("content-encoding", "gzip")],
            filled(&gzip(b""), bytes),
        ),
        Hostile::said(
            "short members of gzip",
            &[json, ("content-encoding", "gzip")],
            filled(&gzip(br"\u0074%74"), bytes),
        ),
        Hostile::said(
            "gzip in gzip",
            &[json, ("content-encoding", "gzip, gzip")],
            nested_gzip(bytes.min(64)),
        ),
        Hostile::said(
            "short blocks of deflate",
            &[json, ("content-encoding", "deflate")],
            blocks(bytes),
        ),
        Hostile::said(
            "a bomb of br",
            &[json, ("content-encoding", "br")],
            brotli(&vec![b'0'; bytes * 500]),
        ),
        Hostile::said(
            "br with the largest window",
            &[json, ("content-encoding", "br")],
            brotli(&random.bytes(bytes)),
        ),
        Hostile::said(
            "a bomb of zstd",
            &[json, ("content-encoding", "zstd")],
            zstd(&vec![b'0'; bytes * 500], 23),
        ),
        Hostile::said(
            "short frames of zstd, largest windows",
            &[json, ("content-encoding", "zstd")],
            filled(&zstd(b"a", 23), bytes),
        ),
        Hostile::said(
            "zstd with the largest window in base64",
            &[json],
            filled(
                [STANDARD.encode(zstd(&random.bytes(300), 23)).as_str(), "\""].concat().as_bytes(),
                bytes,
            ),
        ),
        Hostile::said("UTF-16 of escapes", &[json], utf16(&filled(br"%74\u0074", bytes / 2))),
        Hostile::said(
            "UTF-16 of both orders",
            &[("content-type", "text/plain; charset=utf-16")],
            utf16(&filled(b"abc def", bytes / 2)),
        ),
        Hostile::said(
            "UTF-32",
            &[("content-type", "text/plain; charset=utf-32")],
            filled(b"a\0\0\0", bytes),
        ),
        Hostile::said(
            "UTF-7",
            &[("content-type", "text/plain; charset=utf-7")],
            filled(b"+AGE-+AGI-", bytes),
        ),
        Hostile::said(
            "ISO-2022-JP",
            &[("content-type", "text/plain; charset=iso-2022-jp")],
            filled(b"\x1b$B$\"\x1b(B", bytes),
        ),
        Hostile::said(
            "empty messages of gRPC",
            &[("content-type", "application/grpc"), ("grpc-encoding", "gzip")],
            grpc(b"", true, bytes),
        ),
        Hostile::said(
            "messages of gRPC of one byte",
            &[("content-type", "application/grpc")],
            grpc(b"a", false, bytes),
        ),
        Hostile::said(
            "compressed messages of gRPC of one byte",
            &[("content-type", "application/grpc"), ("grpc-encoding", "gzip")],
            grpc(b"a", true, bytes),
        ),
        Hostile::said(
            "compressed messages of gRPC",
            &[("content-type", "application/grpc"), ("grpc-encoding", "gzip")],
            grpc(&gzip(br"\u0074%74"), true, bytes),
        ),
        Hostile::said(
            "compressed messages of gRPC, zstd",
            &[("content-type", "application/grpc"), ("grpc-encoding", "zstd")],
            grpc(&zstd(br"\u0074%74", 23), true, bytes),
        ),
        Hostile::said(
            "gRPC-Web in base64",
            &[("content-type", "application/grpc-web-text"), ("grpc-encoding", "gzip")],
            STANDARD.encode(grpc(b"a", false, 3 * bytes / 4)).into_bytes(),
        ),
        Hostile::said(
            "parts",
            &[("content-type", "multipart/form-data; boundary=b")],
            filled(b"--b\r\n\r\n\r\n", bytes),
        ),
        Hostile::said(
            "parts with names",
            &[("content-type", "multipart/form-data; boundary=b")],
            filled(
                b"--b\r\ncontent-disposition:form-data;name=a;filename*=utf-8''%74\r\n\r\n%74\r\n",
                bytes,
            ),
        ),
        Hostile::said(
            "parts in base64",
            &[("content-type", "multipart/form-data; boundary=b")],
            filled(b"--b\r\ncontent-transfer-encoding:base64\r\n\r\nJTc0XHUwMDc0\r\n", bytes),
        ),
        Hostile::said(
            "parts in gzip",
            &[("content-type", "multipart/form-data; boundary=b")],
            filled(
                &[&b"--b\r\ncontent-encoding:gzip\r\n\r\n"[..], &gzip(b"%74"), b"\r\n"].concat(),
                bytes,
            ),
        ),
        Hostile::said(
            "parts in UTF-16",
            &[("content-type", "multipart/form-data; boundary=b")],
            filled(b"--b\r\ncontent-type:a/b;charset=utf-16\r\n\r\na\0b\0\r\n", bytes),
        ),
        Hostile::said(
            "parts within parts",
            &[("content-type", "multipart/form-data; boundary=b")],
            nested_parts(bytes),
        ),
        Hostile::said(
            "fields of parts",
            &[("content-type", "multipart/form-data; boundary=b")],
            fields_of_parts(bytes),
        ),
        Hostile::said(
            "parameters of parts",
            &[("content-type", "multipart/form-data; boundary=b")],
            parameters_of_parts(bytes),
        ),
        Hostile::said(
            "what may be a boundary",
            &[("content-type", "multipart/form-data; boundary=bbbbbbbb")],
            filled(b"\r\n--bbbbbbb", bytes),
        ),
        Hostile::said(
            "three boundaries",
            &[("content-type", "multipart/form-data; boundary=b; boundary=c; boundary=d")],
            filled(b"--b\r\n\r\n\r\n--c\r\n\r\n\r\n--d\r\n\r\n\r\n", bytes),
        ),
        Hostile::said(
            "quoted-printable",
            &[("content-type", "multipart/form-data; boundary=b")],
            [
                &b"--b\r\ncontent-transfer-encoding:quoted-printable\r\n\r\n"[..],
                &filled(b"=25=37=34=\r\n", bytes),
            ]
            .concat(),
        ),
        Hostile::said("near misses of a token", &[json], filled(b"tok_tok_tok_", bytes)),
        Hostile::released(
            "escapes, byte by byte",
            filled(br"%255Cu0025%2525%5C%5C\\u005Cu0025\u0074%2b+", bytes),
        ),
        Hostile::released(
            "ordinary text, byte by byte",
            filled(b"{\"name\":\"first line\\nsecond\",\"ok\":true}", bytes),
        ),
        Hostile::released("base64, byte by byte", filled(b"dG9rX0FBQUFBQUFBQUFBQUFB", bytes)),
        Hostile::released("backslashes, byte by byte", filled(b"\\", bytes)),
    ];
    for hostile in &mut all {
        if let Carried::Body { bytes: body, .. } = &mut hostile.carried {
            body.truncate(bytes);
        }
    }
    all
}

fn json_in_json(bytes: usize) -> Vec<u8> {
    let mut text = String::from("tok\"en/value");
    while text.len() * 2 < bytes && text.len() < bytes / 2 {
        text = format!("{{\"a\":{}}}", serde_json::Value::from(text));
    }
    filled(text.as_bytes(), bytes)
}

fn random_runs(random: &mut Random, length: usize, between: &[u8], bytes: usize) -> Vec<u8> {
    let mut text = Vec::new();
    while text.len() < bytes {
        let run = STANDARD.encode(random.bytes(length));
        text.extend_from_slice(run.get(..length).unwrap().as_bytes());
        text.extend_from_slice(between);
    }
    text
}

fn nested_base64(times: usize, bytes: usize) -> Vec<u8> {
    let mut text = filled(b"abc def %74 ghi ", bytes / 3);
    for _ in 0..times {
        text = STANDARD.encode(text).into_bytes();
    }
    text
}

fn nested_hex(bytes: usize) -> Vec<u8> {
    let hex = |text: &[u8]| {
        text.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect::<Vec<u8>>()
    };
    hex(&hex(&hex(&filled(b"abc def %74 ghi ", bytes / 8))))
}

fn escapes_of_base64(bytes: usize) -> Vec<u8> {
    let inner = STANDARD.encode(filled(br"%74\u0074", bytes / 8));
    let escaped: Vec<u8> =
        inner.bytes().flat_map(|byte| format!("%{byte:02x}").into_bytes()).collect();
    STANDARD.encode(escaped).into_bytes()
}

fn utf16(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|&byte| [byte, 0]).collect()
}

fn nested_parts(bytes: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut boundary = "b".to_owned();
    while text.len() < bytes {
        let inner = format!("{boundary}b");
        let part = format!("--{boundary}\r\ncontent-type:multipart/mixed;boundary={inner}\r\n\r\n");
        text.extend_from_slice(part.as_bytes());
        boundary = if inner.len() > 12 { "b".to_owned() } else { inner };
    }
    text
}

fn fields_of_parts(bytes: usize) -> Vec<u8> {
    let fields = b"a:b\r\n".repeat(3_000);
    filled(&[&b"--b\r\n"[..], &fields, b"\r\n\r\n"].concat(), bytes)
}

fn parameters_of_parts(bytes: usize) -> Vec<u8> {
    let parameters: String = (0..1_000).map(|number| format!(";f*{number}*=%74")).collect();
    let part = format!("--b\r\ncontent-disposition:form-data{parameters}\r\n\r\n\r\n");
    filled(part.as_bytes(), bytes)
}

/// Hostile heads.
pub(crate) fn heads() -> Vec<Hostile> {
    let mut random = Random(31);
    let dense = random.mixed(DENSE, 60_000);
    let query = |text: &[u8]| -> String {
        let text: String = text.iter().map(|&byte| char::from(byte)).collect();
        format!(
            "/a?q={}",
            text.replace('<', "%3C").replace('>', "%3E").replace('"', "%22").replace('#', "%23")
        )
    };
    let everything = br"%255Cu0025%2525%5C%5C\\u005Cu0025\u0074%2b+".as_slice();
    let head = |name, target: String| Hostile {
        name,
        carried: Carried::Head { target, fields: Vec::new() },
    };
    let fields = |name, value: &dyn Fn(usize) -> Vec<u8>| Hostile {
        name,
        carried: Carried::Head {
            target: "/".to_owned(),
            fields: (0..124).map(|number| (format!("x-{number}"), value(number))).collect(),
        },
    };
    let runs = random_runs(&mut random, 16, b"!", 60_000);
    let encoded = random.bytes(60_000);
    let encoded = STANDARD.encode(encoded).into_bytes();
    let octal = filled(br#"\163\s"#, 500);
    vec![
        head("query: everything in everything", query(&filled(everything, 40_000))),
        head("query: escapes mixed at random", query(&dense[..30_000])),
        head("query: percent of percent", query(&filled(b"%252525252525252574", 60_000))),
        head("query: one escape", query(&[&b"%74"[..], &b"a".repeat(60_000)].concat())),
        head("query: base64", query(&encoded[..60_000])),
        head("query: base64 with junk", query(&runs)),
        head("query: hex", query(&filled(b"746f6b5f6162636465666768696a6b6c6d6e6f70", 60_000))),
        head(
            "path: everything in everything",
            format!(
                "/{}",
                String::from_utf8(filled(b"%255C/%2525;%5C%5C%74%2b+", 40_000)).unwrap()
            ),
        ),
        head("query: 1 KiB of everything", query(&filled(everything, 900))),
        head("query: 1 KiB of escapes mixed", query(&dense[..600])),
        fields("fields: everything in everything", &|_| filled(everything, 500)),
        fields("fields: escapes mixed at random", &|number| dense[number * 400..][..500].to_vec()),
        fields("fields: percent of percent", &|_| filled(b"%252525252525252574", 500)),
        fields("fields: octal", &|_| octal.clone()),
        fields("fields: base64", &|number| encoded[number * 400..][..500].to_vec()),
        fields("fields: base64 with junk", &|number| runs[number * 400..][..500].to_vec()),
        fields("fields: Basic", &|number| {
            [&b"Basic "[..], &encoded[number * 400..][..494]].concat()
        }),
        fields("fields: overlong UTF-8", &|_| filled(b"\xc1\xb4\xc1\xaf%c1%b4", 500)),
        fields("fields: gzip in base64", &|_| {
            filled(STANDARD.encode(gzip(b"%74")).as_bytes(), 500)
        }),
        head("query: a token, over and over", query(&filled(LEAKED.as_bytes(), 60_000))),
        head(
            "query: a token in escapes, over and over",
            query(&filled(&[&LEAKED.replace('_', "%255F"), "&a="].concat().into_bytes(), 60_000)),
        ),
        fields("fields: a token", &|_| filled(LEAKED.as_bytes(), 500)),
        fields("fields: a token and escapes", &|_| {
            [LEAKED.as_bytes(), &filled(everything, 470)].concat()
        }),
        Hostile {
            name: "cookies",
            carried: Carried::Head {
                target: "/".to_owned(),
                fields: vec![("cookie".to_owned(), filled(br"a=%25\163\u0074; ", 60_000))],
            },
        },
    ]
}

/// Hostile messages of a WebSocket.
pub(crate) fn messages(bytes: usize) -> Vec<Hostile> {
    let many = |name, compressed, message: Vec<Vec<u8>>| {
        let length: usize = message.iter().map(|piece| piece.len() + 6).sum();
        let messages = vec![message; (bytes / length).max(1)];
        Hostile { name, carried: Carried::Messages { compressed, messages } }
    };
    let small = br#"{"op":"move","x":12,"y":7,"player":"8d3f","note":"a\nb"}"#.to_vec();
    let escapes = filled(br"%255Cu0025%2525%5C\u0074", 64);
    let slow = small.iter().map(|&byte| vec![byte]).collect();
    vec![
        many("messages of 64 bytes", false, vec![small.clone()]),
        many("compressed messages of 64 bytes", true, vec![deflated(&small)]),
        many("messages of one byte", false, vec![b"a".to_vec()]),
        many("empty messages", false, vec![Vec::new()]),
        many("compressed messages of one byte", true, vec![deflated(b"a")]),
        many("empty compressed messages", true, vec![vec![0]]),
        many("fragments of one byte", false, slow),
        many("messages of escapes", false, vec![escapes.clone()]),
        many("compressed messages of escapes", true, vec![deflated(&escapes)]),
        many("bombs", true, vec![deflated(&[b'0'; 20_000])]),
        many("fragments of escapes", false, escapes.iter().map(|&byte| vec![byte]).collect()),
    ]
}
