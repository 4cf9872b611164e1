//! A leak: everything about it.

use axum::extract::Path;
use maud::{Markup, html};

use super::refused::Answer;
use super::visit::Visit;
use super::{decisions, events, layout, words};
use crate::control::{Impact, Problem};
use crate::model::ids::LeakId;
use crate::model::leak::{Comment, HistoryEntry, Leak};
use crate::model::role::Permission;
use crate::model::rule::PatchMode;

/// Events of a leak shown on its page.
const EVENTS: &str = "20";

pub(super) fn id(text: &str) -> Result<LeakId, Problem> {
    text.parse().map_err(|_| Problem::not_found("leak"))
}

pub(super) async fn show(Path(text): Path<String>, visit: Visit) -> Answer {
    let id = id(&text)?;
    let desk = &visit.desk;
    let leak = desk.leak(id).await?;
    let history = desk.history(id).await?;
    let comments = desk.comments(id).await?;
    let impact = desk.impact(id).await;
    let recent = desk.events(&format!("leak={id}&limit={EVENTS}")).await?;
    let body = html! {
        (layout::done(&visit))
        p.crumbs { a href="/leaks" { "API leaks" } }
        div.heading { h1 { (leak.title) } }
        p.tags {
            (words::risk_tag(leak.risk)) " "
            span.tag.quiet { (words::status(leak.status)) @if let Some(why) = leak.resolution { ", " (words::resolution(why).to_lowercase()) } } " "
            (words::remediation_tag(&leak))
        }
        div.columns {
            div {
                (facts(&leak))
                (tokens(&leak))
                (impact_card(&visit, &leak, impact))
                section.card {
                    h2 { "Events" }
                    (events::table(&recent.items, "No request has carried one of these tokens yet."))
                    @if !recent.items.is_empty() { p { a href={ "/events?leak=" (id) } { "All events of this leak" } } }
                }
            }
            div {
                (decisions::card(&visit, &leak))
                (talk(&visit, &leak, &comments))
                (timeline(&history))
            }
        }
    };
    layout::page(&visit, &leak.title, body).await
}

fn facts(leak: &Leak) -> Markup {
    html! {
        section.card {
            h2 { "About" }
            dl.facts {
                dt { "Owner" } dd { (leak.owner.as_deref().unwrap_or("nobody named")) }
                dt { "Contact" } dd { (leak.contact.as_deref().unwrap_or("nobody named")) }
                dt { "Kind" } dd { (leak.kind) }
                dt { "Detected" } dd { (words::plain(leak.detected_by.name())) }
                dt { "First seen" } dd { (words::time(leak.created_at)) }
                dt { "Last use" } dd { (words::time_or(leak.last_event_at, "none seen")) }
                dt { "Uses, 24 h" } dd { (leak.events_24h) }
                dt { "Tenant" } dd { (leak.tenant) }
                @if let Some(comment) = &leak.comment { dt { "Description" } dd.prose { (comment) } }
                @if let Some(reason) = &leak.remediation_reason { dt { "No rule can be made" } dd { (reason) } }
                dt { "Seen at" }
                dd { ul { @for place in &leak.sources { li { (words::source_kind(place.kind)) " " (words::source(place)) } } } }
            }
        }
    }
}

fn tokens(leak: &Leak) -> Markup {
    html! {
        section.card {
            h2 { (words::many(leak.token_count, "token", "tokens")) }
            div.scroll {
                table.list {
                    thead { tr { th scope="col" { "Token" } th scope="col" { "Fingerprint" } th scope="col" { "Kind" } th scope="col" { "Validity" } th scope="col" { "Last use" } } }
                    tbody {
                        @for token in &leak.tokens {
                            tr {
                                th scope="row" { code.token { (token.masked) } @if let Some(reason) = &token.not_applicable { div.warn { "No rule: " (reason) } } }
                                td data-label="Fingerprint" { code { (token.fingerprint.short()) } }
                                td data-label="Kind" { (token.kind) }
                                td data-label="Validity" { (words::validity(token.validity)) }
                                td data-label="Last use" { (words::time_or(token.last_used_at, "none seen")) }
                            }
                        }
                    }
                }
            }
            @if leak.token_count > leak.tokens.len() as u64 { p.hint { "The first " (leak.tokens.len()) " of " (leak.token_count) "." } }
        }
    }
}

fn impact_card(visit: &Visit, leak: &Leak, impact: Result<Impact, Problem>) -> Markup {
    let blocks = leak.virtual_patch.as_ref().is_some_and(|patch| patch.mode == PatchMode::Block);
    let spares = blocks && visit.desk.may(Permission::Decide);
    let impact = match impact {
        Ok(impact) => impact,
        Err(problem) => {
            return html! { section.card { h2 { "Impact of a patch" } p.error { (problem.detail()) } } };
        }
    };
    html! {
        section.card #impact {
            h2 { "Impact of a patch" }
            p {
                @match impact.watched_since {
                    Some(at) => { "Watched since " (words::time(at)) ". " },
                    None => "These tokens are not watched. ",
                }
                "A blocking patch would have refused "
                strong { (words::many(impact.uses_1h, "use", "uses")) } " in the last hour, "
                strong { (impact.uses_24h) } " in 24 hours, "
                strong { (impact.uses_7d) } " in 7 days."
            }
            @if impact.not_watched > 0 { p.hint { (words::many(impact.not_watched, "token is", "tokens are")) " not watched, since they could stand in honest requests." } }
            @if !impact.clients.is_empty() {
                div.scroll {
                    table.list {
                        thead { tr { th scope="col" { "Client" } th scope="col" { "Host" } th scope="col" { "Answer" } th.number scope="col" { "Uses" } th scope="col" { "Last" } th scope="col" { "New since exposure" } @if spares { th scope="col" { "Spare" } } } }
                        tbody {
                            @for row in &impact.clients {
                                tr {
                                    th scope="row" { code { (row.source_ip) } }
                                    td data-label="Host" { (row.host) }
                                    td data-label="Answer" { @match row.response_status { Some(status) => (status), None => "none" } }
                                    td.number data-label="Uses" { (row.count) }
                                    td data-label="Last" { (words::time(row.last_at)) }
                                    td data-label="New since exposure" { @match row.new_since_exposure { Some(true) => span.tag.bad { "New" }, Some(false) => "no", None => span.quiet-text { "cannot be told" } } }
                                    @if spares {
                                        td data-label="Spare" {
                                            form method="post" action={ "/leaks/" (leak.id) "/spare" } {
                                                (layout::csrf(visit))
                                                input type="hidden" name="except" value=(row.source_ip);
                                                button type="submit" aria-label={ "Spare " (row.source_ip) " for an hour" } { "For an hour" }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn talk(visit: &Visit, leak: &Leak, comments: &[Comment]) -> Markup {
    html! {
        section.card {
            h2 { "Comments" }
            @if comments.is_empty() { p.quiet-text { "Nobody has said anything yet." } }
            @for comment in comments {
                article.comment { p.prose { (comment.text) } p.quiet-text { (comment.author) ", " (words::time(comment.at)) } }
            }
            @if visit.desk.may(Permission::Comment) {
                form.stack method="post" action={ "/leaks/" (leak.id) "/comments" } {
                    (layout::csrf(visit))
                    label { "Comment" textarea name="text" rows="2" required maxlength="8192" {} }
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
                        strong { (words::plain(&entry.action)) } " by " (entry.actor) ", " (words::time(entry.at))
                        @if let Some(detail) = &entry.detail { div.quiet-text { (detail) } }
                        @if let Some(comment) = &entry.comment { div.prose { "“" (comment) "”" } }
                    }
                }
            }
        }
    }
}
