//! A leak, its life, and the decisions that move it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::LeakId;
use super::rule::VirtualPatch;
use super::token::Token;

macro_rules! named {
    ($(#[doc = $doc:literal])* $(#[derive($derived:ident)])? $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[doc = $doc])*
        $(#[derive($derived)])?
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in the API and the store.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        // What utoipa derives does not see names that come out of a macro.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some([$($doc),*].concat().trim()))
                    .enum_values(Some(Self::ALL.iter().map(|value| value.name())))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}
pub(crate) use named;

named! {
    /// How bad the leak is, worst first.
    Risk {
        /// Act now.
        Critical = "critical",
        /// Act today.
        High = "high",
        /// Act this week.
        Medium = "medium",
        /// Act when convenient.
        Low = "low",
        /// Good to know.
        Info = "info",
    }
}

named! {
    /// Where a leak is in its life.
    Status {
        /// Nobody has ended it.
        Open = "open",
        /// Dealt with.
        Closed = "closed",
        /// Not a leak after all.
        FalsePositive = "false_positive",
    }
}

named! {
    /// What is in force for a leak.
    Remediation {
        /// Nothing.
        None = "none",
        /// A virtual patch, in `monitoring` or `block` mode.
        VirtualPatch = "virtual_patch",
        /// No rule can be made of any of its tokens (see the guard).
        NotApplicable = "not_applicable",
    }
}

named! {
    /// Why a leak was closed or marked false.
    Resolution {
        /// The token was revoked.
        Revoked = "revoked",
        /// The token was replaced everywhere.
        Rotated = "rotated",
        /// It only stands in tests.
        UsedInTests = "used_in_tests",
        /// Known and lived with.
        AcceptedRisk = "accepted_risk",
        /// It was never a secret.
        NotASecret = "not_a_secret",
    }
}

named! {
    /// How a leak came to be known.
    DetectedBy {
        /// By a scan or a report of one.
        Automatic = "automatic",
        /// By a person.
        Manual = "manual",
    }
}

named! {
    /// The kind of place where a token leaked.
    SourceKind {
        /// A GitHub repository.
        Github = "github",
        /// A GitLab project.
        Gitlab = "gitlab",
        /// A gist or snippet.
        Gist = "gist",
        /// A paste site.
        Pastebin = "pastebin",
        /// A public API workspace.
        Postman = "postman",
        /// A published package.
        Package = "package",
        /// A container image.
        Container = "container",
        /// A web page or its scripts.
        Website = "website",
        /// Told by a person.
        Manual = "manual",
        /// Anything else.
        Other = "other",
    }
}

named! {
    /// What a person or a policy decides about a leak.
    Decision {
        /// Apply a virtual patch, or change its mode and scope.
        ApplyVirtualPatch = "apply_virtual_patch",
        /// Remove the virtual patch.
        RemoveVirtualPatch = "remove_virtual_patch",
        /// Close the leak: its rule goes, nothing is deleted.
        Close = "close",
        /// Mark it as false: its rule goes.
        MarkFalse = "mark_false",
        /// Open it again, without a rule.
        Reopen = "reopen",
    }
}

/// What history and audit log call it where a virtual patch has ended by itself: nobody decided it.
pub const EXPIRE_VIRTUAL_PATCH: &str = "expire_virtual_patch";

impl Status {
    /// The decisions allowed from this status. The one table of the life of a leak.
    pub fn allowed(self) -> &'static [Decision] {
        match self {
            Self::Open => &[
                Decision::ApplyVirtualPatch,
                Decision::RemoveVirtualPatch,
                Decision::Close,
                Decision::MarkFalse,
            ],
            Self::Closed | Self::FalsePositive => &[Decision::Reopen],
        }
    }

    /// The status that the decision leads to, or the reason why it is not allowed.
    ///
    /// # Errors
    /// [`NotAllowed`] where the decision does not start from this status.
    pub fn after(self, decision: Decision) -> Result<Self, NotAllowed> {
        if !self.allowed().contains(&decision) {
            return Err(NotAllowed { status: self, decision });
        }
        Ok(match decision {
            Decision::ApplyVirtualPatch | Decision::RemoveVirtualPatch | Decision::Reopen => {
                Self::Open
            }
            Decision::Close => Self::Closed,
            Decision::MarkFalse => Self::FalsePositive,
        })
    }
}

/// A decision that does not start from the leak's status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the leak is {status}: {decision} is not allowed from there; allowed: {}",
    names(status.allowed())
)]
pub struct NotAllowed {
    /// The leak's status.
    pub status: Status,
    /// What was asked.
    pub decision: Decision,
}

fn names(decisions: &[Decision]) -> String {
    decisions.iter().map(|decision| decision.name()).collect::<Vec<_>>().join(", ")
}

/// Where a token was seen: an occurrence.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The kind of place.
    pub kind: SourceKind,
    /// The place itself, up to 2,048 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// File path inside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Commit, where the place has history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Line in the file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

impl Source {
    /// A source of which only the kind is known.
    pub fn of_kind(kind: SourceKind) -> Self {
        Self { kind, url: None, path: None, commit: None, line: None }
    }
}

/// A leak as the API shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Leak {
    /// Its id.
    pub id: LeakId,
    /// Grows with every change that is made to the leak; in quotes it is the leak's `ETag`. What is
    /// counted from uses does not change it.
    pub version: u64,
    /// The tenant whose tokens leaked.
    pub tenant: String,
    /// What people call it.
    pub title: String,
    /// How bad it is: the level that a person has set, or else the computed one.
    pub risk: Risk,
    /// The level that a person has set.
    pub risk_set: Option<Risk>,
    /// The level that follows from what is known.
    pub risk_computed: Risk,
    /// Why the computed level is what it is, in words, what weighs most first.
    pub risk_explained: Vec<String>,
    /// Where it is in its life.
    pub status: Status,
    /// Why it was closed or marked false.
    pub resolution: Option<Resolution>,
    /// What is in force for it.
    pub remediation: Remediation,
    /// Why no rule can be made, where remediation is `not_applicable`.
    pub remediation_reason: Option<String>,
    /// Where it was first seen.
    pub source: Source,
    /// All places where its tokens were seen, the first 100.
    pub sources: Vec<Source>,
    /// How it came to be known.
    pub detected_by: DetectedBy,
    /// What its tokens are.
    pub kind: String,
    /// Whether its tokens were planted on purpose: any use of them is by somebody who found them.
    pub honeytoken: bool,
    /// Whose tokens they are.
    pub owner: Option<String>,
    /// Whom to call.
    pub contact: Option<String>,
    /// What was said when it was registered or edited last.
    pub comment: Option<String>,
    /// The first 100 tokens.
    pub tokens: Vec<Token>,
    /// How many there are in all.
    pub token_count: u64,
    /// The rule in force.
    pub virtual_patch: Option<VirtualPatch>,
    /// When its tokens became public; where that was not said, when it was registered.
    pub exposed_at: Timestamp,
    /// When one of its tokens was first seen in use; told a moment after the use.
    pub first_used_at: Option<Timestamp>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When a request last carried one of its tokens.
    pub last_event_at: Option<Timestamp>,
    /// How many requests carried one in the last 24 hours; counted by whole hours, of which the first
    /// may have begun up to an hour earlier.
    pub events_24h: u64,
    /// The same by hour: 25 numbers, of which the last is that of the hour under way.
    pub events_by_hour: Vec<u64>,
}

/// One row of a leak's history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What: `register`, `edit`, `occurrence` or a decision's name.
    pub action: String,
    /// What was said with it.
    pub comment: Option<String>,
    /// What changed, in words and without any token.
    pub detail: Option<String>,
}

/// A comment on a leak.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Comment {
    /// When it was made.
    pub at: Timestamp,
    /// By whom.
    pub author: String,
    /// Its text.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of DESIGN §1, walked whole.
    #[test]
    fn life_of_a_leak() {
        use Decision::*;
        use Status::{Closed, FalsePositive, Open};
        for &status in Status::ALL {
            for &decision in Decision::ALL {
                let expected = match (status, decision) {
                    (Open, ApplyVirtualPatch | RemoveVirtualPatch) => Some(Open),
                    (Open, Close) => Some(Closed),
                    (Open, MarkFalse) => Some(FalsePositive),
                    (Closed | FalsePositive, Reopen) => Some(Open),
                    _ => None,
                };
                assert_eq!(status.after(decision).ok(), expected, "{status} {decision}");
            }
        }
        assert_eq!(
            Closed.after(Close).unwrap_err().to_string(),
            "the leak is closed: close is not allowed from there; allowed: reopen"
        );
    }
}
