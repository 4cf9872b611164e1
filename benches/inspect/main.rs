//! What inspection costs: whole inspections against a bare scan of the same bytes.
//!
//! `cargo bench --bench inspect`; 100,000 tokens are loaded, none of them is in the requests. At
//! the end a table of ordinary requests is printed, with decoding and without, at 1,000 tokens and
//! at 100,000. `LEAKGATE_BENCH=table` prints that alone, `LEAKGATE_BENCH=worst` tables of hostile inputs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench may fail loudly")]

mod hostile;
mod worst;

use std::io::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use http::Request;
use http::request::Parts;
use leakgate::inspect::{Context, Inspection};
use leakgate::matcher::{Patchset, PatchsetWriter, Rule, StreamScanner};
use leakgate::model::clock;
use leakgate::model::fingerprint::FingerprintKey;
use leakgate::model::ids::{LeakId, PatchId, TokenId};
use leakgate::model::rule::{Action, FiltrationMode};
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;

fn main() {
    match std::env::var("LEAKGATE_BENCH").as_deref() {
        Ok("worst") => return worst::tables(&PATCHSET),
        Ok("table") => return ratios(),
        _ => {}
    }
    divan::main();
    let listing = ["--list", "--test"].iter().any(|flag| std::env::args().any(|arg| arg == *flag));
    if !listing {
        ratios();
    }
}

/// A small generator, so that every run sees the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[self.next() as usize % alphabet.len()])).collect()
    }
}

const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// How many tokens are loaded.
const LOADED: [usize; 2] = [1_000, 100_000];

static PATCHSET: LazyLock<Arc<Patchset>> = LazyLock::new(|| patchset(100_000));
static SMALL: LazyLock<Arc<Patchset>> = LazyLock::new(|| patchset(1_000));

/// The patchset of so many tokens.
fn loaded(tokens: usize) -> &'static Arc<Patchset> {
    if tokens == LOADED[0] { &SMALL } else { &PATCHSET }
}

fn patchset(tokens: usize) -> Arc<Patchset> {
    let mut random = Random(7);
    let mut writer = PatchsetWriter::new();
    let key = FingerprintKey::new(&[7; 32]);
    let mut put = |leak, text: String| {
        let secret = Secret::from(text);
        let fingerprint = key.fingerprint(&secret.digest());
        writer.add_token(leak, TokenId::new(), fingerprint, &TokenMaterial::Text(secret));
    };
    let leaks: Vec<LeakId> = (0..tokens / 100).map(|_| LeakId::new()).collect();
    for &leak in &leaks {
        for _ in 0..100 {
            let length = 24 + random.next() as usize % 41;
            put(leak, ["tok", "_", &random.text(ALPHANUMERIC, length)].concat());
        }
    }
    put(leaks[0], hostile::LEAKED.to_owned());
    for leak in leaks {
        writer.set_rule(Rule { patch: Some(PatchId::new()), ..Rule::new(leak, Action::Block) });
    }
    writer.build()
}

fn context() -> Context {
    let client = std::net::IpAddr::from([203, 0, 113, 7]);
    Context::new(client, "api.example.com", FiltrationMode::Block, clock::now())
}

/// A GET as a browser's script sends it, with 12 header fields.
fn get(query: &str) -> Parts {
    let mut random = Random(11);
    Request::get(format!("/api/v1/projects/4711/items?page=2&{query}"))
        .header("host", "api.example.com")
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
        )
        .header("accept", "application/json, text/plain, */*")
        .header("accept-language", "en-GB,en;q=0.8,de;q=0.5")
        .header("accept-encoding", "gzip, deflate, br, zstd")
        .header("authorization", format!("Bearer {}", random.text(ALPHANUMERIC, 180)))
        .header("cookie", format!("sid={}; theme=dark; lang=en", random.text(ALPHANUMERIC, 32)))
        .header("referer", "https://www.example.com/projects/4711?tab=items&sort=asc")
        .header("origin", "https://www.example.com")
        .header("sec-fetch-mode", "cors")
        .header("x-request-id", "018f6d5e-6c1a-7bd2-9c2b-2f0c5d1f9a11")
        .header("cache-control", "no-cache")
        .body(())
        .unwrap()
        .into_parts()
        .0
}

/// A JSON text of about this many bytes, of what costs more than ordinary ones: long random words,
/// and in every other line an escape.
fn json(bytes: usize) -> Vec<u8> {
    let mut random = Random(13);
    let mut text = String::from("{\"items\":[");
    while text.len() < bytes {
        let id = random.text(ALPHANUMERIC, 22);
        let name = random.text(b"abcdefghij klmnopqrst uvwxyz", 40);
        text.push_str(&format!(
            "{{\"id\":\"{id}\",\"price\":{},\"name\":\"{name}\",\"note\":\"first line\\nsaid \\\"{}\\\" \
             caf\\u00e9\",\"tags\":[\"a\",\"b\"],\"ok\":true}},",
            random.next() % 10_000,
            random.text(b"abcdefghijklmnopqrstuvwxyz ", 30),
        ));
    }
    text.push_str("{}]}");
    text.into_bytes()
}

/// Words of ordinary texts.
const WORDS: &[&str] = &[
    "the",
    "of",
    "and",
    "order",
    "was",
    "shipped",
    "to",
    "your",
    "address",
    "please",
    "contact",
    "support",
    "if",
    "you",
    "have",
    "any",
    "questions",
    "about",
    "delivery",
    "customer",
    "returned",
    "item",
    "because",
    "it",
    "did",
    "not",
    "fit",
    "refund",
    "issued",
    "on",
    "account",
    "with",
    "reference",
    "number",
    "in",
    "stock",
    "again",
    "next",
    "week",
    "international",
    "warehouse",
];

/// A list of orders as an API answers with or takes it: ids, times, addresses, prices, prose.
fn orders(bytes: usize) -> Vec<u8> {
    let mut random = Random(29);
    let mut text = String::from("{\"orders\":[");
    while text.len() < bytes {
        let hex = |random: &mut Random, length| random.text(b"0123456789abcdef", length);
        let id = [8, 4, 4, 4, 12].map(|length| hex(&mut random, length)).join("-");
        let words = |random: &mut Random, count: usize| {
            let words = (0..count).map(|_| WORDS[random.next() as usize % WORDS.len()]);
            words.collect::<Vec<_>>().join(" ")
        };
        let (name, note) = (words(&mut random, 2), words(&mut random, 14));
        let note = if random.next().is_multiple_of(4) {
            format!("{note}.\\n\\n\\\"{}\\\"", words(&mut random, 6))
        } else {
            note
        };
        let (day, minute) = (random.next() % 28 + 1, random.next() % 60);
        let (street, zip) = (random.next() % 200, random.next() % 90_000 + 10_000);
        let (price, count) = (random.next() % 100_000, random.next() % 9 + 1);
        text.push_str(&format!(
            "{{\"id\":\"{id}\",\"created_at\":\"2026-03-{day:02}T09:{minute:02}:11Z\",\
             \"status\":\"shipped\",\"customer\":{{\"name\":\"{name}\",\"email\":\
             \"someone.{zip}@mail.example.com\",\"vip\":false,\"phone\":null}},\"address\":\
             {{\"street\":\"{street} Long Street\",\"city\":\"Springfield\",\"zip\":\"{zip}\",\
             \"country\":\"US\"}},\"lines\":[{{\"sku\":\"AB-{street}-{zip}\",\"quantity\":{count},\
             \"price\":{price},\"currency\":\"EUR\"}}],\"note\":\"{note}\",\"links\":{{\"self\":\
             \"https://api.example.com/v2/orders/{zip}?expand=lines\"}}}},",
        ));
    }
    text.push_str("{}]}");
    text.into_bytes()
}

/// The text of [`json`] with slashes escaped, as PHP writes it.
fn json_with_escapes(bytes: usize) -> Vec<u8> {
    let text = String::from_utf8(json(bytes)).unwrap();
    text.replace(
        "\"tags\":[\"a\"",
        "\"url\":\"https:\\/\\/example.com\\/a\\u002fb\",\"tags\":[\"a\"",
    )
    .into_bytes()
}

#[divan::bench(args = ["q=rust", "q=a%20b%2Fc%26d%3De"])]
fn head_inspected(bencher: Bencher, query: &str) {
    let parts = get(query);
    bencher.bench(|| {
        let mut inspection = Inspection::new(Arc::clone(&PATCHSET), context());
        black_box(inspection.head(black_box(&parts)));
        black_box(inspection.finish())
    });
}

#[divan::bench]
fn head_scanned(bencher: Bencher) {
    let parts = get("q=rust");
    bencher.bench(|| {
        let mut any = false;
        let mut scan = |text: &[u8]| PATCHSET.scan(black_box(text), &mut |_| any = true);
        scan(parts.uri.path().as_bytes());
        scan(parts.uri.query().unwrap_or_default().as_bytes());
        for (name, value) in &parts.headers {
            scan(name.as_str().as_bytes());
            scan(value.as_bytes());
        }
        any
    });
}

fn inspected(bencher: Bencher, body: &[u8], chunk: usize) {
    bencher.counter(BytesCount::of_slice(body)).bench(|| {
        let mut inspection = Inspection::new(Arc::clone(&PATCHSET), context());
        for chunk in black_box(body).chunks(chunk) {
            black_box(inspection.body(chunk));
        }
        black_box(inspection.finish())
    });
}

const SIZES: [usize; 2] = [2 * 1024, 64 * 1024];

#[divan::bench(args = SIZES)]
fn json_inspected(bencher: Bencher, bytes: usize) {
    inspected(bencher, &json(bytes), usize::MAX);
}

#[divan::bench(args = SIZES)]
fn json_inspected_in_chunks_of_1460(bencher: Bencher, bytes: usize) {
    inspected(bencher, &json(bytes), 1460);
}

#[divan::bench(args = SIZES)]
fn json_with_escapes_inspected(bencher: Bencher, bytes: usize) {
    inspected(bencher, &json_with_escapes(bytes), usize::MAX);
}

#[divan::bench(args = SIZES)]
fn json_scanned(bencher: Bencher, bytes: usize) {
    let body = json(bytes);
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        let mut any = false;
        let mut scanner = StreamScanner::new(Arc::clone(&PATCHSET));
        scanner.feed(black_box(&body), &mut |_| any = true);
        scanner.settle(&mut |_| any = true);
        any
    });
}

/// What a request is: its name, its header fields and its body.
struct Traffic {
    name: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

/// Bodies as APIs have them, for decoding on against off.
fn traffic() -> Vec<Traffic> {
    let mut random = Random(17);
    let mut bytes = |length: usize| (0..length).map(|_| random.next() as u8).collect::<Vec<u8>>();
    let images: Vec<String> = (0..16)
        .map(|_| format!("{{\"name\":\"a\",\"data\":\"{}\"}}", STANDARD.encode(bytes(3_000))))
        .collect();
    let upload = [
        &b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\nContent-Type: \
          image/png\r\n\r\n"[..],
        &bytes(1 << 20),
        b"\r\n--b--\r\n",
    ]
    .concat();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&json(256 * 1024)).unwrap();
    let json_type = ("content-type", "application/json");
    vec![
        Traffic { name: "JSON API, 2 KiB", fields: vec![json_type], body: orders(2 * 1024) },
        Traffic { name: "JSON API, 64 KiB", fields: vec![json_type], body: orders(64 * 1024) },
        Traffic { name: "random words, 64 KiB", fields: vec![json_type], body: json(64 * 1024) },
        Traffic {
            name: "JSON with base64, 64 KiB",
            fields: vec![json_type],
            body: format!("[{}]", images.join(",")).into_bytes(),
        },
        Traffic {
            name: "file upload, 1 MiB",
            fields: vec![("content-type", "multipart/form-data; boundary=b")],
            body: upload,
        },
        Traffic {
            name: "JSON in gzip, 256 KiB of it",
            fields: vec![json_type, ("content-encoding", "gzip")],
            body: encoder.finish().unwrap(),
        },
    ]
}

fn inspect(patchset: &Arc<Patchset>, parts: &Parts, body: &[u8]) -> bool {
    let mut inspection = Inspection::new(Arc::clone(patchset), context());
    black_box(inspection.head(parts));
    for chunk in body.chunks(16 * 1024) {
        black_box(inspection.body(chunk));
    }
    inspection.finish().passes()
}

/// The same bytes without decoding.
fn scan(patchset: &Patchset, parts: &Parts, body: &[u8]) -> bool {
    let mut any = false;
    let mut scan = |text: &[u8]| patchset.scan(black_box(text), &mut |_| any = true);
    scan(parts.uri.path().as_bytes());
    for (name, value) in &parts.headers {
        scan(name.as_str().as_bytes());
        scan(value.as_bytes());
    }
    scan(body);
    any
}

/// The same inspection where nothing is undone: what is common to every request, each text of the head
/// looked through, and the body as it streams.
fn undecoded(patchset: &Arc<Patchset>, bare: &Parts, parts: &Parts, body: &[u8]) -> bool {
    let mut inspection = Inspection::new(Arc::clone(patchset), context());
    black_box(inspection.head(bare));
    let mut any = false;
    let mut scan = |text: &[u8]| patchset.scan(black_box(text), &mut |_| any = true);
    scan(parts.uri.path().as_bytes());
    for (name, value) in &parts.headers {
        scan(name.as_str().as_bytes());
        scan(value.as_bytes());
    }
    let mut scanner = StreamScanner::new(Arc::clone(patchset));
    for chunk in body.chunks(16 * 1024) {
        scanner.feed(black_box(chunk), &mut |_| any = true);
    }
    scanner.settle(&mut |_| any = true);
    inspection.finish().passes() && !any
}

/// The shortest of several goes, each of a few milliseconds.
fn shortest(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    run();
    let times = (0.003 / start.elapsed().as_secs_f64().max(1e-9)).clamp(1.0, 10_000.0) as u32;
    let goes = (0..20).map(|_| {
        let start = Instant::now();
        (0..times).for_each(|_| run());
        start.elapsed().as_secs_f64() / f64::from(times)
    });
    goes.fold(f64::INFINITY, f64::min)
}

/// Prints what inspecting ordinary requests costs with decoding and without, and the ratio.
#[allow(clippy::print_stdout, reason = "it is what a bench is for")]
fn ratios() {
    println!("\n| request | tokens | decoding on | off | ratio | a bare scan | ratio |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let bare = Request::post("/").body(()).unwrap().into_parts().0;
    for Traffic { name, fields, body } in traffic() {
        let mut request = Request::post("/api/v1/items").header("host", "api.example.com");
        for (field, value) in fields {
            request = request.header(field, value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        for tokens in LOADED {
            let patchset = loaded(tokens);
            let on = shortest(|| {
                black_box(inspect(patchset, &parts, black_box(&body)));
            });
            let off = shortest(|| {
                black_box(undecoded(patchset, &bare, &parts, black_box(&body)));
            });
            let scan = shortest(|| {
                black_box(scan(patchset, &parts, black_box(&body)));
            });
            println!(
                "| {name} | {tokens} | {:.1} µs | {:.1} µs | {:.2} | {:.1} µs | {:.2} |",
                on * 1e6,
                off * 1e6,
                on / off,
                scan * 1e6,
                on / scan
            );
        }
    }
}
