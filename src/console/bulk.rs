//! One decision for many leaks, and what it came to for each.

use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::decide::BREAK_GLASS;
use super::refused::Answer;
use super::visit::Sent;
use super::{layout, words};
use crate::control::{BulkAnswer, Problem};
use crate::model::leak::{Decision, Leak};

pub(super) async fn decide(sent: Sent) -> Answer {
    let ids = sent.form.all("id");
    if ids.is_empty() {
        return Err(Problem::invalid("leaks", "none is ticked: tick those to decide about").into());
    }
    let (decision, mode) = match sent.form.text("decision").as_deref() {
        Some("block") => (Decision::ApplyVirtualPatch, Some("block")),
        Some("monitoring") => (Decision::ApplyVirtualPatch, Some("monitoring")),
        Some("unpatch") => (Decision::RemoveVirtualPatch, None),
        Some("close") => (Decision::Close, None),
        Some("mark-false") => (Decision::MarkFalse, None),
        Some("reopen") => (Decision::Reopen, None),
        _ => return Err(Problem::invalid("decision", "choose one of the list").into()),
    };
    let mut body = Map::new();
    body.insert("decision".to_owned(), json!(decision));
    body.insert("ids".to_owned(), json!(ids));
    body.insert("comment".to_owned(), json!(sent.form.text("comment")));
    body.insert(BREAK_GLASS.to_owned(), json!(sent.form.text(BREAK_GLASS)));
    if let Some(mode) = mode {
        body.insert("virtual_patch".to_owned(), json!({ "mode": mode }));
    }
    if matches!(decision, Decision::Close | Decision::MarkFalse) {
        body.insert("resolution".to_owned(), json!(sent.form.text("resolution")));
    }
    let answers = sent.visit.desk.decide_many(Value::Object(body)).await?;
    let mut leaks = Vec::new();
    for answer in &answers {
        leaks.push(sent.visit.desk.leak(answer.id).await.ok());
    }
    if let ([BulkAnswer { ok: true, id, .. }], 1) = (answers.as_slice(), leaks.len()) {
        return Ok(Redirect::to(&format!("/leaks/{id}?done=changed")).into_response());
    }
    let made = answers.iter().filter(|answer| answer.ok).count();
    let proposed = answers.iter().filter(|answer| answer.proposal.is_some()).count() as u64;
    let body = html! {
        p.crumbs { a href="/leaks" { "API leaks" } }
        h1 { (words::decision(decision)) ": made for " (made) " of " (answers.len()) " leaks" }
        @if proposed > 0 { p { "It takes two persons for " (words::many(proposed, "leak", "leaks")) ": another one " a href="/proposals" { "is asked to approve it" } "." } }
        section.card.table-card {
            div.scroll {
                table.list {
                    thead { tr { th scope="col" { "Leak" } th scope="col" { "Decision" } th scope="col" { "As it now is" } } }
                    tbody { @for (answer, leak) in answers.iter().zip(&leaks) { (row(answer, leak.as_ref())) } }
                }
            }
        }
        p { a.button.primary href="/leaks" { "Back to the leaks" } }
    };
    layout::page(&sent.visit, "Decisions", body).await
}

fn row(answer: &BulkAnswer, leak: Option<&Leak>) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/leaks/" (answer.id) } { bdi { @match leak { Some(leak) => (leak.title), None => (answer.id) } } } }
            td data-label="Decision" {
                @match &answer.problem {
                    None if answer.ok => span.tag.good { "Made" },
                    None => span.tag.warm { "Another person is asked" },
                    Some(problem) => { span.tag.bad { "Not made" } div.warn { (problem.detail()) } },
                }
            }
            td data-label="As it now is" { @if let Some(leak) = leak { (words::status(leak.status)) " " (words::remediation_tag(leak)) } }
        }
    }
}
