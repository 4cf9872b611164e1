//! The credentials in a request's head, by their fingerprints.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, PROXY_AUTHORIZATION};
use serde::Serialize;

use crate::config::limits;
use crate::model::fingerprint::FingerprintKey;
use crate::model::secret::Secret;

/// Takes what is padded and what is not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A credential as the access log shows it.
#[derive(Serialize, PartialEq, Eq, Debug)]
pub(super) struct Credential {
    /// The field in which it stands; of `Basic`, with the part.
    field: String,
    /// What `leakgate fingerprint -` prints for it.
    fingerprint: String,
}

/// The credentials in these fields.
pub(super) fn credentials(
    headers: &HeaderMap,
    fields: &[HeaderName],
    key: &FingerprintKey,
) -> Vec<Credential> {
    let mut found = Vec::new();
    let mut note = |field: String, text: &[u8]| {
        if !text.is_empty() && found.len() < limits::ACCESS_LOG_CREDENTIALS {
            let digest = Secret::new(text.to_vec()).digest();
            found.push(Credential { field, fingerprint: key.fingerprint(&digest).short() });
        }
    };
    for name in fields {
        for value in headers.get_all(name) {
            let value = value.as_bytes().trim_ascii();
            if *name != AUTHORIZATION && *name != PROXY_AUTHORIZATION {
                note(name.to_string(), value);
                continue;
            }
            let Some(space) = memchr::memchr(b' ', value) else {
                note(name.to_string(), value);
                continue;
            };
            let (scheme, rest) = value.split_at(space);
            let rest = rest.trim_ascii();
            match basic(scheme, rest) {
                Some(pair) => {
                    let pair = pair.expose();
                    let colon = memchr::memchr(b':', pair).unwrap_or(pair.len());
                    note(format!("{name}.user"), pair.get(..colon).unwrap_or_default());
                    note(format!("{name}.password"), pair.get(colon + 1..).unwrap_or_default());
                }
                None => note(name.to_string(), rest),
            }
        }
    }
    found
}

/// User and password, where the scheme is `Basic`.
fn basic(scheme: &[u8], text: &[u8]) -> Option<Secret> {
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    BASE64.decode(text).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn shown(fields: &[(&'static str, &str)]) -> Vec<(String, String)> {
        let key = FingerprintKey::new(&[7; 32]);
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let names = [AUTHORIZATION, HeaderName::from_static("x-api-key")];
        let found = credentials(&headers, &names, &key);
        found.into_iter().map(|found| (found.field, found.fingerprint)).collect()
    }

    fn fingerprint(text: &str) -> String {
        let digest = Secret::from(text.to_owned()).digest();
        FingerprintKey::new(&[7; 32]).fingerprint(&digest).short()
    }

    #[test]
    fn each_credential_has_the_fingerprint_of_its_text() {
        let of = |field: &str, text: &str| (field.to_owned(), fingerprint(text));
        assert_eq!(shown(&[("authorization", "Bearer abc")]), [of("authorization", "abc")]);
        assert_eq!(shown(&[("authorization", "token   abc ")]), [of("authorization", "abc")]);
        assert_eq!(shown(&[("authorization", "abc")]), [of("authorization", "abc")]);
        for padded in ["bTpzZWNyZXQ=", "bTpzZWNyZXQ"] {
            let value = format!("bASIC {padded}");
            assert_eq!(
                shown(&[("authorization", &value)]),
                [of("authorization.user", "m"), of("authorization.password", "secret")]
            );
        }
        assert_eq!(shown(&[("authorization", "Basic ?")]), [of("authorization", "?")]);
        assert_eq!(
            shown(&[
                ("x-api-key", "one"),
                ("x-other", "no"),
                ("x-api-key", "two"),
                ("x-api-key", "")
            ]),
            [of("x-api-key", "one"), of("x-api-key", "two")]
        );
    }

    #[test]
    fn there_is_an_end_to_them() {
        let many = vec![("x-api-key", "k"); limits::ACCESS_LOG_CREDENTIALS + 5];
        assert_eq!(shown(&many).len(), limits::ACCESS_LOG_CREDENTIALS);
    }
}
