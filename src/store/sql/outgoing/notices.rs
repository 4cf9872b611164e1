//! Notifications: made once, and listed.

use std::collections::HashMap;

use super::super::database::{Builder, Connection, Row, query};
use super::super::{SqlStore, leaks, list, row, usage};
use super::feed;
use crate::config::limits;
use crate::model::ids::{EventId, LeakId, TokenId};
use crate::model::leak::{Remediation, Risk, Status};
use crate::model::notification::{Notification, NotificationKind};
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::cursor::{Binding, Place, SortKey};
use crate::store::outgoing::{Facts, LeakFacts, Moderation, Notice, Noticed, Places, TokenFacts};
use crate::store::types::{Page, PageRequest};

/// Milliseconds in which notifications of one tenant are counted.
const MINUTE: i64 = 60_000;

impl SqlStore {
    pub(super) async fn write_notices(
        &self,
        cursor: Option<(&str, Places, Places)>,
        notices: &[Notice],
        moderation: &Moderation,
    ) -> Result<Option<Noticed>, StoreError> {
        let mut writer = self.events.lock().await?;
        let mut transaction = writer.begin().await?;
        if let Some((reader, from, to)) = cursor
            && !feed::moved(&mut transaction, reader, from, to).await?
        {
            return Ok(None);
        }
        let mut noticed = Noticed::default();
        let mut lately: HashMap<&str, u64> = HashMap::new();
        for notice in notices {
            let tenant = notice.notification.tenant.as_str();
            let made = match lately.get(tenant) {
                Some(made) => *made,
                None => in_the_last_minute(&mut transaction, &notice.notification).await?,
            };
            lately.insert(tenant, made);
            if made >= u64::from(moderation.per_minute) {
                noticed.limited += 1;
            } else if write(&mut transaction, notice, moderation).await? {
                lately.insert(tenant, made + 1);
                noticed.made += 1;
            } else {
                noticed.repeated += 1;
            }
        }
        transaction.commit().await?;
        Ok(Some(noticed))
    }

    pub(super) async fn list_notifications(
        &self,
        of: &Tenants,
        kinds: &[NotificationKind],
        page: &PageRequest,
    ) -> Result<Page<Notification>, StoreError> {
        let binding = Binding::new("notifications", &(of.only(), kinds));
        let before = match binding.place(page.cursor.as_deref())? {
            Some(Place { key: SortKey::Number(seq), .. }) => seq,
            Some(_) => return Err(StoreError::BadCursor),
            None => i64::MAX,
        };
        let limit = list::page_limit(page);
        let mut sql = Builder::new("SELECT seq, body FROM notifications WHERE seq < ");
        sql.push_bind(before);
        list::push_tenant(&mut sql, "tenant", of);
        list::push_in(&mut sql, " AND kind", kinds.iter().map(|kind| kind.name()));
        sql.push(" ORDER BY seq DESC LIMIT ").push_bind(row::signed(limit.saturating_add(1)));
        let rows = sql.build().fetch_all(&self.events_readers).await?;
        list::page(rows, limit, &binding, place, notification)
    }

    pub(super) async fn read_facts(
        &self,
        leaks: &[LeakId],
        tokens: &[TokenId],
    ) -> Result<Facts, StoreError> {
        let mut facts = Facts::default();
        for chunk in leaks.chunks(limits::STORE_VALUES) {
            let mut sql = Builder::new(
                "SELECT id, tenant, title, risk, status, kind, remediation FROM leaks WHERE id IN (",
            );
            leaks::push_ids(&mut sql, chunk);
            let rows = sql.build().persistent(false).fetch_all(&self.decisions_readers).await?;
            for found in &rows {
                let remediation = row::named(found, "remediation", Remediation::from_name)?;
                let fact = LeakFacts {
                    tenant: row::text(found, "tenant")?,
                    title: row::text(found, "title")?,
                    risk: row::ranked(found, "risk", Risk::ALL)?,
                    status: row::ranked(found, "status", Status::ALL)?,
                    kind: row::text(found, "kind")?,
                    is_patched: remediation == Remediation::VirtualPatch,
                };
                facts.leaks.insert(LeakId(row::uuid(found, "id")?), fact);
            }
        }
        for chunk in tokens.chunks(limits::STORE_VALUES) {
            let mut sql = Builder::new("SELECT id, kind FROM tokens WHERE id IN (");
            usage::push_tokens(&mut sql, chunk.iter().copied());
            let rows = sql.build().persistent(false).fetch_all(&self.decisions_readers).await?;
            for found in &rows {
                let fact = TokenFacts { kind: row::text(found, "kind")?, first_event: None };
                facts.tokens.insert(TokenId(row::uuid(found, "id")?), fact);
            }
            let mut sql = Builder::new("SELECT token, first_event FROM token_use WHERE token IN (");
            usage::push_tokens(&mut sql, chunk.iter().copied());
            let rows = sql.build().persistent(false).fetch_all(&self.events_readers).await?;
            for found in &rows {
                let token = TokenId(row::uuid(found, "token")?);
                let first = row::uuid_or_none(found, "first_event")?.map(EventId);
                facts.tokens.entry(token).or_default().first_event = first;
            }
        }
        Ok(facts)
    }
}

/// How many notifications the tenant had in the minute before this one.
async fn in_the_last_minute(
    connection: &mut dyn Connection,
    notification: &Notification,
) -> Result<u64, StoreError> {
    let found = query("SELECT COUNT(*) AS count FROM notifications WHERE tenant = $1 AND at > $2")
        .bind(&notification.tenant)
        .bind(notification.at.as_millisecond().saturating_sub(MINUTE))
        .fetch_one(connection)
        .await?;
    row::count(&found, "count")
}

/// Makes a notification, unless somebody was notified of the same thing in its window.
async fn write(
    connection: &mut dyn Connection,
    Notice { subject, notification }: &Notice,
    moderation: &Moderation,
) -> Result<bool, StoreError> {
    let at = notification.at.as_millisecond();
    let window = row::signed(moderation.window.as_millis());
    let first = query(
        "INSERT INTO notified (tenant, kind, subject, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant, kind, subject) DO UPDATE SET at = excluded.at
            WHERE notified.at <= excluded.at - $5",
    )
    .bind(&notification.tenant)
    .bind(notification.kind.name())
    .bind(subject)
    .bind(at)
    .bind(window)
    .execute(&mut *connection)
    .await?;
    if first == 0 {
        return Ok(false);
    }
    query(
        "INSERT INTO notifications (id, at, tenant, kind, leak, body)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(notification.id.0.as_bytes().as_slice())
    .bind(at)
    .bind(&notification.tenant)
    .bind(notification.kind.name())
    .bind(notification.leak.map(|leak| leak.0.as_bytes().to_vec()))
    .bind(row::to_json(notification)?)
    .execute(connection)
    .await?;
    Ok(true)
}

fn place(found: &Row) -> Result<Place, StoreError> {
    Ok(Place { key: SortKey::Number(row::number(found, "seq")?), id: Vec::new() })
}

/// A notification out of its row.
pub(super) fn notification(found: &Row) -> Result<Notification, StoreError> {
    row::json(found, "body")
}
