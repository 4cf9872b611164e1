//! What a patch would stop: who uses a leak's tokens, and since when that is known.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::client_hours::{Span, push_uses};
use super::database::{Builder, Connection, query};
use super::usage::{DAY, HOUR};
use super::{SqlStore, list, row};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::LeakId;
use crate::model::leak::{Decision, Leak, Status};
use crate::store::StoreError;
use crate::store::types::{Impact, ImpactRow};

/// The tokens of the leak that is bound next, before what they were used for: SQLite keeps the order
/// of a CROSS JOIN.
const TOKENS: &str = "decisions.leak_tokens lt CROSS JOIN ";

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

        let week = now.saturating_sub(7 * DAY);
        let mut reader = self.events_readers.acquire().await?;
        // One transaction, so that all numbers are of one state.
        let mut reader = reader.snapshot().await?;
        let used = Used::since(&mut reader, id, week.min(since.as_millisecond())).await?;
        let uses_1h = uses(&mut reader, &used, now.saturating_sub(HOUR)).await?;
        let uses_24h = uses(&mut reader, &used, now.saturating_sub(DAY)).await?;
        let uses_7d = uses(&mut reader, &used, week).await?;
        let mut clients = clients(&mut reader, &used, since.as_millisecond()).await?;
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
        tell_new_clients(&mut reader, id, exposed_at, &mut clients).await?;
        reader.rollback().await?;
        let is_watched =
            row::number(&watching, "watched")? > 0 && leak.status != Status::FalsePositive;
        Ok(Impact {
            uses_1h,
            uses_24h,
            uses_7d,
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
}

/// The tokens of a leak that were used of late: few of many, so that only these are looked up.
enum Used {
    Few(Vec<Vec<u8>>),
    /// More than [`limits::STORE_VALUES`] of this leak's.
    Many(LeakId),
}

impl Used {
    async fn since(
        reader: &mut dyn Connection,
        leak: LeakId,
        from: i64,
    ) -> Result<Self, StoreError> {
        let rows = query(
            "SELECT lt.token FROM decisions.leak_tokens lt JOIN token_use u ON u.token = lt.token
             WHERE lt.leak = $1 AND u.last_used_at >= $2 LIMIT $3",
        )
        .bind(leak.0.as_bytes().as_slice())
        .bind(from)
        .bind(row::signed(limits::STORE_VALUES.saturating_add(1)))
        .fetch_all(reader)
        .await?;
        if rows.len() > limits::STORE_VALUES {
            return Ok(Self::Many(leak));
        }
        let tokens = rows.iter().map(|found| found.try_get("token"));
        Ok(Self::Few(tokens.collect::<Result<_, _>>()?))
    }

    /// Their uses from a time on, as rows that have these columns beside how many they are, and when.
    fn push_uses(&self, sql: &mut Builder, from: i64, columns: &[&str]) {
        let span = Span { from: Some(from), to: None };
        match self {
            Self::Few(tokens) => push_uses(sql, span, columns, "", |sql| {
                sql.push(" AND e.token IN (").push_list(tokens.iter().cloned()).push(")");
            }),
            Self::Many(leak) => push_uses(sql, span, columns, TOKENS, |sql| {
                sql.push(" AND e.token = lt.token AND lt.leak = ");
                sql.push_bind(leak.0.as_bytes().to_vec());
            }),
        }
    }

    fn is_none(&self) -> bool {
        matches!(self, Self::Few(tokens) if tokens.is_empty())
    }
}

async fn uses(reader: &mut dyn Connection, used: &Used, from: i64) -> Result<u64, StoreError> {
    if used.is_none() {
        return Ok(0);
    }
    let mut sql = Builder::new("SELECT CAST(COALESCE(SUM(u.count), 0) AS BIGINT) AS count FROM ");
    used.push_uses(&mut sql, from, &[]);
    sql.push(" u");
    row::count(&sql.build().fetch_one(reader).await?, "count")
}

/// Who used them from a time on, most uses first.
async fn clients(
    reader: &mut dyn Connection,
    used: &Used,
    from: i64,
) -> Result<Vec<ImpactRow>, StoreError> {
    if used.is_none() {
        return Ok(Vec::new());
    }
    let mut sql = Builder::new(
        "SELECT u.source_ip, u.host, u.response_status, CAST(SUM(u.count) AS BIGINT) AS count,
            MIN(u.first_at) AS first_at, MAX(u.last_at) AS last_at FROM ",
    );
    used.push_uses(&mut sql, from, &["source_ip", "host", "response_status"]);
    sql.push(
        " u GROUP BY u.source_ip, u.host, u.response_status
          ORDER BY count DESC, u.source_ip, u.host, u.response_status LIMIT ",
    );
    sql.push_bind(row::signed(limits::IMPACT_ROWS));
    let rows = sql.build().fetch_all(reader).await?;
    let mut clients = Vec::with_capacity(rows.len());
    for found in &rows {
        let response_status: u16 = row::small(found, "response_status")?;
        clients.push(ImpactRow {
            source_ip: row::text(found, "source_ip")?,
            host: row::text(found, "host")?,
            response_status: Some(response_status).filter(|status| *status != 0),
            count: row::count(found, "count")?,
            first_at: row::time(found, "first_at")?,
            last_at: row::time(found, "last_at")?,
            new_since_exposure: None,
        });
    }
    Ok(clients)
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
    let hour = exposed_at.div_euclid(HOUR);
    // Tokens before uses: those that stood in an earlier leak are few. SQLite keeps the order of a
    // CROSS JOIN.
    let push_watched = |sql: &mut Builder| {
        sql.push(
            " FROM decisions.leak_tokens lt CROSS JOIN decisions.tokens t CROSS JOIN client_hours e
             WHERE t.id = lt.token AND e.token = t.id AND lt.leak = ",
        );
        sql.push_bind(id.0.as_bytes().to_vec());
        sql.push(" AND t.created_at < ").push_bind(exposed_at);
    };
    let push_clients = |sql: &mut Builder, clients: &[ImpactRow]| {
        let names = clients.iter().map(|client| client.source_ip.clone());
        list::push_in(sql, " AND e.source_ip", names);
    };
    let mut sql = Builder::new(
        "SELECT e.source_ip, MIN(e.hour) AS first_hour, MIN(t.created_at) AS watched_at",
    );
    push_watched(&mut sql);
    push_clients(&mut sql, clients);
    sql.push(" GROUP BY e.source_ip");
    let baseline = row::signed(limits::EXPOSURE_BASELINE.as_millis());
    let mut known = HashMap::new();
    for found in sql.build().persistent(false).fetch_all(&mut *reader).await? {
        let first_hour = row::number(&found, "first_hour")?;
        let watched_at = row::number(&found, "watched_at")?;
        let is_new = if first_hour < hour {
            Some(false)
        } else {
            (exposed_at.saturating_sub(watched_at) >= baseline).then_some(true)
        };
        known.insert(row::text(&found, "source_ip")?, is_new);
    }
    // Of the hour of the exposure, what was before it.
    let mut sql = Builder::new("SELECT DISTINCT e.source_ip");
    push_watched(&mut sql);
    sql.push(" AND e.hour = ").push_bind(hour);
    sql.push(" AND e.first_at < ").push_bind(exposed_at);
    push_clients(&mut sql, clients);
    let mut before = HashSet::new();
    for found in sql.build().persistent(false).fetch_all(reader).await? {
        before.insert(row::text(&found, "source_ip")?);
    }
    for client in clients {
        client.new_since_exposure = if before.contains(&client.source_ip) {
            Some(false)
        } else {
            known.get(&client.source_ip).copied().flatten()
        };
    }
    Ok(())
}
