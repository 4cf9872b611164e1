//! Events: filtered by the address, newest first or in groups, and live where the browser runs our
//! script.

use maud::{Markup, html};

use super::filter::encoded;
use super::refused::Answer;
use super::visit::Visit;
use super::{layout, words};
use crate::control::{EventGroup, GroupBy};
use crate::model::clock;
use crate::model::event::{Event, EventAction};

/// The filters that the address takes, which are those of the API.
const FIELDS: [&str; 9] =
    ["type", "leak", "token", "action", "source_ip", "host", "path", "from", "to"];

/// A filter out of the address, as the API takes it. A field for a time of a browser has neither
/// seconds nor a zone: it is UTC.
fn asked(visit: &Visit) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in &visit.query {
        let known = FIELDS.contains(&name.as_str()) || name == "tenant";
        if known && !pairs.iter().any(|(other, _)| other == name) {
            let is_time = name == "from" || name == "to";
            let value = match value.len() {
                16 if is_time => format!("{value}:00Z"),
                19 if is_time => format!("{value}Z"),
                _ => value.clone(),
            };
            pairs.push((name.clone(), value));
        }
    }
    pairs
}

fn joined(pairs: &[(String, String)]) -> String {
    let parts = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    parts.collect::<Vec<_>>().join("&")
}

pub(super) async fn show(visit: Visit) -> Answer {
    let pairs = asked(&visit);
    let filter = joined(&pairs);
    let by = visit.value("by").and_then(GroupBy::from_name);
    let cursor = visit.value("cursor");
    let narrowed = !pairs.is_empty();
    let stream = format!("/api/v1/events/stream?{filter}");
    let content = match by {
        Some(by) => {
            let groups = visit.desk.event_groups(&format!("by={by}&{filter}")).await?;
            html! {
                section.card.table-card data-stream=(stream) { (grouped(&groups.items, by, &pairs)) }
                @if let Some(since) = groups.since { p.hint { "Uses since " (words::time(since)) "." } }
            }
        }
        None => {
            let page = cursor.map(|cursor| format!("&cursor={}", encoded(cursor)));
            let page = format!("{filter}{}", page.unwrap_or_default());
            let found = visit.desk.events(page.trim_start_matches('&')).await?;
            let next = found.next_cursor.as_deref();
            let next = next.map(|next| format!("/events?{filter}&cursor={}", encoded(next)));
            let none = if found.searched_to.is_some() {
                "None of the events that were looked at so far fits this filter. The next page looks further back."
            } else if narrowed {
                "No event fits this filter. Remove a part of it, or begin anew."
            } else {
                "No request has carried a leaked token yet. Events appear here within a second of a use."
            };
            html! {
                section.card.table-card data-stream=[cursor.is_none().then_some(stream.as_str())] { (table(&found.items, none)) }
                @if let Some(to) = found.searched_to {
                    p.hint { "Looked back to " (words::time_to_seconds(to)) " so far: most events since then do not fit." }
                }
                (layout::pages(&format!("/events?{filter}"), next, cursor.is_none()))
            }
        }
    };
    let body = html! {
        div.heading { h1 { "Events" } p.live #live hidden role="status" { "Live" } }
        (form(&visit, by, narrowed, &filter))
        @if let Some(leak) = visit.value("leak") { p.hint { "Of " a href={ "/leaks/" (encoded(leak)) } { "one leak" } ". " a href="/events" { "Show those of all" } } }
        @if visit.value("token").is_some() { p.hint { "Of one token. " a href="/events" { "Show those of all" } } }
        (tabs(by, &filter))
        (content)
    };
    layout::page(&visit, "Events", body).await
}

fn form(visit: &Visit, by: Option<GroupBy>, narrowed: bool, filter: &str) -> Markup {
    let field = |name: &str, field: &str, example: &str| html! { label { (name) input name=(field) value=[visit.value(field)] placeholder=(example) maxlength="256"; } };
    let time = |name: &str, field: &str| {
        let value = visit.value(field).map(|at| at.trim_end_matches('Z').to_owned());
        html! { label { (name) input type="datetime-local" name=(field) value=[value]; } }
    };
    html! {
        form.search.filters method="get" action="/events" {
            label { "Type" select name="type" { option value="" { "every" } option value="vpatch" selected[visit.value("type").is_some()] { "vpatch" } } }
            label { "Action"
                select name="action" {
                    option value="" { "every" }
                    @for action in EventAction::ALL { option value=(action.name()) selected[visit.value("action") == Some(action.name())] { (words::plain(action.name())) } }
                }
            }
            (field("Client", "source_ip", "203.0.113.7"))
            (field("Host", "host", "api.example.com"))
            (field("Path begins with", "path", "/v1/"))
            (time("From, UTC", "from"))
            (time("To, UTC", "to"))
            @for name in ["leak", "token"] { @if let Some(value) = visit.value(name) { input type="hidden" name=(name) value=(value); } }
            @if let Some(by) = by { input type="hidden" name="by" value=(by); }
            button type="submit" { "Filter" }
            @if narrowed { a href="/events" { "Clear all" } }
            a href={ "/api/v1/events/export?format=csv&" (filter) } { "Export CSV" }
            a href={ "/api/v1/events/export?format=ndjson&" (filter) } { "Export NDJSON" }
        }
    }
}

fn tabs(by: Option<GroupBy>, filter: &str) -> Markup {
    let tab = |name: &str, to: Option<GroupBy>| {
        let here = (by == to).then_some("page");
        let by = to.map(|to| format!("by={to}&")).unwrap_or_default();
        html! { li { a href={ "/events?" (by) (filter) } aria-current=[here] { (name) } } }
    };
    html! {
        nav aria-label="Show events" {
            ul.tabs {
                (tab("One by one", None))
                (tab("By token", Some(GroupBy::Token)))
                (tab("By client", Some(GroupBy::Client)))
                (tab("By host", Some(GroupBy::Host)))
            }
        }
    }
}

fn grouped(groups: &[EventGroup], by: GroupBy, pairs: &[(String, String)]) -> Markup {
    let now = clock::now();
    let (title, field) = match by {
        GroupBy::Token => ("Token", "token"),
        GroupBy::Client => ("Client", "source_ip"),
        GroupBy::Host => ("Host", "host"),
    };
    let address = |group: &EventGroup| {
        let value = group.token.map_or_else(|| group.name.clone(), |token| token.to_string());
        let mut pairs = pairs.to_vec();
        pairs.retain(|(name, _)| name != field);
        pairs.push((field.to_owned(), value));
        format!("/events?{}", joined(&pairs))
    };
    html! {
        @if groups.is_empty() { p.quiet-text.none { "No event fits." } }
        @else {
            div.scroll {
                table.list {
                    thead { tr { th scope="col" { (title) } th.number scope="col" { "Uses" } th.number scope="col" { "Blocked" } th.number scope="col" { "Monitored" } th.number scope="col" { "Passed" } th scope="col" { "First" } th scope="col" { "Last" } } }
                    tbody {
                        @for group in groups {
                            tr {
                                th scope="row" { a href=(address(group)) { code { bdi { (group.name) } } } }
                                td.number data-label="Uses" { strong { (words::number(group.count)) } }
                                td.number data-label="Blocked" { (words::number(group.blocked)) }
                                td.number data-label="Monitored" { (words::number(group.monitored)) }
                                td.number data-label="Passed" { (words::number(group.observed)) }
                                td data-label="First" { (words::time(group.first_at)) }
                                td data-label="Last" { (words::since(group.last_at, now)) }
                            }
                        }
                    }
                }
            }
        }
    }
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
    html! {
        tr data-event=(event.id) {
            td data-label="When" { a href={ "/events/" (event.id) } { (words::time_to_seconds(event.at)) } }
            td data-label="Action" { (words::action_tag(event.action)) @if let Some(status) = event.response_status { " " (status) } }
            td data-label="Request" { (event.method) " " bdi { (event.host) } div.path { bdi { (words::cut(&event.path, 120)) } } }
            td data-label="Client" { code { (event.source_ip) } @if let Some(agent) = &event.user_agent { div.kind.path { bdi { (words::cut(agent, 60)) } } } }
            td data-label="Found in" { code { bdi { (words::cut(&event.point, 80)) } } @if !event.encodings.is_empty() { div.kind { (event.encodings.join(" › ")) } } }
            td data-label="Token" { a href={ "/leaks/" (event.leak) } { code { (event.fingerprint) } } }
            td.number data-label="Count" { (words::number(event.count)) }
        }
    }
}
