//! What history and audit say about a change: words, never a token.

use jiff::Timestamp;

use super::types::NewPatch;
use crate::model::leak::Source;
use crate::model::rule::{Boundary, PatchMode, Scope};

/// A patch that is applied, such as `block, hosts: api.example.com, expires 2026-11-24T09:00:00Z`.
pub(super) fn of_patch(patch: &NewPatch) -> String {
    let mut words = of_rule(patch.mode, &patch.scope, patch.expires_at);
    if patch.force {
        words.push_str(", forced");
    }
    words
}

/// A rule: its mode, scope and end.
pub(super) fn of_rule(mode: PatchMode, scope: &Scope, expires_at: Option<Timestamp>) -> String {
    let mut parts = vec![mode.name().to_owned()];
    for (name, values) in [
        ("hosts", &scope.hosts),
        ("path prefixes", &scope.path_prefixes),
        ("methods", &scope.methods),
    ] {
        if !values.is_empty() {
            parts.push(format!("{name}: {}", values.join(" ")));
        }
    }
    if parts.len() == 1 {
        parts.push("everywhere".to_owned());
    }
    for except in &scope.except_clients {
        parts.push(match except.until {
            Some(until) => format!("except {} until {until}", except.client),
            None => format!("except {}", except.client),
        });
    }
    if scope.boundary != Boundary::Auto {
        parts.push(scope.boundary.name().to_owned());
    }
    if let Some(at) = expires_at {
        parts.push(format!("expires {at}"));
    }
    parts.join(", ")
}

/// A place, such as `github https://git.example/repo config.yml:7 at 3f9a…`.
pub(super) fn of_source(source: &Source) -> String {
    let mut words = source.kind.name().to_owned();
    if let Some(url) = &source.url {
        words.push_str(&format!(" {url}"));
    }
    if let Some(path) = &source.path {
        words.push_str(&format!(" {path}"));
    }
    if let Some(line) = source.line {
        words.push_str(&format!(" line {line}"));
    }
    if let Some(commit) = &source.commit {
        words.push_str(&format!(" at {commit}"));
    }
    words
}

/// A number of tokens.
pub(super) fn of_tokens(count: usize) -> String {
    if count == 1 { "1 token".to_owned() } else { format!("{count} tokens") }
}

/// A value that changed.
pub(super) fn of_change(name: &str, before: Option<&str>, after: Option<&str>) -> String {
    format!("{name}: {} → {}", before.unwrap_or("none"), after.unwrap_or("none"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rule::ExceptClient;

    #[test]
    fn says_what_a_patch_does() {
        let mut patch = NewPatch {
            mode: PatchMode::Block,
            scope: Scope::default(),
            expires_at: None,
            force: false,
            tokens: None,
        };
        assert_eq!(of_patch(&patch), "block, everywhere");
        patch.scope.hosts = vec!["a.example".to_owned(), "b.example".to_owned()];
        patch.scope.except_clients =
            vec![ExceptClient { client: "10.0.0.0/8".parse().unwrap(), until: None }];
        patch.scope.boundary = Boundary::Delimited;
        patch.expires_at = Some(Timestamp::UNIX_EPOCH);
        patch.force = true;
        assert_eq!(
            of_patch(&patch),
            "block, hosts: a.example b.example, except 10.0.0.0/8, delimited, expires 1970-01-01T00:00:00Z, forced"
        );
    }
}
