//! Other spellings of a token that stands for a number: hex digits in the other case, and UUIDs with
//! or without dashes.

use std::collections::HashMap;

use foldhash::quality::RandomState;
use zeroize::Zeroizing;

/// Hex digits of a token, at least, for it to be taken for a number.
const DIGITS: usize = 16;
/// Hex digits of a UUID.
const UUID: usize = 32;
/// How many of them stand before each of its dashes.
const DASHES: [usize; 4] = [8, 12, 16, 20];

/// How long the other spellings are of tokens that have some of another length, by their slots.
#[derive(Clone, Default)]
pub(super) struct Respelled(HashMap<u32, u16, RandomState>);

impl Respelled {
    /// Puts one in; tells whether there was none.
    pub(super) fn insert(&mut self, slot: u32, length: u16) -> bool {
        self.0.insert(slot, length).is_none()
    }

    /// The one of this slot, if there is one.
    pub(super) fn get(&self, slot: u32) -> Option<u16> {
        self.0.get(&slot).copied()
    }

    /// Takes out the one of this slot, if there is one.
    pub(super) fn remove(&mut self, slot: u32) -> Option<u16> {
        self.0.remove(&slot)
    }
}

/// What else a backend that compares numbers takes for the token, each once and without the token
/// itself: all digits in lower case and all in upper case, and for a UUID both with and without
/// dashes. Digits that mix both cases are not among them.
///
/// Digits without dashes are a UUID's where they say so: where their version and variant are of one.
pub(super) fn spellings(token: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let dashed = is_dashed(token);
    let is_digit = |byte: &&u8| byte.is_ascii_hexdigit();
    let digits = token.iter().filter(is_digit).count();
    if digits < DIGITS || !dashed && digits < token.len() {
        return Vec::new();
    }
    let bare = Zeroizing::new(token.iter().filter(is_digit).copied().collect::<Vec<u8>>());
    let is_uuid = dashed || names_itself(&bare);
    let forms = [Some(bare.clone()), is_uuid.then(|| with_dashes(&bare))];
    let mut all: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    for form in forms.into_iter().flatten() {
        let (lower, upper) = (form.to_ascii_lowercase(), form.to_ascii_uppercase());
        for spelling in [lower, upper].map(Zeroizing::new) {
            if spelling[..] != *token && !all.contains(&spelling) {
                all.push(spelling);
            }
        }
    }
    all
}

/// Whether it is a UUID with dashes.
fn is_dashed(token: &[u8]) -> bool {
    let mut groups = token.split(|&byte| byte == b'-');
    let lengths = [8, 4, 4, 4, 12];
    lengths.into_iter().all(|length| {
        groups
            .next()
            .is_some_and(|group| group.len() == length && group.iter().all(u8::is_ascii_hexdigit))
    }) && groups.next().is_none()
}

/// Whether digits have the version and the variant of a UUID.
fn names_itself(digits: &[u8]) -> bool {
    digits.len() == UUID
        && matches!(digits.get(12), Some(b'1'..=b'8'))
        && matches!(digits.get(16), Some(b'8' | b'9' | b'a' | b'b' | b'A' | b'B'))
}

fn with_dashes(digits: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut dashed = Zeroizing::new(Vec::with_capacity(UUID + DASHES.len()));
    for (at, &digit) in digits.iter().enumerate() {
        if DASHES.contains(&at) {
            dashed.push(b'-');
        }
        dashed.push(digit);
    }
    dashed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::PatchsetWriter;
    use crate::matcher::naive::secret;
    use crate::model::fingerprint::Fingerprint;
    use crate::model::ids::{LeakId, TokenId};
    use crate::model::token::TokenMaterial;

    fn respelled(token: &str) -> Vec<String> {
        let all = spellings(token.as_bytes());
        all.into_iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
    }

    const LOWER: &str = "0a1b2c3d-4e5f-4a6b-8c7d-8e9f00112233";
    const LOWER_BARE: &str = "0a1b2c3d4e5f4a6b8c7d8e9f00112233";

    #[test]
    fn numbers_have_other_spellings() {
        let (upper, upper_bare) = (LOWER.to_uppercase(), LOWER_BARE.to_uppercase());
        assert_eq!(respelled(LOWER), [LOWER_BARE, &upper_bare, &upper]);
        assert_eq!(respelled(&upper), [LOWER_BARE, &upper_bare, LOWER]);
        assert_eq!(respelled(LOWER_BARE), [&*upper_bare, LOWER, &upper]);
        assert_eq!(respelled(&upper_bare), [LOWER_BARE, LOWER, &upper]);
        // Of no version of a UUID.
        assert_eq!(respelled("0a1b2c3d4e5f9a6b8c7d8e9f00112233").len(), 1);
        assert_eq!(respelled("0123456789abcdef"), ["0123456789ABCDEF"]);
        let mixed = ["0123456789abcdef", "0123456789ABCDEF"];
        assert_eq!(respelled("0123456789abCDEF"), mixed);
        for token in [
            "0123456789abcde",
            "0123456789012345",
            "0123456789abcdeg",
            "0123456789abcdef-",
            "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0011223",
            "0a1b2c3d4-e5f-4a6b-8c7d-8e9f00112233",
            "-0a1b2c3d4e5f-4a6b-8c7d-8e9f00112233",
            "",
        ] {
            assert_eq!(respelled(token), [""; 0], "{token}");
        }
    }

    fn put(writer: &mut PatchsetWriter, token: &str) -> (LeakId, TokenId) {
        let (leak, id) = (LeakId::new(), TokenId::new());
        let material = TokenMaterial::Text(secret(token.as_bytes()));
        assert!(writer.add_token(leak, id, Fingerprint([7; 16]), &material));
        (leak, id)
    }

    #[test]
    fn a_token_is_found_in_each_of_them_and_they_go_with_it() {
        let mut writer = PatchsetWriter::new();
        let (leak, id) = put(&mut writer, LOWER_BARE);
        let (_, other) = put(&mut writer, "FEDCBA9876543210");
        let patchset = writer.build();
        let text = format!("a={LOWER}&b={} fedcba9876543210", LOWER.to_uppercase());
        let mut found = Vec::new();
        patchset.scan(text.as_bytes(), &mut |place| {
            let span = &text[place.start as usize..place.end as usize];
            found.push((patchset.token(place.token).unwrap().id, span.to_owned()));
        });
        found.sort();
        let mut expected = vec![
            (id, LOWER.to_owned()),
            (id, LOWER.to_uppercase()),
            (other, "fedcba9876543210".to_owned()),
        ];
        expected.sort();
        assert_eq!(found, expected);
        let lengths = |writer: &mut PatchsetWriter| {
            let patchset = writer.build();
            (patchset.token_count(), patchset.shortest(), patchset.longest())
        };
        assert_eq!(lengths(&mut writer), (2, Some(16), 36));
        writer.remove_token(leak, id);
        assert_eq!(lengths(&mut writer), (1, Some(16), 16));
        let patchset = writer.build();
        patchset.scan(text.as_bytes(), &mut |place| assert_eq!(place.end - place.start, 16));
    }
}
