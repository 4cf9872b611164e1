//! Tokens and texts, generated from fixed seeds.

use super::TEXT;

/// A small generator of numbers that look random (SplitMix64).
pub(crate) struct Seed(pub(crate) u64);

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
pub(crate) fn random_token(seed: &mut Seed) -> Vec<u8> {
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

pub(crate) fn tokens(count: usize) -> Vec<Vec<u8>> {
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
pub(crate) fn request_text(seed: u64) -> Vec<u8> {
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
pub(crate) fn adversarial(tokens: &[Vec<u8>]) -> Vec<(&'static str, Vec<u8>)> {
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
