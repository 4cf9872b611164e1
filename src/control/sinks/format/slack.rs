//! Messages as Slack's incoming webhooks take them, and what understands the same.

use serde_json::{Value, json};

use super::line;
use crate::store::outgoing::Entry;

pub(in crate::control::sinks) fn message(entry: &Entry) -> Value {
    let mut text = format!("*{}*", escaped(&line(entry)));
    if let Entry::Notification(notification) = entry {
        if let Some(risk) = notification.risk {
            text.push_str(&format!(" ({risk})"));
        }
        text.push('\n');
        text.push_str(&escaped(&notification.detail));
        if let Some(link) = &notification.link {
            text.push_str(&format!("\n<{}|Open in leakgate>", escaped(link)));
        }
    }
    json!({"text": text})
}

/// The three characters that Slack reads as markup of links and mentions.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
