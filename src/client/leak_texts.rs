//! What is said of a leak when it is registered or changed, and its tokens on their way to the API.

use clap::Args;
use serde_json::{Map, Value};
use zeroize::Zeroize;

use crate::model::secret::Secret;

use super::failure::Failure;
use super::import::{risks, source_kinds};
use super::tokens::is_digest;

/// What can be said of a leak.
#[derive(Args, Debug, Default)]
pub struct LeakTexts {
    /// How bad it is.
    #[arg(long, value_parser = risks())]
    pub risk: Option<String>,
    /// What its tokens are, such as `github_pat`.
    #[arg(long)]
    pub kind: Option<String>,
    /// Whose tokens they are.
    #[arg(long)]
    pub owner: Option<String>,
    /// Whom to call.
    #[arg(long)]
    pub contact: Option<String>,
    /// What is to be said with it.
    #[arg(long)]
    pub comment: Option<String>,
    /// Kind of place where it was seen.
    #[arg(long, value_name = "KIND", value_parser = source_kinds())]
    pub source_kind: Option<String>,
    /// The place itself.
    #[arg(long, requires = "source_kind")]
    pub url: Option<String>,
    /// File path inside it.
    #[arg(long, requires = "source_kind")]
    pub path: Option<String>,
    /// Commit, where the place has history.
    #[arg(long, requires = "source_kind")]
    pub commit: Option<String>,
    /// Line in the file.
    #[arg(long, requires = "source_kind")]
    pub line: Option<u64>,
}

impl LeakTexts {
    /// As fields of a JSON object; what is not said is absent.
    pub(super) fn json(self, title: Option<String>) -> Map<String, Value> {
        let texts = |fields: Vec<(&str, Option<String>)>| -> Map<String, Value> {
            let there = fields.into_iter().filter_map(|(name, text)| Some((name, text?)));
            there.map(|(name, text)| (name.to_owned(), Value::from(text))).collect()
        };
        let mut fields = texts(vec![
            ("title", title),
            ("risk", self.risk),
            ("kind", self.kind),
            ("owner", self.owner),
            ("contact", self.contact),
            ("comment", self.comment),
        ]);
        if self.source_kind.is_some() {
            let mut source = texts(vec![
                ("kind", self.source_kind),
                ("url", self.url),
                ("path", self.path),
                ("commit", self.commit),
            ]);
            source.extend(self.line.map(|line| ("line".to_owned(), line.into())));
            fields.insert("source".to_owned(), Value::Object(source));
        }
        fields
    }
}

/// Writes the object with tokens added under these names, text and digests apart.
pub(super) fn with_tokens(
    fields: &Map<String, Value>,
    tokens: &[Secret],
    [text_name, digest_name]: [&str; 2],
) -> Result<Vec<u8>, Failure> {
    let mut body = serde_json::to_vec(fields).unwrap_or_default();
    body.pop();
    for (name, digests) in [(text_name, false), (digest_name, true)] {
        let mut these = tokens.iter().filter(|token| is_digest(token) == digests).peekable();
        if these.peek().is_none() {
            continue;
        }
        if body.len() > 1 {
            body.push(b',');
        }
        body.extend_from_slice(format!("\"{name}\":[").as_bytes());
        while let Some(token) = these.next() {
            secret_text(token, &mut body)?;
            if these.peek().is_some() {
                body.push(b',');
            }
        }
        body.push(b']');
    }
    body.push(b'}');
    Ok(body)
}

/// Writes a token or password as a JSON text.
pub(super) fn secret_text(token: &Secret, body: &mut Vec<u8>) -> Result<(), Failure> {
    let text = std::str::from_utf8(token.expose()).map_err(|_| {
        Failure::Input("a token or password is not text in UTF-8, which the API needs".to_owned())
    })?;
    let mut json = serde_json::to_vec(text).unwrap_or_default();
    body.extend_from_slice(&json);
    json.zeroize();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_digests_stand_apart() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        let tokens = [
            Secret::from("one\"quoted\\".to_owned()),
            Secret::from(digest.clone()),
            Secret::from("two".to_owned()),
        ];
        let texts = LeakTexts { owner: Some("Team".to_owned()), ..LeakTexts::default() };
        let body = with_tokens(&texts.json(None), &tokens, ["tokens", "token_digests"]).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({
            "owner": "Team", "tokens": ["one\"quoted\\", "two"], "token_digests": [digest]
        });
        assert_eq!(body, expected);
        let body = with_tokens(&Map::new(), &tokens[..1], ["a", "b"]).unwrap();
        assert_eq!(body, br#"{"a":["one\"quoted\\"]}"#);
    }
}
