//! Bodies in every form: compressed, transcoded, in parts, in messages.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::parts::{FORM, message, multipart};
use super::{TOKEN, blocking, context, inspection, parts, shown};
use crate::config::FailMode;
use crate::decode::encode::chunks;
use crate::inspect::*;

pub(in crate::inspect) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::inspect) fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn bare(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = ::brotli::CompressorWriter::new(&mut out, 4096, 5, 20);
    encoder.write_all(text).unwrap();
    drop(encoder);
    out
}

pub(in crate::inspect) fn zstd(text: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(text, 3).unwrap()
}

/// A text of one or two bytes each.
pub(in crate::inspect) fn wide(text: &str, unit: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    text.chars().flat_map(|char| unit(u32::from(char))).collect()
}

pub(in crate::inspect) fn utf_16le(code: u32) -> Vec<u8> {
    code.to_le_bytes()[..2].to_vec()
}

pub(in crate::inspect) fn utf_16be(code: u32) -> Vec<u8> {
    code.to_be_bytes()[2..].to_vec()
}

/// UTF-7 with everything in base64.
pub(in crate::inspect) fn utf_7(text: &str) -> String {
    let base64 = ::base64::Engine::encode(
        &::base64::engine::general_purpose::STANDARD_NO_PAD,
        wide(text, utf_16be),
    );
    format!("+{base64}-")
}

pub(in crate::inspect) fn base64_of(text: &[u8]) -> String {
    ::base64::Engine::encode(&::base64::engine::general_purpose::STANDARD, text)
}

pub(in crate::inspect) type Fields<'a> = &'a [(&'a str, &'a str)];

pub(in crate::inspect) fn inspected(
    fields: Fields<'_>,
    pieces: &[&[u8]],
    fail: Fail,
) -> Inspection {
    let patchset = blocking(TOKEN.as_bytes());
    let mut inspection =
        Inspection::new(patchset, Context { fail, ..context(FiltrationMode::Block) });
    let fields: Vec<(&str, &[u8])> =
        fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    inspection.head(&parts("/", &fields));
    for piece in pieces {
        inspection.body(piece);
        inspection.settle();
    }
    inspection.finish();
    inspection
}

/// Points, encodings and causes, over chunks of several sizes, which must agree.
pub(in crate::inspect) fn seen(
    fields: Fields<'_>,
    body: &[u8],
) -> (Vec<String>, Vec<&'static str>) {
    let of = |pieces: &[&[u8]]| {
        let inspection = inspected(fields, pieces, Fail::default());
        (shown(&inspection), inspection.incomplete().to_vec())
    };
    let whole = of(&[body]);
    let layers = |shown: &[String]| -> Vec<String> {
        shown.iter().map(|hit| hit.split(' ').skip(1).collect()).collect()
    };
    for size in [1, 2, 7, 64] {
        let (hits, causes) = of(&body.chunks(size).collect::<Vec<_>>());
        assert_eq!(layers(&hits), layers(&whole.0), "chunks of {size}");
        assert_eq!(causes, whole.1, "chunks of {size}");
    }
    whole
}

pub(in crate::inspect) fn hits(fields: Fields<'_>, body: &[u8]) -> Vec<String> {
    let (hits, causes) = seen(fields, body);
    assert_eq!(causes, Vec::<&str>::new(), "{fields:?}");
    hits
}

/// Words of uneven letters, so that a coding does not store what is in between as it is.
const WORDS: &str = "eee tea eats seat tees ease teat east stet tease estate state taste tatse eset \
                     esta aste ates sets etas teats asset assets stat seta saste ettas eate tsea";

fn json() -> String {
    format!(r#"{{"x":"{WORDS}","a":{{"b":"{}"}}}}"#, TOKEN.replacen('t', r"\u0074", 1))
}

/// The token among other text.
pub(in crate::inspect) fn padded() -> Vec<u8> {
    format!("{WORDS} {TOKEN} {WORDS}").into_bytes()
}

#[test]
fn content_codings() {
    let json = json();
    let json = json.as_bytes();
    for (name, body, layers) in [
        ("gzip", gzip(json), "gzip,json"),
        ("GZip", gzip(json), "gzip,json"),
        ("x-gzip", gzip(json), "gzip,json"),
        ("deflate", zlib(json), "deflate,json"),
        ("deflate", bare(json), "deflate,json"),
        ("br", brotli(json), "br,json"),
        ("zstd", zstd(json), "zstd,json"),
        ("identity", json.to_vec(), "json"),
        ("utf-8", json.to_vec(), "json"),
        ("gzip, identity", gzip(json), "gzip,json"),
        ("gzip,br", brotli(&gzip(json)), "br,gzip,json"),
        ("zstd , deflate,gzip", gzip(&zlib(&zstd(json))), "gzip,deflate,zstd,json"),
    ] {
        let place = format!("body:json:$.a.b {layers}");
        assert_eq!(hits(&[("content-encoding", name)], &body), [place], "{name}");
    }
    let fields = [("content-encoding", "gzip"), ("content-encoding", "br")];
    assert_eq!(hits(&fields, &brotli(&gzip(json))), ["body:json:$.a.b br,gzip,json"]);
}

#[test]
fn several_members_and_what_follows() {
    let (first, second) = TOKEN.split_at(9);
    let gzipped = [gzip(b""), gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    let fields = [("content-encoding", "gzip")];
    assert_eq!(hits(&fields, &gzipped), ["body gzip"]);
    assert_eq!(hits(&fields, &[&gzipped[..], &[0; 40], &gzip(b"x")].concat()), ["body gzip"]);
    assert_eq!(hits(&fields, &[&gzipped[..], b"garbage"].concat()), ["body gzip"]);
    assert_eq!(hits(&fields, &[&gzipped[..], b"\x1f\x8bgarbage"].concat()), ["body gzip"]);
    let zeros = [&gzip(first.as_bytes())[..], &[0; 600], &gzip(second.as_bytes())].concat();
    assert_eq!(hits(&fields, &zeros), ["body gzip"]);
    let skippable = [&[0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(first.as_bytes())];
    let frames = [&skippable.concat()[..], &zstd(second.as_bytes())].concat();
    assert_eq!(hits(&[("content-encoding", "zstd")], &frames), ["body zstd"]);
}

#[test]
fn compression_that_nothing_tells_of() {
    for (body, layers) in [
        (gzip(&padded()), "gzip"),
        (zlib(&padded()), "deflate"),
        (zstd(&padded()), "zstd"),
        (gzip(&zstd(&padded())), "gzip,zstd"),
    ] {
        assert_eq!(hits(&[], &body), [format!("body {layers}")]);
        assert_eq!(hits(&[("content-encoding", "identity")], &body), [format!("body {layers}")]);
    }
    // Damage is no cause, and the raw bytes count.
    let mut damaged = gzip(TOKEN.as_bytes());
    damaged.truncate(12);
    assert_eq!(hits(&[], &damaged), Vec::<String>::new());
    damaged.extend_from_slice(TOKEN.as_bytes());
    assert_eq!(hits(&[], &damaged), ["body"]);
}

#[test]
fn charsets() {
    let json = format!(r#"{{"a":"{TOKEN}"}}"#);
    let le = wide(&json, utf_16le);
    let be = wide(&json, utf_16be);
    let wide_le = wide(&json, |code| code.to_le_bytes().to_vec());
    let wide_be = wide(&json, |code| code.to_be_bytes().to_vec());
    let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
    let plain = "application/json";
    for (declared, body, layer) in [
        ("application/json; charset=utf-16le", le.clone(), "utf-16"),
        ("application/json;charset=\"UTF-16BE\"", be.clone(), "utf-16"),
        ("application/json; charset=utf-16", be.clone(), "utf-16"),
        ("application/json; charset=utf-16", marked(b"\xff\xfe", &le), "utf-16"),
        (plain, le.clone(), "utf-16"),
        (plain, be.clone(), "utf-16"),
        (plain, marked(b"\xff\xfe", &le), "utf-16"),
        (plain, marked(b"\xfe\xff", &be), "utf-16"),
        (plain, wide_le.clone(), "utf-32"),
        (plain, wide_be.clone(), "utf-32"),
        (plain, marked(b"\0\0\xfe\xff", &wide_be), "utf-32"),
        ("text/plain; charset=utf-32be", wide_be, "utf-32"),
        ("text/plain; charset=utf-8; charset=utf-32le", wide_le, "utf-32"),
    ] {
        let found = hits(&[("content-type", declared)], &body);
        assert_eq!(found.len(), 1, "{declared}");
        assert!(found[0].ends_with(&format!(" {layer}")), "{declared}: {found:?}");
    }
    assert_eq!(hits(&[], &le), ["body:json:$.a utf-16"]);
    let seven = format!(r#"{{"a":"{}"}}"#, utf_7(TOKEN));
    let fields = [("content-type", "application/json; charset=UTF-7")];
    assert_eq!(hits(&fields, seven.as_bytes()), ["body:json:$.a utf-7"]);
    let (first, second) = TOKEN.split_at(5);
    let japanese = format!("{first}\x1b(B{second}");
    let fields = [("content-type", "text/plain; charset=iso-2022-jp")];
    assert_eq!(hits(&fields, japanese.as_bytes()), ["body ISO-2022-JP"]);
    // Both fields count.
    let fields = [("content-type", "text/plain"), ("content-type", "text/plain; charset=utf-7")];
    assert_eq!(hits(&fields, utf_7(TOKEN).as_bytes()), ["body utf-7"]);
    let fields = [("content-type", "text/plain; charset=utf-16be"), ("content-encoding", "gzip")];
    assert_eq!(hits(&fields, &gzip(&wide(TOKEN, utf_16be))), ["body gzip,utf-16"]);
}

#[test]
fn causes_and_their_statuses() {
    let bomb = gzip(&gzip(&vec![0; 1 << 22]));
    let closed =
        Fail { malformed: FailMode::Closed, encrypted: FailMode::Closed, ..Fail::default() };
    let jwe = b"eyJh.b.c.d.e";
    let cases: &[(Fields<'_>, &[u8], &str, u16)] = &[
        (&[("content-encoding", "foo")], b"x", "coding", 415),
        (&[("content-encoding", "gzip, foo")], &gzip(b"x"), "coding", 415),
        (&[("content-encoding", "gzip,gzip,gzip,gzip")], b"x", "coding", 415),
        (&[("content-encoding", "gzip")], b"plain", "undecodable", 400),
        (&[("content-encoding", "gzip")], &gzip(b"abcdefgh")[..14], "undecodable", 400),
        (&[("content-encoding", "gzip")], b"x", "undecodable", 400),
        (&[("content-encoding", "deflate")], b"\xff\xff\xff\xff\xff", "undecodable", 400),
        (&[("content-encoding", "br")], b"\xff\xff\xff\xff\xff", "undecodable", 400),
        (&[("content-encoding", "zstd")], b"plain", "undecodable", 400),
        (&[("content-encoding", "gzip, gzip")], &bomb, "budget", 413),
        (&[], &bomb, "budget", 413),
        (FORM, b"no part", "malformed", 400),
        (&[("content-type", "multipart/form-data")], b"no part", "malformed", 400),
        (&[("content-type", "text/plain; charset=utf-16le")], b"a\0b", "malformed", 400),
        (&[("content-type", "application/jose")], jwe, "encrypted", 400),
        (
            &[("content-type", "application/jose+json")],
            br#"{"iv":"a","ciphertext":"b"}"#,
            "encrypted",
            400,
        ),
        (&[], br#"{ "protected":"eyJh","encrypted_key":"a","ciphertext":"b"}"#, "encrypted", 400),
        (&[], br#"{"recipients":[],"protected":"eyJh","ciphertext":"b"}"#, "encrypted", 400),
        (
            &[("content-type", "application/pkcs7-mime; smime-type=enveloped-data")],
            b"x",
            "encrypted",
            400,
        ),
    ];
    for (fields, body, cause, status) in cases {
        let inspection = inspected(fields, &[body], closed);
        assert_eq!(inspection.incomplete(), [*cause], "{fields:?}");
        let Some(Refusal::Incomplete { status: told, .. }) = inspection.refusal else {
            panic!("{fields:?}")
        };
        assert_eq!(told, *status, "{fields:?}");
        // Open, each passes.
        let open = Fail {
            budget: FailMode::Open,
            coding: FailMode::Open,
            undecodable: FailMode::Open,
            malformed: FailMode::Open,
            encrypted: FailMode::Open,
            websocket: FailMode::Open,
        };
        assert_eq!(inspected(fields, &[body], open).refusal, None, "{fields:?}");
    }
    // What says nothing is no cause: no body, a signed text.
    assert!(inspected(&[("content-encoding", "foo")], &[], closed).incomplete().is_empty());
    assert!(
        inspected(&[("content-type", "application/jose")], &[b"a.b.c"], closed)
            .incomplete()
            .is_empty()
    );
    let jws = br#"{"protected":"eyJh","payload":"a ciphertext","signature":"a"}"#;
    let mail = br#"{"recipients":["protected"],"text":"\"ciphertext\""}"#;
    for body in [&jws[..], mail] {
        assert!(inspected(&[], &[body], closed).incomplete().is_empty());
    }
    // In pieces it is told as well.
    let jwe: Vec<&[u8]> = br#"{"protected":"eyJh","iv":"a","ciphertext":"b"}"#.chunks(1).collect();
    assert_eq!(inspected(&[], &jwe, closed).incomplete(), ["encrypted"]);
    // What was decoded up to the damage counts.
    let mut damaged = gzip(TOKEN.as_bytes());
    damaged.truncate(damaged.len() - 4);
    assert_eq!(seen(&[("content-encoding", "gzip")], &damaged).0, ["body gzip"]);
}

#[test]
fn what_streams_is_decided_before_it_is_released() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(TOKEN.as_bytes()).unwrap();
    encoder.flush().unwrap();
    let gzip = encoder.get_ref().clone();
    let utf_16 = wide(TOKEN, utf_16be);
    let head = "--XX\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let part = format!("{head}{}", base64_of(TOKEN.as_bytes()));
    let dashes = format!("--{}", utf_7(TOKEN));
    let cases: &[(Fields<'_>, &[u8])] = &[
        (&[("content-encoding", "gzip")], &gzip),
        (&[], &gzip),
        (&[("content-type", "text/plain; charset=utf-16be")], &utf_16),
        (FORM, part.as_bytes()),
        (&[("content-type", "text/plain; charset=utf-7")], dashes.as_bytes()),
    ];
    for (fields, piece) in cases {
        let mut inspection = inspection(&blocking(TOKEN.as_bytes()));
        let fields: Vec<(&str, &[u8])> =
            fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        inspection.head(&parts("/", &fields));
        inspection.body(piece);
        assert_eq!(inspection.settle(), Verdict::Refuse(Refusal::Leaked), "{fields:?}");
    }
}

#[test]
fn containers_inside_each_other() {
    let named = "Content-Disposition: form-data; name=f\r\nContent-Transfer-Encoding: base64";
    let body = gzip(&multipart(named, base64_of(&zstd(&padded())).as_bytes()));
    let fields = [FORM[0], ("content-encoding", "gzip")];
    assert_eq!(hits(&fields, &body), ["body:multipart:f gzip,base64,zstd"]);
    let marked = format!("\u{feff}{{\"a\":\"{TOKEN}\"}}");
    assert_eq!(hits(&[], &wide(&marked, utf_16le)), ["body:json:$.a utf-16"]);
    // As deep as they may be, and deeper.
    let mut deep = padded();
    for depth in 1..=limits::CONTAINER_DEPTH + 1 {
        deep = gzip(&deep);
        let (found, causes) = seen(&[], &deep);
        if depth <= limits::CONTAINER_DEPTH {
            assert_eq!(found, [format!("body {}", vec!["gzip"; depth].join(","))]);
        } else {
            assert_eq!((found, causes), (Vec::new(), vec!["budget"]));
        }
    }
}

#[test]
fn unpacking_is_bounded() {
    let escapes = r"%255Cu0025%2525%5C%5C\\u005Cu0025\u0074%2b+".repeat(40_000);
    let members = gzip(b"").repeat(4_000);
    let messages = [("content-type", "application/grpc"), ("grpc-encoding", "gzip")];
    let empty = message(true, b"?").repeat(20_000);
    let cases: &[(Fields<'_>, &[u8])] = &[
        (&[("content-encoding", "gzip")], &gzip(escapes.as_bytes())),
        (&[("content-encoding", "gzip")], &members),
        (&messages, &empty),
    ];
    for (fields, body) in cases {
        let inspection =
            inspected(fields, &[body], Fail { budget: FailMode::Open, ..Fail::default() });
        let came_in = body.len() as u64;
        let bound = came_in * (limits::DECODE_WORK + 1) + limits::DECODE_FREE_WORK + 65_536;
        assert!(inspection.inspected_bytes() <= bound, "{fields:?}");
    }
}

#[test]
fn a_long_compressed_body_is_inspected_to_its_end() {
    // Bytes that do not compress, so that the budget holds.
    let mut seed = 7_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        b'a' + (seed >> 59) as u8
    })
    .take(600_000)
    .collect();
    let text = [&noise[..], TOKEN.as_bytes(), b"\r\n"].concat();
    for (coding, body) in [("gzip", gzip(&text)), ("br", brotli(&text)), ("zstd", zstd(&text))] {
        let pieces: Vec<&[u8]> = body.chunks(1_000).collect();
        let inspection = inspected(&[("content-encoding", coding)], &pieces, Fail::default());
        assert_eq!(shown(&inspection), [format!("body {coding}")]);
    }
}

#[derive(Clone, Copy, Debug)]
enum Container {
    Gzip,
    Zlib,
    Bare,
    Brotli,
    Zstd,
}

impl Container {
    fn encode(self, text: &[u8]) -> (Vec<u8>, &'static str, &'static str) {
        match self {
            Self::Gzip => (gzip(text), "gzip", "gzip"),
            Self::Zlib => (zlib(text), "deflate", "deflate"),
            Self::Bare => (bare(text), "deflate", "deflate"),
            Self::Brotli => (brotli(text), "br", "br"),
            Self::Zstd => (zstd(text), "zstd", "zstd"),
        }
    }
}

fn container() -> impl Strategy<Value = Container> {
    use Container::*;
    prop::sample::select(vec![Gzip, Zlib, Bare, Brotli, Zstd])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A token under any stack of codings is found wherever the body is cut, with the layers in
    /// order; another token is not.
    #[test]
    fn a_coded_token_is_found(
        token in "[A-Za-z0-9_]{12,40}",
        twin in "[A-Za-z0-9_]{12,40}",
        before in r#"[ -~]{0,200}"#,
        after in r#"[ -~]{0,200}"#,
        stack in prop::collection::vec(container(), 1..=3),
        cuts in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let mut body = [before.as_bytes(), b" ", token.as_bytes(), b" ", after.as_bytes()].concat();
        let (mut codings, mut layers) = (Vec::new(), Vec::new());
        for container in stack {
            let (coded, name, layer) = container.encode(&body);
            body = coded;
            codings.push(name);
            layers.insert(0, layer);
        }
        let codings = codings.join(", ");
        let found = |token: &str| {
            let mut inspection = inspection(&blocking(token.as_bytes()));
            inspection.head(&parts("/", &[("content-encoding", codings.as_bytes())]));
            for piece in chunks(&body, &cuts) {
                inspection.body(piece);
                inspection.settle();
            }
            inspection.finish();
            (inspection.incomplete().to_vec(), inspection.hits().to_vec())
        };
        let (causes, hits) = found(&token);
        prop_assert_eq!(causes, Vec::<&str>::new());
        prop_assert_eq!(hits.len(), 1);
        // A coding may store what is short as it is, and then it need not be undone.
        let undone = &hits[0].encodings;
        prop_assert!(undone.starts_with(&layers) || layers.starts_with(undone), "{undone:?}");
        if !before.contains(&twin) && !after.contains(&twin) && !token.contains(&twin) {
            prop_assert_eq!(found(&twin).1.len(), 0);
        }
    }

    /// No damage makes anything panic, and a coding that is cut short is told of.
    #[test]
    fn damaged_codings(
        text in prop::collection::vec(any::<u8>(), 0..300),
        container in container(),
        at in any::<prop::sample::Index>(),
        flip in any::<u8>(),
        cuts in prop::collection::vec(any::<u16>(), 0..4),
    ) {
        let (mut body, name, _) = container.encode(&text);
        let cut = at.index(body.len());
        if flip == 0 {
            body.truncate(cut);
        } else {
            body[cut] ^= flip;
        }
        let inspection =
            inspected(&[("content-encoding", name)], &chunks(&body, &cuts), Fail::default());
        prop_assert!(inspection.hits().is_empty());
        if flip == 0 && !body.is_empty() {
            prop_assert_eq!(inspection.incomplete(), ["undecodable"]);
        }
    }

    /// No bytes make anything panic, whatever is said of them, and chunks never matter.
    #[test]
    fn any_body_of_any_type(
        text in prop::collection::vec(prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            prop::sample::select(vec![
                "--XX\r\n", "\n--XX", "--XX--", "--", "\r", "\r\n\r\n", "=\r\n", "=4", "\x1f\u{8}",
                "Content-Transfer-Encoding: base64\r\n\r\n", "content-type: multipart/x; boundary=XX\n\n",
                "a; b*0=c; b*1*=d", "\0\0\0\0\u{3}", "+AGE-", "\u{1}\0\0\0",
            ]).prop_map(|text| text.as_bytes().to_vec()),
        ], 0..60),
        kind in prop::sample::select(vec![
            "multipart/form-data; boundary=XX", "application/grpc", "application/grpc-web-text",
            "text/plain; charset=utf-7", "text/plain; charset=utf-32", "multipart/mixed", "a/b",
        ]),
        cuts in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let body = text.concat();
        let fields = [("content-type", kind), ("grpc-encoding", "gzip")];
        let whole = inspected(&fields, &[&body], Fail::default());
        let cut = inspected(&fields, &chunks(&body, &cuts), Fail::default());
        if whole.refusal.is_none() {
            prop_assert_eq!(whole.incomplete(), cut.incomplete());
        }
        // What follows a refusal is looked at to the end of the piece only.
        prop_assert_eq!(&whole.refusal, &cut.refusal);
        prop_assert!(whole.hits().is_empty() && cut.hits().is_empty());
    }
}
