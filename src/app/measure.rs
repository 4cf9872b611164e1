//! `leakgate measure`: what inspection costs on this machine, so that an operator can size one.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Subcommand;
use serde_json::json;
use zeroize::Zeroizing;

use super::Failure;
use super::say::print;
use crate::inspect::explain::Recorded;
use crate::inspect::{Context, Inspection};
use crate::matcher::{Patchset, PatchsetWriter, Rule, StreamScanner};
use crate::model::clock;
use crate::model::fingerprint::FingerprintKey;
use crate::model::ids::{LeakId, TokenId};
use crate::model::rule::{Action, FiltrationMode};
use crate::model::secret::Secret;
use crate::model::token::TokenMaterial;

/// Passes over the input; the best one counts.
const PASSES: usize = 7;
/// Time that one pass lasts at least, by repetition.
const PASS: Duration = Duration::from_millis(100);

/// What is measured. Both print one JSON object.
#[derive(Subcommand, Debug)]
pub(super) enum Measure {
    /// The matcher alone: `tokens`, `build_s`, `memory_bytes`, `bytes_per_s`, `matches`.
    Matcher {
        /// Tokens, one a line.
        #[arg(long, value_name = "FILE")]
        tokens: PathBuf,
        /// The text to scan.
        #[arg(long, value_name = "FILE")]
        text: PathBuf,
        /// Scan it as a stream of chunks of so many bytes, instead of whole.
        #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
        chunk: Option<u64>,
    },
    /// One recorded raw HTTP/1 request, by phase: `head_ns`, `body_ns`, `request_ns`.
    Inspect {
        /// Tokens, one a line.
        #[arg(long, value_name = "FILE")]
        tokens: PathBuf,
        /// The request: line, header fields, empty line, body.
        #[arg(long, value_name = "FILE")]
        request: PathBuf,
    },
}

/// Measures, and prints the figures.
///
/// # Errors
/// Where a file cannot be read or does not hold what it should.
pub(super) fn run(measure: &Measure) -> Result<(), Failure> {
    let figures = match measure {
        Measure::Matcher { tokens, text, chunk } => {
            let (patchset, built) = patchset(tokens)?;
            let text = read(text)?;
            let scan = || scan(&patchset, &text, *chunk);
            let best = best(|| {
                black_box(scan());
            });
            json!({
                "tokens": patchset.token_count(),
                "build_s": built.as_secs_f64(),
                "memory_bytes": patchset.memory_bytes(),
                "text_bytes": text.len(),
                "bytes_per_s": text.len() as f64 / best.as_secs_f64(),
                "matches": scan(),
            })
        }
        Measure::Inspect { tokens, request: path } => {
            let (patchset, _) = patchset(tokens)?;
            let bytes = read(path)?;
            let request = Recorded::parse(&bytes).map_err(|error| Failure::Unfit {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            let head = best(|| {
                black_box(inspect(&patchset, &request, false));
            });
            let whole = best(|| {
                black_box(inspect(&patchset, &request, true));
            });
            json!({
                "tokens": patchset.token_count(),
                "request_bytes": bytes.len(),
                "head_ns": head.as_nanos() as f64,
                "body_ns": whole.saturating_sub(head).as_nanos() as f64,
                "request_ns": whole.as_nanos() as f64,
                "hits": inspect(&patchset, &request, true),
            })
        }
    };
    print(figures.to_string());
    Ok(())
}

/// The time of one call, of the best of several passes of many calls.
fn best(mut call: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..PASSES {
        let start = Instant::now();
        let mut calls = 0;
        while calls == 0 || start.elapsed() < PASS {
            call();
            calls += 1;
        }
        best = best.min(start.elapsed() / calls);
    }
    best
}

/// How many matches there are.
fn scan(patchset: &Arc<Patchset>, text: &[u8], chunk: Option<u64>) -> u64 {
    let mut matches = 0;
    match chunk.map(|size| usize::try_from(size).unwrap_or(usize::MAX)) {
        None => patchset.scan(text, &mut |_| matches += 1),
        Some(size) => {
            let mut scanner = StreamScanner::new(Arc::clone(patchset));
            for chunk in text.chunks(size) {
                scanner.feed(chunk, &mut |_| matches += 1);
            }
            scanner.settle(&mut |_| matches += 1);
        }
    }
    matches
}

/// How many hits there are.
fn inspect(patchset: &Arc<Patchset>, request: &Recorded<'_>, with_body: bool) -> usize {
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let context = Context::new(client, String::new(), FiltrationMode::Monitoring, clock::now());
    let mut inspection = Inspection::new(Arc::clone(patchset), context);
    inspection.head(&request.head);
    if with_body {
        for chunk in &request.body {
            inspection.body(chunk);
        }
        inspection.trailers(&request.trailers);
        inspection.finish();
    }
    inspection.hits().len()
}

/// A patchset of the tokens in a file, and how long it took to make.
fn patchset(path: &Path) -> Result<(Arc<Patchset>, Duration), Failure> {
    let text = read(path)?;
    let materials: Vec<TokenMaterial> = text
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .map(|line| TokenMaterial::Text(Secret::new(line.to_vec())))
        .collect();
    let leak = LeakId::new();
    // Nobody sees these fingerprints.
    let key = FingerprintKey::new(&[0; 32]);
    let mut writer = PatchsetWriter::new();
    writer.set_rule(Rule::new(leak, Action::Observe));
    let named: Vec<_> = materials
        .iter()
        .map(|material| (TokenId::new(), key.fingerprint(&material.digest()), material))
        .collect();
    let start = Instant::now();
    for (id, fingerprint, material) in &named {
        writer.add_token(leak, *id, *fingerprint, material);
    }
    let patchset = writer.build();
    let built = start.elapsed();
    if patchset.token_count() < named.len() {
        let path = path.to_owned();
        let refused = named.len() - patchset.token_count();
        let reason = format!("{refused} tokens are too short or too long for the matcher");
        return Err(Failure::Unfit { path, reason });
    }
    Ok((patchset, built))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|source| Failure::Unreadable { path: path.to_owned(), source })
}
