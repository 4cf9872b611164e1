//! Risk levels that follow from what is known, kept in step with it: at each change of a leak in the
//! change's own transaction, and now and then for what uses and the passing of time have changed.
//!
//! A use costs nothing but a look into a table in memory, unless it tells something new of a leak.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::database::{Builder, Connection, Row, query};
use super::{SqlStore, leaks, row};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::LeakId;
use crate::model::leak::{Risk, SourceKind};
use crate::model::risk::{Facts, assess, weight};
use crate::model::token::Validity;
use crate::store::StoreError;

/// What the level follows from, of `leaks l`.
const COLUMNS: &str = "l.id, l.kind, l.risk, l.risk_set, l.risk_computed, l.risk_source,
    l.risk_due_at, COALESCE(l.exposed_at, l.created_at) AS exposed_at, l.first_used_at,
    l.use_validity, l.token_count";

/// What events told of a leak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Told {
    /// Of its first use, as far as was seen here.
    at: i64,
    validity: Validity,
}

impl Told {
    /// The same with what was told later.
    fn and(self, at: i64, validity: Validity) -> Self {
        let validity = if validity == Validity::Unknown { self.validity } else { validity };
        Self { at: self.at.min(at), validity }
    }
}

/// What was found to be in a leak's level.
struct Settled {
    validity: Validity,
    /// What was told since that is no news.
    again: Option<Told>,
}

/// The leaks whose tokens were used.
#[derive(Default)]
pub(super) struct Used {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// What was found to be in the computed levels lately. Another process, or a change of the leak,
    /// may have made it another one since: so it is believed for a while only.
    settled: HashMap<LeakId, Settled>,
    /// Until when.
    believed_until: i64,
    /// What is to be looked at.
    doubtful: HashMap<LeakId, Told>,
    /// Whether the uses before this process's start were looked at.
    caught_up: bool,
}

impl Inner {
    fn doubt(&mut self, leak: LeakId, told: Told) {
        if self.doubtful.len() >= limits::RISK_USED_LEAKS && !self.doubtful.contains_key(&leak) {
            return;
        }
        let Told { at, validity } = told;
        self.doubtful
            .entry(leak)
            .and_modify(|noted| *noted = noted.and(at, validity))
            .or_insert(told);
    }

    /// Believes nothing any more: what was used meanwhile is looked at again.
    fn doubt_all(&mut self) {
        for (leak, settled) in std::mem::take(&mut self.settled) {
            if let Some(again) = settled.again {
                self.doubt(leak, again);
            }
        }
    }
}

impl Used {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a use, where it may tell something new of the leak.
    pub(super) fn note(&self, leak: LeakId, at: i64, told: Option<Validity>) {
        let mut inner = self.lock();
        let validity = told.unwrap_or_default();
        if let Some(settled) = inner.settled.get_mut(&leak)
            && (validity == Validity::Unknown || validity == settled.validity)
        {
            let again = settled.again.map_or(Told { at, validity }, |told| told.and(at, validity));
            settled.again = Some(again);
            return;
        }
        inner.doubt(leak, Told { at, validity });
    }

    /// Some of those that are to be looked at now.
    fn some(&self, now: i64) -> Vec<(LeakId, Told)> {
        let mut inner = self.lock();
        if now >= inner.believed_until {
            inner.doubt_all();
            let time = row::signed(limits::RISK_BELIEVED.as_millis());
            inner.believed_until = now.saturating_add(time);
        }
        inner.doubtful.iter().take(limits::RISK_LEAKS).map(|(id, told)| (*id, *told)).collect()
    }

    /// Notes that what was told of them is in their levels; not what was told meanwhile.
    fn settle(&self, done: &[(LeakId, Told)], settled: &HashMap<LeakId, Validity>) {
        let mut inner = self.lock();
        if inner.settled.len() >= limits::RISK_USED_LEAKS {
            inner.doubt_all();
        }
        for (id, told) in done {
            if inner.doubtful.get(id) == Some(told) {
                inner.doubtful.remove(id);
            }
            if let Some(validity) = settled.get(id) {
                inner.settled.insert(*id, Settled { validity: *validity, again: None });
            }
        }
        // Of others, which were due, something else may be known by now.
        for (id, validity) in settled {
            if let Some(known) = inner.settled.get_mut(id) {
                known.validity = *validity;
            }
        }
    }
}

/// What the level of the leak in a row follows from.
pub(super) fn facts<'k>(found: &Row, kind: &'k str) -> Result<Facts<'k>, StoreError> {
    Ok(Facts {
        kind,
        source: row::named(found, "risk_source", SourceKind::from_name)?,
        exposed_at: row::time(found, "exposed_at")?,
        used: row::number_or_none(found, "first_used_at")?.is_some(),
        validity: row::named(found, "use_validity", row::validity_from_name)?,
    })
}

/// The level that a person has set.
pub(super) fn set(found: &Row) -> Result<Option<Risk>, StoreError> {
    let rank: Option<usize> = row::small_or_none(found, "risk_set")?;
    Ok(rank.and_then(|rank| Risk::ALL.get(rank).copied()))
}

/// A kind of source was added to the leak: one that weighs more takes the place of the others.
pub(super) async fn add_source(
    connection: &mut dyn Connection,
    leak: LeakId,
    source: SourceKind,
    now: Timestamp,
) -> Result<(), StoreError> {
    if weight(source) == 1 {
        return Ok(());
    }
    let lighter = SourceKind::ALL.iter().filter(|kind| weight(**kind) < weight(source));
    let mut sql = Builder::new("UPDATE leaks SET risk_source = ");
    sql.push_bind(source.name()).push(" WHERE id = ").push_bind(leak.0.as_bytes().to_vec());
    sql.push(" AND risk_source IN (").push_list(lighter.map(|kind| kind.name())).push(")");
    if sql.build().execute(&mut *connection).await? > 0 {
        settle(connection, leak, now).await?;
    }
    Ok(())
}

/// The first source was put in another's stead: all kinds are weighed anew.
pub(super) async fn weigh_sources(
    connection: &mut dyn Connection,
    leak: LeakId,
) -> Result<(), StoreError> {
    let kinds = query("SELECT DISTINCT kind FROM sources WHERE leak = $1")
        .bind(leak.0.as_bytes().as_slice())
        .fetch_all(&mut *connection)
        .await?;
    let mut heaviest = SourceKind::Other;
    for found in &kinds {
        let kind = row::named(found, "kind", SourceKind::from_name)?;
        if weight(kind) > weight(heaviest) || heaviest == SourceKind::Other {
            heaviest = kind;
        }
    }
    query("UPDATE leaks SET risk_source = $2 WHERE id = $1")
        .bind(leak.0.as_bytes().as_slice())
        .bind(heaviest.name())
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether any of a leak's tokens works may be another matter now, since it has other tokens or
/// something was reported of them. That is looked at with the next tick: what upstreams answered
/// stands in the other database.
pub(super) async fn doubt(
    connection: &mut dyn Connection,
    leaks: impl IntoIterator<Item = LeakId>,
    at: i64,
) -> Result<(), StoreError> {
    let leaks: Vec<LeakId> = leaks.into_iter().collect();
    for chunk in leaks.chunks(limits::STORE_VALUES) {
        let mut sql = Builder::new("UPDATE leaks SET risk_due_at = ");
        sql.push_bind(at).push(" WHERE id IN (");
        leaks::push_ids(&mut sql, chunk);
        sql.build().persistent(false).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Whether tokens work, by what is known of each: all of them are refused, or any is accepted.
pub(super) fn of_tokens(each: impl Iterator<Item = Validity>) -> Validity {
    let (mut every, mut all_refused) = (0_usize, true);
    for validity in each {
        if validity == Validity::Active {
            return Validity::Active;
        }
        every = every.saturating_add(1);
        all_refused &= validity == Validity::Inactive;
    }
    // A larger leak is not looked through later: then one that is refused tells nothing of the rest.
    if all_refused && every > 0 && row::signed(every) <= limits::RISK_TOKENS {
        Validity::Inactive
    } else {
        Validity::Unknown
    }
}

/// Computes the leak's level anew from what its row says. Answers whether the level that counts is
/// another one now. Where it is due anyhow, it stays so.
pub(super) async fn settle(
    connection: &mut dyn Connection,
    leak: LeakId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    settle_due(connection, leak, now, None).await
}

/// The same, where what was due at this time is done with.
async fn settle_due(
    connection: &mut dyn Connection,
    leak: LeakId,
    now: Timestamp,
    done: Option<i64>,
) -> Result<bool, StoreError> {
    let mut sql = Builder::new("SELECT ");
    sql.push(COLUMNS).push(" FROM leaks l WHERE l.id = ").push_bind(leak.0.as_bytes().to_vec());
    let found = sql.build().fetch_one(&mut *connection).await?;
    let kind = row::text(&found, "kind")?;
    let assessed = assess(&facts(&found, &kind)?, now);
    let before = row::ranked(&found, "risk", Risk::ALL)?;
    let after = set(&found)?.unwrap_or(assessed.level);
    let due = row::number_or_none(&found, "risk_due_at")?;
    let still_due = due.filter(|at| *at <= now.as_millisecond() && done != Some(*at));
    query(
        "UPDATE leaks SET risk = $2, risk_computed = $3, risk_due_at = $4, version = version + $5
         WHERE id = $1",
    )
    .bind(leak.0.as_bytes().as_slice())
    .bind(row::rank(after, Risk::ALL))
    .bind(row::rank(assessed.level, Risk::ALL))
    .bind(still_due.or(assessed.due_at.map(|at| at.as_millisecond())))
    .bind(i64::from(before != after))
    .execute(connection)
    .await?;
    Ok(before != after)
}

impl SqlStore {
    pub(super) async fn bring_risks_up_to_date(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.catch_up_with_uses().await?;
        let told = self.used.some(now.as_millisecond());
        let rows = query(
            "SELECT id, risk_due_at FROM leaks WHERE risk_due_at <= $1
             ORDER BY risk_due_at LIMIT $2",
        )
        .bind(now.as_millisecond())
        .bind(row::signed(limits::RISK_LEAKS))
        .fetch_all(&self.reserved_readers)
        .await?;
        if told.is_empty() && rows.is_empty() {
            return Ok(0);
        }
        let mut due: BTreeMap<LeakId, i64> = BTreeMap::new();
        for found in &rows {
            due.insert(LeakId(row::uuid(found, "id")?), row::number(found, "risk_due_at")?);
        }
        let ids: BTreeSet<LeakId> =
            told.iter().map(|(id, _)| *id).chain(due.keys().copied()).collect();
        let ids: Vec<LeakId> = ids.into_iter().collect();
        let told_of: HashMap<LeakId, Told> = told.iter().copied().collect();
        let learnt = self.learnt(&ids, &told_of).await?;
        let mut changed = 0;
        if !learnt.changes.is_empty() || !due.is_empty() {
            let mut writer = self.decisions.lock().await?;
            let mut transaction = writer.begin().await?;
            for (id, (first_used_at, validity)) in &learnt.changes {
                query(
                    "UPDATE leaks SET first_used_at = COALESCE(first_used_at, $2), use_validity = $3
                     WHERE id = $1",
                )
                .bind(id.0.as_bytes().as_slice())
                .bind(*first_used_at)
                .bind(row::validity_name(*validity))
                .execute(&mut transaction)
                .await?;
            }
            let doubtful: BTreeSet<LeakId> =
                due.keys().chain(learnt.changes.keys()).copied().collect();
            for id in doubtful {
                let done = due.get(&id).copied();
                changed += u64::from(settle_due(&mut transaction, id, now, done).await?);
            }
            transaction.commit().await?;
        }
        self.used.settle(&told, &learnt.settled);
        Ok(changed)
    }

    /// At the first time, looks at what was used shortly before: it may have been noted by a process
    /// that has ended since.
    async fn catch_up_with_uses(&self) -> Result<(), StoreError> {
        if self.used.lock().caught_up {
            return Ok(());
        }
        let since = clock::now().as_millisecond();
        let since = since.saturating_sub(row::signed(limits::RISK_CATCH_UP.as_millis()));
        let rows =
            query("SELECT leak, last_event_at FROM leak_use WHERE last_event_at >= $1 LIMIT $2")
                .bind(since)
                .bind(row::signed(limits::RISK_USED_LEAKS))
                .fetch_all(&self.reserved_events_reader)
                .await?;
        for found in &rows {
            let at = row::number(found, "last_event_at")?;
            self.used.note(LeakId(row::uuid(found, "leak")?), at, None);
        }
        self.used.lock().caught_up = true;
        Ok(())
    }

    /// What is known of the use of these leaks by now, and where it is not in their rows yet.
    async fn learnt(
        &self,
        ids: &[LeakId],
        told: &HashMap<LeakId, Told>,
    ) -> Result<Learnt, StoreError> {
        let mut learnt = Learnt::default();
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM leaks l WHERE l.id IN (");
        leaks::push_ids(&mut sql, ids);
        let rows = sql.build().persistent(false).fetch_all(&self.reserved_readers).await?;
        let uses = self.last_uses(ids).await?;
        let works = self.which_work(ids).await?;
        for found in &rows {
            let id = LeakId(row::uuid(found, "id")?);
            let before = row::named(found, "use_validity", row::validity_from_name)?;
            let noted = told.get(&id);
            let few = row::number(found, "token_count")? <= limits::RISK_TOKENS;
            let is_accepted = noted.is_some_and(|told| told.validity == Validity::Active);
            let validity = match works.get(&id).copied() {
                Some(works) if few => works,
                _ if few || is_accepted || before == Validity::Active => {
                    if is_accepted {
                        Validity::Active
                    } else {
                        before
                    }
                }
                // Of so many, that one is refused tells nothing of the others.
                _ => Validity::Unknown,
            };
            learnt.settled.insert(id, validity);
            let used_at = noted.map(|told| told.at).or_else(|| uses.get(&id).copied());
            let is_new = row::number_or_none(found, "first_used_at")?.is_none();
            if (is_new && used_at.is_some()) || validity != before {
                learnt.changes.insert(id, (used_at, validity));
            }
        }
        Ok(learnt)
    }

    async fn last_uses(&self, ids: &[LeakId]) -> Result<HashMap<LeakId, i64>, StoreError> {
        let mut sql = Builder::new("SELECT leak, last_event_at FROM leak_use WHERE leak IN (");
        leaks::push_ids(&mut sql, ids);
        let rows = sql.build().persistent(false).fetch_all(&self.reserved_events_reader).await?;
        rows.iter()
            .map(|found| {
                Ok((LeakId(row::uuid(found, "leak")?), row::number(found, "last_event_at")?))
            })
            .collect()
    }

    /// Of the leaks with few enough tokens, whether any of these works, or all are refused: what an
    /// upstream answered counts more than what a report said.
    async fn which_work(&self, ids: &[LeakId]) -> Result<HashMap<LeakId, Validity>, StoreError> {
        let mut sql = Builder::new(
            "SELECT lt.leak, COUNT(*) AS every,
                COUNT(CASE COALESCE(u.validity, t.validity) WHEN 'active' THEN 1 END) AS accepted,
                COUNT(CASE COALESCE(u.validity, t.validity) WHEN 'inactive' THEN 1 END) AS refused
             FROM leaks l JOIN leak_tokens lt ON lt.leak = l.id JOIN tokens t ON t.id = lt.token
             LEFT JOIN events.token_use u ON u.token = lt.token WHERE l.token_count <= ",
        );
        sql.push_bind(limits::RISK_TOKENS).push(" AND l.id IN (");
        leaks::push_ids(&mut sql, ids);
        sql.push(" GROUP BY lt.leak");
        let rows = sql.build().persistent(false).fetch_all(&self.decisions_readers).await?;
        let mut works = HashMap::with_capacity(rows.len());
        for found in &rows {
            let validity = if row::number(found, "accepted")? > 0 {
                Validity::Active
            } else if row::number(found, "refused")? == row::number(found, "every")? {
                Validity::Inactive
            } else {
                Validity::Unknown
            };
            works.insert(LeakId(row::uuid(found, "leak")?), validity);
        }
        Ok(works)
    }
}

/// What was learnt of leaks' use.
#[derive(Default)]
struct Learnt {
    /// What holds of each by now.
    settled: HashMap<LeakId, Validity>,
    /// When they were first used and whether they work, where that is not in their rows yet.
    changes: HashMap<LeakId, (Option<i64>, Validity)>,
}
