//! Ordinary API traffic, made from seeds: nothing of it is found, refused or left uninspected, and
//! all of it arrives as it was sent.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use http::Request;
use leakgate::inspect::{Context, Inspection};
use leakgate::matcher::Patchset;
use leakgate::model::clock;
use leakgate::model::rule::{Action, FiltrationMode};
use serde_json::{Value, json};

use super::codings::CODINGS;
use super::drive::{self, Case};
use super::encodings::{gzip, hex};
use super::request::Sent;
use super::tokens::{ALPHANUMERIC, LETTERS, Random, Shape};
use super::upstream::Recording;
use crate::support::gateway::{patchset, start};

/// Tokens that leaked, none of which is in the traffic.
const TOKENS: u64 = 4_000;

type Make = fn(&mut Random) -> Sent;

const KINDS: &[(&str, Make)] = &[
    ("browsing", browsing),
    ("json", json_call),
    ("nested json", |r| {
        let inner = document(r, 3).to_string();
        Sent::post("application/json", json!({ "event": "x", "payload": inner }).to_string())
    }),
    ("escaped json", |r| {
        let text = document(r, 4).to_string().replace('/', "\\/").replace('<', "\\u003c");
        Sent::post("application/json", text)
    }),
    ("json that a program printed", |r| {
        let text = serde_json::to_string_pretty(&document(r, 4)).unwrap().replace('\n', "\r\n");
        Sent::post("application/json; charset=utf-8", text)
    }),
    ("ndjson", |r| {
        let lines: Vec<String> = (0..20).map(|_| document(r, 1).to_string()).collect();
        Sent::post("application/x-ndjson", lines.join("\n") + "\n")
    }),
    ("base64 in json", |r| {
        let length = 200 + r.below(6_000);
        let image = STANDARD.encode(r.bytes(length));
        let text = json!({ "name": "a.png", "data": format!("data:image/png;base64,{image}") });
        Sent::post("application/json", text.to_string())
    }),
    ("base64 of json in json", |r| {
        let inner = URL_SAFE.encode(document(r, 3).to_string());
        Sent::post("application/json", json!({ "message": { "data": inner } }).to_string())
    }),
    ("hashes", |r| {
        let hashes: Vec<String> =
            (0..30).map(|_| String::from_utf8(hex(&r.bytes(32))).unwrap()).collect();
        Sent::post("application/json", json!({ "objects": hashes }).to_string())
    }),
    ("graphql", graphql),
    ("persisted graphql", |r| {
        let sum = String::from_utf8(hex(&r.bytes(32))).unwrap();
        let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": sum } });
        Sent::get(format!("/graphql?operationName=Q&extensions={}", query(&extensions.to_string())))
    }),
    ("form", |r| {
        let pairs: Vec<String> =
            (0..8).map(|_| format!("{}={}", r.text(LETTERS, 6), form(&sentence(r)))).collect();
        Sent::post("application/x-www-form-urlencoded", pairs.join("&"))
    }),
    ("oauth code", |r| {
        Sent::get(format!(
            "/callback?code={}&state={}&scope=openid%20email&session_state={}",
            r.text(ALPHANUMERIC, 43),
            URL_SAFE_NO_PAD.encode(r.bytes(24)),
            uuid(r)
        ))
    }),
    ("oauth token", |r| {
        let client = STANDARD.encode(format!("{}:{}", uuid(r), r.text(ALPHANUMERIC, 40)));
        let body = format!(
            "grant_type=authorization_code&code={}&code_verifier={}&redirect_uri={}",
            r.text(ALPHANUMERIC, 43),
            URL_SAFE_NO_PAD.encode(r.bytes(32)),
            query("https://app.example/callback?next=/a b")
        );
        Sent::post("application/x-www-form-urlencoded", body)
            .field("Authorization", format!("Basic {client}"))
    }),
    ("jwt", |r| {
        let token = jwt(r);
        Sent::get(format!("/me?id_token_hint={token}"))
            .field("Authorization", format!("Bearer {}", jwt(r)))
    }),
    ("saml", |r| {
        let assertion = format!(
            "<samlp:Response ID=\"_{}\"><ds:X509Certificate>{}</ds:X509Certificate></samlp:Response>",
            uuid(r),
            STANDARD.encode(r.bytes(900))
        );
        let body =
            format!("SAMLResponse={}&RelayState={}", query(&STANDARD.encode(assertion)), uuid(r));
        Sent::post("application/x-www-form-urlencoded", body)
    }),
    ("signed url", |r| {
        Sent::get(format!(
            "/bucket/{}/a%20file.pdf?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}%2F20260101\
             %2Fregion%2Fs3%2Faws4_request&X-Amz-Security-Token={}&X-Amz-Signature={}",
            uuid(r),
            r.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 20),
            query(&STANDARD.encode(r.bytes(300))),
            String::from_utf8(hex(&r.bytes(32))).unwrap()
        ))
    }),
    ("webhook", |r| {
        let body = document(r, 4).to_string();
        Sent::post("application/json", body)
            .field("X-Hub-Signature-256", [b"sha256=", &hex(&r.bytes(32))[..]].concat())
            .field("X-Delivery", uuid(r))
            .field("Webhook-Signature", format!("v1,{}", STANDARD.encode(r.bytes(32))))
    }),
    ("upload", |r| {
        let length = 1_000 + r.below(40_000);
        let file = r.bytes(length);
        multipart(r, "image/png", &file)
    }),
    ("text upload", |r| {
        let text: Vec<String> = (0..200).map(|_| sentence(r)).collect();
        let text = text.join("\r\n").into_bytes();
        multipart(r, "text/plain; charset=utf-8", &text)
    }),
    ("upload with encoded words for a name", |r| {
        let boundary = r.text(ALPHANUMERIC, 20);
        let words = format!(
            "=?utf-8?Q?R=C3=A9sum=C3=A9_{}?=\r\n =?UTF-8?B?{}?=",
            r.below(99),
            STANDARD.encode(format!("caf\u{e9} {}.pdf", r.text(LETTERS, 5)))
        );
        let length = 500 + r.below(5_000);
        let file = r.bytes(length);
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{words}\"\r\n\r\n"
        );
        let body = [head.as_bytes(), &file, format!("\r\n--{boundary}--").as_bytes()].concat();
        Sent::post(&format!("multipart/form-data; boundary={boundary}"), body)
    }),
    ("compressed upload", |r| {
        let text: Vec<String> = (0..300).map(|_| sentence(r)).collect();
        let file = gzip(text.join("\n").as_bytes());
        multipart(r, "application/gzip", &file)
    }),
    ("random bytes", |r| {
        let length = 500 + r.below(50_000);
        Sent::post("application/octet-stream", r.bytes(length))
    }),
    ("random bytes in chunks", |r| {
        let length = 70_000 + r.below(60_000);
        Sent::post("application/octet-stream", r.bytes(length)).chunks(8_192)
    }),
    ("compressed json", |r| {
        let coding = CODINGS.iter().find(|coding| coding.name == "gzip").unwrap();
        (coding.apply)(Sent::post("application/json", document(r, 5).to_string()))
    }),
    ("brotli json", |r| {
        let coding = CODINGS.iter().find(|coding| coding.name == "br").unwrap();
        (coding.apply)(Sent::post("application/json", document(r, 5).to_string()))
    }),
    ("zstd telemetry", |r| {
        let coding = CODINGS.iter().find(|coding| coding.name == "zstd").unwrap();
        let spans: Vec<Value> = (0..50).map(|_| document(r, 1)).collect();
        (coding.apply)(Sent::post("application/json", Value::from(spans).to_string()))
    }),
    ("repetitive metrics in gzip", |r| {
        let start = r.below(1_000_000);
        let rows: Vec<String> = (0..12_000)
            .map(|row| {
                let (at, pod, value) = (start + row, row % 7, if row % 9 == 0 { r.below(99) } else { 0 });
                format!(
                    r#"{{"ts":{at},"name":"http_requests_total","labels":{{"pod":"api-{pod}","zone":"a"}},"value":{value}}}"#
                )
            })
            .collect();
        let coding = CODINGS.iter().find(|coding| coding.name == "gzip").unwrap();
        (coding.apply)(Sent::post("application/json", format!("[{}]", rows.join(","))))
    }),
    ("utf-16 xml", |r| {
        let coding = CODINGS.iter().find(|coding| coding.name == "utf-16:le-marked").unwrap();
        let text = format!("<?xml version=\"1.0\"?><a><b>{}</b></a>", xml(&sentence(r)));
        (coding.apply)(Sent::post("application/xml", text))
    }),
    ("soap", |r| {
        let items: Vec<String> = (0..30)
            .map(|_| {
                format!(
                    "<i id=\"{}\">{}</i><t><![CDATA[a < b & c]]></t>",
                    uuid(r),
                    xml(&sentence(r))
                )
            })
            .collect();
        let text =
            format!("<s:Envelope><!-- made --><s:Body>{}</s:Body></s:Envelope>", items.concat());
        Sent::post("text/xml; charset=utf-8", text)
    }),
    ("xml that declares entities", |r| {
        let (name, words) = (r.text(LETTERS, 6), sentence(r).replace(['"', '%'], ""));
        let rows: Vec<String> = (0..40)
            .map(|_| {
                format!(
                    "<p xml:id=\"_{}\">&{name}; {} &amp; &made;</p>",
                    uuid(r),
                    xml(&sentence(r))
                )
            })
            .collect();
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!DOCTYPE book PUBLIC \"-//OASIS//DTD DocBook XML V4.5//EN\" \
             \"http://www.oasis-open.org/docbook/xml/4.5/docbookx.dtd\" [\n<!ENTITY % local SYSTEM \"local.ent\">\n\
             %local;\n<!-- names -->\n<!ENTITY {name} \"{}\">\n<!ENTITY made '&{name};, &#169; <i>us</i>'>\n]>\n\
             <book>{}</book>",
            xml(&words),
            rows.concat()
        );
        Sent::post("application/xml", text)
    }),
    ("json with documents", |r| {
        let pages: Vec<String> = (0..6)
            .map(|_| format!("<!DOCTYPE html><html><p>{}&nbsp;</p></html>", xml(&sentence(r))))
            .collect();
        let help = "In a DTD, write <!ENTITY name \"value\"> and use &name; where you want it.";
        Sent::post("application/json", json!({ "pages": pages, "help": help }).to_string())
    }),
    ("ebcdic form", |r| {
        let coding = CODINGS.iter().find(|coding| coding.name == "ebcdic:ibm1140").unwrap();
        let text = format!("name={}&amount={}", r.text(LETTERS, 12), r.below(99_999));
        (coding.apply)(Sent::post("application/x-www-form-urlencoded", text))
    }),
    ("grpc", |r| {
        let mut body = Vec::new();
        for _ in 0..3 {
            let length = 20 + r.below(900);
            let message = r.bytes(length);
            body.push(0);
            body.extend((message.len() as u32).to_be_bytes());
            body.extend(message);
        }
        let mut sent = Sent::post("application/grpc", body)
            .over_h2()
            .field("te", "trailers")
            .field("grpc-timeout", "5S")
            .field("trace-bin", STANDARD.encode(r.bytes(26)));
        sent.target = b"/shop.v1.Orders/Create".to_vec();
        sent
    }),
    ("compressed grpc", |r| {
        let message = gzip(document(r, 3).to_string().as_bytes());
        let body = [&[1][..], &(message.len() as u32).to_be_bytes(), &message].concat();
        Sent::post("application/grpc", body)
            .over_h2()
            .field("te", "trailers")
            .field("grpc-encoding", "gzip")
    }),
    ("log lines", |r| {
        let lines: Vec<String> = (0..60)
            .map(|_| {
                format!(
                    "2026-01-01T00:00:00Z WARN C:\\users\\x\\{} 100% \"{}\" \\d+\\.\\w* %s &amp; &#39;",
                    r.text(LETTERS, 8),
                    sentence(r)
                )
            })
            .collect();
        Sent::post("text/plain", lines.join("\n"))
    }),
    ("source code", |r| {
        let text = format!(
            "printf(\"%d%%\\n\", {}); let re = /\\\\u[0-9a-f]{{4}}/; s = '\\x00\\'' + \"{}\";",
            r.below(1_000),
            sentence(r)
        );
        Sent::post("application/json", json!({ "content": text, "encoding": "utf-8" }).to_string())
    }),
    ("mail", |r| {
        let text = format!(
            "From: a@example\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe, {}=\r\n{}",
            sentence(r),
            sentence(r)
        );
        Sent::post("message/rfc822", text)
    }),
    ("search", |r| {
        Sent::get(format!("/search?q={}&filter=a:5%2Bb&page=2", form(&sentence(r)))).field(
            "Cookie",
            format!("sid=s%3A{}.{}; theme=dark", uuid(r), query(&STANDARD.encode(r.bytes(32)))),
        )
    }),
];

const WORDS: [&str; 24] = [
    "order",
    "caf\u{e9}",
    "100%",
    "a+b",
    "\u{4f60}\u{597d}",
    "price",
    "<b>",
    "\"quoted\"",
    "back\\slash",
    "it's",
    "of",
    "the",
    "Stra\u{df}e",
    "x=1&y=2",
    "https://a.example/b?c=d",
    "\u{1f600}",
    "user@example.org",
    "2026-01-01",
    "3.14",
    "null",
    "{}",
    "[0]",
    "new\nline",
    "tab\there",
];

fn sentence(r: &mut Random) -> String {
    let words: Vec<&str> = (0..4 + r.below(12)).map(|_| *r.pick(&WORDS)).collect();
    words.join(" ")
}

fn uuid(r: &mut Random) -> String {
    let text = String::from_utf8(hex(&r.bytes(16))).unwrap();
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

fn document(r: &mut Random, depth: usize) -> Value {
    let mut members = serde_json::Map::new();
    for _ in 0..3 + r.below(4) {
        let name = r.text(b"abcdefghijklmnopqrstuvwxyz_", 7);
        let value = match r.below(if depth > 0 { 8 } else { 6 }) {
            0 => json!(r.next() % 1_000_000),
            1 => json!(uuid(r)),
            2 => json!(URL_SAFE_NO_PAD.encode(r.bytes(33))),
            3 => json!(r.text(ALPHANUMERIC, 22)),
            4 => json!(format!("https://cdn.example/{}/{}.jpg?w=100", r.text(LETTERS, 9), uuid(r))),
            5 => json!(sentence(r)),
            6 => document(r, depth - 1),
            _ => Value::from((0..3).map(|_| document(r, depth - 1)).collect::<Vec<_>>()),
        };
        members.insert(name, value);
    }
    Value::Object(members)
}

fn percent_encoded(text: &str, space: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b' ' => space.to_owned(),
            b'-' | b'_' | b'.' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn query(text: &str) -> String {
    percent_encoded(text, "%20")
}

fn form(text: &str) -> String {
    percent_encoded(text, "+")
}

fn xml(text: &str) -> String {
    String::from_utf8(super::encodings::xml_natural(text.as_bytes())).unwrap()
}

fn jwt(r: &mut Random) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT","kid":"main"}"#);
    let payload =
        json!({ "sub": uuid(r), "iat": 1_700_000_000, "scope": "read write", "name": sentence(r) });
    format!(
        "{header}.{}.{}",
        URL_SAFE_NO_PAD.encode(payload.to_string()),
        URL_SAFE_NO_PAD.encode(r.bytes(256))
    )
}

fn browsing(r: &mut Random) -> Sent {
    Sent::get(format!(
        "/projects/{}/items/{}?page={}&sort=-created_at",
        r.below(9_999),
        uuid(r),
        r.below(99)
    ))
    .field("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0")
    .field("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
    .field("Accept-Language", "en-GB,en;q=0.8,de;q=0.5")
    .field("If-None-Match", format!("W/\"{}\"", r.text(ALPHANUMERIC, 27)))
    .field(
        "Cookie",
        format!(
            "sid={}; _ga=GA1.2.{}; prefs=%7B%22a%22%3A1%7D",
            r.text(ALPHANUMERIC, 32),
            r.below(1 << 30)
        ),
    )
    .field("Referer", format!("https://www.example.org/a/b?q={}", query(&sentence(r))))
    .field(
        "traceparent",
        format!("00-{}-{}-01", uuid(r).replace('-', ""), r.text(b"0123456789abcdef", 16)),
    )
}

fn json_call(r: &mut Random) -> Sent {
    Sent::post("application/json", document(r, 4).to_string())
        .field("Authorization", format!("Bearer {}", r.text(ALPHANUMERIC, 64)))
        .field("Idempotency-Key", uuid(r))
        .field("X-Api-Key", r.text(ALPHANUMERIC, 40))
}

fn graphql(r: &mut Random) -> Sent {
    let text = format!(
        "query Q($id: ID!) {{\n  user(id: $id, note: \"say \\\"{}\\\"\") {{ id name posts(first: 10) {{ edges }} }}\n}}",
        r.text(LETTERS, 8)
    );
    Sent::post(
        "application/json",
        json!({ "query": text, "variables": document(r, 1) }).to_string(),
    )
}

fn multipart(r: &mut Random, content_type: &str, file: &[u8]) -> Sent {
    let boundary = format!("----WebKitFormBoundary{}", r.text(ALPHANUMERIC, 16));
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n{}\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"caf\u{e9} {}.bin\"\r\n\
         Content-Type: {content_type}\r\n\r\n",
        sentence(r),
        r.below(99)
    );
    let body = [head.as_bytes(), file, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
    Sent::post(&format!("multipart/form-data; boundary={boundary}"), body)
}

/// Requests of every kind, so many of each, by name.
fn traffic(each: u64) -> Vec<(String, Sent)> {
    let kinds = KINDS.iter().enumerate();
    kinds
        .flat_map(|(kind, (name, make))| {
            (0..each).map(move |number| {
                let mut random = Random(number * 1_000_003 + kind as u64);
                (format!("{name} {number}"), make(&mut random))
            })
        })
        .collect()
}

/// A patchset of many tokens, none of which is in the traffic.
fn many_tokens() -> Arc<Patchset> {
    let shapes = [Shape::Long, Shape::Short, Shape::Padded, Shape::Phrase, Shape::Jwt];
    let tokens: Vec<String> =
        (0..TOKENS).map(|seed| shapes[seed as usize % shapes.len()].token(100 + seed)).collect();
    let tokens: Vec<(&str, Action)> =
        tokens.iter().map(|token| (token.as_str(), Action::Block)).collect();
    patchset(&tokens)
}

#[test]
fn nothing_is_found_in_ordinary_traffic() {
    let patchset = many_tokens();
    let mut said = Vec::new();
    for (name, sent) in traffic(30) {
        let mut request = Request::builder()
            .method(sent.method.as_str())
            .uri(String::from_utf8(sent.target.clone()).unwrap());
        for (field, value) in &sent.fields {
            request = request.header(field.as_str(), value.as_slice());
        }
        let client = IpAddr::from([203, 0, 113, 7]);
        let context = Context::new(client, "api.example", FiltrationMode::Block, clock::now());
        let mut inspection = Inspection::new(Arc::clone(&patchset), context);
        let mut passes = inspection.head(&request.body(()).unwrap().into_parts().0).passes();
        for chunk in sent.body.chunks(1_460) {
            passes &= inspection.body(chunk).passes();
        }
        passes &= inspection.finish().passes();
        let (hits, incomplete) = (inspection.hits(), inspection.incomplete());
        if !passes || !hits.is_empty() || !incomplete.is_empty() {
            said.push(format!("{name}: {} hits, incomplete for {incomplete:?}", hits.len()));
        }
    }
    assert!(said.is_empty(), "{}", said.join("\n"));
}

/// Causes of incomplete inspection of a body that comes in chunks of one size.
fn left_uninspected(patchset: &Arc<Patchset>, body: &[u8], size: usize) -> Vec<&'static str> {
    let client = IpAddr::from([203, 0, 113, 7]);
    let context = Context::new(client, "api.example", FiltrationMode::Block, clock::now());
    let mut inspection = Inspection::new(Arc::clone(patchset), context);
    let request = Request::post("/upload").header("content-type", "application/octet-stream");
    inspection.head(&request.body(()).unwrap().into_parts().0);
    for chunk in body.chunks(size) {
        inspection.body(chunk);
        inspection.settle();
    }
    inspection.finish();
    assert!(inspection.hits().is_empty());
    inspection.incomplete().to_vec()
}

/// What looks like the beginning of an encoding stands all over random bytes, and means nothing.
#[test]
fn random_bytes_are_inspected_whole() {
    let backslash = format!("{}\\{}", Shape::Long.token(5), Shape::Short.token(6));
    let patchsets = [
        ("one", patchset(&[(&Shape::Long.token(5), Action::Block)])),
        ("many", many_tokens()),
        ("backslash", patchset(&[(&backslash, Action::Block)])),
    ];
    let mut said = Vec::new();
    for seed in 0..16_u64 {
        let body = Random(seed).bytes((64 * 1024) << (seed % 5));
        for (name, patchset) in &patchsets {
            for size in [1024, 16 * 1024] {
                let causes = left_uninspected(patchset, &body, size);
                if !causes.is_empty() {
                    said.push(format!("{seed} of {} in {size}, {name}: {causes:?}", body.len()));
                }
            }
        }
    }
    assert!(said.is_empty(), "{}", said.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordinary_traffic_arrives_as_it_was_sent() {
    let upstream = Arc::new(Recording::start().await);
    let gateway = start(upstream.address);
    gateway.patchset.store(many_tokens());
    let cases = traffic(6).into_iter().map(|(name, sent)| Case {
        name,
        leaked: None,
        clean: Some(sent),
        refused: &[],
        both: false,
    });
    let failures = drive::run(cases.collect(), 0, gateway.address, &upstream).await;
    let said: Vec<String> =
        failures.iter().map(|failure| format!("{}: {}", failure.name, failure.why)).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
    let metrics = gateway.metrics.text().unwrap();
    let counted: Vec<&str> = metrics
        .lines()
        .filter(|line| line.contains("refuse") && !line.starts_with('#') && !line.ends_with(" 0"))
        .collect();
    assert!(counted.is_empty(), "{counted:?}");
    gateway.stop().await;
}
