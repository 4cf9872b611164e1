//! Base64 as lenient backends read it.

use super::runs::sextet::sextet;

/// What stands between texts that were decoded each for itself: part of no word.
const BORDER: u8 = b'\n';

/// The texts that decoders of either alphabet, padded or not, may make of this one; each once. They
/// differ in what they do at padding, and at other characters that are none of base64: pass over it,
/// begin anew behind it, or stop, so that what was decoded ends there.
pub fn lenient(text: &[u8]) -> Vec<Vec<u8>> {
    let first = decode(text, At::BeginsAnew, At::PassesOver);
    let mut texts = vec![first];
    let strange = |byte: &u8| sextet(*byte).is_none();
    // What nearly every text is: strange characters, if any, at its end.
    if text.iter().position(strange).is_none_or(|at| text.iter().skip(at).all(strange)) {
        return texts;
    }
    for (padding, junk) in
        [(At::PassesOver, At::PassesOver), (At::Stops, At::PassesOver), (At::Stops, At::Stops)]
    {
        let other = decode(text, padding, junk);
        if !texts.contains(&other) {
            texts.push(other);
        }
    }
    texts
}

/// What a decoder does at a character that is none of base64.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    PassesOver,
    BeginsAnew,
    Stops,
}

fn decode(text: &[u8], at_padding: At, at_junk: At) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut bits = 0_u32;
    let mut count = 0_u32;
    let mut stopped = false;
    for &byte in text {
        let Some(value) = sextet(byte) else {
            let at = if byte == b'=' { at_padding } else { at_junk };
            if at != At::PassesOver {
                count = 0;
            }
            stopped |= at == At::Stops;
            continue;
        };
        if std::mem::take(&mut stopped) {
            out.push(BORDER);
        }
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_the_library(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                let text = engine.encode(&bytes);
                prop_assert_eq!(lenient(text.as_bytes()), vec![bytes.clone()]);
            }
        }
    }

    #[test]
    fn junk_is_passed_over_or_ends_a_text() {
        for (text, expected) in [
            ("d X\nNl*cjpwYX!Nz", "user:pass"),
            ("YQ==dXNlcg", "auser"),
            ("YQ==dXNlcg", "a\nuser"),
            ("dX=Nl=cg", "user"),
            ("dXNlcjp0b2s=QUFB", "user:tok\nAAA"),
            ("dXNlcjp0b2t=QUFB", "user:tok\nAAA"), // bits left over
            ("dXNl cjp0b2s=QUFB", "user:tok\nAAA"),
            ("dXNlcjp0b2s.QUFB", "user:tok\nAAA"),
        ] {
            let texts = lenient(text.as_bytes());
            assert!(texts.iter().any(|text| text == expected.as_bytes()), "{text}");
            assert!(texts.len() <= 4);
        }
    }
}
