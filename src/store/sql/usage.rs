//! What is counted from events, and what it tells of tokens and leaks.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::database::{Builder, Connection, Pool, Value};
use super::{SqlStore, leaks, row};
use crate::config::limits;
use crate::model::clock;
use crate::model::event::{Event, EventAction};
use crate::model::ids::{EventId, LeakId, TokenId};
use crate::model::leak::Leak;
use crate::model::token::{Token, Validity};
use crate::store::StoreError;

/// Milliseconds of an hour.
pub(super) const HOUR: i64 = 60 * 60 * 1000;
/// Milliseconds of a day.
pub(super) const DAY: i64 = 24 * HOUR;

/// The first of the hours that the last 24 hours are counted by: the one that is under way and the
/// 24 before it, so that no use of the last 24 hours is missing.
pub(super) fn first_of_24_hours(now: Timestamp) -> i64 {
    now.as_millisecond().div_euclid(HOUR).saturating_sub(24)
}

/// How many hours that are.
const HOURS: usize = 25;

/// What the upstream's answer to a token tells of it: nothing, where it never saw the token.
fn told(event: &Event) -> Option<Validity> {
    if event.action == EventAction::Blocked {
        return None;
    }
    match event.response_status? {
        200..=299 => Some(Validity::Active),
        401 => Some(Validity::Inactive),
        _ => None,
    }
}

/// The use of one token in a batch.
#[derive(Default)]
struct TokenUse {
    last_used_at: i64,
    /// The first use, and when that was.
    first: Option<(i64, EventId)>,
    told: Option<(i64, Validity)>,
}

/// What a batch of events adds to each count.
#[derive(Default)]
pub(super) struct Tally {
    leak_hours: HashMap<(LeakId, i64, EventAction), u64>,
    leak_days: HashMap<(LeakId, i64, EventAction), u64>,
    tenant_hours: HashMap<(String, i64, EventAction), u64>,
    tenant_days: HashMap<(String, i64, EventAction), u64>,
    leaks: HashMap<LeakId, i64>,
    /// When each leak was first used in the batch, and what was told of it last.
    told: HashMap<LeakId, (i64, Option<Validity>)>,
    tokens: HashMap<TokenId, TokenUse>,
}

impl Tally {
    /// Counts an event for its tenant, for its own leak, and for all that have its token.
    pub(super) fn add(&mut self, event: &Event, tenant: &str, having: Option<&Vec<LeakId>>) {
        let at = event.at.as_millisecond();
        let (hour, day) = (at.div_euclid(HOUR), at.div_euclid(DAY));
        let (action, count) = (event.action, event.count);
        *self.tenant_hours.entry((tenant.to_owned(), hour, action)).or_default() += count;
        *self.tenant_days.entry((tenant.to_owned(), day, action)).or_default() += count;
        let mut leaks: BTreeSet<LeakId> = having.into_iter().flatten().copied().collect();
        leaks.insert(event.leak);
        for leak in leaks {
            *self.leak_hours.entry((leak, hour, action)).or_default() += count;
            *self.leak_days.entry((leak, day, action)).or_default() += count;
            let last = self.leaks.entry(leak).or_insert(at);
            *last = (*last).max(at);
            let told = self.told.entry(leak).or_insert((at, None));
            told.0 = told.0.min(at);
            told.1 = self::told(event).or(told.1);
        }
        let token = self.tokens.entry(event.token).or_default();
        token.last_used_at = token.last_used_at.max(at);
        if token.first.is_none_or(|(first, _)| at < first) {
            token.first = Some((at, event.id));
        }
        if let Some(validity) = told(event)
            && token.told.is_none_or(|(before, _)| before <= at)
        {
            token.told = Some((at, validity));
        }
    }

    /// What it tells of leaks.
    pub(super) fn told(&self) -> Vec<(LeakId, i64, Option<Validity>)> {
        self.told.iter().map(|(leak, (at, validity))| (*leak, *at, *validity)).collect()
    }

    /// Adds it all to what is stored.
    pub(super) async fn write(self, connection: &mut dyn Connection) -> Result<(), StoreError> {
        let leak = |leak: LeakId| leak.0.as_bytes().to_vec();
        add(connection, "leak_hours", "leak", "hour", self.leak_hours, leak).await?;
        add(connection, "leak_days", "leak", "day", self.leak_days, leak).await?;
        let tenant = |tenant: String| tenant;
        add(connection, "tenant_hours", "tenant", "hour", self.tenant_hours, tenant).await?;
        add(connection, "tenant_days", "tenant", "day", self.tenant_days, tenant).await?;
        let leaks: Vec<(LeakId, i64)> = self.leaks.into_iter().collect();
        for chunk in leaks.chunks(limits::STORE_ROWS) {
            let mut sql = Builder::new("INSERT INTO leak_use (leak, last_event_at) ");
            sql.push_values(chunk.iter(), |values, (leak, last_event_at)| {
                values.push_bind(leak.0.as_bytes().to_vec()).push_bind(*last_event_at);
            });
            sql.push(
                " ON CONFLICT (leak) DO UPDATE SET last_event_at = excluded.last_event_at
                    WHERE excluded.last_event_at > leak_use.last_event_at",
            );
            sql.build().persistent(false).execute(&mut *connection).await?;
        }
        let tokens: Vec<(TokenId, TokenUse)> = self.tokens.into_iter().collect();
        for chunk in tokens.chunks(limits::STORE_ROWS) {
            // The first use stays the one that was written first. Batches may come late: what was told
            // last counts, not what was written last.
            let mut sql = Builder::new(
                "INSERT INTO token_use (token, last_used_at, first_event, validity, validity_at) ",
            );
            sql.push_values(chunk.iter(), |values, (token, used)| {
                values
                    .push_bind(token.0.as_bytes().to_vec())
                    .push_bind(used.last_used_at)
                    .push_bind(used.first.map(|(_, event)| event.0.as_bytes().to_vec()))
                    .push_bind(used.told.map(|(_, validity)| row::validity_name(validity)))
                    .push_bind(used.told.map(|(at, _)| at));
            });
            sql.push(
                " ON CONFLICT (token) DO UPDATE SET
                    last_used_at = CASE WHEN excluded.last_used_at > token_use.last_used_at
                        THEN excluded.last_used_at ELSE token_use.last_used_at END,
                    validity = CASE WHEN excluded.validity_at >= COALESCE(token_use.validity_at,
                        excluded.validity_at) THEN excluded.validity ELSE token_use.validity END,
                    validity_at = CASE WHEN excluded.validity_at >= COALESCE(token_use.validity_at,
                        excluded.validity_at) THEN excluded.validity_at
                        ELSE token_use.validity_at END
                  WHERE excluded.last_used_at > token_use.last_used_at
                    OR excluded.validity_at >= COALESCE(token_use.validity_at, excluded.validity_at)",
            );
            sql.build().persistent(false).execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// Adds counts to those of a table, by whose they are and their hour or day.
async fn add<K, V: Into<Value>>(
    connection: &mut dyn Connection,
    table: &str,
    whose: &str,
    when: &str,
    counts: HashMap<(K, i64, EventAction), u64>,
    value: fn(K) -> V,
) -> Result<(), StoreError> {
    let mut counts = counts.into_iter().peekable();
    while counts.peek().is_some() {
        let mut sql = Builder::new("INSERT INTO ");
        sql.push(table).push(" (").push(whose).push(", ").push(when).push(", action, count) ");
        let mut rows = 0;
        let chunk = counts.by_ref().take(limits::STORE_ROWS).inspect(|_| rows += 1);
        sql.push_values(chunk, |values, ((whose, when, action), count)| {
            values
                .push_bind(value(whose))
                .push_bind(when)
                .push_bind(action.name())
                .push_bind(row::signed(count));
        });
        sql.push(" ON CONFLICT (")
            .push(whose)
            .push(", ")
            .push(when)
            .push(", action) DO UPDATE SET ");
        sql.push("count = ").push(table).push(".count + excluded.count");
        let is_whole = rows == limits::STORE_ROWS;
        sql.build().persistent(is_whole).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A list of tokens' ids and the bracket that ends it.
pub(super) fn push_tokens(sql: &mut Builder, ids: impl Iterator<Item = TokenId>) {
    sql.push_list(ids.map(|id| id.0.as_bytes().to_vec())).push(")");
}

impl SqlStore {
    /// Adds to the leaks, and to the tokens shown in them, what the events tell of them.
    pub(super) async fn add_use(
        &self,
        readers: &Pool,
        found: &mut [Leak],
    ) -> Result<(), StoreError> {
        if found.is_empty() {
            return Ok(());
        }
        let ids: Vec<LeakId> = found.iter().map(|leak| leak.id).collect();
        let mut sql = Builder::new("SELECT leak, last_event_at FROM leak_use WHERE leak IN (");
        leaks::push_ids(&mut sql, &ids);
        let mut last = HashMap::new();
        for row in sql.build().fetch_all(readers).await? {
            last.insert(LeakId(row::uuid(&row, "leak")?), row::time(&row, "last_event_at")?);
        }
        let first = first_of_24_hours(clock::now());
        let mut sql = Builder::new(
            "SELECT leak, hour, CAST(SUM(count) AS BIGINT) AS count FROM leak_hours WHERE hour >= ",
        );
        sql.push_bind(first).push(" AND leak IN (");
        leaks::push_ids(&mut sql, &ids);
        sql.push(" GROUP BY leak, hour");
        let mut hours: HashMap<LeakId, [u64; HOURS]> = HashMap::new();
        for row in sql.build().fetch_all(readers).await? {
            let hours = hours.entry(LeakId(row::uuid(&row, "leak")?)).or_default();
            let place = usize::try_from(row::number(&row, "hour")?.saturating_sub(first));
            // An hour of a gateway whose clock is ahead counts to the one under way.
            if let Some(hour) = hours.get_mut(place.unwrap_or(0).min(HOURS - 1)) {
                *hour = hour.saturating_add(row::count(&row, "count")?);
            }
        }
        for leak in found.iter_mut() {
            leak.last_event_at = last.get(&leak.id).copied();
            leak.events_by_hour = hours.get(&leak.id).copied().unwrap_or_default().to_vec();
            leak.events_24h = leak.events_by_hour.iter().sum();
        }
        add_token_use(readers, found.iter_mut().flat_map(|leak| leak.tokens.iter_mut())).await
    }
}

/// Adds to the tokens what the events tell of them.
pub(super) async fn add_token_use(
    readers: &Pool,
    tokens: impl Iterator<Item = &mut Token>,
) -> Result<(), StoreError> {
    let mut tokens: Vec<&mut Token> = tokens.collect();
    for chunk in tokens.chunks_mut(limits::STORE_VALUES) {
        let mut sql =
            Builder::new("SELECT token, last_used_at, validity FROM token_use WHERE token IN (");
        push_tokens(&mut sql, chunk.iter().map(|token| token.id));
        let rows = sql.build().persistent(false).fetch_all(readers).await?;
        let mut used = HashMap::with_capacity(rows.len());
        for found in &rows {
            let last_used_at = row::time(found, "last_used_at")?;
            let validity = row::named_or_none(found, "validity", row::validity_from_name)?;
            used.insert(TokenId(row::uuid(found, "token")?), (last_used_at, validity));
        }
        for token in chunk {
            if let Some((last_used_at, validity)) = used.get(&token.id) {
                token.last_used_at = Some(*last_used_at);
                // What an upstream answered counts more than what a report said.
                token.validity = validity.unwrap_or(token.validity);
            }
        }
    }
    Ok(())
}
