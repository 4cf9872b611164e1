//! Events that a gateway recorded, and sends: looked through, and appended as one's own are.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Control;
use super::live::LiveSink;
use super::problem::Problem;
use super::redact::Redactor;
use crate::config::limits;
use crate::events::EventSink as _;
use crate::model::clock;
use crate::model::event::Event;
use crate::model::ids::{LeakId, TokenId};

/// What a gateway sends.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SentEvents {
    /// Events as `GET /events` shows them, 1 to 1,000.
    events: Vec<Event>,
}

/// Why an event was not taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(super) struct RefusedEvent {
    /// Its place among those sent, from 0.
    index: usize,
    /// What has to be otherwise.
    reason: String,
}

/// What became of events that were sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(super) struct TakenEvents {
    /// How many were stored.
    stored: usize,
    /// How many were stored already, by their id.
    known: usize,
    /// Those that are not, in order. Sending them again does not help.
    refused: Vec<RefusedEvent>,
}

impl Control {
    /// Stores events of a tenant, and tells of them as of one's own.
    ///
    /// # Errors
    /// Where there are none or too many, or the store fails: then all may be sent again.
    pub(super) async fn take_events(
        &self,
        tenant: &str,
        sent: SentEvents,
    ) -> Result<TakenEvents, Problem> {
        let events = sent.events;
        if events.is_empty() || events.len() > limits::EVENTS_SENT {
            self.inner.metrics.api_limits_hit.with_label_values(&["events_sent"]).inc();
            return Err(Problem::invalid(
                "events",
                format!("send 1 to {} events at once", limits::EVENTS_SENT),
            ));
        }
        let now = clock::now();
        let uses: Vec<(LeakId, TokenId)> =
            events.iter().map(|event| (event.leak, event.token)).collect();
        let known = self.inner.store.uses_of(tenant, &uses).await?;
        let known: HashMap<(LeakId, TokenId), String> = known.into_iter().collect();
        let (mut taken, mut refused) = (Vec::with_capacity(events.len()), Vec::new());
        for (index, event) in events.into_iter().enumerate() {
            let fingerprint = known.get(&(event.leak, event.token));
            match fault(&event, tenant, fingerprint, now) {
                Some(reason) => refused.push(RefusedEvent { index, reason }),
                None => taken.push(event),
            }
        }
        let texts: Vec<&str> = taken.iter().flat_map(texts).collect();
        let redactor = self.redactor(tenant, &[], &texts).await?;
        let taken: Vec<Event> = taken.iter().map(|event| redacted(&redactor, event)).collect();
        drop(redactor);
        let stored = self.inner.store.append_events(&taken).await?;
        let known = taken.len() - stored.len();
        let new: Vec<Event> =
            taken.into_iter().filter(|event| stored.contains(&event.id)).collect();
        if LiveSink::new(self.clone()).write(&new).await.is_err() {
            tracing::warn!("events that a gateway sent are stored, and not shown live");
        }
        Ok(TakenEvents { stored: stored.len(), known, refused })
    }
}

/// The texts of an event in which what a request held may stand.
fn texts(event: &Event) -> impl Iterator<Item = &str> {
    let options = [&event.forwarded_for, &event.client_cert, &event.user_agent];
    let all = [
        &event.point,
        &event.source_ip,
        &event.peer_ip,
        &event.method,
        &event.host,
        &event.path,
        &event.gateway,
        &event.request_id,
    ];
    let encodings = event.encodings.iter();
    all.into_iter().chain(options.into_iter().flatten()).chain(encodings).map(String::as_str)
}

/// The event without any token that is known. Its gateway has taken out those that it knew of.
fn redacted(redactor: &Redactor<'_>, event: &Event) -> Event {
    let text = |text: &String| redactor.text(text.clone());
    let option = |text: &Option<String>| redactor.option(text.clone());
    Event {
        point: text(&event.point),
        encodings: event.encodings.iter().map(text).collect(),
        source_ip: text(&event.source_ip),
        peer_ip: text(&event.peer_ip),
        forwarded_for: option(&event.forwarded_for),
        client_cert: option(&event.client_cert),
        user_agent: option(&event.user_agent),
        method: text(&event.method),
        host: text(&event.host),
        path: text(&event.path),
        gateway: text(&event.gateway),
        request_id: text(&event.request_id),
        ..event.clone()
    }
}

/// What is wrong with an event; nothing where it can be stored.
fn fault(
    event: &Event,
    tenant: &str,
    fingerprint: Option<&String>,
    now: Timestamp,
) -> Option<String> {
    if event.tenant != tenant {
        return Some("tenant: it is not that of the credential".to_owned());
    }
    let Some(fingerprint) = fingerprint else {
        return Some("leak, token: there is no such leak with this token".to_owned());
    };
    if event.fingerprint != *fingerprint {
        return Some("fingerprint: it is not that of the token".to_owned());
    }
    if event.count == 0 || event.count > u64::from(u32::MAX) {
        return Some(format!("count: it is 1 to {}", u32::MAX));
    }
    let oldest = now - SignedDuration::from_hours(24 * limits::EVENT_SENT_DAYS);
    if event.at < oldest || event.at > now + limits::EVENT_SENT_AHEAD {
        return Some(format!(
            "at: it is no more than {} days ago, and not in the future",
            limits::EVENT_SENT_DAYS
        ));
    }
    if event.response_status.is_some_and(|status| !(100..=999).contains(&status)) {
        return Some("response_status: it is 100 to 999".to_owned());
    }
    for (name, address) in [("source_ip", &event.source_ip), ("peer_ip", &event.peer_ip)] {
        // Filters look for an address as it is written usually.
        if !address.parse::<IpAddr>().is_ok_and(|parsed| parsed.to_string() == *address) {
            return Some(format!("{name}: it is an address, written as usual"));
        }
    }
    if event.host != event.host.to_lowercase() {
        return Some("host: it is in lower case".to_owned());
    }
    if event.encodings.len() > limits::EVENT_SENT_ENCODINGS {
        return Some(format!("encodings: there are {} at most", limits::EVENT_SENT_ENCODINGS));
    }
    let longest = limits::EVENT_SENT_TEXT_BYTES;
    if texts(event).any(|text| text.len() > longest || text.contains(char::is_control)) {
        return Some(format!("each text has {longest} bytes at most, and no control characters"));
    }
    None
}
