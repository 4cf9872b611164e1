//! What belongs to one leak: `/leaks/{id}/history`, `/comments`, `/tokens`, `/impact`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::SignedDuration;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{Body, FromQuery, Id};
use super::{Items, PageQuery};
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::model::clock;
use crate::model::ids::LeakId;
use crate::model::leak::{Comment, HistoryEntry};
use crate::model::token::Token;
use crate::store::types::{Impact, Page};

/// How far back impact looks.
const IMPACT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A comment to add.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewComment {
    /// Its text, up to 8 KiB.
    #[serde(alias = "comment")]
    text: String,
}

/// Who decided what about a leak, and when; oldest first.
#[utoipa::path(
    get,
    path = "/leaks/{id}/history",
    tag = "leaks",
    operation_id = "listLeakHistory",
    params(("id" = LeakId, Path, description = "The leak.")),
    responses((status = 200, description = "The history.", body = Items<HistoryEntry>))
)]
pub(super) async fn history(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
) -> Result<Json<Items<HistoryEntry>>, Problem> {
    let actor = control.at_leak(&caller, id).await?;
    Ok(Json(Items { items: control.store().history(&actor.tenant, id).await? }))
}

/// What was said about a leak; oldest first.
#[utoipa::path(
    get,
    path = "/leaks/{id}/comments",
    tag = "leaks",
    operation_id = "listLeakComments",
    params(("id" = LeakId, Path, description = "The leak.")),
    responses((status = 200, description = "The comments.", body = Items<Comment>))
)]
pub(super) async fn comments(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
) -> Result<Json<Items<Comment>>, Problem> {
    let actor = control.at_leak(&caller, id).await?;
    Ok(Json(Items { items: control.store().comments(&actor.tenant, id).await? }))
}

/// Say something about a leak.
#[utoipa::path(
    post,
    path = "/leaks/{id}/comments",
    tag = "leaks",
    operation_id = "commentOnLeak",
    params(("id" = LeakId, Path, description = "The leak.")),
    request_body = NewComment,
    responses((status = 201, description = "The comment.", body = Comment))
)]
pub(super) async fn comment(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    Body(new): Body<NewComment>,
) -> Result<(StatusCode, Json<Comment>), Problem> {
    let actor = control.at_leak(&caller, id).await?;
    let comment = control.comment(&actor, id, new.text).await?;
    Ok((StatusCode::CREATED, Json(comment)))
}

/// All tokens of a leak, none with its text.
#[utoipa::path(
    get,
    path = "/leaks/{id}/tokens",
    tag = "leaks",
    operation_id = "listLeakTokens",
    params(("id" = LeakId, Path, description = "The leak."), PageQuery),
    responses((status = 200, description = "A page of tokens.", body = Page<Token>))
)]
pub(super) async fn tokens(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
    FromQuery(page): FromQuery<PageQuery>,
) -> Result<Json<Page<Token>>, Problem> {
    let actor = control.at_leak(&caller, id).await?;
    Ok(Json(control.store().tokens(&actor.tenant, id, &page.request()?).await?))
}

/// What a virtual patch on the leak would do: recent uses of its tokens, by client, host and
/// upstream status.
#[utoipa::path(
    get,
    path = "/leaks/{id}/impact",
    tag = "leaks",
    operation_id = "showLeakImpact",
    params(("id" = LeakId, Path, description = "The leak.")),
    responses((status = 200, description = "What a patch would do.", body = Impact))
)]
pub(super) async fn impact(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<LeakId>,
) -> Result<Json<Impact>, Problem> {
    let since = clock::now().saturating_sub(IMPACT).map_err(|_| Problem::failed())?;
    let actor = control.at_leak(&caller, id).await?;
    let _place = control.heavy_read().await?;
    Ok(Json(control.store().impact(&actor.tenant, id, since).await?))
}
