//! The signature of a JWT, by which it is recognised however it is spelled.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Takes what is left over in the last character, and padding or none.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Bytes of a signature, at least: those that real algorithms make are longer.
const SHORTEST: usize = 20;

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
        let text = [&[0; 3].get(..alignment).unwrap_or_default(), &signature[..]].concat();
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
