//! By the names of Elastic's common schema; what it has no name for stands under `leakgate`.

use serde_json::{Value, json};

use super::{line, path_and_query, was_accepted, without_nulls};
use crate::model::event::{Event, EventAction};
use crate::model::leak::Risk;
use crate::model::notification::Notification;
use crate::store::outgoing::{Entry, NumberedAudit};

/// The version of the schema whose names are used.
const VERSION: &str = "8.11.0";

pub(super) fn shown(entry: &Entry) -> Value {
    let mut shown = match entry {
        Entry::Event(event) => of_event(event),
        Entry::Audit(row) => of_audit(row),
        Entry::Notification(notification) => of_notification(notification),
    };
    if let Value::Object(fields) = &mut shown {
        fields.insert("ecs".to_owned(), json!({"version": VERSION}));
        fields.insert("message".to_owned(), json!(line(entry)));
        fields.insert("organization".to_owned(), json!({"id": entry.tenant()}));
    }
    without_nulls(shown)
}

fn of_event(event: &Event) -> Value {
    let (path, query) = path_and_query(event);
    let passed = event.action != EventAction::Blocked;
    json!({
        "@timestamp": event.at,
        "event": {
            "kind": "alert",
            "category": ["web", "intrusion_detection"],
            "type": [if passed { "allowed" } else { "denied" }],
            "action": event.action.name(),
            "outcome": outcome(was_accepted(event)),
            "id": event.id,
            "dataset": "leakgate.vpatch",
            "provider": "leakgate",
        },
        "source": {"ip": event.source_ip, "address": event.source_ip},
        "client": {"ip": event.source_ip},
        "http": {
            "request": {"method": event.method, "id": event.request_id},
            "response": {"status_code": event.response_status},
        },
        "url": {"path": path, "query": query, "domain": event.host},
        "user_agent": {"original": event.user_agent},
        "tls": event.client_cert.as_ref().map(|name| json!({"client": {"subject": name}})),
        "rule": {"id": event.virtual_patch, "ruleset": "leakgate"},
        "observer": {
            "name": event.gateway, "vendor": "leakgate", "product": "leakgate", "type": "proxy",
        },
        "leakgate": {
            "leak": event.leak, "token": event.token, "fingerprint": event.fingerprint,
            "point": event.point, "encodings": event.encodings, "count": event.count,
            "peer_ip": event.peer_ip, "forwarded_for": event.forwarded_for,
        },
    })
}

fn of_audit(row: &NumberedAudit) -> Value {
    // What the row has beyond these fields comes along by its own names.
    let mut more = serde_json::to_value(row).unwrap_or_default();
    if let Value::Object(fields) = &mut more {
        for name in ["at", "tenant", "actor", "address", "action"] {
            fields.remove(name);
        }
    }
    let entry = &row.entry;
    json!({
        "@timestamp": entry.at,
        "event": {
            "kind": "event",
            "category": ["configuration"],
            "type": ["change"],
            "action": entry.action,
            "outcome": "success",
            "sequence": row.number,
            "dataset": "leakgate.audit",
            "provider": "leakgate",
        },
        "user": {"name": entry.actor},
        "source": entry.address.as_ref().map(|address| json!({"ip": address, "address": address})),
        "leakgate": more,
    })
}

fn of_notification(notification: &Notification) -> Value {
    json!({
        "@timestamp": notification.at,
        "event": {
            "kind": "alert",
            "category": ["intrusion_detection"],
            "type": ["info"],
            "action": notification.kind.name(),
            "severity": notification.risk.map(severity),
            "id": notification.id,
            "reason": notification.detail,
            "url": notification.link,
            "dataset": "leakgate.notification",
            "provider": "leakgate",
        },
        "leakgate": {
            "leak": notification.leak, "risk": notification.risk, "event": notification.event,
        },
    })
}

fn outcome(accepted: Option<bool>) -> &'static str {
    match accepted {
        Some(true) => "success",
        Some(false) => "failure",
        None => "unknown",
    }
}

/// The schema leaves the scale to whoever tells; these are quarters of a hundred.
fn severity(risk: Risk) -> u8 {
    match risk {
        Risk::Critical => 100,
        Risk::High => 75,
        Risk::Medium => 50,
        Risk::Low => 25,
        Risk::Info => 1,
    }
}
