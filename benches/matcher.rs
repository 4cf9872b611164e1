//! What the matcher costs, beside its peers: one table. All text and tokens are generated from
//! fixed seeds, so that runs compare.
//!
//! `cargo bench --bench matcher` takes sets of 1,000 and 100,000 tokens. `LEAKGATE_BENCH` changes
//! that: `large` adds 1,000,000, `alone` does and leaves the peers out, `peers` takes them at 1,000,000 too
//! (minutes, gigabytes).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints and may fail loudly"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use leakgate::matcher::{Patchset, PatchsetWriter, Rule, StreamScanner};
use leakgate::model::fingerprint::Fingerprint;
use leakgate::model::ids::{LeakId, TokenId};
use leakgate::model::rule::{Action, Scope};
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;
use uuid::Uuid;

/// Bytes of each text.
const TEXT: usize = 4 << 20;
/// Bytes of each call on a whole text.
const CALL: usize = 1 << 10;
/// Bytes of a chunk of a stream.
const CHUNK: usize = 16 << 10;
/// Bytes of a short input, such as a header's value.
const SHORT: usize = 40;

fn main() {
    let choice = std::env::var("LEAKGATE_BENCH").unwrap_or_default();
    let mut sizes = vec![1_000, 100_000];
    if choice == "large" || choice == "peers" || choice == "alone" {
        sizes.push(1_000_000);
    }
    for size in sizes {
        let tokens = tokens(size);
        ours(&tokens);
        if choice == "peers" || choice.is_empty() || choice == "large" && size < 1_000_000 {
            peers(&tokens);
        }
        println!();
    }
}

fn ours(tokens: &[Vec<u8>]) {
    let n = tokens.len();
    let materials: Vec<_> = tokens.iter().map(|token| text(token)).collect();
    let begun = Instant::now();
    let mut writer = PatchsetWriter::new();
    let leak = LeakId(Uuid::from_u128(0));
    writer.set_rule(rule(leak));
    for (number, material) in materials.iter().enumerate() {
        add(&mut writer, leak, number, material);
    }
    let patchset = writer.build();
    let built = begun.elapsed();
    drop(materials);
    row(n, "build", format!("{:.2} million tokens/s", n as f64 / built.as_secs_f64() / 1e6));
    let memory = patchset.memory_bytes() as f64 / n as f64;
    row(n, "memory", format!("{memory:.0} bytes/token"));

    let ordinary = request_text(1);
    let base = rate(|| scan(&patchset, &ordinary), TEXT);
    row(n, "ordinary text, 1 KiB calls", speed(base));
    let whole = rate(|| scan_whole(&patchset, &ordinary), TEXT);
    row(n, "ordinary text, one call", speed(whole));
    let streamed = rate(|| stream(&patchset, &ordinary), TEXT);
    row(
        n,
        "stream of 16 KiB chunks",
        format!("{} ({:.2} of one call)", speed(streamed), streamed / whole),
    );
    let short = short(&patchset, &ordinary);
    row(n, "40-byte input", format!("{short:.1} ns"));

    for (name, text) in adversarial(tokens) {
        let rate = rate(|| scan(&patchset, &text), text.len());
        row(n, name, format!("{} (1/{:.1} of ordinary)", speed(rate), base / rate));
    }

    let one = text(&random_token(&mut Seed(99)));
    let begun = Instant::now();
    add(&mut writer, leak, n, &one);
    let added = writer.build();
    row(n, "publish one token added", format!("{:.2} ms", begun.elapsed().as_secs_f64() * 1e3));
    let begun = Instant::now();
    writer.remove_token(leak, TokenId(Uuid::from_u128(1)));
    let removed = writer.build();
    row(n, "publish one token removed", format!("{:.2} ms", begun.elapsed().as_secs_f64() * 1e3));
    let begun = Instant::now();
    writer.set_rule(rule(leak));
    black_box(writer.build());
    row(n, "publish one rule changed", format!("{:.2} ms", begun.elapsed().as_secs_f64() * 1e3));
    let changed = rate(|| scan(&removed, &ordinary), TEXT);
    row(
        n,
        "ordinary text after these",
        format!("{} ({:.2} of fresh)", speed(changed), changed / base),
    );
    drop(added);
}

fn peers(tokens: &[Vec<u8>]) {
    let n = tokens.len();
    let text = request_text(1);
    let begun = Instant::now();
    let automaton = aho_corasick::AhoCorasick::new(tokens).unwrap();
    row(n, "aho-corasick build", format!("{:.2} s", begun.elapsed().as_secs_f64()));
    let speed_of =
        rate(|| text.chunks(CALL).map(|call| automaton.find_iter(call).count()).sum(), TEXT);
    row(n, "aho-corasick, 1 KiB calls", speed(speed_of));
    drop(automaton);
    let begun = Instant::now();
    let automaton = daachorse::DoubleArrayAhoCorasick::<u32>::new(tokens).unwrap();
    row(n, "daachorse build", format!("{:.2} s", begun.elapsed().as_secs_f64()));
    let speed_of =
        rate(|| text.chunks(CALL).map(|call| automaton.find_iter(call).count()).sum(), TEXT);
    row(n, "daachorse, 1 KiB calls", speed(speed_of));
}

fn row(tokens: usize, what: &str, figure: String) {
    println!("| {tokens:>9} | {what:<34} | {figure} |");
}

fn speed(bytes_per_second: f64) -> String {
    format!("{:.2} GB/s", bytes_per_second / 1e9)
}

/// Bytes a second, of the best of several passes.
fn rate(mut pass: impl FnMut() -> usize, bytes: usize) -> f64 {
    let mut best = Duration::MAX;
    let begun = Instant::now();
    for number in 0..40 {
        let from = Instant::now();
        black_box(pass());
        best = best.min(from.elapsed());
        if number > 3 && begun.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    bytes as f64 / best.as_secs_f64()
}

fn scan(patchset: &Patchset, text: &[u8]) -> usize {
    let mut count = 0;
    for call in text.chunks(CALL) {
        patchset.scan(call, &mut |_| count += 1);
    }
    count
}

fn scan_whole(patchset: &Patchset, text: &[u8]) -> usize {
    let mut count = 0;
    patchset.scan(text, &mut |_| count += 1);
    count
}

fn stream(patchset: &Arc<Patchset>, text: &[u8]) -> usize {
    let mut count = 0;
    let mut scanner = StreamScanner::new(Arc::clone(patchset));
    for chunk in text.chunks(CHUNK) {
        scanner.feed(chunk, &mut |_| count += 1);
    }
    scanner.settle(&mut |_| count += 1);
    count
}

/// Nanoseconds of a scan of a short input.
fn short(patchset: &Patchset, text: &[u8]) -> f64 {
    let text = &text[..text.len() / SHORT / 64 * SHORT];
    let pass = || {
        let mut count = 0;
        for input in text.chunks(SHORT) {
            patchset.scan(input, &mut |_| count += 1);
        }
        count
    };
    SHORT as f64 / rate(pass, text.len()) * 1e9
}

fn text(token: &[u8]) -> TokenMaterial {
    TokenMaterial::Text(Secret::new(token.to_vec()))
}

fn add(writer: &mut PatchsetWriter, leak: LeakId, number: usize, material: &TokenMaterial) {
    let id = TokenId(Uuid::from_u128(number as u128));
    writer.add_token(leak, id, Fingerprint([0; 32]), material);
}

fn rule(leak: LeakId) -> Rule {
    Rule {
        leak,
        patch: None,
        action: Action::Block,
        scope: Scope::default(),
        expires_at: None,
        watch_until: None,
    }
}

/// A small generator of numbers that look random (SplitMix64).
struct Seed(u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn letters(&mut self, alphabet: &[u8], count: usize, into: &mut Vec<u8>) {
        into.extend((0..count).map(|_| alphabet[self.below(alphabet.len())]));
    }
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8] = b"0123456789abcdef";

/// A token of 20 to 150 bytes: a prefix that many have, or none, and random letters.
fn random_token(seed: &mut Seed) -> Vec<u8> {
    let (prefix, length) = match seed.below(6) {
        0 => ("ghx_", 40),
        1 => ("skx_live_", 33),
        2 => ("AKXA", 20),
        3 => ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.", 150),
        4 => ("", 20 + seed.below(60)),
        _ => ("glx-", 30 + seed.below(80)),
    };
    let mut token = prefix.as_bytes().to_vec();
    let alphabet = if seed.below(4) == 0 { HEX } else { ALPHABET };
    seed.letters(alphabet, length - prefix.len(), &mut token);
    token
}

fn tokens(count: usize) -> Vec<Vec<u8>> {
    let mut seed = Seed(7);
    let mut tokens: Vec<_> = (0..count).map(|_| random_token(&mut seed)).collect();
    tokens.sort_unstable();
    tokens.dedup();
    for place in (1..tokens.len()).rev() {
        tokens.swap(place, seed.below(place + 1));
    }
    tokens
}

/// What requests look like: heads, forms and JSON, with credentials that no one has leaked.
fn request_text(seed: u64) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "account",
        "amount",
        "billing",
        "category",
        "customer",
        "description",
        "email",
        "false",
        "limit",
        "metadata",
        "name",
        "offset",
        "order",
        "price",
        "quantity",
        "status",
        "true",
        "updated_at",
        "user",
        "version",
    ];
    let mut seed = Seed(seed);
    let mut text = Vec::with_capacity(TEXT + 4096);
    while text.len() < TEXT {
        let id = seed.next();
        let token = random_token(&mut seed);
        let token = String::from_utf8_lossy(&token).into_owned();
        let word = |seed: &mut Seed| WORDS[seed.below(WORDS.len())];
        let head = format!(
            "POST /api/v1/{}/{id:016x}?{}={} HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: application/json\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\r\n{{",
            word(&mut seed),
            word(&mut seed),
            seed.below(1_000),
        );
        text.extend(head.bytes());
        for _ in 0..seed.below(30) {
            let value = match seed.below(4) {
                0 => format!("{}", seed.below(1_000_000)),
                1 => format!("\"{:016x}\"", seed.next()),
                2 => format!("\"2026-11-{:02}T{:02}:15:00Z\"", seed.below(28) + 1, seed.below(24)),
                _ => format!("\"{} {} {}\"", word(&mut seed), word(&mut seed), word(&mut seed)),
            };
            text.extend(format!("\"{}\":{value},", word(&mut seed)).bytes());
        }
        text.extend(b"}\r\n");
    }
    text.truncate(TEXT);
    text
}

/// Texts that are made to be slow.
fn adversarial(tokens: &[Vec<u8>]) -> Vec<(&'static str, Vec<u8>)> {
    let fill = |mut piece: Box<dyn FnMut() -> Vec<u8>>| {
        let mut text = Vec::with_capacity(TEXT + 4096);
        while text.len() < TEXT {
            text.extend(piece());
        }
        text.truncate(TEXT);
        text
    };
    let changed = |mut next: usize, at: fn(usize) -> usize| {
        let tokens = tokens.to_vec();
        let piece = move || {
            let mut token = tokens[next % tokens.len()].clone();
            next += 1;
            let at = at(token.len());
            token[at] ^= 1;
            token
        };
        fill(Box::new(piece))
    };
    let same_prefixes = {
        let mut seed = Seed(1234);
        fill(Box::new(move || [random_token(&mut seed), b"\n".to_vec()].concat()))
    };
    let token = tokens[0].clone();
    let tail = token[token.len() - 8..].to_vec();
    let period = token[token.len() - 13..].to_vec();
    vec![
        ("tokens, last byte changed", changed(0, |length| length - 1)),
        ("tokens, first byte changed", changed(0, |_| 0)),
        ("one gram repeated", fill(Box::new(move || tail.clone()))),
        ("one gram at each probe", fill(Box::new(move || period.clone()))),
        ("other tokens, same prefixes", same_prefixes),
        ("all zeroes", vec![0; TEXT]),
        ("all '0'", vec![b'0'; TEXT]),
    ]
}
