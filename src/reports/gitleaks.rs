//! One finding of a Gitleaks report (8.x), or of Betterleaks in that form and in its own (2.x).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::leak::Risk;
use crate::model::secret::Secret;
use crate::model::token::Validity;

use super::draft::{Draft, Refusal, names_a_secret};
use super::{kingfisher, lenient};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    #[serde(rename = "RuleID", alias = "ruleID", deserialize_with = "lenient::text")]
    rule: Option<String>,
    #[serde(rename = "Secret", alias = "secret")]
    secret: Option<Secret>,
    #[serde(rename = "File", deserialize_with = "lenient::text")]
    file: Option<String>,
    #[serde(rename = "Commit", deserialize_with = "lenient::text")]
    commit: Option<String>,
    #[serde(rename = "Link", deserialize_with = "lenient::text")]
    link: Option<String>,
    #[serde(rename = "StartLine", deserialize_with = "lenient::number")]
    line: Option<u64>,
    #[serde(deserialize_with = "lenient::text")]
    confidence: Option<String>,
    location: Location,
    attributes: Option<BTreeMap<String, String>>,
    validation: Validation,
    #[serde(rename = "componentSets")]
    component_sets: Option<Vec<ComponentSet>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Location {
    #[serde(rename = "startLine", deserialize_with = "lenient::number")]
    start_line: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Validation {
    #[serde(deserialize_with = "lenient::text")]
    status: Option<String>,
}

/// Findings of which the rule is made up, such as the secret beside an access key's id.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ComponentSet {
    components: Vec<Component>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Component {
    #[serde(rename = "ruleID", deserialize_with = "lenient::text")]
    rule: Option<String>,
    secret: Option<Secret>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Draft, Refusal> {
    let entry: Entry = serde_json::from_slice(bytes)?;
    if entry.rule.is_none() && entry.secret.is_none() {
        return Err(Refusal::NotAFinding);
    }
    let mut attributes = entry.attributes.unwrap_or_default();
    let mut attribute = |name: &str| attributes.remove(name);
    let validity = match entry.validation.status.as_deref() {
        Some("valid") => Validity::Active,
        Some("invalid" | "revoked") => Validity::Inactive,
        _ => Validity::Unknown,
    };
    let risk = match validity {
        Validity::Active => Some(Risk::Critical),
        Validity::Inactive => Some(Risk::Low),
        Validity::Unknown => entry.confidence.as_deref().and_then(kingfisher::risk_of_confidence),
    };
    let components = entry
        .component_sets
        .into_iter()
        .flatten()
        .flat_map(|set| set.components)
        .filter(|component| component.rule.as_deref().is_some_and(names_a_secret))
        .filter_map(|component| component.secret);
    Ok(Draft {
        rule: entry.rule,
        risk,
        validity,
        url: entry.link.or_else(|| attribute("url")),
        repository: attribute("git.remote_url"),
        path: entry.file.or_else(|| attribute("path")),
        commit: entry.commit.or_else(|| attribute("git.sha")),
        line: entry.line.or(entry.location.start_line).filter(|&line| line > 0),
        tokens: entry.secret.into_iter().chain(components).collect(),
        ..Draft::default()
    })
}
