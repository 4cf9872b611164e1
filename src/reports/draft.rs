//! From what a format's parser read to a finding that is fit to be shown: tokens checked, places
//! cleaned, and no token left in any text.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::model::finding::{Finding, RefusedItem};
use crate::model::kind;
use crate::model::leak::{Risk, Source, SourceKind};
use crate::model::secret::Secret;
use crate::model::token::Validity;

use super::{Hints, Item, Limits, place};

/// What every parser needs beside the bytes.
pub(super) struct Context {
    pub(super) hints: Hints,
    pub(super) limits: Limits,
}

/// Why an item cannot be taken. Nothing here comes from the report.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "the format of the report cannot be told from its beginning: say it with format, one of {}",
        format_names()
    )]
    UnknownFormat,
    #[error("not valid JSON")]
    Json,
    #[error("the report ends in the middle of this")]
    Truncated,
    #[error("not a finding of this format")]
    NotAFinding,
    #[error("a field is of an unexpected type")]
    FieldType,
    #[error("larger than {0} bytes")]
    ItemBytes(usize),
    #[error("nested more than {0} levels deep")]
    Nesting(usize),
    #[error("it carries no token")]
    NoToken,
    #[error("the token is redacted: run the scanner without redaction and import that report")]
    Redacted,
    #[error("the token is longer than {0} bytes")]
    TokenBytes(usize),
    #[error("more than {0} tokens in one finding")]
    TooManyTokens(usize),
    #[error("the token holds control characters")]
    Control,
    #[error("a row before the header, or a header without a column named token or secret")]
    NoHeader,
    #[error(
        "the result has no text of the token (region.snippet.text): import the scanner's own format"
    )]
    NoSnippet,
    #[error(
        "the result shows a piece of code, not the token alone: import the scanner's own format"
    )]
    SnippetIsCode,
}

fn format_names() -> String {
    super::Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

impl From<serde_json::Error> for Refusal {
    /// The error's own text may quote the report, so only its class is kept.
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => Self::FieldType,
            _ => Self::Json,
        }
    }
}

/// What one item of a report says, as it says it.
#[derive(Default)]
pub(super) struct Draft {
    /// A title of the report's own.
    pub(super) title: Option<String>,
    /// The rule that found it, or what the scanner calls this kind of token.
    pub(super) rule: Option<String>,
    pub(super) risk: Option<Risk>,
    pub(super) validity: Validity,
    /// The kind of place, where the report says it outright.
    pub(super) source_kind: Option<SourceKind>,
    /// Link to the very place.
    pub(super) url: Option<String>,
    /// The repository, page or package, where there is no link to the place.
    pub(super) repository: Option<String>,
    pub(super) path: Option<String>,
    pub(super) commit: Option<String>,
    pub(super) line: Option<u64>,
    pub(super) owner: Option<String>,
    pub(super) tokens: Vec<Secret>,
    /// Why there are no tokens, where the parser knows better.
    pub(super) no_token: Option<Refusal>,
}

impl Draft {
    /// Makes a finding of it and refuses the tokens that cannot be taken.
    pub(super) fn complete(self, line: u64, context: &Context, items: &mut Vec<Item>) {
        let limits = &context.limits;
        let mut refuse = |reason: Refusal| {
            items.push(Item::Refused(RefusedItem { line, reason: reason.to_string() }));
        };
        let mut tokens: Vec<Secret> = Vec::new();
        let mut seen = HashSet::new();
        let mut refused = false;
        for token in self.tokens {
            if !seen.insert(token.digest()) {
                continue;
            }
            let checked = if tokens.len() < limits.tokens {
                check(&token, limits)
            } else {
                Err(Refusal::TooManyTokens(limits.tokens))
            };
            match checked {
                Ok(()) => tokens.push(token),
                Err(reason) => {
                    let last = matches!(reason, Refusal::TooManyTokens(_));
                    refuse(reason);
                    refused = true;
                    if last {
                        break;
                    }
                }
            }
        }
        let Some(first) = tokens.first() else {
            if !refused {
                refuse(self.no_token.unwrap_or(Refusal::NoToken));
            }
            return;
        };

        let clean = |text: Option<String>, bytes: usize| {
            text.and_then(|text| without_tokens(&text, &tokens)).and_then(|text| cut(text, bytes))
        };
        let rule = clean(self.rule, limits.title_bytes);
        let path = clean(self.path, limits.place_bytes);
        let commit = self.commit.filter(|commit| is_commit(commit));
        let commit = clean(commit, limits.title_bytes);
        let address = |url: Option<String>| {
            url.map(|url| place::without_credentials(&url))
                .filter(|url| url.len() <= limits.place_bytes)
                .and_then(|url| clean(Some(url), limits.place_bytes))
        };
        let (url, repository) = (address(self.url), address(self.repository));
        let url = url.filter(|url| place::is_link(url)).or(repository);

        let source_kind = context
            .hints
            .source_kind
            .or(self.source_kind)
            .unwrap_or_else(|| url.as_deref().map_or(SourceKind::Other, place::kind_of));
        let kind = match kind::of(first.expose()) {
            "unknown" => rule.clone(),
            _ => None,
        };
        let own = clean(self.title, limits.title_bytes).unwrap_or_else(|| {
            let what = rule.as_deref().unwrap_or("token");
            match (path.as_deref().or(url.as_deref()), self.line) {
                (Some(place), Some(line)) if path.is_some() => format!("{what} in {place}:{line}"),
                (Some(place), _) => format!("{what} in {place}"),
                (None, _) => what.to_owned(),
            }
        });
        let title = match &context.hints.title {
            Some(title) => format!("{title}: {own}"),
            None => own,
        };
        // A hint may be as careless as a report.
        let title = clean(Some(title), limits.title_bytes).unwrap_or_else(|| "token".to_owned());
        items.push(Item::Finding(Finding {
            title,
            kind,
            risk: context.hints.risk.or(self.risk),
            owner: clean(self.owner, limits.title_bytes),
            source: Source { kind: source_kind, url, path, commit, line: self.line },
            validity: self.validity,
            line,
            tokens,
        }));
    }
}

/// Whether the token can be taken at all; what may become a rule is decided elsewhere.
pub(super) fn check(token: &Secret, limits: &Limits) -> Result<(), Refusal> {
    let bytes = token.expose();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::NoToken);
    }
    if is_redacted(bytes) {
        return Err(Refusal::Redacted);
    }
    if bytes.len() > limits.token_bytes {
        return Err(Refusal::TokenBytes(limits.token_bytes));
    }
    Ok(())
}

/// Whether a scanner put this in the token's place: the word, a row of one masking character, or a
/// beginning with an ellipsis.
fn is_redacted(token: &[u8]) -> bool {
    let upper = Zeroizing::new(token.to_ascii_uppercase());
    let masks = |mask: &[u8]| {
        token.len() >= mask.len()
            && token.chunks(mask.len()).all(|part| part.eq_ignore_ascii_case(mask))
    };
    memchr::memmem::find(&upper, b"REDACT").is_some()
        || memchr::memmem::find(token, b"***").is_some()
        || token.ends_with(b"...")
        || token.ends_with("…".as_bytes())
        || masks(b"*")
        || masks(b"x")
        || masks("•".as_bytes())
}

/// Puts the masked form in the place of each token in the text, and takes control characters out.
/// Absent where a token would still be there once the text is percent-decoded.
fn without_tokens(text: &str, tokens: &[Secret]) -> Option<String> {
    let mut text = text.to_owned();
    for token in tokens {
        let Ok(secret) = std::str::from_utf8(token.expose()) else { continue };
        if text.contains(secret) {
            text = text.replace(secret, &token.masked());
        }
    }
    let decoded = Zeroizing::new(percent_decode_str(&text).collect::<Vec<u8>>());
    let hidden = |token: &Secret| memchr::memmem::find(&decoded, token.expose()).is_some();
    if tokens.iter().any(hidden) {
        return None;
    }
    Some(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

/// At most so many bytes of the text, trimmed; absent where nothing is left.
fn cut(mut text: String, bytes: usize) -> Option<String> {
    if text.len() > bytes {
        let mut end = bytes.saturating_sub('…'.len_utf8());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A commit's id or a revision's name: nothing that could be a sentence.
fn is_commit(commit: &str) -> bool {
    (1..=64).contains(&commit.len())
        && commit.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Whether a capture of this name holds a secret, and not a domain or an account, which would block
/// honest traffic.
pub(super) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let says = |word: &str| name.contains(word);
    let identifies = ["key_id", "key-id", "keyid", "key_name", "public", "_id", "-id", "domain"];
    (says("secret") || says("token") || says("password") || says("passwd") || says("key"))
        && !identifies.iter().any(|word| name.ends_with(word) || (*word == "public" && says(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redaction_is_seen() {
        for redacted in [
            "REDACTED",
            "REDACT",
            "[REDACTED:1f00aa2b]",
            "abcdef...",
            "abcdef…",
            "********",
            "•••",
            "XXXXXXXX",
            "ab***cd",
        ] {
            assert!(is_redacted(redacted.as_bytes()), "{redacted}");
        }
        for real in ["abcdef0123456789", "xoxb-0123", "a.b.c", "#hash"] {
            assert!(!is_redacted(real.as_bytes()), "{real}");
        }
    }

    #[test]
    fn captures_are_told_apart() {
        for secret in ["AWS_SECRET_ACCESS_KEY", "TOKEN", "client_secret", "DB_PASSWORD", "apikey"] {
            assert!(names_a_secret(secret), "{secret}");
        }
        for other in ["DOMAIN", "ACCOUNT", "AWS_ACCESS_KEY_ID", "PUBLIC_KEY", "HOST", "TOKEN_ID"] {
            assert!(!names_a_secret(other), "{other}");
        }
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(cut("ééééé".to_owned(), 8).as_deref(), Some("éé…"));
        assert_eq!(cut("  ".to_owned(), 8), None);
    }

    #[test]
    fn tokens_leave_texts() {
        let tokens = [Secret::from("sekrit/0123456789".to_owned())];
        let shown = without_tokens("a?k=sekrit/0123456789&b", &tokens);
        assert_eq!(shown.as_deref(), Some("a?k=se…89&b"));
        assert_eq!(without_tokens("a?k=sekrit%2F0123456789&b", &tokens), None);
        assert_eq!(without_tokens("a\u{1b}[2Jb", &tokens).as_deref(), Some("a [2Jb"));
    }
}
