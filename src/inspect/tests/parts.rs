//! Bodies in parts and in messages.

use proptest::prelude::*;

use super::bodies::{
    Fields, base64_of, gzip, hits, inspected, padded, seen, utf_7, utf_16le, wide, zlib, zstd,
};
use super::{TOKEN, blocking, inspection, parts, shown};
use crate::decode::encode::chunks;
use crate::inspect::*;

pub(in crate::inspect) fn multipart(fields: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"first\"\r\n\r\nvalue\r\n--XX\r\n{fields}\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n--XX--\r\nepilogue"].concat()
}

pub(in crate::inspect) const FORM: Fields<'_> =
    &[("content-type", "multipart/form-data; boundary=\"XX\"")];

#[test]
fn parts_of_multipart() {
    let named = "Content-Disposition: form-data; name=file";
    let base64 = base64_of(format!("x {TOKEN}").as_bytes());
    let broken: String = base64
        .chars()
        .enumerate()
        .flat_map(|(at, c)| [c, if at % 3 == 0 { '\n' } else { '!' }])
        .collect();
    let quoted = TOKEN.replacen("ok", "=6F=\r\nk", 1);
    let (first, second) = TOKEN.split_at(9);
    for (fields, content, expected) in [
        (named.to_owned(), TOKEN.into(), "multipart:file"),
        (
            format!("{named}\r\nContent-Transfer-Encoding: Base64"),
            base64.clone().into_bytes(),
            "multipart:file base64",
        ),
        (
            format!("content-transfer-encoding:base64\r\n{named}"),
            broken.into_bytes(),
            "multipart:file base64",
        ),
        (
            format!("{named}\r\nContent-Transfer-Encoding: quoted-printable"),
            quoted.clone().into_bytes(),
            "multipart:file quoted-printable",
        ),
        (
            format!("{named}\r\nContent-Type: text/plain; charset=utf-16le"),
            wide(TOKEN, utf_16le),
            "multipart:file utf-16",
        ),
        (
            format!("{named}\r\nContent-Encoding: gzip"),
            gzip(TOKEN.as_bytes()),
            "multipart:file gzip",
        ),
        (named.to_owned(), gzip(TOKEN.as_bytes()), "multipart:file gzip"),
        (format!("{named}; filename={TOKEN}"), "x".into(), "multipart:file"),
        (format!("Content-Disposition: form-data; name={TOKEN}"), "x".into(), "multipart:[1]"),
        (
            format!("{named}; filename*=UTF-8''%74{}", &TOKEN[1..]),
            "x".into(),
            "multipart:file percent",
        ),
        (
            format!("{named}; filename*0=\"{first}\"; filename*1=\"{second}\""),
            "x".into(),
            "multipart:file parameter",
        ),
        (
            format!("{named}; filename*1={second}; filename*0*=utf-8''{first}"),
            "x".into(),
            "multipart:file parameter",
        ),
        (
            format!("X-A: b\r\nContent-Type: a/b; name=\"{first}\\{second}\""),
            "x".into(),
            "multipart:[1] parameter",
        ),
        (format!("{named}\r\nX-Other: {TOKEN}"), "x".into(), "multipart:file"),
    ] {
        let body = multipart(&fields, &content);
        let (found, causes) = seen(FORM, &body);
        assert_eq!(causes, Vec::<&str>::new());
        assert!(found.contains(&format!("body:{expected}")), "{fields}: {found:?}");
        // Lines may end in LF alone, and nothing need say multipart.
        let text: Vec<u8> = body.iter().copied().filter(|&byte| byte != b'\r').collect();
        assert!(!hits(FORM, &text).is_empty(), "{fields}");
        let start = body.windows(4).position(|window| window == b"--XX").unwrap();
        assert!(!hits(&[], &body[start..]).is_empty(), "{fields}");
    }
}

/// Escapes of quoted-printable behind a long word look like base64 with padding everywhere.
#[test]
fn quoted_printable_of_references_fits() {
    let named = "Content-Transfer-Encoding: quoted-printable";
    let token = "a-long-one".repeat(25);
    let references: String = token.bytes().map(|byte| format!("&#{byte};")).collect();
    let content: String = references.bytes().map(|byte| format!("={byte:02X}")).collect();
    let body = multipart(named, content.as_bytes());
    let text: Vec<u8> = body.into_iter().filter(|&byte| byte != b'\r').collect();
    for token in [token.as_bytes(), TOKEN.as_bytes()] {
        let mut inspection = inspection(&blocking(token));
        inspection.head(&parts("/", &[(FORM[0].0, FORM[0].1.as_bytes())]));
        inspection.body(&text);
        inspection.finish();
        assert_eq!(inspection.incomplete(), Vec::<&str>::new());
        assert_eq!(inspection.hits().is_empty(), token == TOKEN.as_bytes());
    }
}

#[test]
fn a_part_may_tell_the_charset_of_others() {
    let part = |name: &str| format!("--XX\r\nContent-Disposition: form-data; name={name}\r\n\r\n");
    let seven = utf_7(TOKEN);
    let body = [&part("_charset_"), "utf-7\r\n", &part("a"), &seven, "\r\n--XX--"].concat();
    assert_eq!(hits(FORM, body.as_bytes()), ["body:multipart:a utf-7"]);
    let body = [&part("b"), "utf-7\r\n", &part("a"), &seven, "\r\n--XX--"].concat();
    assert_eq!(hits(FORM, body.as_bytes()), Vec::<String>::new());
    // What a part says of its coding is hardly looked at.
    for coding in ["foo", "gzip"] {
        let body = multipart(&format!("Content-Encoding: {coding}"), b"plain");
        assert_eq!(seen(FORM, &body).1, ["malformed"]);
    }
}

#[test]
fn boundaries_in_every_spelling() {
    let named = "Content-Transfer-Encoding: quoted-printable";
    let content = TOKEN.replacen("ok", "=6F=\r\nk", 1);
    let body = multipart(named, content.as_bytes());
    for declared in [
        "multipart/form-data; boundary=XX",
        "Multipart/Mixed;BOUNDARY=\"XX\"",
        "multipart/form-data; boundary*=utf-8''%58X",
        "multipart/form-data; boundary*0=X; boundary*1=X",
        "multipart/form-data; boundary=YY; boundary=XX",
        "text/plain, multipart/form-data; boundary=XX",
    ] {
        let inspection = inspected(&[("content-type", declared)], &[&body], Fail::default());
        assert_eq!(shown(&inspection), ["body:multipart:[1] quoted-printable"], "{declared}");
    }
    let inner = multipart(named, content.as_bytes());
    let outer =
        [b"--YY\r\nContent-Type: multipart/mixed; boundary=XX\r\n\r\n", &inner[..], b"\r\n--YY--"];
    let fields = [("content-type", "multipart/mixed; boundary=YY")];
    assert_eq!(hits(&fields, &outer.concat()), ["body:multipart:[1] quoted-printable"]);
}

pub(in crate::inspect) fn message(compressed: bool, text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[u8::from(compressed)][..], &length, text].concat()
}

#[test]
fn messages_of_grpc() {
    let plain = message(false, b"\x0a\x03abc");
    let text = padded();
    let grpc = |coding: &'static str| {
        [("content-type", "application/grpc+proto"), ("grpc-encoding", coding)]
    };
    let body = |packed: &[u8]| [&plain[..], &message(true, packed)].concat();
    assert_eq!(hits(&grpc("gzip"), &body(&gzip(&text))), ["body:grpc:[1] gzip"]);
    assert_eq!(hits(&grpc("deflate"), &body(&zlib(&text))), ["body:grpc:[1] deflate"]);
    assert_eq!(hits(&grpc("zstd"), &body(&zstd(&text))), ["body:grpc:[1] zstd"]);
    assert_eq!(hits(&grpc("identity"), &message(false, &text)), ["body"]);
    assert_eq!(hits(&grpc("identity"), &message(false, &gzip(&text))), ["body:grpc:[0] gzip"]);
    let web = [("content-type", "application/grpc-web-text"), ("grpc-encoding", "gzip")];
    let encoded = base64_of(&plain) + base64_of(&message(true, &gzip(&text))).as_str();
    assert_eq!(hits(&web, encoded.as_bytes()), ["body:grpc:[1] base64,gzip"]);
    // Halves in two messages are no token.
    let (first, second) = TOKEN.split_at(9);
    let halves = [message(false, first.as_bytes()), message(false, second.as_bytes())].concat();
    assert_eq!(hits(&grpc("gzip"), &halves), Vec::<String>::new());
    // Causes.
    assert_eq!(seen(&grpc("snappy"), &body(b"?")).1, ["coding"]);
    assert_eq!(seen(&grpc("snappy"), &plain).1, Vec::<&str>::new());
    assert_eq!(seen(&grpc("identity"), &body(b"?")).1, ["malformed"]);
    assert_eq!(seen(&grpc("gzip"), &body(b"?????")).1, ["undecodable"]);
    assert_eq!(seen(&grpc("gzip"), &plain[..7]).1, ["malformed"]);
    assert_eq!(seen(&grpc("gzip"), b"not at all").1, ["malformed"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A token in a part with any transfer encoding is found, wherever the body is cut.
    #[test]
    fn a_token_in_a_part_is_found(
        content in "[ -~]{0,60}",
        base64 in any::<bool>(),
        ending in prop::sample::select(vec!["\r\n", "\n"]),
        width in 4_usize..30,
        cuts in prop::collection::vec(any::<u16>(), 0..10),
    ) {
        let text = format!("{content} {TOKEN} {content}");
        let (name, encoded) = if base64 {
            let encoded = base64_of(text.as_bytes());
            let lines: Vec<&[u8]> = encoded.as_bytes().chunks(width).collect();
            ("base64", lines.join(ending.as_bytes()))
        } else {
            let encoded: Vec<String> = text.bytes().map(|byte| format!("={byte:02X}")).collect();
            let lines: Vec<String> = encoded.chunks(width).map(<[String]>::concat).collect();
            ("quoted-printable", lines.join(&format!("={ending}")).into_bytes())
        };
        let head = format!("--XX{ending}Content-Transfer-Encoding: {name}{ending}{ending}");
        let body = [head.as_bytes(), &encoded, ending.as_bytes(), b"--XX--"].concat();
        let found = inspected(FORM, &chunks(&body, &cuts), Fail::default());
        prop_assert_eq!(shown(&found), [format!("body:multipart:[0] {name}")]);
        prop_assert!(found.incomplete().is_empty());
    }
}
