//! More of the calls for those who ask in this process: what pages look at beside the lists, and
//! what is looked at before it is registered.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::header;
use serde_json::Value;
use zeroize::Zeroizing;

use super::desk::{Desk, query};
use super::extract::{self, Body, Id};
use super::{account, event_views, imports, sources};
use crate::config::limits;
use crate::control::bulk::{BulkAnswer, BulkRequest};
use crate::control::drafts::{Drafted, NewReport, Review};
use crate::control::intake::NewLeak;
use crate::control::once::Outcome;
use crate::control::problem::Problem;
use crate::control::{HookState, Import, NewPassword, Session};
use crate::model::event::Event;
use crate::model::ids::{DraftId, EventId, ImportId};
use crate::model::role::Permission;
use crate::store::views::{EventGroups, UserSession};

/// A form with files, as a browser sends it.
#[derive(Debug)]
pub struct Upload {
    /// What stands between its parts.
    pub boundary: String,
    /// All of it.
    pub body: Zeroizing<Vec<u8>>,
}

/// The body of a form with files: its type checked, whole, within the limit of a draft, in memory
/// that is wiped afterwards.
///
/// # Errors
/// Where it is another thing, too long or too slow.
pub async fn upload(request: Request) -> Result<Upload, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let boundary = kind.and_then(|kind| {
        let (essence, rest) = kind.split_once(';')?;
        if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let (_, boundary) = rest.split_once("boundary=")?;
        let boundary = boundary.split(';').next().unwrap_or_default().trim().trim_matches('"');
        (!boundary.is_empty() && boundary.len() <= 70).then(|| boundary.to_owned())
    });
    let boundary = boundary
        .ok_or_else(|| Problem::unsupported_media_type("send the form as the page has it"))?;
    // The other fields and what stands between the parts come on top.
    let limit = limits::DRAFT_BYTES.saturating_add(limits::REPORT_PIECE_BYTES);
    Ok(Upload { boundary, body: extract::read(request, limit).await? })
}

impl Desk {
    /// Makes one decision about many leaks: the call's body.
    ///
    /// # Errors
    /// As the call.
    pub async fn decide_many(&self, body: Value) -> Result<Vec<BulkAnswer>, Problem> {
        let (control, caller) = self.ask(Permission::Decide)?;
        let Body(request) = Body::<BulkRequest>::of_value(body)?;
        let (decide, target) = request.parts()?;
        match control.decide_many(&caller, target, decide, None).await? {
            Outcome::Done(items) => Ok(items),
            // Only calls with a key are known from before.
            Outcome::Before(_) => Err(Problem::failed()),
        }
    }

    /// One event.
    ///
    /// # Errors
    /// As the call.
    pub async fn event(&self, id: EventId) -> Result<Event, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(event_views::show(control, caller, Id(id)).await?.0)
    }

    /// Events put together.
    ///
    /// # Errors
    /// As the call.
    pub async fn event_groups(&self, of: &str) -> Result<EventGroups, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(event_views::groups(control, caller, query(of).await?).await?.0)
    }

    /// The configured hooks.
    ///
    /// # Errors
    /// As the call.
    pub async fn hooks(&self) -> Result<Vec<HookState>, Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        Ok(sources::hooks(control, caller).await.0.items)
    }

    /// The imports of this process.
    ///
    /// # Errors
    /// As the call.
    pub async fn imports(&self) -> Result<Vec<Import>, Problem> {
        let (control, caller) = self.ask(Permission::Register)?;
        Ok(sources::imports(control, caller).await.0.items)
    }

    /// How far an import is.
    ///
    /// # Errors
    /// As the call.
    pub async fn import(&self, id: ImportId) -> Result<Import, Problem> {
        let (control, caller) = self.ask(Permission::Register)?;
        Ok(imports::show(control, caller, Id(id)).await?.0)
    }

    /// The visitor's own sessions.
    ///
    /// # Errors
    /// As the call.
    pub async fn sessions(&self) -> Result<Vec<UserSession>, Problem> {
        let control = State(self.control().clone());
        Ok(account::list(control, self.visitor().clone()).await?.0.items)
    }

    /// Changes the visitor's own password.
    ///
    /// # Errors
    /// As the call.
    pub async fn change_own_password(&self, change: NewPassword) -> Result<Session, Problem> {
        self.control().change_own_password(self.visitor(), change).await
    }

    /// Keeps a leak to be looked at before it is registered.
    ///
    /// # Errors
    /// As registering it.
    pub async fn draft_leak(&self, new: NewLeak) -> Result<DraftId, Problem> {
        let (State(control), caller) = self.ask(Permission::Register)?;
        control.draft_leak(&caller, new).await
    }

    /// Keeps a report to be looked at before it is imported.
    ///
    /// # Errors
    /// As importing it.
    pub async fn draft_report(&self, report: NewReport) -> Result<DraftId, Problem> {
        let (State(control), caller) = self.ask(Permission::Register)?;
        if report.patch.is_some() {
            self.ask(Permission::Decide)?;
        }
        control.draft_report(&caller, report).await
    }

    /// What the visitor's own draft would register.
    ///
    /// # Errors
    /// Where it is gone, or the visitor may not register.
    pub fn review(&self, id: DraftId) -> Result<Arc<Review>, Problem> {
        let (State(control), caller) = self.ask(Permission::Register)?;
        control.review(&caller, id)
    }

    /// Registers what the visitor's own draft holds.
    ///
    /// # Errors
    /// Where it is gone, or as registering.
    pub async fn register_draft(&self, id: DraftId) -> Result<Drafted, Problem> {
        let (State(control), caller) = self.ask(Permission::Register)?;
        control.register_draft(&caller, id).await
    }

    /// Throws the visitor's own draft away.
    ///
    /// # Errors
    /// Where it is gone, or the visitor may not register.
    pub fn discard_draft(&self, id: DraftId) -> Result<(), Problem> {
        let (State(control), caller) = self.ask(Permission::Register)?;
        control.discard(&caller, id)
    }
}
