//! As the API shows it, with a `type` that tells what it is.

use serde_json::{Value, json};

use crate::store::outgoing::Entry;

pub(super) fn shown(entry: &Entry) -> Value {
    let (kind, value) = match entry {
        // It says its type itself.
        Entry::Event(event) => return serde_json::to_value(event).unwrap_or_default(),
        Entry::Audit(row) => ("audit", serde_json::to_value(row)),
        Entry::Notification(it) => ("notification", serde_json::to_value(it)),
    };
    let mut value = value.unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("type".to_owned(), json!(kind));
    }
    value
}
