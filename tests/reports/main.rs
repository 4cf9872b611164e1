//! Reports of a real scanner, made here and now on a repository with planted secrets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use leakgate::config::limits;
use leakgate::model::finding::Finding;
use leakgate::reports::{Format, Hints, Item, Limits, Parser};

const LIMITS: Limits = Limits {
    item_bytes: limits::REPORT_ITEM_BYTES,
    nesting: limits::REPORT_NESTING,
    token_bytes: limits::TOKEN_BYTES,
    tokens: limits::REPORT_FINDING_TOKENS,
    title_bytes: limits::TITLE_BYTES,
    place_bytes: limits::URL_BYTES,
};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A small generator: the secrets must look random, and be the same in every run.
struct Random(u64);

impl Random {
    fn text(&mut self, length: usize, alphabet: &[u8]) -> String {
        let mut next = || {
            // splitmix64
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as usize
        };
        (0..length).map(|_| char::from(alphabet[next() % alphabet.len()])).collect()
    }

    /// A GitHub token: 30 random digits and, in base 62, their CRC-32, which scanners check.
    fn github_pat(&mut self) -> String {
        let body = self.text(30, DIGITS);
        let mut sum = crc32(body.as_bytes());
        let mut check = [b'0'; 6];
        for digit in check.iter_mut().rev() {
            *digit = DIGITS[(sum % 62) as usize];
            sum /= 62;
        }
        format!("{}_{body}{}", "ghp", std::str::from_utf8(&check).unwrap())
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn git(repository: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn parse(report: &[u8], format: Format) -> Vec<Finding> {
    let mut parser = Parser::new(None, Hints::default(), LIMITS);
    let mut items = Vec::new();
    for piece in report.chunks(1_000) {
        parser.feed(piece, &mut items);
    }
    parser.finish(&mut items);
    assert_eq!(parser.format(), Some(format), "sniffed");
    let finding = |item| match item {
        Item::Finding(finding) => finding,
        Item::Refused(refused) => panic!("refused: {refused:?}"),
    };
    items.into_iter().map(finding).collect()
}

#[test]
#[ignore = "needs kingfisher; run by ./scripts/test"]
fn kingfisher_finds_what_was_planted_and_we_read_it() {
    let scanner = std::env::var_os("LEAKGATE_TEST_KINGFISHER")
        .unwrap_or_else(|| OsString::from("kingfisher"));
    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path().join("app");
    std::fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q"]);

    let mut random = Random(7);
    let (kept, deleted) = (random.github_pat(), random.github_pat());
    let id = format!("{}{}", "AKIA", random.text(16, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"));
    let key = random.text(40, DIGITS);
    let write = |name: &str, text: String| std::fs::write(repository.join(name), text).unwrap();
    write("deploy.sh", format!("#!/bin/sh\nexport GITHUB_TOKEN={kept}\n"));
    write("aws.env", format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={key}\n"));
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "-qm", "one"]);
    write("old.sh", format!("export GITHUB_TOKEN={deleted}\n"));
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "-qm", "two"]);
    let commit = git(&repository, &["rev-parse", "HEAD"]);
    git(&repository, &["rm", "-q", "old.sh"]);
    git(&repository, &["commit", "-qm", "three"]);

    for format in ["json", "jsonl", "sarif"] {
        let output = Command::new(&scanner)
            .arg("scan")
            .arg(&repository)
            .args(["--no-validate", "--no-update-check", "--format", format])
            .output()
            .unwrap_or_else(|error| {
                panic!("{scanner:?} cannot be run ({error}): set LEAKGATE_TEST_KINGFISHER")
            });
        let expected = if format == "sarif" { Format::Sarif } else { Format::Kingfisher };
        let findings = parse(&output.stdout, expected);
        let with = |token: &str| {
            let has = |finding: &&Finding| {
                finding.tokens.iter().any(|known| known.expose() == token.as_bytes())
            };
            findings
                .iter()
                .find(has)
                .unwrap_or_else(|| panic!("a planted token is missing in {format}: {findings:?}"))
        };
        assert!(with(&kept).source.path.as_deref().unwrap().ends_with("deploy.sh"));
        assert_eq!(with(&kept).source.line, Some(2));
        assert_eq!(with(&id).source.line, Some(1));
        if expected == Format::Kingfisher {
            // The secret beside the access key's id; SARIF does not carry it.
            assert_eq!(with(&id).title, with(&key).title);
        }
        let history = with(&deleted);
        assert_eq!(history.source.commit.as_deref(), Some(commit.as_str()));
        assert_eq!(history.source.path.as_deref(), Some("old.sh"));
        assert_eq!(findings.len(), 3);
        for finding in &findings {
            let shown = format!("{finding:?}");
            for token in [&kept, &deleted, &id, &key] {
                assert!(!shown.contains(token.as_str()));
            }
        }
    }
}
