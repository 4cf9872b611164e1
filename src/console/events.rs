//! Events: filtered by the address, newest first, and live where the browser runs our script.

use maud::{Markup, html};

use super::filter::encoded;
use super::refused::Answer;
use super::visit::Visit;
use super::{layout, words};
use crate::model::event::{Event, EventAction};

/// The filters that the address takes, which are those of the API.
const FIELDS: [&str; 8] = ["type", "leak", "token", "action", "source_ip", "host", "from", "to"];

pub(super) async fn show(visit: Visit) -> Answer {
    let filter: String = visit
        .query
        .iter()
        .filter(|(name, _)| FIELDS.contains(&name.as_str()) || name == "tenant")
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect::<Vec<_>>()
        .join("&");
    let cursor = visit.value("cursor");
    let asked = match cursor {
        Some(cursor) => format!("{filter}&cursor={}", encoded(cursor)),
        None => filter.clone(),
    };
    let found = visit.desk.events(asked.trim_start_matches('&')).await?;
    let narrowed = !filter.is_empty();
    let next = found
        .next_cursor
        .as_deref()
        .map(|next| format!("/events?{filter}&cursor={}", encoded(next)));
    let none = if narrowed {
        "No event fits this filter."
    } else {
        "No request has carried a leaked token yet. Events appear here within a second of a use."
    };
    let body = html! {
        div.heading { h1 { "Events" } p.live #live hidden role="status" { "Live" } }
        form.search.filters method="get" action="/events" {
            label { "Type" select name="type" { option value="" { "every" } option value="vpatch" selected[visit.value("type").is_some()] { "vpatch" } } }
            label { "Action"
                select name="action" {
                    option value="" { "every" }
                    @for action in EventAction::ALL { option value=(action.name()) selected[visit.value("action") == Some(action.name())] { (words::plain(action.name())) } }
                }
            }
            (field(&visit, "Client", "source_ip", "203.0.113.7"))
            (field(&visit, "Host", "host", "api.example.com"))
            (field(&visit, "From", "from", "2026-01-31T12:00:00Z"))
            (field(&visit, "To", "to", "2026-02-01T12:00:00Z"))
            @if let Some(leak) = visit.value("leak") { input type="hidden" name="leak" value=(leak); }
            button type="submit" { "Filter" }
            @if narrowed { a href="/events" { "Clear all" } }
            a href={ "/api/v1/events/export?format=csv&" (filter) } { "Export CSV" }
        }
        @if visit.value("leak").is_some() { p.hint { "Of one leak. " a href="/events" { "Show those of all" } } }
        section.card data-stream=[cursor.is_none().then(|| format!("/api/v1/events/stream?{filter}"))] {
            (table(&found.items, none))
        }
        (layout::pages(&format!("/events?{filter}"), next, cursor.is_none()))
    };
    layout::page(&visit, "Events", body).await
}

fn field(visit: &Visit, name: &str, field: &str, example: &str) -> Markup {
    html! { label { (name) input name=(field) value=[visit.value(field)] placeholder=(example); } }
}

/// Events as a table; what to say where there is none.
pub(super) fn table(events: &[Event], none: &str) -> Markup {
    html! {
        @if events.is_empty() { p.quiet-text.none { (none) } }
        div.scroll hidden[events.is_empty()] {
            table.list.events {
                thead { tr { th scope="col" { "When" } th scope="col" { "Action" } th scope="col" { "Request" } th scope="col" { "Client" } th scope="col" { "Found in" } th scope="col" { "Token" } th.number scope="col" { "Count" } } }
                tbody { @for event in events { (row(event)) } }
            }
        }
    }
}

fn row(event: &Event) -> Markup {
    let class = match event.action {
        EventAction::Blocked => "good",
        EventAction::Monitored => "watch",
        EventAction::Observed => "bad",
    };
    html! {
        tr data-event=(event.id) {
            td data-label="When" { (words::time(event.at)) }
            td data-label="Action" { span class={ "tag " (class) } { (words::plain(event.action.name())) } @if let Some(status) = event.response_status { " " (status) } }
            td data-label="Request" { a href={ "/leaks/" (event.leak) } { (event.method) " " (event.host) } div.path { (event.path) } }
            td data-label="Client" { code { (event.source_ip) } @if let Some(agent) = &event.user_agent { div.quiet-text.path { (agent) } } }
            td data-label="Found in" { code { (event.point) } @if !event.encodings.is_empty() { div.quiet-text { (event.encodings.join(" › ")) } } }
            td data-label="Token" { code { (event.fingerprint) } }
            td.number data-label="Count" { (event.count) }
        }
    }
}
