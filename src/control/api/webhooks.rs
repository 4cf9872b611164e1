//! `/webhooks` and `/webhooks/{id}`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Items;
use super::conditions::NoKey;
use super::extract::{Body, Id};
use crate::control::Control;
use crate::control::auth::Caller;
use crate::control::problem::Problem;
use crate::control::webhooks::{ChangedWebhook, NewWebhook};
use crate::model::ids::WebhookId;
use crate::model::secret::Secret;
use crate::store::outgoing::Webhook;

/// A webhook, with the key of its signatures where that is new: it is shown here and never again.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownWebhook {
    /// The webhook.
    #[serde(flatten)]
    webhook: Webhook,
    /// The key of signatures, where it was made now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_…")]
    secret: Option<String>,
}

impl ShownWebhook {
    fn new((webhook, secret): (Webhook, Option<Secret>)) -> Json<Self> {
        let secret = secret.map(|it| String::from_utf8_lossy(it.expose()).into_owned());
        Json(Self { webhook, secret })
    }
}

/// List webhooks, with how their deliveries go.
#[utoipa::path(
    get,
    path = "/webhooks",
    tag = "administration",
    operation_id = "listWebhooks",
    responses((status = 200, description = "The webhooks.", body = Items<Webhook>))
)]
pub(super) async fn list(
    State(control): State<Control>,
    caller: Caller,
) -> Result<Json<Items<Webhook>>, Problem> {
    Ok(Json(Items { items: control.store().webhooks(&caller.tenants).await? }))
}

/// Make a webhook: what happens in its tenant from now on is sent there. The key of its signatures
/// is in this answer and nowhere else: so the call takes no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/webhooks",
    tag = "administration",
    operation_id = "makeWebhook",
    request_body = NewWebhook,
    responses(
        (status = 201, description = "The webhook with its key.", body = ShownWebhook),
        (status = 409, description = "There is one of that name."),
    )
)]
pub(super) async fn create(
    State(control): State<Control>,
    caller: Caller,
    _: NoKey,
    Body(new): Body<NewWebhook>,
) -> Result<(StatusCode, Json<ShownWebhook>), Problem> {
    let made = control.add_webhook(&caller.actor, new).await?;
    Ok((StatusCode::CREATED, ShownWebhook::new(made)))
}

/// One webhook.
#[utoipa::path(
    get,
    path = "/webhooks/{id}",
    tag = "administration",
    operation_id = "showWebhook",
    params(("id" = WebhookId, Path, description = "The webhook.")),
    responses((status = 200, description = "The webhook.", body = Webhook))
)]
pub(super) async fn show(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<WebhookId>,
) -> Result<Json<Webhook>, Problem> {
    Ok(Json(control.webhook_of(&caller, id).await?.0))
}

/// Change a webhook; what is not said stays. With `new_secret` the call takes no `Idempotency-Key`,
/// since the key of signatures is in this answer and nowhere else.
#[utoipa::path(
    patch,
    path = "/webhooks/{id}",
    tag = "administration",
    operation_id = "changeWebhook",
    params(("id" = WebhookId, Path, description = "The webhook.")),
    request_body = ChangedWebhook,
    responses(
        (status = 200, description = "The webhook as it is now.", body = ShownWebhook),
        (status = 409, description = "There is one of that name."),
    )
)]
pub(super) async fn change(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<WebhookId>,
    no_key: Result<NoKey, Problem>,
    Body(change): Body<ChangedWebhook>,
) -> Result<Json<ShownWebhook>, Problem> {
    if change.new_secret {
        no_key?;
    }
    Ok(ShownWebhook::new(control.change_webhook(&caller, id, change).await?))
}

/// Remove a webhook, with its dead letters. Nothing more is sent there.
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    tag = "administration",
    operation_id = "removeWebhook",
    params(("id" = WebhookId, Path, description = "The webhook.")),
    responses((status = 204, description = "The webhook is removed."))
)]
pub(super) async fn remove(
    State(control): State<Control>,
    caller: Caller,
    Id(id): Id<WebhookId>,
) -> Result<StatusCode, Problem> {
    control.remove_webhook(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
