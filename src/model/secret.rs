//! The only place where a token's text lives.

use std::fmt;

use aws_lc_rs::digest;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::token::TokenDigest;

/// A secret string of bytes: no `Display`, no `Serialize`, redacted `Debug`, wiped on drop,
/// compared in constant time.
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes the bytes over. The buffer that is handed in is the one that is wiped later, so hand
    /// over the original, not a copy.
    pub fn new(mut bytes: Vec<u8>) -> Self {
        if bytes.capacity() == bytes.len() {
            return Self(bytes.into_boxed_slice());
        }
        let exact: Box<[u8]> = Box::from(bytes.as_slice());
        bytes.zeroize();
        Self(exact)
    }

    /// The bytes themselves. What is made of them (a log line, an error, an answer) must not carry
    /// them on.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// SHA-256 of the bytes: what stands for a token whose owner will not hand over its text.
    pub fn digest(&self) -> TokenDigest {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        TokenDigest(out)
    }

    /// How the token is shown to people, such as `ghp_…3f9a`: its first and last characters, never
    /// more than a quarter of it and never more than eight.
    pub fn masked(&self) -> String {
        let shown = (self.0.len() / 4).min(8);
        let tail = shown / 2;
        let head = shown - tail;
        let show = |bytes: &[u8]| -> String {
            bytes.iter().map(|&b| if b.is_ascii_graphic() { char::from(b) } else { '·' }).collect()
        };
        let start = self.0.get(..head).unwrap_or_default();
        let end = self.0.get(self.0.len().saturating_sub(tail)..).unwrap_or_default();
        format!("{}…{}", show(start), show(end))
    }
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    #[test]
    fn masks_at_most_a_quarter() {
        let shown = |text: &str| secret(text).masked();
        assert_eq!(shown("abcd0123456789abcdefghijklmn3f9a"), "abcd…3f9a");
        assert_eq!(shown("abcdefghijklmnop"), "ab…op");
        assert_eq!(shown("abcdefgh"), "a…h");
        assert_eq!(shown("abcd"), "a…");
        assert_eq!(shown("abc"), "…");
        assert_eq!(shown(""), "…");
        assert_eq!(shown("\u{e9}\u{e9}\u{e9}\u{e9}bcdefghi"), "··…hi");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", secret("hunter2hunter2")), "Secret(…)");
    }

    #[test]
    fn equality_is_of_bytes() {
        assert_eq!(secret("a"), secret("a"));
        assert_ne!(secret("a"), secret("b"));
        assert_ne!(secret("a"), secret("aa"));
    }
}
