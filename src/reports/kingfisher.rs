//! One finding of Kingfisher's `json` or `jsonl` report (seen with 2.14).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::leak::Risk;
use crate::model::secret::Secret;
use crate::model::token::Validity;

use super::draft::{Draft, Refusal, names_a_secret};
use super::lenient;

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    rule: Rule,
    finding: Option<Found>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Rule {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Found {
    snippet: Option<Secret>,
    #[serde(deserialize_with = "lenient::text")]
    confidence: Option<String>,
    validation: Validation,
    #[serde(deserialize_with = "lenient::number")]
    line: Option<u64>,
    #[serde(deserialize_with = "lenient::text")]
    path: Option<String>,
    git_metadata: Option<GitMetadata>,
    dependent_captures: BTreeMap<String, Secret>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Validation {
    #[serde(deserialize_with = "lenient::text")]
    outcome: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    status: Option<String>,
}

/// Present where the finding stands in the history of a repository. Also in its SARIF.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct GitMetadata {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) repository_url: Option<String>,
    pub(super) commit: Commit,
    pub(super) file: File,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Commit {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct File {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) path: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) url: Option<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Draft, Refusal> {
    let entry: Entry = serde_json::from_slice(bytes)?;
    let found = entry.finding.ok_or(Refusal::NotAFinding)?;
    let git = found.git_metadata.unwrap_or_default();
    let validity =
        validity(found.validation.outcome.as_deref(), found.validation.status.as_deref());
    let risk = match validity {
        Validity::Active => Some(Risk::Critical),
        Validity::Inactive => Some(Risk::Low),
        Validity::Unknown => found.confidence.as_deref().and_then(risk_of_confidence),
    };
    let captures = found
        .dependent_captures
        .into_iter()
        .filter(|(name, _)| names_a_secret(name))
        .map(|(_, secret)| secret);
    Ok(Draft {
        rule: entry.rule.name.or(entry.rule.id),
        risk,
        validity,
        url: git.file.url,
        repository: git.repository_url,
        path: git.file.path.or(found.path),
        commit: git.commit.id,
        line: found.line,
        tokens: found.snippet.into_iter().chain(captures).collect(),
        ..Draft::default()
    })
}

/// What Kingfisher's validation says.
pub(super) fn validity(outcome: Option<&str>, status: Option<&str>) -> Validity {
    match (outcome, status) {
        (Some("verified_active"), _) | (None, Some("Active Credential")) => Validity::Active,
        (Some("verified_inactive"), _) | (None, Some("Inactive Credential")) => Validity::Inactive,
        _ => Validity::Unknown,
    }
}

/// The risk that a scanner's confidence stands for.
pub(super) fn risk_of_confidence(confidence: &str) -> Option<Risk> {
    match confidence.to_ascii_lowercase().as_str() {
        "high" => Some(Risk::High),
        "medium" => Some(Risk::Medium),
        "low" => Some(Risk::Low),
        _ => None,
    }
}
