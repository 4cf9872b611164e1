//! What goes into the store and comes out of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use super::conditions::{Conditions, DoneOnce, Once, Second};
pub use super::four_eyes::{FourEyesStore, ProposalQuery, Verdict};
use crate::model::event::{Event, EventAction};
use crate::model::fingerprint::Fingerprint;
use crate::model::ids::{ApiTokenId, LeakId, TokenId};
use crate::model::leak::{
    Decision, DetectedBy, Leak, Remediation, Resolution, Risk, Source, SourceKind, Status,
};
use crate::model::role::Role;
use crate::model::rule::{ModeOfToken, PatchMode, Scope, VirtualPatch};
use crate::model::token::{TokenMaterial, Validity};

/// A token about to be registered.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its text or digest.
    pub material: TokenMaterial,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// What it is.
    pub kind: String,
    /// Whether it is known to work.
    pub validity: Validity,
    /// Why no rule can be made of it (the guard's words); absent where one can.
    pub not_applicable: Option<String>,
}

/// A leak about to be registered.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The tenant.
    pub tenant: String,
    /// What people will call it.
    pub title: String,
    /// How bad it is, where a person says so; absent: what follows from what is known.
    pub risk: Option<Risk>,
    /// When its tokens became public, where that is known.
    pub exposed_at: Option<Timestamp>,
    /// Where it was seen.
    pub source: Source,
    /// How it came to be known.
    pub detected_by: DetectedBy,
    /// What its tokens are; absent: the first token's kind.
    pub kind: Option<String>,
    /// Whose they are.
    pub owner: Option<String>,
    /// Whom to call.
    pub contact: Option<String>,
    /// What is said with it.
    pub comment: Option<String>,
    /// The tokens, each once.
    pub tokens: Vec<NewToken>,
    /// The leak that new tokens are added to, where an earlier part of the same report has made
    /// one; absent: they make a new leak.
    pub continues: Option<LeakId>,
    /// The call that it is, where that must not be done twice.
    pub once: Option<Once>,
    /// Whether closed leaks that have one of the tokens are opened again, by the policy
    /// `reopen_reported`.
    pub reopens: bool,
}

/// An occurrence of known tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Merged {
    /// The leak that has them.
    pub leak: LeakId,
    /// How many of the registered tokens it has.
    pub tokens: u64,
    /// Whether it was closed, and was opened again by the policy `reopen_reported`. Not for callers:
    /// who may only register learns nothing of leaks.
    #[serde(skip)]
    pub reopened: bool,
}

/// What a registration came to.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The new leak (or the one that was continued), where at least one token was new.
    pub leak: Option<Leak>,
    /// How many of the tokens were new.
    pub new_tokens: u64,
    /// The leaks that got an occurrence.
    pub merged: Vec<Merged>,
    /// The first leak that has the tokens, where none was new and the call is one that is done once.
    pub known: Option<Leak>,
}

/// Changes to a leak; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// New title.
    pub title: Option<String>,
    /// New risk; `Some(None)` brings the computed one back.
    pub risk: Option<Option<Risk>>,
    /// New time of exposure; `Some(None)`: it is not known.
    pub exposed_at: Option<Option<Timestamp>>,
    /// New first source.
    pub source: Option<Source>,
    /// New kind.
    pub kind: Option<String>,
    /// New owner; `Some(None)` clears it.
    pub owner: Option<Option<String>>,
    /// New contact; `Some(None)` clears it.
    pub contact: Option<Option<String>>,
    /// New comment; `Some(None)` clears it.
    pub comment: Option<Option<String>>,
    /// Tokens to add. One that another leak has is added to this one as well.
    pub add_tokens: Vec<NewToken>,
    /// Tokens to remove.
    pub remove_tokens: Vec<TokenId>,
    /// What must hold.
    pub conditions: Conditions,
}

/// A patch about to be applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewPatch {
    /// What it does.
    pub mode: PatchMode,
    /// Where it acts.
    pub scope: Scope,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Whether to override the guard, for tokens of 6 bytes and more.
    pub force: bool,
    /// The modes of single tokens, in the place of those that were said before; absent: these stay.
    #[serde(default)]
    pub tokens: Option<Vec<ModeOfToken>>,
}

/// A decision about to be made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decide {
    /// Which.
    pub decision: Decision,
    /// The patch, for `ApplyVirtualPatch` and no other.
    pub patch: Option<NewPatch>,
    /// Why, for `Close` and `MarkFalse`.
    pub resolution: Option<Resolution>,
    /// What is said with it.
    pub comment: Option<String>,
    /// What must hold.
    #[serde(skip)]
    pub conditions: Conditions,
}

/// What a list of leaks is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LeakSort {
    /// By registration.
    #[default]
    CreatedAt,
    /// By last change.
    UpdatedAt,
    /// By risk, `critical` first when ascending.
    Risk,
    /// By status, `open` first when ascending.
    Status,
    /// By title.
    Title,
    /// By the kind of the first source, in the order of [`SourceKind`].
    Source,
    /// By what is in force, nothing first when ascending.
    Remediation,
}

/// Which leaks, in which order. In each list of values any one of them fits; an empty list does
/// not narrow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LeakQuery {
    /// Statuses.
    pub status: Vec<Status>,
    /// Risks.
    pub risk: Vec<Risk>,
    /// Kinds of source, of any occurrence.
    pub source: Vec<SourceKind>,
    /// Remediations.
    pub remediation: Vec<Remediation>,
    /// How it came to be known.
    pub detected_by: Vec<DetectedBy>,
    /// Validity of any of its tokens.
    pub validity: Vec<Validity>,
    /// Words of title, sources and comments, each by its beginning; or that of a token's fingerprint.
    pub text: Option<String>,
    /// Order.
    pub sort: LeakSort,
    /// Whether the order is turned around.
    pub descending: bool,
    /// Page.
    pub page: PageRequest,
}

/// Which page.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PageRequest {
    /// Items at most; the caller has checked it against `limits::PAGE`; 0: `limits::PAGE_DEFAULT`.
    pub limit: usize,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last.
    pub next_cursor: Option<String>,
}

/// A page of leaks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct LeakPage {
    /// The leaks.
    pub items: Vec<Leak>,
    /// Where the next page begins; absent on the last.
    pub next_cursor: Option<String>,
    /// How many there are, counted to 10,000; to 2,000 of a search or by validity.
    pub total: u64,
}

/// Which events. What is absent does not narrow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventQuery {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this leak.
    pub leak: Option<LeakId>,
    /// Of this token.
    pub token: Option<TokenId>,
    /// Of these actions.
    pub action: Vec<EventAction>,
    /// From this client.
    pub source_ip: Option<String>,
    /// For this host.
    pub host: Option<String>,
    /// For a path that begins so, as it is recorded.
    pub path: Option<String>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Page.
    pub page: PageRequest,
}

/// A page of events.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// The events; where `searched_to` is said there may be fewer than a page holds, or none, though there is
    /// a next page.
    pub items: Vec<Event>,
    /// Where the next page begins; absent on the last.
    pub next_cursor: Option<String>,
    /// The time of the last event that was looked at, where so many do not fit that the page ends before
    /// it is full: the next page looks on from there.
    pub searched_to: Option<Timestamp>,
}

/// What is known of a token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Lookup {
    /// Whether it is in any leak.
    pub known: bool,
    /// Its fingerprint, known or not.
    pub fingerprint: String,
    /// The leaks that have it, with their status.
    pub leaks: Vec<LookupLeak>,
    /// Whether it still works.
    pub validity: Validity,
    /// When a request last carried it.
    pub last_used_at: Option<Timestamp>,
}

/// A leak that has the token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct LookupLeak {
    /// The leak.
    pub id: LeakId,
    /// Its tenant.
    pub tenant: String,
    /// Its title.
    pub title: String,
    /// Its status.
    pub status: Status,
    /// What is in force for it.
    pub remediation: Remediation,
    /// The patch's mode, where one is in force.
    pub mode: Option<PatchMode>,
}

/// Uses of a leak's tokens by one client, for one host, with one upstream answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ImpactRow {
    /// The client.
    pub source_ip: String,
    /// The host.
    pub host: String,
    /// What the client got.
    pub response_status: Option<u16>,
    /// How many uses.
    pub count: u64,
    /// The first of them.
    pub first_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
    /// Whether the client was first seen with these tokens after their exposure, when they had been
    /// watched for a day; absent where that cannot be told, as for tokens that were not watched
    /// before.
    pub new_since_exposure: Option<bool>,
}

/// What a patch on a leak would do, from what was seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Impact {
    /// Uses in the last hour.
    pub uses_1h: u64,
    /// Uses in the last 24 hours.
    pub uses_24h: u64,
    /// Uses in the last 7 days.
    pub uses_7d: u64,
    /// Who used the tokens, most uses first, at most 200 rows.
    pub clients: Vec<ImpactRow>,
    /// When the tokens became public; where that was not said, when the leak was registered.
    pub exposed_at: Timestamp,
    /// Since when, at the latest, uses are seen without a gap; absent: they are not (see
    /// `not_watched`).
    pub watched_since: Option<Timestamp>,
    /// Tokens that are not watched, by the guard's reason.
    pub not_watched: u64,
}

/// What was copied from one store to another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    /// Each table, and how many rows of it.
    pub tables: Vec<(String, u64)>,
}

/// A change of what is enforced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// The leak's status or patch; its tokens are as before.
    Rule(LeakId),
    /// The leak and its tokens.
    Tokens(LeakId),
    /// Tokens were added to the leak, which may be new: all of them have ids after this one.
    Appended(LeakId, TokenId),
    /// The bypass switch.
    Bypass,
}

/// What other processes have changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The place after which to look next.
    pub place: i64,
    /// Whether changes are not kept any more: everything is to be read again.
    pub missed: bool,
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// Whether there may be more.
    pub more: bool,
}

/// A leak whose tokens go into the patchset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnforcedLeak {
    /// The leak.
    pub id: LeakId,
    /// Its tenant.
    pub tenant: String,
    /// Open, or closed and still watched.
    pub status: Status,
    /// The rule in force.
    pub virtual_patch: Option<VirtualPatch>,
    /// The tokens of which the mode is not that of the rule.
    pub token_modes: Vec<ModeOfToken>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// A token that goes into the patchset.
#[derive(Clone, Debug)]
pub struct EnforcedToken {
    /// Its id.
    pub id: TokenId,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Its text or digest.
    pub material: TokenMaterial,
    /// Why no rule is to be made of it but by force.
    pub not_applicable: Option<String>,
}

/// The bypass switch.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Bypass {
    /// Whether all blocking is stopped.
    pub on: bool,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// When it ends by itself.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// Who turned it.
    #[serde(default)]
    pub changed_by: Option<String>,
    /// When.
    #[serde(default)]
    pub changed_at: Option<Timestamp>,
}

/// An API token about to be made.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// Its tenant.
    pub tenant: String,
    /// Its name, one in the tenant.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
}

/// An API token as the API shows it, without its text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ApiToken {
    /// Its id.
    pub id: ApiTokenId,
    /// Its tenant.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A row of the audit log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Whose object it was done to.
    pub tenant: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// From where.
    pub address: Option<String>,
    /// What was done.
    pub action: String,
    /// To what, such as a leak's id.
    pub object: Option<String>,
    /// What changed, in words and without any token.
    pub detail: Option<String>,
    /// What changed, field by field and without any token.
    pub changed: Vec<FieldChange>,
}

/// A field of something that was changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// Its name.
    pub field: String,
    /// What it was; absent: there was none.
    pub before: Option<String>,
    /// What it is; absent: there is none any more.
    pub after: Option<String>,
}

/// Which rows of the audit log. What is absent does not narrow.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct AuditQuery {
    /// Done by whoever has this name.
    pub actor: Option<String>,
    /// What was done; any of these.
    pub action: Vec<String>,
    /// To what, such as a leak's id.
    pub object: Option<String>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Page.
    #[serde(skip)]
    pub page: PageRequest,
}

impl From<PageRequest> for AuditQuery {
    fn from(page: PageRequest) -> Self {
        Self { page, ..Self::default() }
    }
}

/// A name and how many.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Count {
    /// The name.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// Leaks and uses of one day.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Day {
    /// The day, `YYYY-MM-DD`, in UTC.
    pub day: String,
    /// Leaks registered.
    pub leaks: u64,
    /// Uses observed.
    pub observed: u64,
    /// Uses monitored.
    pub monitored: u64,
    /// Uses blocked.
    pub blocked: u64,
}

/// The numbers behind the diagrams.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Stats {
    /// Leaks in all.
    pub leaks: u64,
    /// Tokens in all.
    pub tokens: u64,
    /// Open leaks by risk.
    pub by_risk: Vec<Count>,
    /// Open leaks by kind of first source.
    pub by_source: Vec<Count>,
    /// Leaks by status.
    pub by_status: Vec<Count>,
    /// Open leaks by remediation.
    pub by_remediation: Vec<Count>,
    /// The last 90 days, oldest first, days without anything left out.
    pub days: Vec<Day>,
    /// Uses in the last 24 hours, by action; counted by whole hours, of which the first may have begun
    /// up to an hour earlier.
    pub events_24h: Vec<Count>,
}
