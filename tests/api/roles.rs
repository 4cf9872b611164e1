//! Every call with every role, on what is their tenant's and on what is another's.

use axum::body::Body;
use http::{Request, StatusCode, header};
use leakgate::control;
use leakgate::model::clock;
use leakgate::model::event::EventAction;
use leakgate::model::ids::{EventId, LeakId, TokenId, WebhookId};
use leakgate::model::leak::Decision;
use leakgate::model::role::{Actor, Role};
use leakgate::model::rule::{PatchMode, Scope};
use leakgate::model::secret::Secret;
use leakgate::model::sink::{FeedKind, Format, WebhookKind};
use leakgate::model::tenant::Tenants;
use leakgate::store::outgoing::{Deliveries, NewLetter, Target, Webhook, reader_of_webhook};
use leakgate::store::types::{Conditions, Decide, NewPatch, ProposalQuery, Second};
use serde_json::{Value, json};

use super::support::receiver::Receiver;
use super::support::{Api, PASSWORD, event, id, token};

/// Whose objects a role reaches with a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    /// Nobody's: the role may not make the call.
    None,
    /// Those of its tenant; others are not there for it.
    Own,
    /// Those of all tenants.
    All,
}

use Reach::{All, None as No, Own};

/// The contract, written out: rows as in docs/access.md, columns in the order of [`Role::ALL`].
const TABLE: &[(&str, [Reach; 6])] = &[
    (
        "leaks, patches, events, statistics, gateways, tenants, proposals, reviews, notifications: see",
        [All, Own, All, Own, No, No],
    ),
    ("leaks: register, import; imports: see", [All, Own, No, No, Own, No]),
    ("leaks: decide, edit; proposals, reviews: settle; bypass", [All, Own, No, No, No, No]),
    ("comment on a leak", [All, Own, All, Own, No, No]),
    (
        "users, API tokens, webhooks, dead letters, four eyes: manage; hooks: see",
        [All, Own, No, No, No, No],
    ),
    ("audit log: see", [All, Own, All, No, No, No]),
    ("tenants, keys: manage", [All, No, No, No, No, No]),
    ("patchset: pull; events: send", [No, No, No, No, No, Own]),
    ("one's own session", [All, Own, All, Own, Own, Own]),
];

const SEE: usize = 0;
const REGISTER: usize = 1;
const DECIDE: usize = 2;
const COMMENT: usize = 3;
const ADMINISTER: usize = 4;
const AUDIT: usize = 5;
const TENANTS: usize = 6;
const ENFORCE: usize = 7;
const SESSION: usize = 8;

/// Which row each call belongs to. A call that is not here fails the test.
const CALLS: &[(&str, usize)] = &[
    ("GET /session", SESSION),
    ("DELETE /session", SESSION),
    ("DELETE /sessions", SESSION),
    ("GET /sessions", SESSION),
    ("PUT /session/password", SESSION),
    ("POST /leaks", REGISTER),
    ("GET /leaks", SEE),
    ("GET /leaks/{id}", SEE),
    ("PATCH /leaks/{id}", DECIDE),
    ("POST /leaks/{id}/virtual-patch", DECIDE),
    ("DELETE /leaks/{id}/virtual-patch", DECIDE),
    ("POST /leaks/{id}/close", DECIDE),
    ("POST /leaks/{id}/reopen", DECIDE),
    ("POST /leaks/{id}/mark-false", DECIDE),
    ("POST /leaks/bulk", DECIDE),
    ("GET /four-eyes", SEE),
    ("PUT /four-eyes", ADMINISTER),
    ("GET /proposals", SEE),
    ("POST /proposals/{id}/approve", DECIDE),
    ("POST /proposals/{id}/reject", DECIDE),
    ("GET /reviews", SEE),
    ("POST /reviews/{id}/acknowledge", DECIDE),
    ("GET /leaks/{id}/history", SEE),
    ("GET /leaks/{id}/comments", SEE),
    ("POST /leaks/{id}/comments", COMMENT),
    ("GET /leaks/{id}/tokens", SEE),
    ("GET /leaks/{id}/impact", SEE),
    ("POST /tokens/lookup", SEE),
    ("POST /imports", REGISTER),
    ("GET /imports/{id}", REGISTER),
    ("GET /imports", REGISTER),
    ("GET /hooks", ADMINISTER),
    ("GET /virtual-patches", SEE),
    ("GET /bypass", SEE),
    ("PUT /bypass", DECIDE),
    ("GET /api-tokens", ADMINISTER),
    ("POST /api-tokens", ADMINISTER),
    ("DELETE /api-tokens/{id}", ADMINISTER),
    ("GET /users", ADMINISTER),
    ("POST /users", ADMINISTER),
    ("GET /users/{id}", ADMINISTER),
    ("PATCH /users/{id}", ADMINISTER),
    ("DELETE /users/{id}", ADMINISTER),
    ("GET /tenants", SEE),
    ("POST /tenants", TENANTS),
    ("PATCH /tenants/{id}", TENANTS),
    ("DELETE /tenants/{id}", TENANTS),
    ("GET /events", SEE),
    ("GET /events/export", SEE),
    ("GET /events/stream", SEE),
    ("GET /events/groups", SEE),
    ("GET /events/{id}", SEE),
    ("GET /stats", SEE),
    ("GET /audit", AUDIT),
    ("GET /gateways", SEE),
    ("GET /patchset", ENFORCE),
    ("POST /explain", SEE),
    ("POST /events", ENFORCE),
    ("GET /keys", TENANTS),
    ("POST /keys/rotate", TENANTS),
    ("GET /notifications", SEE),
    ("GET /webhooks", ADMINISTER),
    ("POST /webhooks", ADMINISTER),
    ("GET /webhooks/{id}", ADMINISTER),
    ("PATCH /webhooks/{id}", ADMINISTER),
    ("DELETE /webhooks/{id}", ADMINISTER),
    ("GET /dead-letters", ADMINISTER),
    ("POST /dead-letters/{id}/redeliver", ADMINISTER),
    ("DELETE /dead-letters/{id}", ADMINISTER),
];

/// Calls that anybody may make.
const PUBLIC: &[&str] = &[
    "GET /openapi.json",
    "POST /session",
    "GET /oidc/sign-in",
    "GET /oidc/callback",
    // Each proves by itself that its partner calls.
    "POST /hooks/{tenant}/github-secret-scanning",
    "POST /hooks/{tenant}/gitlab-token-revocation",
    "POST /hooks/{tenant}/gitguardian",
    "POST /hooks/{tenant}/trufflehog",
];

fn registered() -> Vec<String> {
    let calls = control::calls().into_iter();
    calls.map(|call| format!("{} {}", call.method, &call.path["/api/v1".len()..])).collect()
}

#[test]
fn every_call_is_in_the_table() {
    let mut listed: Vec<&str> =
        CALLS.iter().map(|(call, _)| *call).chain(PUBLIC.to_vec()).collect();
    let mut registered = registered();
    listed.sort_unstable();
    registered.sort_unstable();
    assert_eq!(listed, registered);
}

#[tokio::test]
async fn every_call_with_every_role_on_its_own_and_on_another_tenant() {
    let api = Api::new().await;
    for tenant in ["acme", "other"] {
        api.tenant(tenant).await;
    }
    for (column, role) in Role::ALL.into_iter().enumerate() {
        let credential = api.credential_in("acme", role.name()).await;
        for (call, row) in CALLS {
            for tenant in ["acme", "other"] {
                let (path, body) = prepared(&api, call, tenant).await;
                let status = status(&api, &credential, call, &path, body).await;
                let reach = TABLE[*row].1[column];
                let expected = match reach {
                    No => "403",
                    Own if tenant == "other" => "404",
                    // An API token is no session, so there is none to end.
                    _ if call.starts_with("DELETE /session") => "404",
                    _ if *call == "PUT /session/password" => "404",
                    // There is no key to go over to.
                    _ if *call == "POST /keys/rotate" => "409",
                    _ => "2xx",
                };
                let got = match status.as_u16() {
                    200..300 => "2xx".to_owned(),
                    other => other.to_string(),
                };
                assert_eq!(got, expected, "{} {call} in {tenant}", role.name());
            }
        }
    }
}

fn actor(tenant: &str) -> Actor {
    Actor {
        name: "test".to_owned(),
        role: Role::GlobalAdministrator,
        tenant: tenant.to_owned(),
        user: None,
        api_token: None,
        address: None,
    }
}

/// A webhook of the tenant, beside the bound on how many there may be.
async fn webhook(api: &Api, tenant: &str, url: &str) -> WebhookId {
    let id = WebhookId::new();
    let webhook = Webhook {
        id,
        tenant: tenant.to_owned(),
        name: id.to_string(),
        kind: WebhookKind::Webhook,
        format: Format::Native,
        feeds: vec![FeedKind::Audit],
        url: "https://siem.example".to_owned(),
        enabled: true,
        created_by: "test".to_owned(),
        created_at: clock::now(),
        updated_at: clock::now(),
        deliveries: Deliveries::default(),
    };
    let text = |text: &str| Secret::from(text.to_owned());
    let target = Target { webhook, url: text(url), secret: text("a key of tests") };
    api.store.add_webhook(&target, &actor(tenant)).await.unwrap();
    id
}

/// A path and a body with which the call does something in the tenant.
async fn prepared(api: &Api, call: &str, tenant: &str) -> (String, Value) {
    let fresh = EventId::new().to_string();
    let body = match call {
        "POST /leaks" => json!({"title": "x", "tokens": [token(&fresh)]}),
        "PATCH /leaks/{id}" => json!({"title": "y"}),
        "POST /leaks/bulk" => json!({"decision": "close", "ids": []}),
        "POST /leaks/{id}/comments" => json!({"text": "said"}),
        "POST /tokens/lookup" => json!({"token": token("any")}),
        "PUT /bypass" => json!({"on": false}),
        "PUT /four-eyes" => json!({"on": true}),
        "POST /api-tokens" => json!({"name": fresh, "role": "intake"}),
        "POST /users" => json!({"name": fresh, "role": "analyst", "password": PASSWORD}),
        "PATCH /users/{id}" => json!({"role": "analyst"}),
        "POST /webhooks" => json!({"name": fresh, "url": "https://siem.example/in"}),
        "PATCH /webhooks/{id}" => json!({"enabled": false}),
        "POST /tenants" => json!({"id": format!("t-{fresh}")}),
        "PUT /session/password" => json!({"current": PASSWORD, "new": PASSWORD}),
        "PATCH /tenants/{id}" => json!({"title": "Another"}),
        "POST /events" => {
            let token = json!({"id": TokenId::new().to_string(), "fingerprint": "fp:unknown"});
            let leak =
                json!({"id": LeakId::new().to_string(), "tenant": tenant, "tokens": [token]});
            json!({"events": [event(&leak, EventAction::Observed, "203.0.113.7")]})
        }
        _ => Value::Null,
    };
    let path = call.split_once(' ').unwrap().1;
    if !path.contains("{id}") {
        return (format!("{path}?tenant={tenant}"), body);
    }
    let object = match path.split('/').nth(1).unwrap() {
        "leaks" => {
            let new = json!({"title": "x", "tokens": [token(&fresh)]});
            let leak = api.post(&format!("/leaks?tenant={tenant}"), new).await.expect(201);
            if call.ends_with("/reopen") {
                let close = format!("/leaks/{}/close", id(&leak));
                api.post(&close, Value::Null).await.expect(200);
            }
            id(&leak).to_owned()
        }
        "events" => {
            let new = json!({"title": "x", "tokens": [token(&fresh)]});
            let leak = api.post(&format!("/leaks?tenant={tenant}"), new).await.expect(201);
            let used = event(&leak, EventAction::Observed, "203.0.113.7");
            api.store.append_events(std::slice::from_ref(&used)).await.unwrap();
            used.id.to_string()
        }
        "proposals" | "reviews" => waiting(api, path, tenant).await,
        "imports" => {
            let path = format!("/imports?format=list&title=x&tenant={tenant}");
            let import = api.post_text(&api.admin, &path, token(&fresh)).await.expect(200);
            id(&import).to_owned()
        }
        "api-tokens" => {
            let path = format!("/api-tokens?tenant={tenant}");
            let made = api.post(&path, json!({"name": fresh, "role": "intake"})).await.expect(201);
            id(&made).to_owned()
        }
        "webhooks" => webhook(api, tenant, "https://siem.example/in").await.to_string(),
        "dead-letters" => {
            // One that takes what is delivered again.
            let url = Receiver::start().await.url("/in");
            let reader = reader_of_webhook(webhook(api, tenant, &url).await);
            let from = api.store.take_cursor(&reader, "test", clock::now()).await.unwrap().unwrap();
            let letter = NewLetter {
                tenant: Some(tenant.to_owned()),
                attempts: 1,
                error: "it failed".to_owned(),
                entries: Vec::new(),
            };
            api.store.move_cursor(&reader, from, from, Some(letter)).await.unwrap();
            let letters = api.get("/dead-letters").await.expect(200);
            id(&letters["items"][0]).to_owned()
        }
        "users" => {
            let actor = actor(tenant);
            // Hashing a password for each would take most of the test's time.
            let added = api.store.add_user(&fresh, Role::Analyst, "", &actor).await;
            added.unwrap().to_string()
        }
        "tenants" if call.starts_with("DELETE") => {
            api.tenant(&format!("d-{fresh}")).await;
            format!("d-{fresh}")
        }
        "tenants" => tenant.to_owned(),
        other => panic!("how is one of {other} made?"),
    };
    (path.replace("{id}", &object), body)
}

/// A proposal or a review of another person, in the tenant.
async fn waiting(api: &Api, path: &str, tenant: &str) -> String {
    let other = Actor {
        name: "another".to_owned(),
        role: Role::Administrator,
        tenant: tenant.to_owned(),
        user: None,
        api_token: None,
        address: None,
    };
    let new = json!({"title": "x", "tokens": [token(&EventId::new().to_string())]});
    let leak = api.post(&format!("/leaks?tenant={tenant}"), new).await.expect(201);
    let leak = id(&leak).parse().unwrap();
    let scope = Scope::default();
    let (mode, expires_at, force, tokens) = (PatchMode::Block, None, false, None);
    let patch = Some(NewPatch { mode, scope, expires_at, force, tokens });
    let conditions = Conditions::default();
    let decision = Decision::ApplyVirtualPatch;
    let decide = Decide { decision, patch, resolution: None, comment: None, conditions };
    if path.starts_with("/proposals") {
        let proposal = api.store.propose(tenant, leak, decide, &other).await.unwrap();
        return proposal.id.to_string();
    }
    api.store.set_four_eyes(tenant, true, None, &other).await.unwrap();
    let second = Second::Afterwards("it burns".to_owned());
    let conditions = Conditions { second, ..Conditions::default() };
    let decide = Decide { conditions, ..decide };
    api.store.decide(tenant, leak, decide, &other).await.unwrap();
    let query = ProposalQuery { leak: Some(leak), ..ProposalQuery::default() };
    let of = Tenants::One(tenant.to_owned());
    api.store.proposals(&of, &query).await.unwrap().items[0].id.to_string()
}

async fn status(api: &Api, credential: &str, call: &str, path: &str, body: Value) -> StatusCode {
    let method = call.split_once(' ').unwrap().0;
    match call {
        "POST /imports" => {
            let list = token(&EventId::new().to_string());
            let path = format!("{path}&format=list&title=x");
            api.post_text(credential, &path, list).await.status
        }
        "POST /explain" => {
            let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
            api.post_text(credential, path, request).await.status
        }
        // Its body does not end.
        "GET /events/stream" => api.open_as(credential, path).await.status(),
        // Its body is no text.
        "GET /patchset" => api.open_as(credential, path).await.status(),
        _ => api.call_as(credential, method, path, body).await.status,
    }
}

#[tokio::test]
async fn nobody_is_let_in_without_a_credential() {
    let api = Api::new().await;
    for (call, _) in CALLS {
        let (method, path) = call.split_once(' ').unwrap();
        let path = path.replace("{id}", "x");
        let answer = api.call_as("", method, &path, Value::Null).await;
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"leakgate\"");
        answer.problem(401, "unauthenticated");
        let answer = api.call_as("lgt_nonsense", method, &path, Value::Null).await;
        answer.problem(401, "unauthenticated");
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::COOKIE, "leakgate_session=nonsense")
            .body(Body::empty())
            .unwrap();
        api.send(request).await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_role_that_may_not_is_told_what_it_lacks() {
    let api = Api::new().await;
    let analyst = api.credential("analyst").await;
    let problem =
        api.call_as(&analyst, "POST", "/users", json!({})).await.problem(403, "forbidden");
    assert_eq!(problem["permission"], "administer");
    assert!(problem["detail"].as_str().unwrap().contains("analyst"), "{problem}");
}

/// The documented table is this one.
#[test]
fn the_table_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/access.md");
    let text = std::fs::read_to_string(path).unwrap();
    let row = |cells: &[&str]| format!("| {} |", cells.join(" | "));
    for (name, reach) in TABLE {
        let mut cells = vec![*name];
        cells.extend(reach.iter().map(|reach| match reach {
            No => "–",
            Own => "own",
            All => "all",
        }));
        assert!(text.contains(&row(&cells)), "docs/access.md lacks: {}", row(&cells));
    }
}
