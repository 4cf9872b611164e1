//! What an attacker may send to make inspection cost much: bodies, heads and messages, each of a size
//! that an ordinary request has too.

mod bodies;
pub(crate) mod drive;
mod heads;
mod messages;
mod texts;

use http::Request;
use http::request::Parts;

pub(crate) use bodies::bodies;
pub(crate) use heads::heads;
pub(crate) use messages::messages;

/// A token that leaked, of those that are looked for.
pub(crate) const LEAKED: &str = "tok_Hn4sVbQw9LxTzRk2JmYc7PdGf3";

/// One hostile input.
pub(crate) struct Hostile {
    /// What it is.
    pub(crate) name: &'static str,
    /// How it comes.
    pub(crate) carried: Carried,
}

/// How an input comes.
pub(crate) enum Carried {
    /// As a body with these header fields, in pieces of so many bytes, each of which is released
    /// before the next one where `released` says so.
    Body {
        /// What its head says.
        fields: Vec<(&'static str, &'static str)>,
        /// The bytes.
        bytes: Vec<u8>,
        /// Bytes of a piece.
        piece: usize,
        /// Whether each piece is settled.
        released: bool,
    },
    /// As a head: a target, and fields.
    Head {
        /// Path and query.
        target: String,
        /// The fields.
        fields: Vec<(String, Vec<u8>)>,
    },
    /// As the messages of a WebSocket, compressed or not.
    Messages {
        /// Whether permessage-deflate was used.
        compressed: bool,
        /// Each message, in the pieces that its frames have.
        messages: Vec<Vec<Vec<u8>>>,
    },
}

impl Hostile {
    fn body(name: &'static str, bytes: Vec<u8>) -> Self {
        Self::said(name, &[("content-type", "application/json")], bytes)
    }

    fn said(name: &'static str, fields: &[(&'static str, &'static str)], bytes: Vec<u8>) -> Self {
        let fields = fields.to_vec();
        Self { name, carried: Carried::Body { fields, bytes, piece: 16 * 1024, released: false } }
    }

    fn released(name: &'static str, bytes: Vec<u8>) -> Self {
        let fields = vec![("content-type", "application/json")];
        Self { name, carried: Carried::Body { fields, bytes, piece: 1, released: true } }
    }

    /// Bytes that the client sends.
    pub(crate) fn length(&self) -> usize {
        match &self.carried {
            Carried::Body { bytes, released: false, .. } => bytes.len(),
            // As chunks, each of which has five bytes around it.
            Carried::Body { bytes, piece, .. } => bytes.len() + bytes.len().div_ceil(*piece) * 5,
            Carried::Head { target, fields } => {
                target.len()
                    + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
            }
            // A frame of a client has six bytes before its payload.
            Carried::Messages { messages, .. } => {
                messages.iter().flatten().map(|piece| piece.len() + 6).sum()
            }
        }
    }
}

/// The head of a request that carries such a body.
pub(crate) fn head(fields: &[(&'static str, &'static str)]) -> Parts {
    let mut request = Request::post("/api/v1/items").header("host", "api.example.com");
    for (field, value) in fields {
        request = request.header(*field, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// The head that such a target and fields make.
pub(crate) fn request(target: &str, fields: &[(String, Vec<u8>)]) -> Parts {
    let mut request = Request::get(target);
    for (name, value) in fields {
        request = request.header(name.as_str(), value.as_slice());
    }
    request.body(()).unwrap().into_parts().0
}
