//! The embedded store: SQLite, in two files, one of leaks and decisions and one of events.
//!
//! Each file has one writing connection, behind a lock that is fair, and a few that read. Readers
//! see the other file attached; writers never do, since a transaction would then lock both.

mod audit;
mod decisions;
mod edit;
mod events;
mod identity;
mod leaks;
mod list;
mod open;
mod register;
mod row;
mod statistics;
mod tokens;
mod usage;

use std::fs::File;
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection as _, Sqlite, Transaction};
use tokio::sync::{MappedMutexGuard, MutexGuard};

use super::seal::DataKey;
use super::types::{
    ApiToken, AuditEntry, Bypass, Decide, Edit, EnforcedLeak, EnforcedToken, EventPage, EventQuery,
    Impact, LeakPage, LeakQuery, Lookup, NewApiToken, Page, PageRequest, Registered, Registration,
    Stats,
};
use super::{Store, StoreError};
use crate::model::event::Event;
use crate::model::fingerprint::{Fingerprint, FingerprintKey};
use crate::model::ids::{ApiTokenId, LeakId, TokenId, UserId};
use crate::model::leak::{Comment, HistoryEntry, Leak};
use crate::model::role::{Actor, Role};
use crate::model::rule::VirtualPatch;
use crate::model::token::Token;

pub(super) use open::{open, open_reading};

/// The store.
pub(super) struct SqliteStore {
    decisions: Writer,
    events: Writer,
    /// Read the decisions; the other file is attached as `events`.
    decisions_readers: SqlitePool,
    /// Read the events; the other file is attached as `decisions`.
    events_readers: SqlitePool,
    data_key: DataKey,
    fingerprint_key: FingerprintKey,
    /// What keeps other processes out; absent in a store that is opened to be read.
    lock: Mutex<Option<File>>,
}

/// The one connection that writes a database.
struct Writer(tokio::sync::Mutex<Option<SqliteConnection>>);

impl Writer {
    fn new(connection: SqliteConnection) -> Self {
        Self(tokio::sync::Mutex::new(Some(connection)))
    }

    /// Waits for the connection.
    async fn lock(&self) -> Result<MappedMutexGuard<'_, SqliteConnection>, StoreError> {
        MutexGuard::try_map(self.0.lock().await, Option::as_mut)
            .map_err(|_| StoreError::Failed("the store is closed".to_owned()))
    }

    /// The connection, where nobody has it at the moment.
    fn try_lock(&self) -> Option<MappedMutexGuard<'_, SqliteConnection>> {
        MutexGuard::try_map(self.0.try_lock().ok()?, Option::as_mut).ok()
    }

    async fn close(&self) {
        if let Some(connection) = self.0.lock().await.take() {
            open::close(connection).await;
        }
    }
}

/// Begins a transaction that writes from the start: one that began by reading could find that
/// another process has written meanwhile.
async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, StoreError> {
    Ok(connection.begin_with("BEGIN IMMEDIATE").await?)
}

#[async_trait]
impl Store for SqliteStore {
    fn fingerprint_key(&self) -> &FingerprintKey {
        &self.fingerprint_key
    }

    async fn register(
        &self,
        registration: Registration,
        actor: &Actor,
    ) -> Result<Registered, StoreError> {
        self.register_tokens(registration, actor).await
    }

    async fn leak(&self, tenant: &str, id: LeakId) -> Result<Leak, StoreError> {
        self.one_leak(tenant, id).await
    }

    async fn leaks(&self, tenant: &str, query: &LeakQuery) -> Result<LeakPage, StoreError> {
        self.list_leaks(tenant, query).await
    }

    async fn edit(
        &self,
        tenant: &str,
        id: LeakId,
        edit: Edit,
        actor: &Actor,
    ) -> Result<Leak, StoreError> {
        self.edit_leak(tenant, id, edit, actor).await
    }

    async fn decide(
        &self,
        tenant: &str,
        id: LeakId,
        decide: Decide,
        actor: &Actor,
    ) -> Result<Leak, StoreError> {
        self.decide_leak(tenant, id, decide, actor).await
    }

    async fn expire_patches(&self, now: Timestamp) -> Result<Vec<LeakId>, StoreError> {
        self.remove_expired_patches(now).await
    }

    async fn history(&self, tenant: &str, id: LeakId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.leak_history(tenant, id).await
    }

    async fn comments(&self, tenant: &str, id: LeakId) -> Result<Vec<Comment>, StoreError> {
        self.leak_comments(tenant, id).await
    }

    async fn comment(
        &self,
        tenant: &str,
        id: LeakId,
        text: &str,
        actor: &Actor,
    ) -> Result<Comment, StoreError> {
        self.add_comment(tenant, id, text, actor).await
    }

    async fn tokens(
        &self,
        tenant: &str,
        id: LeakId,
        page: &PageRequest,
    ) -> Result<Page<Token>, StoreError> {
        self.leak_tokens(tenant, id, page).await
    }

    async fn lookup(&self, tenant: &str, fingerprint: &Fingerprint) -> Result<Lookup, StoreError> {
        self.look_up(tenant, fingerprint).await
    }

    async fn virtual_patches(
        &self,
        tenant: &str,
        page: &PageRequest,
    ) -> Result<Page<VirtualPatch>, StoreError> {
        self.list_patches(tenant, page).await
    }

    async fn impact(
        &self,
        tenant: &str,
        id: LeakId,
        since: Timestamp,
    ) -> Result<Impact, StoreError> {
        self.leak_impact(tenant, id, since).await
    }

    async fn enforced_leaks(
        &self,
        now: Timestamp,
        watch_closed_days: u32,
    ) -> Result<Vec<EnforcedLeak>, StoreError> {
        self.list_enforced_leaks(now, watch_closed_days).await
    }

    async fn enforced_tokens(
        &self,
        leak: LeakId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<EnforcedToken>, StoreError> {
        self.list_enforced_tokens(leak, after, limit).await
    }

    async fn append_events(&self, events: &[Event]) -> Result<(), StoreError> {
        self.append(events).await
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        self.list_events(query).await
    }

    async fn stats(&self, tenant: &str, now: Timestamp) -> Result<Stats, StoreError> {
        self.statistics(tenant, now).await
    }

    async fn bypass(&self) -> Result<Bypass, StoreError> {
        self.read_bypass().await
    }

    async fn set_bypass(&self, bypass: Bypass, actor: &Actor) -> Result<(), StoreError> {
        self.write_bypass(bypass, actor).await
    }

    async fn is_new(&self) -> Result<bool, StoreError> {
        self.has_no_user().await
    }

    async fn add_user(
        &self,
        name: &str,
        role: Role,
        password_hash: &str,
        actor: &Actor,
    ) -> Result<UserId, StoreError> {
        self.insert_user(name, role, password_hash, actor).await
    }

    async fn add_api_token(
        &self,
        token: NewApiToken,
        actor: &Actor,
    ) -> Result<ApiToken, StoreError> {
        self.insert_api_token(token, actor).await
    }

    async fn api_tokens(&self, tenant: &str) -> Result<Vec<ApiToken>, StoreError> {
        self.list_api_tokens(tenant).await
    }

    async fn revoke_api_token(
        &self,
        tenant: &str,
        id: ApiTokenId,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.revoke(tenant, id, actor).await
    }

    async fn authenticate(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Actor>, StoreError> {
        self.holder_of(hash, now).await
    }

    async fn audit(
        &self,
        tenant: &str,
        page: &PageRequest,
    ) -> Result<Page<AuditEntry>, StoreError> {
        self.list_audit(tenant, page).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        for readers in [&self.decisions_readers, &self.events_readers] {
            sqlx::query("SELECT 1").execute(readers).await?;
        }
        Ok(())
    }

    async fn close(&self) {
        // Readers first: the last connection to close is then one that can write, and brings the
        // log into the database.
        self.decisions_readers.close().await;
        self.events_readers.close().await;
        self.decisions.close().await;
        self.events.close().await;
        let mut lock = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(lock.take());
    }
}
