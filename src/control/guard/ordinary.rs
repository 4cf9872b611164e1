//! What ordinary requests carry: known strings, and forms such as hosts, dates and words.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use ipnet::IpNet;
use jiff::Timestamp;
use memchr::memmem;

use super::entropy;
use crate::config::limits;
use crate::model::secret::Secret;
use crate::model::token::TokenDigest;

/// Length from which a run of letters and digits is not taken for a word or part of a name.
const RUN: usize = 16;
/// Length from which words put together are taken for a passphrase, not for a name.
const NAME: usize = 20;
/// Digits up to which a number may be a time, an amount, a card or a telephone number.
const NUMBER: usize = 17;

/// Why the text is ordinary, if it is. `lower` is the text in lower case.
pub(super) fn reason(text: &str, lower: &str) -> Option<&'static str> {
    if memmem::find(KNOWN_LINES.as_bytes(), lower.as_bytes()).is_some() {
        return Some("ordinary requests carry this string, or one that contains it");
    }
    if is_placeholder(lower) {
        return Some("it is a placeholder, not a token");
    }
    if is_media_type(lower) {
        return Some("it is a media type, which ordinary requests carry");
    }
    if is_number_or_time(text) {
        return Some("it is a number or a time, which ordinary requests carry");
    }
    if is_address(text) || is_host(text) || is_mailbox(text) {
        return Some("it is an address or a host name, which ordinary requests carry");
    }
    if is_url(text) || is_path(text) {
        return Some("it is a URL or a path without any secret in it");
    }
    if is_product(text) {
        return Some("it is a product and its version, which ordinary requests carry");
    }
    if text.len() < NAME && is_words(text) {
        return Some("it reads like a word or a name, which ordinary requests carry");
    }
    None
}

fn is_placeholder(lower: &str) -> bool {
    let inner = lower.trim_matches(|c: char| "<>{}[]()$%#\"' ".contains(c));
    (inner.len() < lower.len() && lower.len() < 2 * NAME && is_words(inner))
        || ["your-", "your_", "insert-", "insert_", "replace-", "replace_", "example-", "example_"]
            .iter()
            .any(|start| inner.starts_with(start) && inner.len() < 2 * NAME && is_words(inner))
}

fn is_media_type(lower: &str) -> bool {
    const TYPES: &[&str] = &[
        "application",
        "audio",
        "font",
        "image",
        "message",
        "model",
        "multipart",
        "text",
        "video",
    ];
    let essence = lower.split(';').next().unwrap_or_default().trim_end();
    essence.split_once('/').is_some_and(|(kind, rest)| {
        TYPES.contains(&kind)
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&b))
    }) && !has_random_piece(lower)
}

fn is_number_or_time(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let separators = text.bytes().all(|b| b.is_ascii_digit() || b"+-:./ ,()%TZtz".contains(&b));
    if separators && digits > 0 {
        // A number alone of 16 digits and more may be a token; with separators it is a date, a
        // card or a telephone number.
        return digits < RUN || (digits <= NUMBER && digits < text.len()) || is_time(text);
    }
    is_time(text)
}

fn is_time(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok() || jiff::fmt::rfc2822::parse(text).is_ok()
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
        || text.parse::<SocketAddr>().is_ok()
        || text.parse::<IpNet>().is_ok()
}

/// Dot-separated labels, written in one case, none of them long, and an optional port.
fn is_host(text: &str) -> bool {
    let name = match text.rsplit_once(':') {
        Some((name, port)) if is_short_number(port) => name,
        Some(_) => return false,
        None => text,
    };
    if name == "localhost" {
        return true;
    }
    let Some((labels, top)) = name.rsplit_once('.') else { return false };
    one_case(name)
        && top.len() >= 2
        && top.bytes().all(|b| b.is_ascii_alphabetic())
        && labels.split('.').chain([top]).all(|label| {
            !label.is_empty()
                && label.len() < RUN
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

fn is_mailbox(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, host)| {
        !local.contains(':') && !has_random_piece(local) && is_host(host)
    })
}

/// A URL in which no user information, path segment or value could be a secret.
fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && !rest.split(['/', '?', '#']).next().unwrap_or_default().contains('@')
            && !has_random_piece(rest)
    })
}

fn is_path(text: &str) -> bool {
    text.strip_prefix('/').is_some_and(|rest| {
        rest.split(['/', '.', '?', '=', '&']).all(|piece| {
            piece.is_empty() || is_short_number(piece) || is_version(piece) || is_words(piece)
        })
    })
}

/// A name, a slash and a version, such as `curl/8.14.1`.
fn is_product(text: &str) -> bool {
    text.len() < 2 * NAME
        && text.split_once('/').is_some_and(|(name, version)| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
                && is_version(version)
        })
}

fn is_version(text: &str) -> bool {
    text.trim_start_matches(['v', 'V']).split('.').all(is_short_number)
}

fn is_short_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a piece between separators is long, mixed and hard to guess: it may be a secret.
fn has_random_piece(text: &str) -> bool {
    text.split(['/', '?', '&', '=', '.', ':', ';', ',', '#', ' ']).any(|piece| {
        piece.len() >= RUN
            && piece.bytes().any(|b| b.is_ascii_digit())
            && piece.bytes().any(|b| b.is_ascii_alphabetic())
            && entropy::bits(piece.as_bytes()) >= 1.5 * entropy::ENOUGH
    })
}

/// Words put together as in names, perhaps with a few digits or marks at the end.
fn is_words(text: &str) -> bool {
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
    if stem.is_empty() || text.len() - stem.len() > 4 {
        return false;
    }
    stem.split(['-', '_', '.', '/', ':', ' ']).all(|part| {
        let mut rest = part;
        while !rest.is_empty() {
            let (word, after) = split_camel(rest);
            if !is_word(word) {
                return false;
            }
            rest = after;
        }
        part.len() < RUN
    })
}

/// Splits `customerName` before the capital that follows a small letter.
fn split_camel(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let border = bytes
        .iter()
        .zip(bytes.iter().skip(1))
        .position(|(before, after)| before.is_ascii_lowercase() && after.is_ascii_uppercase());
    border.and_then(|at| text.split_at_checked(at + 1)).unwrap_or((text, ""))
}

/// Letters in one case (or with a capital first) that can be spoken.
fn is_word(text: &str) -> bool {
    if text.len() < 2 || !text.bytes().all(|b| b.is_ascii_alphabetic()) {
        return false;
    }
    if !one_case(text) && !text.get(1..).is_some_and(|t| t.bytes().all(|b| b.is_ascii_lowercase()))
    {
        return false;
    }
    let mut vowels = 0;
    let (mut consonant_run, mut vowel_run) = (0, 0);
    let (mut longest_consonants, mut longest_vowels) = (0, 0);
    for byte in text.bytes() {
        if b"aeiouyAEIOUY".contains(&byte) {
            vowels += 1;
            vowel_run += 1;
            consonant_run = 0;
        } else {
            consonant_run += 1;
            vowel_run = 0;
        }
        longest_consonants = longest_consonants.max(consonant_run);
        longest_vowels = longest_vowels.max(vowel_run);
    }
    text.len() <= 4 || (vowels > 0 && longest_consonants <= 4 && longest_vowels <= 3)
}

fn one_case(text: &str) -> bool {
    !text.bytes().any(|b| b.is_ascii_uppercase()) || !text.bytes().any(|b| b.is_ascii_lowercase())
}

/// Whether it is the digest of a known string, of a part of one that is a value by itself, or of
/// one of these in another case.
pub(super) fn is_digest(digest: &TokenDigest) -> bool {
    KNOWN_DIGESTS.contains(&digest.0)
}

static KNOWN_DIGESTS: LazyLock<HashSet<[u8; 32]>> = LazyLock::new(|| {
    let mut digests = HashSet::new();
    for line in KNOWN.iter().chain(MIXED) {
        let fields = line.split([' ', ',', ';', '(', ')', '[', ']']);
        let pieces = line.split(|c: char| c != '/' && c != '.' && !is_inner(c));
        let words = line.split(|c: char| !is_inner(c));
        for text in fields.chain(pieces).chain(words).chain([*line]) {
            if text.len() >= limits::TOKEN_BYTES_APPLICABLE {
                for text in
                    [text.to_owned(), text.to_uppercase(), capitals(text), first_capital(text)]
                {
                    digests.insert(Secret::from(text).digest().0);
                }
            }
        }
    }
    digests
});

/// What ordinary requests write with capitals inside words.
const MIXED: &[&str] = &[
    "Application/JSON",
    "AppleWebKit/537.36",
    "AppleWebKit",
    "XMLHttpRequest",
    "accessToken",
    "refreshToken",
    "sessionId",
    "Keep-Alive",
    "JSESSIONID",
    "PHPSESSID",
    "clientId",
    "clientSecret",
];

/// Whether the character stands inside names.
fn is_inner(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// The text with each of its words beginning with a capital, as in `Content-Type`.
fn capitals(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .map(|c| {
            let begins = !inside;
            inside = c.is_ascii_alphanumeric();
            if begins { c.to_ascii_uppercase() } else { c }
        })
        .collect()
}

/// The text beginning with a capital.
fn first_capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

/// [`KNOWN`] in one text, so that one search covers all.
static KNOWN_LINES: LazyLock<String> = LazyLock::new(|| KNOWN.join("\n"));

/// Strings of ordinary requests, in lower case. A token that stands inside one of them is refused.
const KNOWN: &[&str] = &[
    // Header fields.
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-patch",
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "access-control-request-headers",
    "access-control-request-method",
    "authentication-info",
    "authorization",
    "cache-control",
    "cloudfront-forwarded-proto",
    "cloudfront-is-mobile-viewer",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-transfer-encoding",
    "content-type",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "device-memory",
    "early-data",
    "forwarded",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "http2-settings",
    "idempotency-key",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "keep-alive",
    "last-event-id",
    "last-modified",
    "max-forwards",
    "method-override",
    "ocp-apim-subscription-key",
    "permissions-policy",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "public-key-pins",
    "referrer-policy",
    "retry-after",
    "sec-ch-ua-full-version-list",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform-version",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "server-timing",
    "set-cookie",
    "strict-transport-security",
    "surrogate-control",
    "timing-allow-origin",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade-insecure-requests",
    "user-agent",
    "www-authenticate",
    "x-amz-content-sha256",
    "x-amz-security-token",
    "x-amzn-trace-id",
    "x-api-key",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-content-type-options",
    "x-correlation-id",
    "x-csrf-token",
    "x-envoy-expected-rq-timeout-ms",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-frame-options",
    "x-http-method-override",
    "x-original-forwarded-for",
    "x-permitted-cross-domain-policies",
    "x-powered-by",
    "x-request-id",
    "x-requested-with",
    "x-xss-protection",
    // Values of header fields.
    "*/*;q=0.8",
    "attachment; filename=",
    "aws4-hmac-sha256",
    "charset=utf-8",
    "connection: keep-alive",
    "en-us,en;q=0.9",
    "en-us,en;q=0.5",
    "en-gb,en-us;q=0.9,en;q=0.8",
    "form-data; name=",
    "gzip, deflate, br, zstd",
    "gzip,deflate,br,zstd",
    "gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
    "identity;q=1, *;q=0",
    "max-age=31536000; includesubdomains; preload",
    "max-age=3600",
    "no-cache, no-store, must-revalidate",
    "no-cache,no-store,must-revalidate",
    "no-store, no-cache, max-age=0",
    "nosniff",
    "permessage-deflate; client_max_window_bits",
    "public, max-age=0",
    "same-origin",
    "same-site",
    "cross-site",
    "sameorigin",
    "samesite=strict; secure; httponly",
    "samesite=none; secure; path=/",
    "strict-origin-when-cross-origin",
    "timeout=5, max=1000",
    "trailers, deflate",
    "u=0, i",
    "websocket",
    "xmlhttprequest",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8",
    "application/json, text/plain, */*",
    "application/json",
    "application/json; charset=utf-8",
    "application/x-www-form-urlencoded; charset=utf-8",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "application/problem+json",
    "application/grpc-web-text+proto",
    "application/javascript",
    "multipart/form-data; boundary=----webkitformboundary",
    "text/event-stream",
    "text/plain;charset=utf-8",
    "text/plain; charset=utf-8",
    "text/html; charset=utf-8",
    "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    "http/1.1",
    "connection: upgrade",
    // User agents.
    "mozilla/5.0 (windows nt 10.0; win64; x64) applewebkit/537.36 (khtml, like gecko) chrome/",
    "mozilla/5.0 (macintosh; intel mac os x 10_15_7) applewebkit/605.1.15 (khtml, like gecko) version/",
    "mozilla/5.0 (x11; linux x86_64) applewebkit/537.36 (khtml, like gecko) chrome/",
    "mozilla/5.0 (windows nt 10.0; win64; x64; rv:109.0) gecko/20100101 firefox/",
    "mozilla/5.0 (iphone; cpu iphone os 17_5 like mac os x) applewebkit/605.1.15 (khtml, like gecko) mobile/15e148 safari/604.1",
    "mozilla/5.0 (linux; android 10; k) applewebkit/537.36 (khtml, like gecko) mobile safari/537.36",
    "mozilla/5.0 (x11; linux x86_64; rv:128.0) gecko/20100101 firefox/",
    "mozilla/5.0 (compatible; googlebot/2.1; +http://www.google.com/bot.html)",
    "apache-httpclient/4.5.13 (java/17.0.2)",
    "postmanruntime/",
    "elb-healthchecker/2.0",
    "kube-probe/",
    // Names of parameters, fields and variables, and values without meaning.
    "access_token",
    "accesstoken",
    "access_key",
    "account_id",
    "client_credentials",
    "client_secret",
    "client_assertion_type",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "authorization_code",
    "grant_type=client_credentials",
    "grant_type=refresh_token",
    "grant_type=authorization_code",
    "code_verifier",
    "code_challenge_method",
    "refresh_token",
    "response_type=code",
    "redirect_uri",
    "private_key",
    "secret_key",
    "session_id",
    "sessionid",
    "phpsessid",
    "jsessionid",
    "connect.sid",
    "csrfmiddlewaretoken",
    "password",
    "passw0rd",
    "p@ssw0rd",
    "changeme",
    "change-me",
    "letmein1",
    "deadbeef",
    "deadbeefdeadbeef",
    "cafebabe",
    "undefined",
    "[object object]",
    "localhost",
    "lorem ipsum dolor sit amet",
    "example.com",
    "test-token",
    "my-secret-token",
    "basic auth",
    "-----begin rsa private key-----",
    "-----begin private key-----",
    "-----begin openssh private key-----",
    "-----begin certificate-----",
    "eyjhbgcioijiuzi1niisinr5cci6ikpxvcj9",
    "eyj0exaioijkv1qilcjhbgcioijiuzi1nij9",
    "eyjhbgcioijsuzi1niisinr5cci6ikpxvcj9",
];
