//! The list of leaks: filters, search, order, pages.

use super::counts::Fitting;
use super::database::{Builder, Connection, Row, Session, Value};
use super::search::Search;
use super::{SqlStore, counts, leaks, row};
use crate::config::limits;
use crate::model::ids::LeakId;
use crate::model::leak::{Risk, Status};
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::cursor::{Binding, Place, SortKey};
use crate::store::types::{LeakPage, LeakQuery, LeakSort, Page, PageRequest};

/// How many items a page has at most.
pub(super) fn page_limit(page: &PageRequest) -> usize {
    if page.limit == 0 { limits::PAGE_DEFAULT } else { page.limit }
}

/// A page out of up to one row more than it has items; the row more tells that a next page is.
pub(super) fn page<T>(
    mut rows: Vec<Row>,
    limit: usize,
    binding: &Binding,
    place: fn(&Row) -> Result<Place, StoreError>,
    item: fn(&Row) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let next_cursor = next_cursor(&mut rows, limit, binding, place)?;
    Ok(Page { items: rows.iter().map(item).collect::<Result<_, _>>()?, next_cursor })
}

/// Takes the row off that is more than a page has, and makes a cursor where there was one.
fn next_cursor(
    rows: &mut Vec<Row>,
    limit: usize,
    binding: &Binding,
    place: impl Fn(&Row) -> Result<Place, StoreError>,
) -> Result<Option<String>, StoreError> {
    if rows.len() <= limit {
        return Ok(None);
    }
    rows.truncate(limit);
    rows.last().map(|last| binding.cursor(place(last)?)).transpose()
}

/// What a list is sorted by: a column, or a part of what a leak is like, each as its indexes have it.
fn sort_key(sort: LeakSort) -> &'static str {
    match sort {
        LeakSort::CreatedAt => "l.created_at",
        LeakSort::UpdatedAt => "l.updated_at",
        LeakSort::Risk => "l.risk",
        LeakSort::Status => "l.status",
        LeakSort::Title => "l.title_order",
        LeakSort::Source => "((l.facets >> 8) & 15)",
        LeakSort::Remediation => "((l.facets >> 5) & 3)",
    }
}

/// The order in which a list is asked for, and where in it the page begins.
struct Order<'q> {
    query: &'q LeakQuery,
    /// An index of it is walked through.
    key: &'static str,
    after: Option<Place>,
}

impl Order<'_> {
    /// The same value where what was found by other means is to be sorted: the database is not to
    /// walk through all in this order instead.
    fn sorted(&self) -> String {
        match self.query.sort {
            LeakSort::Title => "(l.title_order || '')".to_owned(),
            _ => format!("+{}", self.key),
        }
    }

    /// The condition that the page begins after the last one.
    fn push_after(&self, sql: &mut Builder, column: &str) -> Result<(), StoreError> {
        let Some(place) = &self.after else { return Ok(()) };
        sql.push(" AND (").push(column).push(", l.id) ");
        sql.push(if self.query.descending { "< (" } else { "> (" });
        match (&place.key, self.query.sort) {
            (SortKey::Text(key), LeakSort::Title) => sql.push_bind(key),
            (SortKey::Number(key), sort) if sort != LeakSort::Title => sql.push_bind(*key),
            _ => return Err(StoreError::BadCursor),
        };
        sql.push(", ").push_bind(place.id.clone()).push(")");
        Ok(())
    }

    fn push_by(&self, sql: &mut Builder, column: &str, limit: usize) {
        let order = if self.query.descending { " DESC" } else { "" };
        sql.push(" ORDER BY ").push(column).push(order).push(", l.id").push(order);
        sql.push(" LIMIT ").push_bind(row::signed(limit));
    }

    fn push_columns(&self, sql: &mut Builder) {
        sql.push("SELECT l.id, ").push(self.key).push(" AS sort_key");
    }
}

impl SqlStore {
    /// A page is had in one of three ways, so that none looks through much more than it shows.
    /// Where few leaks fit, which the kept counts tell, these are sorted. Where many do, all are
    /// walked through in the order of the list until the page is full. A text that few of the first
    /// ones have is looked up in the index of words, and what has it is sorted.
    pub(super) async fn list_leaks(
        &self,
        of: &Tenants,
        query: &LeakQuery,
    ) -> Result<LeakPage, StoreError> {
        let parameters = LeakQuery { page: PageRequest::default(), ..query.clone() };
        let binding = Binding::new("leaks", &(of.only(), parameters));
        let after = binding.place(query.page.cursor.as_deref())?;
        let limit = page_limit(&query.page);
        let order = Order { query, key: sort_key(query.sort), after };

        let mut reader = self.decisions_readers.acquire().await?;
        // One transaction, so that a page shows one state.
        let mut transaction = reader.snapshot().await?;
        let text = query.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let search = match text {
            Some(text) => Some(Search::of(&mut transaction, of, text).await?),
            None => None,
        };
        let fitting = counts::fitting(&mut transaction, of, query).await?;
        let wanted = Wanted { order, fitting, search, rows: limit.saturating_add(1) };
        let (mut rows, counted) = wanted.rows(&mut transaction).await?;
        let total = match counted {
            Some(total) => total.min(limits::TOTAL_COUNT_ONE_BY_ONE),
            None => wanted.total(&mut transaction, of).await?,
        };

        let is_text = query.sort == LeakSort::Title;
        let next_cursor = next_cursor(&mut rows, limit, &binding, |last| {
            let key = if is_text {
                SortKey::Text(row::text(last, "sort_key")?)
            } else {
                SortKey::Number(row::number(last, "sort_key")?)
            };
            Ok(Place { key, id: last.try_get("id")? })
        })?;
        let ids = rows
            .iter()
            .map(|found| row::uuid(found, "id").map(LeakId))
            .collect::<Result<Vec<_>, _>>()?;
        let mut items = leaks::load(&mut transaction, &ids).await?;
        transaction.rollback().await?;
        drop(reader);
        self.add_use(&self.events_readers, &mut items).await?;
        Ok(LeakPage { items, next_cursor, total })
    }
}

/// What a page is to show.
struct Wanted<'q> {
    order: Order<'q>,
    fitting: Fitting,
    search: Option<Search>,
    /// One more than the page has.
    rows: usize,
}

impl Wanted<'_> {
    /// Whether nothing can fit.
    fn is_nothing(&self) -> bool {
        self.fitting.fitting == 0 || self.search.as_ref().is_some_and(Search::is_empty)
    }

    /// Whether it is less work to sort all that fit than to walk to as many as are wanted.
    fn is_few(&self) -> bool {
        let fitting = self.fitting.fitting;
        fitting.saturating_mul(fitting) <= self.fitting.all.saturating_mul(self.rows as u64)
    }

    /// The page's rows, and how many there are in all where finding them told that.
    async fn rows(
        &self,
        connection: &mut dyn Connection,
    ) -> Result<(Vec<Row>, Option<u64>), StoreError> {
        let (order, mut sql) = (&self.order, Builder::new(""));
        if self.is_nothing() {
            order.push_after(&mut sql, "l.id")?;
            return Ok((Vec::new(), Some(0)));
        }
        if self.is_few() {
            order.push_columns(&mut sql);
            self.push_few(&mut sql);
            order.push_after(&mut sql, &order.sorted())?;
            order.push_by(&mut sql, &order.sorted(), self.rows);
            return Ok((sql.build().fetch_all(connection).await?, None));
        }
        let Some(search) = &self.search else {
            order.push_columns(&mut sql);
            self.push_walked(connection, &mut sql)?;
            order.push_by(&mut sql, order.key, self.rows);
            return Ok((sql.build().fetch_all(connection).await?, None));
        };
        sql.push("WITH walked AS MATERIALIZED (");
        order.push_columns(&mut sql);
        sql.push(", l.search_text");
        self.push_walked(connection, &mut sql)?;
        order.push_by(&mut sql, order.key, limits::SEARCH_WALK);
        sql.push(") SELECT l.id, l.sort_key FROM walked l WHERE 1 = 1");
        search.push_fits(&mut sql);
        order.push_by(&mut sql, "l.sort_key", self.rows);
        let rows = sql.build().fetch_all(&mut *connection).await?;
        if rows.len() == self.rows {
            return Ok((rows, None));
        }
        sql.push("WITH found AS MATERIALIZED (");
        order.push_columns(&mut sql);
        search.push_found(connection, &mut sql);
        self.push_conditions(connection, &mut sql);
        order.push_after(&mut sql, &order.sorted())?;
        sql.push(") SELECT l.id, l.sort_key, (SELECT COUNT(*) FROM found) AS found FROM found l");
        order.push_by(&mut sql, "l.sort_key", self.rows);
        let rows = sql.build().fetch_all(connection).await?;
        // Of a later page, those before it were not found.
        let counted = match (&order.after, rows.first()) {
            (None, Some(first)) => Some(row::count(first, "found")?),
            (None, None) => Some(0),
            (Some(_), _) => None,
        };
        Ok((rows, counted))
    }

    /// How many there are in all, up to [`limits::TOTAL_COUNT`], or where they are counted one by one, up to
    /// [`limits::TOTAL_COUNT_ONE_BY_ONE`].
    async fn total(
        &self,
        connection: &mut dyn Connection,
        of: &Tenants,
    ) -> Result<u64, StoreError> {
        let is_counted = self.search.is_none() && self.order.query.validity.is_empty();
        if is_counted {
            return Ok(self.fitting.fitting.min(limits::TOTAL_COUNT));
        }
        let mut sql = Builder::new("SELECT COUNT(*) AS total FROM (SELECT 1");
        match &self.search {
            _ if self.is_few() => self.push_few(&mut sql),
            Some(search) if !search.is_common() => {
                let is_any = self.fitting.fitting == self.fitting.all
                    && self.order.query.validity.is_empty()
                    && matches!(of, Tenants::All);
                if !is_any || !search.push_matching(connection, &mut sql) {
                    search.push_found(connection, &mut sql);
                    self.push_conditions(connection, &mut sql);
                }
            }
            search => {
                sql.push(" FROM leaks l WHERE 1 = 1");
                self.push_conditions(connection, &mut sql);
                if let Some(search) = search {
                    search.push_fits(&mut sql);
                }
                // In the order in which they lie, so that few pages are read.
                sql.push(" ORDER BY l.created_at DESC, l.id DESC");
            }
        }
        sql.push(" LIMIT ")
            .push_bind(row::signed(limits::TOTAL_COUNT_ONE_BY_ONE))
            .push(") AS counted");
        row::count(&sql.build().fetch_one(connection).await?, "total")
    }

    /// All that fit, by what they are like.
    fn push_few(&self, sql: &mut Builder) {
        sql.push(" FROM leaks l WHERE 1 = 1");
        push_each_tenant(sql, "l.tenant", &self.fitting.of);
        push_in(sql, " AND l.facets", self.fitting.facets.iter().copied());
        push_validity(sql, self.order.query);
        if let Some(search) = &self.search {
            search.push_fits(sql);
        }
    }

    /// All that fit, with conditions that an index in the order of the list can begin with.
    fn push_walked(
        &self,
        connection: &mut dyn Connection,
        sql: &mut Builder,
    ) -> Result<(), StoreError> {
        sql.push(" FROM leaks l WHERE 1 = 1");
        // What is known of all that fit, whether it was asked for or not, so that the walk begins
        // where the first of them is.
        match self.order.query.sort {
            LeakSort::Status => push_between(sql, "l.status", &self.fitting.statuses),
            LeakSort::Risk => push_between(sql, "l.risk", &self.fitting.risks),
            LeakSort::Source => push_between(sql, self.order.key, &self.fitting.sources),
            LeakSort::Remediation => push_between(sql, self.order.key, &self.fitting.remediations),
            LeakSort::CreatedAt | LeakSort::UpdatedAt | LeakSort::Title => {}
        }
        if let Some(status) = only(&self.fitting.statuses) {
            sql.push(" AND l.status = ").push_bind(status);
        }
        self.push_conditions(connection, sql);
        self.order.push_after(sql, self.order.key)
    }

    /// The conditions on `leaks l`, save on its text. A sign before a number keeps SQLite from looking
    /// it up in an index, where another is to be used; from PostgreSQL it would hide how many fit,
    /// and so that an index is shorter than sorting.
    fn push_conditions(&self, connection: &mut dyn Connection, sql: &mut Builder) {
        let query = self.order.query;
        let [status, risk] = match connection.session() {
            Session::Sqlite(_) => [" AND +l.status", " AND +l.risk"],
            Session::Postgres(_) => [" AND l.status", " AND l.risk"],
        };
        push_tenant(sql, "l.tenant", &self.fitting.of);
        push_in(sql, status, query.status.iter().map(|&it| row::rank(it, Status::ALL)));
        push_in(sql, risk, query.risk.iter().map(|&it| row::rank(it, Risk::ALL)));
        push_in(sql, " AND l.remediation", query.remediation.iter().map(|it| it.name()));
        push_in(sql, " AND l.detected_by", query.detected_by.iter().map(|it| it.name()));
        if !query.source.is_empty() {
            sql.push(" AND (l.source_kinds & ").push_bind(counts::kinds(query)).push(") <> 0");
        }
        push_validity(sql, query);
    }
}

fn push_validity(sql: &mut Builder, query: &LeakQuery) {
    if query.validity.is_empty() {
        return;
    }
    // What an upstream answered counts more than what a report said.
    sql.push(
        " AND EXISTS (SELECT 1 FROM leak_tokens lt JOIN tokens t ON t.id = lt.token
          LEFT JOIN events.token_use u ON u.token = lt.token WHERE lt.leak = l.id",
    );
    let names = query.validity.iter().map(|&it| row::validity_name(it));
    push_in(sql, " AND COALESCE(u.validity, t.validity)", names);
    sql.push(")");
}

/// From the least to the greatest of the values.
fn push_between(sql: &mut Builder, column: &str, values: &[i64]) {
    if let (Some(least), Some(most)) = (values.iter().min(), values.iter().max()) {
        sql.push(" AND ").push(column).push(" BETWEEN ").push_bind(*least);
        sql.push(" AND ").push_bind(*most);
    }
}

/// The one value that all of them are.
fn only(values: &[i64]) -> Option<i64> {
    let first = values.first().copied()?;
    values.iter().all(|value| *value == first).then_some(first)
}

/// Narrows to a tenant, where it is to be one.
pub(super) fn push_tenant(sql: &mut Builder, column: &str, of: &Tenants) {
    if let Some(tenant) = of.only() {
        sql.push(" AND ").push(column).push(" = ").push_bind(tenant.to_owned());
    }
}

/// The same for what is found by an index that begins with the tenant: where it is to be all, each
/// is looked at.
pub(super) fn push_each_tenant(sql: &mut Builder, column: &str, of: &Tenants) {
    match of {
        Tenants::One(_) => push_tenant(sql, column, of),
        Tenants::All => {
            sql.push(" AND ").push(column).push(" IN (SELECT id FROM tenants)");
        }
    }
}

/// `name IN (…)`, where there is anything to be in.
pub(super) fn push_in<V: Into<Value>>(
    sql: &mut Builder,
    name: &str,
    values: impl Iterator<Item = V>,
) {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return;
    }
    sql.push(name).push(" IN (").push_list(values).push(")");
}
