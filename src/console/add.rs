//! Add leak: tokens typed in, or another scanner's report. Nothing is registered here: what comes in
//! is looked at first.

use axum::response::{IntoResponse, Redirect};
use http::StatusCode;
use maud::{Markup, html};

use super::form::Form;
use super::refused::Answer;
use super::visit::{Sent, SentFiles, Visit};
use super::{layout, words};
use crate::control::{NewLeak, NewReport, Problem};
use crate::model::leak::{Risk, Source, SourceKind};
use crate::model::role::Permission;
use crate::model::rule::PatchMode;

/// The forms of reports, as the API names them, and what they are called.
const FORMATS: [(&str, &str); 8] = [
    ("auto", "told from its beginning"),
    ("kingfisher", "Kingfisher"),
    ("gitleaks", "Gitleaks"),
    ("betterleaks", "Betterleaks"),
    ("trufflehog", "TruffleHog"),
    ("sarif", "SARIF"),
    ("csv", "CSV"),
    ("list", "plain list"),
];

/// The texts of the forms as they were sent; never the tokens.
#[derive(Clone, Default)]
struct Texts {
    title: Option<String>,
    comment: Option<String>,
    owner: Option<String>,
    contact: Option<String>,
    url: Option<String>,
    risk: Option<Risk>,
    source: Option<SourceKind>,
    /// Whether they are of a report.
    report: bool,
}

impl Texts {
    fn of(form: &Form) -> Self {
        Self {
            title: form.text("title"),
            comment: form.text("comment"),
            owner: form.text("owner"),
            contact: form.text("contact"),
            url: form.text("url"),
            risk: form.text("risk").and_then(|name| Risk::from_name(&name)),
            source: form.text("source").and_then(|name| SourceKind::from_name(&name)),
            report: false,
        }
    }
}

pub(super) async fn show(visit: Visit) -> Answer {
    let body = page(&visit, &Texts::default(), None);
    layout::page(&visit, "Add leak", body).await
}

/// Takes tokens that were typed in to the page where they are looked at.
pub(super) async fn review_leak(sent: Sent) -> Answer {
    let Sent { visit, form } = sent;
    let texts = Texts::of(&form);
    let kind = texts.source.unwrap_or(SourceKind::Manual);
    let new = NewLeak {
        title: texts.title.clone().unwrap_or_default(),
        risk: texts.risk,
        exposed_at: None,
        source: Some(Source { url: texts.url.clone(), ..Source::of_kind(kind) }),
        tokens: form.secret_lines("tokens"),
        token_digests: Vec::new(),
        kind: None,
        owner: texts.owner.clone(),
        contact: texts.contact.clone(),
        comment: texts.comment.clone(),
    };
    match visit.desk.draft_leak(new).await {
        Ok(id) => Ok(Redirect::to(&format!("/drafts/{id}")).into_response()),
        Err(problem) => again(&visit, &texts, problem).await,
    }
}

/// Takes a report to the page where it is looked at.
pub(super) async fn review_report(sent: SentFiles) -> Answer {
    let SentFiles(Sent { visit, form }) = sent;
    let texts = Texts { report: true, ..Texts::of(&form) };
    let file = form.secret("file");
    let text = if file.is_empty() { form.secret("report") } else { file };
    let report = NewReport {
        text,
        format: form.text("format"),
        title: texts.title.clone(),
        risk: texts.risk,
        source_kind: texts.source,
        patch: form.text("decision").and_then(|name| PatchMode::from_name(&name)),
    };
    match visit.desk.draft_report(report).await {
        Ok(id) => Ok(Redirect::to(&format!("/drafts/{id}")).into_response()),
        Err(problem) => again(&visit, &texts, problem).await,
    }
}

/// The form again, with what is wrong; other problems have a page of their own.
async fn again(visit: &Visit, texts: &Texts, problem: Problem) -> Answer {
    if problem.status() != StatusCode::UNPROCESSABLE_ENTITY {
        return Err(problem.into());
    }
    let body = page(visit, texts, Some(&problem));
    let mut response = layout::page(visit, "Add leak", body).await?;
    *response.status_mut() = problem.status();
    Ok(response)
}

fn page(visit: &Visit, texts: &Texts, problem: Option<&Problem>) -> Markup {
    let wrong = |report: bool| problem.filter(|_| texts.report == report);
    let none = Texts::default();
    let of = |report: bool| if texts.report == report { texts } else { &none };
    html! {
        p.crumbs { a href="/leaks" { "API leaks" } }
        h1 { "Add leak" }
        @if visit.desk.may(Permission::Register) {
            p.hint { "First you see what would be registered. Then its tokens are watched: nothing is blocked until somebody decides to." }
            div.halves {
                (leak_form(visit, of(false), wrong(false)))
                (report_form(visit, of(true), wrong(true)))
            }
        } @else {
            section.card.narrow { p { "Your role sees and comments; administrators register leaks." } }
        }
    }
}

fn said(problem: Option<&Problem>) -> Markup {
    html! { @if let Some(problem) = problem { p.error role="alert" { (problem.detail()) " Enter the tokens again: they are not kept." } } }
}

fn risks(chosen: Option<Risk>, none: Option<&str>) -> Markup {
    html! {
        select name="risk" {
            @if let Some(none) = none { option value="" { (none) } }
            @for risk in Risk::ALL { option value=(risk.name()) selected[Some(*risk) == chosen] { (words::plain(risk.name())) } }
        }
    }
}

fn sources(chosen: Option<SourceKind>, none: Option<&str>) -> Markup {
    html! {
        select name="source" {
            @if let Some(none) = none { option value="" { (none) } }
            @for kind in SourceKind::ALL { option value=(kind.name()) selected[Some(*kind) == chosen] { (words::source_kind(*kind)) } }
        }
    }
}

fn leak_form(visit: &Visit, texts: &Texts, problem: Option<&Problem>) -> Markup {
    let source = texts.source.unwrap_or(SourceKind::Manual);
    html! {
        section.card #leak {
            h2 { "Tokens of one leak" }
            (said(problem))
            form.stack method="post" action="/leaks/new" {
                (layout::csrf(visit))
                label { "Title" input name="title" value=[texts.title.as_deref()] required maxlength="256" placeholder="Deploy token in a public repository"; }
                label { "Tokens, one a line" textarea.tokens name="tokens" rows="5" required spellcheck="false" autocomplete="off" autocapitalize="none" {} }
                p.hint { "Kept encrypted, and shown to nobody again." }
                div.pair {
                    label { "Risk" (risks(texts.risk, Some("computed from what is known"))) }
                    label { "Where it was seen" (sources(Some(source), None)) }
                }
                label { "Its address" input name="url" value=[texts.url.as_deref()] maxlength="2048" placeholder="https://…"; }
                div.pair {
                    label { "Owner" input name="owner" value=[texts.owner.as_deref()] maxlength="256" placeholder="whose tokens they are"; }
                    label { "Contact" input name="contact" value=[texts.contact.as_deref()] maxlength="256" placeholder="whom to call"; }
                }
                label { "Description" textarea name="comment" rows="3" maxlength="8192" { (texts.comment.as_deref().unwrap_or_default()) } }
                button.primary type="submit" { "Review" }
            }
        }
    }
}

fn report_form(visit: &Visit, texts: &Texts, problem: Option<&Problem>) -> Markup {
    html! {
        section.card #report {
            h2 { "A scanner’s report" }
            (said(problem))
            form.stack method="post" action="/leaks/new/report" enctype="multipart/form-data" {
                (layout::csrf(visit))
                div.drop #drop {
                    label { "File, up to 16 MiB" input type="file" name="file"; }
                    p.hint #dropped { "Kingfisher, Gitleaks, Betterleaks, TruffleHog, SARIF, CSV, or one token a line." }
                }
                label { "Or the report itself" textarea.tokens name="report" rows="5" spellcheck="false" autocomplete="off" autocapitalize="none" {} }
                div.pair {
                    label { "Format" select name="format" { @for (value, name) in FORMATS { option value=(value) { (name) } } } }
                    label { "Title before each" input name="title" value=[texts.title.as_deref()] maxlength="256" placeholder="Scan of acme/deploy"; }
                }
                div.pair {
                    label { "Risk" (risks(texts.risk, Some("as the report says, or computed"))) }
                    label { "Where it was seen" (sources(texts.source, Some("as the report says"))) }
                }
                @if visit.desk.may(Permission::Decide) {
                    label { "Decide at once"
                        select name="decision" {
                            option value="" { "no: watch them" }
                            option value="monitoring" { "patch them all, to monitor" }
                            option value="block" { "patch them all, to block" }
                        }
                    }
                }
                button.primary type="submit" { "Review" }
                p.hint { "Larger ones: " code { "leakgate import FILE" } }
            }
        }
    }
}
