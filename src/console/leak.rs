//! A leak: everything about it.

use axum::extract::Path;
use maud::{Markup, html};

use super::refused::Answer;
use super::visit::Visit;
use super::{charts, decisions, events, impact, layout, proposals, words};
use crate::control::Problem;
use crate::model::ids::LeakId;
use crate::model::leak::{Comment, HistoryEntry, Leak};
use crate::model::role::Permission;
use crate::model::token::Token;

/// Events of a leak shown on its page.
const EVENTS: &str = "12";

pub(super) fn id(text: &str) -> Result<LeakId, Problem> {
    text.parse().map_err(|_| Problem::not_found("leak"))
}

pub(super) async fn show(Path(text): Path<String>, visit: Visit) -> Answer {
    let id = id(&text)?;
    let desk = &visit.desk;
    let leak = desk.leak(id).await?;
    let recent = format!("leak={id}&limit={EVENTS}");
    let (history, comments, seen, two, waiting, recent) = tokio::join!(
        desk.history(id),
        desk.comments(id),
        desk.impact(id),
        desk.four_eyes(&leak.tenant),
        proposals::of_leak(&visit, &leak),
        desk.events(&recent)
    );
    let (history, comments, two) = (history?, comments?, two?);
    let (waiting, recent) = (waiting?, recent?);
    let body = html! {
        (layout::done(&visit))
        p.crumbs { a href="/leaks" { "API leaks" } }
        div.heading {
            div { h1 { bdi { (leak.title) } } }
        }
        p.tags {
            (words::risk_tag(leak.risk))
            span.tag.quiet { (words::status(leak.status)) @if let Some(why) = leak.resolution { ", " (words::resolution(why).to_lowercase()) } }
            (words::remediation_tag(&leak))
            @if leak.events_24h > 0 {
                span { "used " strong { (words::many(leak.events_24h, "time", "times")) } " in 24 h" @if leak.events_24h > 0 { (charts::spark(&leak.events_by_hour)) } }
            }
        }
        div.columns {
            div {
                (impact::card(&visit, &leak, seen))
                (tokens(&leak))
                (facts(&leak))
            }
            div {
                (waiting)
                (decisions::card(&visit, &leak, two))
                (talk(&visit, &leak, &comments))
                (timeline(&history))
            }
        }
        section.card {
            h2 { "Events" }
            (events::table(&recent.items, "No request has carried one of these tokens yet. A use appears here within a second."))
            @if !recent.items.is_empty() { p { a href={ "/events?leak=" (id) } { "All events of this leak, live" } } }
        }
    };
    layout::page(&visit, &leak.title, body).await
}

fn facts(leak: &Leak) -> Markup {
    html! {
        section.card {
            h2 { "About" }
            dl.facts {
                dt { "Owner" } dd { (said(leak.owner.as_deref())) }
                dt { "Contact" } dd { (said(leak.contact.as_deref())) }
                dt { "Kind" } dd { bdi { (leak.kind) } }
                dt { "Detected" } dd { (words::plain(leak.detected_by.name())) }
                dt { "First seen" } dd { (words::time(leak.created_at)) }
                dt { "Last change" } dd { (words::time(leak.updated_at)) }
                dt { "Last use" } dd { (words::time_or(leak.last_event_at, "none seen")) }
                dt { "Tenant" } dd { (leak.tenant) }
                @if let Some(comment) = &leak.comment { dt { "Description" } dd.prose { bdi { (comment) } } }
                @if let Some(reason) = &leak.remediation_reason { dt { "No rule can be made" } dd { (reason) } }
            }
            h3 { (words::many(leak.sources.len() as u64, "occurrence", "occurrences")) }
            div.scroll {
                table.list {
                    thead { tr { th scope="col" { "Kind" } th scope="col" { "Place" } th scope="col" { "Commit" } } }
                    tbody {
                        @for place in &leak.sources {
                            tr {
                                td data-label="Kind" { (words::source_kind(place.kind)) }
                                td data-label="Place" { (words::source(place)) }
                                td data-label="Commit" { @if let Some(commit) = &place.commit { code { bdi { (commit) } } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn said(text: Option<&str>) -> Markup {
    match text {
        Some(text) => html! { bdi { (text) } },
        None => html! { span.quiet-text { "nobody named" } },
    }
}

fn tokens(leak: &Leak) -> Markup {
    html! {
        section.card {
            h2 { (words::many(leak.token_count, "token", "tokens")) }
            div.scroll {
                table.list {
                    thead { tr { th scope="col" { "Token" } th scope="col" { "Fingerprint" } th scope="col" { "Kind" } th scope="col" { "Validity" } th scope="col" { "Last use" } } }
                    tbody { @for token in &leak.tokens { (token_row(token)) } }
                }
            }
            @if leak.token_count > leak.tokens.len() as u64 { p.hint { "The first " (leak.tokens.len()) " of " (words::number(leak.token_count)) "." } }
        }
    }
}

fn token_row(token: &Token) -> Markup {
    html! {
        tr {
            th scope="row" { code.token { (token.masked) } @if let Some(reason) = &token.not_applicable { div.warn { "No rule: " (reason) } } }
            td data-label="Fingerprint" { code { (token.fingerprint.short()) } }
            td data-label="Kind" { (token.kind) @if let Some(length) = token.length { span.quiet-text { ", " (length) " bytes" } } }
            td data-label="Validity" { (words::validity(token.validity)) }
            td data-label="Last use" { @match token.last_used_at { Some(at) => a href={ "/events?token=" (token.id) } { (words::time(at)) }, None => span.quiet-text { "none seen" } } }
        }
    }
}

fn talk(visit: &Visit, leak: &Leak, comments: &[Comment]) -> Markup {
    html! {
        section.card {
            h2 { "Comments" }
            @if comments.is_empty() { p.quiet-text { "Nobody has said anything yet." } }
            @for comment in comments {
                article.comment { p.prose { bdi { (comment.text) } } p.hint { bdi { (comment.author) } ", " (words::time(comment.at)) } }
            }
            @if visit.desk.may(Permission::Comment) {
                form.stack.comment-form method="post" action={ "/leaks/" (leak.id) "/comments" } {
                    (layout::csrf(visit))
                    label { "Your comment" textarea name="text" rows="2" required maxlength="8192" {} }
                    button type="submit" { "Add comment" }
                }
            }
        }
    }
}

fn timeline(history: &[HistoryEntry]) -> Markup {
    html! {
        section.card {
            h2 { "History" }
            ol.history {
                @for entry in history.iter().rev() {
                    li {
                        strong { (words::plain(&entry.action)) } " by " bdi { (entry.actor) }
                        div.hint { (words::time(entry.at)) }
                        @if let Some(detail) = &entry.detail { div.quiet-text { bdi { (detail) } } }
                        @if let Some(comment) = &entry.comment { div.prose { bdi { "“" (comment) "”" } } }
                    }
                }
            }
        }
    }
}
