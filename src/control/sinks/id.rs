//! What a delivery is called, so that a receiver can tell that it has it already.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};

use crate::store::outgoing::Entry;

/// The same for the same entries to the same reader: after a restart too, by whichever process, and
/// when it is sent again as a dead letter. Made of what entries are called and not of their places
/// in a feed, which others have once an older store was put back.
pub(super) fn delivery_id(reader: &str, entries: &[Entry]) -> String {
    let mut context = Context::new(&SHA256);
    add(&mut context, reader);
    for entry in entries {
        match entry {
            Entry::Event(event) => {
                add(&mut context, "event");
                context.update(event.id.0.as_bytes());
            }
            // Numbers are given out again after a restore, to other rows.
            Entry::Audit(row) => {
                add(&mut context, "audit");
                context.update(&row.number.to_be_bytes());
                context.update(&row.entry.at.as_millisecond().to_be_bytes());
                for text in [&row.entry.tenant, &row.entry.actor, &row.entry.action] {
                    add(&mut context, text);
                }
                add(&mut context, row.entry.object.as_deref().unwrap_or_default());
            }
            Entry::Notification(notification) => {
                add(&mut context, "notification");
                context.update(notification.id.0.as_bytes());
            }
        }
    }
    let digest = context.finish();
    let mut id = "msg_".to_owned();
    for byte in digest.as_ref().iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// Adds a text with its length, so that where one ends and another begins is told apart.
fn add(context: &mut Context, text: &str) {
    context.update(&(text.len() as u64).to_be_bytes());
    context.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock;
    use crate::model::ids::NotificationId;
    use crate::model::notification::{Notification, NotificationKind};
    use crate::store::outgoing::NumberedAudit;
    use crate::store::types::AuditEntry;

    fn notification() -> Entry {
        Entry::Notification(Box::new(Notification {
            id: NotificationId::new(),
            at: clock::now(),
            kind: NotificationKind::NewLeak,
            tenant: "acme".to_owned(),
            leak: None,
            risk: None,
            event: None,
            title: "x".to_owned(),
            detail: String::new(),
            link: None,
        }))
    }

    fn audit(number: i64, object: &str) -> Entry {
        let entry = AuditEntry {
            tenant: "acme".to_owned(),
            at: jiff::Timestamp::UNIX_EPOCH,
            actor: "ada".to_owned(),
            address: None,
            action: "close".to_owned(),
            object: Some(object.to_owned()),
            detail: None,
            changed: Vec::new(),
        };
        Entry::Audit(Box::new(NumberedAudit { number, entry }))
    }

    #[test]
    fn it_follows_from_the_reader_and_the_entries() {
        let (one, other) = (notification(), notification());
        let id = |entries: &[&Entry]| {
            let entries: Vec<Entry> = entries.iter().copied().cloned().collect();
            delivery_id("sink:a", &entries)
        };
        assert_eq!(id(&[&one, &other]), id(&[&one, &other]));
        assert_ne!(id(&[&one]), delivery_id("sink:b", std::slice::from_ref(&one)));
        assert_ne!(id(&[&one]), id(&[&other]));
        assert_ne!(id(&[&one]), id(&[&one, &other]));
        // After a restore, a number may be that of another row.
        assert_ne!(id(&[&audit(7, "one")]), id(&[&audit(7, "two")]));
        assert_ne!(id(&[&audit(7, "one")]), id(&[&audit(8, "one")]));
        let text = id(&[&one]);
        assert!(text.starts_with("msg_") && text.len() == 36, "{text}");
        // What is kept in between, as a dead letter is, does not change it.
        let kept = serde_json::to_string(&[one.clone(), audit(7, "one")]).unwrap();
        let back: Vec<Entry> = serde_json::from_str(&kept).unwrap();
        assert_eq!(id(&[&one, &audit(7, "one")]), delivery_id("sink:a", &back));
    }
}
