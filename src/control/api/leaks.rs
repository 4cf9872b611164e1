//! `/leaks` and `/leaks/{id}`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{Body, FromQuery, Id};
use super::{BASE, page_request, values};
use crate::config::limits;
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::decisions::LeakChange;
use crate::control::intake::{Answer, KnownLeak, NewLeak, RegisteredLeak, fits};
use crate::control::problem::Problem;
use crate::model::ids::LeakId;
use crate::model::leak::{DetectedBy, Leak, Remediation, Risk, SourceKind, Status};
use crate::model::token::Validity;
use crate::store::types::{LeakPage, LeakQuery, LeakSort, PageRequest};

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
    /// `created_at`, `updated_at`, `risk`, `status` or `title`, with `-` before it to turn the
    /// order around; `-created_at` where it is not said.
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
            _ => {
                return Err(Problem::invalid(
                    "sort",
                    "it must be created_at, updated_at, risk, status or title, with - before it to \
                     turn the order around",
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
    Body(new): Body<NewLeak>,
) -> Result<Response, Problem> {
    Ok(match control.register(&caller.actor, new).await? {
        Answer::Leak(registered) => {
            let status = if registered.created { StatusCode::CREATED } else { StatusCode::OK };
            let location = format!("{BASE}/leaks/{}", registered.leak.id);
            (status, [(header::LOCATION, location)], Json(*registered)).into_response()
        }
        Answer::Known(known) => Json::<KnownLeak>(known).into_response(),
    })
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
    responses((status = 200, description = "The leak.", body = Leak))
)]
pub(super) async fn show(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
) -> Result<Json<Leak>, Problem> {
    let actor = control.at_leak(&caller, id).await?;
    Ok(Json(control.store().leak(&actor.tenant, id).await?))
}

/// Change a leak's texts, risk or source, and add or remove tokens.
#[utoipa::path(
    patch,
    path = "/leaks/{id}",
    tag = "leaks",
    operation_id = "changeLeak",
    params(("id" = LeakId, Path, description = "The leak.")),
    request_body = LeakChange,
    responses((status = 200, description = "The leak as it now is.", body = Leak))
)]
pub(super) async fn change(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    Body(change): Body<LeakChange>,
) -> Result<Json<Leak>, Problem> {
    let actor = control.at_leak(&caller, id).await?;
    Ok(Json(control.edit(&actor, id, change).await?))
}
