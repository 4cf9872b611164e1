//! Tokens of which only a digest is known: delimited values are hashed and looked up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use aws_lc_rs::digest::{SHA256, digest};
use foldhash::quality::RandomState;

use super::carry::Carry;
use super::found::TokenIndex;
use super::keys::{Digest, Keys};
use super::verify::{View, is_token_byte};
use crate::config::limits::{DIGEST_CANDIDATE_BYTES, TOKEN_BYTES_APPLICABLE};
use crate::model::token::TokenDigest;

/// The digests, each kept only as a keyed digest of itself.
#[derive(Clone, Default)]
pub(super) struct Digests {
    /// The first token of each digest.
    first: HashMap<Digest, u32, RandomState>,
    /// Its others: each tenant has a token of its own.
    others: HashMap<Digest, Vec<u32>, RandomState>,
}

impl Digests {
    /// Puts a token in.
    pub(super) fn insert(&mut self, keys: &Keys, digest: &TokenDigest, token: u32) {
        self.insert_keyed(keys.digest(&digest.0), token);
    }

    /// Takes the tokens out that the test does not keep.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(u32) -> bool) {
        self.first.retain(|_, token| keep(*token));
        let first = &mut self.first;
        self.others.retain(|digest, tokens| {
            tokens.retain(|token| keep(*token));
            if !first.contains_key(digest)
                && let Some(next) = tokens.pop()
            {
                first.insert(*digest, next);
            }
            !tokens.is_empty()
        });
    }

    /// Puts a token in whose digest is keyed already.
    pub(super) fn insert_keyed(&mut self, digest: Digest, token: u32) {
        match self.first.entry(digest) {
            Entry::Vacant(first) => {
                first.insert(token);
            }
            Entry::Occupied(first) if *first.get() == token => {}
            Entry::Occupied(_) => {
                let others = self.others.entry(digest).or_default();
                if !others.contains(&token) {
                    others.push(token);
                }
            }
        }
    }

    /// The keyed digests and their tokens, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Digest, u32)> {
        let others = self.others.iter();
        let others =
            others.flat_map(|(digest, tokens)| tokens.iter().map(|token| (*digest, *token)));
        self.first.iter().map(|(digest, token)| (*digest, *token)).chain(others)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The tokens with this text.
    pub(super) fn find(&self, keys: &Keys, text: &[u8]) -> impl Iterator<Item = TokenIndex> {
        let hashed = keys.digest(digest(&SHA256, text).as_ref());
        let first = self.first.get(&hashed);
        // Most have no others, and most values are no token's.
        let others = first.and_then(|_| self.others.get(&hashed));
        first.into_iter().chain(others.into_iter().flatten()).copied().map(TokenIndex)
    }

    /// Memory it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        // The table keeps one control byte an entry beside the entry itself.
        let others: usize = self.others.values().map(|tokens| size_of_val(tokens.as_slice())).sum();
        self.first.capacity() * (size_of::<(Digest, u32)>() + 1)
            + self.others.capacity() * (size_of::<(Digest, Vec<u32>)>() + 1)
            + others
    }
}

/// How values are delimited: each level's runs lie inside the next one's.
const LEVELS: usize = 4;
/// Runs of letters, digits, `-` and `_`.
const WORD: usize = 0;
/// The same with what base64, JWTs and paths add.
const VALUE: usize = 1;
/// The same with the padding that ends it.
const PADDED: usize = 2;
/// All that stands between spaces, quotes, brackets, commas, semicolons and ampersands.
const FIELD: usize = 3;

/// Finds the delimited values of a text that comes in chunks.
pub(super) struct DigestScanner {
    carry: Carry,
    position: u64,
    /// Where the run of each level began that goes on.
    runs: [Option<u64>; LEVELS],
    /// Where the text was taken to end, so that no value that ends there is reported again.
    settled: Option<u64>,
}

impl DigestScanner {
    /// A scanner at the beginning of a text.
    pub(super) fn new() -> Self {
        let mut carry = Carry::default();
        carry.set_keep(DIGEST_CANDIDATE_BYTES);
        Self { carry, position: 0, runs: [None; LEVELS], settled: None }
    }

    /// Takes the next chunk and reports each value that ends in it, and where it begins.
    pub(super) fn feed(&mut self, chunk: &[u8], found: &mut dyn FnMut(&[u8], u64)) {
        let view = View { before: self.carry.bytes(), after: chunk };
        let begins = self.position - view.before.len() as u64;
        let mut padding = self.padding(view);
        for (at, byte) in (self.position..).zip(chunk) {
            let inside = [
                is_token_byte(*byte),
                is_value_byte(*byte),
                is_value_byte(*byte) && !padding || *byte == b'=',
                is_field_byte(*byte),
            ];
            padding = *byte == b'=';
            let mut last = None;
            for (level, (run, inside)) in self.runs.iter_mut().zip(inside).enumerate() {
                if let Some(start) = *run
                    && !inside
                {
                    *run = None;
                    if last != Some(start) && self.settled != Some(at) {
                        report(view, begins, start, at, found);
                    }
                    last = Some(start);
                }
                // A padded value begins with a value byte, not with its padding.
                if run.is_none() && (inside || level == PADDED) && begins_run(level, *byte) {
                    *run = Some(at);
                }
            }
        }
        self.position += chunk.len() as u64;
        self.carry.push(chunk);
    }

    /// Reports the values that go on, as if the text ended here.
    pub(super) fn settle(&mut self, found: &mut dyn FnMut(&[u8], u64)) {
        if self.settled == Some(self.position) {
            return;
        }
        self.settled = Some(self.position);
        let view = View { before: self.carry.bytes(), after: &[] };
        let begins = self.position - view.before.len() as u64;
        let mut last = None;
        for start in self.runs.iter().flatten() {
            if last != Some(*start) {
                report(view, begins, *start, self.position, found);
            }
            last = Some(*start);
        }
    }

    /// Whether the text so far ends in padding.
    fn padding(&self, view: View<'_>) -> bool {
        self.runs.get(PADDED).is_some_and(Option::is_some) && view.before.last() == Some(&b'=')
    }
}

/// Whether a run of this level may begin with this byte.
fn begins_run(level: usize, byte: u8) -> bool {
    match level {
        WORD => is_token_byte(byte),
        VALUE | PADDED => is_value_byte(byte),
        FIELD => is_field_byte(byte),
        _ => false,
    }
}

/// Hands on the value `start..end` of the stream, where its length is plausible.
fn report(view: View<'_>, begins: u64, start: u64, end: u64, found: &mut dyn FnMut(&[u8], u64)) {
    let length = (end - start) as usize;
    if !(TOKEN_BYTES_APPLICABLE..=DIGEST_CANDIDATE_BYTES).contains(&length) {
        return;
    }
    let Some(first) = start.checked_sub(begins) else { return };
    match view.span(first as usize, first as usize + length) {
        (head, []) => found(head, start),
        ([], tail) => found(tail, start),
        (head, tail) => {
            let joined = zeroize::Zeroizing::new([head, tail].concat());
            found(&joined, start);
        }
    }
}

fn is_value_byte(byte: u8) -> bool {
    is_token_byte(byte) || matches!(byte, b'.' | b'+' | b'/' | b'~')
}

fn is_field_byte(byte: u8) -> bool {
    byte >= 0x80
        || byte.is_ascii_graphic()
            && !matches!(
                byte,
                b'"' | b'\''
                    | b'`'
                    | b','
                    | b';'
                    | b'&'
                    | b'<'
                    | b'>'
                    | b'('
                    | b')'
                    | b'['
                    | b']'
                    | b'{'
                    | b'}'
                    | b'|'
                    | b'\\'
            )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(chunks: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        let mut scanner = DigestScanner::new();
        let mut report = |text: &[u8], start: u64| {
            found.push(format!("{start} {}", String::from_utf8_lossy(text)));
        };
        for chunk in chunks {
            scanner.feed(chunk.as_bytes(), &mut report);
        }
        scanner.settle(&mut report);
        scanner.settle(&mut report);
        scanner.feed(b" ", &mut report);
        found.sort();
        found
    }

    #[test]
    fn a_value_is_taken_with_and_without_what_surrounds_it() {
        assert_eq!(
            values(&["key=abcdefgh.ijklmnop+/==&"]),
            [
                "0 key=abcdefgh.ijklmnop+/==",
                "13 ijklmnop",
                "4 abcdefgh",
                "4 abcdefgh.ijklmnop+/",
                "4 abcdefgh.ijklmnop+/=="
            ]
        );
        assert_eq!(values(&["user:password1"]), ["0 user:password1", "5 password1"]);
        assert_eq!(values(&["\"abcdefgh\" short"]), ["1 abcdefgh"]);
        assert_eq!(values(&["abcdefgh"]), ["0 abcdefgh"]);
        assert_eq!(
            values(&["abcdefgh=ijklmnop"]),
            ["0 abcdefgh", "0 abcdefgh=", "0 abcdefgh=ijklmnop", "9 ijklmnop"]
        );
    }

    #[test]
    fn chunks_make_no_difference() {
        let text = "a=b; key=abcdefgh.ijklmnop+/==&user:password1 =abcdefghi==jklmnopqr 0123456789";
        let whole = values(&[text]);
        for first in 0..=text.len() {
            for second in first..=text.len() {
                assert_eq!(values(&[&text[..first], &text[first..second], &text[second..]]), whole);
            }
        }
    }

    #[test]
    fn longer_values_than_the_limit_are_left_out() {
        assert_eq!(values(&["a".repeat(DIGEST_CANDIDATE_BYTES + 1).as_str()]).len(), 0);
        assert_eq!(values(&["a".repeat(DIGEST_CANDIDATE_BYTES).as_str()]).len(), 1);
    }
}
