//! Add leak.

use axum::response::{IntoResponse, Redirect};
use http::StatusCode;
use maud::{Markup, html};

use super::refused::Answer;
use super::visit::{Sent, Visit};
use super::{layout, words};
use crate::control::{NewLeak, Problem};
use crate::model::leak::{Risk, Source, SourceKind};
use crate::model::role::Permission;

/// The texts of the form as they were sent; never the tokens.
#[derive(Clone)]
struct Texts {
    title: Option<String>,
    comment: Option<String>,
    owner: Option<String>,
    contact: Option<String>,
    url: Option<String>,
    risk: Risk,
    source: SourceKind,
}

pub(super) async fn show(visit: Visit) -> Answer {
    let none = Texts {
        title: None,
        comment: None,
        owner: None,
        contact: None,
        url: None,
        risk: Risk::High,
        source: SourceKind::Manual,
    };
    let body = page(&visit, &none, None);
    layout::page(&visit, "Add leak", body).await
}

pub(super) async fn register(sent: Sent) -> Answer {
    let Sent { visit, form } = sent;
    let texts = Texts {
        title: form.text("title"),
        comment: form.text("comment"),
        owner: form.text("owner"),
        contact: form.text("contact"),
        url: form.text("url"),
        risk: form.text("risk").and_then(|name| Risk::from_name(&name)).unwrap_or(Risk::High),
        source: form
            .text("source")
            .and_then(|name| SourceKind::from_name(&name))
            .unwrap_or(SourceKind::Manual),
    };
    let new = NewLeak {
        title: texts.title.clone().unwrap_or_default(),
        risk: Some(texts.risk),
        exposed_at: None,
        source: Some(Source { url: texts.url.clone(), ..Source::of_kind(texts.source) }),
        tokens: form.secret_lines("tokens"),
        token_digests: Vec::new(),
        kind: None,
        owner: texts.owner.clone(),
        contact: texts.contact.clone(),
        comment: texts.comment.clone(),
    };
    match visit.desk.register(new).await {
        Ok(Some(registered)) => {
            let done = if registered.created { "registered" } else { "known" };
            Ok(Redirect::to(&format!("/leaks/{}?done={done}", registered.leak.id)).into_response())
        }
        Ok(None) => Ok(Redirect::to("/leaks?done=known").into_response()),
        Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            let body = page(&visit, &texts, Some(&problem));
            let mut response = layout::page(&visit, "Add leak", body).await?;
            *response.status_mut() = problem.status();
            Ok(response)
        }
        Err(problem) => Err(problem.into()),
    }
}

fn page(visit: &Visit, texts: &Texts, problem: Option<&Problem>) -> Markup {
    html! {
        section.card.narrow {
            p.crumbs { a href="/leaks" { "API leaks" } }
            h1 { "Add leak" }
            @if visit.desk.may(Permission::Register) {
                p.hint { "Nothing is blocked by this: the tokens are watched, and you see who uses them before you decide." }
                @if let Some(problem) = problem {
                    p.error role="alert" { (problem.detail()) " Enter the tokens again: they are not kept." }
                }
                form.stack method="post" action="/leaks/new" {
                    (layout::csrf(visit))
                    label { "Title" input name="title" value=[texts.title.as_deref()] required maxlength="256" placeholder="Deploy token in a public repository"; }
                    label { "Tokens, one a line" textarea name="tokens" rows="5" required spellcheck="false" autocomplete="off" autocapitalize="none" {} }
                    p.hint { "Kept encrypted, and shown to nobody again." }
                    label { "Risk"
                        select name="risk" { @for risk in Risk::ALL { option value=(risk.name()) selected[*risk == texts.risk] { (words::plain(risk.name())) } } }
                    }
                    label { "Where it was seen"
                        select name="source" { @for kind in SourceKind::ALL { option value=(kind.name()) selected[*kind == texts.source] { (words::source_kind(*kind)) } } }
                    }
                    label { "Its address" input name="url" value=[texts.url.as_deref()] maxlength="2048" placeholder="https://…"; }
                    label { "Owner" input name="owner" value=[texts.owner.as_deref()] maxlength="256" placeholder="whose tokens they are"; }
                    label { "Contact" input name="contact" value=[texts.contact.as_deref()] maxlength="256" placeholder="whom to call"; }
                    label { "Description" textarea name="comment" rows="3" maxlength="8192" { (texts.comment.as_deref().unwrap_or_default()) } }
                    button.primary type="submit" { "Add leak" }
                }
            } @else {
                p { "Your role sees and comments; administrators register leaks." }
            }
        }
    }
}
