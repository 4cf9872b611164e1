//! The list of leaks: filters, search, order, pages.

use super::database::{Builder, Row, Value};
use super::{SqlStore, leaks, row};
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

/// The column that a list is sorted by.
fn sort_column(sort: LeakSort) -> &'static str {
    match sort {
        LeakSort::CreatedAt => "created_at",
        LeakSort::UpdatedAt => "updated_at",
        LeakSort::Risk => "risk",
        LeakSort::Status => "status",
        LeakSort::Title => "title_order",
    }
}

impl SqlStore {
    pub(super) async fn list_leaks(
        &self,
        of: &Tenants,
        query: &LeakQuery,
    ) -> Result<LeakPage, StoreError> {
        let parameters = LeakQuery { page: PageRequest::default(), ..query.clone() };
        let binding = Binding::new("leaks", &(of.only(), parameters));
        let after = binding.place(query.page.cursor.as_deref())?;
        let limit = page_limit(&query.page);
        let column = sort_column(query.sort);

        let mut reader = self.decisions_readers.acquire().await?;
        // One transaction, so that a page shows one state.
        let mut transaction = reader.snapshot().await?;

        let mut count = Builder::new("SELECT COUNT(*) AS total FROM (SELECT 1 FROM leaks l WHERE ");
        push_conditions(&mut count, of, query);
        count.push(" LIMIT ").push_bind(row::signed(limits::TOTAL_COUNT)).push(") AS counted");
        let counted = count.build().fetch_one(&mut transaction).await?;

        let mut ids = Builder::new("SELECT l.id, l.");
        ids.push(column).push(" AS sort_key FROM leaks l WHERE ");
        push_conditions(&mut ids, of, query);
        if let Some(place) = after {
            ids.push(" AND (l.").push(column).push(", l.id) ");
            ids.push(if query.descending { "< (" } else { "> (" });
            match (place.key, query.sort) {
                (SortKey::Text(key), LeakSort::Title) => ids.push_bind(key),
                (SortKey::Number(key), _) if query.sort != LeakSort::Title => ids.push_bind(key),
                _ => return Err(StoreError::BadCursor),
            };
            ids.push(", ").push_bind(place.id).push(")");
        }
        let order = if query.descending { " DESC" } else { "" };
        ids.push(" ORDER BY l.").push(column).push(order).push(", l.id").push(order);
        ids.push(" LIMIT ").push_bind(row::signed(limit.saturating_add(1)));
        let mut rows = ids.build().fetch_all(&mut transaction).await?;

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
        Ok(LeakPage { items, next_cursor, total: row::count(&counted, "total")? })
    }
}

/// The conditions on `leaks l` that the query asks for.
fn push_conditions(sql: &mut Builder, of: &Tenants, query: &LeakQuery) {
    sql.push("1 = 1");
    push_tenant(sql, "l.tenant", of);
    push_in(sql, " AND l.status", query.status.iter().map(|&it| row::rank(it, Status::ALL)));
    push_in(sql, " AND l.risk", query.risk.iter().map(|&it| row::rank(it, Risk::ALL)));
    push_in(sql, " AND l.remediation", query.remediation.iter().map(|it| it.name()));
    push_in(sql, " AND l.detected_by", query.detected_by.iter().map(|it| it.name()));
    if !query.source.is_empty() {
        sql.push(" AND EXISTS (SELECT 1 FROM sources s WHERE s.leak = l.id");
        push_in(sql, " AND s.kind", query.source.iter().map(|it| it.name()));
        sql.push(")");
    }
    if !query.validity.is_empty() {
        // What an upstream answered counts more than what a report said.
        sql.push(
            " AND EXISTS (SELECT 1 FROM leak_tokens lt JOIN tokens t ON t.id = lt.token
              LEFT JOIN events.token_use u ON u.token = lt.token WHERE lt.leak = l.id",
        );
        let names = query.validity.iter().map(|&it| row::validity_name(it));
        push_in(sql, " AND COALESCE(u.validity, t.validity)", names);
        sql.push(")");
    }
    if let Some(text) = query.text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        push_search(sql, of, text);
    }
}

/// `text` in title, comment or the URL of a source, or as the beginning of a fingerprint.
fn push_search(sql: &mut Builder, of: &Tenants, text: &str) {
    let lower = text.to_lowercase();
    let escaped = lower.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let pattern = format!("%{escaped}%");
    sql.push(" AND (l.search_text LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\'");
    sql.push(" OR EXISTS (SELECT 1 FROM sources s WHERE s.leak = l.id AND s.search_text LIKE ");
    sql.push_bind(pattern).push(" ESCAPE '\\')");
    if let Some((least, most)) = fingerprint_range(&lower) {
        sql.push(
            " OR l.id IN (SELECT lt.leak FROM tokens t JOIN leak_tokens lt ON lt.token = t.id
              WHERE t.fingerprint BETWEEN ",
        );
        sql.push_bind(least).push(" AND ").push_bind(most);
        push_each_tenant(sql, "t.tenant", of);
        sql.push(")");
    }
    sql.push(")");
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

/// The least and the greatest fingerprint that begin with these hex digits.
fn fingerprint_range(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    if !(limits::SEARCH_FINGERPRINT..=64).contains(&text.len())
        || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return None;
    }
    let filled = |fill: &str| -> Option<Vec<u8>> {
        let digits = format!("{text}{}", fill.repeat(64_usize.saturating_sub(text.len())));
        digits
            .as_bytes()
            .chunks_exact(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect()
    };
    Some((filled("0")?, filled("f")?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_found_by_their_beginning() {
        assert_eq!(fingerprint_range("abc"), None, "too short to mean one");
        assert_eq!(fingerprint_range("abcg"), None);
        assert_eq!(fingerprint_range(&"a".repeat(65)), None);
        let (least, most) = fingerprint_range("abcde").unwrap();
        assert_eq!(least[..3], [0xab, 0xcd, 0xe0]);
        assert_eq!(most[..3], [0xab, 0xcd, 0xef]);
        assert_eq!((least.len(), least[31], most.len(), most[31]), (32, 0, 32, 0xff));
    }
}
