//! Counts that are kept with what they count, in the same transaction, so that nothing is counted when
//! a list or the statistics are shown. Leaks are counted by triggers, tokens where they are kept.

use std::collections::{BTreeMap, HashMap};

use super::database::{Builder, Connection, Pool, query};
use super::{list, row, search};
use crate::model::leak::{DetectedBy, Remediation, Risk, SourceKind, Status};
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::types::LeakQuery;

/// What a leak can be narrowed by, out of the one number that the migrations make of it.
struct Facets {
    status: Status,
    risk: Risk,
    remediation: Remediation,
    detected_by: DetectedBy,
    source: SourceKind,
    /// A bit for each kind of any source.
    sources: i64,
}

impl Facets {
    fn of(number: i64) -> Option<Self> {
        fn at<T: Copy>(all: &[T], place: i64) -> Option<T> {
            all.get(usize::try_from(place).ok()?).copied()
        }
        Some(Self {
            status: at(Status::ALL, number & 3)?,
            risk: at(Risk::ALL, (number >> 2) & 7)?,
            remediation: at(Remediation::ALL, (number >> 5) & 3)?,
            detected_by: at(DetectedBy::ALL, (number >> 7) & 1)?,
            source: at(SourceKind::ALL, (number >> 8) & 15)?,
            sources: number >> 12,
        })
    }

    fn fits(&self, query: &LeakQuery) -> bool {
        fn among<T: PartialEq>(wanted: &[T], value: T) -> bool {
            wanted.is_empty() || wanted.contains(&value)
        }
        among(&query.status, self.status)
            && among(&query.risk, self.risk)
            && among(&query.remediation, self.remediation)
            && among(&query.detected_by, self.detected_by)
            && (query.source.is_empty() || self.sources & kinds(query) != 0)
    }
}

/// The bits of the kinds of source that a query asks for.
pub(super) fn kinds(query: &LeakQuery) -> i64 {
    query.source.iter().fold(0, |mask, kind| mask | search::bit(*kind))
}

/// How many leaks there are, and how many fit a query, as far as counts can tell: not by its text, and
/// not by validity.
pub(super) struct Fitting {
    /// Whose leaks fit: one tenant's where no other has any.
    pub(super) of: Tenants,
    pub(super) all: u64,
    pub(super) fitting: u64,
    /// What those that fit are like.
    pub(super) facets: Vec<i64>,
    /// The ranks of their statuses, in no order.
    pub(super) statuses: Vec<i64>,
    /// The ranks of their risks.
    pub(super) risks: Vec<i64>,
    /// The ranks of the kinds of their first sources.
    pub(super) sources: Vec<i64>,
    /// The ranks of what is in force for them.
    pub(super) remediations: Vec<i64>,
}

pub(super) async fn fitting(
    connection: &mut dyn Connection,
    of: &Tenants,
    asked: &LeakQuery,
) -> Result<Fitting, StoreError> {
    let mut sql = Builder::new(
        "SELECT facets, CAST(SUM(count) AS BIGINT) AS count, MIN(tenant) AS first,
            MAX(tenant) AS last
         FROM leak_counts WHERE count > 0",
    );
    list::push_tenant(&mut sql, "tenant", of);
    sql.push(" GROUP BY facets");
    let mut counted = Fitting {
        of: of.clone(),
        all: 0,
        fitting: 0,
        facets: Vec::new(),
        statuses: Vec::new(),
        risks: Vec::new(),
        sources: Vec::new(),
        remediations: Vec::new(),
    };
    let mut tenants: Option<(String, String)> = None;
    for found in sql.build().fetch_all(connection).await? {
        let (number, count) = (row::number(&found, "facets")?, row::count(&found, "count")?);
        counted.all += count;
        let Some(facets) = Facets::of(number).filter(|facets| facets.fits(asked)) else { continue };
        counted.statuses.push(row::rank(facets.status, Status::ALL));
        counted.risks.push(row::rank(facets.risk, Risk::ALL));
        counted.sources.push(row::rank(facets.source, SourceKind::ALL));
        counted.remediations.push(row::rank(facets.remediation, Remediation::ALL));
        counted.fitting += count;
        counted.facets.push(number);
        let (first, last) = (row::text(&found, "first")?, row::text(&found, "last")?);
        tenants = Some(match tenants {
            None => (first, last),
            Some((least, most)) => (least.min(first), most.max(last)),
        });
    }
    if let Some((first, last)) = tenants
        && first == last
    {
        counted.of = Tenants::One(first);
    }
    Ok(counted)
}

/// Leaks by what they are like: the open ones, save by status.
#[derive(Default)]
pub(super) struct Leaks {
    pub(super) all: u64,
    pub(super) by_status: HashMap<Status, u64>,
    pub(super) by_risk: HashMap<Risk, u64>,
    pub(super) by_source: HashMap<SourceKind, u64>,
    pub(super) by_remediation: HashMap<Remediation, u64>,
}

pub(super) async fn leaks(pool: &Pool, of: &Tenants) -> Result<Leaks, StoreError> {
    let mut sql = Builder::new(
        "SELECT facets, CAST(SUM(count) AS BIGINT) AS count FROM leak_counts WHERE count > 0",
    );
    list::push_tenant(&mut sql, "tenant", of);
    sql.push(" GROUP BY facets");
    let mut leaks = Leaks::default();
    for found in sql.build().fetch_all(pool).await? {
        let count = row::count(&found, "count")?;
        let facets = Facets::of(row::number(&found, "facets")?)
            .ok_or_else(|| StoreError::Failed("a leak is counted as none can be".to_owned()))?;
        leaks.all += count;
        *leaks.by_status.entry(facets.status).or_default() += count;
        if facets.status == Status::Open {
            *leaks.by_risk.entry(facets.risk).or_default() += count;
            *leaks.by_source.entry(facets.source).or_default() += count;
            *leaks.by_remediation.entry(facets.remediation).or_default() += count;
        }
    }
    Ok(leaks)
}

/// New leaks by day, from this one on; days since 1970.
pub(super) async fn days(
    pool: &Pool,
    of: &Tenants,
    first: i64,
) -> Result<BTreeMap<i64, u64>, StoreError> {
    let mut sql = Builder::new(
        "SELECT day, CAST(SUM(count) AS BIGINT) AS count FROM leak_days WHERE day >= ",
    );
    sql.push_bind(first);
    list::push_tenant(&mut sql, "tenant", of);
    sql.push(" GROUP BY day");
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter().map(|found| Ok((row::number(found, "day")?, row::count(found, "count")?))).collect()
}

/// How many tokens there are.
pub(super) async fn tokens(pool: &Pool, of: &Tenants) -> Result<u64, StoreError> {
    let mut sql = Builder::new(
        "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) AS count FROM token_counts WHERE 1 = 1",
    );
    list::push_tenant(&mut sql, "tenant", of);
    row::count(&sql.build().fetch_one(pool).await?, "count")
}

/// Counts tokens that were kept or, less than 0, removed.
pub(super) async fn add_tokens(
    connection: &mut dyn Connection,
    tenant: &str,
    count: i64,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO token_counts (tenant, count) VALUES ($1, $2)
         ON CONFLICT (tenant) DO UPDATE SET count = token_counts.count + excluded.count",
    )
    .bind(tenant)
    .bind(count)
    .execute(connection)
    .await?;
    Ok(())
}
