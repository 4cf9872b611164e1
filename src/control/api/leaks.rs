//! `/leaks` and `/leaks/{id}`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::conditions::{IfMatch, Keyed, marked, shown, tagged};
use super::extract::{Body, FromQuery, Id};
use super::{BASE, page_request, values};
use crate::config::limits;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::decisions::LeakChange;
use crate::control::intake::{Answer, KnownLeak, NewLeak, RegisteredLeak, fits};
use crate::control::once::Outcome;
use crate::control::problem::Problem;
use crate::model::ids::LeakId;
use crate::model::leak::{DetectedBy, Leak, Remediation, Risk, SourceKind, Status};
use crate::model::role::Permission;
use crate::model::token::Validity;
use crate::store::types::{Conditions, LeakPage, LeakQuery, LeakSort, PageRequest};

/// Which leaks, in which order. Of several values of one field any may fit.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, utoipa::IntoParams, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LeakFilter {
    /// Statuses.
    #[serde(deserialize_with = "values::list")]
    #[param(style = Form, explode = false)]
    status: Vec<Status>,
    /// Risk levels.
    #[serde(deserialize_with = "values::list")]
    #[param(style = Form, explode = false)]
    risk: Vec<Risk>,
    /// Kinds of source, of any occurrence.
    #[serde(deserialize_with = "values::list")]
    #[param(style = Form, explode = false)]
    source: Vec<SourceKind>,
    /// What is in force.
    #[serde(deserialize_with = "values::list")]
    #[param(style = Form, explode = false)]
    remediation: Vec<Remediation>,
    /// How it came to be known.
    #[serde(deserialize_with = "values::list")]
    #[param(style = Form, explode = false)]
    detected_by: Vec<DetectedBy>,
    /// Validity of any of its tokens.
    #[serde(deserialize_with = "values::list")]
    #[param(style = Form, explode = false)]
    validity: Vec<Validity>,
    /// Words of title, sources and comments, each by its beginning, in any order; or the first four
    /// hex digits or more of a token's fingerprint.
    q: Option<String>,
    /// `created_at`, `updated_at`, `risk`, `status`, `title`, `source` (the kind of the first one) or
    /// `remediation`, with `-` before it to turn the order around; `-created_at` where it is not said.
    sort: Option<String>,
    /// Items at most: 50 where it is not said, never more than 200.
    #[serde(deserialize_with = "values::number")]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl LeakFilter {
    /// The query for a page of the list.
    fn listed(mut self) -> Result<LeakQuery, Problem> {
        let page = page_request(self.limit.take(), self.cursor.take())?;
        self.query(page)
    }

    /// The query for all that fit, page by page.
    pub(in crate::control) fn query(self, page: PageRequest) -> Result<LeakQuery, Problem> {
        if self.limit.is_some() || self.cursor.is_some() {
            return Err(Problem::invalid("filter", "it has neither limit nor cursor here"));
        }
        let text = self.q.map(|q| q.trim().to_owned()).filter(|q| !q.is_empty());
        fits("q", text.as_deref().unwrap_or_default(), limits::FILTER_BYTES)?;
        if text.as_deref().is_some_and(|text| text.chars().any(char::is_control)) {
            return Err(Problem::invalid("q", "it holds a control character: leave it out"));
        }
        let sort = self.sort.as_deref().unwrap_or("-created_at");
        let (descending, name) = match sort.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, sort),
        };
        let sort = match name {
            "created_at" => LeakSort::CreatedAt,
            "updated_at" => LeakSort::UpdatedAt,
            "risk" => LeakSort::Risk,
            "status" => LeakSort::Status,
            "title" => LeakSort::Title,
            "source" => LeakSort::Source,
            "remediation" => LeakSort::Remediation,
            _ => {
                return Err(Problem::invalid(
                    "sort",
                    "it must be created_at, updated_at, risk, status, title, source or remediation, \
                     with - before it to turn the order around",
                ));
            }
        };
        Ok(LeakQuery {
            status: self.status,
            risk: self.risk,
            source: self.source,
            remediation: self.remediation,
            detected_by: self.detected_by,
            validity: self.validity,
            text,
            sort,
            descending,
            page,
        })
    }
}

/// Register a leak. Tokens that are known already become occurrences of the leaks that have them
/// (`merged`); the new ones make a new leak, which is watched from now on and blocks nothing.
#[utoipa::path(
    post,
    path = "/leaks",
    tag = "leaks",
    operation_id = "registerLeak",
    params(("Idempotency-Key" = Option<String>, Header, description = "A key of the call: sent \
        again with the same one within a day, it is not done again, and answered as before.")),
    request_body = NewLeak,
    responses(
        (status = 201, description = "The new leak.", body = RegisteredLeak,
            headers(("Location" = String, description = "Where the leak is."))),
        (status = 200, description = "All tokens are known: the leak that has them. Callers who \
            may not see leaks get its id only.", body = RegisteredLeak),
    )
)]
pub(super) async fn register(
    State(control): State<Control>,
    caller: Caller,
    Keyed(once, new): Keyed<NewLeak>,
) -> Result<Response, Problem> {
    let actor = &caller.actor;
    let register = control.register(actor, new, once);
    Ok(match control.do_once(&actor.tenant, once, register).await? {
        Outcome::Done(Answer::Leak(registered)) => {
            let status = if registered.created { StatusCode::CREATED } else { StatusCode::OK };
            let location = format!("{BASE}/leaks/{}", registered.leak.id);
            let version = registered.leak.version;
            tagged(version, (status, [(header::LOCATION, location)], Json(*registered)))
        }
        Outcome::Done(Answer::Known(known)) => Json::<KnownLeak>(known).into_response(),
        Outcome::Before(done) => {
            let answer = match &done.answer {
                Some(answer) => serde_json::from_str(answer).map_err(|_| Problem::failed())?,
                None => {
                    let leak = control.leak_of(&actor.tenant, &done).await?;
                    let leak = serde_json::to_value(leak).map_err(|_| Problem::failed())?;
                    Registered { leak, merged: Vec::new(), created: true }
                }
            };
            marked(registered_before(answer, actor.role.may(Permission::See)))
        }
    })
}

/// What the store keeps of a registration.
#[derive(Deserialize)]
struct Registered {
    leak: Value,
    merged: Vec<Value>,
    created: bool,
}

/// The answer to a registration as it was given before.
fn registered_before(registered: Registered, may_see: bool) -> Response {
    let Registered { mut leak, merged, created } = registered;
    let id = leak.get("id").cloned().unwrap_or_default();
    if !created && !may_see {
        return Json(json!({ "id": id, "merged": merged })).into_response();
    }
    let version = leak.get("version").and_then(Value::as_u64).unwrap_or_default();
    if let Some(fields) = leak.as_object_mut() {
        fields.insert("merged".to_owned(), merged.into());
    }
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("{BASE}/leaks/{}", id.as_str().unwrap_or_default());
    tagged(version, (status, [(header::LOCATION, location)], Json(leak)))
}

/// List leaks.
#[utoipa::path(
    get,
    path = "/leaks",
    tag = "leaks",
    operation_id = "listLeaks",
    params(LeakFilter),
    responses((status = 200, description = "A page of leaks.", body = LeakPage))
)]
pub(super) async fn list(
    State(control): State<Control>,
    caller: Caller,
    FromQuery(filter): FromQuery<LeakFilter>,
) -> Result<Json<LeakPage>, Problem> {
    let query = filter.listed()?;
    let _place = if query.validity.is_empty() { None } else { Some(control.heavy_read().await?) };
    Ok(Json(control.store().leaks(&caller.tenants, &query).await?))
}

/// Show a leak.
#[utoipa::path(
    get,
    path = "/leaks/{id}",
    tag = "leaks",
    operation_id = "showLeak",
    params(("id" = LeakId, Path, description = "The leak.")),
    responses((status = 200, description = "The leak.", body = Leak,
        headers(("ETag" = String, description = "Its state, for If-Match."))))
)]
pub(super) async fn show(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
) -> Result<Response, Problem> {
    let actor = control.at_leak(&caller, id).await?;
    Ok(shown(control.store().leak(&actor.tenant, id).await?))
}

/// Change a leak's texts, risk or source, and add or remove tokens.
#[utoipa::path(
    patch,
    path = "/leaks/{id}",
    tag = "leaks",
    operation_id = "changeLeak",
    params(
        ("id" = LeakId, Path, description = "The leak."),
        ("If-Match" = Option<String>, Header, description = "The ETag of the leak as you know it."),
    ),
    request_body = LeakChange,
    responses(
        (status = 200, description = "The leak as it now is.", body = Leak,
            headers(("ETag" = String, description = "Its state, for If-Match."))),
        (status = 412, description = "The leak was changed since: read it again."),
    )
)]
pub(super) async fn change(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    IfMatch(versions): IfMatch,
    Body(change): Body<LeakChange>,
) -> Result<Response, Problem> {
    let actor = control.at_leak(&caller, id).await?;
    let conditions = Conditions { versions, ..Conditions::default() };
    Ok(shown(control.edit(&actor, id, change, conditions).await?))
}
