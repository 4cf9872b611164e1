//! Notifications: what somebody should look at now.

use maud::{Markup, html};

use super::filter::encoded;
use super::refused::Answer;
use super::visit::Visit;
use super::{layout, words};
use crate::model::notification::{Notification, NotificationKind};

/// Notifications on one page.
const ROWS: usize = 30;

/// What a notification is about, as people read it.
fn kind_name(kind: NotificationKind) -> &'static str {
    match kind {
        NotificationKind::NewLeak => "New leak",
        NotificationKind::ClosedLeakReported => "Closed leak reported again",
        NotificationKind::ClosedLeakAccepted => "Token of a closed leak accepted",
        NotificationKind::FirstUse => "First use",
        NotificationKind::UnpatchedUseAccepted => "Accepted, and not patched",
        NotificationKind::HoneytokenUsed => "Honeytoken used",
        NotificationKind::PatchExpired => "Patch ended",
        NotificationKind::GatewayBehind => "Gateway behind",
    }
}

pub(super) async fn show(visit: Visit) -> Answer {
    let kinds = visit.value("kind").unwrap_or_default();
    let kinds: Vec<NotificationKind> =
        kinds.split(',').filter_map(NotificationKind::from_name).collect();
    let tenant = visit.value("tenant");
    // The address of the page with these kinds.
    let address = |kinds: &[NotificationKind]| {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let kinds = (!names.is_empty()).then(|| format!("kind={}", names.join(",")));
        let tenant = tenant.map(|tenant| format!("tenant={}", encoded(tenant)));
        let parts: Vec<String> = kinds.into_iter().chain(tenant).collect();
        format!("/notifications?{}", parts.join("&")).trim_end_matches('?').to_owned()
    };
    // A kind comes on top of those that are asked for, or goes where it is one of them.
    let toggled = |kind: NotificationKind| {
        let mut other: Vec<_> = kinds.iter().copied().filter(|other| *other != kind).collect();
        if other.len() == kinds.len() {
            other.push(kind);
        }
        address(&other)
    };
    let cursor = visit.value("cursor");
    let here = address(&kinds);
    let query = here.split_once('?').map_or("", |(_, query)| query);
    let mut asked = format!("limit={ROWS}&{query}").trim_end_matches('&').to_owned();
    if let Some(cursor) = cursor {
        asked.push_str(&format!("&cursor={}", encoded(cursor)));
    }
    let found = visit.desk.notifications(&asked).await?;
    let next = found.next_cursor.as_deref().map(|next| {
        let mark = if query.is_empty() { '?' } else { '&' };
        format!("{here}{mark}cursor={}", encoded(next))
    });
    let body = html! {
        h1 { "Notifications" }
        nav aria-label="Kinds" {
            ul.tabs {
                li { a href=(address(&[])) aria-current=[kinds.is_empty().then_some("true")] { "All" } }
                @for kind in NotificationKind::ALL {
                    li { a href=(toggled(*kind)) aria-current=[kinds.contains(kind).then_some("true")] { (kind_name(*kind)) } }
                }
            }
        }
        section.card.table-card {
            @if found.items.is_empty() {
                p.quiet-text.none {
                    @if kinds.is_empty() { "Nothing has happened that somebody should look at. A new leak of a high risk, or the first use of a leaked token, appears here." }
                    @else { "There is none of this kind." }
                }
            } @else {
                div.scroll {
                    table.list {
                        thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Risk" } th scope="col" { "About" } @if visit.visitor().actor.role.is_global() { th scope="col" { "Tenant" } } } }
                        tbody { @for notification in &found.items { (row(&visit, notification)) } }
                    }
                }
            }
        }
        (layout::pages(&here, next, cursor.is_none()))
    };
    layout::page(&visit, "Notifications", body).await
}

fn row(visit: &Visit, of: &Notification) -> Markup {
    html! {
        tr data-kind=(of.kind.name()) {
            td data-label="When" { (words::time(of.at)) }
            th scope="row" { bdi { (of.title) } div.kind { bdi { (of.detail) } } }
            td data-label="Risk" { @if let Some(risk) = of.risk { (words::risk_tag(risk)) } }
            td data-label="About" {
                (kind_name(of.kind))
                div {
                    @match of.leak { Some(leak) => a href={ "/leaks/" (leak) } { "The leak" }, None => a href="/gateways" { "Gateways" } }
                    @if let Some(event) = of.event { ", " a href={ "/events/" (event) } { "the event" } }
                }
            }
            @if visit.visitor().actor.role.is_global() { td data-label="Tenant" { (of.tenant) } }
        }
    }
}
