//! The HTTP API: every call, registered with the permission that it needs, and the OpenAPI document
//! made from the same table.

mod account;
mod api_tokens;
mod bypass;
mod conditions;
mod dead_letters;
mod desk;
mod desk_four_eyes;
mod desk_outgoing;
mod desk_views;
mod edge;
mod event_export;
mod event_intake;
mod event_stream;
mod event_views;
mod events;
mod explain;
mod extract;
mod four_eyes;
mod hooks;
mod imports;
mod keys;
mod leak_decisions;
mod leak_details;
mod leaks;
mod linger;
mod notifications;
mod oidc;
mod overview;
mod patchset;
mod session;
mod sources;
mod tenants;
mod tokens;
mod users;
mod values;
mod webhooks;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::any;
use serde::{Deserialize, Serialize};
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, Required, Response,
    ResponseBuilder,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::Control;
use super::auth::{self, Guarded};
use super::problem::{Problem, ProblemDocument, permission_name};
use crate::config::limits;
use crate::model::role::Permission;
use crate::store::types::PageRequest;

pub use api_tokens::NewlyMadeApiToken;
pub use desk::{Desk, form_body};
pub use desk_views::{Upload, upload};
pub(in crate::control) use imports::{LIMITS, hand_over};
pub use leaks::LeakFilter;
pub(in crate::control) use values::{nullable, nullable_time, time};

/// Where the API stands.
const BASE: &str = "/api/v1";

/// Who may make a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever is signed in, in any role.
    SignedIn,
    /// Holders of the permission.
    Needs(Permission),
}

/// A call of the API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The method, in capitals.
    pub method: String,
    /// The path, with `{id}` where an id stands.
    pub path: String,
    /// Who may make it.
    pub access: Access,
}

struct Entry {
    access: Access,
    routes: UtoipaMethodRouter<Control>,
}

fn needs(permission: Permission, routes: UtoipaMethodRouter<Control>) -> Entry {
    Entry { access: Access::Needs(permission), routes }
}

/// The one table of calls and the permission that each needs.
fn table() -> Vec<Entry> {
    use Permission::{
        Administer, Audit, Comment, Decide, Enforce, ManageKeys, ManageTenants, Register, See,
    };
    vec![
        Entry { access: Access::Public, routes: routes!(overview::document) },
        Entry { access: Access::Public, routes: routes!(session::sign_in) },
        Entry { access: Access::Public, routes: routes!(oidc::begin) },
        Entry { access: Access::Public, routes: routes!(oidc::callback) },
        Entry { access: Access::Public, routes: routes!(hooks::github) },
        Entry { access: Access::Public, routes: routes!(hooks::gitlab) },
        Entry { access: Access::Public, routes: routes!(hooks::gitguardian) },
        Entry { access: Access::Public, routes: routes!(hooks::trufflehog) },
        Entry { access: Access::SignedIn, routes: routes!(session::show) },
        Entry { access: Access::SignedIn, routes: routes!(session::sign_out) },
        Entry { access: Access::SignedIn, routes: routes!(session::sign_out_everywhere) },
        Entry { access: Access::SignedIn, routes: routes!(account::list) },
        Entry { access: Access::SignedIn, routes: routes!(account::password) },
        needs(Register, routes!(leaks::register)),
        needs(See, routes!(leaks::list)),
        needs(See, routes!(leaks::show)),
        needs(Decide, routes!(leaks::change)),
        needs(Decide, routes!(leak_decisions::apply)),
        needs(Decide, routes!(leak_decisions::remove)),
        needs(Decide, routes!(leak_decisions::close)),
        needs(Decide, routes!(leak_decisions::reopen)),
        needs(Decide, routes!(leak_decisions::mark_false)),
        needs(Decide, routes!(leak_decisions::bulk)),
        needs(See, routes!(four_eyes::show)),
        needs(Administer, routes!(four_eyes::turn)),
        needs(See, routes!(four_eyes::proposals)),
        needs(Decide, routes!(four_eyes::approve)),
        needs(Decide, routes!(four_eyes::reject)),
        needs(See, routes!(four_eyes::reviews)),
        needs(Decide, routes!(four_eyes::acknowledge)),
        needs(See, routes!(leak_details::history)),
        needs(See, routes!(leak_details::comments)),
        needs(Comment, routes!(leak_details::comment)),
        needs(See, routes!(leak_details::tokens)),
        needs(See, routes!(leak_details::impact)),
        needs(See, routes!(tokens::lookup)),
        needs(Register, routes!(imports::import)),
        needs(Register, routes!(imports::show)),
        needs(Register, routes!(sources::imports)),
        needs(Administer, routes!(sources::hooks)),
        needs(See, routes!(overview::virtual_patches)),
        needs(See, routes!(bypass::show)),
        needs(Decide, routes!(bypass::turn)),
        needs(Administer, routes!(api_tokens::list)),
        needs(Administer, routes!(api_tokens::create)),
        needs(Administer, routes!(api_tokens::revoke)),
        needs(Administer, routes!(users::list)),
        needs(Administer, routes!(users::create)),
        needs(Administer, routes!(users::show)),
        needs(Administer, routes!(users::change)),
        needs(Administer, routes!(users::remove)),
        needs(See, routes!(tenants::list)),
        needs(ManageTenants, routes!(tenants::create)),
        needs(ManageTenants, routes!(tenants::change)),
        needs(ManageTenants, routes!(tenants::remove)),
        needs(See, routes!(events::list)),
        needs(See, routes!(event_export::export)),
        needs(See, routes!(event_stream::stream)),
        needs(See, routes!(event_views::groups)),
        needs(See, routes!(event_views::show)),
        needs(See, routes!(overview::stats)),
        needs(Audit, routes!(overview::audit)),
        needs(See, routes!(overview::gateways)),
        needs(Enforce, routes!(patchset::pull)),
        needs(See, routes!(explain::explain)),
        needs(Enforce, routes!(event_intake::send)),
        needs(ManageKeys, routes!(keys::show)),
        needs(ManageKeys, routes!(keys::rotate)),
        needs(See, routes!(notifications::list)),
        needs(Administer, routes!(webhooks::list)),
        needs(Administer, routes!(webhooks::create)),
        needs(Administer, routes!(webhooks::show)),
        needs(Administer, routes!(webhooks::change)),
        needs(Administer, routes!(webhooks::remove)),
        needs(Administer, routes!(dead_letters::list)),
        needs(Administer, routes!(dead_letters::remove)),
        needs(Administer, routes!(dead_letters::redeliver)),
    ]
}

/// The API, to be merged into what the process serves. Answers everything under `/api/v1`.
///
/// Where the server puts `ConnectInfo<SocketAddr>` into requests, the audit log has addresses.
pub fn router(control: Control) -> Router {
    let mut api = Router::new();
    for Entry { access, routes: (_, paths, methods) } in table() {
        let methods = match access {
            Access::Public => methods,
            access => methods.route_layer(from_fn_with_state(
                Guarded { control: control.clone(), access },
                auth::authorize,
            )),
        };
        for path in paths.paths.keys() {
            api = api.route(&format!("{BASE}{path}"), methods.clone());
        }
    }
    for path in ["", "/", "/{*path}"] {
        api = api.route(&format!("{BASE}{path}"), any(async || Problem::unknown_call()));
    }
    api.method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(control.clone(), edge::bounded))
        .layer(from_fn(linger::linger))
        .layer(from_fn(edge::headers))
        .with_state(control)
}

/// Puts other pages of the process under the same limits as the API's calls.
pub fn bounded(control: Control, pages: Router) -> Router {
    pages.layer(from_fn_with_state(control, edge::bounded)).layer(from_fn(linger::linger))
}

/// Every call and who may make it.
pub fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    for Entry { access, routes: (_, paths, _) } in table() {
        for (path, item) in paths.paths {
            let methods = [
                ("GET", item.get.is_some()),
                ("PUT", item.put.is_some()),
                ("POST", item.post.is_some()),
                ("PATCH", item.patch.is_some()),
                ("DELETE", item.delete.is_some()),
            ];
            for (method, _) in methods.into_iter().filter(|(_, there)| *there) {
                let path = format!("{BASE}{path}");
                calls.push(Call { method: method.to_owned(), path, access });
            }
        }
    }
    calls
}

/// The OpenAPI 3.1 document of the whole API.
pub fn openapi() -> OpenApi {
    let info = InfoBuilder::new()
        .title("leakgate")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Leaked API tokens are registered here, and here it is decided what becomes of requests \
             that carry them. A decision is in force when its call returns.",
        ))
        .license(Some(
            LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
        ))
        .build();
    let mut calls = OpenApiRouter::<Control>::with_openapi(OpenApiBuilder::new().build());
    for Entry { access, routes: (schemas, mut paths, methods) } in table() {
        for item in paths.paths.values_mut() {
            for operation in
                [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete]
                    .into_iter()
                    .flatten()
            {
                describe(operation, access);
            }
        }
        calls = calls.routes((schemas, paths, methods));
    }
    let mut document =
        OpenApiRouter::<Control>::with_openapi(OpenApiBuilder::new().info(info).build())
            .nest(BASE, calls)
            .into_openapi();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(
        "api_token",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("An API token: `lgt_…`"))
                .build(),
        ),
    );
    components.add_security_scheme(
        "session",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            "leakgate_session",
            "The cookie of a session (`POST /session`). Calls that change something also carry \
             the session's token in the header field `X-CSRF-Token`.",
        ))),
    );
    let mut schemas = Vec::new();
    ProblemDocument::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components.schemas.insert(
        ProblemDocument::name().into_owned(),
        <ProblemDocument as utoipa::PartialSchema>::schema(),
    );
    document
}

/// Adds what follows from who may make the call.
fn describe(operation: &mut utoipa::openapi::path::Operation, access: Access) {
    let responses = &mut operation.responses.responses;
    responses.insert("default".to_owned(), problem("What is wrong and what to do.").into());
    if access != Access::Public {
        let either = ["api_token", "session"].map(|scheme| {
            let none: [String; 0] = [];
            SecurityRequirement::new(scheme, none)
        });
        operation.security = Some(either.to_vec());
        responses.insert("401".to_owned(), problem("No accepted credential was sent.").into());
        let text = Object::with_type(Type::String);
        let tenant = ParameterBuilder::new()
            .name(auth::TENANT)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(
                "Keeps the call to one tenant: what is listed, looked for or made is that one's. \
                 For global roles, whose lists are otherwise of all tenants, and who otherwise \
                 make things in their own.",
            ))
            .schema(Some(text))
            .build();
        operation.parameters.get_or_insert_default().push(tenant.into());
    }
    if let Access::Needs(permission) = access {
        let lacks = format!("The role lacks the right to {}.", permission_name(permission));
        responses.insert("403".to_owned(), problem(&lacks).into());
    }
}

fn problem(description: &str) -> Response {
    ResponseBuilder::new()
        .description(description)
        .content(
            "application/problem+json",
            ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build(),
        )
        .build()
}

/// Which page of a list.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// Items at most: 50 where it is not said, never more than 200.
    #[serde(deserialize_with = "values::number")]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl PageQuery {
    fn request(self) -> Result<PageRequest, Problem> {
        page_request(self.limit, self.cursor)
    }
}

fn page_request(limit: Option<u64>, cursor: Option<String>) -> Result<PageRequest, Problem> {
    if limit == Some(0) {
        return Err(Problem::invalid("limit", "it must be 1 or more"));
    }
    let limit = limit.map_or(limits::PAGE_DEFAULT, |limit| {
        usize::try_from(limit).unwrap_or(limits::PAGE).min(limits::PAGE)
    });
    Ok(PageRequest { limit, cursor: cursor.filter(|cursor| !cursor.is_empty()) })
}

/// All there is of something.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
struct Items<T> {
    /// The items.
    items: Vec<T>,
}
