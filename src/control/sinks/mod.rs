//! Sinks: where events, rows of the audit log and notifications are sent as they happen.
//!
//! Each sink reads the store's feeds behind a place of its own, which moves on when a delivery has
//! been taken or was given up: so it gets everything at least once, whatever is killed when, and
//! nobody who records or decides waits for it. What is read at once is bounded, and waits in the
//! store. One process at a time delivers to a sink.

mod file;
mod format;
mod guard;
mod http;
mod id;
mod lease;
mod syslog;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Destination, SinkRetry, limits};
use crate::model::clock;
use crate::model::ids::LetterId;
use crate::model::secret::Secret;
use crate::model::sink::{FeedKind, WebhookKind};
use crate::model::tenant::Tenants;
use crate::store::outgoing::{Entry, Places, Target, reader_of_webhook};
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;

pub(in crate::control) use http::KEY_PREFIX;
pub(in crate::control) use lease::Lease;

use super::Control;
use super::problem::Problem;
use file::{Lines, Reopenings};
use guard::Guard;
use http::{Http, Protocol};
use id::delivery_id;
use syslog::Syslog;
use worker::Worker;

/// What sinks need to know of the configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SinkSettings {
    /// The sinks of the configuration.
    pub sinks: Vec<config::Sink>,
    /// What holds for webhooks.
    pub webhooks: config::Webhooks,
    /// The console's address.
    pub public_url: Option<String>,
}

/// Why something was not delivered. Says nothing that is secret.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Failure {
    text: String,
    /// How long the receiver asks to wait.
    retry_after: Option<Duration>,
}

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), retry_after: None }
    }
}

/// Entries that are delivered together.
struct Delivery<'a> {
    /// The same whenever the same entries are delivered again.
    id: &'a str,
    entries: &'a [Entry],
    public_url: Option<&'a str>,
}

/// A way to deliver.
#[async_trait]
trait Deliver: Send + Sync {
    /// Entries of each feed that are delivered together.
    fn batch(&self) -> usize {
        limits::SINK_BATCH
    }

    /// Whether a delivery is given up in the end, and kept aside; else it is tried for ever.
    fn gives_up(&self) -> bool {
        false
    }

    /// Delivers all entries.
    ///
    /// # Errors
    /// Why not all of them were taken; they are delivered again.
    async fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<(), Failure>;
}

/// A sink as it is to run.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Spec {
    /// The name by which the store knows how far it has come, and metrics show it.
    reader: String,
    /// Whose sink it is; none: of the configuration.
    owner: Option<String>,
    to: Destination,
    format: crate::model::sink::Format,
    feeds: Vec<FeedKind>,
    /// Whose entries it gets; empty: those of all.
    tenants: Vec<String>,
    retry: SinkRetry,
}

impl Spec {
    fn of_configuration(sink: &config::Sink) -> Self {
        Self {
            reader: format!("sink:{}", sink.name),
            owner: None,
            to: sink.to.clone(),
            format: sink.format,
            feeds: sink.feeds.clone(),
            tenants: sink.tenants.clone(),
            retry: sink.retry,
        }
    }

    fn of_webhook(target: &Target, retry: SinkRetry) -> Self {
        let Target { webhook, url, secret } = target;
        let (url, secret) = (url.clone(), secret.clone());
        let to = match webhook.kind {
            WebhookKind::Webhook => Destination::Webhook { url, secret },
            WebhookKind::Slack => Destination::Slack { url },
            WebhookKind::Pagerduty => Destination::Pagerduty { url, routing_key: secret },
        };
        Self {
            reader: reader_of_webhook(webhook.id),
            owner: Some(webhook.tenant.clone()),
            to,
            format: webhook.format,
            feeds: webhook.feeds.clone(),
            tenants: vec![webhook.tenant.clone()],
            retry,
        }
    }

    /// What is read for it.
    fn reads(&self) -> Tenants {
        match self.tenants.as_slice() {
            [one] => Tenants::One(one.clone()),
            _ => Tenants::All,
        }
    }

    fn is_told_of(&self, tenant: &str) -> bool {
        self.tenants.is_empty() || self.tenants.iter().any(|it| it == tenant)
    }

    /// What metrics and log lines call it: a webhook's id would be one more of each.
    fn shown(&self) -> &str {
        if self.owner.is_some() { "webhooks" } else { &self.reader }
    }
}

/// What all sinks of one process share.
pub(super) struct Sinks {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    settings: SinkSettings,
    /// The gateway's name, for messages that name a host.
    host: String,
    /// What this process is called where several could deliver.
    pub(super) holder: String,
    reopenings: Reopenings,
    /// The last place in each feed, as it is known.
    ends: watch::Sender<Places>,
    /// Something was stored by this process.
    told: Notify,
    /// A webhook was changed by this process.
    changed: Notify,
}

impl Sinks {
    pub(super) fn new(
        store: Arc<dyn Store>,
        settings: SinkSettings,
        host: &str,
        metrics: Arc<Metrics>,
    ) -> Self {
        // Who has a store for themselves finds what they had when they were killed.
        let holder = match store.changes() {
            Some(_) => uuid::Uuid::now_v7().to_string(),
            None => "alone".to_owned(),
        };
        Self {
            store,
            metrics,
            settings,
            host: host.to_owned(),
            holder,
            reopenings: Reopenings::default(),
            ends: watch::Sender::new(Places::default()),
            told: Notify::new(),
            changed: Notify::new(),
        }
    }

    /// Has the store remember from here on how far each sink of the configuration, and this reader,
    /// have come.
    pub(super) async fn begin(&self, reader: &str) -> Result<(), StoreError> {
        let readers = self.settings.sinks.iter().map(Spec::of_configuration).map(|it| it.reader);
        for reader in readers.chain([reader.to_owned()]) {
            self.begin_one(&reader).await?;
        }
        Ok(())
    }

    /// The same for one.
    pub(super) async fn begin_one(&self, reader: &str) -> Result<(), StoreError> {
        self.store.take_cursor(reader, &self.holder, clock::now()).await.map(drop)
    }

    /// Something was stored: there may be something to send.
    pub(super) fn wake(&self) {
        self.told.notify_one();
    }

    /// A webhook was made, changed or removed.
    pub(super) fn changed(&self) {
        self.changed.notify_one();
    }

    /// Tells of what was stored since.
    pub(super) fn ends(&self) -> watch::Receiver<Places> {
        self.ends.subscribe()
    }

    /// The console's address.
    pub(super) fn public_url(&self) -> Option<&str> {
        self.settings.public_url.as_deref()
    }

    /// Whether something may be sent to the host of this address, as far as that can be told
    /// without asking for its name.
    pub(super) fn check(&self, host: &str) -> Result<(), String> {
        let guard = Guard::of_webhooks(&self.settings.webhooks.networks);
        guard.check(host).map_err(|failure| failure.text)
    }

    /// Looks for what was stored, now and then and when told, until `stop`.
    pub(super) async fn watch(&self, stop: &CancellationToken) {
        loop {
            match self.store.ends().await {
                Ok(ends) => {
                    self.ends.send_if_modified(|known| std::mem::replace(known, ends) != ends);
                }
                Err(error) => tracing::warn!(%error, "it cannot be told what there is to send"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.told.notified() => {}
                () = tokio::time::sleep(limits::SINK_POLL) => {}
            }
        }
    }

    /// Runs the sinks of the configuration and all webhooks, as they are at each time, until `stop`.
    pub(super) async fn run(self: &Arc<Self>, stop: &CancellationToken) {
        let mut running: HashMap<String, Running> = HashMap::new();
        loop {
            match self.wanted().await {
                Ok(wanted) => self.reconcile(&mut running, wanted, stop).await,
                Err(error) => tracing::warn!(%error, "webhooks cannot be read"),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(limits::SINK_RECONCILE) => {}
            }
        }
        for (_, sink) in running {
            sink.end().await;
        }
    }

    async fn wanted(&self) -> Result<Vec<Spec>, StoreError> {
        let mut wanted: Vec<Spec> =
            self.settings.sinks.iter().map(Spec::of_configuration).collect();
        let retry = self.settings.webhooks.retry;
        let targets = self.store.targets().await?;
        let enabled = targets.iter().filter(|target| target.webhook.enabled);
        wanted.extend(enabled.map(|target| Spec::of_webhook(target, retry)));
        Ok(wanted)
    }

    async fn reconcile(
        self: &Arc<Self>,
        running: &mut HashMap<String, Running>,
        wanted: Vec<Spec>,
        stop: &CancellationToken,
    ) {
        let stale: Vec<String> = running
            .iter()
            .filter(|(_, sink)| !wanted.contains(&sink.spec))
            .map(|(reader, _)| reader.clone())
            .collect();
        for reader in stale {
            if let Some(sink) = running.remove(&reader) {
                sink.end().await;
            }
        }
        for spec in wanted {
            if running.contains_key(&spec.reader) {
                continue;
            }
            match self.made(&spec) {
                Ok(deliver) => {
                    let stop = stop.child_token();
                    let worker = Worker::new(Arc::clone(self), spec.clone(), deliver, stop.clone());
                    let task = tokio::spawn(worker.run());
                    running.insert(spec.reader.clone(), Running { spec, stop, task });
                }
                Err(failure) => {
                    tracing::error!(sink = spec.reader, error = failure.text, "a sink cannot run");
                }
            }
        }
    }

    /// What delivers for a sink.
    fn made(&self, spec: &Spec) -> Result<Box<dyn Deliver>, Failure> {
        let guard = match &spec.owner {
            None => Guard::of_configuration(),
            Some(_) => Guard::of_webhooks(&self.settings.webhooks.networks),
        };
        let format = spec.format;
        let over_http = |url: &Secret, protocol| {
            let client = http::client(guard.clone())
                .map_err(|error| Failure::new(format!("no client of HTTP can be made: {error}")))?;
            Ok(Box::new(Http::new(client, guard.clone(), url.clone(), protocol))
                as Box<dyn Deliver>)
        };
        match &spec.to {
            Destination::Stdout => Ok(Box::new(Lines::stdout(format))),
            Destination::File(path) => {
                Ok(Box::new(Lines::file(path.clone(), self.reopenings.clone(), format)))
            }
            Destination::SyslogUdp { address } => {
                Ok(Box::new(Syslog::udp(address.clone(), guard, format, &self.host)))
            }
            Destination::SyslogTcp { address } => {
                Ok(Box::new(Syslog::tcp(address.clone(), guard, format, &self.host)))
            }
            Destination::Webhook { url, secret } => {
                over_http(url, Protocol::Signed { secret: secret.clone(), format })
            }
            Destination::Slack { url } => over_http(url, Protocol::Slack),
            Destination::Pagerduty { url, routing_key } => {
                over_http(url, Protocol::Pagerduty { routing_key: routing_key.clone() })
            }
            Destination::Otlp { url, authorization } => {
                over_http(url, Protocol::Otlp { authorization: authorization.clone(), format })
            }
        }
    }
}

/// A sink that runs.
struct Running {
    spec: Spec,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::error!(sink = self.spec.reader, "a sink ended by itself");
        }
    }
}

impl Control {
    /// Has every file that a sink writes opened anew.
    pub fn reopen_sinks(&self) {
        self.inner.sinks.reopenings.ask();
    }

    /// Delivers once more what could not be delivered, now and under the same id, and forgets it where
    /// it is taken.
    ///
    /// # Errors
    /// Where its sink is not there any more, or does not take it.
    pub(super) async fn redeliver(&self, id: LetterId) -> Result<(), Problem> {
        let found = self.inner.store.letter(id).await?;
        let (letter, entries) = found.ok_or_else(|| Problem::not_found("dead letter"))?;
        let sinks = &self.inner.sinks;
        let wanted = sinks.wanted().await?;
        let spec = wanted.into_iter().find(|spec| spec.reader == letter.sink);
        let spec = spec.ok_or_else(|| Problem::not_found("sink of this dead letter"))?;
        let mut deliver =
            sinks.made(&spec).map_err(|failure| Problem::undelivered(&failure.text))?;
        // The one delivery that it was, so that a receiver that has it after all can tell.
        let name = delivery_id(&spec.reader, &entries);
        let delivery = Delivery { id: &name, entries: &entries, public_url: sinks.public_url() };
        deliver.deliver(&delivery).await.map_err(|failure| Problem::undelivered(&failure.text))?;
        sinks.metrics.sink_deliveries.with_label_values(&[spec.shown(), "redelivered"]).inc();
        Ok(self.inner.store.remove_letter(id).await?)
    }

    /// Whether the caller reaches a dead letter.
    ///
    /// # Errors
    /// Where they do not, or there is none.
    pub(super) async fn check_letter(
        &self,
        caller: &super::Visitor,
        id: LetterId,
    ) -> Result<(), Problem> {
        let not_found = || Problem::not_found("dead letter");
        let (letter, _) = self.inner.store.letter(id).await?.ok_or_else(not_found)?;
        match &letter.tenant {
            Some(tenant) => self.at(caller, tenant, "dead letter").map(drop),
            None if caller.tenants.only().is_none() => Ok(()),
            None => Err(not_found()),
        }
    }
}
