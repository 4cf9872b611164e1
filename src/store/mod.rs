//! Where leaks, decisions and events are kept: the [`Store`] trait and its implementations.

mod archive;
mod conditions;
mod cursor;
mod four_eyes;
pub mod identity;
mod key;
pub mod outgoing;
mod ring;
pub mod rotation;
mod seal;
mod sql;
pub mod types;
pub mod views;
mod words;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::event::Event;
use crate::model::fingerprint::{Fingerprint, FingerprintKey};
use crate::model::ids::{ApiTokenId, EventId, LeakId, TokenId, UserId};
use crate::model::leak::{Comment, HistoryEntry, Leak, NotAllowed};
use crate::model::proposal::ProposalState;
use crate::model::role::{Actor, Role};
use crate::model::rule::{ModeOfToken, VirtualPatch};
use crate::model::token::Token;

use crate::model::tenant::Tenants;
use four_eyes::FourEyesStore;
use identity::IdentityStore;
use outgoing::OutgoingStore;
use rotation::KeyStore;
use types::{
    ApiToken, AuditEntry, AuditQuery, Bypass, Changed, Copied, Decide, DoneOnce, Edit,
    EnforcedLeak, EnforcedToken, EventPage, EventQuery, Impact, LeakPage, LeakQuery, Lookup,
    NewApiToken, Once, Page, PageRequest, Registered, Registration, Stats,
};
use views::ViewStore;

pub use key::KeySource;

/// A store that was opened.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What the operator must be told, such as that a key file was made.
    pub notices: Vec<String>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("notices", &self.notices).finish_non_exhaustive()
    }
}

/// Opens the store at `url`, makes what is not there yet, and brings its schema to this version:
/// `sqlite:PATH` or `sqlite://PATH` for this process alone, `postgres://USER@HOST/DATABASE` for any
/// number of processes with the same key.
///
/// # Errors
/// [`StoreError::Unusable`] with what to do, where a file, the lock, the key file or the database
/// is not as it should be; [`StoreError::WrongKey`].
pub async fn open(url: &str, key: KeySource) -> Result<Opened, StoreError> {
    let (store, notices) = sql::open(url, &key).await?;
    Ok(Opened { store: Arc::new(store), notices })
}

/// Opens the store at `url` only to read, also while another process has it [`open`]: takes no
/// lock, makes nothing, and leaves the schema alone. Calls that write fail.
///
/// # Errors
/// As [`open`], and where the store is not there or has the schema of another version.
pub async fn open_reading(url: &str, key: KeySource) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(sql::open_reading(url, &key).await?))
}

/// Copies the store of SQLite at `from`, which no process uses meanwhile, into the PostgreSQL database
/// at `to`, in which nothing is yet. Both have the same key. The source stays as it is; the target
/// has all of it when this returns, and nothing where it fails.
///
/// # Errors
/// As [`open`], and where the target has a store already.
pub async fn copy(from: &str, to: &str, key: KeySource) -> Result<Copied, StoreError> {
    sql::copy(from, to, &key).await
}

/// Writes a backup of the store of SQLite at `url` into a new file, also while a process uses it. The
/// key is not in it. Answers with the file's length in bytes.
///
/// # Errors
/// [`StoreError::Unusable`] with what to do, also for a store of PostgreSQL.
pub async fn backup(url: &str, to: &Path) -> Result<u64, StoreError> {
    sql::backup(url, to).await
}

/// Puts a backup into the place `url`, where no store is yet. Nothing is there where it fails.
///
/// # Errors
/// [`StoreError::Unusable`] with what to do, also for a store of PostgreSQL.
pub async fn restore(url: &str, from: &Path) -> Result<(), StoreError> {
    sql::restore(url, from).await
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object in this tenant.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The leak is another one by now than the one that the caller knows.
    #[error("the leak was changed meanwhile: it is at version {0}")]
    Outdated(u64),
    /// The call was done already, or is under way: see [`Store::done_once`].
    #[error("the call was done already")]
    Repeated,
    /// So many calls of the tenant are kept that no further one can be.
    #[error("too many calls with a key were made within a day")]
    TooManyKeys,
    /// The tenant asks for two persons, and there is one.
    #[error("this takes two persons")]
    NeedsTwo,
    /// Another person than the one who asked has to do it.
    #[error("another person has to do this")]
    SamePerson,
    /// The API token was made by a person who is not known.
    #[error("who made the API token is not known")]
    UnknownPerson,
    /// The proposal waits for nobody.
    #[error("it is {0} already")]
    Settled(ProposalState),
    /// The leak's status does not allow the decision.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// No token of the leak can become a rule; the reasons, one for each distinct one.
    #[error("no token of this leak can become a rule: {}", .0.join("; "))]
    NothingApplicable(Vec<String>),
    /// The change would leave the leak without any token.
    #[error(
        "a leak keeps at least one token: add another one in the same call, or close the leak instead"
    )]
    LastToken,
    /// A cursor that this store did not make, or made for another query.
    #[error("the cursor is not one of this list: begin without a cursor")]
    BadCursor,
    /// Something of that name is there already.
    #[error("a {0} of that name is there already")]
    Exists(&'static str),
    /// The tenant still has leaks, users or API tokens.
    #[error("the tenant still has leaks, users or API tokens")]
    NotEmpty,
    /// Nobody would be left who can decide everything.
    #[error("nobody would be left who can administer all: make another global administrator first")]
    LastAdministrator,
    /// The key does not open this database.
    #[error(
        "the key does not open this database: set LEAKGATE_KEY, or put back the key file, with which it was made"
    )]
    WrongKey,
    /// No key was given to go over to.
    #[error(
        "there is no key to go over to: start every process that uses the store with a new LEAKGATE_KEY (`openssl rand -hex 32`) and the present one as LEAKGATE_OLD_KEY, then rotate"
    )]
    NoNextKey,
    /// The database cannot be opened or is damaged; what to do is in the text.
    #[error("{0}")]
    Unusable(String),
    /// The database failed while at work.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// What the other processes that use a store change in it.
#[async_trait]
pub trait Changes: Send + Sync {
    /// The place of the last change so far. What is read from the store afterwards has it in it.
    async fn place(&self) -> Result<i64, StoreError>;

    /// What was changed after `place`, in order, but not by this process.
    async fn after(&self, place: i64) -> Result<Changed, StoreError>;

    /// Waits until told that something may have changed, by this process or another one. Not
    /// everything is told of where the connection breaks: look now and then, too. Must not be
    /// given up and begun again in short intervals.
    async fn wait(&self) -> Result<(), StoreError>;
}

/// Everything the control plane keeps. Each writing call is one transaction: the change, its
/// history row and its audit row are there together or not at all, and survive a kill once the
/// call has returned.
#[async_trait]
pub trait Store: IdentityStore + KeyStore + ViewStore + FourEyesStore + OutgoingStore {
    /// The installation's key of fingerprints.
    fn fingerprint_key(&self) -> &FingerprintKey;

    /// Registers tokens. Known ones become occurrences of the leaks that have them; new ones make
    /// a new leak.
    async fn register(
        &self,
        registration: Registration,
        actor: &Actor,
    ) -> Result<Registered, StoreError>;

    /// The leak of this id.
    async fn leak(&self, tenant: &str, id: LeakId) -> Result<Leak, StoreError>;

    /// A page of leaks.
    async fn leaks(&self, of: &Tenants, query: &LeakQuery) -> Result<LeakPage, StoreError>;

    /// Changes a leak's title, risk and so on, adds and removes tokens.
    async fn edit(
        &self,
        tenant: &str,
        id: LeakId,
        edit: Edit,
        actor: &Actor,
    ) -> Result<Leak, StoreError>;

    /// Makes a decision about a leak and answers with the leak as it is then.
    async fn decide(
        &self,
        tenant: &str,
        id: LeakId,
        decide: Decide,
        actor: &Actor,
    ) -> Result<Leak, StoreError>;

    /// Of these leaks, those that are open and without a patch, and about which nobody has decided
    /// since they were registered, or opened again by the policy `reopen_reported`; each with how many
    /// tokens it has.
    async fn undecided(
        &self,
        tenant: &str,
        ids: &[LeakId],
    ) -> Result<Vec<(LeakId, u64)>, StoreError>;

    /// Brings computed risk levels up to date where uses or the passing of time have changed what is
    /// known, some hundred leaks at once. Answers with how many levels that count are others now.
    async fn settle_risks(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// The tokens of a leak whose mode is not that of its patch.
    async fn token_modes(&self, leak: LeakId) -> Result<Vec<ModeOfToken>, StoreError>;

    /// What is kept of a call that is done once, under this key of the tenant.
    async fn done_once(&self, tenant: &str, key: &[u8; 16])
    -> Result<Option<DoneOnce>, StoreError>;

    /// Writes down that a call about these leaks begins, which is done in several parts.
    /// [`StoreError::Repeated`] where it has begun before.
    async fn begin_once(
        &self,
        tenant: &str,
        once: Once,
        leaks: &[LeakId],
    ) -> Result<(), StoreError>;

    /// Writes down how such a call was answered, and forgets its parts.
    async fn end_once(&self, tenant: &str, once: Once, answer: &str) -> Result<(), StoreError>;

    /// Forgets the calls that were made before this time. Answers with how many.
    async fn forget_calls(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Removes the patches that ended before `now`, as the decision of the actor `system`; answers
    /// with their leaks.
    async fn expire_patches(&self, now: Timestamp) -> Result<Vec<LeakId>, StoreError>;

    /// The leak's history, oldest first.
    async fn history(&self, tenant: &str, id: LeakId) -> Result<Vec<HistoryEntry>, StoreError>;

    /// The leak's comments, oldest first.
    async fn comments(&self, tenant: &str, id: LeakId) -> Result<Vec<Comment>, StoreError>;

    /// Adds a comment.
    async fn comment(
        &self,
        tenant: &str,
        id: LeakId,
        text: &str,
        actor: &Actor,
    ) -> Result<Comment, StoreError>;

    /// A page of the leak's tokens.
    async fn tokens(
        &self,
        tenant: &str,
        id: LeakId,
        page: &PageRequest,
    ) -> Result<Page<Token>, StoreError>;

    /// What is known of the token with this fingerprint.
    async fn lookup(&self, of: &Tenants, fingerprint: &Fingerprint) -> Result<Lookup, StoreError>;

    /// Which of these fingerprints are those of tokens that the tenant has registered.
    async fn known(
        &self,
        tenant: &str,
        fingerprints: &[Fingerprint],
    ) -> Result<Vec<Fingerprint>, StoreError>;

    /// The virtual patches in force.
    async fn virtual_patches(
        &self,
        of: &Tenants,
        page: &PageRequest,
    ) -> Result<Page<VirtualPatch>, StoreError>;

    /// What a patch on the leak would do: uses of its tokens since `since`.
    async fn impact(
        &self,
        tenant: &str,
        id: LeakId,
        since: Timestamp,
    ) -> Result<Impact, StoreError>;

    /// The leaks whose tokens are enforced or watched at `now`: the open ones, and those closed
    /// less than `watch_closed_days` ago.
    async fn enforced_leaks(
        &self,
        now: Timestamp,
        watch_closed_days: u32,
    ) -> Result<Vec<EnforcedLeak>, StoreError>;

    /// The same of these leaks alone.
    async fn enforced_leaks_of(
        &self,
        ids: &[LeakId],
        now: Timestamp,
        watch_closed_days: u32,
    ) -> Result<Vec<EnforcedLeak>, StoreError>;

    /// What other processes change in the store; none where this process has it for itself.
    fn changes(&self) -> Option<&dyn Changes>;

    /// The tokens of one leak with their text, in pages of at most `limit`, after the token of the
    /// last page.
    async fn enforced_tokens(
        &self,
        leak: LeakId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<EnforcedToken>, StoreError>;

    /// Which of these leaks of the tenant have these tokens, and the tokens' fingerprints as they are shown.
    async fn uses_of(
        &self,
        tenant: &str,
        uses: &[(LeakId, TokenId)],
    ) -> Result<Vec<((LeakId, TokenId), String)>, StoreError>;

    /// Appends events, updates the use of their tokens and the counts of their leaks. Answers with those
    /// that were not stored before.
    async fn append_events(&self, events: &[Event]) -> Result<HashSet<EventId>, StoreError>;

    /// A page of events, newest first.
    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError>;

    /// The numbers behind diagrams.
    async fn stats(&self, of: &Tenants, now: Timestamp) -> Result<Stats, StoreError>;

    /// The bypass switch.
    async fn bypass(&self) -> Result<Bypass, StoreError>;

    /// Turns the bypass switch.
    async fn set_bypass(&self, bypass: Bypass, actor: &Actor) -> Result<(), StoreError>;

    /// Whether there is no user yet.
    async fn is_new(&self) -> Result<bool, StoreError>;

    /// Adds a user. `password_hash` is an argon2id PHC string.
    async fn add_user(
        &self,
        name: &str,
        role: Role,
        password_hash: &str,
        actor: &Actor,
    ) -> Result<UserId, StoreError>;

    /// Adds an API token, of which only the SHA-256 is kept.
    async fn add_api_token(
        &self,
        token: NewApiToken,
        actor: &Actor,
    ) -> Result<ApiToken, StoreError>;

    /// The API tokens.
    async fn api_tokens(&self, of: &Tenants) -> Result<Vec<ApiToken>, StoreError>;

    /// Revokes an API token; acts at once.
    async fn revoke_api_token(
        &self,
        tenant: &str,
        id: ApiTokenId,
        actor: &Actor,
    ) -> Result<(), StoreError>;

    /// Whose API token this is: not revoked, not expired at `now`.
    async fn authenticate(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Actor>, StoreError>;

    /// A page of the audit log, newest first.
    async fn audit(&self, of: &Tenants, query: &AuditQuery)
    -> Result<Page<AuditEntry>, StoreError>;

    /// Writes into the audit log what is another one than at the last call of this name: of the
    /// configuration's values, each by its name.
    async fn note_configuration(
        &self,
        name: &str,
        values: &BTreeMap<String, String>,
        actor: &Actor,
    ) -> Result<(), StoreError>;

    /// Whether the store answers: for readiness.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Waits until everything is on disk, and closes.
    async fn close(&self);
}
