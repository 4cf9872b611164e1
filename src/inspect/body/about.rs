//! What header fields say of a body, or of a part: its types and its codings.

use std::sync::Arc;

use http::{HeaderMap, header};

use super::params::Parameterized;
use crate::config::limits;
use crate::decode::charset::Charset;
use crate::decode::inflate::Coding;
use crate::decode::transfer::Transfer;

/// A coding by its name, which may say that there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::inspect) enum Named {
    /// Nothing is to be undone.
    Identity,
    /// Either form of deflate.
    Deflate,
    /// Exactly this one.
    Coding(Coding),
    /// None that is known.
    Unknown,
}

impl Named {
    /// By its name in `Content-Encoding` or `grpc-encoding`.
    pub(in crate::inspect) fn new(name: &[u8]) -> Self {
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Self::Identity,
            // What S3 calls a coding is a framing, of signed chunks; the others are no codings, but
            // honest clients send them, and no backend undoes anything for them.
            b"aws-chunked" | b"utf-8" | b"utf8" | b"none" | b"binary" | b"7bit" | b"8bit" => {
                Self::Identity
            }
            b"gzip" | b"x-gzip" => Self::Coding(Coding::Gzip),
            b"deflate" => Self::Deflate,
            b"br" => Self::Coding(Coding::Brotli),
            b"zstd" => Self::Coding(Coding::Zstd),
            _ => Self::Unknown,
        }
    }
}

/// What is said.
#[derive(Clone, Debug, Default)]
pub(in crate::inspect) struct About {
    /// Media types, any of which may be the one that a backend takes.
    pub(in crate::inspect) types: Arc<[Parameterized]>,
    /// Codings, the outermost last.
    pub(in crate::inspect) codings: Vec<Named>,
    /// The encoding of text for mail.
    pub(in crate::inspect) transfer: Option<Transfer>,
    /// The coding of compressed messages, where they are of gRPC.
    pub(in crate::inspect) messages: Option<Named>,
    /// Whether the base64 around messages is undone.
    pub(in crate::inspect) unwrapped: bool,
    /// The charset of what declares none.
    pub(in crate::inspect) default_charset: Option<Vec<u8>>,
    /// Whether the charset has been seen to.
    pub(in crate::inspect) charset_undone: bool,
}

/// Words in a `Content-Type` that make it worth reading.
const OF_INTEREST: &[&[u8]] = &[b"multipart", b"grpc", b"jose", b"pkcs7", b"charset"];

impl About {
    /// What a request's head says, where it says anything that matters.
    pub(in crate::inspect) fn of_head(fields: &HeaderMap) -> Option<Box<Self>> {
        let types = || fields.get_all(header::CONTENT_TYPE).iter();
        let codings = || fields.get_all(header::CONTENT_ENCODING).iter();
        if codings().next().is_none() && !types().any(|value| is_of_interest(value.as_bytes())) {
            return None;
        }
        let types = types()
            .flat_map(|value| Parameterized::list(value.as_bytes()))
            .take(limits::MEDIA_TYPES)
            .collect();
        let messages = fields.get("grpc-encoding").map(|value| Named::new(value.as_bytes()));
        let mut about = Self { types, messages, ..Self::default() };
        for value in codings() {
            about.coded(value.as_bytes());
        }
        Some(Box::new(about))
    }

    /// What the fields of a part say: `name`s in lower case.
    pub(in crate::inspect) fn of_part(fields: &[(Vec<u8>, Vec<u8>)]) -> Self {
        let mut about = Self::default();
        let mut types = Vec::new();
        for (name, value) in fields {
            match name.as_slice() {
                b"content-type" => types.extend(Parameterized::list(value)),
                b"content-encoding" => about.coded(value),
                b"content-transfer-encoding" => {
                    about.transfer = Transfer::named(value).or(about.transfer);
                }
                _ => {}
            }
        }
        types.truncate(limits::MEDIA_TYPES);
        about.types = types.into();
        about
    }

    fn coded(&mut self, value: &[u8]) {
        let codings = value.split(|&byte| byte == b',').map(Named::new);
        let codings = codings.filter(|coding| *coding != Named::Identity);
        // One more than may be, to tell that there are too many.
        let room = (limits::CODINGS + 1).saturating_sub(self.codings.len());
        self.codings.extend(codings.take(room));
    }

    /// Charsets that are declared and must be undone.
    pub(in crate::inspect) fn charsets(&self) -> Vec<Charset> {
        let mut charsets = Vec::new();
        for label in self.charset_labels() {
            for charset in Charset::labelled(&label) {
                if !charsets.contains(&charset) {
                    charsets.push(charset);
                }
            }
        }
        charsets
    }

    /// Whether a charset is declared that is not known, and may be no superset of ASCII.
    pub(in crate::inspect) fn is_of_unknown_charset(&self) -> bool {
        self.charset_labels().iter().any(|label| !Charset::is_known(label))
    }

    /// Labels of charsets that are declared and not seen to.
    fn charset_labels(&self) -> Vec<Vec<u8>> {
        if self.charset_undone {
            return Vec::new();
        }
        let mut labels: Vec<Vec<u8>> =
            self.types.iter().flat_map(|media| media.all(b"charset")).collect();
        if labels.is_empty() {
            labels.extend(self.default_charset.clone());
        }
        labels
    }

    /// Boundaries of multipart that are declared.
    pub(in crate::inspect) fn boundaries(&self) -> Vec<Vec<u8>> {
        let multipart = self.types.iter().filter(|media| media.essence.starts_with(b"multipart/"));
        let mut boundaries: Vec<Vec<u8>> =
            multipart.flat_map(|media| media.all(b"boundary")).collect();
        boundaries.sort_unstable();
        boundaries.dedup();
        boundaries.truncate(limits::MEDIA_TYPES);
        boundaries
    }

    /// Whether all that is said is that this is multipart, but not by which boundary.
    pub(in crate::inspect) fn lacks_a_boundary(&self) -> bool {
        self.is_multipart()
            && self.codings.is_empty()
            && self.transfer.is_none()
            && self.boundaries().is_empty()
    }

    /// Whether a type says multipart.
    pub(in crate::inspect) fn is_multipart(&self) -> bool {
        self.types.iter().any(|media| media.essence.starts_with(b"multipart/"))
    }

    /// Whether the messages of gRPC come, and whether these are in base64.
    pub(in crate::inspect) fn grpc(&self) -> Option<bool> {
        let mut types = self.types.iter().map(|media| media.essence.as_slice());
        let essence = types.find(|essence| essence.starts_with(b"application/grpc"))?;
        Some(essence.starts_with(b"application/grpc-web-text") && !self.unwrapped)
    }

    /// Whether a type says that the body is encrypted.
    pub(in crate::inspect) fn is_encrypted(&self) -> bool {
        self.types.iter().any(|media| match media.essence.as_slice() {
            b"multipart/encrypted" | b"application/pgp-encrypted" => true,
            b"application/pkcs7-mime" | b"application/x-pkcs7-mime" => {
                let kind = media.plain(b"smime-type").unwrap_or_default().to_ascii_lowercase();
                !matches!(kind.as_slice(), b"signed-data" | b"certs-only" | b"compressed-data")
            }
            _ => false,
        })
    }

    /// The same in JSON.
    pub(in crate::inspect) fn is_jose_json(&self) -> bool {
        self.types.iter().any(|media| media.essence == b"application/jose+json")
    }

    /// Whether the body is signed or encrypted as its own text tells.
    pub(in crate::inspect) fn is_jose(&self) -> bool {
        self.types.iter().any(|media| media.essence == b"application/jose")
    }
}

fn is_of_interest(value: &[u8]) -> bool {
    if value == b"application/json" {
        return false;
    }
    if value.contains(&b',') {
        return true;
    }
    let starts = |text: &[u8], word: &[u8]| {
        text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    (0..value.len()).any(|at| {
        let text = value.get(at..).unwrap_or_default();
        OF_INTEREST.iter().any(|word| starts(text, word))
            && !starts(text, b"charset=utf-8")
            && !starts(text, b"charset=\"utf-8")
    })
}
