//! What the API answers when it does not do what was asked: RFC 9457 problem documents. The one
//! place where errors are translated for callers.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::leak::{Decision, Status};
use crate::model::role::{Permission, Role};
use crate::store::StoreError;

/// The type of the problem that leaves open what was stored.
const STORE_FAILED: &str = "urn:leakgate:problem:store-failed";
/// The type of the problem that something takes two persons.
const NEEDS_TWO: &str = "urn:leakgate:problem:needs-two";
/// The type of the problem that the same call is under way.
const REPEATED: &str = "urn:leakgate:problem:under-way";
/// The type of the problem that too many calls with a key are kept.
const TOO_MANY_KEYS: &str = "urn:leakgate:problem:too-many-keys";

/// Why a call was not done: a problem document, on its way to the caller.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<ProblemDocument>);

/// A problem document. Its `type` is stable; nothing in it repeats what the caller sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// What kind of problem it is: `urn:leakgate:problem:` and a name.
    #[serde(rename = "type")]
    #[schema(example = "urn:leakgate:problem:not-allowed")]
    kind: &'static str,
    /// The kind in words.
    title: &'static str,
    /// The status of the HTTP answer.
    status: u16,
    /// What is wrong here and what to do.
    detail: Cow<'static, str>,
    /// The field or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The leak's status, where it does not allow the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    leak_status: Option<Status>,
    /// The decisions that the leak's status allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<Vec<Decision>>,
    /// Why no token can become a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<String>>,
    /// The right that the caller's role lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'static str>,
    /// Seconds after which the call may be tried again; also in `Retry-After`.
    #[serde(skip)]
    retry_after: Option<u32>,
    /// Whether a credential was sent and not accepted.
    #[serde(skip)]
    rejected_credential: bool,
}

impl Problem {
    fn new(
        kind: &'static str,
        title: &'static str,
        status: StatusCode,
        detail: Cow<'static, str>,
    ) -> Self {
        Self(Box::new(ProblemDocument {
            kind,
            title,
            status: status.as_u16(),
            detail,
            field: None,
            leak_status: None,
            allowed: None,
            reasons: None,
            permission: None,
            retry_after: None,
            rejected_credential: false,
        }))
    }

    /// The status of the HTTP answer.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What is wrong and what to do.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The field at fault, where one is.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// A body or query that cannot be read at all.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            "urn:leakgate:problem:malformed",
            "The request cannot be read",
            StatusCode::BAD_REQUEST,
            detail.into(),
        )
    }

    /// A value that does not fit its field or parameter. `detail` says what would fit.
    pub(crate) fn invalid(field: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut problem = Self::new(
            "urn:leakgate:problem:invalid-value",
            "A value cannot be accepted",
            StatusCode::UNPROCESSABLE_ENTITY,
            detail.into(),
        );
        let field = field.into();
        if !field.is_empty() {
            problem.0.detail = format!("{field}: {}", problem.0.detail).into();
            problem.0.field = Some(field);
        }
        problem
    }

    pub(crate) fn unsupported_media_type(detail: &'static str) -> Self {
        Self::new(
            "urn:leakgate:problem:unsupported-media-type",
            "The body is of another type",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            detail.into(),
        )
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            "urn:leakgate:problem:too-large",
            "The body is too large",
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the body of this call may have {limit} bytes: send less at once, or use \
                 POST /api/v1/imports for many tokens"
            )
            .into(),
        )
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(
            "urn:leakgate:problem:too-slow",
            "The body did not arrive in time",
            StatusCode::REQUEST_TIMEOUT,
            "the body stopped arriving: send it again".into(),
        )
    }

    pub(crate) fn unauthenticated(rejected_credential: bool) -> Self {
        let detail = if rejected_credential {
            "the API token is not known, has ended or was revoked: ask an administrator for another"
        } else {
            "send an API token (Authorization: Bearer lgt_…), or sign in (POST /api/v1/session)"
        };
        let mut problem = Self::new(
            "urn:leakgate:problem:unauthenticated",
            "Nobody is signed in",
            StatusCode::UNAUTHORIZED,
            detail.into(),
        );
        problem.0.rejected_credential = rejected_credential;
        problem
    }

    /// The session that was sent is over.
    pub(crate) fn session_over() -> Self {
        let mut problem = Self::unauthenticated(false);
        problem.0.detail = "the session is over: sign in again".into();
        problem
    }

    /// Name or password is wrong; which, is not told.
    pub(crate) fn wrong_password() -> Self {
        let mut problem = Self::unauthenticated(false);
        problem.0.detail = "the name or the password is wrong, or the user may not sign in: try \
                            again, or ask an administrator"
            .into();
        problem
    }

    /// A report whose sender did not prove to be the partner.
    pub(crate) fn unproven() -> Self {
        Self::new(
            "urn:leakgate:problem:unproven-report",
            "The sender did not prove to be the partner",
            StatusCode::UNAUTHORIZED,
            "the signature or secret is missing, wrong or too old; nothing of the report was kept: \
             compare what the partner has with control.hooks in the configuration"
                .into(),
        )
    }

    /// The identity provider sent a browser back that did not begin a sign-in.
    pub(crate) fn sign_in_not_begun() -> Self {
        Self::new(
            "urn:leakgate:problem:sign-in-not-begun",
            "The sign-in was not begun here",
            StatusCode::FORBIDDEN,
            "this browser did not begin the sign-in, or began it too long ago: begin again".into(),
        )
    }

    /// The identity provider did not let the user in.
    pub(crate) fn provider_refused() -> Self {
        Self::new(
            "urn:leakgate:problem:provider-refused",
            "The identity provider refused",
            StatusCode::FORBIDDEN,
            "the identity provider did not let the user in: begin again, or ask its administrator"
                .into(),
        )
    }

    /// The identity provider cannot be used, or what it sent is not right.
    pub(crate) fn provider_failed() -> Self {
        Self::new(
            "urn:leakgate:problem:provider-failed",
            "The identity provider cannot be used",
            StatusCode::BAD_GATEWAY,
            "the identity provider cannot be used, and the log says why: begin again in a moment"
                .into(),
        )
    }

    /// The identity provider vouches for the user, who may not sign in here all the same.
    pub(crate) fn may_not_sign_in() -> Self {
        Self::new(
            "urn:leakgate:problem:may-not-sign-in",
            "The user may not sign in",
            StatusCode::FORBIDDEN,
            "no role follows from what the identity provider says of the user, or the user is \
             disabled: ask an administrator"
                .into(),
        )
    }

    /// A page of another site may have sent it.
    pub(crate) fn cross_site() -> Self {
        Self::new(
            "urn:leakgate:problem:cross-site",
            "Another site may have sent this",
            StatusCode::FORBIDDEN,
            "a call with a session's cookie that changes something must come from the console's \
             own pages, with the session's token in the header field X-CSRF-Token: GET \
             /api/v1/session tells it"
                .into(),
        )
    }

    /// Too much was tried; it may be tried again in a while.
    pub(crate) fn too_many(wait: Duration) -> Self {
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        let mut problem = Self::new(
            "urn:leakgate:problem:too-many",
            "Too much was tried",
            StatusCode::TOO_MANY_REQUESTS,
            format!("too much was tried: try again in {seconds} seconds").into(),
        );
        problem.0.retry_after = Some(seconds);
        problem
    }

    /// The key of a call was used for another one.
    pub(crate) fn other_call() -> Self {
        let mut problem = Self::new(
            "urn:leakgate:problem:key-reused",
            "The key was used for another call",
            StatusCode::UNPROCESSABLE_ENTITY,
            "Idempotency-Key: another call was made with this key within a day: use a new key for \
             each call, and the same only to send the same call again"
                .into(),
        );
        problem.0.field = Some("Idempotency-Key".to_owned());
        problem
    }

    /// Whether it takes two persons.
    pub(crate) fn is_needs_two(&self) -> bool {
        self.0.kind == NEEDS_TWO
    }

    /// Whether the same call was made before.
    pub(crate) fn is_repeated(&self) -> bool {
        self.0.kind == REPEATED
    }

    /// Whether too many calls with a key are kept.
    pub(crate) fn is_too_many_keys(&self) -> bool {
        self.0.kind == TOO_MANY_KEYS
    }

    /// A tenant that is not to go.
    pub(crate) fn tenant_stays(detail: &'static str) -> Self {
        Self::new(
            "urn:leakgate:problem:tenant-stays",
            "The tenant cannot be removed",
            StatusCode::CONFLICT,
            detail.into(),
        )
    }

    pub(crate) fn forbidden(role: Role, permission: Permission) -> Self {
        let mut problem = Self::new(
            "urn:leakgate:problem:forbidden",
            "The role does not allow this",
            StatusCode::FORBIDDEN,
            format!(
                "the role {} does not hold the right to {}: ask an administrator to do it, or for \
                 another role",
                role.name(),
                permission_name(permission)
            )
            .into(),
        );
        problem.0.permission = Some(permission_name(permission));
        problem
    }

    pub(crate) fn role_too_high(role: Role) -> Self {
        let mut problem = Self::forbidden(role, Permission::Administer);
        problem.0.detail = format!(
            "a {} neither makes nor changes users and API tokens with rights over all tenants: ask a \
             global administrator",
            role.name()
        )
        .into();
        problem
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            "urn:leakgate:problem:not-found",
            "There is no such thing",
            StatusCode::NOT_FOUND,
            format!("there is no such {what}: look at the id").into(),
        )
    }

    pub(crate) fn unknown_call() -> Self {
        Self::new(
            "urn:leakgate:problem:not-found",
            "There is no such thing",
            StatusCode::NOT_FOUND,
            "there is no such call: GET /api/v1/openapi.json lists all".into(),
        )
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            "urn:leakgate:problem:method-not-allowed",
            "The call does not take this method",
            StatusCode::METHOD_NOT_ALLOWED,
            "use one of the methods in the header field Allow".into(),
        )
    }

    /// A receiver did not take what was sent to it; `why` names nothing that is secret.
    pub(crate) fn undelivered(why: &str) -> Self {
        Self::new(
            "urn:leakgate:problem:undelivered",
            "It was not delivered",
            StatusCode::BAD_GATEWAY,
            format!("the receiver did not take it: {why}; see to it, then ask again").into(),
        )
    }

    pub(crate) fn busy(what: &'static str) -> Self {
        let mut problem = Self::new(
            "urn:leakgate:problem:busy",
            "Too much is under way",
            StatusCode::SERVICE_UNAVAILABLE,
            format!("too many {what} are under way: try again in a moment").into(),
        );
        problem.0.retry_after = Some(1);
        problem
    }

    pub(crate) fn timed_out() -> Self {
        let mut problem = Self::new(
            "urn:leakgate:problem:timed-out",
            "It took too long",
            StatusCode::SERVICE_UNAVAILABLE,
            "the call took too long; what it changes may still happen: look before trying again"
                .into(),
        );
        problem.0.retry_after = Some(5);
        problem
    }

    /// The change is stored, but could not be published. The publisher goes on trying.
    pub(crate) fn not_enforced_yet() -> Self {
        let mut problem = Self::new(
            "urn:leakgate:problem:not-enforced-yet",
            "Stored, but not enforced yet",
            StatusCode::SERVICE_UNAVAILABLE,
            "the change is stored, but publishing it failed and is tried again every second: do \
             not repeat the call, look at the log"
                .into(),
        );
        problem.0.retry_after = Some(1);
        problem
    }

    /// Whether what was asked may have been stored all the same.
    pub(crate) fn leaves_doubt(&self) -> bool {
        self.0.kind == STORE_FAILED
    }

    /// Something broke on our side; what, is in the log only.
    pub(crate) fn failed() -> Self {
        let mut problem = Self::new(
            STORE_FAILED,
            "The store failed",
            StatusCode::SERVICE_UNAVAILABLE,
            "the store failed, and the log says why: try again in a moment".into(),
        );
        problem.0.retry_after = Some(1);
        problem
    }
}

/// The right's name in answers.
pub(crate) fn permission_name(permission: Permission) -> &'static str {
    match permission {
        Permission::See => "see",
        Permission::Register => "register",
        Permission::Decide => "decide",
        Permission::Comment => "comment",
        Permission::Administer => "administer",
        Permission::ManageTenants => "manage tenants",
        Permission::ManageKeys => "manage keys",
        Permission::Audit => "audit",
        Permission::Enforce => "enforce",
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::NotAllowed(not_allowed) => {
                let mut problem = Self::new(
                    "urn:leakgate:problem:not-allowed",
                    "The leak's status does not allow this",
                    StatusCode::CONFLICT,
                    not_allowed.to_string().into(),
                );
                problem.0.leak_status = Some(not_allowed.status);
                problem.0.allowed = Some(not_allowed.status.allowed().to_vec());
                problem
            }
            StoreError::Outdated(version) => Self::new(
                "urn:leakgate:problem:outdated",
                "The leak was changed meanwhile",
                StatusCode::PRECONDITION_FAILED,
                format!(
                    "If-Match: the leak was changed since you read it, and is at \"{version}\" now: \
                     read it again, and decide anew"
                )
                .into(),
            ),
            StoreError::NeedsTwo => Self::new(
                NEEDS_TWO,
                "This takes two persons",
                StatusCode::CONFLICT,
                "two persons decide here about what blocks and what weakens a block, and this call \
                 makes no proposal: make the decision about the leak as a call of its own, or say \
                 in break_glass why it cannot wait"
                    .into(),
            ),
            StoreError::SamePerson => Self::new(
                "urn:leakgate:problem:same-person",
                "Another person has to do this",
                StatusCode::CONFLICT,
                "you asked for it yourself, with this or another credential: another person has to \
                 look at it"
                    .into(),
            ),
            StoreError::UnknownPerson => Self::new(
                "urn:leakgate:problem:unknown-person",
                "Whose API token it is, is not known",
                StatusCode::CONFLICT,
                "the API token is older than this rule, and who made it is not known: sign in, or \
                 make another API token"
                    .into(),
            ),
            StoreError::Settled(state) => Self::new(
                "urn:leakgate:problem:settled",
                "It waits for nobody",
                StatusCode::CONFLICT,
                format!("it is {state} already: GET /api/v1/proposals lists those that wait").into(),
            ),
            StoreError::Repeated => Self::new(
                REPEATED,
                "The same call is under way",
                StatusCode::CONFLICT,
                "the same call with this Idempotency-Key is under way: send it again in a moment"
                    .into(),
            ),
            StoreError::TooManyKeys => Self::new(
                TOO_MANY_KEYS,
                "Too many calls with a key",
                StatusCode::TOO_MANY_REQUESTS,
                "too many calls with an Idempotency-Key were made within a day: nothing was done; \
                 send it without one"
                    .into(),
            ),
            StoreError::NothingApplicable(reasons) => {
                let mut problem = Self::new(
                    "urn:leakgate:problem:nothing-applicable",
                    "No token can become a rule",
                    StatusCode::UNPROCESSABLE_ENTITY,
                    format!(
                        "each token of this leak could block honest requests: {}; \"force\": true \
                         overrides this for tokens of 6 bytes and more",
                        reasons.join("; ")
                    )
                    .into(),
                );
                problem.0.reasons = Some(reasons);
                problem
            }
            StoreError::BadCursor => {
                Self::invalid("cursor", "it is not one of this list: begin without a cursor")
            }
            StoreError::LastToken => Self::invalid(
                "remove_tokens",
                "a leak keeps at least one token: add another one in the same call, or close the \
                 leak instead",
            ),
            StoreError::Exists(what) => Self::new(
                "urn:leakgate:problem:exists",
                "It is there already",
                StatusCode::CONFLICT,
                format!("a {what} of that name is there already: choose another name").into(),
            ),
            error @ StoreError::NoNextKey => Self::new(
                "urn:leakgate:problem:no-next-key",
                "No key was given to go over to",
                StatusCode::CONFLICT,
                error.to_string().into(),
            ),
            StoreError::NotEmpty => Self::tenant_stays(
                "the tenant still has leaks, users or API tokens: remove its users and revoke its \
                 API tokens; leaks are never deleted, so a tenant that had one stays",
            ),
            StoreError::LastAdministrator => Self::new(
                "urn:leakgate:problem:last-administrator",
                "Nobody would be left who can administer all",
                StatusCode::CONFLICT,
                "this is the last global administrator who can sign in: make another one first"
                    .into(),
            ),
            StoreError::WrongKey | StoreError::Unusable(_) | StoreError::Failed(_) => {
                tracing::error!(%error, "a call failed in the store");
                Self::failed()
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_after = self.0.retry_after;
        let rejected = self.0.rejected_credential;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = if rejected {
                "Bearer realm=\"leakgate\", error=\"invalid_token\""
            } else {
                "Bearer realm=\"leakgate\""
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
