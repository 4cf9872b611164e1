//! One event: where the token was found, through what, and the request without it.

use axum::extract::Path;
use maud::{Markup, html};

use super::refused::Answer;
use super::visit::Visit;
use super::{layout, words};
use crate::control::Problem;
use crate::model::event::{Event, EventAction};
use crate::model::ids::EventId;

pub(super) async fn show(Path(text): Path<String>, visit: Visit) -> Answer {
    let id: EventId = text.parse().map_err(|_| Problem::not_found("event"))?;
    let event = visit.desk.event(id).await?;
    let leak = visit.desk.leak(event.leak).await.ok();
    let body = html! {
        p.crumbs { a href="/events" { "Events" } }
        div.heading { h1 { (event.method) " " bdi { (words::cut(&event.host, 80)) } } }
        p.tags {
            (words::action_tag(event.action))
            span { (words::time_to_seconds(event.at)) }
            @if event.count > 1 { span { "stands for " strong { (words::number(event.count)) } " uses" } }
        }
        div.columns {
            div {
                (found(&event))
                section.card {
                    h2 { "The request, as it is recorded" }
                    p.hint { "Wherever the token stood, its fingerprint stands. Other header fields and the body are not kept." }
                    pre.request tabindex="0" { (request(&event)) }
                }
            }
            div {
                section.card {
                    h2 { "Leak" }
                    @match &leak {
                        Some(leak) => {
                            p { a href={ "/leaks/" (leak.id) } { bdi { (leak.title) } } }
                            p.tags { (words::risk_tag(leak.risk)) span.tag.quiet { (words::status(leak.status)) } (words::remediation_tag(leak)) }
                        },
                        None => p { a href={ "/leaks/" (event.leak) } { (event.leak) } },
                    }
                }
                (facts(&event))
            }
        }
    };
    layout::page(&visit, "Event", body).await
}

fn found(event: &Event) -> Markup {
    let outcome = match event.action {
        EventAction::Blocked => "The request was refused: nothing of it reached the upstream.",
        EventAction::Monitored => "The request passed: the patch only monitors here.",
        EventAction::Observed => "The request passed: the leak has no patch in force here.",
    };
    html! {
        section.card {
            h2 { "Where the token was found" }
            ol.steps {
                li { code { bdi { (event.point) } } }
                @for encoding in &event.encodings { li { "undo " (encoding) } }
                li { "token " code { (event.fingerprint) } }
            }
            p { (outcome) @if let Some(status) = event.response_status { " The client got " strong { (status) } "." } }
        }
    }
}

/// What is recorded of the request, as it might have been sent.
fn request(event: &Event) -> Markup {
    let lines: [(&str, Option<&str>); 4] = [
        ("Host", Some(&event.host)),
        ("User-Agent", event.user_agent.as_deref()),
        ("X-Forwarded-For", event.forwarded_for.as_deref()),
        ("X-Request-Id", Some(&event.request_id)),
    ];
    let print = event.fingerprint.as_str();
    html! {
        (event.method) " " bdi { (marked(&event.path, print)) } "\n"
        @for (name, value) in lines { @if let Some(value) = value { (name) ": " bdi { (marked(value, print)) } "\n" } }
    }
}

/// A text with the token's fingerprint made visible.
fn marked(text: &str, print: &str) -> Markup {
    let mut parts = text.split(print);
    html! {
        (parts.next().unwrap_or_default())
        @for part in parts { mark { (print) } (part) }
    }
}

fn facts(event: &Event) -> Markup {
    html! {
        section.card {
            h2 { "About" }
            dl.facts {
                dt { "Client" } dd { a href={ "/events?source_ip=" (event.source_ip) } { code { (event.source_ip) } } }
                dt { "Connection from" } dd { code { (event.peer_ip) } }
                @if let Some(name) = &event.client_cert { dt { "Client certificate" } dd { bdi { (name) } } }
                dt { "Token" } dd { a href={ "/events?token=" (event.token) } { code { (event.fingerprint) } } }
                dt { "Type" } dd { (event.kind.name()) }
                dt { "Gateway" } dd { bdi { (event.gateway) } }
                dt { "Request id" } dd { code { bdi { (event.request_id) } } }
                dt { "Tenant" } dd { (event.tenant) }
            }
        }
    }
}
