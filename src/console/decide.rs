//! What the forms of a leak's page do.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use jiff::SignedDuration;

use super::decisions;
use super::form::Form;
use super::leak::id;
use super::refused::Answer;
use super::visit::Sent;
use crate::control::{Decided, PatchRequest, Problem};
use crate::model::clock;
use crate::model::leak::{Decision, Leak, Resolution};
use crate::model::rule::{ExceptClient, PatchMode, Scope};

/// The field with the reason why a decision cannot wait for another person.
pub(super) const BREAK_GLASS: &str = "break_glass";

/// How long a client is spared.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

pub(super) async fn comment(Path(text): Path<String>, sent: Sent) -> Answer {
    let id = id(&text)?;
    sent.visit.desk.comment(id, sent.form.text("text").unwrap_or_default()).await?;
    Ok(Redirect::to(&format!("/leaks/{id}?done=commented")).into_response())
}

pub(super) async fn decide(Path((text, name)): Path<(String, String)>, sent: Sent) -> Answer {
    let id = id(&text)?;
    let (desk, form) = (&sent.visit.desk, &sent.form);
    if name == "spare" {
        let leak = desk.leak(id).await?;
        let done = of(&desk.apply(id, spared(form, &leak)?).await?, "patched");
        return Ok(Redirect::to(&format!("/leaks/{id}?done={done}")).into_response());
    }
    let decision =
        Decision::ALL.iter().copied().find(|decision| decisions::path(*decision) == name);
    let decision = decision.ok_or_else(|| Problem::not_found("decision"))?;
    let comment = form.text("comment");
    let resolution = form.text("resolution").and_then(|name| Resolution::from_name(&name));
    let done = match decision {
        Decision::ApplyVirtualPatch => {
            let before = desk.leak(id).await?;
            of(&desk.apply(id, patch(form, &before, comment)?).await?, "patched")
        }
        other => {
            let decided =
                desk.decide(id, other, resolution, comment, form.text(BREAK_GLASS)).await?;
            let done = match other {
                Decision::Close => "closed",
                Decision::MarkFalse => "false",
                Decision::Reopen => "reopened",
                _ => "unpatched",
            };
            of(&decided, done)
        }
    };
    Ok(Redirect::to(&format!("/leaks/{id}?done={done}")).into_response())
}

/// What was done, or that another person is asked for it.
fn of(decided: &Decided, done: &'static str) -> &'static str {
    match decided {
        Decided::Made(_) => done,
        Decided::Proposed(_) => "proposed",
    }
}

/// The patch in force, or one everywhere where there is none, to block all but one more client that
/// it spares.
fn spared(form: &Form, leak: &Leak) -> Result<PatchRequest, Problem> {
    let patch = leak.virtual_patch.as_ref();
    let before = patch.map(|patch| patch.scope.clone()).unwrap_or_default();
    let scope = Scope { except_clients: with_spared(form, leak)?, ..before };
    Ok(PatchRequest {
        mode: Some(PatchMode::Block),
        scope: Some(scope),
        expires_at: patch.and_then(|patch| patch.expires_at),
        force: patch.is_some_and(|patch| patch.force),
        tokens: None,
        break_glass: form.text(BREAK_GLASS),
        comment: None,
    })
}

/// The clients that the patch in force spares, and the one that the form adds for a while.
fn with_spared(form: &Form, leak: &Leak) -> Result<Vec<ExceptClient>, Problem> {
    let now = clock::now();
    let patch = leak.virtual_patch.as_ref();
    let mut spared = patch.map(|patch| patch.scope.except_clients.clone()).unwrap_or_default();
    spared.retain(|except| except.until.is_none_or(|until| until > now));
    if let Some(text) = form.text("except") {
        let client = text.parse().map_err(|_| {
            Problem::invalid(
                "the client to spare",
                "it is an address such as 203.0.113.7, a network, or cert: and a certificate’s name",
            )
        })?;
        spared.retain(|except| except.client != client);
        spared.push(ExceptClient { client, until: now.checked_add(GRACE).ok() });
    }
    Ok(spared)
}

/// The patch that a form asks for. What the form does not have stays as the patch in force has it.
fn patch(form: &Form, leak: &Leak, comment: Option<String>) -> Result<PatchRequest, Problem> {
    let before = leak.virtual_patch.as_ref();
    let except_clients = with_spared(form, leak)?;
    let mode = form.text("mode").and_then(|name| PatchMode::from_name(&name));
    Ok(PatchRequest {
        mode: Some(mode.ok_or_else(|| Problem::invalid("mode", "choose block or monitoring"))?),
        scope: Some(Scope {
            hosts: form.entries("hosts"),
            path_prefixes: form.entries("path_prefixes"),
            methods: form.entries("methods"),
            except_clients,
            boundary: before.map(|patch| patch.scope.boundary).unwrap_or_default(),
        }),
        expires_at: before.and_then(|patch| patch.expires_at),
        force: form.has("force"),
        tokens: None,
        break_glass: form.text(BREAK_GLASS),
        comment,
    })
}
