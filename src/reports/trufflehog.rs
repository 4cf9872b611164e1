//! One line of TruffleHog's `--json` output (3.x).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::leak::{Risk, SourceKind};
use crate::model::secret::Secret;
use crate::model::token::Validity;

use super::draft::{Draft, Refusal};
use super::lenient;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Entry {
    source_metadata: Option<SourceMetadata>,
    #[serde(deserialize_with = "lenient::text")]
    detector_name: Option<String>,
    verified: Option<bool>,
    raw: Option<Secret>,
    raw_v2: Option<Secret>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct SourceMetadata {
    /// One entry, under the name of the kind of source.
    data: Option<BTreeMap<String, Place>>,
}

/// The fields that say where, of any kind of source.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Place {
    #[serde(deserialize_with = "lenient::text")]
    link: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    repository: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    image: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    package: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    bucket: Option<String>,
    #[serde(alias = "filename", alias = "path", deserialize_with = "lenient::text")]
    file: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    commit: Option<String>,
    #[serde(deserialize_with = "lenient::number")]
    line: Option<u64>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Draft, Refusal> {
    let entry: Entry = serde_json::from_slice(bytes)?;
    if entry.detector_name.is_none() && entry.raw.is_none() {
        return Err(Refusal::NotAFinding);
    }
    let data = entry.source_metadata.and_then(|metadata| metadata.data).unwrap_or_default();
    let (name, place) = data.into_iter().next().unwrap_or_default();
    let source_kind = match name.as_str() {
        "Github" => Some(SourceKind::Github),
        "Gitlab" => Some(SourceKind::Gitlab),
        "Docker" | "ECR" => Some(SourceKind::Container),
        "NPM" | "PyPi" => Some(SourceKind::Package),
        "Postman" => Some(SourceKind::Postman),
        _ => None,
    };
    // A gist is scanned as a GitHub repository.
    let gist = |url: &Option<String>| {
        url.as_deref().is_some_and(|url| super::place::kind_of(url) == SourceKind::Gist)
    };
    let source_kind = if gist(&place.link) || gist(&place.repository) {
        Some(SourceKind::Gist)
    } else {
        source_kind
    };
    let second = match (&entry.raw, &entry.raw_v2) {
        (Some(raw), Some(both)) => second_part(raw, both),
        _ => None,
    };
    let verified = entry.verified == Some(true);
    Ok(Draft {
        rule: entry.detector_name,
        risk: Some(if verified { Risk::Critical } else { Risk::Medium }),
        validity: if verified { Validity::Active } else { Validity::Unknown },
        source_kind,
        url: place.link,
        repository: place.repository.or(place.image).or(place.package).or(place.bucket),
        path: place.file.filter(|file| !file.is_empty()),
        commit: place.commit.filter(|commit| !commit.is_empty()),
        line: place.line.filter(|&line| line > 0),
        tokens: entry.raw.into_iter().chain(second).collect(),
        ..Draft::default()
    })
}

/// `RawV2` is `Raw` with something beside it: the secret of an access key, or a domain or an account
/// name. Only what looks like a secret is taken, since the others stand in honest requests.
fn second_part(raw: &Secret, both: &Secret) -> Option<Secret> {
    let (raw, both) = (raw.expose(), both.expose());
    let rest = both.strip_prefix(raw).or_else(|| both.strip_suffix(raw))?;
    let separator = |byte: &u8| matches!(byte, b':' | b',' | b';' | b'|' | b' ');
    let start = rest.iter().position(|byte| !separator(byte))?;
    let end = rest.iter().rposition(|byte| !separator(byte))? + 1;
    let rest = rest.get(start..end)?;
    let secret = rest.len() >= 20
        && rest.iter().any(u8::is_ascii_digit)
        && rest.iter().any(u8::is_ascii_alphabetic)
        && rest.iter().all(|b| b.is_ascii_alphanumeric() || b"+/=_-~".contains(b));
    secret.then(|| Secret::new(rest.to_vec()))
}
