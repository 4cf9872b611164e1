//! `/hooks/{tenant}/…`: what partners report.

use axum::Json;
use axum::extract::{Request, State};
use http::StatusCode;

use super::extract::{Id, read};
use crate::config::limits;
use crate::control::auth::address;
use crate::control::problem::Problem;
use crate::control::{Control, HookAnswer, Label};
use crate::model::partner::Partner;

async fn report(
    control: &Control,
    partner: Partner,
    tenant: &str,
    request: Request,
) -> Result<(HookAnswer, Vec<Label>), Problem> {
    let (parts, body) = request.into_parts();
    let (from, headers) = (address(&parts), parts.headers.clone());
    let receiver = control.hook(partner, tenant, from).await?;
    let body = read(Request::from_parts(parts, body), limits::HOOK_BODY_BYTES).await;
    let body = body.inspect_err(|problem| {
        let is_large = problem.status() == StatusCode::PAYLOAD_TOO_LARGE;
        control.count_report(if is_large { "limited" } else { "unreadable" });
    })?;
    Box::pin(control.receive(&receiver, tenant, from, &headers, &body)).await
}

/// GitHub's secret scanning reports tokens.
///
/// Proved by `Github-Public-Key-Identifier` and `Github-Public-Key-Signature`.
#[utoipa::path(
    post,
    path = "/hooks/{tenant}/github-secret-scanning",
    tag = "hooks",
    operation_id = "githubSecretScanning",
    params(("tenant" = String, Path, description = "The tenant whose tokens they are.")),
    request_body(content = Vec<Object>, description = "`[{\"token\",\"type\",\"url\",\"source\"}]`"),
    responses(
        (status = 200, description = "All matches are registered; what is known of their tokens.",
            body = Vec<Label>),
        (status = 401, description = "It is not proved to come from the partner."),
        (status = 404, description = "No such hook is configured for the tenant."),
        (status = 429, description = "Too many reports."),
    )
)]
pub(super) async fn github(
    State(control): State<Control>,
    Id(tenant): Id<String>,
    request: Request,
) -> Result<Json<Vec<Label>>, Problem> {
    Ok(Json(report(&control, Partner::Github, &tenant, request).await?.1))
}

/// GitLab's secret detection reports tokens.
///
/// Proved by the configured secret in `Authorization`.
#[utoipa::path(
    post,
    path = "/hooks/{tenant}/gitlab-token-revocation",
    tag = "hooks",
    operation_id = "gitlabTokenRevocation",
    params(("tenant" = String, Path, description = "The tenant whose tokens they are.")),
    request_body(content = Vec<Object>, description = "`[{\"type\",\"token\",\"location\"}]`"),
    responses(
        (status = 200, description = "What became of the matches.", body = HookAnswer),
        (status = 401, description = "It is not proved to come from the partner."),
        (status = 404, description = "No such hook is configured for the tenant."),
        (status = 429, description = "Too many reports."),
    )
)]
pub(super) async fn gitlab(
    State(control): State<Control>,
    Id(tenant): Id<String>,
    request: Request,
) -> Result<Json<HookAnswer>, Problem> {
    Ok(Json(report(&control, Partner::Gitlab, &tenant, request).await?.0))
}

/// GitGuardian's custom webhook reports tokens.
///
/// Proved by `Gitguardian-Signature` and `Timestamp`.
#[utoipa::path(
    post,
    path = "/hooks/{tenant}/gitguardian",
    tag = "hooks",
    operation_id = "gitguardian",
    params(("tenant" = String, Path, description = "The tenant whose tokens they are.")),
    request_body(content = Object, description = "`{\"matches\":[{\"match\",\"name\"}]}`"),
    responses(
        (status = 200, description = "What became of the matches.", body = HookAnswer),
        (status = 401, description = "It is not proved to come from the partner."),
        (status = 404, description = "No such hook is configured for the tenant."),
        (status = 429, description = "Too many reports."),
    )
)]
pub(super) async fn gitguardian(
    State(control): State<Control>,
    Id(tenant): Id<String>,
    request: Request,
) -> Result<Json<HookAnswer>, Problem> {
    Ok(Json(report(&control, Partner::Gitguardian, &tenant, request).await?.0))
}

/// TruffleHog's webhook reports tokens.
///
/// Proved by the configured secret in `Authorization: Bearer`.
#[utoipa::path(
    post,
    path = "/hooks/{tenant}/trufflehog",
    tag = "hooks",
    operation_id = "trufflehog",
    params(("tenant" = String, Path, description = "The tenant whose tokens they are.")),
    request_body(content = Object, description = "One finding as `--json` prints it, or several"),
    responses(
        (status = 200, description = "What became of the matches.", body = HookAnswer),
        (status = 401, description = "It is not proved to come from the partner."),
        (status = 404, description = "No such hook is configured for the tenant."),
        (status = 429, description = "Too many reports."),
    )
)]
pub(super) async fn trufflehog(
    State(control): State<Control>,
    Id(tenant): Id<String>,
    request: Request,
) -> Result<Json<HookAnswer>, Problem> {
    Ok(Json(report(&control, Partner::Trufflehog, &tenant, request).await?.0))
}
