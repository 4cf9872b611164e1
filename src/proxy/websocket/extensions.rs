//! Which extensions of WebSocket may be agreed on: permessage-deflate, which can be undone.

use http::HeaderValue;
use http::header::{HeaderMap, SEC_WEBSOCKET_EXTENSIONS};

const DEFLATE: &[u8] = b"permessage-deflate";
const CLIENT_FORGETS: &[u8] = b"client_no_context_takeover";

/// What an upstream has agreed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Agreed {
    /// No extension.
    Nothing,
    /// permessage-deflate.
    Deflate {
        /// Whether a message of the client's may refer to those before it.
        keeps_context: bool,
    },
    /// Something that cannot be read.
    Unknown,
}

/// Takes what cannot be inspected out of a client's offers. Changes nothing where there is no such
/// offer.
pub(crate) fn keep_known(headers: &mut HeaderMap) {
    let offers: Vec<&[u8]> = headers
        .get_all(SEC_WEBSOCKET_EXTENSIONS)
        .iter()
        .flat_map(|field| split(field.as_bytes(), b','))
        .filter(|offer| !offer.is_empty())
        .collect();
    let known: Vec<&[u8]> = offers.iter().copied().filter(|offer| is_deflate(offer)).collect();
    if known.len() == offers.len() {
        return;
    }
    match HeaderValue::from_bytes(&known.join(&b", "[..])) {
        Ok(field) if !known.is_empty() => {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, field);
        }
        _ => {
            headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        }
    }
}

/// What the fields of a 101 answer agree to.
pub(crate) fn agreed(headers: &HeaderMap) -> Agreed {
    let mut agreed = Agreed::Nothing;
    let fields = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    for extension in fields.flat_map(|field| split(field.as_bytes(), b',')) {
        if extension.is_empty() {
            continue;
        }
        if agreed != Agreed::Nothing || !is_deflate(extension) {
            return Agreed::Unknown;
        }
        let forgets = parts(extension).any(|part| part.eq_ignore_ascii_case(CLIENT_FORGETS));
        agreed = Agreed::Deflate { keeps_context: !forgets };
    }
    agreed
}

fn is_deflate(extension: &[u8]) -> bool {
    parts(extension).next().is_some_and(|name| name.eq_ignore_ascii_case(DEFLATE))
}

/// The name of an extension and its parameters.
fn parts(extension: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(extension, b';')
}

/// The pieces between separators that do not stand in quotes, without spaces around them.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |&byte| {
        if quoted {
            (quoted, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            return false;
        }
        quoted = byte == b'"';
        byte == separator
    })
    .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_what_can_be_undone_is_offered() {
        let deflate = "permessage-deflate; client_max_window_bits";
        for (offered, kept) in [
            (&[][..], &[][..]),
            (&[deflate], &[deflate]),
            (&[" a,permessage-deflate "], &["permessage-deflate"]),
            (
                &["a; b=\"x, y\\\", z\", Permessage-Deflate; c=\"1,2\""],
                &["Permessage-Deflate; c=\"1,2\""],
            ),
            (&["x-webkit-deflate-frame"], &[]),
            (
                &["a", deflate, "b, permessage-deflate"],
                &["permessage-deflate; client_max_window_bits, permessage-deflate"],
            ),
            (&["permessage-deflatex, permessage-deflate;"], &["permessage-deflate;"]),
            // What is fine stays as it came.
            (
                &["permessage-deflate,permessage-deflate", ","],
                &["permessage-deflate,permessage-deflate", ","],
            ),
        ] {
            let mut headers = fields(offered);
            keep_known(&mut headers);
            assert_eq!(headers, fields(kept), "{offered:?}");
        }
    }

    #[test]
    fn what_was_agreed_on() {
        let (keeps, forgets) =
            (Agreed::Deflate { keeps_context: true }, Agreed::Deflate { keeps_context: false });
        for (answer, expected) in [
            (&[][..], Agreed::Nothing),
            (&[""], Agreed::Nothing),
            (&["permessage-deflate"], keeps),
            (&["permessage-deflate; server_no_context_takeover"], keeps),
            (&["permessage-deflate; client_max_window_bits=\"10\""], keeps),
            (&["permessage-deflate; a=\"; client_no_context_takeover\""], keeps),
            (&["permessage-deflate;client_no_context_takeover ; x"], forgets),
            (&["permessage-deflate, permessage-deflate"], Agreed::Unknown),
            (&["permessage-deflate", "x"], Agreed::Unknown),
            (&["x"], Agreed::Unknown),
        ] {
            assert_eq!(agreed(&fields(answer)), expected, "{answer:?}");
        }
    }
}
