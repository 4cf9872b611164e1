//! Which notifications follow from what happened.

use crate::model::event::{Event, EventAction};
use crate::model::ids::{LeakId, NotificationId};
use crate::model::kind::HONEYTOKEN;
use crate::model::leak::{Decision, EXPIRE_VIRTUAL_PATCH, Risk, Status};
use crate::model::notification::{Notification, NotificationKind};
use crate::model::role::REOPENING_POLICY;
use crate::store::outgoing::{Entry, Facts, LeakFacts, Notice};
use crate::store::types::AuditEntry;

/// The leak that a row of the audit log is about, where it may call for a notification.
pub(super) fn leak_of(row: &AuditEntry) -> Option<LeakId> {
    kind_of(row)?;
    row.object.as_deref()?.parse().ok()
}

/// What a row of the audit log may call for.
fn kind_of(row: &AuditEntry) -> Option<NotificationKind> {
    match row.action.as_str() {
        "register" => Some(NotificationKind::NewLeak),
        "occurrence" => Some(NotificationKind::ClosedLeakReported),
        EXPIRE_VIRTUAL_PATCH => Some(NotificationKind::PatchExpired),
        action if action == Decision::Reopen.name() && row.actor == REOPENING_POLICY => {
            Some(NotificationKind::ClosedLeakReported)
        }
        _ => None,
    }
}

/// The notifications that follow from these entries; of a new leak where its risk is this or worse.
pub(super) fn notices(
    entries: &[Entry],
    facts: &Facts,
    risk: Risk,
    public_url: Option<&str>,
) -> Vec<Notice> {
    let mut notices = Vec::new();
    for entry in entries {
        match entry {
            Entry::Event(event) => of_event(event, facts, public_url, &mut notices),
            Entry::Audit(row) => {
                notices.extend(of_audit(&row.entry, facts, risk, public_url));
            }
            Entry::Notification(_) => {}
        }
    }
    notices
}

fn of_event(event: &Event, facts: &Facts, public_url: Option<&str>, notices: &mut Vec<Notice>) {
    let Some(leak) = facts.leaks.get(&event.leak) else { return };
    let token = facts.tokens.get(&event.token);
    let accepted = event.action != EventAction::Blocked
        && event.response_status.is_some_and(|status| (200..300).contains(&status));
    let used = format!(
        "{} used it at {} ({}, {}), found in {}; the event is {}.",
        event.source_ip,
        event.host,
        event.action,
        event.response_status.map_or("no answer".to_owned(), |status| format!("status {status}")),
        event.point,
        event.id,
    );
    let mut add = |kind, subject: String, title: String, detail: String| {
        let notification = Notification {
            event: Some(event.id),
            ..about(leak, event.leak, kind, (event.at, title, detail), public_url)
        };
        notices.push(Notice { subject, notification });
    };
    let title = &leak.title;
    let is_honeytoken =
        leak.kind == HONEYTOKEN || token.is_some_and(|token| token.kind == HONEYTOKEN);
    if is_honeytoken {
        let detail = format!("Nobody has a reason to use it. {used}");
        let text = format!("A honeytoken was used: {title}");
        add(NotificationKind::HoneytokenUsed, event.leak.to_string(), text, detail);
    } else if token.is_some_and(|token| token.first_event == Some(event.id)) {
        let text = format!("First use of a leaked token: {title}");
        add(NotificationKind::FirstUse, event.token.to_string(), text, used.clone());
    }
    match leak.status {
        Status::Closed if accepted => {
            let detail = format!("Its token still works: reopen the leak. {used}");
            let text = format!("A token of a closed leak was accepted: {title}");
            add(NotificationKind::ClosedLeakAccepted, event.leak.to_string(), text, detail);
        }
        Status::Open if accepted && !leak.is_patched && !is_honeytoken => {
            let detail = format!("Its token works, and no patch stops it. {used}");
            let text = format!("A leaked token works, and nothing stops it: {title}");
            add(NotificationKind::UnpatchedUseAccepted, event.leak.to_string(), text, detail);
        }
        _ => {}
    }
}

fn of_audit(
    row: &AuditEntry,
    facts: &Facts,
    risk: Risk,
    public_url: Option<&str>,
) -> Option<Notice> {
    let kind = kind_of(row)?;
    let id = leak_of(row)?;
    let leak = facts.leaks.get(&id)?;
    let title = &leak.title;
    let (title, detail) = match kind {
        // The worst comes first.
        NotificationKind::NewLeak if leak.risk <= risk => (
            format!("New leak: {title}"),
            "Decide about it: see who uses its tokens, and apply a patch.".to_owned(),
        ),
        NotificationKind::ClosedLeakReported if leak.status == Status::Closed => (
            format!("A closed leak was reported again: {title}"),
            "Look whether its tokens still work; reopen it where they do.".to_owned(),
        ),
        NotificationKind::ClosedLeakReported if row.action == Decision::Reopen.name() => (
            format!("A closed leak was reported again, and is open: {title}"),
            "The policy reopen_reported has opened it again: see who uses its tokens, and decide \
             about it."
                .to_owned(),
        ),
        NotificationKind::PatchExpired if leak.status == Status::Open && !leak.is_patched => (
            format!("A virtual patch has ended: {title}"),
            "The leak is open and nothing blocks its tokens: apply a patch again, or close it."
                .to_owned(),
        ),
        _ => return None,
    };
    let notification = about(leak, id, kind, (row.at, title, detail), public_url);
    Some(Notice { subject: id.to_string(), notification })
}

fn about(
    leak: &LeakFacts,
    id: LeakId,
    kind: NotificationKind,
    (at, title, detail): (jiff::Timestamp, String, String),
    public_url: Option<&str>,
) -> Notification {
    Notification {
        id: NotificationId::new(),
        at,
        kind,
        tenant: leak.tenant.clone(),
        leak: Some(id),
        risk: Some(leak.risk),
        event: None,
        title,
        detail,
        link: public_url.map(|url| format!("{url}/leaks/{id}")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::leak::Decision;
    use crate::store::outgoing::NumberedAudit;

    /// What is made of a row about an open leak.
    fn of(actor: &str, action: &str, detail: &str) -> Vec<NotificationKind> {
        let id = LeakId::new();
        let facts = LeakFacts {
            tenant: "acme".to_owned(),
            title: "x".to_owned(),
            risk: Risk::High,
            status: Status::Open,
            kind: HONEYTOKEN.to_owned(),
            is_patched: false,
        };
        let facts = Facts { leaks: [(id, facts)].into(), ..Facts::default() };
        let entry = AuditEntry {
            tenant: "acme".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            actor: actor.to_owned(),
            address: None,
            action: action.to_owned(),
            object: Some(id.to_string()),
            detail: Some(detail.to_owned()),
            changed: Vec::new(),
        };
        let row = Entry::Audit(Box::new(NumberedAudit { number: 1, entry }));
        let notices = notices(&[row], &facts, Risk::High, None);
        notices.into_iter().map(|it| it.notification.kind).collect()
    }

    #[test]
    fn what_ends_by_itself_is_told_by_what_it_is() {
        let removed = Decision::RemoveVirtualPatch.name();
        assert_eq!(of("system", removed, "expired; block"), [], "a person of that name");
        let expired = [NotificationKind::PatchExpired];
        assert_eq!(of("anything", EXPIRE_VIRTUAL_PATCH, "block"), expired);
    }
}
