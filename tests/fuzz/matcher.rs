//! The matcher against a search for each token at each place: whole and in pieces, after any adding
//! and taking out.

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use leakgate::matcher::{Match, Patchset, PatchsetWriter, Rule, StreamScanner};
use leakgate::model::fingerprint::Fingerprint;
use leakgate::model::ids::{LeakId, TokenId};
use leakgate::model::rule::Action;
use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;

/// Length from which a token counts inside a longer word.
const FREE_STANDING: usize = 16;
/// Lengths around the borders of every class.
const LENGTHS: [usize; 16] = [6, 7, 8, 9, 11, 12, 15, 16, 19, 20, 21, 32, 33, 64, 100, 400];
/// Where dashes stand in a UUID.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// Tokens by number: their bytes and the leaks that have them.
type Tokens = BTreeMap<u128, (Vec<u8>, [bool; 2])>;
type Place = (u128, u64, u64);

/// Changes a set of tokens and looks for them, as the bytes say.
pub fn check(data: &[u8]) {
    // What the bytes do not suffice for is not done.
    let _ = run(&mut Unstructured::new(data));
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut writer = PatchsetWriter::new();
    let leaks = [LeakId(uuid::Uuid::from_u128(1)), LeakId(uuid::Uuid::from_u128(2))];
    let rule = |leak| Rule::new(leak, Action::Block);
    let mut tokens = Tokens::new();
    let mut next = 0;
    for leak in leaks {
        writer.set_rule(rule(leak));
    }
    for _ in 0..bytes.int_in_range(1..=4)? {
        for _ in 0..bytes.int_in_range(0..=10)? {
            change(bytes, &mut writer, &mut tokens, &mut next, leaks)?;
        }
        let patchset = writer.build();
        assert_eq!(patchset.token_count(), tokens.len());
        let text = text(bytes, &tokens)?;
        let expected = oracle(&tokens, &text);
        let mut found = Vec::new();
        patchset.scan(&text, &mut |one| found.push(place(&patchset, one)));
        found.sort_unstable();
        assert_eq!(found, expected, "whole");
        assert_eq!(pieces(bytes, &patchset, &text)?, expected, "in pieces");
    }
    Ok(())
}

fn change(
    bytes: &mut Unstructured<'_>,
    writer: &mut PatchsetWriter,
    tokens: &mut Tokens,
    next: &mut u128,
    leaks: [LeakId; 2],
) -> Result<()> {
    let which = bytes.int_in_range(0..=1)?;
    let known: Vec<u128> = tokens.keys().copied().collect();
    match bytes.int_in_range(0..=9)? {
        0 | 1 if !known.is_empty() => {
            let number = *bytes.choose(&known)?;
            writer.remove_token(leaks[which], id(number));
            forget(tokens, number, which);
        }
        // One that is known, under another leak as well.
        2 if !known.is_empty() => {
            let number = *bytes.choose(&known)?;
            if let Some((text, under)) = tokens.get_mut(&number) {
                under[which] = true;
                add(writer, leaks[which], number, text);
            }
        }
        3 if bytes.ratio(1, 4)? => {
            writer.remove_leak(leaks[which]);
            for number in known {
                forget(tokens, number, which);
            }
            writer.set_rule(Rule::new(leaks[which], Action::Observe));
        }
        _ => {
            let text = token(bytes, tokens)?;
            if !tokens.values().any(|(known, _)| *known == text) {
                add(writer, leaks[which], *next, &text);
                let mut under = [false; 2];
                under[which] = true;
                tokens.insert(*next, (text, under));
                *next += 1;
            }
        }
    }
    Ok(())
}

fn forget(tokens: &mut Tokens, number: u128, which: usize) {
    if let Some((_, under)) = tokens.get_mut(&number) {
        under[which] = false;
        if *under == [false; 2] {
            tokens.remove(&number);
        }
    }
}

fn id(number: u128) -> TokenId {
    TokenId(uuid::Uuid::from_u128(number))
}

fn add(writer: &mut PatchsetWriter, leak: LeakId, number: u128, text: &[u8]) {
    let material = TokenMaterial::Text(Secret::new(text.to_vec()));
    assert!(writer.add_token(leak, id(number), Fingerprint([0; 16]), &material));
}

/// A byte of few kinds, so that tokens share parts and repeat themselves; or any.
fn byte(bytes: &mut Unstructured<'_>) -> Result<u8> {
    let byte: u8 = bytes.arbitrary()?;
    Ok(match byte {
        0..200 => b"ab0-_. \xc3\xa9\0"[usize::from(byte) % 10],
        byte => byte,
    })
}

fn run_of(bytes: &mut Unstructured<'_>, length: usize) -> Result<Vec<u8>> {
    // A few bytes over and over make long tokens of short inputs.
    let period = bytes.int_in_range(1..=length.min(24))?;
    let part = (0..period).map(|_| byte(bytes)).collect::<Result<Vec<u8>>>()?;
    Ok(part.into_iter().cycle().take(length).collect())
}

fn token(bytes: &mut Unstructured<'_>, tokens: &Tokens) -> Result<Vec<u8>> {
    let known: Vec<&Vec<u8>> = tokens.values().map(|(text, _)| text).collect();
    let length = *bytes.choose(&LENGTHS)?;
    match bytes.int_in_range(0..=6)? {
        // A part of another one, or another one with more.
        0 if !known.is_empty() => {
            let whole = *bytes.choose(&known)?;
            let from = bytes.int_in_range(0..=whole.len() - 6)?;
            let to = bytes.int_in_range(from + 6..=whole.len())?;
            Ok(whole[from..to].to_vec())
        }
        1 if !known.is_empty() => {
            let whole = *bytes.choose(&known)?;
            Ok([&run_of(bytes, 3)?[..], whole, &run_of(bytes, 3)?].concat())
        }
        // The same with another byte somewhere.
        2 if !known.is_empty() => {
            let mut other = (*bytes.choose(&known)?).clone();
            let at = bytes.int_in_range(0..=other.len() - 1)?;
            other[at] ^= 1;
            Ok(other)
        }
        3 => Ok([&b"eyJhbGciOiJIUzI1NiJ9."[..], &run_of(bytes, length)?].concat()),
        4 => number(bytes),
        _ => run_of(bytes, length),
    }
}

/// Hex digits, some of them with the dashes of a UUID or with what tells one.
fn number(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let length = *bytes.choose(&[15, 16, 20, 32, 32, 32, 40])?;
    let mut digits = Vec::new();
    for _ in 0..length {
        digits.push(*bytes.choose(b"0147abf")?);
    }
    if length == 32 && bytes.arbitrary()? {
        (digits[12], digits[16]) = (*bytes.choose(b"0189")?, *bytes.choose(b"79bc")?);
    }
    if length == 32 && bytes.arbitrary()? {
        DASHES.into_iter().for_each(|at| digits.insert(at, b'-'));
    }
    match bytes.int_in_range(0..=3)? {
        0 => digits.make_ascii_uppercase(),
        1 => digits[..10].make_ascii_uppercase(),
        _ => {}
    }
    Ok(digits)
}

/// Whether a backend that compares numbers takes the one for the other: hex digits that are the same,
/// in one case throughout; of a UUID with dashes, or without them where it tells that it is one.
fn is_respelled(token: &[u8], other: &[u8]) -> bool {
    let bare = |text: &[u8]| -> Option<(Vec<u8>, bool)> {
        let dashes: Vec<usize> = (0..text.len()).filter(|&at| text[at] == b'-').collect();
        let digits: Vec<u8> = text.iter().copied().filter(|&byte| byte != b'-').collect();
        let dashed = dashes == DASHES && text.len() == 36;
        let is_number = digits.len() >= 16 && digits.iter().all(u8::is_ascii_hexdigit);
        (is_number && (dashed || dashes.is_empty())).then_some((digits, dashed))
    };
    let (Some((digits, dashed)), Some((others, other_dashed))) = (bare(token), bare(other)) else {
        return false;
    };
    let tells =
        digits.len() == 32 && b"12345678".contains(&digits[12]) && b"89abAB".contains(&digits[16]);
    let one_case = other.to_ascii_lowercase() == other || other.to_ascii_uppercase() == other;
    digits.eq_ignore_ascii_case(&others) && one_case && (dashed == other_dashed || dashed || tells)
}

/// Tokens, tokens that are not quite whole, and other bytes.
fn text(bytes: &mut Unstructured<'_>, tokens: &Tokens) -> Result<Vec<u8>> {
    let known: Vec<&Vec<u8>> = tokens.values().map(|(text, _)| text).collect();
    let mut text = Vec::new();
    for _ in 0..bytes.int_in_range(0..=12)? {
        match bytes.int_in_range(0..=5)? {
            0..=1 if !known.is_empty() => text.extend(*bytes.choose(&known)?),
            2 if !known.is_empty() => {
                let mut other = (*bytes.choose(&known)?).clone();
                if other.len() == 36 && bytes.arbitrary()? {
                    other.retain(|&byte| byte != b'-');
                } else if other.len() == 32 && bytes.arbitrary()? {
                    DASHES.into_iter().for_each(|at| other.insert(at, b'-'));
                }
                match bytes.int_in_range(0..=2)? {
                    0 => other.make_ascii_uppercase(),
                    1 => other.make_ascii_lowercase(),
                    _ => {}
                }
                text.extend(other);
            }
            3 if !known.is_empty() => {
                let whole = *bytes.choose(&known)?;
                let to = bytes.int_in_range(0..=whole.len())?;
                text.extend(&whole[..to]);
            }
            _ => {
                let length = bytes.int_in_range(0..=6)?;
                for _ in 0..length {
                    text.push(byte(bytes)?);
                }
            }
        }
    }
    Ok(text)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn oracle(tokens: &Tokens, text: &[u8]) -> Vec<Place> {
    let mut found = Vec::new();
    for (&number, (token, _)) in tokens {
        let mut lengths = vec![token.len(), 32, 36];
        lengths.retain(|&length| length == token.len() || [32, 36].contains(&token.len()));
        lengths.sort_unstable();
        lengths.dedup();
        for length in lengths {
            for (start, window) in text.windows(length).enumerate() {
                let end = start + length;
                let before = start.checked_sub(1).map(|at| text[at]);
                let beside = before.into_iter().chain(text.get(end).copied()).any(is_word);
                let is_it = window == token || is_respelled(token, window);
                if is_it && (token.len() >= FREE_STANDING || !beside) {
                    found.push((number, start as u64, end as u64));
                }
            }
        }
    }
    found.sort_unstable();
    found
}

fn place(patchset: &Patchset, one: Match) -> Place {
    let info = patchset.token(one.token).expect("what is found is in the set");
    (info.id.0.as_u128(), one.start, one.end)
}

fn pieces(
    bytes: &mut Unstructured<'_>,
    patchset: &Arc<Patchset>,
    text: &[u8],
) -> Result<Vec<Place>> {
    let mut found = Vec::new();
    let mut scanner = StreamScanner::new(Arc::clone(patchset));
    let mut rest = text;
    while !rest.is_empty() {
        // All in one where the bytes are at an end.
        let length = if bytes.is_empty() { rest.len() } else { bytes.int_in_range(0..=40)? };
        let (piece, more) = rest.split_at(length.min(rest.len()));
        scanner.feed(piece, &mut |one| found.push(place(patchset, one)));
        rest = more;
    }
    scanner.settle(&mut |one| found.push(place(patchset, one)));
    scanner.settle(&mut |_| panic!("reported twice"));
    found.sort_unstable();
    Ok(found)
}
