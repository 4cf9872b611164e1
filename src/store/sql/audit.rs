//! What was done and by whom: history of a leak, comments on it, the audit log.

use super::database::{Builder, Connection, Row, query};
use super::{SqlStore, leaks, row, search};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::LeakId;
use crate::model::leak::{Comment, HistoryEntry};
use crate::model::role::Actor;
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::cursor::{Binding, Place, SortKey};
use crate::store::types::{AuditEntry, AuditQuery, FieldChange, Page, PageRequest};

/// Something that was done to a leak.
#[derive(Clone)]
pub(super) struct Deed<'a> {
    pub(super) tenant: &'a str,
    pub(super) leak: LeakId,
    pub(super) action: &'a str,
    pub(super) comment: Option<&'a str>,
    /// What changed, in words and without any token.
    pub(super) detail: Option<&'a str>,
    /// The same, field by field.
    pub(super) changed: Vec<FieldChange>,
    /// When, in milliseconds.
    pub(super) at: i64,
}

/// Writes a deed down, in the leak's history and in the audit log.
pub(super) async fn record(
    connection: &mut dyn Connection,
    deed: Deed<'_>,
    actor: &Actor,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO history (leak, at, actor, action, comment, detail)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(deed.leak.0.as_bytes().as_slice())
    .bind(deed.at)
    .bind(&actor.name)
    .bind(deed.action)
    .bind(deed.comment)
    .bind(deed.detail)
    .execute(&mut *connection)
    .await?;
    let entry = Entry {
        tenant: deed.tenant,
        at: deed.at,
        action: deed.action,
        object: Some(&deed.leak.to_string()),
        detail: deed.detail,
        changed: deed.changed,
    };
    record_entry(connection, entry, actor).await
}

/// A row of the audit log.
pub(super) struct Entry<'a> {
    pub(super) tenant: &'a str,
    /// When, in milliseconds.
    pub(super) at: i64,
    pub(super) action: &'a str,
    pub(super) object: Option<&'a str>,
    /// What changed, in words and without any token.
    pub(super) detail: Option<&'a str>,
    /// The same, field by field.
    pub(super) changed: Vec<FieldChange>,
}

/// Writes a row of the audit log about something that changes no field.
pub(super) async fn record_audit(
    connection: &mut dyn Connection,
    tenant: &str,
    at: i64,
    action: &str,
    object: Option<&str>,
    detail: Option<&str>,
    actor: &Actor,
) -> Result<(), StoreError> {
    let entry = Entry { tenant, at, action, object, detail, changed: Vec::new() };
    record_entry(connection, entry, actor).await
}

/// Writes a row of the audit log.
pub(super) async fn record_entry(
    connection: &mut dyn Connection,
    entry: Entry<'_>,
    actor: &Actor,
) -> Result<(), StoreError> {
    let changed = if entry.changed.is_empty() { None } else { Some(row::to_json(&entry.changed)?) };
    query(
        "INSERT INTO audit (tenant, at, actor, address, action, object, detail, changed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(entry.tenant)
    .bind(entry.at)
    .bind(&actor.name)
    .bind(&actor.address)
    .bind(entry.action)
    .bind(entry.object)
    .bind(entry.detail)
    .bind(changed)
    .execute(connection)
    .await?;
    Ok(())
}

impl SqlStore {
    pub(super) async fn leak_history(
        &self,
        tenant: &str,
        id: LeakId,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let mut reader = self.decisions_readers.acquire().await?;
        leaks::status(&mut reader, tenant, id).await?;
        query("SELECT at, actor, action, comment, detail FROM history WHERE leak = $1 ORDER BY id")
            .bind(id.0.as_bytes().as_slice())
            .fetch_all(&mut reader)
            .await?
            .iter()
            .map(|found| {
                Ok(HistoryEntry {
                    at: row::time(found, "at")?,
                    actor: row::text(found, "actor")?,
                    action: row::text(found, "action")?,
                    comment: row::text_or_none(found, "comment")?,
                    detail: row::text_or_none(found, "detail")?,
                })
            })
            .collect()
    }

    pub(super) async fn leak_comments(
        &self,
        tenant: &str,
        id: LeakId,
    ) -> Result<Vec<Comment>, StoreError> {
        let mut reader = self.decisions_readers.acquire().await?;
        leaks::status(&mut reader, tenant, id).await?;
        query("SELECT at, author, text FROM comments WHERE leak = $1 ORDER BY id")
            .bind(id.0.as_bytes().as_slice())
            .fetch_all(&mut reader)
            .await?
            .iter()
            .map(|found| {
                Ok(Comment {
                    at: row::time(found, "at")?,
                    author: row::text(found, "author")?,
                    text: row::text(found, "text")?,
                })
            })
            .collect()
    }

    pub(super) async fn add_comment(
        &self,
        tenant: &str,
        id: LeakId,
        text: &str,
        actor: &Actor,
    ) -> Result<Comment, StoreError> {
        let at = clock::now();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        leaks::status(&mut transaction, tenant, id).await?;
        query("INSERT INTO comments (leak, at, author, text) VALUES ($1, $2, $3, $4)")
            .bind(id.0.as_bytes().as_slice())
            .bind(at.as_millisecond())
            .bind(&actor.name)
            .bind(text)
            .execute(&mut transaction)
            .await?;
        search::add_comment(&mut transaction, id, text).await?;
        record_audit(
            &mut transaction,
            tenant,
            at.as_millisecond(),
            "comment",
            Some(&id.to_string()),
            None,
            actor,
        )
        .await?;
        transaction.commit().await?;
        Ok(Comment { at, author: actor.name.clone(), text: text.to_owned() })
    }

    pub(super) async fn list_audit(
        &self,
        of: &Tenants,
        asked: &AuditQuery,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let page = &asked.page;
        let parameters = AuditQuery { page: PageRequest::default(), ..asked.clone() };
        let binding = Binding::new("audit", &(of.only(), parameters));
        let before = match binding.place(page.cursor.as_deref())? {
            Some(Place { key: SortKey::Number(id), .. }) => id,
            Some(_) => return Err(StoreError::BadCursor),
            None => i64::MAX,
        };
        let limit = super::list::page_limit(page);
        let mut sql = Builder::new("SELECT ");
        sql.push(AUDIT_COLUMNS).push(" FROM audit WHERE id < ").push_bind(before);
        super::list::push_tenant(&mut sql, "tenant", of);
        if let Some(actor) = &asked.actor {
            sql.push(" AND actor = ").push_bind(actor.clone());
        }
        super::list::push_in(&mut sql, " AND action", asked.action.iter().cloned());
        if let Some(object) = &asked.object {
            sql.push(" AND object = ").push_bind(object.clone());
        }
        push_times(&mut sql, asked);
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(row::signed(limit.saturating_add(1)));
        let rows = sql.build().fetch_all(&self.decisions_readers).await?;
        super::list::page(rows, limit, &binding, audit_place, audit_entry)
    }
}

/// What is shown of a row of the audit log.
pub(super) const AUDIT_COLUMNS: &str =
    "id, tenant, at, actor, address, action, object, detail, changed";

fn audit_place(found: &Row) -> Result<Place, StoreError> {
    Ok(Place { key: SortKey::Number(found.try_get("id")?), id: Vec::new() })
}

/// A row of the audit log as it is shown.
pub(super) fn audit_entry(found: &Row) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        tenant: row::text(found, "tenant")?,
        at: row::time(found, "at")?,
        actor: row::text(found, "actor")?,
        address: row::text_or_none(found, "address")?,
        action: row::text(found, "action")?,
        object: row::text_or_none(found, "object")?,
        detail: row::text_or_none(found, "detail")?,
        changed: match row::text_or_none(found, "changed")? {
            Some(_) => row::json(found, "changed")?,
            None => Vec::new(),
        },
    })
}

/// Narrows to a time. Rows are in the order in which they were written, and so nearly in that of
/// their times: what lies far off is passed over by its number, found by an index.
fn push_times(sql: &mut Builder, asked: &AuditQuery) {
    let skew = row::signed(limits::AUDIT_SKEW.as_millis());
    if let Some(from) = asked.from {
        let from = from.as_millisecond();
        sql.push(" AND at >= ").push_bind(from);
        sql.push(" AND id >= COALESCE((SELECT a.id FROM audit a WHERE a.at >= ");
        sql.push_bind(from.saturating_sub(skew)).push(" ORDER BY a.at, a.id LIMIT 1), ");
        sql.push_bind(i64::MAX).push(")");
    }
    if let Some(to) = asked.to {
        let to = to.as_millisecond();
        sql.push(" AND at < ").push_bind(to);
        sql.push(" AND id <= COALESCE((SELECT a.id FROM audit a WHERE a.at < ");
        sql.push_bind(to.saturating_add(skew)).push(" ORDER BY a.at DESC, a.id DESC LIMIT 1), 0)");
    }
}
