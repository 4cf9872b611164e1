//! The calls about what goes out by itself, for those who ask in this process.

use axum::extract::State;

use super::desk::{Desk, query};
use super::extract::Id;
use super::{dead_letters, notifications, webhooks};
use crate::control::problem::Problem;
use crate::control::webhooks::{ChangedWebhook, NewWebhook};
use crate::model::ids::{LetterId, WebhookId};
use crate::model::notification::Notification;
use crate::model::role::Permission;
use crate::model::secret::Secret;
use crate::store::outgoing::{Letter, Webhook};
use crate::store::types::Page;

impl Desk {
    /// A page of notifications.
    ///
    /// # Errors
    /// As the call.
    pub async fn notifications(&self, of: &str) -> Result<Page<Notification>, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(notifications::list(control, caller, query(of).await?).await?.0)
    }

    /// All webhooks.
    ///
    /// # Errors
    /// As the call.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        Ok(webhooks::list(control, caller).await?.0.items)
    }

    /// One webhook.
    ///
    /// # Errors
    /// As the call.
    pub async fn webhook(&self, id: WebhookId) -> Result<Webhook, Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        Ok(webhooks::show(control, caller, Id(id)).await?.0)
    }

    /// Makes a webhook. Answers with it, and with the key of its signatures where it has one.
    ///
    /// # Errors
    /// As the call.
    pub async fn add_webhook(&self, new: NewWebhook) -> Result<(Webhook, Option<Secret>), Problem> {
        let (State(control), caller) = self.ask(Permission::Administer)?;
        control.add_webhook(&caller.actor, new).await
    }

    /// Changes a webhook. Answers with it, and with the key of its signatures where that is new.
    ///
    /// # Errors
    /// As the call.
    pub async fn change_webhook(
        &self,
        id: WebhookId,
        change: ChangedWebhook,
    ) -> Result<(Webhook, Option<Secret>), Problem> {
        let (State(control), caller) = self.ask(Permission::Administer)?;
        control.change_webhook(&caller, id, change).await
    }

    /// Removes a webhook.
    ///
    /// # Errors
    /// As the call.
    pub async fn remove_webhook(&self, id: WebhookId) -> Result<(), Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        webhooks::remove(control, caller, Id(id)).await.map(drop)
    }

    /// A page of what could not be delivered.
    ///
    /// # Errors
    /// As the call.
    pub async fn dead_letters(&self, of: &str) -> Result<Page<Letter>, Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        Ok(dead_letters::list(control, caller, query(of).await?).await?.0)
    }

    /// Delivers a dead letter once more.
    ///
    /// # Errors
    /// As the call.
    pub async fn redeliver(&self, id: LetterId) -> Result<(), Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        dead_letters::redeliver(control, caller, Id(id)).await.map(drop)
    }

    /// Forgets a dead letter.
    ///
    /// # Errors
    /// As the call.
    pub async fn remove_dead_letter(&self, id: LetterId) -> Result<(), Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        dead_letters::remove(control, caller, Id(id)).await.map(drop)
    }
}
