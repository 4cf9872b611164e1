//! Uses by hour and by all that they are put together by, so that what many of them have in common is
//! told without reading each. A trigger counts each event that is written.

use super::database::Builder;
use super::usage::HOUR;
use crate::store::types::EventQuery;

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
    /// The time that is asked for.
    pub(super) fn of(query: &EventQuery) -> Self {
        Self {
            from: query.from.map(|from| from.as_millisecond()),
            to: query.to.map(|to| to.as_millisecond()),
        }
    }

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
    conditions: impl Fn(&mut Builder),
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
        conditions(sql);
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
