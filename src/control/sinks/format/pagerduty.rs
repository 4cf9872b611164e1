//! Alerts as PagerDuty's events (version 2) are: one incident for each leak.

use serde_json::{Value, json};

use super::{line, native};
use crate::model::leak::Risk;
use crate::store::outgoing::Entry;

/// Characters of a summary that are shown.
const SUMMARY: usize = 1_000;

pub(in crate::control::sinks) fn alert(
    entry: &Entry,
    routing_key: &str,
    public_url: Option<&str>,
) -> Value {
    let (about, at, risk, link) = match entry {
        Entry::Event(event) => (event.leak.to_string(), event.at, None, None),
        Entry::Audit(row) => {
            let object = row.entry.object.clone();
            (object.unwrap_or_else(|| row.entry.action.clone()), row.entry.at, None, None)
        }
        Entry::Notification(it) => {
            let other = || format!("{}-{}", it.tenant, it.kind);
            let about = it.leak.map_or_else(other, |leak| leak.to_string());
            (about, it.at, it.risk, it.link.clone())
        }
    };
    let summary: String = line(entry).chars().take(SUMMARY).collect();
    let links: Vec<Value> =
        link.into_iter().map(|href| json!({"href": href, "text": "Open in leakgate"})).collect();
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": format!("leakgate-{about}"),
        "client": "leakgate",
        "client_url": public_url,
        "links": links,
        "payload": {
            "summary": summary,
            "source": format!("leakgate, tenant {}", entry.tenant()),
            "severity": severity(risk),
            "timestamp": at,
            "custom_details": native::shown(entry),
        },
    })
}

fn severity(risk: Option<Risk>) -> &'static str {
    match risk {
        Some(Risk::Critical) => "critical",
        Some(Risk::High) => "error",
        Some(Risk::Medium) | None => "warning",
        Some(Risk::Low | Risk::Info) => "info",
    }
}
