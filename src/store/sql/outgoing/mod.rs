//! What goes out of the store by itself, and what is removed in time.

mod feed;
mod gone;
mod letters;
mod notices;
mod trim;
mod webhooks;

pub(super) use feed::feed;
pub(super) use webhooks::reseal as reseal_webhooks;

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqlStore;
use crate::model::event::Event;
use crate::model::ids::{LeakId, LetterId, TokenId, WebhookId};
use crate::model::notification::{Notification, NotificationKind};
use crate::model::role::Actor;
use crate::model::tenant::Tenants;
use crate::store::StoreError;
use crate::store::outgoing::{
    Deliveries, Entry, Facts, Keep, Letter, Moderation, NewLetter, Notice, Noticed, Outgoing,
    OutgoingStore, Places, Target, Trimmed, Wanted, Webhook, WebhookChange,
};
use crate::store::types::{Page, PageRequest};

#[async_trait]
impl OutgoingStore for SqlStore {
    async fn hold_events(&self, growing: &[Event]) -> Result<(), StoreError> {
        self.hold(growing).await
    }

    async fn release_held_events(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.release_held(before).await
    }

    async fn trim_events(&self, keep: &Keep) -> Result<Trimmed, StoreError> {
        self.remove_old_events(keep).await
    }

    async fn trim_outgoing(&self, now: Timestamp, most: u64) -> Result<(), StoreError> {
        self.remove_old_counts(now).await?;
        self.remove_what_the_gone_left().await?;
        self.remove_old_feeds(now, most).await
    }

    async fn ends(&self) -> Result<Places, StoreError> {
        self.feed_ends().await
    }

    async fn take_cursor(
        &self,
        reader: &str,
        holder: &str,
        until: Timestamp,
    ) -> Result<Option<Places>, StoreError> {
        self.hold_cursor(reader, holder, until).await
    }

    async fn leave_cursor(&self, reader: &str, holder: &str) -> Result<(), StoreError> {
        self.release_cursor(reader, holder).await
    }

    async fn outgoing(&self, after: Places, wanted: &Wanted) -> Result<Outgoing, StoreError> {
        self.read_feeds(after, wanted).await
    }

    async fn move_cursor(
        &self,
        reader: &str,
        from: Places,
        to: Places,
        letter: Option<NewLetter>,
    ) -> Result<(bool, u64), StoreError> {
        self.advance(reader, from, to, letter).await
    }

    async fn note_delivery(&self, reader: &str, error: Option<&str>) -> Result<(), StoreError> {
        self.write_delivery(reader, error).await
    }

    async fn deliveries(
        &self,
        readers: &[String],
    ) -> Result<HashMap<String, Deliveries>, StoreError> {
        self.read_deliveries(readers).await
    }

    async fn letters(&self, of: &Tenants, page: &PageRequest) -> Result<Page<Letter>, StoreError> {
        self.list_letters(of, page).await
    }

    async fn letter(&self, id: LetterId) -> Result<Option<(Letter, Vec<Entry>)>, StoreError> {
        self.one_letter(id).await
    }

    async fn remove_letter(&self, id: LetterId) -> Result<(), StoreError> {
        self.delete_letter(id).await
    }

    async fn facts(&self, leaks: &[LeakId], tokens: &[TokenId]) -> Result<Facts, StoreError> {
        self.read_facts(leaks, tokens).await
    }

    async fn notify(
        &self,
        cursor: Option<(&str, Places, Places)>,
        notices: &[Notice],
        moderation: &Moderation,
    ) -> Result<Option<Noticed>, StoreError> {
        self.write_notices(cursor, notices, moderation).await
    }

    async fn notifications(
        &self,
        of: &Tenants,
        kinds: &[NotificationKind],
        page: &PageRequest,
    ) -> Result<Page<Notification>, StoreError> {
        self.list_notifications(of, kinds, page).await
    }

    async fn webhooks(&self, of: &Tenants) -> Result<Vec<Webhook>, StoreError> {
        self.list_webhooks(of).await
    }

    async fn webhook(&self, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        self.one_webhook(id).await
    }

    async fn targets(&self) -> Result<Vec<Target>, StoreError> {
        self.list_targets().await
    }

    async fn add_webhook(&self, target: &Target, actor: &Actor) -> Result<(), StoreError> {
        self.insert_webhook(target, actor).await
    }

    async fn change_webhook(
        &self,
        id: WebhookId,
        change: WebhookChange,
        actor: &Actor,
    ) -> Result<Webhook, StoreError> {
        self.alter_webhook(id, change, actor).await
    }

    async fn remove_webhook(&self, id: WebhookId, actor: &Actor) -> Result<(), StoreError> {
        self.delete_webhook(id, actor).await
    }
}
