//! Hostile bodies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::texts::*;
use super::{Carried, Hostile, LEAKED};

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
