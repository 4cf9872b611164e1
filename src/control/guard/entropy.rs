//! How hard a token is to guess, estimated from its form.

/// Bits from which a token is hard enough to guess not to stand in honest requests by chance:
/// six random letters and digits have fewer, eight random hex digits more.
pub(super) const ENOUGH: f64 = 31.0;

/// What a character costs that only repeats or continues what stood before it.
const DEPENDENT_BITS: f64 = 0.5;

/// Rows of characters that people run a finger along.
const ROWS: &[&[u8]] = &[b"qwertyuiop", b"asdfghjkl", b"zxcvbnm", b"qwertzuiop", b"azertyuiop"];

/// An estimate of the token's bits: each character counts with the size of the alphabet, unless it
/// repeats, counts on from, or lies on a keyboard beside the one before.
pub(super) fn bits(token: &[u8]) -> f64 {
    let per_character = alphabet(token).log2();
    let mut total = 0.0;
    let mut before = None;
    for &byte in token {
        let dependent = before.is_some_and(|before| follows(before, byte));
        total += if dependent { DEPENDENT_BITS } else { per_character };
        before = Some(byte);
    }
    // However long, a text of two or three different characters is not random.
    let mut seen = [false; 256];
    for &byte in token {
        if let Some(slot) = seen.get_mut(usize::from(byte)) {
            *slot = true;
        }
    }
    let distinct = seen.iter().filter(|&&seen| seen).count();
    if distinct < 5 { total.min(ENOUGH - 1.0) } else { total }
}

/// The size of the smallest usual alphabet that the token is written in.
fn alphabet(token: &[u8]) -> f64 {
    let any = |test: fn(&u8) -> bool| token.iter().any(test);
    let digits = any(u8::is_ascii_digit);
    let lower = any(u8::is_ascii_lowercase);
    let upper = any(u8::is_ascii_uppercase);
    let other = any(|byte| !byte.is_ascii_alphanumeric());
    let one_case = !lower || !upper;
    if digits && one_case && token.iter().all(u8::is_ascii_hexdigit) {
        return if lower || upper { 16.0 } else { 10.0 };
    }
    let mut size = 0.0;
    let bytes = any(|byte| !byte.is_ascii_graphic());
    for (present, count) in
        [(digits, 10.0), (lower, 26.0), (upper, 26.0), (other, 6.0), (bytes, 64.0)]
    {
        if present {
            size += count;
        }
    }
    f64::max(size, 2.0)
}

fn follows(before: u8, byte: u8) -> bool {
    let (before, byte) = (before.to_ascii_lowercase(), byte.to_ascii_lowercase());
    if before.abs_diff(byte) <= 1 {
        return true;
    }
    if matches!((before, byte), (b'9', b'0') | (b'0', b'9')) {
        return true;
    }
    ROWS.iter().any(|row| {
        let place = |wanted: u8| row.iter().position(|&key| key == wanted);
        matches!((place(before), place(byte)), (Some(a), Some(b)) if a.abs_diff(b) == 1)
    })
}

/// The shortest beginning which the token only repeats, at least twice; otherwise the token itself.
pub(super) fn repeated_unit(token: &[u8]) -> &[u8] {
    // The longest proper border by the failure function of Knuth, Morris and Pratt.
    let mut borders: Vec<usize> = Vec::with_capacity(token.len());
    for (index, byte) in token.iter().enumerate() {
        let mut border = index.checked_sub(1).and_then(|i| borders.get(i).copied()).unwrap_or(0);
        if index == 0 {
            borders.push(0);
            continue;
        }
        while border > 0 && token.get(border) != Some(byte) {
            border = borders.get(border - 1).copied().unwrap_or(0);
        }
        if token.get(border) == Some(byte) {
            border += 1;
        }
        borders.push(border);
    }
    let period = token.len() - borders.last().copied().unwrap_or(0);
    if period * 2 <= token.len() { token.get(..period).unwrap_or(token) } else { token }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(repeated_unit(b"abcabcab"), b"abc");
        assert_eq!(repeated_unit(b"aaaa"), b"a");
        assert_eq!(repeated_unit(b"abcdab"), b"abcdab");
        assert_eq!(repeated_unit(b""), b"");
    }

    #[test]
    fn sequences_are_cheap() {
        assert!(bits(b"abcdefghijklmnop") < ENOUGH);
        assert!(bits(b"kq7x2mz9") > ENOUGH);
        assert!(bits(b"0101101001011010010110100101") < ENOUGH);
    }
}
