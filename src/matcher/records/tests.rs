//! What is compiled from records finds what the set finds that they were written from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::super::{Patchset, PatchsetWriter, Rule, StreamScanner, TokenIndex, naive};
use super::RecordsError;
use crate::model::fingerprint::Fingerprint;
use crate::model::ids::{LeakId, PatchId, TokenId};
use crate::model::rule::{Action, Boundary, Scope};
use crate::model::tenant::Owner;
use crate::model::token::TokenMaterial;

/// The tenants of the leaks, by number.
const TENANTS: [&str; 3] = ["default", "default", "acme"];
const CASES: u32 = 200;
/// What tokens' ids have in common, by which they are told from other bytes.
const IDS: u128 = 0x8d1f_63a7_c05b_e294 << 64;

fn leak(number: usize) -> LeakId {
    LeakId(uuid::Uuid::from_u128(number as u128))
}

/// Each tenant has tokens of its own.
fn id(number: usize, of: usize) -> TokenId {
    let tenant = usize::from(TENANTS[of] != "default");
    TokenId(uuid::Uuid::from_u128(IDS | (number * 10 + tenant) as u128))
}

fn rule(number: usize) -> Rule {
    let action = if number == 0 { Action::Observe } else { Action::Block };
    Rule {
        owner: Owner::of(TENANTS[number]),
        patch: (number > 0).then(PatchId::new),
        scope: Scope { hosts: vec![format!("{number}.example")], ..Scope::default() },
        expires_at: (number == 1).then_some(jiff::Timestamp::MAX),
        watch_until: (number == 0).then_some(jiff::Timestamp::UNIX_EPOCH),
        ..Rule::new(leak(number), action)
    }
}

/// A token of each kind, with what finds it beside its own text.
fn token(kind: usize, seed: u32) -> (TokenMaterial, Vec<Vec<u8>>) {
    let noise = |at: u32| (seed.wrapping_mul(0x9e37_79b1) ^ at.wrapping_mul(0x85eb_ca6b)) >> 9;
    let word = |length: u32| -> Vec<u8> {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..length).map(|at| letters[noise(at) as usize % letters.len()]).collect()
    };
    let digits = |length: u32| -> Vec<u8> {
        (0..length).map(|at| b"0123456789abcdef"[noise(at) as usize % 16]).collect()
    };
    let text = |bytes: &[u8]| TokenMaterial::Text(naive::secret(bytes));
    match kind {
        0..=3 => {
            let token = word([7, 10, 16, 40][kind]);
            (text(&token), vec![token])
        }
        4 => {
            let mut bare = digits(32);
            (bare[12], bare[16]) = (b'4', b'a');
            let bare = String::from_utf8(bare).unwrap();
            let (a, b, c, d, e) =
                (&bare[..8], &bare[8..12], &bare[12..16], &bare[16..20], &bare[20..]);
            let dashed = [a, b, c, d, e].join("-");
            let others = [dashed.to_uppercase(), bare.clone(), dashed.clone()];
            (text(dashed.as_bytes()), others.map(String::into_bytes).to_vec())
        }
        5 => {
            let token = digits(17);
            (text(&token), vec![token.to_ascii_uppercase(), token])
        }
        6 => {
            let signature: Vec<u8> = (0..32).map(|at| noise(at) as u8).collect();
            let parts = [&br#"{"alg":"HS256"}"#[..], br#"{"sub":"x"}"#, &signature];
            let token = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
            (text(token.as_bytes()), vec![signature, token.into_bytes()])
        }
        _ => {
            let token = word(24);
            (TokenMaterial::Digest(naive::secret(&token).digest()), vec![token])
        }
    }
}

type Found = BTreeSet<(TokenId, [u8; 16], u64, u64, Vec<String>)>;

/// What is found, and under which of the rules that the test takes.
fn found(patchset: &Arc<Patchset>, text: &[u8], of: impl Fn(&Rule) -> bool) -> Found {
    let mut all = Vec::new();
    patchset.scan(text, &mut |one| all.push(one));
    let mut pieces = Vec::new();
    let mut scanner = StreamScanner::new(Arc::clone(patchset));
    text.chunks(7).for_each(|chunk| scanner.feed(chunk, &mut |one| pieces.push(one)));
    scanner.settle(&mut |one| pieces.push(one));
    all.sort_unstable();
    pieces.sort_unstable();
    assert_eq!(all, pieces);
    let told = |index: TokenIndex| {
        let rules = patchset.rules(index).filter(|rule| of(rule));
        let mut rules: Vec<String> = rules.map(|rule| format!("{rule:?}")).collect();
        rules.sort_unstable();
        rules
    };
    all.into_iter()
        .map(|one| {
            let info = patchset.token(one.token).unwrap();
            (info.id, info.fingerprint.0, one.start, one.end, told(one.token))
        })
        .filter(|(.., rules)| !rules.is_empty())
        .collect()
}

fn records(writer: &PatchsetWriter, of: impl Fn(&Rule) -> bool) -> Vec<u8> {
    writer.records().encode(7, of).collect::<Vec<_>>().concat()
}

fn compiled(bytes: &[u8]) -> Arc<Patchset> {
    Arc::new(Patchset::from_records(bytes).unwrap())
}

#[derive(Debug, Clone)]
struct Step {
    kind: usize,
    leak: usize,
    remove: bool,
    build: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_usize..8, 0_usize..3, any::<bool>(), any::<bool>(), any::<bool>());
    let step = step.prop_map(|(kind, leak, remove, also, build)| Step {
        kind,
        leak,
        remove: remove && also,
        build,
    });
    vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..ProptestConfig::default() })]

    #[test]
    fn what_is_compiled_finds_what_the_original_finds(
        steps in steps(),
        again in vec((any::<Index>(), 0_usize..3), 0..10),
        modes in vec((any::<Index>(), 0_usize..3), 0..4),
        places in vec((any::<Index>(), any::<Index>(), any::<bool>()), 0..30),
        seed in any::<u32>(),
    ) {
        let mut writer = PatchsetWriter::new();
        for number in 0..TENANTS.len() {
            writer.set_rule(rule(number));
        }
        let mut texts: Vec<Vec<u8>> = Vec::new();
        let mut under: BTreeMap<usize, (usize, TokenMaterial)> = BTreeMap::new();
        for (number, step) in steps.iter().enumerate() {
            let (material, others) = token(step.kind, seed.wrapping_add(number as u32));
            let fingerprint = Fingerprint([number as u8; 16]);
            prop_assert!(writer.add_token(leak(step.leak), id(number, step.leak), fingerprint, &material));
            texts.extend(others);
            under.insert(number, (step.leak, material));
            if step.remove && let Some((number, (of, _))) = under.pop_first() {
                writer.remove_token(leak(of), id(number, of));
            }
            if step.build {
                writer.build();
                if let Some(due) = writer.take_rebuild() {
                    writer.adopt(due.run());
                }
            }
        }
        for (which, of) in again {
            let all: Vec<_> = under.iter().collect();
            if let Some((number, (_, material))) = (!all.is_empty()).then(|| which.get(&all)) {
                let fingerprint = Fingerprint([**number as u8; 16]);
                writer.add_token(leak(of), id(**number, of), fingerprint, material);
            }
        }
        let apart = modes.iter().map(|(which, action)| {
            let (number, of) = (which.index(steps.len()), 1);
            (id(number, of), Action::ALL[*action])
        });
        let apart: Vec<_> = apart.collect();
        let rules = Action::ALL.iter().map(|action| Rule { action: *action, ..rule(1) });
        writer.set_apart(leak(1), rules.collect(), &apart);
        // Some of it is in no build.
        let bytes = records(&writer, |_| true);
        prop_assert_eq!(&bytes, &records(&writer, |_| true));
        let copy = compiled(&bytes);
        let original = writer.build();
        // A rebuild changes nothing that is written.
        if let Some(due) = writer.take_rebuild() {
            writer.adopt(due.run());
        }
        prop_assert_eq!(&bytes, &records(&writer, |_| true));

        let mut text = Vec::new();
        for (which, other, whole) in places {
            let piece = which.get(&texts);
            let cut = if whole { piece.len() } else { other.index(piece.len()) };
            text.extend(&piece[..cut]);
            text.extend(*other.get(&[&b" "[..], b"-", b"&a=", b""]));
        }
        prop_assert_eq!(found(&copy, &text, |_| true), found(&original, &text, |_| true));
        let told = |patchset: &Patchset| (
            patchset.token_count(),
            (patchset.shortest(), patchset.longest(), patchset.shortest_signature()),
            patchset.has_digests(),
            (patchset.minds_borders(), patchset.any_blocking()),
        );
        prop_assert_eq!(told(&copy), told(&original));
        prop_assert_eq!(copy.version(), 7);
        // It tells kinds of bytes, of those tokens alone that are there.
        let spelled = steps.iter().all(|step| !step.remove);
        for (copied, original) in copy.text_alphabet().iter().zip(original.text_alphabet()) {
            prop_assert!(!spelled || copied & original == original);
        }

        // Those of one tenant alone.
        for tenant in ["default", "acme", "nobody"] {
            let of = |rule: &Rule| &*rule.owner.id == tenant;
            let bytes = records(&writer, of);
            let part = compiled(&bytes);
            let expected = found(&original, &text, of);
            prop_assert_eq!(found(&part, &text, |_| true), expected);
            prop_assert!(part.all_rules().all(of));
            for (number, (of, _)) in &under {
                let there = bytes.windows(16).any(|ids| ids == id(*number, *of).0.as_bytes());
                prop_assert_eq!(there, TENANTS[*of] == tenant);
            }
        }
    }
}

/// A set with a token of each kind.
fn each_kind() -> (PatchsetWriter, Vec<Vec<u8>>) {
    let mut writer = PatchsetWriter::new();
    let mut texts = Vec::new();
    writer.set_rule(rule(1));
    for kind in 0..8 {
        let (material, others) = token(kind, 77 + kind as u32);
        assert!(writer.add_token(leak(1), id(kind, 1), Fingerprint([0; 16]), &material));
        texts.extend(others);
    }
    (writer, texts)
}

#[test]
fn damage_is_refused_whole() {
    let (writer, _) = each_kind();
    let bytes = records(&writer, |_| true);
    assert_eq!(compiled(&bytes).token_count(), 8);
    for place in 0..bytes.len() {
        let mut other = bytes.clone();
        other[place] ^= 0x10;
        assert!(Patchset::from_records(&other).is_err(), "byte {place}");
        assert!(Patchset::from_records(&bytes[..place]).is_err(), "cut at {place}");
    }
    let more = [&bytes[..], b"\0"].concat();
    assert_eq!(Patchset::from_records(&more).err(), Some(RecordsError::Damaged));
    assert_eq!(Patchset::from_records(b"<html>").err(), Some(RecordsError::Foreign));
    let mut later = bytes;
    later[8] = 2;
    assert_eq!(Patchset::from_records(&later).err(), Some(RecordsError::Format(2)));
}

#[test]
fn no_text_and_no_plain_digest_travels() {
    let (writer, texts) = each_kind();
    let bytes = records(&writer, |_| true);
    for text in texts {
        let digest = naive::secret(&text).digest();
        for part in text.windows(6).chain(digest.0.windows(6)) {
            assert!(!bytes.windows(6).any(|window| window == part));
        }
    }
}

#[test]
fn many_come_in_pieces() {
    let mut writer = PatchsetWriter::new();
    writer.set_rule(rule(1));
    for number in 0..3_000 {
        let (material, _) = token(3, number);
        writer.add_token(leak(1), id(number as usize, 1), Fingerprint([0; 16]), &material);
    }
    let pieces: Vec<Vec<u8>> = writer.records().encode(1, |_| true).collect();
    assert!(pieces.len() > 3 && pieces.iter().all(|piece| piece.len() < 70_000));
    // What a token takes, on which the bounds of memory rest.
    assert!(pieces.concat().len() < 3_000 * 130);
    assert_eq!(compiled(&pieces.concat()).token_count(), 3_000);
}

#[test]
fn the_widest_boundary_travels() {
    let mut writer = PatchsetWriter::new();
    let mut rule = rule(1);
    rule.scope.boundary = Boundary::Anywhere;
    writer.set_rule(rule);
    let material = TokenMaterial::Text(naive::secret(b"Zk39xQ1b"));
    writer.add_token(leak(1), id(0, 1), Fingerprint([0; 16]), &material);
    let copy = compiled(&records(&writer, |_| true));
    assert_eq!(found(&copy, b"xZk39xQ1bx", |_| true).len(), 1);
}
