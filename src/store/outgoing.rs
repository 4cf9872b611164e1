//! What goes out of the store by itself: feeds of what happened, how far each reader of them has
//! come, what could not be delivered, notifications, webhooks; and what is removed in time. A trait
//! of its own beside [`Store`](super::Store), which includes it.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::StoreError;
use super::types::{AuditEntry, Page, PageRequest};
use crate::model::event::Event;
use crate::model::ids::{EventId, LeakId, LetterId, TokenId, WebhookId};
use crate::model::leak::{Risk, Status};
use crate::model::notification::{Notification, NotificationKind};
use crate::model::role::Actor;
use crate::model::secret::Secret;
use crate::model::sink::{FeedKind, Format, WebhookKind};
use crate::model::tenant::Tenants;

/// A row of the audit log with its number, which only grows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NumberedAudit {
    /// The number.
    pub number: i64,
    /// The row.
    #[serde(flatten)]
    pub entry: AuditEntry,
}

/// One thing that goes out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "feed", content = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// The use of a leaked token.
    Event(Box<Event>),
    /// A row of the audit log.
    Audit(Box<NumberedAudit>),
    /// A notification.
    Notification(Box<Notification>),
}

impl Entry {
    /// Whose it is.
    pub fn tenant(&self) -> &str {
        match self {
            Self::Event(event) => &event.tenant,
            Self::Audit(row) => &row.entry.tenant,
            Self::Notification(notification) => &notification.tenant,
        }
    }
}

/// How far a reader has come in each feed. Numbers of different feeds have nothing to do with each
/// other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Places {
    /// In the order in which events were stored.
    pub events: i64,
    /// In the audit log.
    pub audit: i64,
    /// In the notifications.
    pub notifications: i64,
}

/// What a reader wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Of these feeds.
    pub feeds: Vec<FeedKind>,
    /// Of these tenants.
    pub tenants: Tenants,
    /// Entries of each feed at most.
    pub limit: usize,
}

/// What came after a place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outgoing {
    /// In the order of each feed.
    pub entries: Vec<Entry>,
    /// The place behind the last of them.
    pub places: Places,
    /// How many events of each tenant were removed before this reader had them.
    pub missed: BTreeMap<String, u64>,
    /// Whether there may be more.
    pub more: bool,
}

/// A delivery that was given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewLetter {
    /// The tenant whose sink it was for; none: of all.
    pub tenant: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: String,
    /// What was to be delivered.
    pub entries: Vec<Entry>,
}

/// A delivery that was given up, as the API shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Letter {
    /// Its id.
    pub id: LetterId,
    /// The sink that it was for: `webhook:` and an id, or `sink:` and a name of the configuration.
    pub sink: String,
    /// The tenant whose sink it was; absent: one of the configuration.
    pub tenant: Option<String>,
    /// When it was given up.
    pub at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: String,
    /// How many entries it has.
    pub count: u64,
}

/// How deliveries of a sink go.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
pub struct Deliveries {
    /// When the last one succeeded.
    pub delivered_at: Option<Timestamp>,
    /// Why the last one failed; absent where it did not.
    pub error: Option<String>,
}

/// A webhook, without what it sends to and signs with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Its tenant.
    pub tenant: String,
    /// Its name, one in the tenant.
    pub name: String,
    /// Who it speaks to.
    pub kind: WebhookKind,
    /// By which names what is sent is told.
    pub format: Format,
    /// What is sent.
    pub feeds: Vec<FeedKind>,
    /// Scheme and host of the address; the rest of it is not shown again, since it may let others
    /// send there.
    pub url: String,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// How its deliveries go.
    pub deliveries: Deliveries,
}

/// Where a webhook sends to, and what it signs with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The webhook.
    pub webhook: Webhook,
    /// The whole address.
    pub url: Secret,
    /// The key of signatures, or the routing key of PagerDuty; empty where none is needed.
    pub secret: Secret,
}

/// A change of a webhook; what is absent stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WebhookChange {
    /// Its name.
    pub name: Option<String>,
    /// By which names what is sent is told.
    pub format: Option<Format>,
    /// What is sent.
    pub feeds: Option<Vec<FeedKind>>,
    /// Whether anything is sent.
    pub enabled: Option<bool>,
    /// Another key of signatures.
    pub secret: Option<Secret>,
}

/// What a notification needs to know of a leak.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeakFacts {
    /// Its tenant.
    pub tenant: String,
    /// Its title.
    pub title: String,
    /// How bad it is.
    pub risk: Risk,
    /// Its status.
    pub status: Status,
    /// What its tokens are.
    pub kind: String,
    /// Whether a patch is in force.
    pub is_patched: bool,
}

/// What a notification needs to know of a token.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TokenFacts {
    /// What it is.
    pub kind: String,
    /// The event of its first use, where that is known.
    pub first_event: Option<EventId>,
}

/// What notifications need to know of leaks and tokens.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Of leaks.
    pub leaks: HashMap<LeakId, LeakFacts>,
    /// Of tokens.
    pub tokens: HashMap<TokenId, TokenFacts>,
}

/// Of how many things somebody may be notified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moderation {
    /// Time in which nobody is notified of the same thing again.
    pub window: SignedDuration,
    /// Notifications of one tenant in a minute.
    pub per_minute: u32,
}

/// A notification about to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// What is the same thing: with the kind and the tenant, somebody is notified of it once in a
    /// window.
    pub subject: String,
    /// The notification.
    pub notification: Notification,
}

/// What became of notifications that were to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Noticed {
    /// Those that were made.
    pub made: u64,
    /// Those of which somebody was notified before.
    pub repeated: u64,
    /// Those that were too many.
    pub limited: u64,
}

/// For how long events are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Keep {
    /// Those before this time are removed.
    pub from: Option<Timestamp>,
    /// The oldest are removed while all take more than so many bytes.
    pub bytes: Option<u64>,
}

/// What was removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Trimmed {
    /// Events that were too old.
    pub by_age: u64,
    /// Events that were too many.
    pub by_size: u64,
    /// What the events took before, in bytes; estimated with PostgreSQL.
    pub bytes: u64,
    /// Whether there is more to be removed at once.
    pub more: bool,
}

/// The part of a store from which things go out by themselves, or are removed in time.
#[async_trait]
pub trait OutgoingStore: Send + Sync {
    /// Takes note of events whose counts still grow; each is forgotten once it is appended.
    async fn hold_events(&self, growing: &[Event]) -> Result<(), StoreError>;

    /// Appends those of which nothing was heard since `before`: who counted them is gone. Answers
    /// with how many.
    async fn release_held_events(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Removes a batch of events that are not to be kept.
    async fn trim_events(&self, keep: &Keep) -> Result<Trimmed, StoreError>;

    /// Removes counts, notifications and what readers have behind them, as it was long enough ago
    /// at `now`; and what webhooks and tenants that are gone have left. Of the feed of events, no more
    /// than `most` rows wait for readers: those further behind miss some.
    async fn trim_outgoing(&self, now: Timestamp, most: u64) -> Result<(), StoreError>;

    /// The last place in each feed.
    async fn ends(&self) -> Result<Places, StoreError>;

    /// Where the reader stands, for the process `holder`, which has it from now until `until`; none
    /// while another process has it. One that is new begins at the end of every feed.
    async fn take_cursor(
        &self,
        reader: &str,
        holder: &str,
        until: Timestamp,
    ) -> Result<Option<Places>, StoreError>;

    /// Lets other processes have the reader that `holder` had; nothing where it is gone or another
    /// one has it.
    async fn leave_cursor(&self, reader: &str, holder: &str) -> Result<(), StoreError>;

    /// What came after these places.
    async fn outgoing(&self, after: Places, wanted: &Wanted) -> Result<Outgoing, StoreError>;

    /// Moves the reader on from where it stood, with what could not be delivered; nothing where it
    /// stands elsewhere by now. Answers with whether it moved, and how many letters were removed
    /// to make room.
    async fn move_cursor(
        &self,
        reader: &str,
        from: Places,
        to: Places,
        letter: Option<NewLetter>,
    ) -> Result<(bool, u64), StoreError>;

    /// Writes down how the reader's deliveries go.
    async fn note_delivery(&self, reader: &str, error: Option<&str>) -> Result<(), StoreError>;

    /// How the deliveries of these readers go.
    async fn deliveries(
        &self,
        readers: &[String],
    ) -> Result<HashMap<String, Deliveries>, StoreError>;

    /// A page of what could not be delivered, newest first.
    async fn letters(&self, of: &Tenants, page: &PageRequest) -> Result<Page<Letter>, StoreError>;

    /// One of them with what was to be delivered.
    async fn letter(&self, id: LetterId) -> Result<Option<(Letter, Vec<Entry>)>, StoreError>;

    /// Removes one of them.
    async fn remove_letter(&self, id: LetterId) -> Result<(), StoreError>;

    /// What notifications need to know.
    async fn facts(&self, leaks: &[LeakId], tokens: &[TokenId]) -> Result<Facts, StoreError>;

    /// Makes notifications, each once in its window, and moves their reader on in the same
    /// transaction; none where it stands elsewhere by now.
    async fn notify(
        &self,
        cursor: Option<(&str, Places, Places)>,
        notices: &[Notice],
        moderation: &Moderation,
    ) -> Result<Option<Noticed>, StoreError>;

    /// A page of notifications of these kinds, or of every kind where none is named; newest first.
    async fn notifications(
        &self,
        of: &Tenants,
        kinds: &[NotificationKind],
        page: &PageRequest,
    ) -> Result<Page<Notification>, StoreError>;

    /// The webhooks, oldest first.
    async fn webhooks(&self, of: &Tenants) -> Result<Vec<Webhook>, StoreError>;

    /// The webhook of this id.
    async fn webhook(&self, id: WebhookId) -> Result<Option<Webhook>, StoreError>;

    /// All webhooks with what they send to.
    async fn targets(&self) -> Result<Vec<Target>, StoreError>;

    /// Adds a webhook. [`StoreError::Exists`] where the tenant has one of that name.
    async fn add_webhook(&self, target: &Target, actor: &Actor) -> Result<(), StoreError>;

    /// Changes a webhook.
    async fn change_webhook(
        &self,
        id: WebhookId,
        change: WebhookChange,
        actor: &Actor,
    ) -> Result<Webhook, StoreError>;

    /// Removes a webhook, with what could not be delivered to it.
    async fn remove_webhook(&self, id: WebhookId, actor: &Actor) -> Result<(), StoreError>;
}

/// The name of a webhook as a reader of feeds.
pub fn reader_of_webhook(id: WebhookId) -> String {
    format!("webhook:{id}")
}

/// The webhook that reads under this name, where it is one.
pub fn webhook_of_reader(reader: &str) -> Option<WebhookId> {
    reader.strip_prefix("webhook:")?.parse().ok()
}
