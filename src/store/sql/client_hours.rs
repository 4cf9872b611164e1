//! Uses by hour and by all that they are put together by, so that what many of them have in common is
//! told without reading each.

use std::collections::HashMap;

use super::database::{Builder, Connection};
use super::row;
use super::usage::HOUR;
use crate::config::limits;
use crate::model::event::{Event, EventAction};
use crate::model::ids::{LeakId, TokenId};
use crate::store::StoreError;

/// What uses that are counted together have in common.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    hour: i64,
    token: TokenId,
    leak: LeakId,
    source_ip: String,
    host: String,
    action: EventAction,
    /// 0: no answer came.
    response_status: i64,
}

/// Uses that have all of that in common.
struct Uses {
    tenant: String,
    count: u64,
    first_at: i64,
    last_at: i64,
}

/// What a batch of events adds.
#[derive(Default)]
pub(super) struct ClientHours(HashMap<Key, Uses>);

impl ClientHours {
    pub(super) fn add(&mut self, event: &Event, tenant: &str) {
        let at = event.at.as_millisecond();
        let key = Key {
            hour: at.div_euclid(HOUR),
            token: event.token,
            leak: event.leak,
            source_ip: event.source_ip.clone(),
            host: event.host.clone(),
            action: event.action,
            response_status: event.response_status.map_or(0, i64::from),
        };
        let uses = self.0.entry(key).or_insert_with(|| Uses {
            tenant: tenant.to_owned(),
            count: 0,
            first_at: at,
            last_at: at,
        });
        uses.count = uses.count.saturating_add(event.count);
        uses.first_at = uses.first_at.min(at);
        uses.last_at = uses.last_at.max(at);
    }

    /// Adds it all to what is stored.
    pub(super) async fn write(self, connection: &mut dyn Connection) -> Result<(), StoreError> {
        let mut all = self.0.into_iter().peekable();
        while all.peek().is_some() {
            let mut rows = 0;
            let chunk = all.by_ref().take(limits::STORE_ROWS).inspect(|_| rows += 1);
            let mut sql = Builder::new(
                "INSERT INTO client_hours (hour, token, leak, source_ip, host, action,
                    response_status, tenant, count, first_at, last_at) ",
            );
            sql.push_values(chunk, |values, (key, uses)| {
                values
                    .push_bind(key.hour)
                    .push_bind(key.token.0.as_bytes().to_vec())
                    .push_bind(key.leak.0.as_bytes().to_vec())
                    .push_bind(key.source_ip)
                    .push_bind(key.host)
                    .push_bind(key.action.name())
                    .push_bind(key.response_status)
                    .push_bind(uses.tenant)
                    .push_bind(row::signed(uses.count))
                    .push_bind(uses.first_at)
                    .push_bind(uses.last_at);
            });
            sql.push(
                " ON CONFLICT (hour, token, leak, source_ip, host, action, response_status)
                  DO UPDATE SET count = client_hours.count + excluded.count,
                    first_at = CASE WHEN excluded.first_at < client_hours.first_at
                        THEN excluded.first_at ELSE client_hours.first_at END,
                    last_at = CASE WHEN excluded.last_at > client_hours.last_at
                        THEN excluded.last_at ELSE client_hours.last_at END",
            );
            let is_whole = rows == limits::STORE_ROWS;
            sql.build().persistent(is_whole).execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// A stretch of time, in milliseconds since 1970; open where nothing is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Span {
    /// At this time or later.
    pub(super) from: Option<i64>,
    /// Before this time.
    pub(super) to: Option<i64>,
}

/// Where the uses of a part of a stretch are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// By hour, from this one and before that one.
    Hours(Span),
    /// Among the events.
    Events(Span),
}

impl Span {
    /// The whole hours in it, and what is before and after them.
    pub(super) fn parts(self) -> Vec<Part> {
        let hour = |at: i64| at.div_euclid(HOUR);
        let is_whole = |at: &i64| at.rem_euclid(HOUR) == 0;
        let from = self.from.map(|at| hour(at).saturating_add(i64::from(!is_whole(&at))));
        let to = self.to.map(hour);
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return vec![Part::Events(self)];
        }
        let start = |hour: Option<i64>| hour.map(|hour| hour.saturating_mul(HOUR));
        let mut parts = vec![Part::Hours(Self { from, to })];
        if self.from.is_some_and(|at| !is_whole(&at)) {
            parts.push(Part::Events(Self { from: self.from, to: start(from) }));
        }
        if self.to.is_some_and(|at| !is_whole(&at)) {
            parts.push(Part::Events(Self { from: start(to), to: self.to }));
        }
        parts
    }

    /// The condition that the column is in it.
    pub(super) fn push(self, sql: &mut Builder, column: &str) {
        if let Some(from) = self.from {
            sql.push(" AND ").push(column).push(" >= ").push_bind(from);
        }
        if let Some(to) = self.to {
            sql.push(" AND ").push(column).push(" < ").push_bind(to);
        }
    }
}

/// `(SELECT … UNION ALL SELECT …)`: the uses in a stretch of time as rows that have `columns`, `count`,
/// `first_at` and `last_at`. What goes before each part's conditions (`e` in it is what the uses are of)
/// and what follows them is for the caller to say.
pub(super) fn push_uses(
    sql: &mut Builder,
    span: Span,
    columns: &[&str],
    from: &str,
    conditions: impl Fn(&mut Builder, Part),
) {
    sql.push("(");
    for (index, part) in span.parts().into_iter().enumerate() {
        sql.push(if index > 0 { " UNION ALL SELECT " } else { "SELECT " });
        for column in columns {
            match (part, *column) {
                (Part::Events(_), "response_status") => {
                    sql.push("COALESCE(e.response_status, 0) AS response_status")
                }
                _ => sql.push("e.").push(column),
            };
            sql.push(", ");
        }
        match part {
            Part::Hours(span) => {
                sql.push("e.count, e.first_at, e.last_at FROM ").push(from);
                sql.push("client_hours e WHERE 1 = 1");
                span.push(sql, "e.hour");
            }
            Part::Events(span) => {
                sql.push("e.count, e.at AS first_at, e.at AS last_at FROM ").push(from);
                sql.push("events e WHERE 1 = 1");
                span.push(sql, "e.at");
            }
        }
        conditions(sql, part);
    }
    sql.push(")");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(from: Option<i64>, to: Option<i64>) -> Span {
        Span { from, to }
    }

    #[test]
    fn whole_hours_are_told_by_hour_and_the_rest_by_event() {
        let (from, to) = (Some(HOUR - 1), Some(3 * HOUR + 1));
        assert_eq!(
            span(from, to).parts(),
            [
                Part::Hours(span(Some(1), Some(3))),
                Part::Events(span(from, Some(HOUR))),
                Part::Events(span(Some(3 * HOUR), to)),
            ]
        );
        assert_eq!(span(None, None).parts(), [Part::Hours(span(None, None))]);
        assert_eq!(span(Some(HOUR), Some(2 * HOUR)).parts(), [Part::Hours(span(Some(1), Some(2)))]);
        let short = span(Some(5), Some(HOUR + 5));
        assert_eq!(short.parts(), [Part::Events(short)]);
    }

    proptest! {
        #[test]
        fn each_time_is_in_exactly_one_part(
            from in proptest::option::of(-5 * HOUR..5 * HOUR),
            to in proptest::option::of(-5 * HOUR..5 * HOUR),
            at in -6 * HOUR..6 * HOUR,
        ) {
            let within = |span: Span, at: i64| {
                span.from.is_none_or(|from| at >= from) && span.to.is_none_or(|to| at < to)
            };
            let whole = span(from, to);
            let parts = whole.parts().into_iter().filter(|part| match part {
                Part::Hours(span) => within(*span, at.div_euclid(HOUR)),
                Part::Events(span) => within(*span, at),
            });
            prop_assert_eq!(parts.count(), usize::from(within(whole, at)));
        }
    }
}
