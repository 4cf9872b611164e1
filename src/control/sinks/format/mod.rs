//! How what is sent is told: as the API shows it, or by the names of others' schemas.

mod ecs;
mod native;
mod ocsf;
pub(super) mod otlp;
pub(super) mod pagerduty;
pub(super) mod slack;

use serde_json::{Value, json};

use super::Delivery;
use crate::model::event::{Event, EventAction};
use crate::model::sink::Format;
use crate::store::outgoing::Entry;

/// One entry, by these names.
pub(super) fn shown(entry: &Entry, format: Format) -> Value {
    match format {
        Format::Native => native::shown(entry),
        Format::Ecs => ecs::shown(entry),
        Format::Ocsf => ocsf::shown(entry),
    }
}

/// A delivery as one object.
pub(super) fn body(delivery: &Delivery<'_>, format: Format) -> Value {
    let entries: Vec<Value> = delivery.entries.iter().map(|entry| shown(entry, format)).collect();
    json!({"id": delivery.id, "format": format.name(), "entries": entries})
}

/// The entry in one line, for people.
fn line(entry: &Entry) -> String {
    match entry {
        Entry::Event(event) => {
            let times =
                if event.count == 1 { "once".to_owned() } else { format!("{} times", event.count) };
            format!(
                "Leaked token {} used {times} by {} at {}: {}",
                event.fingerprint, event.source_ip, event.host, event.action
            )
        }
        Entry::Audit(row) => {
            let object = row.entry.object.as_deref().unwrap_or("–");
            format!("{}: {} on {object}", row.entry.actor, row.entry.action)
        }
        Entry::Notification(notification) => notification.title.clone(),
    }
}

/// Whether the upstream did what was asked; none where that cannot be told.
fn was_accepted(event: &Event) -> Option<bool> {
    match (event.action, event.response_status) {
        (EventAction::Blocked, _) => Some(false),
        (_, Some(status)) => Some((200..300).contains(&status)),
        (_, None) => None,
    }
}

/// Path and query apart.
fn path_and_query(event: &Event) -> (&str, Option<&str>) {
    match event.path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&event.path, None),
    }
}

/// Takes out what is not there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, without_nulls(value)))
                .collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock;
    use crate::model::event::EventType;
    use crate::model::ids::{EventId, LeakId, NotificationId, TokenId};
    use crate::model::leak::Risk;
    use crate::model::notification::{Notification, NotificationKind};
    use crate::store::outgoing::NumberedAudit;
    use crate::store::types::AuditEntry;

    fn event() -> Entry {
        Entry::Event(Box::new(Event {
            id: EventId::new(),
            at: clock::now(),
            kind: EventType::Vpatch,
            action: EventAction::Monitored,
            tenant: "acme".to_owned(),
            leak: LeakId::new(),
            virtual_patch: None,
            token: TokenId::new(),
            fingerprint: "0123456789ab".to_owned(),
            point: "query:key".to_owned(),
            encodings: vec!["percent".to_owned()],
            source_ip: "203.0.113.7".to_owned(),
            peer_ip: "10.0.0.1".to_owned(),
            forwarded_for: None,
            client_cert: None,
            user_agent: Some("curl".to_owned()),
            method: "GET".to_owned(),
            host: "api.example.com".to_owned(),
            path: "/v1?key=0123456789ab".to_owned(),
            response_status: Some(200),
            count: 3,
            gateway: "edge".to_owned(),
            request_id: "r1".to_owned(),
            route: 0,
        }))
    }

    fn audit() -> Entry {
        Entry::Audit(Box::new(NumberedAudit {
            number: 7,
            entry: AuditEntry {
                tenant: "acme".to_owned(),
                at: clock::now(),
                actor: "ada".to_owned(),
                address: Some("192.0.2.1".to_owned()),
                action: "close".to_owned(),
                object: Some(LeakId::new().to_string()),
                detail: None,
                changed: Vec::new(),
            },
        }))
    }

    fn notification() -> Entry {
        Entry::Notification(Box::new(Notification {
            id: NotificationId::new(),
            at: clock::now(),
            kind: NotificationKind::FirstUse,
            tenant: "acme".to_owned(),
            leak: Some(LeakId::new()),
            risk: Some(Risk::Critical),
            event: None,
            title: "First use of <a> & b".to_owned(),
            detail: "by 203.0.113.7".to_owned(),
            link: Some("https://leakgate.example/leaks/1".to_owned()),
        }))
    }

    #[test]
    fn the_names_are_those_of_each_schema() {
        let native = shown(&event(), Format::Native);
        assert_eq!((&native["type"], &native["count"]), (&json!("vpatch"), &json!(3)));
        assert_eq!(shown(&audit(), Format::Native)["type"], "audit");
        assert_eq!(shown(&notification(), Format::Native)["type"], "notification");

        let ecs = shown(&event(), Format::Ecs);
        assert_eq!(ecs["event"]["action"], "monitored");
        assert_eq!(ecs["event"]["outcome"], "success");
        assert_eq!(
            (&ecs["url"]["path"], &ecs["url"]["query"]),
            (&json!("/v1"), &json!("key=0123456789ab"))
        );
        assert_eq!(ecs["source"]["ip"], "203.0.113.7");
        assert_eq!(ecs["leakgate"]["count"], 3);
        assert!(ecs.get("rule").is_none_or(|rule| rule.get("id").is_none()));
        assert_eq!(shown(&audit(), Format::Ecs)["user"]["name"], "ada");
        assert_eq!(shown(&notification(), Format::Ecs)["event"]["kind"], "alert");

        let ocsf = shown(&event(), Format::Ocsf);
        assert_eq!((&ocsf["class_uid"], &ocsf["type_uid"]), (&json!(2004), &json!(200401)));
        assert_eq!(ocsf["count"], 3);
        assert_eq!(ocsf["evidences"][0]["src_endpoint"]["ip"], "203.0.113.7");
        let ocsf = shown(&audit(), Format::Ocsf);
        assert_eq!(
            (&ocsf["class_uid"], &ocsf["actor"]["user"]["name"]),
            (&json!(6003), &json!("ada"))
        );
        assert_eq!(shown(&notification(), Format::Ocsf)["severity_id"], 5);
    }

    #[test]
    fn people_are_told_in_their_own_words() {
        let text = slack::message(&notification())["text"].as_str().unwrap().to_owned();
        assert!(text.contains("First use of &lt;a&gt; &amp; b"), "{text}");
        assert!(text.contains("https://leakgate.example/leaks/1"), "{text}");
        let Entry::Notification(told) = notification() else { return };
        let leak = told.leak.unwrap();
        let alert = pagerduty::alert(&Entry::Notification(told), "key", None);
        assert_eq!(alert["dedup_key"], format!("leakgate-{leak}"));
        assert_eq!(alert["payload"]["severity"], "critical");
        let logs = otlp::logs(&[event(), audit()], Format::Native);
        let records = &logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        assert_eq!(records.as_array().unwrap().len(), 2);
        assert!(records[0]["timeUnixNano"].as_str().unwrap().len() > 15);
    }
}
