//! Webhooks: where a tenant's administrators have what happens sent.

use reqwest::Url;
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::Caller;
use super::intake::{fits, one_line};
use super::problem::Problem;
use super::sinks::KEY_PREFIX;
use super::{Control, credentials};
use crate::config::{PAGERDUTY, limits};
use crate::model::clock;
use crate::model::ids::WebhookId;
use crate::model::role::Actor;
use crate::model::secret::Secret;
use crate::model::sink::{FeedKind, Format, WebhookKind};
use crate::model::tenant::Tenants;
use crate::store::outgoing::{Deliveries, Target, Webhook, WebhookChange, reader_of_webhook};

/// A webhook to make.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Its name, one in the tenant.
    pub name: String,
    /// Who it speaks to; `webhook` where it is not said.
    #[serde(default)]
    pub kind: Option<WebhookKind>,
    /// The address, which begins with https:// or http://. Only its scheme and host are shown again.
    /// PagerDuty's own where it is not said for that.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub url: Option<Secret>,
    /// By which names what is sent is told; `native` where it is not said.
    #[serde(default)]
    pub format: Option<Format>,
    /// What is sent; all of it where it is not said, notifications alone to Slack and PagerDuty.
    #[serde(default)]
    pub feeds: Option<Vec<FeedKind>>,
    /// The routing key, for PagerDuty alone. The key of signatures is made here.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub routing_key: Option<Secret>,
}

/// A change of a webhook; what is absent stays.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChangedWebhook {
    /// Its name.
    pub name: Option<String>,
    /// By which names what is sent is told.
    pub format: Option<Format>,
    /// What is sent.
    pub feeds: Option<Vec<FeedKind>>,
    /// Whether anything is sent.
    pub enabled: Option<bool>,
    /// Whether a new key of signatures is made, and shown once. The old one is not used any more.
    pub new_secret: bool,
}

impl Control {
    /// Makes a webhook. Answers with it, and with the key of its signatures where it has one.
    pub(super) async fn add_webhook(
        &self,
        actor: &Actor,
        new: NewWebhook,
    ) -> Result<(Webhook, Option<Secret>), Problem> {
        let name = self.webhook_name(&actor.tenant, &new.name).await?;
        let kind = new.kind.unwrap_or(WebhookKind::Webhook);
        let url = match (new.url, kind) {
            (Some(url), _) => url,
            (None, WebhookKind::Pagerduty) => Secret::from(PAGERDUTY.to_owned()),
            (None, _) => return Err(Problem::invalid("url", "it is missing: where to send")),
        };
        let (url, shown_url) = self.address(&url)?;
        let redactor = self.redactor(&actor.tenant, &[], &[&shown_url]).await?;
        let shown_url = redactor.text(shown_url);
        if new.routing_key.is_some() != (kind == WebhookKind::Pagerduty) {
            return Err(Problem::invalid(
                "routing_key",
                "it goes with the kind pagerduty, which needs it, and with no other",
            ));
        }
        let made = match kind {
            WebhookKind::Webhook => Some(new_key()?),
            WebhookKind::Slack | WebhookKind::Pagerduty => None,
        };
        let for_people = kind != WebhookKind::Webhook;
        let feeds = match new.feeds {
            Some(feeds) => checked(feeds)?,
            None if for_people => vec![FeedKind::Notifications],
            None => FeedKind::ALL.to_vec(),
        };
        let now = clock::now();
        let store = self.store();
        let there = store.webhooks(&Tenants::One(actor.tenant.clone())).await?.len();
        if there >= limits::WEBHOOKS {
            self.hit("webhooks");
            let most = limits::WEBHOOKS;
            return Err(Problem::invalid(
                "name",
                format!("the tenant has {most} webhooks, and no more may be: remove one first"),
            ));
        }
        let webhook = Webhook {
            id: WebhookId::new(),
            tenant: actor.tenant.clone(),
            name,
            kind,
            format: new.format.unwrap_or(Format::Native),
            feeds,
            url: shown_url,
            enabled: true,
            created_by: actor.name.clone(),
            created_at: now,
            updated_at: now,
            deliveries: Deliveries::default(),
        };
        let none = Secret::new(Vec::new());
        let secret = made.clone().or(new.routing_key).unwrap_or(none);
        let target = Target { webhook, url, secret };
        store.add_webhook(&target, actor).await?;
        let Target { webhook, .. } = target;
        // What happens once this has returned is sent, whenever the sink begins to run.
        self.inner.sinks.begin_one(&reader_of_webhook(webhook.id)).await?;
        self.inner.sinks.changed();
        Ok((webhook, made))
    }

    /// A webhook that the caller reaches, and who they are as they act on it.
    pub(super) async fn webhook_of(
        &self,
        caller: &Caller,
        id: WebhookId,
    ) -> Result<(Webhook, Actor), Problem> {
        let webhook = self.store().webhook(id).await?;
        let webhook = webhook.ok_or_else(|| Problem::not_found("webhook"))?;
        let actor = self.at(caller, &webhook.tenant, "webhook")?;
        Ok((webhook, actor))
    }

    /// Changes a webhook. Answers with it, and with the key of its signatures where that is new.
    pub(super) async fn change_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        change: ChangedWebhook,
    ) -> Result<(Webhook, Option<Secret>), Problem> {
        let (webhook, actor) = self.webhook_of(caller, id).await?;
        if change.new_secret && webhook.kind != WebhookKind::Webhook {
            return Err(Problem::invalid("new_secret", "it goes with the kind webhook alone"));
        }
        let name = match &change.name {
            Some(name) => Some(self.webhook_name(&actor.tenant, name).await?),
            None => None,
        };
        let made = if change.new_secret { Some(new_key()?) } else { None };
        let change = WebhookChange {
            name,
            format: change.format,
            feeds: change.feeds.map(checked).transpose()?,
            enabled: change.enabled,
            secret: made.clone(),
        };
        let webhook = self.store().change_webhook(id, change, &actor).await?;
        self.inner.sinks.changed();
        Ok((webhook, made))
    }

    /// Removes a webhook.
    pub(super) async fn remove_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
    ) -> Result<(), Problem> {
        let (_, actor) = self.webhook_of(caller, id).await?;
        self.store().remove_webhook(id, &actor).await?;
        self.inner.sinks.changed();
        Ok(())
    }

    async fn webhook_name(&self, tenant: &str, name: &str) -> Result<String, Problem> {
        let name = one_line(name);
        if name.is_empty() {
            return Err(Problem::invalid("name", "it is empty: say who is told"));
        }
        fits("name", &name, limits::NAME_BYTES)?;
        let redactor = self.redactor(tenant, &[], &[&name]).await?;
        Ok(redactor.text(name))
    }

    /// An address that may be sent to, and what is shown of it.
    fn address(&self, url: &Secret) -> Result<(Secret, String), Problem> {
        let wrong = || {
            Problem::invalid(
                "url",
                "it must be an address such as https://siem.example/in, without a user in it",
            )
        };
        if url.len() > limits::URL_BYTES {
            let most = limits::URL_BYTES;
            return Err(Problem::invalid("url", format!("it may have {most} bytes at most")));
        }
        let text = std::str::from_utf8(url.expose()).map_err(|_| wrong())?;
        let parsed = Url::parse(text.trim()).map_err(|_| wrong())?;
        let host = parsed.host_str().ok_or_else(wrong)?;
        let is_http = matches!(parsed.scheme(), "http" | "https");
        if !is_http || !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(wrong());
        }
        self.inner.sinks.check(host).map_err(|why| Problem::invalid("url", why))?;
        let shown = parsed.origin().ascii_serialization();
        Ok((Secret::from(parsed.to_string()), shown))
    }
}

fn checked(mut feeds: Vec<FeedKind>) -> Result<Vec<FeedKind>, Problem> {
    feeds.sort_unstable();
    feeds.dedup();
    if feeds.is_empty() {
        return Err(Problem::invalid(
            "feeds",
            "it is empty: name one of events, audit, notifications",
        ));
    }
    Ok(feeds)
}

fn new_key() -> Result<Secret, Problem> {
    credentials::new_signing_key(KEY_PREFIX).map_err(|error| {
        tracing::error!(%error, "no key of signatures could be made");
        Problem::failed()
    })
}
