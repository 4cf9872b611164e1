//! The calls of the API for those who ask in this process, which are the console's pages: the same
//! functions behind the same check.

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use http::Uri;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::conditions::NoKey;
use super::extract::{self, Body, FromQuery, Id};
use super::{api_tokens, bypass, events, leak_details, leaks, overview, tenants, users};
use crate::config::limits;
use crate::control::api::api_tokens::NewlyMadeApiToken;
use crate::control::bypass::BypassState;
use crate::control::decisions::{self, Decided, PatchRequest};
use crate::control::intake::{Answer, NewLeak, RegisteredLeak};
use crate::control::problem::Problem;
use crate::control::{ChangedUser, Control, GatewayState, NewUser, Visitor};
use crate::model::ids::{ApiTokenId, LeakId, UserId};
use crate::model::leak::{Comment, Decision, HistoryEntry, Leak, Resolution};
use crate::model::role::Permission;
use crate::store::identity::{Tenant, User};
use crate::store::types::{ApiToken, AuditEntry, EventPage, Impact, LeakPage, Page, Stats};

/// The API as one visitor has it. Each function is the call of the same name, with its permission;
/// a `query` is that of the call, such as `risk=high&limit=20`.
#[derive(Clone)]
pub struct Desk {
    control: Control,
    visitor: Visitor,
}

/// The body of a form that a browser sends: its type checked, whole, within the API's limit, in
/// memory that is wiped afterwards.
///
/// # Errors
/// Where it is another thing, too long or too slow.
pub async fn form_body(request: Request) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let kind = request.headers().get(http::header::CONTENT_TYPE);
    let is_form = kind.is_some_and(|kind| {
        let essence = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    });
    if !is_form {
        return Err(Problem::unsupported_media_type("send the form as the page has it"));
    }
    extract::read(request, limits::API_BODY_BYTES).await
}

pub(super) async fn query<T: DeserializeOwned>(query: &str) -> Result<FromQuery<T>, Problem> {
    let unreadable = || Problem::malformed("the query is not a list of name=value");
    let uri: Uri = format!("/?{query}").parse().map_err(|_| unreadable())?;
    let (mut parts, ()) =
        http::Request::builder().uri(uri).body(()).map_err(|_| unreadable())?.into_parts();
    FromQuery::from_request_parts(&mut parts, &()).await
}

impl Desk {
    /// The API for this visitor.
    pub fn new(control: Control, visitor: Visitor) -> Self {
        Self { control, visitor }
    }

    /// Who asks.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// Where they ask.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Whether the visitor's role holds this permission.
    pub fn may(&self, permission: Permission) -> bool {
        self.visitor.actor.role.may(permission)
    }

    /// What every call is given, where the visitor's role holds its permission.
    pub(super) fn ask(&self, permission: Permission) -> Result<(State<Control>, Visitor), Problem> {
        if !self.may(permission) {
            return Err(Problem::forbidden(self.visitor.actor.role, permission));
        }
        Ok((State(self.control.clone()), self.visitor.clone()))
    }

    /// A page of leaks.
    ///
    /// # Errors
    /// As the call.
    pub async fn leaks(&self, of: &str) -> Result<LeakPage, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(leaks::list(control, caller, query(of).await?).await?.0)
    }

    /// One leak.
    ///
    /// # Errors
    /// As the call.
    pub async fn leak(&self, id: LeakId) -> Result<Leak, Problem> {
        let (State(control), caller) = self.ask(Permission::See)?;
        let actor = control.at_leak(&caller, id).await?;
        Ok(control.store().leak(&actor.tenant, id).await?)
    }

    /// Registers a leak. Absent: the tokens are known, and the visitor may not see whose they are.
    ///
    /// # Errors
    /// As the call.
    pub async fn register(&self, new: NewLeak) -> Result<Option<RegisteredLeak>, Problem> {
        let (State(control), caller) = self.ask(Permission::Register)?;
        Ok(match control.register(&caller.actor, new, None).await? {
            Answer::Leak(registered) => Some(*registered),
            Answer::Known(_) => None,
        })
    }

    /// Applies a virtual patch, or changes the one in force.
    ///
    /// # Errors
    /// As the call.
    pub async fn apply(&self, id: LeakId, patch: PatchRequest) -> Result<Decided, Problem> {
        let (State(control), caller) = self.ask(Permission::Decide)?;
        let actor = control.at_leak(&caller, id).await?;
        control.decide(&actor, id, decisions::apply(patch)?).await
    }

    /// Makes any other decision about a leak; where a reason is given why it cannot wait for another
    /// person, in haste.
    ///
    /// # Errors
    /// As the call.
    pub async fn decide(
        &self,
        id: LeakId,
        decision: Decision,
        resolution: Option<Resolution>,
        comment: Option<String>,
        break_glass: Option<String>,
    ) -> Result<Decided, Problem> {
        let (State(control), caller) = self.ask(Permission::Decide)?;
        let decide = decisions::plain(decision, resolution, comment);
        let decide = decisions::in_haste(decide, break_glass)?;
        let actor = control.at_leak(&caller, id).await?;
        control.decide(&actor, id, decide).await
    }

    /// Who decided what about a leak.
    ///
    /// # Errors
    /// As the call.
    pub async fn history(&self, id: LeakId) -> Result<Vec<HistoryEntry>, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(leak_details::history(control, caller, Id(id)).await?.0.items)
    }

    /// What was said about a leak.
    ///
    /// # Errors
    /// As the call.
    pub async fn comments(&self, id: LeakId) -> Result<Vec<Comment>, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(leak_details::comments(control, caller, Id(id)).await?.0.items)
    }

    /// Says something about a leak.
    ///
    /// # Errors
    /// As the call.
    pub async fn comment(&self, id: LeakId, text: String) -> Result<Comment, Problem> {
        let (control, caller) = self.ask(Permission::Comment)?;
        let new = Body::of_value(json!({ "text": text }))?;
        Ok(leak_details::comment(control, caller, Id(id), new).await?.1.0)
    }

    /// What a patch would do.
    ///
    /// # Errors
    /// As the call.
    pub async fn impact(&self, id: LeakId) -> Result<Impact, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(leak_details::impact(control, caller, Id(id)).await?.0)
    }

    /// A page of events.
    ///
    /// # Errors
    /// As the call.
    pub async fn events(&self, of: &str) -> Result<EventPage, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(events::list(control, caller, query(of).await?).await?.0)
    }

    /// The numbers behind diagrams.
    ///
    /// # Errors
    /// As the call.
    pub async fn stats(&self) -> Result<Stats, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(overview::stats(control, caller).await?.0)
    }

    /// Who did what.
    ///
    /// # Errors
    /// As the call.
    pub async fn audit(&self, of: &str) -> Result<Page<AuditEntry>, Problem> {
        let (control, caller) = self.ask(Permission::Audit)?;
        Ok(overview::audit(control, caller, query(of).await?).await?.0)
    }

    /// Every gateway.
    ///
    /// # Errors
    /// As the call.
    pub async fn gateways(&self) -> Result<Vec<GatewayState>, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(overview::gateways(control, caller).await.0.items)
    }

    /// How the bypass switch stands.
    ///
    /// # Errors
    /// As the call.
    pub async fn bypass(&self) -> Result<BypassState, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        Ok(bypass::show(control, caller).await?.0)
    }

    /// Turns the bypass switch: the call's body.
    ///
    /// # Errors
    /// As the call.
    pub async fn turn_bypass(&self, body: Value) -> Result<BypassState, Problem> {
        let (control, caller) = self.ask(Permission::Decide)?;
        Ok(bypass::turn(control, caller, Body::of_value(body)?).await?.0)
    }

    /// A page of users.
    ///
    /// # Errors
    /// As the call.
    pub async fn users(&self, of: &str) -> Result<Page<User>, Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        Ok(users::list(control, caller, query(of).await?).await?.0)
    }

    /// Makes a user.
    ///
    /// # Errors
    /// As the call.
    pub async fn add_user(&self, new: NewUser) -> Result<User, Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        Ok(users::create(control, caller, Body(new)).await?.2.0)
    }

    /// Changes a user.
    ///
    /// # Errors
    /// As the call.
    pub async fn change_user(&self, id: UserId, change: ChangedUser) -> Result<User, Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        Ok(users::change(control, caller, Id(id), Body(change)).await?.0)
    }

    /// Removes a user.
    ///
    /// # Errors
    /// As the call.
    pub async fn remove_user(&self, id: UserId) -> Result<(), Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        users::remove(control, caller, Id(id)).await.map(drop)
    }

    /// All API tokens.
    ///
    /// # Errors
    /// As the call.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>, Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        Ok(api_tokens::list(control, caller).await?.0.items)
    }

    /// Makes an API token: the call's body.
    ///
    /// # Errors
    /// As the call.
    pub async fn add_api_token(&self, body: Value) -> Result<NewlyMadeApiToken, Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        Ok(api_tokens::create(control, caller, NoKey, Body::of_value(body)?).await?.1.0)
    }

    /// Revokes an API token.
    ///
    /// # Errors
    /// As the call.
    pub async fn revoke_api_token(&self, id: ApiTokenId) -> Result<(), Problem> {
        let (control, caller) = self.ask(Permission::Administer)?;
        api_tokens::revoke(control, caller, Id(id)).await.map(drop)
    }

    /// The tenants that the visitor reaches.
    ///
    /// # Errors
    /// As the call.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, Problem> {
        let (control, caller) = self.ask(Permission::See)?;
        let Json(found) = tenants::list(control, caller).await?;
        Ok(found.items)
    }

    /// Gives a tenant another title: the call's body.
    ///
    /// # Errors
    /// As the call.
    pub async fn change_tenant(&self, id: String, body: Value) -> Result<Tenant, Problem> {
        let (control, caller) = self.ask(Permission::ManageTenants)?;
        Ok(tenants::change(control, caller, Id(id), Body::of_value(body)?).await?.0)
    }

    /// Removes a tenant.
    ///
    /// # Errors
    /// As the call.
    pub async fn remove_tenant(&self, id: String) -> Result<(), Problem> {
        let (control, caller) = self.ask(Permission::ManageTenants)?;
        tenants::remove(control, caller, Id(id)).await.map(drop)
    }

    /// Makes a tenant: the call's body.
    ///
    /// # Errors
    /// As the call.
    pub async fn add_tenant(&self, body: Value) -> Result<Tenant, Problem> {
        let (control, caller) = self.ask(Permission::ManageTenants)?;
        Ok(tenants::create(control, caller, Body::of_value(body)?).await?.2.0)
    }
}
