//! How bad a leak is, as far as that follows from what is known of it.

use jiff::{SignedDuration, Timestamp};

use super::kind;
use super::leak::{Risk, SourceKind};
use super::token::Validity;

/// How long a token lies in the open before it is taken to have been found.
pub const FOUND_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What is known of a leak, as far as its risk follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts<'a> {
    /// What its tokens are.
    pub kind: &'a str,
    /// Of the kinds of its sources, the one that weighs most.
    pub source: SourceKind,
    /// When its tokens became public.
    pub exposed_at: Timestamp,
    /// Whether any request carried one of them.
    pub used: bool,
    /// Whether any of them works, as far as upstreams or reports tell.
    pub validity: Validity,
}

/// What follows from the facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assessment {
    /// The level.
    pub level: Risk,
    /// Why, in words, what weighs most first.
    pub explained: Vec<String>,
    /// When it is another one though nothing else changes.
    pub due_at: Option<Timestamp>,
}

/// How much a kind of source weighs: where anybody may look, more than where few can.
pub fn weight(source: SourceKind) -> u8 {
    match source {
        SourceKind::Github
        | SourceKind::Gitlab
        | SourceKind::Gist
        | SourceKind::Pastebin
        | SourceKind::Postman
        | SourceKind::Package
        | SourceKind::Container
        | SourceKind::Website => 2,
        SourceKind::Manual | SourceKind::Other => 1,
    }
}

/// The level that follows from the facts, at a time.
pub fn assess(facts: &Facts<'_>, now: Timestamp) -> Assessment {
    if facts.kind == kind::HONEYTOKEN {
        return honeytoken(facts.used);
    }
    let mut points = 0_i8;
    let mut parts: Vec<(i8, String)> = Vec::new();
    let mut say = |weight: i8, words: String| {
        points = points.saturating_add(weight);
        parts.push((weight, words));
    };
    let name = facts.kind;
    match kind::reach(name) {
        kind::Reach::Live => say(4, format!("{name} opens a live account or service")),
        kind::Reach::Unknown => say(3, format!("what {name} tokens open is not known")),
        kind::Reach::Short => say(2, format!("{name} tokens mostly end by themselves")),
        kind::Reach::Test => say(0, format!("{name} is for tests only")),
    }
    let is_public = weight(facts.source) > 1;
    let mut due_at = None;
    if is_public {
        say(2, format!("it stands where anybody may look ({})", facts.source));
        let found_at = facts.exposed_at.checked_add(FOUND_AFTER).unwrap_or(Timestamp::MAX);
        if found_at <= now {
            say(1, "it has been public for more than a day".to_owned());
        } else {
            due_at = Some(found_at);
        }
    } else {
        say(1, format!("it is not known to be public (source: {})", facts.source));
    }
    match (facts.validity, facts.used) {
        (Validity::Active, _) => say(4, "it works: an upstream accepts it".to_owned()),
        (Validity::Inactive, _) => say(-4, "it works no more: upstreams refuse it".to_owned()),
        (Validity::Unknown, true) => say(2, "it was seen in use".to_owned()),
        (Validity::Unknown, false) => say(0, "it was not seen in use".to_owned()),
    }
    let level = match points {
        8.. => Risk::Critical,
        6..8 => Risk::High,
        4..6 => Risk::Medium,
        2..4 => Risk::Low,
        _ => Risk::Info,
    };
    parts.sort_by_key(|(weight, _)| std::cmp::Reverse(weight.unsigned_abs()));
    Assessment { level, explained: parts.into_iter().map(|(_, words)| words).collect(), due_at }
}

/// A planted token harms nobody until somebody uses it, who then has been where it lay.
fn honeytoken(used: bool) -> Assessment {
    let (level, words) = if used {
        (Risk::Critical, "a honeytoken was used: somebody has found it")
    } else {
        (Risk::Info, "a honeytoken, which nobody has used")
    };
    Assessment { level, explained: vec![words.to_owned()], due_at: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(kind: &str, source: SourceKind, hours: i64, used: bool, validity: Validity) -> Risk {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1_000);
        let exposed_at = now - SignedDuration::from_hours(hours);
        assess(&Facts { kind, source, exposed_at, used, validity }, now).level
    }

    #[test]
    fn levels_follow_from_what_is_known() {
        use Validity::{Active, Inactive, Unknown};
        let github = SourceKind::Github;
        let cases = [
            (level("github_pat", github, 0, false, Unknown), Risk::High),
            (level("github_pat", github, 0, true, Unknown), Risk::Critical),
            (level("github_pat", github, 25, false, Unknown), Risk::High),
            (level("github_pat", github, 0, true, Active), Risk::Critical),
            (level("github_pat", github, 0, true, Inactive), Risk::Low),
            (level("unknown", SourceKind::Manual, 0, false, Unknown), Risk::Medium),
            (level("unknown", SourceKind::Manual, 0, true, Active), Risk::Critical),
            (level("unknown", github, 0, false, Unknown), Risk::Medium),
            (level("unknown", github, 24, false, Unknown), Risk::High),
            (level("stripe_test", github, 0, false, Unknown), Risk::Low),
            (level("stripe_test", SourceKind::Other, 99, false, Inactive), Risk::Info),
            (level("honeytoken", github, 99, false, Unknown), Risk::Info),
            (level("honeytoken", github, 0, true, Inactive), Risk::Critical),
        ];
        for (index, (found, expected)) in cases.into_iter().enumerate() {
            assert_eq!(found, expected, "case {index}");
        }
    }

    #[test]
    fn a_level_says_why_and_until_when() {
        let facts = Facts {
            kind: "github_pat",
            source: SourceKind::Gist,
            exposed_at: Timestamp::UNIX_EPOCH,
            used: true,
            validity: Validity::Active,
        };
        let first = assess(&facts, Timestamp::UNIX_EPOCH);
        assert_eq!(first.due_at, Some(Timestamp::UNIX_EPOCH + FOUND_AFTER));
        let later = assess(&facts, Timestamp::UNIX_EPOCH + FOUND_AFTER);
        assert_eq!(later.due_at, None);
        assert!(later.explained.contains(&"it has been public for more than a day".to_owned()));
        assert_eq!(later.explained.len(), first.explained.len() + 1);
        assert_eq!(first.explained.first().unwrap(), "github_pat opens a live account or service");
    }
}
