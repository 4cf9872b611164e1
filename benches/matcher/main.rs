//! What the matcher costs, beside its peers: one table. All text and tokens are generated from
//! fixed seeds, so that runs compare.
//!
//! `cargo bench --bench matcher` takes sets of 1,000 and 100,000 tokens. `LEAKGATE_BENCH` changes
//! that: `large` adds 1,000,000, `alone` does and leaves the peers out, `peers` takes them at
//! 1,000,000 too (minutes, gigabytes), `huge` takes 10,000,000 alone. With `--features vectorscan`,
//! Vectorscan is one of the peers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints and may fail loudly"
)]

mod data;
mod peers;
#[cfg(feature = "vectorscan")]
mod vectorscan;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use leakgate::matcher::{Patchset, PatchsetWriter, Rule, StreamScanner};
use leakgate::model::fingerprint::Fingerprint;
use leakgate::model::ids::{LeakId, TokenId};
use leakgate::model::rule::Action;
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;
use uuid::Uuid;

use data::{Seed, adversarial, random_token, request_text, tokens};

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
    if choice == "huge" {
        sizes = vec![10_000_000];
    }
    for size in sizes {
        let tokens = tokens(size);
        let speed = ours(&tokens);
        #[cfg(feature = "vectorscan")]
        if choice != "alone" && size <= 1_000_000 {
            peers::vectorscan(&tokens, speed);
        }
        if choice == "peers" && size <= 1_000_000 || choice != "alone" && size < 1_000_000 {
            peers::peers(&tokens, speed);
        }
        println!();
    }
}

/// Prints our rows; returns the speed on ordinary text in calls of 1 KiB, in bytes a second.
fn ours(tokens: &[Vec<u8>]) -> f64 {
    let n = tokens.len();
    let materials: Vec<_> = tokens.iter().map(|token| text(token)).collect();
    let leak = LeakId(Uuid::from_u128(0));
    let build = || {
        let begun = Instant::now();
        let mut writer = PatchsetWriter::new();
        writer.set_rule(rule(leak));
        for (number, material) in materials.iter().enumerate() {
            add(&mut writer, leak, number, material);
        }
        let patchset = writer.build();
        (begun.elapsed(), writer, patchset)
    };
    // The first one meets memory that nobody has used yet.
    let (first, ..) = build();
    let (built, mut writer, patchset) = build();
    let built = built.min(first);
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

    let mut removed = Arc::clone(&patchset);
    let mut seed = Seed(99);
    let added = best(|again| {
        add(&mut writer, leak, n + again, &text(&random_token(&mut seed)));
        let begun = Instant::now();
        black_box(writer.build());
        begun.elapsed()
    });
    row(n, "publish one token added", milliseconds(added));
    let taken = best(|again| {
        let begun = Instant::now();
        writer.remove_token(leak, TokenId(Uuid::from_u128(again as u128)));
        removed = writer.build();
        begun.elapsed()
    });
    row(n, "publish one token removed", milliseconds(taken));
    let ruled = best(|_| {
        let begun = Instant::now();
        writer.set_rule(rule(leak));
        black_box(writer.build());
        begun.elapsed()
    });
    row(n, "publish one rule changed", milliseconds(ruled));
    let changed = rate(|| scan(&removed, &ordinary), TEXT);
    row(
        n,
        "ordinary text after these",
        format!("{} ({:.2} of fresh)", speed(changed), changed / base),
    );
    drop(removed);
    let digest = TokenMaterial::Digest(Secret::new(b"a token that no text has".to_vec()).digest());
    add(&mut writer, leak, 3 * n, &digest);
    let digests = writer.build();
    let hashed = rate(|| scan(&digests, &ordinary), TEXT);
    row(n, "the same, one token by its digest", megabytes(hashed));
    let head = ordinary.get(..head_length(&ordinary)).unwrap_or_default();
    let one = head.len() as f64 / rate(|| scan_whole(&digests, head), head.len());
    let none = head.len() as f64 / rate(|| scan_whole(&patchset, head), head.len());
    let figure = format!("{:.2} µs, {:.2} without it", one * 1e6, none * 1e6);
    row(n, &format!("a head of {} bytes, with it", head.len()), figure);
    writer.remove_token(leak, TokenId(Uuid::from_u128(3 * n as u128)));
    writer.build();
    let piled = pile_up(&mut writer, leak, n);
    row(n, "rebuild apart, an eighth grown", piled);
    base
}

/// Adds tokens until a rebuild is due, and says what it takes, and what the builds before and after
/// it do.
fn pile_up(writer: &mut PatchsetWriter, leak: LeakId, n: usize) -> String {
    let mut seed = Seed(77);
    let mut slowest = Duration::ZERO;
    for round in 0..20 {
        for number in 0..n / 50 {
            let number = 2 * n + round * n + number;
            add(writer, leak, number, &text(&random_token(&mut seed)));
        }
        let begun = Instant::now();
        black_box(writer.build());
        slowest = slowest.max(begun.elapsed());
        if let Some(rebuild) = writer.take_rebuild() {
            let begun = Instant::now();
            let rebuilt = rebuild.run();
            let ran = begun.elapsed();
            let begun = Instant::now();
            writer.adopt(rebuilt);
            black_box(writer.build());
            let (ran, slowest) = (milliseconds(ran), milliseconds(slowest));
            let adopted = milliseconds(begun.elapsed());
            return format!("{ran}; builds before it at most {slowest}, the one after {adopted}");
        }
    }
    "none was due".to_owned()
}

/// Bytes of the head that a text of requests begins with.
fn head_length(text: &[u8]) -> usize {
    text.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(text.len())
}

fn megabytes(bytes_per_second: f64) -> String {
    format!("{:.0} MB/s", bytes_per_second / 1e6)
}

/// The shortest of several times.
fn best(mut step: impl FnMut(usize) -> Duration) -> Duration {
    (0..8).map(&mut step).min().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
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
    writer.add_token(leak, id, Fingerprint([0; 16]), material);
}

fn rule(leak: LeakId) -> Rule {
    Rule::new(leak, Action::Block)
}
