//! Properties against the oracle.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::naive;
use super::{Match, Patchset, PatchsetWriter, Rule, StreamScanner, TokenIndex};
use crate::config::limits::{DIGEST_CANDIDATE_BYTES, TOKEN_BYTES};
use crate::model::fingerprint::Fingerprint;
use crate::model::ids::{LeakId, TokenId};
use crate::model::rule::{Action, Boundary};
use crate::model::token::TokenMaterial;

/// A token's id that tells its number.
fn id(number: usize) -> TokenId {
    TokenId(uuid::Uuid::from_u128(number as u128))
}

fn leak(number: u128) -> LeakId {
    LeakId(uuid::Uuid::from_u128(number))
}

fn rule(number: u128, action: Action) -> Rule {
    Rule::new(leak(number), action)
}

fn text(bytes: &[u8]) -> TokenMaterial {
    TokenMaterial::Text(naive::secret(bytes))
}

fn digest(bytes: &[u8]) -> TokenMaterial {
    TokenMaterial::Digest(naive::secret(bytes).digest())
}

fn add(writer: &mut PatchsetWriter, number: usize, material: &TokenMaterial) -> bool {
    writer.add_token(leak(0), id(number), Fingerprint([0; 16]), material)
}

fn patchset(tokens: &[(usize, Vec<u8>)]) -> Arc<Patchset> {
    let mut writer = PatchsetWriter::new();
    writer.set_rule(rule(0, Action::Block));
    for (number, token) in tokens {
        assert!(add(&mut writer, *number, &text(token)));
    }
    writer.build()
}

/// A match as the oracle says it.
fn plain(patchset: &Patchset, found: Match) -> (usize, u64, u64) {
    let number = patchset.token(found.token).unwrap().id.0.as_u128() as usize;
    (number, found.start, found.end)
}

fn whole(patchset: &Patchset, text: &[u8]) -> Vec<(usize, u64, u64)> {
    let mut found = Vec::new();
    patchset.scan(text, &mut |one| found.push(plain(patchset, one)));
    found.sort_unstable();
    found
}

fn chunked<'a>(
    patchset: &Arc<Patchset>,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<(usize, u64, u64)> {
    let mut found = Vec::new();
    let mut scanner = StreamScanner::new(Arc::clone(patchset));
    let mut seen = 0;
    for chunk in chunks {
        seen += chunk.len() as u64;
        scanner.feed(chunk, &mut |one| {
            assert!(one.end <= seen);
            found.push(plain(patchset, one));
        });
    }
    scanner.settle(&mut |one| found.push(plain(patchset, one)));
    scanner.settle(&mut |_| panic!("reported twice"));
    found.sort_unstable();
    found
}

/// Splits a text at these places.
fn split<'a>(text: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.sort_unstable();
    let mut chunks = Vec::new();
    let mut last = 0;
    for place in places {
        chunks.push(&text[last..place]);
        last = place;
    }
    chunks.push(&text[last..]);
    chunks
}

/// Bytes of few kinds, so that tokens share parts, repeat themselves and contain each other.
fn bytes(length: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
    let few = vec(select(b"ab0-. \xc3\xa9".to_vec()), length.into());
    few.prop_map(|bytes| bytes)
}

/// Tokens of every length class, some of which begin, end or contain another.
fn tokens() -> impl Strategy<Value = Vec<(usize, Vec<u8>)>> {
    let lengths = prop_oneof![6_usize..8, 8_usize..12, 12_usize..20, 20_usize..60, 60_usize..400];
    let token = lengths.prop_flat_map(|length| {
        prop_oneof![
            bytes(length),
            vec(any::<u8>(), length),
            Just(vec![b'0'; length]),
            select(vec![&b"prefix_"[..], b"eyJhbGciOiJIUzI1NiJ9."]).prop_flat_map(move |prefix| {
                bytes(length).prop_map(move |rest| [prefix, &rest].concat())
            }),
        ]
    });
    (vec(token, 1..8), vec((any::<Index>(), any::<Index>(), any::<Index>()), 0..4)).prop_map(
        |(mut tokens, parts)| {
            for (which, from, to) in parts {
                let whole = which.get(&tokens).clone();
                let (from, to) = (from.index(whole.len()), to.index(whole.len() + 1));
                if let Some(part) = whole.get(from..to).filter(|part| part.len() >= 6) {
                    tokens.push(part.to_vec());
                }
            }
            tokens.into_iter().enumerate().collect()
        },
    )
}

/// A text of tokens, tokens that are not quite whole, and other bytes.
fn text_of(tokens: Vec<(usize, Vec<u8>)>) -> impl Strategy<Value = Vec<u8>> {
    let token = select(tokens).prop_map(|(_, token)| token);
    let piece = prop_oneof![
        4 => token.clone(),
        2 => (token.clone(), any::<Index>(), any::<u8>()).prop_map(|(mut token, at, byte)| {
            let at = at.index(token.len());
            token[at] = byte;
            token
        }),
        1 => (token, any::<Index>()).prop_map(|(token, at)| token[..at.index(token.len())].to_vec()),
        2 => bytes(0..6),
        1 => vec(any::<u8>(), 0..40),
        1 => Just(vec![b'0'; 50]),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn case() -> impl Strategy<Value = (Vec<(usize, Vec<u8>)>, Vec<u8>)> {
    tokens().prop_flat_map(|tokens| (Just(tokens.clone()), text_of(tokens)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_scan_finds_what_the_oracle_finds((tokens, text) in case()) {
        prop_assert_eq!(whole(&patchset(&tokens), &text), naive::scan(&tokens, &text));
    }

    #[test]
    fn chunks_make_no_difference((tokens, text) in case(), cuts in vec(any::<Index>(), 0..12)) {
        let patchset = patchset(&tokens);
        let expected = naive::scan(&tokens, &text);
        prop_assert_eq!(chunked(&patchset, split(&text, &cuts)), expected.clone());
        prop_assert_eq!(chunked(&patchset, text.chunks(1)), expected);
    }

    /// After each of several settlements, what was found is what the text so far has, and what of
    /// it goes on to be part of a longer run.
    #[test]
    fn a_settlement_decides_as_if_the_text_ended(
        (tokens, text) in case(),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let patchset = patchset(&tokens);
        let mut scanner = StreamScanner::new(Arc::clone(&patchset));
        let mut found = Vec::new();
        let mut expected = Vec::new();
        let mut seen = 0;
        for chunk in split(&text, &cuts) {
            seen += chunk.len();
            scanner.feed(chunk, &mut |one| found.push(plain(&patchset, one)));
            scanner.settle(&mut |one| found.push(plain(&patchset, one)));
            expected.extend(naive::scan(&tokens, &text[..seen]));
            expected.sort_unstable();
            expected.dedup();
            found.sort_unstable();
            // A token undecided at one settlement is reported then, so the oracle may not lose it.
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn changes_come_to_what_a_fresh_build_is(
        (tokens, text) in case(),
        steps in vec((any::<Index>(), 0_u128..3, any::<bool>(), any::<bool>()), 0..60),
    ) {
        let mut writer = PatchsetWriter::new();
        let mut rebuilt = None;
        let mut under = std::collections::BTreeSet::new();
        for number in 0..3 {
            writer.set_rule(rule(number, Action::Observe));
        }
        for (which, at, take_out, build) in steps {
            let (number, token) = which.get(&tokens);
            if take_out {
                writer.remove_token(leak(at), id(*number));
                under.remove(&(*number, at));
            } else {
                let fingerprint = Fingerprint([0; 16]);
                prop_assert!(writer.add_token(leak(at), id(*number), fingerprint, &self::text(token)));
                under.insert((*number, at));
            }
            if build {
                writer.build();
                // A rebuild is taken over some changes after it began.
                if let Some(rebuilt) = rebuilt.take_if(|_| at == 0) {
                    writer.adopt(rebuilt);
                }
                if let Some(due) = writer.take_rebuild() {
                    rebuilt = Some(due.run());
                }
            }
        }
        let patchset = writer.build();
        let has = |number: usize| under.iter().any(|(token, _)| *token == number);
        let left: Vec<_> = tokens.iter().filter(|(number, _)| has(*number)).cloned().collect();
        prop_assert_eq!(whole(&patchset, &text), naive::scan(&left, &text));
        prop_assert_eq!(patchset.token_count(), left.len());
        prop_assert_eq!(patchset.longest(), left.iter().map(|(_, token)| token.len()).max().unwrap_or(0));
        patchset.scan(&text, &mut |found| {
            let number = patchset.token(found.token).unwrap().id.0.as_u128() as usize;
            let mut leaks: Vec<_> = patchset.rules(found.token).map(|rule| rule.leak).collect();
            leaks.sort_unstable();
            let expected: Vec<_> =
                under.iter().filter(|(token, _)| *token == number).map(|(_, at)| leak(*at)).collect();
            assert_eq!(leaks, expected);
        });
        for at in 0..3 {
            writer.remove_leak(leak(at));
        }
        let empty = writer.build();
        prop_assert_eq!(whole(&empty, &text), vec![]);
        prop_assert_eq!((empty.token_count(), empty.longest(), empty.all_rules().count()), (0, 0, 0));
    }

    #[test]
    fn digests_are_found_in_chunks_as_in_the_whole(
        token in "[a-zA-Z0-9]{8,40}",
        around in ("[ =&\"a.]{0,6}", "[ =&\"a.]{0,6}"),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let mut writer = PatchsetWriter::new();
        add(&mut writer, 0, &digest(token.as_bytes()));
        let patchset = writer.build();
        let text = [around.0.as_bytes(), token.as_bytes(), around.1.as_bytes()].concat();
        let found = whole(&patchset, &text);
        let longer = around.0.ends_with('a') || around.1.starts_with('a');
        let start = around.0.len() as u64;
        let expected = if longer { vec![] } else { vec![(0, start, start + token.len() as u64)] };
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(chunked(&patchset, split(&text, &cuts)), expected);
    }
}

#[test]
fn a_digest_that_several_have_finds_all_of_their_tokens() {
    let value = b"ab12cd34ef56";
    let mut writer = PatchsetWriter::new();
    for number in 0..4 {
        assert!(add(&mut writer, number, &digest(value)));
    }
    let found =
        |patchset: &Patchset| whole(patchset, value).iter().map(|one| one.0).collect::<Vec<_>>();
    assert_eq!(found(&writer.build()), [0, 1, 2, 3]);
    // What is taken out takes no other one's out with it, whichever came first.
    for (gone, rest) in [(3, vec![0, 1, 2]), (0, vec![1, 2]), (1, vec![2]), (2, vec![])] {
        writer.remove_token(leak(0), id(gone));
        let built = writer.build();
        assert_eq!(found(&built), rest);
        assert_eq!(chunked(&built, value.chunks(5)).len(), rest.len());
    }
}

#[test]
fn what_is_too_short_or_too_long_is_refused() {
    let mut writer = PatchsetWriter::new();
    assert!(!add(&mut writer, 0, &text(b"5char")));
    assert!(!add(&mut writer, 1, &text(&[b'a'; TOKEN_BYTES + 1])));
    assert_eq!(writer.build().token_count(), 0);
    assert!(add(&mut writer, 2, &text(b"6chars")));
    assert!(add(&mut writer, 3, &text(&[b'a'; TOKEN_BYTES])));
    assert_eq!(writer.build().token_count(), 2);
}

#[test]
fn the_longest_token_is_found_in_chunks() {
    let byte = |n: usize| ((n + 1) * (n + 7) * (n / 251 + 3) % 253) as u8;
    let token: Vec<u8> = (0..TOKEN_BYTES).map(byte).collect();
    let tokens = vec![(0, token.clone()), (1, token[100..5_000].to_vec())];
    let patchset = patchset(&tokens);
    let text = [&token[..3_000], &token, b"between", &token, &token[..9_000]].concat();
    let expected = naive::scan(&tokens, &text);
    assert!(expected.len() >= 5);
    assert_eq!(whole(&patchset, &text), expected);
    for size in [1, 100, 4_096, 20_000] {
        assert_eq!(chunked(&patchset, text.chunks(size)), expected);
    }
}

#[test]
fn a_short_token_stands_alone() {
    let patchset = patchset(&[(0, b"abcdefgh".to_vec()), (1, b"0123456789abcdef".to_vec())]);
    let count = |text: &[u8]| whole(&patchset, text).len();
    assert_eq!(count(b"abcdefgh"), 1);
    assert_eq!(count(b"key=abcdefgh&"), 1);
    assert_eq!(count(b"xabcdefgh"), 0);
    assert_eq!(count(b"abcdefgh-"), 0);
    assert_eq!(count(b"x0123456789abcdefx"), 1);
}

#[test]
fn a_rule_may_ask_for_other_boundaries() {
    let (short, long) = ("Zk3-9xQ_1b", "a-longer-Zk39xQ1b-token");
    let mut writer = PatchsetWriter::new();
    add(&mut writer, 0, &text(short.as_bytes()));
    add(&mut writer, 1, &text(long.as_bytes()));
    let run = format!("x{short} x{long}");
    let found = |patchset: &Arc<Patchset>| {
        let tokens =
            whole(patchset, run.as_bytes()).iter().map(|found| found.0).collect::<Vec<_>>();
        let pieces: Vec<&[u8]> = run.as_bytes().chunks(3).collect();
        assert_eq!(chunked(patchset, pieces).len(), tokens.len());
        tokens
    };
    for (boundary, expected) in [
        (Boundary::Auto, vec![1]),
        (Boundary::Anywhere, vec![0, 1]),
        (Boundary::Delimited, vec![]),
        (Boundary::Auto, vec![1]),
    ] {
        let mut rule = rule(0, Action::Block);
        rule.scope.boundary = boundary;
        writer.set_rule(rule);
        assert_eq!(found(&writer.build()), expected, "{boundary}");
    }
    // The widest of several rules counts.
    let mut other = rule(1, Action::Observe);
    other.scope.boundary = Boundary::Anywhere;
    writer.set_rule(other);
    writer.add_token(leak(1), id(0), Fingerprint([0; 16]), &text(short.as_bytes()));
    assert_eq!(found(&writer.build()), [0, 1]);
}

#[test]
fn an_open_end_waits_for_the_next_byte() {
    let patchset = patchset(&[(0, b"abcdefgh".to_vec())]);
    let feed = |chunks: &[&[u8]]| {
        let mut scanner = StreamScanner::new(Arc::clone(&patchset));
        let mut counts = Vec::new();
        for chunk in chunks {
            let mut count = 0;
            match chunk {
                [] => scanner.settle(&mut |_| count += 1),
                chunk => scanner.feed(chunk, &mut |_| count += 1),
            }
            counts.push(count);
        }
        counts
    };
    assert_eq!(feed(&[b"abcdefgh", b"x", b""]), [0, 0, 0]);
    assert_eq!(feed(&[b"abcdefgh", b"&", b""]), [0, 1, 0]);
    assert_eq!(feed(&[b"abcdefgh", b"", b"x", b""]), [0, 1, 0, 0]);
    assert_eq!(feed(&[b"x", b"abcdefgh", b""]), [0, 0, 0]);
    assert_eq!(feed(&[b"abcd", b"", b"efgh ", b""]), [0, 0, 1, 0]);
}

#[test]
fn a_token_under_several_leaks_has_all_their_rules() {
    let mut writer = PatchsetWriter::new();
    let token = text(b"a token under several leaks");
    for (number, action) in [(1, Action::Observe), (2, Action::Block)] {
        writer.set_rule(rule(number, action));
        assert!(writer.add_token(leak(number), id(0), Fingerprint([0; 16]), &token));
    }
    let both = writer.build();
    assert!(both.any_blocking());
    assert_eq!(both.rules(TokenIndex(0)).count(), 2);
    writer.set_rule(rule(2, Action::Monitor));
    assert!(!writer.build().any_blocking());
    writer.set_rule(rule(2, Action::Block));
    writer.remove_leak(leak(2));
    let one = writer.build();
    assert!(!one.any_blocking() && both.any_blocking());
    assert_eq!(one.rules(TokenIndex(0)).map(|rule| rule.leak).collect::<Vec<_>>(), [leak(1)]);
    assert_eq!((one.version(), one.token_count(), one.all_rules().count()), (3, 1, 1));
    writer.remove_token(leak(1), id(0));
    assert_eq!(whole(&writer.build(), b"a token under several leaks"), []);
    assert_eq!(whole(&both, b"a token under several leaks").len(), 1);
}

#[test]
fn a_digest_becomes_a_text() {
    let mut writer = PatchsetWriter::new();
    let token = b"a0b1c2d3e4f5g6h7";
    assert!(add(&mut writer, 0, &digest(token)));
    let by_digest = writer.build();
    let inside = [b"x", &token[..]].concat();
    assert_eq!((whole(&by_digest, token).len(), whole(&by_digest, &inside).len()), (1, 0));
    assert_eq!(by_digest.longest(), 0);
    assert!(add(&mut writer, 0, &text(token)));
    let by_text = writer.build();
    assert_eq!((whole(&by_text, token).len(), whole(&by_text, &inside).len()), (1, 1));
    assert_eq!((by_text.token_count(), by_text.longest()), (1, token.len()));
    assert!(add(&mut writer, 0, &digest(token)));
    assert_eq!(whole(&writer.build(), &inside).len(), 1);
    writer.remove_leak(leak(0));
    assert_eq!(writer.build().token_count(), 0);
}

#[test]
fn a_long_digest_token_is_found_over_chunks() {
    let token = vec![b'k'; DIGEST_CANDIDATE_BYTES];
    let mut writer = PatchsetWriter::new();
    add(&mut writer, 0, &digest(&token));
    let patchset = writer.build();
    let text = [b"key=\"", &token[..], b"\""].concat();
    assert_eq!(whole(&patchset, &text), [(0, 5, 5 + token.len() as u64)]);
    assert_eq!(chunked(&patchset, text.chunks(7)).len(), 1);
}

#[test]
fn many_tokens_grow_shrink_and_share_a_prefix() {
    let token = |n: usize| format!("prefix-that-all-have-0123456789abcdef-{n:06}-and-suffix");
    let mut writer = PatchsetWriter::new();
    let check = |patchset: &Patchset, from: usize, to: usize| {
        for n in (0..6_000).step_by(7) {
            let found = whole(patchset, token(n).as_bytes());
            assert_eq!(found.len(), usize::from((from..to).contains(&n)), "{n}");
        }
        assert_eq!(patchset.token_count(), to - from);
    };
    for n in 0..6_000 {
        assert!(add(&mut writer, n, &text(token(n).as_bytes())));
        if n % 500 == 0 {
            writer.build();
        }
    }
    check(&writer.build(), 0, 6_000);
    for n in 0..5_000 {
        writer.remove_token(leak(0), id(n));
        if n % 500 == 0 {
            writer.build();
        }
    }
    let few = writer.build();
    check(&few, 5_000, 6_000);
    assert!(few.memory_bytes() < 1_500_000, "{}", few.memory_bytes());
}

#[test]
fn what_changes_little_by_little_is_rebuilt_apart() {
    let token = |n: usize| format!("{:016x}-{n:06}-grows", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut writer = PatchsetWriter::new();
    let mut rebuilds = 0;
    for n in 0..20_000 {
        assert!(add(&mut writer, n, &text(token(n).as_bytes())));
        if n >= 10_000 && n % 2_000 == 0 {
            writer.build();
            if let Some(due) = writer.take_rebuild() {
                // What changes while it runs.
                assert!(add(&mut writer, 100_000 + n, &text(token(100_000 + n).as_bytes())));
                writer.remove_token(leak(0), id(n - 1));
                writer.adopt(due.run());
                assert!(add(&mut writer, n - 1, &text(token(n - 1).as_bytes())));
                rebuilds += 1;
                let found = whole(&writer.build(), token(100_000 + n).as_bytes());
                assert_eq!(found.len(), 1);
                assert!(writer.take_rebuild().is_none());
            }
        }
    }
    assert!(rebuilds > 1, "{rebuilds}");
    let patchset = writer.build();
    for n in 0..20_000 {
        assert_eq!(whole(&patchset, token(n).as_bytes()).len(), 1, "{n}");
    }
    assert_eq!(patchset.token_count(), 20_000 + rebuilds);
}

#[test]
fn a_digest_is_taken_out() {
    let mut writer = PatchsetWriter::new();
    for (number, token) in [b"first-digest", b"other-digest"].iter().enumerate() {
        assert!(add(&mut writer, number, &digest(*token)));
    }
    writer.build();
    writer.remove_token(leak(0), id(0));
    let one = writer.build();
    assert_eq!((whole(&one, b"first-digest").len(), whole(&one, b"other-digest").len()), (0, 1));
    assert!(add(&mut writer, 2, &digest(b"third-digest")));
    assert_eq!(whole(&writer.build(), b"first-digest third-digest"), [(2, 13, 25)]);
}

#[test]
fn a_token_that_repeats_itself_is_recognised_by_what_it_does_not_repeat() {
    let unit = b"k7Rz2mQ9xV4bT8nL3wYc";
    let token = [unit.repeat(400), b"-end".to_vec()].concat();
    let tokens = vec![(0, token.clone())];
    let patchset = patchset(&tokens);
    let text = [&unit.repeat(900)[..], &token, &token].concat();
    assert_eq!(whole(&patchset, &text), naive::scan(&tokens, &text));
    assert_eq!(chunked(&patchset, text.chunks(100)), naive::scan(&tokens, &text));
}

#[test]
fn a_patchset_without_tokens_finds_nothing() {
    let patchset = Arc::new(Patchset::empty());
    assert_eq!(whole(&patchset, &[0; 1_000]), []);
    assert_eq!(chunked(&patchset, [0; 1_000].chunks(10)), []);
    assert_eq!((patchset.version(), patchset.longest()), (0, 0));
}
