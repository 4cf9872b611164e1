//! The audit log.

use maud::html;

use super::filter::encoded;
use super::refused::Answer;
use super::visit::Visit;
use super::{layout, words};

pub(super) async fn show(visit: Visit) -> Answer {
    let cursor = visit.value("cursor");
    let asked = cursor.map(|cursor| format!("cursor={}", encoded(cursor))).unwrap_or_default();
    let found = visit.desk.audit(&asked).await?;
    let next = found.next_cursor.as_deref().map(|next| format!("/audit?cursor={}", encoded(next)));
    let body = html! {
        h1 { "Audit log" }
        section.card {
            @if found.items.is_empty() { p.quiet-text { "Nothing has been done yet." } }
            div.scroll {
                table.list {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "Detail" } th scope="col" { "From" } th scope="col" { "Tenant" } } }
                    tbody {
                        @for entry in &found.items {
                            tr {
                                td data-label="When" { (words::time(entry.at)) }
                                th scope="row" { (entry.actor) }
                                td data-label="What" { (entry.action) @if let Some(object) = &entry.object { div.quiet-text.path { (object) } } }
                                td data-label="Detail" { (entry.detail.as_deref().unwrap_or_default()) }
                                td data-label="From" { (entry.address.as_deref().unwrap_or_default()) }
                                td data-label="Tenant" { (entry.tenant) }
                            }
                        }
                    }
                }
            }
        }
        (layout::pages("/audit", next, cursor.is_none()))
    };
    layout::page(&visit, "Audit log", body).await
}
