//! By the names of the open cybersecurity schema: uses and notifications are detection findings, rows
//! of the audit log are API activities; what it has no name for stands under `unmapped`.

use serde_json::{Value, json};

use super::{line, path_and_query, without_nulls};
use crate::model::event::{Event, EventAction};
use crate::model::leak::Risk;
use crate::model::notification::Notification;
use crate::store::outgoing::{Entry, NumberedAudit};

/// The version of the schema whose names are used.
const VERSION: &str = "1.3.0";
/// Detection findings, of the category of findings.
const DETECTION_FINDING: u32 = 2004;
/// API activities, of the category of application activities.
const API_ACTIVITY: u32 = 6003;

pub(super) fn shown(entry: &Entry) -> Value {
    let mut shown = match entry {
        Entry::Event(event) => of_event(event),
        Entry::Audit(row) => of_audit(row),
        Entry::Notification(notification) => of_notification(notification),
    };
    if let Value::Object(fields) = &mut shown {
        fields.insert("message".to_owned(), json!(line(entry)));
        let product = json!({
            "name": "leakgate", "vendor_name": "leakgate", "version": env!("CARGO_PKG_VERSION"),
        });
        let metadata = json!({
            "version": VERSION, "product": product, "tenant_uid": entry.tenant(),
        });
        fields.insert("metadata".to_owned(), metadata);
    }
    without_nulls(shown)
}

/// What every entry of a class says of itself; an activity of 1 is `Create`.
fn class(class: u32, activity: u32) -> [(&'static str, Value); 4] {
    [
        ("category_uid", json!(class / 1000)),
        ("class_uid", json!(class)),
        ("activity_id", json!(activity)),
        ("type_uid", json!(class * 100 + activity)),
    ]
}

fn with(mut value: Value, fields: [(&'static str, Value); 4]) -> Value {
    if let Value::Object(object) = &mut value {
        object.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    }
    value
}

fn of_event(event: &Event) -> Value {
    let (path, query) = path_and_query(event);
    let is_blocked = event.action == EventAction::Blocked;
    let shown = json!({
        "time": event.at.as_millisecond(),
        "count": event.count,
        // Medium: how bad the leak is stands in notifications.
        "severity_id": 3,
        "status_id": 1,
        // Allowed or denied; allowed or blocked.
        "action_id": if is_blocked { 2 } else { 1 },
        "disposition_id": if is_blocked { 2 } else { 1 },
        "finding_info": {
            "uid": event.id,
            "title": "Use of a leaked API token",
            "types": ["vpatch"],
            "related_events": [{"uid": event.leak}],
        },
        "evidences": [{
            "src_endpoint": {"ip": event.source_ip},
            "http_request": {
                "uid": event.request_id,
                "http_method": event.method,
                "user_agent": event.user_agent,
                "url": {"hostname": event.host, "path": path, "query_string": query},
            },
            "http_response": event.response_status.map(|status| json!({"code": status})),
        }],
        "unmapped": {
            "action": event.action, "leak": event.leak, "virtual_patch": event.virtual_patch,
            "token": event.token, "fingerprint": event.fingerprint, "point": event.point,
            "encodings": event.encodings, "gateway": event.gateway, "peer_ip": event.peer_ip,
            "forwarded_for": event.forwarded_for, "client_cert": event.client_cert,
        },
    });
    with(shown, class(DETECTION_FINDING, 1))
}

fn of_audit(row: &NumberedAudit) -> Value {
    let mut more = serde_json::to_value(row).unwrap_or_default();
    if let Value::Object(fields) = &mut more {
        for name in ["at", "tenant", "actor", "address", "action", "object"] {
            fields.remove(name);
        }
    }
    let entry = &row.entry;
    let shown = json!({
        "time": entry.at.as_millisecond(),
        "severity_id": 1,
        "status_id": 1,
        "actor": {"user": {"name": entry.actor}},
        "api": {"operation": entry.action},
        "src_endpoint": entry.address.as_ref().map(|address| json!({"ip": address})),
        "resources": entry.object.as_ref().map(|object| json!([{"uid": object}])),
        "unmapped": more,
    });
    // Something was changed, in one way or another.
    with(shown, class(API_ACTIVITY, 3))
}

fn of_notification(notification: &Notification) -> Value {
    let shown = json!({
        "time": notification.at.as_millisecond(),
        "severity_id": notification.risk.map_or(3, severity),
        "status_id": 1,
        "finding_info": {
            "uid": notification.id,
            "title": notification.title,
            "desc": notification.detail,
            "types": [notification.kind],
            "src_url": notification.link,
        },
        "unmapped": {"leak": notification.leak, "event": notification.event},
    });
    with(shown, class(DETECTION_FINDING, 1))
}

fn severity(risk: Risk) -> u8 {
    match risk {
        Risk::Critical => 5,
        Risk::High => 4,
        Risk::Medium => 3,
        Risk::Low => 2,
        Risk::Info => 1,
    }
}
