//! What webhooks and tenants that are gone leave behind in the database of events. It is removed
//! beside that of decisions and not with it, since no transaction spans both: at once where that
//! succeeds, and else with what is removed in time.

use std::collections::HashSet;

use super::super::database::query;
use super::super::{SqlStore, row};
use crate::model::ids::WebhookId;
use crate::store::StoreError;
use crate::store::outgoing::{reader_of_webhook, webhook_of_reader};

/// Every reader that has a place or a dead letter, each looked up in the index behind the one before.
const READERS: &str = "SELECT reader FROM cursors
    UNION
    SELECT reader FROM (
        WITH RECURSIVE readers (reader) AS (
            SELECT MIN(reader) FROM dead_letters
            UNION ALL
            SELECT (SELECT MIN(d.reader) FROM dead_letters d WHERE d.reader > readers.reader)
            FROM readers WHERE readers.reader IS NOT NULL
        )
        SELECT reader FROM readers WHERE reader IS NOT NULL
    ) lettered";

/// The same of the tenants of whom somebody was notified.
const TENANTS: &str = "WITH RECURSIVE tenants (tenant) AS (
        SELECT MIN(tenant) FROM notified
        UNION ALL
        SELECT (SELECT MIN(n.tenant) FROM notified n WHERE n.tenant > tenants.tenant)
        FROM tenants WHERE tenants.tenant IS NOT NULL
    ),
    listed (tenant) AS (
        SELECT MIN(tenant) FROM notifications
        UNION ALL
        SELECT (SELECT MIN(n.tenant) FROM notifications n WHERE n.tenant > listed.tenant)
        FROM listed WHERE listed.tenant IS NOT NULL
    )
    SELECT tenant FROM tenants WHERE tenant IS NOT NULL
    UNION
    SELECT tenant FROM listed WHERE tenant IS NOT NULL";

impl SqlStore {
    /// Removes the places and dead letters of webhooks that are gone, and what tenants that are gone
    /// were notified of.
    pub(in crate::store::sql) async fn remove_what_the_gone_left(&self) -> Result<(), StoreError> {
        // What is left is read before who is there: a webhook is there before its first place is.
        let mut webhooks = Vec::new();
        for found in query(READERS).fetch_all(&self.events_readers).await? {
            webhooks.extend(webhook_of_reader(&row::text(&found, "reader")?));
        }
        let mut tenants = Vec::new();
        for found in query(TENANTS).fetch_all(&self.events_readers).await? {
            tenants.push(row::text(&found, "tenant")?);
        }
        if !webhooks.is_empty() {
            let mut there: HashSet<WebhookId> = HashSet::new();
            for found in query("SELECT id FROM webhooks").fetch_all(&self.reserved_readers).await? {
                there.insert(WebhookId(row::uuid(&found, "id")?));
            }
            webhooks.retain(|id| !there.contains(id));
        }
        if !tenants.is_empty() {
            let there: HashSet<String> =
                self.list_tenants().await?.into_iter().map(|tenant| tenant.id).collect();
            tenants.retain(|tenant| !there.contains(tenant));
        }
        if webhooks.is_empty() && tenants.is_empty() {
            return Ok(());
        }
        let mut writer = self.events.lock().await?;
        let mut transaction = writer.begin().await?;
        for id in webhooks {
            let reader = reader_of_webhook(id);
            for sql in [
                "DELETE FROM cursors WHERE reader = $1",
                "DELETE FROM dead_letters WHERE reader = $1",
            ] {
                query(sql).bind(&reader).execute(&mut transaction).await?;
            }
        }
        for tenant in tenants {
            for sql in [
                "DELETE FROM notifications WHERE tenant = $1",
                "DELETE FROM notified WHERE tenant = $1",
            ] {
                query(sql).bind(&tenant).execute(&mut transaction).await?;
            }
        }
        transaction.commit().await
    }

    /// The same after somebody is gone, who is so whether or not it succeeds.
    pub(in crate::store::sql) async fn try_to_remove_what_the_gone_left(&self) {
        if let Err(error) = self.remove_what_the_gone_left().await {
            tracing::warn!(%error, "what was removed has left something, which is removed in time");
        }
    }
}
