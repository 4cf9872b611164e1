//! What inspection costs: whole inspections against a bare scan of the same bytes.
//!
//! `cargo bench --bench inspect`; 100,000 tokens are loaded, none of them is in the requests.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench may fail loudly")]

use std::sync::{Arc, LazyLock};

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use http::Request;
use http::request::Parts;
use leakgate::inspect::{Context, Inspection};
use leakgate::matcher::{Patchset, PatchsetWriter, Rule, StreamScanner};
use leakgate::model::clock;
use leakgate::model::fingerprint::FingerprintKey;
use leakgate::model::ids::{LeakId, PatchId, TokenId};
use leakgate::model::rule::{Action, FiltrationMode, Scope};
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;

fn main() {
    divan::main();
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

static PATCHSET: LazyLock<Arc<Patchset>> = LazyLock::new(|| {
    let mut random = Random(7);
    let mut writer = PatchsetWriter::new();
    let key = FingerprintKey::new(&[7; 32]);
    for _ in 0..1_000 {
        let leak = LeakId::new();
        writer.set_rule(Rule {
            leak,
            patch: Some(PatchId::new()),
            action: Action::Block,
            scope: Scope::default(),
            expires_at: None,
            watch_until: None,
        });
        for _ in 0..100 {
            let length = 24 + random.next() as usize % 41;
            let text = ["tok", "_", &random.text(ALPHANUMERIC, length)].concat();
            let secret = Secret::from(text);
            let fingerprint = key.fingerprint(&secret.digest());
            writer.add_token(leak, TokenId::new(), fingerprint, &TokenMaterial::Text(secret));
        }
    }
    writer.build()
});

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

/// A JSON text of about this many bytes, as an API has it: some line breaks, quotes and accents.
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

/// The same with slashes escaped, as PHP writes it.
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

/// The worst that can be asked for inside the budget: everything nests in everything.
#[divan::bench]
fn hostile_64_kib(bencher: Bencher) {
    let body = r"%255Cu0025%2525%5C%5C\\u005Cu0025\u0074%2b+".repeat(1_500);
    inspected(bencher, body.as_bytes(), usize::MAX);
}
