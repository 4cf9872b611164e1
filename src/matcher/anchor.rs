//! Which part of a token it is recognised by.

/// How far from its end a token is looked at: what is rare in a token (a signature, a random part)
/// stands within it, and what is common (a scheme, a header) before it.
const TAIL: usize = 256;

/// The offset of the window that is the rarest in ordinary traffic, by its look: of mixed letters
/// and digits without repetition. Of equals, the last, since tokens share their beginnings.
pub(super) fn choose(token: &[u8], window: usize) -> usize {
    let skipped = token.len().saturating_sub(TAIL.max(window));
    let tail = token.get(skipped..).unwrap_or_default();
    let mut weights = [0_u8; TAIL];
    weigh(tail, &mut weights);
    let weights = weights.get(..tail.len()).unwrap_or_default();
    let mut sum: u32 = weights.iter().take(window).map(|weight| u32::from(*weight)).sum();
    let (mut best, mut most) = (0, sum);
    for (start, (gone, come)) in weights.iter().zip(weights.iter().skip(window)).enumerate() {
        sum = sum + u32::from(*come) - u32::from(*gone);
        if sum >= most {
            (best, most) = (start + 1, sum);
        }
    }
    skipped + best
}

/// What each byte adds to its window's rarity: nothing where it repeats one shortly before it, and
/// one more where letters, digits and the rest alternate. Plain enough to be vectorised.
fn weigh(text: &[u8], weights: &mut [u8]) {
    for (byte, weight) in text.iter().zip(weights.iter_mut()) {
        *weight = kind(*byte);
    }
    let after = |skipped: usize| text.get(skipped..).unwrap_or_default();
    for ((byte, before), weight) in after(1).iter().zip(text).zip(weights.iter_mut().skip(1)) {
        *weight += u8::from(kind(*byte) != kind(*before));
    }
    for distance in 1..=4 {
        let pairs = after(distance).iter().zip(text);
        for ((byte, before), weight) in pairs.zip(weights.iter_mut().skip(distance)) {
            *weight *= u8::from(byte != before);
        }
    }
}

/// How a byte counts: of a word, of a number or a capital, or of neither.
#[inline(always)]
fn kind(byte: u8) -> u8 {
    let word = byte.is_ascii_lowercase();
    let rare = byte.is_ascii_digit() | byte.is_ascii_uppercase() | !byte.is_ascii();
    u8::from(word) + 2 * u8::from(rare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avoids_what_is_common() {
        let random = "k7Rz2mQ9xV4bT8nL3wYc";
        for (before, after) in [
            ("", ".apps.googleusercontent.com"),
            ("https://hooks.example.com/", ""),
            ("", "AAAAAAAAAAAAAAAAAAAAAAAA"),
        ] {
            let token = format!("{before}{random}{after}");
            let offset = choose(token.as_bytes(), 20);
            assert!(offset.abs_diff(before.len()) <= 2, "{offset} in {token}");
        }
    }

    #[test]
    fn lies_inside_the_token() {
        for length in [6, 20, 255, 256, 257, 5_000] {
            let token: Vec<u8> = (0..length).map(|n| (n * n % 251) as u8).collect();
            for window in [6, 8, 12, 20] {
                if window <= token.len() {
                    assert!(choose(&token, window) + window <= token.len());
                }
            }
        }
    }
}
