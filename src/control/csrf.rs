//! Requests that a browser sends for somebody else: a session's cookie comes with them, so a cookie
//! alone proves nothing where something is changed.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Uri, header};

use super::problem::Problem;
use crate::model::secret::Secret;

/// The header field that carries the token. A form has a field of its own for it.
pub(super) const HEADER: &str = "x-csrf-token";

/// The token of a session: it follows from the session's id and does not tell it, so nothing more
/// is kept.
pub(super) fn token(session: &Secret) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, session.expose());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"leakgate csrf token").as_ref())
}

/// Whether what was sent is the token that was expected ([`Visitor::csrf_token`]); compared in
/// constant time.
///
/// [`Visitor::csrf_token`]: super::Visitor::csrf_token
pub fn matches(expected: &str, sent: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(expected.as_bytes(), sent).is_ok()
}

/// Refuses what a browser says to have sent from another site: by `Sec-Fetch-Site`, or by `Origin`
/// where a browser does not know that. What says neither comes from no page.
///
/// # Errors
/// Where it comes from another site.
pub fn check(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    if let Some(site) = headers.get("sec-fetch-site") {
        return match site.as_bytes() {
            b"same-origin" | b"none" => Ok(()),
            _ => Err(Problem::cross_site()),
        };
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host = headers
        .get(header::HOST)
        .map(|host| host.as_bytes())
        .or_else(|| uri.authority().map(|authority| authority.as_str().as_bytes()));
    let from = origin.as_bytes();
    let from = from.strip_prefix(b"https://").or_else(|| from.strip_prefix(b"http://"));
    match (from, host) {
        (Some(from), Some(host)) if from.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(Problem::cross_site()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_its_session() {
        let [one, other] = ["one session", "other session"].map(|id| Secret::from(id.to_owned()));
        let of_one = token(&one);
        assert_eq!(of_one.len(), 43);
        assert!(matches(&of_one, token(&one).as_bytes()));
        assert!(!matches(&of_one, token(&other).as_bytes()) && !matches(&of_one, b""));
    }

    #[test]
    fn another_site_is_refused() {
        for (site, origin, passes) in [
            (None, None, true),
            (Some("same-origin"), None, true),
            (Some("none"), None, true),
            (Some("same-site"), None, false),
            (Some("cross-site"), Some("http://console.example"), false),
            (None, Some("http://console.example"), true),
            (None, Some("https://CONSOLE.example"), true),
            (None, Some("https://console.example:8443"), false),
            (None, Some("https://evil.example"), false),
            (None, Some("null"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", "console.example".parse().unwrap());
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            let uri = "/api/v1/session".parse().unwrap();
            assert_eq!(check(&headers, &uri).is_ok(), passes, "{site:?} {origin:?}");
        }
    }
}
