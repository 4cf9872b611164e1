//! Who is calling, and whether they may.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::problem::Problem;
use super::{Control, credentials};
use crate::model::clock;
use crate::model::role::{Actor, Permission};
use crate::model::secret::Secret;

/// What a caller proves with who they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credential {
    /// An API token, by the hash of its text.
    ApiToken([u8; 32]),
}

/// The caller of a call that passed the check of its permission.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) actor: Actor,
    pub(super) credential: Credential,
}

/// The state of the check in front of one call.
#[derive(Clone)]
pub(super) struct Guarded {
    pub(super) control: Control,
    pub(super) permission: Permission,
}

/// Lets a call through to its handler where the caller's role holds the permission that the call
/// is registered with.
pub(super) async fn authorize(
    State(Guarded { control, permission }): State<Guarded>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match control.caller(&parts).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if !caller.actor.role.may(permission) {
        return Problem::forbidden(caller.actor.role, permission).into_response();
    }
    parts.extensions.insert(caller);
    next.run(Request::from_parts(parts, body)).await
}

impl Control {
    /// Who is calling. A console session will be looked for here as well.
    async fn caller(&self, parts: &Parts) -> Result<Caller, Problem> {
        let credential = bearer(parts).ok_or_else(|| Problem::unauthenticated(false))?;
        let mut actor =
            self.authenticate(&credential).await?.ok_or_else(|| Problem::unauthenticated(true))?;
        actor.address = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(address)| address.ip().to_canonical().to_string());
        Ok(Caller { actor, credential })
    }

    /// Whose credential this is, if it is still good.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn authenticate(&self, credential: &Credential) -> Result<Option<Actor>, Problem> {
        match credential {
            Credential::ApiToken(hash) => {
                Ok(self.inner.store.authenticate(hash, clock::now()).await?)
            }
        }
    }
}

/// The API token in `Authorization: Bearer …`.
fn bearer(parts: &Parts) -> Option<Credential> {
    let value = parts.headers.get(AUTHORIZATION)?.as_bytes();
    let space = value.iter().position(|&byte| byte == b' ')?;
    let (scheme, token) = value.split_at_checked(space)?;
    let token = token.trim_ascii();
    if !scheme.eq_ignore_ascii_case(b"bearer") || token.is_empty() {
        return None;
    }
    let token = Secret::new(token.to_vec());
    Some(Credential::ApiToken(credentials::hash_api_token(&token)))
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Only a call that is registered as public comes here without one, and asks for none.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthenticated(false))
    }
}
