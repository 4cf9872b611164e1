//! Log records as OpenTelemetry's protocol has them in JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{line, shown};
use crate::model::clock;
use crate::model::event::EventAction;
use crate::model::leak::Risk;
use crate::model::sink::Format;
use crate::store::outgoing::Entry;

pub(in crate::control::sinks) fn logs(entries: &[Entry], format: Format) -> Value {
    let now = clock::now();
    let records: Vec<Value> = entries.iter().map(|entry| record(entry, format, now)).collect();
    json!({"resourceLogs": [{
        "resource": {"attributes": [
            attribute("service.name", &json!("leakgate")),
            attribute("service.version", &json!(env!("CARGO_PKG_VERSION"))),
        ]},
        "scopeLogs": [{"scope": {"name": "leakgate"}, "logRecords": records}],
    }]})
}

fn record(entry: &Entry, format: Format, now: Timestamp) -> Value {
    let (at, name, (severity, severity_text)) = match entry {
        Entry::Event(event) => {
            let severity = if event.action == EventAction::Blocked { INFO } else { WARN };
            (event.at, "leakgate.vpatch", severity)
        }
        Entry::Audit(row) => (row.entry.at, "leakgate.audit", INFO),
        Entry::Notification(it) => {
            let severity = match it.risk {
                Some(Risk::Critical | Risk::High) => ERROR,
                Some(Risk::Low | Risk::Info) => INFO,
                _ => WARN,
            };
            (it.at, "leakgate.notification", severity)
        }
    };
    let mut attributes = vec![attribute("event.name", &json!(name))];
    if let Value::Object(fields) = shown(entry, format) {
        let there = fields.iter().filter(|(_, value)| !value.is_null());
        attributes.extend(there.map(|(name, value)| attribute(name, value)));
    }
    json!({
        "timeUnixNano": nanoseconds(at),
        "observedTimeUnixNano": nanoseconds(now),
        "severityNumber": severity,
        "severityText": severity_text,
        "eventName": name,
        "body": {"stringValue": line(entry)},
        "attributes": attributes,
    })
}

const INFO: (u8, &str) = (9, "INFO");
const WARN: (u8, &str) = (13, "WARN");
const ERROR: (u8, &str) = (17, "ERROR");

/// 64 bits are a text in the protocol's JSON.
fn nanoseconds(at: Timestamp) -> String {
    at.as_nanosecond().to_string()
}

fn attribute(name: &str, value: &Value) -> Value {
    json!({"key": name, "value": any(value)})
}

/// A value as the protocol has it.
fn any(value: &Value) -> Value {
    match value {
        Value::String(text) => json!({"stringValue": text}),
        Value::Bool(value) => json!({"boolValue": value}),
        Value::Number(number) if number.is_f64() => json!({"doubleValue": number}),
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::Array(items) => {
            json!({"arrayValue": {"values": items.iter().map(any).collect::<Vec<_>>()}})
        }
        Value::Object(fields) => {
            let there = fields.iter().filter(|(_, value)| !value.is_null());
            let values: Vec<Value> = there.map(|(name, value)| attribute(name, value)).collect();
            json!({"kvlistValue": {"values": values}})
        }
        Value::Null => json!({}),
    }
}
