//! What would be registered, before it is; then how far that is.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};

use super::refused::Answer;
use super::visit::{Sent, Visit};
use super::{layout, words};
use crate::control::{Drafted, Import, ImportStatus, LineReason, Problem, Review, Reviewed};
use crate::model::ids::{DraftId, ImportId};
use crate::model::rule::PatchMode;

fn id(text: &str) -> Result<DraftId, Problem> {
    text.parse().map_err(|_| Problem::not_found("draft"))
}

pub(super) async fn show(Path(text): Path<String>, visit: Visit) -> Answer {
    let review = visit.desk.review(id(&text)?)?;
    let body = html! {
        p.crumbs { a href="/leaks/new" { "Add leak" } }
        h1 { "Review: nothing is registered yet" }
        (summary(&visit, &review))
        (tokens(&review))
        @if review.refused_count > 0 {
            section.card {
                h2 { (words::many(review.refused_count, "part", "parts")) " cannot be taken" }
                (reasons(&review.refused))
            }
        }
    };
    layout::page(&visit, "Review", body).await
}

fn summary(visit: &Visit, review: &Review) -> Markup {
    let warned = review.shown.iter().filter(|token| token.warning.is_some()).count() as u64;
    let known = review.shown.iter().filter(|token| token.known.is_some()).count() as u64;
    html! {
        section.card {
            dl.facts {
                @if let Some(title) = &review.title { dt { "Title" } dd { bdi { (title) } } }
                @if let Some(format) = review.format { dt { "Format" } dd #format { (words::plain(format)) } }
                dt { "Makes" } dd { (words::many(review.leaks, "leak", "leaks")) " of " (words::many(review.tokens, "token", "tokens")) @if known > 0 { ", but for those that are known" } }
                @if known > 0 { dt { "Known" } dd { (words::many(known, "token is", "tokens are")) " in another leak, which gets one more occurrence" } }
                @if warned > 0 { dt { "No rule" } dd.warn { (words::many(warned, "token", "tokens")) " could stand in honest requests: see below" } }
                dt { "Decision" } dd { @match review.patch { None => "none: they are watched", Some(PatchMode::Block) => "patched, to block", Some(PatchMode::Monitoring) => "patched, to monitor" } }
            }
            div.actions {
                @if review.tokens > 0 {
                    form method="post" action={ "/drafts/" (review.id) "/register" } {
                        (layout::csrf(visit))
                        button.primary type="submit" { "Register " (words::many(review.tokens, "token", "tokens")) }
                    }
                }
                form method="post" action={ "/drafts/" (review.id) "/discard" } {
                    (layout::csrf(visit))
                    button type="submit" { "Throw away" }
                }
            }
        }
    }
}

fn tokens(review: &Review) -> Markup {
    html! {
        @if review.shown.is_empty() { section.card { p.quiet-text { "There is no token in it." } } }
        @else {
            section.card.table-card {
                div.scroll {
                    table.list {
                        thead { tr { @if review.format.is_some() { th scope="col" { "Line" } } th scope="col" { "Token" } th scope="col" { "Kind" } th scope="col" { "Risk" } th scope="col" { "Guard" } th scope="col" { "Known" } } }
                        tbody { @for token in &review.shown { (token_row(token)) } }
                    }
                }
            }
            @if review.tokens > review.shown.len() as u64 { p.hint { "The first " (review.shown.len()) " of " (words::number(review.tokens)) "." } }
        }
    }
}

fn token_row(token: &Reviewed) -> Markup {
    html! {
        tr {
            @if let Some(line) = token.line { td data-label="Line" { (line) } }
            th scope="row" { code.token { (token.masked) } @if let Some(length) = token.length { div.kind { (length) " bytes" } } }
            td data-label="Kind" { (token.kind) }
            td data-label="Risk" { @match token.risk { Some(risk) => (words::risk_tag(risk)), None => "computed" } }
            td data-label="Guard" { @match &token.warning { Some(reason) => { span.tag.bad { "No rule" } div.warn { (reason) } }, None => span.tag.good { "Fit for a rule" } } }
            td data-label="Known" { @match &token.known { Some(leak) => a href={ "/leaks/" (leak.id) } { bdi { (leak.title) } }, None => span.quiet-text { "new" } } }
        }
    }
}

fn reasons(all: &[LineReason]) -> Markup {
    html! {
        div.scroll {
            table.list {
                thead { tr { th scope="col" { "Line" } th scope="col" { "Why" } } }
                tbody { @for reason in all { tr { td data-label="Line" { (reason.line) } td data-label="Why" { (reason.reason) } } } }
            }
        }
    }
}

pub(super) async fn register(Path(text): Path<String>, sent: Sent) -> Answer {
    let id = id(&text)?;
    let desk = &sent.visit.desk;
    let tokens = desk.review(id)?.tokens;
    let to = match desk.register_draft(id).await? {
        Drafted::Leak(Some(registered)) => {
            let done = if registered.created { "registered" } else { "known" };
            format!("/leaks/{}?done={done}", registered.leak.id)
        }
        Drafted::Leak(None) => "/leaks?done=known".to_owned(),
        Drafted::Import(import) => format!("/imports/{}?of={tokens}", import.id),
    };
    Ok(Redirect::to(&to).into_response())
}

pub(super) async fn discard(Path(text): Path<String>, sent: Sent) -> Answer {
    sent.visit.desk.discard_draft(id(&text)?)?;
    Ok(Redirect::to("/leaks?done=discarded").into_response())
}

/// How far an import is. While it runs, the page comes again by itself: by our script, and without
/// it by the browser's own means.
pub(super) async fn import(Path(text): Path<String>, visit: Visit) -> Answer {
    let id: ImportId = text.parse().map_err(|_| Problem::not_found("import"))?;
    let import = visit.desk.import(id).await?;
    let of = visit.value("of").and_then(|of| of.parse::<u64>().ok());
    let running = import.status == ImportStatus::Running;
    let head = html! { @if running { noscript { meta http-equiv="refresh" content="2"; } } };
    let body = html! {
        p.crumbs { a href="/sources" { "Sources" } }
        h1 { "Import" }
        section.card data-refresh=[running.then_some("1000")] #import { (progress(&import, of)) }
        @if import.refused_count > 0 { section.card { h2 { (words::many(import.refused_count, "part was", "parts were")) " not taken" } (reasons(&import.refused)) } }
        @if !import.unpatched.is_empty() { section.card { h2 { "Leaks to which no patch could be applied" } (reasons(&import.unpatched)) } }
        @if !running { p { a.button.primary href="/leaks" { "To the leaks" } } }
    };
    layout::page_with(&visit, "Import", &head, body).await
}

/// An import's bar and numbers.
pub(super) fn progress(import: &Import, of: Option<u64>) -> Markup {
    let done = import.tokens + import.merged;
    let whole = import.status == ImportStatus::Finished;
    html! {
        p role="status" {
            @match import.status {
                ImportStatus::Running => span.tag.watch { "Under way" },
                ImportStatus::Finished => span.tag.good { "Finished" },
                ImportStatus::Failed => span.tag.bad { "Failed" },
            }
            " " (words::many(import.leaks, "leak", "leaks")) " made, " (words::many(import.tokens, "token", "tokens")) " new, " (words::number(import.merged)) " known"
            @if import.refused_count > 0 { ", " (words::many(import.refused_count, "part", "parts")) " not taken" }
        }
        @if whole { progress value="1" max="1" aria-label="Progress" {} }
        @else if let Some(of) = of.filter(|of| *of > 0) { progress value=(done.min(of)) max=(of) aria-label="Progress" {} }
        @else if import.status == ImportStatus::Running { progress aria-label="Progress" {} }
        @if let Some(problem) = &import.problem { p.error { (problem.detail()) } }
        p.hint { "Begun " (words::time_to_seconds(import.started_at)) @if let Some(at) = import.finished_at { ", ended " (words::time_to_seconds(at)) } }
    }
}
