//! The store in SQL: the embedded one, SQLite, and PostgreSQL.
//!
//! Leaks and decisions are one database, events are another: two files of SQLite, two schemas of
//! PostgreSQL. Each has what writes it and connections that read it, which see the other one too,
//! by its name; what writes never does, since a transaction would then lock both.

mod applicable;
mod audit;
mod backup;
mod changed;
mod changes;
mod client_hours;
mod configuration;
mod copy;
mod counts;
mod database;
mod decisions;
mod edit;
mod events;
mod fingerprint_key;
mod four_eyes;
mod groups;
mod handed_out;
mod held;
mod identity;
mod identity_store;
mod impact;
mod key_files;
mod leaks;
mod list;
mod once;
mod outgoing;
mod policies;
mod postgres;
mod register;
mod retention;
mod risk;
mod rotation;
mod row;
mod search;
mod sessions;
mod sqlite;
mod statistics;
mod tenants;
mod token_modes;
mod tokens;
mod usage;
mod users;
mod views;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;

use super::ring::Keyring;
use super::types::{
    ApiToken, AuditEntry, AuditQuery, Bypass, Decide, DoneOnce, Edit, EnforcedLeak, EnforcedToken,
    EventPage, EventQuery, Impact, LeakPage, LeakQuery, Lookup, NewApiToken, Once, Page,
    PageRequest, Registered, Registration, Stats,
};
use super::{Changes, KeySource, Store, StoreError};
use crate::model::event::Event;
use crate::model::fingerprint::{Fingerprint, FingerprintKey};
use crate::model::ids::{ApiTokenId, EventId, LeakId, TokenId, UserId};
use crate::model::leak::{Comment, HistoryEntry, Leak};
use crate::model::role::{Actor, Role};
use crate::model::rule::{ModeOfToken, VirtualPatch};
use crate::model::tenant::Tenants;
use crate::model::token::Token;

use changes::Feed;
use database::{Pool, Writer, query};
use key_files::KeyFiles;

pub(super) use backup::{backup, restore};
pub(super) use copy::copy;

/// The store.
pub(super) struct SqlStore {
    decisions: Writer,
    events: Writer,
    /// Read the decisions, and see the other database as `events`.
    decisions_readers: Pool,
    /// Read the events, and see the other database as `decisions`.
    events_readers: Pool,
    /// Read the decisions for decisions, publishing, authentication and the writing of events.
    reserved_readers: Pool,
    /// Reads the events for decisions.
    reserved_events_reader: Pool,
    keys: Keyring,
    /// Where the next key is made; absent where keys are given to the process.
    key_files: Option<KeyFiles>,
    fingerprint_key: FingerprintKey,
    /// The leaks whose risk may be another one since their tokens were used.
    used: risk::Used,
    /// What other processes change; absent where none can.
    feed: Option<Feed>,
    /// What keeps other processes out of the files; absent in a store that is opened to be read,
    /// and with PostgreSQL.
    lock: Mutex<Option<File>>,
}

/// Opens the store at `url` for reading and writing.
pub(super) async fn open(
    url: &str,
    source: &KeySource,
) -> Result<(SqlStore, Vec<String>), StoreError> {
    if postgres::is_url(url) {
        postgres::open(url, source).await
    } else {
        sqlite::open(url, source).await
    }
}

/// Opens the store at `url` for reading, beside a process that writes.
pub(super) async fn open_reading(url: &str, source: &KeySource) -> Result<SqlStore, StoreError> {
    if postgres::is_url(url) {
        postgres::open_reading(url, source).await
    } else {
        sqlite::open_reading(url, source).await
    }
}

#[async_trait]
impl Store for SqlStore {
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

    async fn leaks(&self, of: &Tenants, query: &LeakQuery) -> Result<LeakPage, StoreError> {
        self.list_leaks(of, query).await
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

    async fn undecided(
        &self,
        tenant: &str,
        ids: &[LeakId],
    ) -> Result<Vec<(LeakId, u64)>, StoreError> {
        self.undecided_of(tenant, ids).await
    }

    async fn settle_risks(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.bring_risks_up_to_date(now).await
    }

    async fn token_modes(&self, leak: LeakId) -> Result<Vec<ModeOfToken>, StoreError> {
        self.modes_of(leak).await
    }

    async fn done_once(
        &self,
        tenant: &str,
        key: &[u8; 16],
    ) -> Result<Option<DoneOnce>, StoreError> {
        self.find_call(tenant, key).await
    }

    async fn begin_once(
        &self,
        tenant: &str,
        once: Once,
        leaks: &[LeakId],
    ) -> Result<(), StoreError> {
        self.begin_call(tenant, once, leaks).await
    }

    async fn end_once(&self, tenant: &str, once: Once, answer: &str) -> Result<(), StoreError> {
        self.end_call(tenant, once, answer).await
    }

    async fn forget_calls(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.remove_calls(before).await
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

    async fn lookup(&self, of: &Tenants, fingerprint: &Fingerprint) -> Result<Lookup, StoreError> {
        self.look_up(of, fingerprint).await
    }

    async fn known(
        &self,
        tenant: &str,
        fingerprints: &[Fingerprint],
    ) -> Result<Vec<Fingerprint>, StoreError> {
        self.known_fingerprints(tenant, fingerprints).await
    }

    async fn virtual_patches(
        &self,
        of: &Tenants,
        page: &PageRequest,
    ) -> Result<Page<VirtualPatch>, StoreError> {
        self.list_patches(of, page).await
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

    async fn enforced_leaks_of(
        &self,
        ids: &[LeakId],
        now: Timestamp,
        watch_closed_days: u32,
    ) -> Result<Vec<EnforcedLeak>, StoreError> {
        self.list_enforced_leaks_of(ids, now, watch_closed_days).await
    }

    fn changes(&self) -> Option<&dyn Changes> {
        self.feed.as_ref().map(|feed| feed as &dyn Changes)
    }

    async fn enforced_tokens(
        &self,
        leak: LeakId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<EnforcedToken>, StoreError> {
        self.list_enforced_tokens(leak, after, limit).await
    }

    async fn uses_of(
        &self,
        tenant: &str,
        uses: &[(LeakId, TokenId)],
    ) -> Result<Vec<((LeakId, TokenId), String)>, StoreError> {
        self.find_uses(tenant, uses).await
    }

    async fn append_events(&self, events: &[Event]) -> Result<HashSet<EventId>, StoreError> {
        self.append(events).await
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        self.list_events(query).await
    }

    async fn stats(&self, of: &Tenants, now: Timestamp) -> Result<Stats, StoreError> {
        self.statistics(of, now).await
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

    async fn api_tokens(&self, of: &Tenants) -> Result<Vec<ApiToken>, StoreError> {
        self.list_api_tokens(of).await
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
        of: &Tenants,
        query: &AuditQuery,
    ) -> Result<Page<AuditEntry>, StoreError> {
        self.list_audit(of, query).await
    }

    async fn note_configuration(
        &self,
        name: &str,
        values: &BTreeMap<String, String>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.note_values(name, values, actor).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Not the others: many lists and statistics do not make the store one that does not answer.
        for readers in [&self.reserved_readers, &self.reserved_events_reader] {
            query("SELECT 1").execute(readers).await?;
        }
        Ok(())
    }

    async fn close(&self) {
        // Readers first: the last connection to close is then one that can write, and brings the
        // log into the database.
        for readers in [
            &self.decisions_readers,
            &self.events_readers,
            &self.reserved_readers,
            &self.reserved_events_reader,
        ] {
            readers.close().await;
        }
        self.decisions.close().await;
        self.events.close().await;
        if let Some(feed) = &self.feed {
            feed.close().await;
        }
        let mut lock = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(lock.take());
    }
}
