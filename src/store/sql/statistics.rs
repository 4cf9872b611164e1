//! Numbers over many events: the impact of a patch, and what the console draws.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::database::{Builder, Connection, query};
use super::usage::{DAY, HOUR, first_of_24_hours};
use super::{SqlStore, counts, list, row};
use crate::config::limits;
use crate::model::clock;
use crate::model::event::EventAction;
use crate::model::ids::LeakId;
use crate::model::leak::{Decision, Leak, Remediation, Risk, SourceKind, Status};
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::types::{Count, Day, Impact, ImpactRow, Stats};

impl SqlStore {
    /// A use counts for every leak that has the token, whichever leak's rule acted.
    ///
    /// `new_since_exposure` can be told only of tokens that were watched before their exposure, which
    /// are those that stood in an earlier leak, or of which it is known that they became public
    /// later: a client that used one of them before is not new; one that did not is new, if watching
    /// had gone on for [`limits::EXPOSURE_BASELINE`].
    pub(super) async fn leak_impact(
        &self,
        tenant: &str,
        id: LeakId,
        since: Timestamp,
    ) -> Result<Impact, StoreError> {
        let now = clock::now().as_millisecond();
        let leak = self.one_leak(tenant, id).await?;
        let exposed_at = leak.exposed_at.as_millisecond();
        // By force, all but the shortest and the longest are watched as well.
        let forced = leak.virtual_patch.as_ref().is_some_and(|patch| patch.force);
        let shortest = if forced { row::signed(limits::TOKEN_BYTES_FORCED) } else { i64::MAX };

        let mut reader = self.events_readers.acquire().await?;
        let uses = query(
            "SELECT CAST(COALESCE(SUM(CASE WHEN e.at >= $2 THEN e.count END), 0) AS BIGINT) AS uses_1h,
                CAST(COALESCE(SUM(CASE WHEN e.at >= $3 THEN e.count END), 0) AS BIGINT) AS uses_24h,
                CAST(COALESCE(SUM(e.count), 0) AS BIGINT) AS uses_7d
             FROM decisions.leak_tokens lt JOIN events e ON e.token = lt.token
             WHERE lt.leak = $1 AND e.at >= $4",
        )
        .bind(id.0.as_bytes().as_slice())
        .bind(now.saturating_sub(HOUR))
        .bind(now.saturating_sub(DAY))
        .bind(now.saturating_sub(7 * DAY))
        .fetch_one(&mut reader)
        .await?;
        let rows = query(
            "SELECT e.source_ip, e.host, e.response_status, CAST(SUM(e.count) AS BIGINT) AS count,
                MIN(e.at) AS first_at, MAX(e.at) AS last_at
             FROM decisions.leak_tokens lt JOIN events e ON e.token = lt.token
             WHERE lt.leak = $1 AND e.at >= $2
             GROUP BY e.source_ip, e.host, e.response_status
             ORDER BY count DESC, e.source_ip, e.host, e.response_status LIMIT $3",
        )
        .bind(id.0.as_bytes().as_slice())
        .bind(since.as_millisecond())
        .bind(row::signed(limits::IMPACT_ROWS))
        .fetch_all(&mut reader)
        .await?;
        let watching = query(
            "SELECT COUNT(CASE WHEN t.not_applicable IS NOT NULL
                    AND (t.length IS NULL OR t.length NOT BETWEEN $2 AND $3) THEN 1 END) AS not_watched,
                COUNT(CASE WHEN t.not_applicable IS NULL OR t.length BETWEEN $2 AND $3 THEN 1 END)
                    AS watched
             FROM decisions.leak_tokens lt JOIN decisions.tokens t ON t.id = lt.token
             WHERE lt.leak = $1",
        )
        .bind(id.0.as_bytes().as_slice())
        .bind(shortest)
        .bind(row::signed(limits::TOKEN_BYTES))
        .fetch_one(&mut reader)
        .await?;

        let mut clients = Vec::with_capacity(rows.len());
        for found in &rows {
            clients.push(ImpactRow {
                source_ip: row::text(found, "source_ip")?,
                host: row::text(found, "host")?,
                response_status: row::small_or_none(found, "response_status")?,
                count: row::count(found, "count")?,
                first_at: row::time(found, "first_at")?,
                last_at: row::time(found, "last_at")?,
                new_since_exposure: None,
            });
        }
        tell_new_clients(&mut reader, id, exposed_at, &mut clients).await?;
        let is_watched =
            row::number(&watching, "watched")? > 0 && leak.status != Status::FalsePositive;
        Ok(Impact {
            uses_1h: row::count(&uses, "uses_1h")?,
            uses_24h: row::count(&uses, "uses_24h")?,
            uses_7d: row::count(&uses, "uses_7d")?,
            clients,
            exposed_at: leak.exposed_at,
            watched_since: if is_watched { Some(self.watched_since(&leak).await?) } else { None },
            not_watched: row::count(&watching, "not_watched")?,
        })
    }

    /// Since when the leak's tokens are watched without a gap: its registration, or else its last
    /// reopening, before which they may not have been.
    async fn watched_since(&self, leak: &Leak) -> Result<Timestamp, StoreError> {
        let reopened = query("SELECT MAX(at) AS at FROM history WHERE leak = $1 AND action = $2")
            .bind(leak.id.0.as_bytes().as_slice())
            .bind(Decision::Reopen.name())
            .fetch_one(&self.decisions_readers)
            .await?;
        Ok(row::time_or_none(&reopened, "at")?.unwrap_or(leak.created_at))
    }

    pub(super) async fn statistics(
        &self,
        of: &Tenants,
        now: Timestamp,
    ) -> Result<Stats, StoreError> {
        let first_day = now
            .as_millisecond()
            .div_euclid(DAY)
            .saturating_sub(limits::STATS_DAYS.saturating_sub(1));
        let leaks = counts::leaks(&self.decisions_readers, of).await?;
        let tokens = counts::tokens(&self.decisions_readers, of).await?;
        let (days, last) = self.uses(of, first_day, now).await?;
        Ok(Stats {
            leaks: leaks.all,
            tokens,
            by_risk: named(Risk::ALL, &leaks.by_risk, Risk::name),
            by_source: named(SourceKind::ALL, &leaks.by_source, SourceKind::name),
            by_status: named(Status::ALL, &leaks.by_status, Status::name),
            by_remediation: named(Remediation::ALL, &leaks.by_remediation, Remediation::name),
            days,
            events_24h: named(EventAction::ALL, &last, EventAction::name),
        })
    }

    /// Leaks and uses by day, and uses of the last 24 hours by action.
    async fn uses(
        &self,
        of: &Tenants,
        first_day: i64,
        now: Timestamp,
    ) -> Result<(Vec<Day>, HashMap<EventAction, u64>), StoreError> {
        let mut days: BTreeMap<i64, Day> = BTreeMap::new();
        for (number, leaks) in counts::days(&self.decisions_readers, of, first_day).await? {
            days.entry(number).or_insert(day(number)?).leaks = leaks;
        }
        let mut sql = Builder::new(
            "SELECT day, action, CAST(SUM(count) AS BIGINT) AS count FROM tenant_days WHERE day >= ",
        );
        sql.push_bind(first_day);
        list::push_tenant(&mut sql, "tenant", of);
        sql.push(" GROUP BY day, action");
        for found in &sql.build().fetch_all(&self.events_readers).await? {
            let number = row::number(found, "day")?;
            let day = days.entry(number).or_insert(day(number)?);
            let uses = match row::named(found, "action", EventAction::from_name)? {
                EventAction::Observed => &mut day.observed,
                EventAction::Monitored => &mut day.monitored,
                EventAction::Blocked => &mut day.blocked,
            };
            *uses = row::count(found, "count")?;
        }
        let mut sql = Builder::new(
            "SELECT action, CAST(SUM(count) AS BIGINT) AS count FROM tenant_hours WHERE hour >= ",
        );
        sql.push_bind(first_of_24_hours(now));
        list::push_tenant(&mut sql, "tenant", of);
        sql.push(" GROUP BY action");
        let mut last: HashMap<EventAction, u64> = HashMap::new();
        for found in &sql.build().fetch_all(&self.events_readers).await? {
            let action = row::named(found, "action", EventAction::from_name)?;
            last.insert(action, row::count(found, "count")?);
        }
        Ok((days.into_values().collect(), last))
    }
}

/// Every value with its count, in order, also where it is 0.
fn named<T: Copy + Eq + std::hash::Hash>(
    all: &[T],
    counts: &HashMap<T, u64>,
    name: fn(T) -> &'static str,
) -> Vec<Count> {
    all.iter()
        .map(|value| Count {
            name: name(*value).to_owned(),
            count: counts.get(value).copied().unwrap_or_default(),
        })
        .collect()
}

/// A day without anything yet, by its number since 1970.
fn day(number: i64) -> Result<Day, StoreError> {
    let start = Timestamp::from_millisecond(number.saturating_mul(DAY))
        .map_err(|_| StoreError::Failed("an event stands at no possible time".to_owned()))?;
    Ok(Day {
        day: start.strftime("%Y-%m-%d").to_string(),
        leaks: 0,
        observed: 0,
        monitored: 0,
        blocked: 0,
    })
}

/// Says of each client whether it is new, where that can be told (see [`SqlStore::leak_impact`]).
async fn tell_new_clients(
    reader: &mut dyn Connection,
    id: LeakId,
    exposed_at: i64,
    clients: &mut [ImpactRow],
) -> Result<(), StoreError> {
    if clients.is_empty() {
        return Ok(());
    }
    // Tokens before events: those that stood in an earlier leak are few, a client's events may be
    // many. SQLite keeps the order of a CROSS JOIN.
    let mut sql = Builder::new(
        "SELECT e.source_ip, MIN(e.at) AS first_at, MIN(t.created_at) AS watched_at
         FROM decisions.leak_tokens lt CROSS JOIN decisions.tokens t CROSS JOIN events e
         WHERE t.id = lt.token AND e.token = t.id AND lt.leak = ",
    );
    sql.push_bind(id.0.as_bytes().to_vec());
    sql.push(" AND t.created_at < ").push_bind(exposed_at);
    let names = clients.iter().map(|client| client.source_ip.clone());
    list::push_in(&mut sql, " AND e.source_ip", names);
    sql.push(" GROUP BY e.source_ip");
    let baseline = row::signed(limits::EXPOSURE_BASELINE.as_millis());
    let mut known = HashMap::new();
    for found in sql.build().persistent(false).fetch_all(reader).await? {
        let first_at = row::number(&found, "first_at")?;
        let watched_at = row::number(&found, "watched_at")?;
        let is_new = if first_at < exposed_at {
            Some(false)
        } else {
            (exposed_at.saturating_sub(watched_at) >= baseline).then_some(true)
        };
        known.insert(row::text(&found, "source_ip")?, is_new);
    }
    for client in clients {
        client.new_since_exposure = known.get(&client.source_ip).copied().flatten();
    }
    Ok(())
}
