//! Webhooks. Their addresses and secrets are kept encrypted: either lets others send.

use super::super::audit::record_audit;
use super::super::database::{Builder, Connection, Row, query};
use super::super::identity::exists;
use super::super::{SqlStore, list, row};
use crate::model::clock;
use crate::model::ids::WebhookId;
use crate::model::role::Actor;
use crate::model::secret::Secret;
use crate::model::sink::{FeedKind, Format, WebhookKind};
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::outgoing::{Deliveries, Target, Webhook, WebhookChange, reader_of_webhook};
use crate::store::ring::{Keyring, Sealer};

const COLUMNS: &str = "id, tenant, name, kind, format, feeds, shown_url, sealed, enabled, \
    created_by, created_at, updated_at";

impl SqlStore {
    pub(super) async fn list_webhooks(&self, of: &Tenants) -> Result<Vec<Webhook>, StoreError> {
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM webhooks WHERE 1 = 1");
        list::push_tenant(&mut sql, "tenant", of);
        let rows = sql.push(" ORDER BY id").build().fetch_all(&self.decisions_readers).await?;
        let mut webhooks = rows.iter().map(webhook).collect::<Result<Vec<_>, _>>()?;
        let readers: Vec<String> = webhooks.iter().map(|it| reader_of_webhook(it.id)).collect();
        let mut deliveries = self.read_deliveries(&readers).await?;
        for (webhook, reader) in webhooks.iter_mut().zip(readers) {
            webhook.deliveries = deliveries.remove(&reader).unwrap_or_default();
        }
        Ok(webhooks)
    }

    pub(super) async fn one_webhook(&self, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let found = one(&self.decisions_readers, id).await?;
        let Some(mut webhook) = found.as_ref().map(webhook).transpose()? else { return Ok(None) };
        let reader = reader_of_webhook(id);
        let mut deliveries = self.read_deliveries(std::slice::from_ref(&reader)).await?;
        webhook.deliveries = deliveries.remove(&reader).unwrap_or_default();
        Ok(Some(webhook))
    }

    pub(super) async fn list_targets(&self) -> Result<Vec<Target>, StoreError> {
        let mut sql = Builder::new("SELECT ");
        sql.push(COLUMNS).push(" FROM webhooks ORDER BY id");
        let rows = sql.build().fetch_all(&self.reserved_readers).await?;
        rows.iter()
            .map(|found| {
                let webhook = webhook(found)?;
                let (url, secret) = opened(&self.keys, webhook.id, found)?;
                Ok(Target { webhook, url, secret })
            })
            .collect()
    }

    pub(super) async fn insert_webhook(
        &self,
        target: &Target,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let webhook = &target.webhook;
        let at = webhook.created_at.as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let sealer = self.sealer(&mut transaction).await?;
        let sealed = sealed(&sealer, webhook.id, &target.url, &target.secret)?;
        let mut sql = Builder::new("INSERT INTO webhooks (");
        sql.push(COLUMNS).push(") ");
        sql.push_values(std::iter::once(webhook), |values, webhook| {
            values
                .push_bind(webhook.id.0.as_bytes().to_vec())
                .push_bind(webhook.tenant.clone())
                .push_bind(webhook.name.clone())
                .push_bind(webhook.kind.name())
                .push_bind(webhook.format.name())
                .push_bind(joined(&webhook.feeds))
                .push_bind(webhook.url.clone())
                .push_bind(sealed.clone())
                .push_bind(webhook.enabled)
                .push_bind(webhook.created_by.clone())
                .push_bind(at)
                .push_bind(at);
        });
        sql.build().execute(&mut transaction).await.map_err(exists("webhook"))?;
        let detail = format!("{}, {} to {}", webhook.name, webhook.kind.name(), webhook.url);
        let object = webhook.id.to_string();
        let deed = ("add_webhook", object.as_str(), detail.as_str());
        written_down(&mut transaction, &webhook.tenant, at, deed, actor).await?;
        transaction.commit().await
    }

    pub(super) async fn alter_webhook(
        &self,
        id: WebhookId,
        change: WebhookChange,
        actor: &Actor,
    ) -> Result<Webhook, StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let found = one(&mut transaction, id).await?.ok_or(StoreError::NotFound("webhook"))?;
        let before = webhook(&found)?;
        let (url, secret) = opened(&self.keys, id, &found)?;
        let sealer = self.sealer(&mut transaction).await?;
        let mut changed = Vec::new();
        let mut note = |is_changed: bool, what: &str| {
            if is_changed {
                changed.push(what.to_owned());
            }
        };
        note(change.name.is_some(), "name");
        note(change.format.is_some(), "format");
        note(change.feeds.is_some(), "feeds");
        note(change.secret.is_some(), "secret");
        note(change.enabled == Some(true), "turned on");
        note(change.enabled == Some(false), "turned off");
        let secret = change.secret.unwrap_or(secret);
        let name = change.name.unwrap_or(before.name);
        query(
            "UPDATE webhooks SET name = $2, format = $3, feeds = $4, sealed = $5, enabled = $6,
                updated_at = $7 WHERE id = $1",
        )
        .bind(id.0.as_bytes().as_slice())
        .bind(&name)
        .bind(change.format.unwrap_or(before.format).name())
        .bind(joined(&change.feeds.unwrap_or(before.feeds)))
        .bind(sealed(&sealer, id, &url, &secret)?)
        .bind(change.enabled.unwrap_or(before.enabled))
        .bind(at)
        .execute(&mut transaction)
        .await
        .map_err(exists("webhook"))?;
        let detail = format!("{name}: {}", changed.join(", "));
        let deed = ("change_webhook", id.to_string(), detail);
        let deed = (deed.0, deed.1.as_str(), deed.2.as_str());
        written_down(&mut transaction, &before.tenant, at, deed, actor).await?;
        transaction.commit().await?;
        drop(writer);
        self.one_webhook(id).await?.ok_or(StoreError::NotFound("webhook"))
    }

    pub(super) async fn delete_webhook(
        &self,
        id: WebhookId,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let found = one(&mut transaction, id).await?.ok_or(StoreError::NotFound("webhook"))?;
        let before = webhook(&found)?;
        query("DELETE FROM webhooks WHERE id = $1")
            .bind(id.0.as_bytes().as_slice())
            .execute(&mut transaction)
            .await?;
        let object = id.to_string();
        let deed = ("remove_webhook", object.as_str(), before.name.as_str());
        written_down(&mut transaction, &before.tenant, at, deed, actor).await?;
        transaction.commit().await?;
        drop(writer);
        self.try_to_remove_what_the_gone_left().await;
        Ok(())
    }
}

async fn one<'e>(
    on: impl Into<super::super::database::On<'e>>,
    id: WebhookId,
) -> Result<Option<Row>, StoreError> {
    let mut sql = Builder::new("SELECT ");
    sql.push(COLUMNS).push(" FROM webhooks WHERE id = ").push_bind(id.0.as_bytes().to_vec());
    Ok(sql.build().fetch_optional(on).await?)
}

/// Writes down what was done to a webhook.
async fn written_down(
    connection: &mut dyn Connection,
    tenant: &str,
    at: i64,
    (action, object, detail): (&str, &str, &str),
    actor: &Actor,
) -> Result<(), StoreError> {
    record_audit(connection, tenant, at, action, Some(object), Some(detail), actor).await
}

fn joined(feeds: &[FeedKind]) -> String {
    feeds.iter().map(|feed| feed.name()).collect::<Vec<_>>().join(",")
}

fn webhook(found: &Row) -> Result<Webhook, StoreError> {
    let feeds = row::text(found, "feeds")?;
    Ok(Webhook {
        id: WebhookId(row::uuid(found, "id")?),
        tenant: row::text(found, "tenant")?,
        name: row::text(found, "name")?,
        kind: row::named(found, "kind", WebhookKind::from_name)?,
        format: row::named(found, "format", Format::from_name)?,
        feeds: feeds.split(',').filter_map(FeedKind::from_name).collect(),
        url: row::text(found, "shown_url")?,
        enabled: found.try_get("enabled")?,
        created_by: row::text(found, "created_by")?,
        created_at: row::time(found, "created_at")?,
        updated_at: row::time(found, "updated_at")?,
        deliveries: Deliveries::default(),
    })
}

/// What the encryption is bound to: this webhook and nothing else.
fn binding(id: WebhookId) -> String {
    format!("webhook {id}")
}

/// Seals all of them under this key instead.
pub(in crate::store::sql) async fn reseal(
    connection: &mut dyn Connection,
    keys: &Keyring,
    sealer: &Sealer,
) -> Result<(), StoreError> {
    for found in query("SELECT id, sealed FROM webhooks").fetch_all(&mut *connection).await? {
        let id = WebhookId(row::uuid(&found, "id")?);
        let (url, secret) = opened(keys, id, &found)?;
        query("UPDATE webhooks SET sealed = $2 WHERE id = $1")
            .bind(id.0.as_bytes().as_slice())
            .bind(sealed(sealer, id, &url, &secret)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The address and the secret, a line end between them, which an address cannot hold.
fn sealed(
    sealer: &Sealer,
    id: WebhookId,
    url: &Secret,
    secret: &Secret,
) -> Result<Vec<u8>, StoreError> {
    let plain = Secret::new([url.expose(), b"\n", secret.expose()].concat());
    sealer.seal(&binding(id), plain.expose())
}

fn opened(keys: &Keyring, id: WebhookId, found: &Row) -> Result<(Secret, Secret), StoreError> {
    let sealed: &[u8] = found.try_get("sealed")?;
    let plain = keys.open(&binding(id), sealed);
    let parts = plain.ok().and_then(|plain| {
        let end = plain.iter().position(|&byte| byte == b'\n')?;
        let (url, secret) = plain.split_at_checked(end)?;
        Some((Secret::new(url.to_vec()), Secret::new(secret.get(1..)?.to_vec())))
    });
    parts.ok_or_else(|| {
        StoreError::Unusable(format!(
            "the webhook {id} cannot be decrypted: the database is damaged or was changed by other hands; put back a backup of it"
        ))
    })
}
