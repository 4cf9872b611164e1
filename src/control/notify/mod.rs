//! Notifications: read out of what happens, each made once, and kept in the store, from where sinks
//! take them.
//!
//! What notifies is one more reader of the store's feeds. A notification and how far its reader has
//! come are stored in one transaction, so none is made twice or left out, however many processes
//! there are and whenever one of them is killed.

mod behind;
mod rules;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use super::Control;
use super::sinks::Lease;
use crate::config::{self, limits};
use crate::model::clock;
use crate::model::ids::{LeakId, NotificationId, TokenId};
use crate::model::notification::{Notification, NotificationKind};
use crate::model::sink::FeedKind;
use crate::model::tenant::{DEFAULT_TENANT, Tenants};
use crate::store::StoreError;
use crate::store::outgoing::{Entry, Moderation, Notice, Noticed, Places, Wanted};

pub(super) use behind::Behind;

/// The name of what notifies, as a reader of feeds.
pub(super) const READER: &str = "notifier";

impl Control {
    /// Notifies of what happens, until [`Self::stop`] is called.
    pub(super) async fn run_notifier(&self) {
        let mut reading = Reading::new(self);
        self.notify_while_it_runs(&mut reading).await;
        if let Err(error) = self.leave_notifying(reading).await {
            tracing::debug!(%error, "other processes wait a while to notify");
        }
    }

    async fn notify_while_it_runs(&self, reading: &mut Reading) {
        let stop = &self.inner.stop;
        let mut ends = self.inner.sinks.ends();
        while !stop.is_cancelled() {
            ends.borrow_and_update();
            let more = match self.notify_of_news(reading).await {
                Ok(more) => more,
                Err(error) => {
                    tracing::warn!(%error, "nobody can be notified yet");
                    false
                }
            };
            if more {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ends.changed() => {}
                () = sleep(limits::SINK_LEASE / 3) => {}
            }
        }
    }

    /// Reads what is new, and makes the notifications that follow. Answers with whether there may be
    /// more.
    async fn notify_of_news(&self, reading: &mut Reading) -> Result<bool, StoreError> {
        let store = &self.inner.store;
        self.notify_of_gateway(clock::now()).await?;
        let Some(stored) = reading.lease.take().await? else { return Ok(false) };
        let from = reading.from(stored);
        let wanted = Wanted {
            feeds: vec![FeedKind::Events, FeedKind::Audit],
            tenants: Tenants::All,
            limit: limits::EVENT_BATCH,
        };
        let out = store.outgoing(from, &wanted).await?;
        let is_due = reading.stored_at.elapsed() >= limits::SINK_LEASE / 3;
        if out.places == from && (from == stored || !is_due) {
            return Ok(false);
        }
        let (mut leaks, mut tokens) = (BTreeSet::<LeakId>::new(), BTreeSet::<TokenId>::new());
        for entry in &out.entries {
            match entry {
                Entry::Event(event) => {
                    leaks.insert(event.leak);
                    tokens.insert(event.token);
                }
                Entry::Audit(row) => leaks.extend(rules::leak_of(&row.entry)),
                Entry::Notification(_) => {}
            }
        }
        let leaks: Vec<LeakId> = leaks.into_iter().collect();
        let tokens: Vec<TokenId> = tokens.into_iter().collect();
        let facts = store.facts(&leaks, &tokens).await?;
        let settings = &self.inner.settings.outgoing.notifications;
        let public_url = self.inner.sinks.public_url();
        let notices = rules::notices(&out.entries, &facts, settings.risk, public_url);
        if notices.is_empty() && !is_due {
            // Moving on over what nobody is notified of is no hurry.
            reading.ahead = Some((stored, out.places));
            return Ok(out.more);
        }
        let cursor = Some((READER, stored, out.places));
        let noticed = store.notify(cursor, &notices, &moderation(settings)).await?;
        reading.is_stored(noticed.is_some().then_some(out.places));
        self.count(noticed.unwrap_or_default());
        Ok(out.more)
    }

    /// Stores how far what notifies has come, and leaves it to other processes.
    async fn leave_notifying(&self, reading: Reading) -> Result<(), StoreError> {
        if let Some((stored, read)) = reading.ahead {
            let settings = &self.inner.settings.outgoing.notifications;
            let cursor = Some((READER, stored, read));
            self.inner.store.notify(cursor, &[], &moderation(settings)).await?;
        }
        reading.lease.leave().await
    }

    /// Notifies where this process has not enforced what was decided for a while.
    async fn notify_of_gateway(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some(since) = self.inner.behind.too_long(now) else { return Ok(()) };
        let gateway = &self.inner.settings.gateway;
        let notification = Notification {
            id: NotificationId::new(),
            at: now,
            kind: NotificationKind::GatewayBehind,
            tenant: DEFAULT_TENANT.to_owned(),
            leak: None,
            risk: None,
            event: None,
            title: format!("The gateway {gateway} does not enforce the last decisions"),
            detail: format!(
                "What was decided since {since} may not be in force there: see its log lines, and \
                 leakgate_publish_failures_total."
            ),
            link: self.inner.sinks.public_url().map(|url| format!("{url}/gateways")),
        };
        let notice = Notice { subject: gateway.clone(), notification };
        let settings = &self.inner.settings.outgoing.notifications;
        let noticed = self.inner.store.notify(None, &[notice], &moderation(settings)).await?;
        self.count(noticed.unwrap_or_default());
        Ok(())
    }

    fn count(&self, noticed: Noticed) {
        let Noticed { made, repeated, limited } = noticed;
        let count = |outcome, count| {
            if count > 0 {
                self.inner.metrics.notifications.with_label_values(&[outcome]).inc_by(count);
            }
        };
        count("made", made);
        count("repeated", repeated);
        count("limited", limited);
        if limited > 0 {
            tracing::warn!(limited, "notifications were left out: there were too many in a minute");
        }
        if made > 0 {
            self.inner.sinks.wake();
        }
    }
}

/// How far what notifies has come.
struct Reading {
    lease: Lease,
    /// The place that is stored, and the one up to which was read since without anything to notify
    /// of; after a kill that is read again.
    ahead: Option<(Places, Places)>,
    /// When the place was last stored.
    stored_at: Instant,
}

impl Reading {
    fn new(control: &Control) -> Self {
        let (store, holder) = (Arc::clone(&control.inner.store), &control.inner.sinks.holder);
        let lease = Lease::new(store, READER, holder);
        Self { lease, ahead: None, stored_at: Instant::now() }
    }

    /// Where reading goes on, while this place is stored.
    fn from(&self, stored: Places) -> Places {
        self.ahead.filter(|(of, _)| *of == stored).map_or(stored, |(_, read)| read)
    }

    /// Takes note of the place that was stored; none where another one was by then.
    fn is_stored(&mut self, place: Option<Places>) {
        self.lease.moved(place);
        self.ahead = None;
        self.stored_at = Instant::now();
    }
}

fn moderation(settings: &config::Notifications) -> Moderation {
    Moderation {
        window: SignedDuration::try_from(settings.window).unwrap_or(SignedDuration::MAX),
        per_minute: settings.per_minute,
    }
}
