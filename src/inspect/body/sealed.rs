//! Whether a body is a JWE: encrypted, as its own text tells.

use memchr::memmem;

use super::about::About;

/// Names in the JSON form of a JWE, as they stand there; one of these is mostly its first.
const FIRST: [&[u8]; 7] = [
    b"\"protected\"",
    b"\"unprotected\"",
    b"\"recipients\"",
    b"\"encrypted_key\"",
    b"\"aad\"",
    b"\"iv\"",
    b"\"ciphertext\"",
];
const CIPHERTEXT: &[u8] = b"\"ciphertext\"";
/// What says how it is encrypted.
const HEADER: &[u8] = b"protected\"";

/// What has been seen so far of what tells.
pub(in crate::inspect) enum Sealed {
    /// So many dots: five parts between them are a JWE.
    Dots(usize),
    /// The last bytes before the next piece, and the names that are still to come.
    Members { tail: Vec<u8>, names: Vec<&'static [u8]> },
}

impl Sealed {
    /// What to look for in a body of which this is said, and which begins so.
    pub(in crate::inspect) fn of(about: &About, beginning: &[u8]) -> Option<Self> {
        let names = if about.is_jose() {
            return Some(Self::Dots(0));
        } else if about.is_jose_json() {
            vec![CIPHERTEXT]
        } else if first_name(beginning)
            .is_some_and(|name| FIRST.iter().any(|first| name.starts_with(first)))
        {
            vec![CIPHERTEXT, HEADER]
        } else {
            return None;
        };
        Some(Self::Members { tail: Vec::new(), names })
    }

    /// Takes the next bytes, and tells whether it is one.
    pub(in crate::inspect) fn is_told_by(&mut self, piece: &[u8]) -> bool {
        match self {
            Self::Dots(dots) => {
                *dots += memchr::memchr_iter(b'.', piece).count();
                *dots >= 4
            }
            Self::Members { tail, names } => {
                let border = [tail, piece.get(..CIPHERTEXT.len()).unwrap_or(piece)].concat();
                names.retain(|name| {
                    memmem::find(&border, name).is_none() && memmem::find(piece, name).is_none()
                });
                tail.extend_from_slice(
                    piece.get(piece.len().saturating_sub(CIPHERTEXT.len())..).unwrap_or_default(),
                );
                tail.drain(..tail.len().saturating_sub(CIPHERTEXT.len()));
                names.is_empty()
            }
        }
    }
}

/// The text from the first quote of an object on.
fn first_name(beginning: &[u8]) -> Option<&[u8]> {
    let name = beginning.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
    name.starts_with(b"\"").then_some(name)
}

/// Whether a body that begins so may be one, which its first name will tell.
pub(in crate::inspect) fn may_begin(beginning: &[u8]) -> bool {
    first_name(beginning).is_some_and(|name| {
        FIRST.iter().any(|first| first.len() > name.len() && first.starts_with(name))
    })
}

/// Whether its first name is one of these.
pub(in crate::inspect) fn begins(beginning: &[u8]) -> bool {
    Sealed::of(&About::default(), beginning).is_some()
}
