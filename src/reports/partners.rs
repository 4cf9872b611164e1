//! What partners send to hooks: a whole body in, findings out.

use serde::Deserialize;

use super::draft::{Context, Draft};
use super::lenient;
use super::{Format, Hints, Item, Limits, Parser};
use crate::model::leak::SourceKind;
use crate::model::partner::Partner;
use crate::model::secret::Secret;
use crate::model::token::Validity;

/// Why nothing of a body can be taken. Nothing here comes from the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON.
    #[error("the body is not valid JSON")]
    NotJson,
    /// It is JSON of another form.
    #[error("the body is not of the form that this partner sends: {0}")]
    Form(&'static str),
    /// It has more matches than are taken at once.
    #[error("one report may have {0} matches: send several reports")]
    TooMany(usize),
}

/// One match of a report.
#[derive(Clone, Debug)]
pub struct Match {
    /// What was found, or why it is not taken; its line is the match's number, from 1.
    pub item: Item,
    /// The partner's name of the kind of token, where it is a plain name and may be repeated.
    pub kind: Option<String>,
}

/// The matches of a partner's body, at most `most`.
///
/// # Errors
/// [`Unreadable`] where the body as a whole is not of the partner's form; a match that cannot be
/// taken is refused by itself.
pub fn read(
    partner: Partner,
    body: &[u8],
    limits: Limits,
    most: usize,
) -> Result<Vec<Match>, Unreadable> {
    match partner {
        Partner::Github => drafts(partner, body, "a list of matches", most, limits),
        Partner::Gitlab => drafts(partner, body, "a list of tokens", most, limits),
        Partner::Gitguardian => {
            let alert: Alert = parse(body, "an object with matches")?;
            let parts = [alert.incident, alert.occurrence].into_iter().flatten();
            let url = alert.gitguardian_link;
            let mut found: Vec<Sent> = alert.matches;
            for part in parts {
                let place = part.url.or(part.gitguardian_url);
                found.extend(part.matches.into_iter().map(|mut sent| {
                    sent.url = sent.url.or_else(|| place.clone());
                    sent
                }));
            }
            for sent in &mut found {
                sent.url = sent.url.take().or_else(|| url.clone());
            }
            complete(partner, found, most, limits)
        }
        Partner::Trufflehog => trufflehog(body, most, limits),
    }
}

/// One match as GitHub, GitLab and GitGuardian send it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Sent {
    #[serde(alias = "match")]
    token: Option<Secret>,
    #[serde(alias = "name", deserialize_with = "lenient::text")]
    r#type: Option<String>,
    #[serde(alias = "location", deserialize_with = "lenient::text")]
    url: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    source: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Alert {
    matches: Vec<Sent>,
    incident: Option<Part>,
    occurrence: Option<Part>,
    #[serde(deserialize_with = "lenient::text")]
    gitguardian_link: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Part {
    matches: Vec<Sent>,
    #[serde(deserialize_with = "lenient::text")]
    url: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    gitguardian_url: Option<String>,
}

fn parse<'b, T: Deserialize<'b>>(body: &'b [u8], form: &'static str) -> Result<T, Unreadable> {
    // The error's own text may quote the body.
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Unreadable::Form(form),
        _ => Unreadable::NotJson,
    })
}

fn drafts(
    partner: Partner,
    body: &[u8],
    form: &'static str,
    most: usize,
    limits: Limits,
) -> Result<Vec<Match>, Unreadable> {
    complete(partner, parse::<Vec<Sent>>(body, form)?, most, limits)
}

fn complete(
    partner: Partner,
    sent: Vec<Sent>,
    most: usize,
    limits: Limits,
) -> Result<Vec<Match>, Unreadable> {
    if sent.len() > most {
        return Err(Unreadable::TooMany(most));
    }
    let context = Context { hints: Hints::default(), limits };
    let mut matches = Vec::with_capacity(sent.len());
    for (number, sent) in (1..).zip(sent) {
        let kind = sent.r#type.clone().filter(|kind| is_name(kind, sent.token.as_ref()));
        let draft = Draft {
            rule: sent.r#type,
            validity: Validity::Unknown,
            source_kind: source_kind(partner, sent.source.as_deref()),
            url: sent.url,
            tokens: sent.token.into_iter().collect(),
            ..Draft::default()
        };
        let mut items = Vec::new();
        draft.complete(number, &context, &mut items);
        matches.extend(items.into_iter().map(|item| Match { item, kind: kind.clone() }));
    }
    Ok(matches)
}

/// TruffleHog's objects are those of its report: one, or a list, or one a line.
fn trufflehog(body: &[u8], most: usize, limits: Limits) -> Result<Vec<Match>, Unreadable> {
    if !matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return Err(Unreadable::NotJson);
    }
    let mut parser = Parser::new(Some(Format::Trufflehog), Hints::default(), limits);
    let mut items = Vec::new();
    parser.feed(body, &mut items);
    parser.finish(&mut items);
    if items.len() > most {
        return Err(Unreadable::TooMany(most));
    }
    Ok(items.into_iter().map(|item| Match { item, kind: None }).collect())
}

/// Whether this is a plain name without any token in it.
fn is_name(kind: &str, token: Option<&Secret>) -> bool {
    let has_token = |token: &Secret| {
        !token.is_empty() && memchr::memmem::find(kind.as_bytes(), token.expose()).is_some()
    };
    (1..=128).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(&b))
        && !token.is_some_and(has_token)
}

/// The kind of place; absent: told from the URL.
fn source_kind(partner: Partner, source: Option<&str>) -> Option<SourceKind> {
    match (partner, source.unwrap_or_default()) {
        (Partner::Github, source) if source.starts_with("gist") => Some(SourceKind::Gist),
        (Partner::Github, "npm" | "nuget" | "package") => Some(SourceKind::Package),
        (Partner::Github, _) => Some(SourceKind::Github),
        (Partner::Gitlab, _) => Some(SourceKind::Gitlab),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        item_bytes: 4_096,
        nesting: 16,
        token_bytes: 64,
        tokens: 10,
        title_bytes: 64,
        place_bytes: 256,
    };

    /// Each match: kind of source, URL, repeated kind; or the refusal.
    fn told(partner: Partner, body: &str) -> Vec<String> {
        let matches = read(partner, body.as_bytes(), LIMITS, 3).unwrap();
        let told = matches.into_iter().map(|found| match found.item {
            Item::Finding(finding) => {
                assert_eq!(finding.tokens.len(), 1);
                let url = finding.source.url.unwrap_or_default();
                format!("{} {url} {}", finding.source.kind, found.kind.unwrap_or_default())
            }
            Item::Refused(item) => format!("{}: {}", item.line, item.reason),
        });
        told.collect()
    }

    #[test]
    fn partners_are_read() {
        let token = "tok0".repeat(5);
        let body = format!(
            r#"[{{"token":"{token}","type":"acme_key","url":"https://github.com/a/b","source":"commit"}},
                {{"token":"{token}","type":"{token}","url":null,"source":"gist_content"}},
                {{"type":"acme_key"}}]"#
        );
        assert_eq!(
            told(Partner::Github, &body),
            ["github https://github.com/a/b acme_key", "gist  ", "3: it carries no token"]
        );
        let body = format!(
            r#"[{{"token":"{token}","type":"acme","location":"https://gitlab.example/a"}}]"#
        );
        assert_eq!(told(Partner::Gitlab, &body), ["gitlab https://gitlab.example/a acme"]);
        let body = format!(
            r#"{{"source":"GitGuardian","incident":{{"gitguardian_url":"https://gg.example/1",
                "matches":[{{"name":"apikey","match":"{token}"}}]}},
                "occurrence":{{"url":"https://github.com/a","matches":[{{"match":"{token}"}}]}}}}"#
        );
        assert_eq!(
            told(Partner::Gitguardian, &body),
            ["website https://gg.example/1 apikey", "github https://github.com/a "]
        );
        let body = format!(r#"{{"DetectorName":"Acme","Raw":"{token}"}}"#);
        assert_eq!(told(Partner::Trufflehog, &body), ["other  "]);
    }

    #[test]
    fn other_bodies_are_not() {
        for partner in Partner::ALL {
            let read = |body: &str| read(*partner, body.as_bytes(), LIMITS, 3).map(|m| m.len());
            assert_eq!(read("nothing"), Err(Unreadable::NotJson), "{partner}");
            let one = r#"{"token":"a","Raw":"a","DetectorName":"b"}"#;
            let four = format!("[{}]", [one; 4].join(","));
            let four = if *partner == Partner::Gitguardian {
                format!(r#"{{"matches":{four}}}"#)
            } else {
                four
            };
            assert_eq!(read(&four), Err(Unreadable::TooMany(3)), "{partner}");
        }
        assert!(matches!(read(Partner::Github, b"{}", LIMITS, 3), Err(Unreadable::Form(_))));
    }
}
