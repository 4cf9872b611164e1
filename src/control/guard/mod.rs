//! The guard: which tokens could block honest traffic, and so never become a rule by accident.

mod entropy;
mod ordinary;

use crate::config::limits;
use crate::model::secret::Secret;
use crate::model::token::TokenMaterial;

/// Why no rule is to be made of this token, in words for people; absent where one can be made.
///
/// Of a digest no more can be told than that it is one of a string which ordinary requests carry.
pub fn check(material: &TokenMaterial) -> Option<String> {
    match material {
        TokenMaterial::Text(secret) => check_text(secret.expose()),
        TokenMaterial::Digest(digest) => ordinary::is_digest(digest)
            .then(|| "it is the digest of a string which ordinary requests carry".to_owned()),
    }
}

fn check_text(token: &[u8]) -> Option<String> {
    if token.len() < limits::TOKEN_BYTES_APPLICABLE {
        return Some(format!(
            "it has {} bytes; under {} it would stand in honest requests by chance",
            token.len(),
            limits::TOKEN_BYTES_APPLICABLE
        ));
    }
    if token.len() > limits::TOKEN_BYTES {
        return Some(format!(
            "it has {} bytes; more than {} are not searched for",
            token.len(),
            limits::TOKEN_BYTES
        ));
    }
    // A repeated unit is no better than the unit alone.
    let unit = entropy::repeated_unit(token);
    if unit.len() < token.len() && unit.len() < limits::TOKEN_BYTES_APPLICABLE {
        return Some("it only repeats a few characters".to_owned());
    }
    // What is ordinary is text; other bytes do not stand in honest requests by chance.
    if let Ok(text) = std::str::from_utf8(unit) {
        // The lower-case copy may be a secret as well, and is wiped like one.
        let lower = Secret::from(text.trim().to_lowercase());
        let lower = std::str::from_utf8(lower.expose()).unwrap_or_default();
        if let Some(reason) = ordinary::reason(text.trim(), lower) {
            return Some(reason.to_owned());
        }
    }
    if entropy::bits(token) < entropy::ENOUGH {
        return Some("it is too easy to guess: repeated or consecutive characters".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::string::string_regex;
    use proptest::test_runner::TestRunner;

    use super::*;

    fn refused(text: &str) -> bool {
        check(&TokenMaterial::Text(Secret::from(text.to_owned()))).is_some()
    }

    #[test]
    fn what_honest_requests_carry_is_refused() {
        for text in [
            "",
            "short",
            "1234567",
            "aaaaaaaaaaaa",
            "abababababab",
            "passwordpassword",
            "1234567890",
            "0987654321",
            "12345678901234567890",
            "abcdefghij",
            "zyxwvutsrq",
            "qwertyuiop",
            "qwertyuiopasdfghjkl",
            "0000000000000001",
            "Authorization",
            "AUTHORIZATION",
            "x-forwarded-for",
            "X-Forwarded-For",
            "Content-Type",
            "content-length",
            "access-control-allow-origin",
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/html; charset=utf-8",
            "image/png",
            "application/vnd.acme.thing+json",
            "ation/json",
            "Bearer ",
            "Bearer  ",
            "password",
            "Password1",
            "undefined",
            "localhost",
            "localhost:8080",
            "keep-alive",
            "gzip, deflate, br",
            "deflate,br",
            "no-cache",
            "max-age=0",
            "Mozilla/5.0",
            "AppleWebKit/537.36",
            "Mozilla/5.0 (X11; Linux x86_64)",
            "en-US,en;q=0.9",
            "curl/8.14.1",
            "python-requests/2.32.3",
            "https://example.com",
            "https://example.com/users?page=2",
            "http://127.0.0.1:8080/",
            "api.example.com",
            "WWW.EXAMPLE.COM",
            "api.example.com:8443",
            "192.168.100.1",
            "192.168.100.1:8080",
            "10.0.0.0/8 ",
            "2001:db8::1234",
            "2026-11-24",
            "2026-11-24T08:12:31Z",
            "2026-11-24T08:12:31.123+00:00",
            "Tue, 15 Nov 1994 08:12:31 GMT",
            "1732481953",
            "1732481953123",
            "+44 20 7946 0000",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "user@example.com",
            "changeme",
            "your-api-key-here",
            "YOUR_API_KEY",
            "<YOUR_TOKEN>",
            "${API_TOKEN}",
            "{{ api_token }}",
            "process.env.API_KEY",
            "****************",
            "xxxxxxxxxxxxxxxx",
            "test1234",
            "application",
            "customerName",
            "customer_account",
            "/api/v1/users",
            "/index.html",
        ] {
            assert!(refused(text), "{text:?} could stand in honest requests");
        }
    }

    #[test]
    fn what_is_random_or_structured_passes() {
        // Built from pieces, so that no scanner takes them for real ones.
        let body = "9fK2xQ7vLmZ4tR8wYbN6cHd3sJ5gP1aEuV0o";
        for text in [
            format!("gh{}_{body}", 'p'),
            format!("sk_{}_{body}", "live"),
            format!("xox{}-2401-{body}", 'b'),
            format!("SG{}{}.{body}", '.', &body[..22]),
            format!("{}.{}.{body}", "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0"),
            format!("AKI{}", "A4QJ7ZT2KXW9MB5NC"),
            "6f1c2d9e-83ab-4c57-9e0f-2b7d41c8a5e3".to_owned(),
            "d41f8cd98f00b204".to_owned(),
            "kq7x2mz9".to_owned(),
            "Tr0ub4dor&3x".to_owned(),
            "correct horse battery staple".to_owned(),
            format!("https://hooks.example.com/services/T024/B08/{body}"),
            format!("postgres://app:{}@db.example.com/main", &body[..16]),
        ] {
            assert!(!refused(&text), "{text:?} is a token");
        }
        assert_eq!(
            check(&TokenMaterial::Text(Secret::new(vec![0x80, 7, 0xfe, 9, 1, 0x90, 3, 0xaa]))),
            None
        );
    }

    #[test]
    fn digests_pass_and_giants_do_not() {
        let weak = Secret::from("a".to_owned());
        assert_eq!(check(&TokenMaterial::Digest(weak.digest())), None);
        for text in [
            "application/json",
            "Application/JSON",
            "APPLICATION/JSON",
            "Content-Type",
            "X-Requested-With",
            "XMLHttpRequest",
            "keep-alive",
            "Mozilla/5.0",
            "password",
            "Password",
            "application/xhtml+xml",
        ] {
            let digest = Secret::from(text.to_owned()).digest();
            assert!(check(&TokenMaterial::Digest(digest)).is_some(), "{text}");
        }
        let mut giant = vec![b'a'; limits::TOKEN_BYTES];
        for (index, byte) in giant.iter_mut().enumerate() {
            *byte = b"9fK2xQ7vLmZ4tR8wYbN6cHd3sJ5gP1aEuV0o"[(index * index + index / 7) % 36];
        }
        assert_eq!(check_text(&giant), None);
        giant.push(b'Z');
        assert!(check_text(&giant).is_some());
    }

    /// One in many thousands of random 16 characters looks like a name with a number behind it, and
    /// is refused without `force`; none of 20 and more does.
    #[test]
    fn random_tokens_pass() {
        let mut runner = TestRunner::deterministic();
        let mut refused = 0;
        for _ in 0..5_000 {
            let short = string_regex("[0-9A-Za-z]{16,19}").unwrap().new_tree(&mut runner).unwrap();
            refused += usize::from(check_text(short.current().as_bytes()).is_some());
            let long = string_regex("[0-9A-Za-z]{20,64}").unwrap().new_tree(&mut runner).unwrap();
            assert_eq!(check_text(long.current().as_bytes()), None);
        }
        assert!(refused <= 1, "{refused} of 5,000 were refused");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn random_hex_passes(token in "[0-9a-f]{20,64}") {
            prop_assert_eq!(check_text(token.as_bytes()), None);
        }

        /// Nothing of a token is in the reason: of two tokens of one length with one reason the
        /// words are the same, and no bytes make it panic.
        #[test]
        fn any_bytes_are_judged(token in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(reason) = check_text(&token) {
                prop_assert!(reason.is_ascii());
            }
        }
    }
}
