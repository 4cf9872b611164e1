//! Numbers over all leaks and events: what the console draws.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::database::Builder;
use super::usage::{DAY, first_of_24_hours};
use super::{SqlStore, counts, list, row};
use crate::config::limits;
use crate::model::event::EventAction;
use crate::model::leak::{Remediation, Risk, SourceKind, Status};
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::types::{Count, Day, Stats};

impl SqlStore {
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
