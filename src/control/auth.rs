//! Who is calling, whether they may, and whose objects they reach. The one place where any of this
//! is decided.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};

use super::api::Access;
use super::problem::Problem;
use super::{Control, credentials, csrf};
use crate::model::clock;
use crate::model::ids::LeakId;
use crate::model::role::{Actor, Permission};
use crate::model::secret::Secret;
use crate::model::tenant::Tenants;

/// What a caller proves with who they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credential {
    /// An API token, by the hash of its text.
    ApiToken([u8; 32]),
    /// A session, by the hash of its id.
    Session([u8; 32]),
}

/// Somebody who is signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Visitor {
    /// Who they are. Whatever they make is made in the actor's tenant.
    pub actor: Actor,
    /// Whose objects they reach.
    pub tenants: Tenants,
    /// With what they proved it.
    pub credential: Credential,
    /// What a form or a header of theirs must carry where it changes anything; only where they
    /// have a session, whose cookie a browser also sends for others.
    pub csrf_token: Option<String>,
}

/// The caller of a call that passed the check of its permission.
pub(super) type Caller = Visitor;

/// The state of the check in front of one call.
#[derive(Clone)]
pub(super) struct Guarded {
    pub(super) control: Control,
    pub(super) access: Access,
}

/// Lets a call through to its handler where the caller's role holds the permission that the call
/// is registered with, and they reach the tenant that they name.
pub(super) async fn authorize(
    State(Guarded { control, access }): State<Guarded>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match control.caller(&parts, access).await {
        Ok(caller) => parts.extensions.insert(caller),
        Err(problem) => return problem.into_response(),
    };
    next.run(Request::from_parts(parts, body)).await
}

impl Control {
    async fn caller(&self, parts: &Parts, access: Access) -> Result<Caller, Problem> {
        let mut caller =
            self.visitor(parts).await?.ok_or_else(|| Problem::unauthenticated(false))?;
        if let Some(expected) = &caller.csrf_token
            && !is_safe(&parts.method)
        {
            csrf::check(&parts.headers, &parts.uri)?;
            let sent = parts.headers.get(csrf::HEADER);
            if !sent.is_some_and(|sent| csrf::matches(expected, sent.as_bytes())) {
                return Err(Problem::cross_site());
            }
        }
        if let Access::Needs(permission) = access
            && !caller.actor.role.may(permission)
        {
            return Err(Problem::forbidden(caller.actor.role, permission));
        }
        if let Some(tenant) = named_tenant(&parts.uri)? {
            self.narrow(&mut caller, tenant).await?;
        }
        Ok(caller)
    }

    /// Who sends a request: by the API token in `Authorization`, or else by the cookie of a
    /// session. Absent where neither is sent.
    ///
    /// # Errors
    /// Where what is sent is not accepted, or the store fails.
    pub async fn visitor(&self, parts: &Parts) -> Result<Option<Visitor>, Problem> {
        let (credential, csrf_token) = if parts.headers.contains_key(AUTHORIZATION) {
            let Some(token) = bearer(&parts.headers) else { return Ok(None) };
            (Credential::ApiToken(credentials::hash_api_token(&token)), None)
        } else {
            let Some(id) = super::sessions::of_cookie(&parts.headers) else { return Ok(None) };
            (Credential::Session(id.digest().0), Some(csrf::token(&id)))
        };
        let Some(mut actor) = self.authenticate(&credential).await? else {
            return Err(match credential {
                Credential::ApiToken(_) => Problem::unauthenticated(true),
                Credential::Session(_) => Problem::session_over(),
            });
        };
        actor.address = address(parts).map(|address| address.to_string());
        let tenants =
            if actor.role.is_global() { Tenants::All } else { Tenants::One(actor.tenant.clone()) };
        Ok(Some(Visitor { actor, tenants, credential, csrf_token }))
    }

    /// Keeps a visitor to one tenant: what they see and make is that one's.
    ///
    /// # Errors
    /// Where they do not reach it, or there is none: which of both is not told.
    pub async fn narrow(&self, visitor: &mut Visitor, tenant: String) -> Result<(), Problem> {
        let reaches = visitor.tenants.include(&tenant)
            && (tenant == visitor.actor.tenant
                || self.inner.store.tenant(&tenant).await?.is_some());
        if !reaches {
            return Err(Problem::not_found("tenant"));
        }
        visitor.actor.tenant.clone_from(&tenant);
        visitor.tenants = Tenants::One(tenant);
        Ok(())
    }

    /// The caller as they act on an object of this tenant.
    ///
    /// # Errors
    /// Where they do not reach it: as if there were no such object.
    pub(super) fn at(
        &self,
        caller: &Caller,
        tenant: &str,
        what: &'static str,
    ) -> Result<Actor, Problem> {
        if !caller.tenants.include(tenant) {
            return Err(Problem::not_found(what));
        }
        Ok(Actor { tenant: tenant.to_owned(), ..caller.actor.clone() })
    }

    /// The caller as they act on a leak: in its tenant.
    ///
    /// # Errors
    /// Where they do not reach it, or there is none.
    pub async fn at_leak(&self, caller: &Visitor, id: LeakId) -> Result<Actor, Problem> {
        let tenant = self.inner.store.tenant_of_leak(id).await?;
        self.at(caller, &tenant.ok_or_else(|| Problem::not_found("leak"))?, "leak")
    }

    /// Whose credential this is, if it is still good.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn authenticate(&self, credential: &Credential) -> Result<Option<Actor>, Problem> {
        let (store, now) = (&self.inner.store, clock::now());
        Ok(match credential {
            Credential::ApiToken(hash) => store.authenticate(hash, now).await?,
            Credential::Session(hash) => {
                store.session(hash, now, self.inner.settings.sign_in.idle).await?
            }
        })
    }

    /// Whether a caller may still see what they were let in to see.
    pub(super) async fn still_sees(&self, caller: &Caller) -> bool {
        let actor = self.authenticate(&caller.credential).await;
        matches!(actor, Ok(Some(actor)) if actor.role.may(Permission::See)
            && (actor.role.is_global() || caller.tenants.only() == Some(actor.tenant.as_str())))
    }
}

/// Where a request comes from, where the server tells.
pub(super) fn address(parts: &Parts) -> Option<IpAddr> {
    let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    info.map(|ConnectInfo(address)| address.ip().to_canonical())
}

/// Whether the method changes nothing.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The name of the parameter that names a tenant, which every call takes.
pub(super) const TENANT: &str = "tenant";

/// The tenant that a query names.
fn named_tenant(uri: &Uri) -> Result<Option<String>, Problem> {
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return Ok(None); // Whoever reads the whole query says so.
    };
    let mut named = pairs.into_iter().filter(|(name, _)| name == TENANT).map(|(_, value)| value);
    match (named.next(), named.next()) {
        (_, Some(_)) => Err(Problem::invalid(TENANT, "it stands there twice: name one")),
        (named, None) => Ok(named.filter(|tenant| !tenant.is_empty())),
    }
}

/// The API token in `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let space = value.iter().position(|&byte| byte == b' ')?;
    let (scheme, token) = value.split_at_checked(space)?;
    let token = token.trim_ascii();
    if !scheme.eq_ignore_ascii_case(b"bearer") || token.is_empty() {
        return None;
    }
    Some(Secret::new(token.to_vec()))
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Only a call that is registered as public comes here without one, and asks for none.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthenticated(false))
    }
}
