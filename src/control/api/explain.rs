//! `/explain`.

use axum::Json;
use axum::extract::{Request, State};

use super::extract;
use crate::config::limits;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::control::{Control, Explanation};

/// What would be decided about a recorded HTTP/1.1 request now. Nothing is recorded.
#[utoipa::path(
    post,
    path = "/explain",
    tag = "events",
    operation_id = "explainRequest",
    request_body(
        content = String,
        content_type = "application/octet-stream",
        description = "The raw request: request line, header fields, empty line, body."
    ),
    responses((status = 200, description = "The decision and what led to it.", body = Explanation))
)]
pub(super) async fn explain(
    State(control): State<Control>,
    caller: Caller,
    request: Request,
) -> Result<Json<Explanation>, Problem> {
    let recorded = extract::read(request, limits::EXPLAIN_BYTES).await?;
    Ok(Json(control.explain(recorded, caller.tenants).await?))
}
