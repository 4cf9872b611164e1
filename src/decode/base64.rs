//! Base64 as lenient backends read it.

/// Decodes base64 of either alphabet, padded or not, skipping whatever else stands there. What
/// follows padding is decoded as a text of its own.
pub fn lenient(text: &[u8]) -> Vec<u8> {
    decode(text, true)
}

/// The same, but padding is skipped like any other character.
pub fn lenient_without_padding(text: &[u8]) -> Vec<u8> {
    decode(text, false)
}

fn decode(text: &[u8], padding_ends: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut bits = 0_u32;
    let mut count = 0_u32;
    for &byte in text {
        let Some(value) = sextet(byte) else {
            if byte == b'=' && padding_ends {
                count = 0;
            }
            continue;
        };
        bits = bits << 6 | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

/// The six bits that a character of either alphabet stands for.
fn sextet(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
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
                prop_assert_eq!(lenient(text.as_bytes()), &bytes[..]);
                prop_assert_eq!(lenient_without_padding(text.as_bytes()), &bytes[..]);
            }
        }
    }

    #[test]
    fn junk_is_skipped_and_padding_begins_anew() {
        assert_eq!(lenient(b"d X\nNl*cjpwYX!Nz"), b"user:pass");
        assert_eq!(lenient(b"YQ==dXNlcg"), b"auser");
        assert_eq!(lenient_without_padding(b"dX=Nl=cg"), b"user");
    }
}
