//! Tokens under base64 and hex, in every kind of text; and JWTs, spelled any way.

use std::io::Write as _;

use ::base64::Engine as _;
use ::base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::{TOKEN, blocking, blocking_digest, body_found, in_head, inspection, parts, shown};
use crate::decode::encode::{Encoder, chunks, encoder};
use crate::inspect::*;

fn hex(text: &[u8]) -> String {
    text.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn wrapped(text: &str, width: usize, line: &str) -> String {
    let lines: Vec<&str> =
        text.as_bytes().chunks(width).map(|line| str::from_utf8(line).unwrap()).collect();
    lines.join(line)
}

/// The layers under which the token is found in a body, whole and in chunks, which must agree.
fn in_body(patchset: &Arc<Patchset>, body: &[u8]) -> Option<String> {
    let mut all = Vec::new();
    for size in [1, 2, 7, 64, 10_000] {
        let mut inspection = inspection(patchset);
        for chunk in body.chunks(size) {
            inspection.body(chunk);
            inspection.settle();
        }
        inspection.finish();
        assert!(inspection.incomplete().is_empty());
        all.push(inspection.hits().first().map(|hit| hit.encodings.join(",")));
    }
    assert!(all.windows(2).all(|two| two[0] == two[1]), "{all:?} {}", body.escape_ascii());
    all.pop().unwrap()
}

#[test]
fn base64_in_a_body() {
    let patchset = blocking(TOKEN.as_bytes());
    let long = "x".repeat(150) + TOKEN + "y".repeat(100).as_str();
    for (body, layers) in [
        (STANDARD.encode(TOKEN), "base64"),
        (format!(r#"{{"a":"{}"}}"#, STANDARD.encode(TOKEN)), "base64"),
        (format!(r#"{{"a":"{}"}}"#, STANDARD.encode(format!("a{TOKEN}"))), "base64"),
        (format!(r#"{{"a":"{}"}}"#, URL_SAFE_NO_PAD.encode(format!("ab{TOKEN}?"))), "base64"),
        (format!("prefix{}", STANDARD.encode(TOKEN)), "base64"),
        (format!("a/b/c/{}/d", STANDARD.encode(TOKEN)), "base64"),
        (format!("{}=={}", STANDARD_NO_PAD.encode("abcd"), STANDARD.encode(TOKEN)), "base64"),
        (format!("x{}{}", STANDARD.encode(&TOKEN[..7]), STANDARD.encode(&TOKEN[7..])), "base64"),
        (format!("{}{}", STANDARD.encode(&TOKEN[..1]), STANDARD.encode(&TOKEN[1..])), "base64"),
        (format!("{}{}", STANDARD.encode(&TOKEN[..22]), STANDARD.encode(&TOKEN[22..])), "base64"),
        (format!("{}\n{}", STANDARD.encode(&long[..167]), STANDARD.encode(&long[167..])), "base64"),
        (wrapped(&STANDARD.encode(&long), 76, "\r\n"), "base64"),
        (wrapped(&STANDARD.encode(&long), 64, "\n"), "base64"),
        (format!(r#"{{"a":"{}"}}"#, wrapped(&STANDARD.encode(&long), 64, r"\r\n")), "base64"),
        (format!(r#"{{"a":"{}"}}"#, wrapped(&STANDARD.encode(&long), 76, r"\\r\\n")), "base64"),
        (format!(r#"{{"a":"{}"}}"#, wrapped(&STANDARD.encode(&long), 76, r"\\\\r\\\\n")), "base64"),
        (format!("a={}", wrapped(&URL_SAFE.encode(&long), 64, "%0D%0A")), "base64"),
        (wrapped(&STANDARD.encode(TOKEN), 16, "!"), "base64"),
        (wrapped(&STANDARD.encode(&long), 17, "*.~"), "base64"),
        (STANDARD.encode(STANDARD.encode(TOKEN)), "base64,base64"),
        (STANDARD.encode(wrapped(&STANDARD.encode(&long), 76, "\r\n")), "base64,base64"),
        (STANDARD.encode(TOKEN.replace('t', "%74")), "base64,percent"),
        (STANDARD.encode(TOKEN.replace('t', r"\u0074")), "base64,json"),
        (STANDARD.encode(hex(TOKEN.as_bytes())), "base64,hex"),
        (hex(STANDARD.encode(TOKEN).as_bytes()), "hex,base64"),
        (hex(TOKEN.as_bytes()), "hex"),
        (format!("0x{}", hex(TOKEN.as_bytes()).to_uppercase()), "hex"),
        (format!("abc{}xyz", hex(TOKEN.as_bytes())), "hex"),
        (format!("a={}", STANDARD.encode(format!("{TOKEN}>>>???")).replace('+', "%2B")), "base64"),
        (STANDARD.encode(TOKEN).replace('Y', r"\u0059"), "json,base64"),
        (STANDARD.encode(TOKEN).replace('Y', "%59"), "percent,base64"),
    ] {
        assert_eq!(in_body(&patchset, body.as_bytes()).as_deref(), Some(layers), "{body}");
        let other = blocking(b"tok_0123456789abcdefXYA");
        assert_eq!(in_body(&other, body.as_bytes()), None, "{body}");
    }
}

/// However long a token is written in a run, what stands in the middle of the run hides it not.
#[test]
fn what_cuts_a_long_run_in_two() {
    let patchset = blocking(TOKEN.as_bytes());
    let other = blocking(b"tok_0123456789abcdefXYA");
    let each = |text: &str, write: fn(u8) -> String| text.bytes().map(write).collect::<String>();
    let json = each(TOKEN, |byte| format!("\\u{byte:04x}"));
    let percent = each(TOKEN, |byte| format!("%{byte:02x}"));
    let hex_of_json = hex(json.as_bytes());
    for (run, layers) in [
        (STANDARD.encode(&json), "base64,json"),
        (STANDARD.encode(STANDARD.encode(&json)), "base64,base64,json"),
        (hex_of_json.clone(), "hex,json"),
        (hex(percent.as_bytes()), "hex,percent"),
        (wrapped(&STANDARD.encode(&json), 76, "\r\n"), "base64,json"),
    ] {
        for (between, layer) in
            [("<!-- a -- b -->", "markup"), ("<?x y?>", "markup"), ("<![CDATA[]]>", "markup")]
        {
            for part in [1, run.len() / 3, run.len() / 2, run.len() - 3] {
                let (one, two) = run.split_at(part);
                let body = format!("<a>{}<t>{one}{between}{two}</t></a>", "b c ".repeat(40));
                let expected = format!("{layer},{layers}");
                assert_eq!(in_body(&patchset, body.as_bytes()), Some(expected), "{body}");
                assert_eq!(in_body(&other, body.as_bytes()), None, "{body}");
            }
        }
        // Characters of the run that are escaped themselves, far apart.
        for at in [run.len() / 3, run.len() / 2] {
            let (one, two) = run.split_at(at);
            let escaped = format!("%{:02X}", two.as_bytes()[0]);
            let body = format!("a={one}{escaped}{}&b=c", &two[1..]);
            let expected = format!("percent,{layers}");
            assert_eq!(in_body(&patchset, body.as_bytes()), Some(expected), "{body}");
        }
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Bodies in which the token stands compressed in base64 or hex, and the layers it is under.
fn compressed() -> Vec<(String, &'static str)> {
    let twice = [gzip(b"first "), gzip(TOKEN.as_bytes())].concat();
    let inner = STANDARD.encode(gzip(TOKEN.as_bytes()));
    let escaped = STANDARD.encode(gzip(TOKEN.replace('t', "%74").as_bytes()));
    let long = gzip(format!("{}{TOKEN}", hex(&noise(11, 1_500))).as_bytes());
    let plain = format!("{}{TOKEN}", hex(&noise(11, 1_500)));
    let zstd = zstd::encode_all(plain.as_bytes(), 0).unwrap();
    vec![
        (STANDARD.encode(gzip(TOKEN.as_bytes())), "base64,gzip"),
        (URL_SAFE_NO_PAD.encode(gzip(TOKEN.as_bytes())), "base64,gzip"),
        (format!("some/path/{inner}"), "base64,gzip"),
        (format!("the message is {inner} as said"), "base64,gzip"),
        (format!("averylongwordbefore {inner} as said"), "base64,gzip"),
        (STANDARD.encode(&twice), "base64,gzip"),
        (wrapped(&STANDARD.encode(&long), 76, "\r\n"), "base64,gzip"),
        (STANDARD.encode(zlib(TOKEN.as_bytes())), "base64,deflate"),
        (format!("token={}", URL_SAFE.encode(zlib(TOKEN.as_bytes()))), "base64,deflate"),
        (STANDARD.encode(&zstd), "base64,zstd"),
        (hex(&gzip(TOKEN.as_bytes())), "hex,gzip"),
        (hex(&zlib(TOKEN.as_bytes())), "hex,deflate"),
        (escaped, "base64,gzip,percent"),
        (STANDARD.encode(gzip(inner.as_bytes())), "base64,gzip,base64,gzip"),
        (STANDARD.encode(&inner), "base64,base64,gzip"),
        (format!("{}{inner}", STANDARD.encode([0x1f, 0x8b, 8])), "base64,gzip"),
    ]
}

#[test]
fn compressed_in_base64() {
    let patchset = blocking(TOKEN.as_bytes());
    let other = blocking(b"tok_0123456789abcdefXYA");
    let fingerprint = patchset.token(TokenIndex(0)).unwrap().fingerprint;
    for (text, layers) in compressed() {
        assert_eq!(in_body(&patchset, text.as_bytes()).as_deref(), Some(layers), "{text}");
        assert_eq!(in_body(&other, text.as_bytes()), None, "{text}");
        let text = text.replace("\r\n", " ");
        assert_eq!(in_value(&patchset, &text), [format!("header:x-jwt {layers}")], "{text}");
        assert!(in_value(&other, &text).is_empty(), "{text}");
        let shown = redact(&patchset, format!("/?a={text}").as_bytes(), 10_000);
        assert!(shown.contains(&format!("[token:{fingerprint}]")), "{shown}");
    }
}

/// As files have them that hold one compressed message in each line.
#[test]
fn many_lines_of_compressed_messages_fit() {
    let patchset = blocking(TOKEN.as_bytes());
    for engine in [&STANDARD, &STANDARD_NO_PAD] {
        for end in ["\n", ""] {
            for more in 0..3 {
                let message = gzip(format!("a message{}", &"xyz"[..more]).as_bytes());
                let lines = engine.encode(message) + end;
                let text = lines.repeat(40) + engine.encode(gzip(TOKEN.as_bytes())).as_str();
                for size in [1, 100, 10_000] {
                    let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                    assert_eq!(body_found(&patchset, &pieces), Some(true), "{size} {text}");
                }
                let lines = lines.repeat(40);
                assert_eq!(body_found(&patchset, &[lines.as_bytes()]), Some(false), "{lines}");
                let mut budget = search::budget();
                let relevant = search::relevant(&patchset);
                search::held(&patchset, &relevant, &mut budget, lines.as_bytes());
                assert!(!budget.is_spent(), "{lines}");
            }
        }
    }
}

#[test]
fn what_decompresses_to_too_much_in_base64_is_refused() {
    let patchset = blocking(TOKEN.as_bytes());
    let many = "H4sIAAAAAAAA".repeat(20_000);
    for text in [STANDARD.encode(gzip(&vec![0; 10_000_000])), many] {
        let mut inspection = inspection(&patchset);
        inspection.body(text.as_bytes());
        assert!(!inspection.finish().passes());
        assert!(inspection.hits().is_empty());
    }
}

#[test]
fn a_short_token_in_base64_beside_words() {
    let token = "Tok4token9Xy";
    let patchset = blocking(token.as_bytes());
    let other = blocking(b"Tok4token9Xz");
    let digest = blocking_digest(TOKEN.as_bytes());
    for (before, after) in [
        ("the key is ", " as said"),
        ("the key is ", "\nas said"),
        ("averylongwordbefore ", " as said"),
        ("averylongwordbefor ", " as said"),
        ("word!", "@word.example"),
        ("//", "@word"),
        ("https://", "@api.example.com"),
    ] {
        let text = format!("{before}{}{after}", STANDARD.encode(token));
        assert_eq!(in_body(&patchset, text.as_bytes()).as_deref(), Some("base64"), "{text}");
        assert_eq!(in_body(&other, text.as_bytes()), None, "{text}");
        let digest_text = format!("{before}{}{after}", STANDARD_NO_PAD.encode(TOKEN));
        assert_eq!(in_body(&digest, digest_text.as_bytes()).as_deref(), Some("base64"), "{text}");
        if !text.contains('\n') {
            assert_eq!(in_value(&patchset, &text), ["header:x-jwt base64"], "{text}");
        }
    }
    for text in [format!("{token}s"), format!("as{token}")] {
        let text = STANDARD.encode(text);
        assert_eq!(body_found(&patchset, &[text.as_bytes()]), Some(false), "{text}");
    }
}

#[test]
fn base64_in_a_head() {
    let base64 = URL_SAFE_NO_PAD.encode(format!("user:{TOKEN}"));
    assert_eq!(in_head(&format!("/a/{base64}/b"), &[]), ["path:1 base64"]);
    assert_eq!(in_head(&format!("/a?b=c&d={base64}&e=f"), &[]), ["query:d base64"]);
    assert_eq!(in_head("/", &[("x-key", base64.as_bytes())]), ["header:x-key base64"]);
    let cookie = format!("a=b; sid={base64}; c=d");
    assert_eq!(in_head("/", &[("cookie", cookie.as_bytes())]), ["cookie:sid base64"]);
    let kubernetes = format!("base64url.bearer.authorization.k8s.io.{base64}, x");
    assert_eq!(
        in_head("/", &[("sec-websocket-protocol", kubernetes.as_bytes())]),
        ["header:sec-websocket-protocol base64"]
    );
    let percent = base64.replace('Y', "%59");
    assert_eq!(in_head(&format!("/?b={percent}"), &[]), ["query:b percent,base64"]);
    for junk in ["!", "~.*"] {
        let junk = wrapped(&base64, 9, junk);
        assert_eq!(in_head("/", &[("x-key", junk.as_bytes())]), ["header:x-key base64"]);
    }
    let twice = hex(base64.as_bytes());
    assert_eq!(in_head(&format!("/?b={twice}"), &[]), ["query:b hex,base64"]);
}

#[test]
fn what_is_redacted_has_no_encoded_token() {
    let patchset = blocking(TOKEN.as_bytes());
    let fingerprint = patchset.token(TokenIndex(0)).unwrap().fingerprint;
    let base64 = STANDARD.encode(TOKEN);
    let twice = STANDARD.encode(base64.as_bytes());
    for (text, expected) in [
        (format!("/a?b={base64}&c=d"), "/a?b=HERE=&c=d"),
        (format!("/a?b={}&c=d", hex(TOKEN.as_bytes())), "/a?b=HERE&c=d"),
        (format!("/a?b={}&c=d", twice.replace('W', "%57")), "/a?b=HERE%3D&c=d"),
    ] {
        let shown = redact(&patchset, text.as_bytes(), 1_000);
        let expected = expected.replace("HERE", &format!("[token:{fingerprint}]"));
        let cut = |text: &str| text.replace(['=', '&'], " ");
        assert!(
            cut(&shown).starts_with(
                cut(&expected).split(" c").next().unwrap().trim_end_matches("%3D").trim_end()
            ) && search::locate(&patchset, &search::relevant(&patchset), shown.as_bytes())
                .is_empty(),
            "{shown}"
        );
    }
}

#[test]
fn a_digest_token_under_base64() {
    let patchset = blocking_digest(TOKEN.as_bytes());
    let body = format!(r#"{{"a":"{}"}}"#, STANDARD.encode(format!("user:{TOKEN}")));
    assert_eq!(in_body(&patchset, body.as_bytes()).as_deref(), Some("base64"));
}

fn jwt(header: &str, payload: &str, signature: &[u8]) -> String {
    let parts = [header.as_bytes(), payload.as_bytes(), signature];
    parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

/// Bytes that look random.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut encoder = Encoder { layer: Layer::Percent, density: 0, seed };
    (0..length).map(|_| encoder.draw() as u8).collect()
}

#[test]
fn a_jwt_in_any_spelling() {
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let payload = r#"{"sub":"someone","iat":1700000000}"#;
    let signature = noise(1, 32);
    let token = jwt(header, payload, &signature);
    let patchset = blocking(token.as_bytes());
    let encoded = URL_SAFE_NO_PAD.encode(&signature);
    let mut unused = encoded.clone();
    let last = unused.pop().unwrap();
    unused.push(char::from(last as u8 + 1));
    for text in [
        token.clone(),
        format!("{token}="),
        format!("{}.{unused}", token.rsplit_once('.').unwrap().0),
        jwt(r#"{"typ":"JWT","alg":"HS256"}"#, payload, &signature),
        format!("{}.{}", token.rsplit_once('.').unwrap().0, STANDARD.encode(&signature)),
        format!(r#"{{"payload":"x","signatures":[{{"protected":"y","signature":"{encoded}"}}]}}"#),
        format!("{} . {encoded}", URL_SAFE_NO_PAD.encode(payload)),
        hex(&signature),
        STANDARD.encode(&token),
        encoded.replace(&encoded[4..5], &format!("%{:02x}", encoded.as_bytes()[4])),
    ] {
        assert!(body_found(&patchset, &[text.as_bytes()]).unwrap(), "{text}");
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(5).collect();
        assert!(body_found(&patchset, &pieces).unwrap(), "{text}");
        assert!(!in_value(&patchset, &text).is_empty(), "{text}");
    }
    for text in [
        jwt(header, payload, &noise(2, 32)),
        jwt(header, payload, &signature[..31]),
        jwt(header, payload, b""),
    ] {
        assert!(!body_found(&patchset, &[text.as_bytes()]).unwrap(), "{text}");
        assert!(in_value(&patchset, &text).is_empty(), "{text}");
    }
}

fn in_value(patchset: &Arc<Patchset>, value: &str) -> Vec<String> {
    let mut inspection = inspection(patchset);
    inspection.head(&parts("/", &[("x-jwt", value.as_bytes())]));
    shown(&inspection)
}

#[test]
fn an_elliptic_signature_with_its_other_half_changed() {
    let header = r#"{"alg":"ES256"}"#;
    let (r, s, other) = (noise(3, 32), noise(4, 32), noise(5, 32));
    let token = jwt(header, "{}", &[&r[..], &s].concat());
    let patchset = blocking(token.as_bytes());
    let flipped = jwt(header, "{}", &[&r[..], &other].concat());
    assert_eq!(in_value(&patchset, &token), ["header:x-jwt"]);
    assert_eq!(in_value(&patchset, &flipped), ["header:x-jwt base64"]);
    assert!(in_value(&patchset, &jwt(header, "{}", &[&other[..], &s].concat())).is_empty());
}

#[test]
fn a_jwt_without_a_signature_is_only_its_text() {
    for signature in [0, 8, 15] {
        let token = jwt(r#"{"alg":"none"}"#, r#"{"sub":"x"}"#, &noise(6, signature));
        let patchset = blocking(token.as_bytes());
        assert_eq!(patchset.shortest_signature(), None);
        assert_eq!(in_value(&patchset, &token), ["header:x-jwt"]);
    }
}

#[test]
fn base64_of_random_bytes_stays_inside_the_budget() {
    let jwt = jwt(r#"{"alg":"HS256"}"#, r#"{"sub":"someone"}"#, &noise(10, 32));
    let patchsets = [
        blocking(TOKEN.as_bytes()),
        blocking(jwt.as_bytes()),
        blocking_digest(TOKEN.as_bytes()),
        blocking(&TOKEN.as_bytes()[..12]),
    ];
    for text in [
        STANDARD.encode(noise(7, 200_000)),
        STANDARD.encode(STANDARD.encode(STANDARD.encode(noise(8, 60_000)))),
        "VVVV".repeat(60_000),
        hex(hex(&noise(9, 40_000)).as_bytes()),
    ] {
        for (kind, patchset) in patchsets.iter().enumerate() {
            for size in [text.len(), 16_384] {
                let mut inspection = inspection(patchset);
                for chunk in text.as_bytes().chunks(size) {
                    inspection.body(chunk);
                    inspection.settle();
                }
                let times = inspection.inspected_bytes() / text.len() as u64;
                let passes = inspection.finish().passes();
                assert!(passes, "{kind} {size} {times} {}", &text[..8]);
                // Every phase of the one that no encoder makes is base64 again.
                let most = if text.starts_with("VVVV") { 14 } else { 9 };
                assert!(times < most, "{kind} {size} {times} {}", &text[..8]);
            }
        }
    }
}

/// One encoding of a whole text.
#[derive(Clone, Debug)]
enum Code {
    Base64(usize),
    Wrapped,
    Hex(bool),
    Escape(Encoder),
}

impl Code {
    fn encode(&mut self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Base64(engine) => {
                [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD][*engine].encode(text)
            }
            Self::Wrapped => wrapped(&STANDARD.encode(text), 76, "\r\n"),
            Self::Hex(true) => hex(text).to_uppercase(),
            Self::Hex(false) => hex(text),
            Self::Escape(encoder) => return encoder.encode(text),
        }
        .into_bytes()
    }
}

fn code() -> impl Strategy<Value = Code> {
    prop_oneof![
        (0_usize..4).prop_map(Code::Base64),
        Just(Code::Wrapped),
        any::<bool>().prop_map(Code::Hex),
        encoder().prop_map(Code::Escape),
    ]
}

proptest! {
    /// A token under any chain of layers and runs is found, however the text is cut, and another
    /// one is not.
    #[test]
    fn a_token_under_runs_is_found(
        token in "[A-Za-z0-9_]{16,40}",
        twin in "[A-Za-z0-9_]{16,40}",
        before in "[ -~]{0,80}",
        after in "[ -~]{0,80}",
        around in ("[a-z /.-]{0,40}[ \"]", "[ \"][a-z /.-]{0,40}"),
        chain in prop::collection::vec(code(), 1..4),
        cuts in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let mut text = [before.as_bytes(), b" ", token.as_bytes(), b" ", after.as_bytes()].concat();
        for mut code in chain {
            text = code.encode(&text);
        }
        let text = [around.0.as_bytes(), &text, around.1.as_bytes()].concat();
        let pieces = chunks(&text, &cuts);
        for (sought, expected) in [(token, true), (twin, false)] {
            let patchset = blocking(sought.as_bytes());
            prop_assert_ne!(body_found(&patchset, &pieces), Some(!expected));
            let mut budget = search::budget();
            let relevant = search::relevant(&patchset);
            let held = search::held(&patchset, &relevant, &mut budget, &text);
            prop_assert!(budget.is_spent() || held.is_empty() != expected);
        }
    }
}
