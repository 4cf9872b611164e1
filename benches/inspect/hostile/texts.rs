//! What hostile inputs are made of.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// As much of the text, over and over, as fits.
pub(super) fn filled(text: &[u8], bytes: usize) -> Vec<u8> {
    text.iter().copied().cycle().take(bytes).collect()
}

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// So many bytes of these pieces in a random order.
    pub(super) fn mixed(&mut self, pieces: &[&str], length: usize) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < length {
            text.extend_from_slice(pieces[self.next() % pieces.len()].as_bytes());
        }
        text.truncate(length);
        text
    }
}

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zstd(text: &[u8], window: u32) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(window).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn brotli(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 5, lgwin: 24, ..Default::default() };
    brotli::BrotliCompress(&mut &*text, &mut out, &params).unwrap();
    out
}

/// One message as permessage-deflate has it.
pub(super) fn deflated(text: &[u8]) -> Vec<u8> {
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    let mut out = Vec::with_capacity(text.len() + 1024);
    compress.compress_vec(text, &mut out, flate2::FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
    out
}

/// Bytes in deflate, each in a block of its own: empty ones, and with `dynamic` headers of codes.
pub(super) fn blocks(bytes: usize) -> Vec<u8> {
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    let mut out = Vec::with_capacity(bytes + 1024);
    let mut random = Random(29);
    while out.len() < bytes {
        compress.compress_vec(&random.bytes(1), &mut out, flate2::FlushCompress::Sync).unwrap();
    }
    out
}

/// Messages of gRPC, each of these bytes.
pub(super) fn grpc(message: &[u8], compressed: bool, bytes: usize) -> Vec<u8> {
    let prefix = [&[u8::from(compressed)][..], &(message.len() as u32).to_be_bytes()].concat();
    filled(&[&prefix, message].concat(), bytes)
}

pub(super) const DENSE: &[&str] = &[
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
pub(super) fn nested_gzip(bytes: usize) -> Vec<u8> {
    gzip(&gzip(&vec![b'0'; bytes * 500_000]))
}

/// A gzip file of so many bytes that holds 40 times as much, nearly all of it this text.
pub(super) fn bomb(text: &[u8], bytes: usize) -> Vec<u8> {
    let noise = Random(37).bytes(bytes - bytes / 6);
    gzip(&[filled(text, bytes * 40), noise].concat())
}

pub(super) fn json_in_json(bytes: usize) -> Vec<u8> {
    let mut text = String::from("tok\"en/value");
    while text.len() * 2 < bytes && text.len() < bytes / 2 {
        text = format!("{{\"a\":{}}}", serde_json::Value::from(text));
    }
    filled(text.as_bytes(), bytes)
}

pub(super) fn random_runs(
    random: &mut Random,
    length: usize,
    between: &[u8],
    bytes: usize,
) -> Vec<u8> {
    let mut text = Vec::new();
    while text.len() < bytes {
        let run = STANDARD.encode(random.bytes(length));
        text.extend_from_slice(run.get(..length).unwrap().as_bytes());
        text.extend_from_slice(between);
    }
    text
}

pub(super) fn nested_base64(times: usize, bytes: usize) -> Vec<u8> {
    let mut text = filled(b"abc def %74 ghi ", bytes / 3);
    for _ in 0..times {
        text = STANDARD.encode(text).into_bytes();
    }
    text
}

pub(super) fn nested_hex(bytes: usize) -> Vec<u8> {
    let hex = |text: &[u8]| {
        text.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect::<Vec<u8>>()
    };
    hex(&hex(&hex(&filled(b"abc def %74 ghi ", bytes / 8))))
}

pub(super) fn escapes_of_base64(bytes: usize) -> Vec<u8> {
    let inner = STANDARD.encode(filled(br"%74\u0074", bytes / 8));
    let escaped: Vec<u8> =
        inner.bytes().flat_map(|byte| format!("%{byte:02x}").into_bytes()).collect();
    STANDARD.encode(escaped).into_bytes()
}

pub(super) fn utf16(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|&byte| [byte, 0]).collect()
}

pub(super) fn nested_parts(bytes: usize) -> Vec<u8> {
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

pub(super) fn fields_of_parts(bytes: usize) -> Vec<u8> {
    let fields = b"a:b\r\n".repeat(3_000);
    filled(&[&b"--b\r\n"[..], &fields, b"\r\n\r\n"].concat(), bytes)
}

pub(super) fn parameters_of_parts(bytes: usize) -> Vec<u8> {
    let parameters: String = (0..1_000).map(|number| format!(";f*{number}*=%74")).collect();
    let part = format!("--b\r\ncontent-disposition:form-data{parameters}\r\n\r\n\r\n");
    filled(part.as_bytes(), bytes)
}
