//! The audit log, filtered by the address.

use maud::{Markup, html};

use super::filter::encoded;
use super::refused::Answer;
use super::visit::Visit;
use super::{layout, words};
use crate::control::AuditEntry;

/// The filters that the address takes, which are those of the API.
const FIELDS: [&str; 4] = ["actor", "action", "object", "tenant"];

pub(super) async fn show(visit: Visit) -> Answer {
    let cursor = visit.value("cursor");
    let mut parts: Vec<String> = Vec::new();
    for name in FIELDS {
        parts.extend(visit.value(name).map(|value| format!("{name}={}", encoded(value))));
    }
    let filter = parts.join("&");
    parts.extend(cursor.map(|cursor| format!("cursor={}", encoded(cursor))));
    let found = visit.desk.audit(&parts.join("&")).await?;
    let next = found.next_cursor.as_deref();
    let next = next.map(|next| format!("/audit?{filter}&cursor={}", encoded(next)));
    let field = |name: &str, field: &str, example: &str| html! { label { (name) input name=(field) value=[visit.value(field)] placeholder=(example) maxlength="256"; } };
    let body = html! {
        h1 { "Audit log" }
        form.search.filters method="get" action="/audit" {
            (field("Who", "actor", "admin"))
            (field("What", "action", "close"))
            (field("About", "object", "an id"))
            button type="submit" { "Filter" }
            @if !filter.is_empty() { a href="/audit" { "Clear all" } }
        }
        section.card.table-card {
            @if found.items.is_empty() { p.quiet-text.none { (if filter.is_empty() { "Nothing has been done yet." } else { "Nothing fits this filter." }) } }
            @else {
                div.scroll {
                    table.list {
                        thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "Detail" } th scope="col" { "From" } th scope="col" { "Tenant" } } }
                        tbody { @for entry in &found.items { (row(entry)) } }
                    }
                }
            }
        }
        (layout::pages(&format!("/audit?{filter}"), next, cursor.is_none()))
    };
    layout::page(&visit, "Audit log", body).await
}

fn row(entry: &AuditEntry) -> Markup {
    html! {
        tr {
            td data-label="When" { (words::time_to_seconds(entry.at)) }
            th scope="row" { a href={ "/audit?actor=" (encoded(&entry.actor)) } { bdi { (entry.actor) } } }
            td data-label="What" {
                a href={ "/audit?action=" (encoded(&entry.action)) } { (words::plain(&entry.action)) }
                @if let Some(object) = &entry.object { div.kind.path { a href={ "/audit?object=" (encoded(object)) } { (object) } } }
            }
            td data-label="Detail" { bdi { (entry.detail.as_deref().unwrap_or_default()) } }
            td data-label="From" { (entry.address.as_deref().unwrap_or_default()) }
            td data-label="Tenant" { (entry.tenant) }
        }
    }
}
