//! One result of a SARIF 2.1.0 log. A token is there only where the scanner puts it into
//! `region.snippet.text`, as Kingfisher, Gitleaks and Betterleaks do.

use serde::Deserialize;

use crate::model::leak::Risk;
use crate::model::secret::Secret;
use crate::model::token::Validity;

use super::draft::{Draft, Refusal};
use super::kingfisher::{self, GitMetadata};
use super::lenient;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct SarifResult {
    #[serde(deserialize_with = "lenient::text")]
    rule_id: Option<String>,
    rule: Rule,
    #[serde(deserialize_with = "lenient::text")]
    level: Option<String>,
    locations: Vec<Location>,
    partial_fingerprints: PartialFingerprints,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Rule {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct PartialFingerprints {
    #[serde(deserialize_with = "lenient::text")]
    commit_sha: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    properties: Properties,
}

/// Kingfisher's own.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Properties {
    git_metadata: GitMetadata,
    #[serde(deserialize_with = "lenient::text")]
    validation_outcome: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ArtifactLocation {
    #[serde(deserialize_with = "lenient::text")]
    uri: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Region {
    #[serde(deserialize_with = "lenient::number")]
    start_line: Option<u64>,
    snippet: Snippet,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Snippet {
    text: Option<Secret>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Draft, Refusal> {
    let result: SarifResult = serde_json::from_slice(bytes)?;
    let mut draft = Draft {
        rule: result.rule_id.or(result.rule.id),
        risk: result.level.as_deref().and_then(risk_of_level),
        commit: result.partial_fingerprints.commit_sha.filter(|commit| !commit.is_empty()),
        no_token: Some(Refusal::NoSnippet),
        ..Draft::default()
    };
    for (index, location) in result.locations.into_iter().enumerate() {
        let PhysicalLocation { artifact_location, region } = location.physical_location;
        let Properties { git_metadata: git, validation_outcome } = location.properties;
        if index == 0 {
            draft.path = artifact_location.uri;
            draft.line = region.start_line;
            draft.url = git.file.url;
            draft.repository = git.repository_url;
            draft.commit = draft.commit.or(git.commit.id);
            draft.validity = kingfisher::validity(validation_outcome.as_deref(), None);
            if draft.validity == Validity::Active {
                draft.risk = Some(Risk::Critical);
            }
        }
        match region.snippet.text {
            Some(text) if is_alone(text.expose()) => draft.tokens.push(text),
            Some(text) if !text.is_empty() => draft.no_token = Some(Refusal::SnippetIsCode),
            _ => {}
        }
    }
    Ok(draft)
}

/// Whether the snippet is a token and not a piece of the code around it.
fn is_alone(snippet: &[u8]) -> bool {
    snippet.starts_with(b"-----BEGIN ")
        || !snippet.iter().any(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'`'))
}

fn risk_of_level(level: &str) -> Option<Risk> {
    match level {
        "error" => Some(Risk::High),
        "warning" => Some(Risk::Medium),
        "note" => Some(Risk::Low),
        _ => None,
    }
}
