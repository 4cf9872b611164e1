//! Who looks at a page, and what they asked: read here for every page, so that no form does anything
//! without the proof that one of our own pages sent it.

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use http::Uri;
use http::request::Parts;

use super::form::Form;
use super::multipart;
use super::refused::Refused;
use crate::control::{Control, Desk, Origin, Problem, Visitor, csrf, upload};

/// The form field that carries the session's token.
pub(super) const CSRF: &str = "csrf";

/// A visitor who looks.
pub(super) struct Visit {
    /// The API as they have it.
    pub(super) desk: Desk,
    /// What their forms must carry.
    pub(super) csrf: String,
    /// The names and values of the query; nothing empty.
    pub(super) query: Vec<(String, String)>,
    /// The path that they look at.
    pub(super) path: String,
    /// What of the request matters for a session.
    pub(super) origin: Origin,
}

/// A visitor who sent a form of ours.
pub(super) struct Sent {
    /// The visitor.
    pub(super) visit: Visit,
    /// The form.
    pub(super) form: Form,
}

/// The same of a form that may have files.
pub(super) struct SentFiles(pub(super) Sent);

impl Visit {
    async fn of(parts: &Parts, control: &Control) -> Result<Self, Refused> {
        let to = match parts.method {
            http::Method::GET => {
                parts.uri.path_and_query().map_or("/", |to| to.as_str()).to_owned()
            }
            _ => "/".to_owned(),
        };
        let mut visitor = match control.visitor(parts).await {
            Ok(Some(visitor)) => visitor,
            Ok(None) => return Err(Refused::SignIn(to, false)),
            Err(problem) if problem.status() == http::StatusCode::UNAUTHORIZED => {
                return Err(Refused::SignIn(to, true));
            }
            Err(problem) => return Err(problem.into()),
        };
        // Pages are for browsers, which have sessions; whoever has an API token has the API.
        let Some(csrf) = visitor.csrf_token.clone() else {
            return Err(Refused::SignIn(to, false));
        };
        let query = pairs(&parts.uri);
        if let Some((_, tenant)) = query.iter().find(|(name, _)| name == "tenant") {
            control.narrow(&mut visitor, tenant.clone()).await?;
        }
        let path = parts.uri.path().to_owned();
        let origin = Origin::of(parts);
        Ok(Self { desk: Desk::new(control.clone(), visitor), csrf, query, path, origin })
    }

    /// Who looks.
    pub(super) fn visitor(&self) -> &Visitor {
        self.desk.visitor()
    }

    /// The first value of this name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// What a query says, without what it leaves empty.
pub(super) fn pairs(uri: &Uri) -> Vec<(String, String)> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(pairs)| pairs);
    let trimmed = |(name, value): (String, String)| (name, value.trim().to_owned());
    pairs
        .unwrap_or_default()
        .into_iter()
        .map(trimmed)
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

impl FromRequestParts<Control> for Visit {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Refused> {
        Self::of(parts, control).await
    }
}

impl FromRequest<Control> for Sent {
    type Rejection = Refused;

    async fn from_request(request: Request, control: &Control) -> Result<Self, Refused> {
        let (visit, request) = asked(request, control).await?;
        Self::of(visit, Form::of(request).await?)
    }
}

impl FromRequest<Control> for SentFiles {
    type Rejection = Refused;

    async fn from_request(request: Request, control: &Control) -> Result<Self, Refused> {
        let (visit, request) = asked(request, control).await?;
        let form = Form::of_fields(multipart::fields(&upload(request).await?));
        Sent::of(visit, form).map(Self)
    }
}

/// Who sends a form, as far as its head tells.
async fn asked(request: Request, control: &Control) -> Result<(Visit, Request), Refused> {
    let (parts, body) = request.into_parts();
    csrf::check(&parts.headers, &parts.uri)?;
    let visit = Visit::of(&parts, control).await?;
    Ok((visit, Request::from_parts(parts, body)))
}

impl Sent {
    fn of(visit: Visit, form: Form) -> Result<Self, Refused> {
        if !csrf::matches(&visit.csrf, form.secret(CSRF).expose()) {
            return Err(Problem::cross_site().into());
        }
        Ok(Self { visit, form })
    }
}
