//! The signature of a JWT, by which it is recognised however it is spelled.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use foldhash::quality::RandomState;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Takes what is left over in the last character, and padding or none.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Bytes of a signature, at least: those that real algorithms make are longer.
const SHORTEST: usize = 20;

/// How long the signatures are that are looked for, by the slots of their tokens.
#[derive(Clone, Default)]
pub(super) struct Signatures {
    lengths: HashMap<u32, u16, RandomState>,
    /// How many there are of each length.
    by_length: BTreeMap<u16, usize>,
}

impl Signatures {
    /// Puts one in.
    pub(super) fn insert(&mut self, slot: u32, length: u16) {
        self.lengths.insert(slot, length);
        *self.by_length.entry(length).or_default() += 1;
    }

    /// The one of this slot, if there is one.
    pub(super) fn get(&self, slot: u32) -> Option<u16> {
        self.lengths.get(&slot).copied()
    }

    /// Takes out the one of this slot, if there is one.
    pub(super) fn remove(&mut self, slot: u32) {
        if let Some(length) = self.lengths.remove(&slot)
            && let Some(signatures) = self.by_length.get_mut(&length)
        {
            *signatures -= 1;
            if *signatures == 0 {
                self.by_length.remove(&length);
            }
        }
    }

    /// Length of the shortest; 0 where there is none.
    pub(super) fn shortest(&self) -> usize {
        self.by_length.keys().next().map_or(0, |length| usize::from(*length))
    }
}

/// What is read of a header.
#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// The bytes of the signature, [`SHORTEST`] at least, that no other spelling of the JWT changes, if the token is a signed
/// JWT. Of ECDSA's pair (r, s) that is r alone, since (r, −s) is as valid.
pub(super) fn signature(token: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut segments = token.split(|&byte| byte == b'.');
    let (header, _payload, signature) = (segments.next()?, segments.next()?, segments.next()?);
    if segments.next().is_some() {
        return None;
    }
    let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
    let mut signature = decode(signature)?;
    if header.alg.starts_with("ES") {
        let half = signature.len() / 2;
        signature.truncate(half);
    }
    if signature.len() < SHORTEST {
        return None;
    }
    // Every signature but one in many millions has a capital letter in any spelling in base64, by
    // which it is told from words.
    let spellings = (0..3).map(|alignment| {
        let text = [[0; 3].get(..alignment).unwrap_or_default(), &signature[..]].concat();
        Zeroizing::new(STANDARD_NO_PAD.encode(Zeroizing::new(text)))
    });
    let inner = |text: &str| text.bytes().skip(4).rev().skip(2).any(|b| b.is_ascii_uppercase());
    spellings.into_iter().all(|text| inner(&text)).then_some(signature)
}

fn decode(segment: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let standard = segment.iter().any(|byte| matches!(byte, b'+' | b'/'));
    let alphabet = if standard { &STANDARD } else { &URL_SAFE };
    GeneralPurpose::new(alphabet, LENIENT).decode(segment).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::matcher::PatchsetWriter;
    use crate::model::fingerprint::Fingerprint;
    use crate::model::ids::{LeakId, TokenId};
    use crate::model::secret::Secret;
    use crate::model::token::TokenMaterial;

    fn jwt(header: &str, signature: &[u8]) -> String {
        let parts = [header.as_bytes(), br#"{"sub":"x"}"#, signature];
        parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    }

    #[test]
    fn what_of_a_signature_stays() {
        let bytes: Vec<u8> = (0..=131).collect();
        for (header, length, expected) in [
            (r#"{"alg":"HS256","typ":"JWT"}"#, 32, Some(32)),
            (r#"{"typ":"JWT", "alg" : "RS256"}"#, 132, Some(132)),
            (r#"{"alg":"ES256"}"#, 64, Some(32)),
            (r#"{"alg":"ES512"}"#, 132, Some(66)),
            (r#"{"alg":"none"}"#, 0, None),
            (r#"{"alg":"HS256"}"#, 19, None),
            (r#"{"enc":"A128GCM"}"#, 32, None),
            ("[1]", 32, None),
        ] {
            let token = jwt(header, &bytes[..length]);
            let found = signature(token.as_bytes());
            assert_eq!(found.as_deref().map(Vec::as_slice), expected.map(|n| &bytes[..n]));
        }
        assert!(signature(b"a.b").is_none() && signature(b"eyJ.x.y.z").is_none());
        assert!(signature(b"not.a.jwt").is_none());
    }

    fn put(writer: &mut PatchsetWriter, token: &str) -> (LeakId, TokenId) {
        let (leak, id) = (LeakId::new(), TokenId::new());
        let material = TokenMaterial::Text(Secret::from(token.to_owned()));
        assert!(writer.add_token(leak, id, Fingerprint([7; 16]), &material));
        (leak, id)
    }

    fn found(writer: &mut PatchsetWriter, text: &[u8]) -> Vec<TokenId> {
        let patchset = writer.build();
        let mut found = Vec::new();
        patchset.scan(text, &mut |place| found.push(patchset.token(place.token).unwrap().id));
        found
    }

    #[test]
    fn a_signature_comes_and_goes_with_its_token() {
        let bytes = |seed: u8| -> Vec<u8> {
            (0..64_u8).map(|n| n.wrapping_mul(37).wrapping_add(seed)).collect()
        };
        let mut writer = PatchsetWriter::new();
        let (token, other) =
            (jwt(r#"{"alg":"HS256"}"#, &bytes(1)[..32]), jwt(r#"{"alg":"HS512"}"#, &bytes(99)));
        let (leak, id) = put(&mut writer, &token);
        let (_, second) = put(&mut writer, &other);
        assert_eq!(found(&mut writer, &bytes(1)), [id]);
        assert_eq!(found(&mut writer, &bytes(99)), [second]);
        assert_eq!(found(&mut writer, token.as_bytes()), [id]);
        let patchset = writer.build();
        assert_eq!((patchset.token_count(), patchset.shortest_signature()), (2, Some(32)));
        assert_eq!(patchset.longest(), other.len());
        assert!(patchset.alphabet()[2..].iter().all(|word| *word == 0));
        writer.remove_token(leak, id);
        assert_eq!(found(&mut writer, &bytes(1)), []);
        assert_eq!(writer.build().shortest_signature(), Some(64));
        // Whatever takes the slots over is not found by what was there.
        for number in 0..64 {
            put(&mut writer, &format!("another-token-{number:03}-of-some-length"));
            assert_eq!(found(&mut writer, &bytes(1)), []);
        }
        assert_eq!(found(&mut writer, &bytes(99)), [second]);
    }

    #[test]
    fn spellings_have_one_signature() {
        let bytes: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(37)).collect();
        let token = jwt(r#"{"alg":"HS256"}"#, &bytes);
        let usual = signature(token.as_bytes());
        assert!(usual.as_ref().is_some_and(|signature| signature.len() == 32));
        assert_eq!(signature(format!("{token}=").as_bytes()), usual);
        let (rest, last) = token.split_at(token.len() - 1);
        let last = char::from(last.as_bytes()[0] + 1);
        assert_eq!(signature(format!("{rest}{last}").as_bytes()), usual);
    }
}
