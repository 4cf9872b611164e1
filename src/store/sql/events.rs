//! Events: appended with all that is counted from them, and listed.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::client_hours::Span;
use super::database::{Builder, Connection, Pool, Row, Value};
use super::outgoing::feed;
use super::usage::Tally;
use super::{SqlStore, held, list, row};
use crate::config::limits;
use crate::model::event::{Event, EventAction, EventType};
use crate::model::ids::{EventId, LeakId, PatchId, TokenId};
use crate::store::StoreError;
use crate::store::cursor::{Binding, Place, SortKey};
use crate::store::types::{EventPage, EventQuery, Page, PageRequest};

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

    /// Events are walked through in the order of an index, newest first. Where that alone does not tell
    /// which of them fit, no more than [`limits::EVENTS_LOOKED_AT`] are looked at for a page.
    pub(super) async fn list_events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let parameters = EventQuery { page: PageRequest::default(), ..query.clone() };
        let binding = Binding::new("events", &parameters);
        let limit = list::page_limit(&query.page);
        let after = match binding.place(query.page.cursor.as_deref())? {
            Some(Place { key: SortKey::Number(at), id }) => Some((at, id)),
            Some(_) => return Err(StoreError::BadCursor),
            None => None,
        };
        let fits = Fits::of(query, &self.events_readers);
        let push_after = |sql: &mut Builder| {
            if let Some((at, id)) = &after {
                sql.push(" AND (e.at, e.id) < (").push_bind(*at);
                sql.push(", ").push_bind(id.clone()).push(")");
            }
        };
        let mut reader = self.events_readers.acquire().await?;
        if !self.are_of_tenant(&mut reader, query).await? {
            return Ok(EventPage { items: Vec::new(), next_cursor: None, searched_to: None });
        }
        let last = if fits.is_alone() {
            None
        } else {
            last_looked_at(&mut reader, &fits, push_after).await?
        };
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM events e WHERE 1 = 1");
        fits.push_walked(&mut sql);
        fits.push_others(&mut sql);
        push_after(&mut sql);
        if let Some((at, id)) = &last {
            sql.push(" AND (e.at, e.id) >= (").push_bind(*at);
            sql.push(", ").push_bind(id.clone()).push(")");
        }
        sql.push(" ORDER BY e.at DESC, e.id DESC LIMIT ");
        sql.push_bind(row::signed(limit.saturating_add(1)));
        let rows = sql.build().fetch_all(&mut reader).await?;
        let Page { items, next_cursor } = list::page(rows, limit, &binding, place, event)?;
        match last {
            Some((at, id)) if next_cursor.is_none() => Ok(EventPage {
                items,
                next_cursor: Some(binding.cursor(Place { key: SortKey::Number(at), id })?),
                searched_to: Some(row::timestamp(at, "at")?),
            }),
            _ => Ok(EventPage { items, next_cursor, searched_to: None }),
        }
    }
}

impl SqlStore {
    /// Whether the token and the leak that the query names are of its tenant, as far as they have
    /// events: those of others are not looked at, so that nothing of them can be told.
    pub(super) async fn are_of_tenant(
        &self,
        reader: &mut dyn Connection,
        query: &EventQuery,
    ) -> Result<bool, StoreError> {
        let Some(tenant) = &query.tenant else { return Ok(true) };
        let ids =
            [("token", query.token.map(|token| token.0)), ("leak", query.leak.map(|leak| leak.0))];
        for (column, id) in ids {
            let Some(id) = id else { continue };
            let mut sql = Builder::new("SELECT e.tenant FROM events e WHERE e.");
            sql.push(column).push(" = ").push_bind(id.as_bytes().to_vec());
            sql.push(" ORDER BY e.at DESC, e.id DESC LIMIT 1");
            let found = sql.build().fetch_all(&mut *reader).await?;
            if let Some(last) = found.first()
                && row::text(last, "tenant")? != *tenant
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The last of as many events as are looked at for one answer; none where there are fewer. `more` adds
/// conditions.
pub(super) async fn last_looked_at(
    reader: &mut dyn Connection,
    fits: &Fits<'_>,
    more: impl Fn(&mut Builder),
) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let mut sql = Builder::new("SELECT e.at, e.id FROM events e WHERE 1 = 1");
    fits.push_walked(&mut sql);
    more(&mut sql);
    sql.push(" ORDER BY e.at DESC, e.id DESC LIMIT 1 OFFSET ");
    sql.push_bind(row::signed(limits::EVENTS_LOOKED_AT.saturating_sub(1)));
    let found = sql.build().fetch_all(reader).await?;
    found.first().map(|last| Ok((row::number(last, "at")?, last.try_get("id")?))).transpose()
}

/// What a query asks for, as conditions on `e`: events, or what is counted of them.
pub(super) struct Fits<'q> {
    query: &'q EventQuery,
    /// The columns whose index is walked through: of those that the query names, what likely has the
    /// fewest events; none: the index of the time.
    walked: &'static [&'static str],
    /// What goes before another column, so that its index is not walked through instead. It would
    /// keep PostgreSQL, which knows how often values occur, from using that.
    pub(super) hidden: &'static str,
}

impl<'q> Fits<'q> {
    /// One tenant's events are walked through by themselves, so that where a page ends tells nothing of
    /// the others'. A token and a leak are of one tenant: see [`SqlStore::are_of_tenant`].
    pub(super) fn of(query: &'q EventQuery, readers: &Pool) -> Self {
        let walked: &[&str] = match (query.tenant.is_some(), query) {
            (_, EventQuery { token: Some(_), .. }) => &["token"],
            (_, EventQuery { leak: Some(_), .. }) => &["leak"],
            (true, EventQuery { source_ip: Some(_), .. }) => &["tenant", "source_ip"],
            (true, EventQuery { host: Some(_), .. }) => &["tenant", "host"],
            (true, _) => &["tenant"],
            (false, EventQuery { source_ip: Some(_), .. }) => &["source_ip"],
            (false, EventQuery { host: Some(_), .. }) => &["host"],
            (false, _) => &[],
        };
        let hidden = match readers {
            Pool::Sqlite(_) => "+",
            Pool::Postgres(_) => "",
        };
        Self { query, walked, hidden }
    }

    /// Whether the index that is walked through tells all that fit.
    fn is_alone(&self) -> bool {
        let query = self.query;
        let is_of_one = query.token.is_some() || query.leak.is_some();
        let asked = [
            query.token.is_some(),
            query.leak.is_some(),
            query.source_ip.is_some(),
            query.host.is_some(),
            query.tenant.is_some() && !is_of_one,
            !query.action.is_empty(),
            query.path.is_some(),
        ];
        asked.iter().filter(|asked| **asked).count() == self.walked.len()
    }

    /// The conditions that the index begins with, and the time.
    pub(super) fn push_walked(&self, sql: &mut Builder) {
        self.push_columns(sql, true);
        Span::of(self.query).push(sql, "e.at");
    }

    /// All other conditions.
    pub(super) fn push_others(&self, sql: &mut Builder) {
        self.push_columns(sql, false);
        list::push_in(sql, " AND e.action", self.query.action.iter().map(|it| it.name()));
        if let Some(path) = &self.query.path {
            // Compared as it is: what has a meaning in patterns has none here.
            let length = i64::try_from(path.chars().count()).unwrap_or(i64::MAX);
            sql.push(" AND substr(e.path, 1, CAST(").push_bind(length);
            sql.push(" AS INTEGER)) = ").push_bind(path.clone());
        }
    }

    /// The conditions on columns that have an index: on the one that is walked through, or on the others.
    pub(super) fn push_columns(&self, sql: &mut Builder, walked: bool) {
        let query = self.query;
        let bytes = |id: uuid::Uuid| Value::from(id.as_bytes().to_vec());
        for (column, value) in [
            ("token", query.token.map(|token| bytes(token.0))),
            ("leak", query.leak.map(|leak| bytes(leak.0))),
            ("source_ip", query.source_ip.as_deref().map(Value::from)),
            ("host", query.host.as_deref().map(Value::from)),
            ("tenant", query.tenant.as_deref().map(Value::from)),
        ] {
            let Some(value) = value.filter(|_| walked == self.walked.contains(&column)) else {
                continue;
            };
            sql.push(" AND ").push(if walked { "" } else { self.hidden });
            sql.push("e.").push(column).push(" = ").push_bind(value);
        }
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
