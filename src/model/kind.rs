//! What a token is, told from its form.

/// Prefixes that issuers document for their tokens, and the kind each stands for. The longest
/// prefix that fits wins.
const PREFIXES: &[(&str, &str)] = &[
    ("AKIA", "aws_access_key"),
    ("ASIA", "aws_access_key"),
    ("AIza", "google_api_key"),
    ("SG.", "sendgrid"),
    ("dop_v1_", "digitalocean_pat"),
    ("ghp_", "github_pat"),
    ("github_pat_", "github_pat"),
    ("gho_", "github_oauth"),
    ("ghs_", "github_app"),
    ("ghu_", "github_app"),
    ("ghr_", "github_refresh"),
    ("glpat-", "gitlab_pat"),
    ("hf_", "huggingface"),
    ("npm_", "npm"),
    ("pypi-", "pypi"),
    ("rk_live_", "stripe_live"),
    ("sk_live_", "stripe_live"),
    ("sk_test_", "stripe_test"),
    ("shpat_", "shopify"),
    ("xapp-", "slack"),
    ("xoxa-", "slack"),
    ("xoxb-", "slack"),
    ("xoxp-", "slack"),
];

/// The kind of a token that was planted on purpose: whoever uses it has found it. It is said, not
/// told from a form.
pub const HONEYTOKEN: &str = "honeytoken";

/// What a token of a kind opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// A live account or service.
    Live,
    /// Nobody knows.
    Unknown,
    /// Something, for a short while.
    Short,
    /// A place for tests.
    Test,
}

/// What a token of this kind opens.
pub fn reach(kind: &str) -> Reach {
    match kind {
        "jwt" | "github_app" => Reach::Short,
        _ if kind.split('_').any(|part| part == "test") => Reach::Test,
        _ if PREFIXES.iter().any(|(_, known)| *known == kind) => Reach::Live,
        _ => Reach::Unknown,
    }
}

/// The kind of a token, or `unknown`.
///
/// # Examples
/// ```
/// use leakgate::model::kind;
/// assert_eq!(kind::of(b"glpat-0000000000"), "gitlab_pat");
/// assert_eq!(kind::of(b"something else"), "unknown");
/// ```
pub fn of(token: &[u8]) -> &'static str {
    if is_jwt(token) {
        return "jwt";
    }
    PREFIXES
        .iter()
        .filter(|(prefix, _)| token.starts_with(prefix.as_bytes()))
        .max_by_key(|(prefix, _)| prefix.len())
        .map_or("unknown", |(_, kind)| kind)
}

/// A kind's name out of what a reporter calls it: small letters, digits and underscores; nothing where
/// nothing is left.
///
/// # Examples
/// ```
/// use leakgate::model::kind;
/// assert_eq!(kind::named("betterleaks.github-pat").as_deref(), Some("github_pat"));
/// ```
pub fn named(reported: &str) -> Option<String> {
    let last = reported.rsplit('.').next().unwrap_or(reported);
    let mut name = String::with_capacity(last.len());
    for c in last.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Three base64url parts, the first of which begins a JSON object (`{"` encodes to `eyJ`).
fn is_jwt(token: &[u8]) -> bool {
    let mut parts = 0;
    for part in token.split(|&byte| byte == b'.') {
        parts += 1;
        if part.is_empty()
            || !part.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='))
        {
            return false;
        }
    }
    parts == 3 && token.starts_with(b"eyJ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_form() {
        assert_eq!(of(b"github_pat_11AAAA"), "github_pat");
        assert_eq!(of(b"eyJhbGciOiJI.eyJzdWIi.c2ln"), "jwt");
        assert_eq!(of(b"eyJhbGciOiJI.eyJzdWIi"), "unknown");
        assert_eq!(of(b"eyJ..c2ln"), "unknown");
        assert_eq!(of(b""), "unknown");
    }

    #[test]
    fn kinds_tell_what_they_open() {
        assert_eq!(reach("stripe_live"), Reach::Live);
        assert_eq!(reach("stripe_test"), Reach::Test);
        assert_eq!(reach("jwt"), Reach::Short);
        assert_eq!(reach("our_own"), Reach::Unknown);
    }

    #[test]
    fn kinds_are_plain_names() {
        assert_eq!(named("betterleaks.github-pat").as_deref(), Some("github_pat"));
        assert_eq!(named("Generic API  Key!").as_deref(), Some("generic_api_key"));
        assert_eq!(named("…"), None);
    }
}
