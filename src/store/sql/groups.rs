//! Events put together by what they have in common.

use super::client_hours::{Span, push_uses};
use super::database::{Builder, Row};
use super::events::{Fits, last_looked_at};
use super::{SqlStore, row};
use crate::config::limits;
use crate::model::ids::TokenId;
use crate::store::StoreError;
use crate::store::types::EventQuery;
use crate::store::views::{EventGroup, EventGroups, GroupBy};

/// The columns that groups are made or named by.
const COLUMNS: [&str; 5] = ["token", "fingerprint", "source_ip", "host", "action"];

impl SqlStore {
    /// Uses are added up by hour, save at the ends of the time that is asked for. A path is known of
    /// events alone: of these, so many are looked at.
    pub(super) async fn grouped_events(
        &self,
        query: &EventQuery,
        by: GroupBy,
    ) -> Result<EventGroups, StoreError> {
        let column = match by {
            GroupBy::Token => "token",
            GroupBy::Client => "source_ip",
            GroupBy::Host => "host",
        };
        let mut reader = self.events_readers.acquire().await?;
        if !self.are_of_tenant(&mut reader, query).await? {
            return Ok(EventGroups { items: Vec::new(), since: query.from });
        }
        let fits = Fits::of(query, &self.events_readers);
        let last = match query.path {
            Some(_) => last_looked_at(&mut reader, &fits, |_| {}).await?.map(|(at, _)| at),
            None => None,
        };

        let mut sql = Builder::new("SELECT u.");
        sql.push(column).push(" AS name, MIN(u.fingerprint) AS fingerprint");
        sql.push(", CAST(SUM(u.count) AS BIGINT) AS count");
        for action in ["blocked", "monitored", "observed"] {
            sql.push(", CAST(SUM(CASE WHEN u.action = '").push(action);
            sql.push("' THEN u.count ELSE 0 END) AS BIGINT) AS ").push(action);
        }
        sql.push(", MIN(u.first_at) AS first_at, MAX(u.last_at) AS last_at FROM ");
        let hidden = fits.hidden;
        if query.path.is_some() {
            push_newest(&mut sql, &fits, last);
        } else {
            push_counted(&mut sql, query, &fits);
        }
        // SQLite would walk through all there is for groups in the order of an index.
        sql.push(" u GROUP BY ")
            .push(hidden)
            .push("u.")
            .push(column)
            .push(" ORDER BY count DESC, name LIMIT ");
        sql.push_bind(row::signed(limits::EVENT_GROUPS));
        let rows = sql.build().fetch_all(&mut reader).await?;
        let since = last.map(|at| row::timestamp(at, "at")).transpose()?.or(query.from);
        let items = rows.iter().map(|found| group(found, by)).collect::<Result<_, _>>()?;
        Ok(EventGroups { items, since })
    }
}

/// `(SELECT …)`: the events that fit, from the last one that is looked at.
fn push_newest(sql: &mut Builder, fits: &Fits<'_>, last: Option<i64>) {
    sql.push("(SELECT ");
    for column in COLUMNS {
        sql.push("e.").push(column).push(", ");
    }
    sql.push("e.count, e.at AS first_at, e.at AS last_at FROM events e WHERE 1 = 1");
    fits.push_walked(sql);
    fits.push_others(sql);
    Span { from: last, to: None }.push(sql, "e.at");
    sql.push(")");
}

/// `(SELECT …)`: the uses that fit.
fn push_counted(sql: &mut Builder, query: &EventQuery, fits: &Fits<'_>) {
    push_uses(sql, Span::of(query), &COLUMNS, "", |sql| {
        fits.push_columns(sql, true);
        fits.push_others(sql);
    });
}

fn group(found: &Row, by: GroupBy) -> Result<EventGroup, StoreError> {
    let (name, token) = match by {
        GroupBy::Token => {
            (row::text(found, "fingerprint")?, Some(TokenId(row::uuid(found, "name")?)))
        }
        GroupBy::Client | GroupBy::Host => (row::text(found, "name")?, None),
    };
    Ok(EventGroup {
        name,
        token,
        count: row::count(found, "count")?,
        blocked: row::count(found, "blocked")?,
        monitored: row::count(found, "monitored")?,
        observed: row::count(found, "observed")?,
        first_at: row::time(found, "first_at")?,
        last_at: row::time(found, "last_at")?,
    })
}
