//! Events: appended with all that is counted from them, and listed.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::database::{Builder, Connection, Pool, Row};
use super::outgoing::feed;
use super::usage::Tally;
use super::{SqlStore, held, list, row};
use crate::config::limits;
use crate::model::event::{Event, EventAction, EventType};
use crate::model::ids::{EventId, LeakId, PatchId, TokenId};
use crate::store::StoreError;
use crate::store::cursor::{Binding, Place, SortKey};
use crate::store::types::{EventPage, EventQuery, PageRequest};

/// The columns of an event, in the order in which they are written.
pub(super) const COLUMNS: &str =
    "id, at, tenant, type, action, leak, virtual_patch, token, fingerprint, point,
    encodings, source_ip, peer_ip, forwarded_for, client_cert, user_agent, method, host, path,
    response_status, count, gateway, request_id";

impl SqlStore {
    /// An event whose id is there already is the same one offered again: it is neither written nor
    /// counted a second time.
    pub(super) async fn append(&self, events: &[Event]) -> Result<HashSet<EventId>, StoreError> {
        if events.is_empty() {
            return Ok(HashSet::new());
        }
        let tenants = self.tenants_of(events).await?;
        let leaks = self.leaks_of(events).await?;
        let mut writer = self.events.lock().await?;
        let mut transaction = writer.begin().await?;
        let mut tally = Tally::default();
        let mut stored = HashSet::with_capacity(events.len());
        for chunk in events.chunks(limits::STORE_ROWS) {
            let mut written = insert(&mut transaction, chunk, &tenants).await?;
            let mut fed = Vec::with_capacity(written.len());
            for event in chunk {
                // Taken out, so that an event that stands in the batch twice is counted once.
                if written.remove(&event.id) {
                    stored.insert(event.id);
                    let tenant = tenants.get(&event.leak).unwrap_or(&event.tenant);
                    tally.add(event, tenant, leaks.get(&event.token));
                    fed.push((event.id, tenant.as_str()));
                }
            }
            feed(&mut transaction, &fed).await?;
            held::forget(&mut transaction, chunk.iter().map(|event| event.id)).await?;
        }
        let told = tally.told();
        tally.write(&mut transaction).await?;
        transaction.commit().await?;
        drop(writer);
        for (leak, at, validity) in told {
            self.used.note(leak, at, validity);
        }
        Ok(stored)
    }

    /// The tenants of the events' leaks.
    async fn tenants_of(&self, events: &[Event]) -> Result<HashMap<LeakId, String>, StoreError> {
        let ids: BTreeSet<LeakId> = events.iter().map(|event| event.leak).collect();
        let ids: Vec<LeakId> = ids.into_iter().collect();
        let mut tenants = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(limits::STORE_VALUES) {
            let mut sql = Builder::new("SELECT id, tenant FROM leaks WHERE id IN (");
            super::leaks::push_ids(&mut sql, chunk);
            let rows = sql.build().persistent(false).fetch_all(&self.reserved_readers).await?;
            for found in &rows {
                tenants.insert(LeakId(row::uuid(found, "id")?), row::text(found, "tenant")?);
            }
        }
        Ok(tenants)
    }

    /// All leaks that have each of the events' tokens: an event names the one whose rule acted.
    async fn leaks_of(
        &self,
        events: &[Event],
    ) -> Result<HashMap<TokenId, Vec<LeakId>>, StoreError> {
        let ids: BTreeSet<TokenId> = events.iter().map(|event| event.token).collect();
        let ids: Vec<TokenId> = ids.into_iter().collect();
        let mut leaks: HashMap<TokenId, Vec<LeakId>> = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(limits::STORE_VALUES) {
            let mut sql = Builder::new("SELECT token, leak FROM leak_tokens WHERE token IN (");
            super::usage::push_tokens(&mut sql, chunk.iter().copied());
            let rows = sql.build().persistent(false).fetch_all(&self.reserved_readers).await?;
            for found in &rows {
                leaks
                    .entry(TokenId(row::uuid(found, "token")?))
                    .or_default()
                    .push(LeakId(row::uuid(found, "leak")?));
            }
        }
        Ok(leaks)
    }

    /// Which leaks of the tenant have which of these tokens.
    pub(super) async fn find_uses(
        &self,
        tenant: &str,
        uses: &[(LeakId, TokenId)],
    ) -> Result<Vec<((LeakId, TokenId), String)>, StoreError> {
        let asked: HashSet<(LeakId, TokenId)> = uses.iter().copied().collect();
        let tokens: BTreeSet<TokenId> = uses.iter().map(|(_, token)| *token).collect();
        let tokens: Vec<TokenId> = tokens.into_iter().collect();
        let mut found = Vec::with_capacity(asked.len());
        for chunk in tokens.chunks(limits::STORE_VALUES) {
            let mut sql = Builder::new(
                "SELECT lt.leak, lt.token, t.fingerprint FROM leak_tokens lt
                 JOIN tokens t ON t.id = lt.token JOIN leaks l ON l.id = lt.leak
                 WHERE l.tenant = ",
            );
            sql.push_bind(tenant.to_owned()).push(" AND lt.token IN (");
            super::usage::push_tokens(&mut sql, chunk.iter().copied());
            let rows = sql.build().persistent(false).fetch_all(&self.reserved_readers).await?;
            for one in &rows {
                let leak = LeakId(row::uuid(one, "leak")?);
                let token = TokenId(row::uuid(one, "token")?);
                if asked.contains(&(leak, token)) {
                    found.push(((leak, token), row::fingerprint(one, "fingerprint")?.to_string()));
                }
            }
        }
        Ok(found)
    }

    pub(super) async fn list_events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let parameters = EventQuery { page: PageRequest::default(), ..query.clone() };
        let binding = Binding::new("events", &parameters);
        let limit = list::page_limit(&query.page);
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM events e WHERE 1 = 1");
        push_conditions(&mut sql, query);
        match binding.place(query.page.cursor.as_deref())? {
            Some(Place { key: SortKey::Number(at), id }) => {
                sql.push(" AND (e.at, e.id) < (").push_bind(at);
                sql.push(", ").push_bind(id).push(")");
            }
            Some(_) => return Err(StoreError::BadCursor),
            None => {}
        }
        sql.push(" ORDER BY e.at DESC, e.id DESC LIMIT ");
        sql.push_bind(row::signed(limit.saturating_add(1)));
        let rows = sql.build().fetch_all(&self.events_readers).await?;
        list::page(rows, limit, &binding, place, event)
    }
}

/// The conditions on `events e` that the query asks for.
pub(super) fn push_conditions(sql: &mut Builder, query: &EventQuery) {
    if let Some(tenant) = &query.tenant {
        sql.push(" AND e.tenant = ").push_bind(tenant.clone());
    }
    if let Some(leak) = query.leak {
        sql.push(" AND e.leak = ").push_bind(leak.0.as_bytes().to_vec());
    }
    if let Some(token) = query.token {
        sql.push(" AND e.token = ").push_bind(token.0.as_bytes().to_vec());
    }
    list::push_in(sql, " AND e.action", query.action.iter().map(|it| it.name()));
    if let Some(source_ip) = &query.source_ip {
        sql.push(" AND e.source_ip = ").push_bind(source_ip.clone());
    }
    if let Some(host) = &query.host {
        sql.push(" AND e.host = ").push_bind(host.clone());
    }
    if let Some(from) = query.from {
        sql.push(" AND e.at >= ").push_bind(from.as_millisecond());
    }
    if let Some(to) = query.to {
        sql.push(" AND e.at < ").push_bind(to.as_millisecond());
    }
    if let Some(path) = &query.path {
        // Compared as it is: what has a meaning in patterns has none here.
        let length = i64::try_from(path.chars().count()).unwrap_or(i64::MAX);
        sql.push(" AND substr(e.path, 1, CAST(").push_bind(length);
        sql.push(" AS INTEGER)) = ").push_bind(path.clone());
    }
}

/// The events of these ids that are there.
pub(super) async fn by_ids(readers: &Pool, ids: &[EventId]) -> Result<Vec<Event>, StoreError> {
    let mut sql = Builder::new("SELECT ");
    sql.push(COLUMNS).push(" FROM events WHERE id IN (");
    sql.push_list(ids.iter().map(|id| id.0.as_bytes().to_vec())).push(")");
    let rows = sql.build().persistent(false).fetch_all(readers).await?;
    rows.iter().map(event).collect()
}

/// Writes events; answers with the ids of those that were not there yet.
async fn insert(
    connection: &mut dyn Connection,
    events: &[Event],
    tenants: &HashMap<LeakId, String>,
) -> Result<HashSet<EventId>, StoreError> {
    let mut encodings = Vec::with_capacity(events.len());
    for event in events {
        encodings.push(row::to_json(&event.encodings)?);
    }
    let mut sql = Builder::new("INSERT INTO events (");
    sql.push(COLUMNS).push(") ");
    sql.push_values(events.iter().zip(encodings), |values, (event, encodings)| {
        values
            .push_bind(event.id.0.as_bytes().to_vec())
            .push_bind(event.at.as_millisecond())
            .push_bind(tenants.get(&event.leak).unwrap_or(&event.tenant).clone())
            .push_bind(event.kind.name())
            .push_bind(event.action.name())
            .push_bind(event.leak.0.as_bytes().to_vec())
            .push_bind(event.virtual_patch.map(|patch| patch.0.as_bytes().to_vec()))
            .push_bind(event.token.0.as_bytes().to_vec())
            .push_bind(event.fingerprint.clone())
            .push_bind(event.point.clone())
            .push_bind(encodings)
            .push_bind(event.source_ip.clone())
            .push_bind(event.peer_ip.clone())
            .push_bind(event.forwarded_for.clone())
            .push_bind(event.client_cert.clone())
            .push_bind(event.user_agent.clone())
            .push_bind(event.method.clone())
            .push_bind(event.host.clone())
            .push_bind(event.path.clone())
            .push_bind(event.response_status.map(i64::from))
            .push_bind(row::signed(event.count))
            .push_bind(event.gateway.clone())
            .push_bind(event.request_id.clone());
    });
    sql.push(" ON CONFLICT (id) DO NOTHING RETURNING id");
    let is_whole = events.len() == limits::STORE_ROWS;
    sql.build()
        .persistent(is_whole)
        .fetch_all(connection)
        .await?
        .iter()
        .map(|found| row::uuid(found, "id").map(EventId))
        .collect()
}

fn place(found: &Row) -> Result<Place, StoreError> {
    Ok(Place { key: SortKey::Number(row::number(found, "at")?), id: found.try_get("id")? })
}

pub(super) fn event(found: &Row) -> Result<Event, StoreError> {
    Ok(Event {
        id: EventId(row::uuid(found, "id")?),
        at: row::time(found, "at")?,
        kind: row::named(found, "type", EventType::from_name)?,
        action: row::named(found, "action", EventAction::from_name)?,
        tenant: row::text(found, "tenant")?,
        leak: LeakId(row::uuid(found, "leak")?),
        virtual_patch: row::uuid_or_none(found, "virtual_patch")?.map(PatchId),
        token: TokenId(row::uuid(found, "token")?),
        fingerprint: row::text(found, "fingerprint")?,
        point: row::text(found, "point")?,
        encodings: row::json(found, "encodings")?,
        source_ip: row::text(found, "source_ip")?,
        peer_ip: row::text(found, "peer_ip")?,
        forwarded_for: row::text_or_none(found, "forwarded_for")?,
        client_cert: row::text_or_none(found, "client_cert")?,
        user_agent: row::text_or_none(found, "user_agent")?,
        method: row::text(found, "method")?,
        host: row::text(found, "host")?,
        path: row::text(found, "path")?,
        response_status: row::small_or_none(found, "response_status")?,
        count: row::count(found, "count")?,
        gateway: row::text(found, "gateway")?,
        request_id: row::text(found, "request_id")?,
        route: 0,
    })
}
