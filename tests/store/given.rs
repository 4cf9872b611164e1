//! What the tests put into a store. Tokens are made at run time, so that no scanner of this
//! repository takes them for real ones.

use jiff::{SignedDuration, Timestamp};
use leakgate::model::clock;
use leakgate::model::event::{Event, EventAction, EventType};
use leakgate::model::ids::{EventId, LeakId, TokenId};
use leakgate::model::leak::{Decision, DetectedBy, Leak, Risk, Source, SourceKind};
use leakgate::model::role::{Actor, Role};
use leakgate::model::rule::{PatchMode, Scope};
use leakgate::model::secret::Secret;
use leakgate::model::tenant::Tenants;
use leakgate::model::token::{TokenMaterial, Validity};
use leakgate::store::types::{Conditions, Decide, NewPatch, NewToken, PageRequest, Registration};
use leakgate::store::{Store, StoreError};

/// The tenant of all tests that do not need two.
pub const TENANT: &str = "default";

/// One tenant alone.
pub fn one(tenant: &str) -> Tenants {
    Tenants::One(tenant.to_owned())
}

pub fn actor() -> Actor {
    Actor {
        name: "ada".to_owned(),
        role: Role::Administrator,
        tenant: TENANT.to_owned(),
        user: None,
        api_token: None,
        address: Some("192.0.2.1".to_owned()),
    }
}

/// The text of the token of this name: 32 characters, the same for the same name.
pub fn text(name: &str) -> String {
    let digest = Secret::from(name.to_owned()).digest();
    digest.0.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

pub fn token(store: &dyn Store, name: &str) -> NewToken {
    token_of(store, TokenMaterial::Text(Secret::from(text(name))))
}

pub fn digest_token(store: &dyn Store, name: &str) -> NewToken {
    token_of(store, TokenMaterial::Digest(Secret::from(text(name)).digest()))
}

pub fn token_of(store: &dyn Store, material: TokenMaterial) -> NewToken {
    NewToken {
        fingerprint: store.fingerprint_key().fingerprint(&material.digest()),
        material,
        kind: "example".to_owned(),
        validity: Validity::Unknown,
        not_applicable: None,
    }
}

/// A token that the guard refuses, of this many bytes.
pub fn refused_token(store: &dyn Store, bytes: usize, reason: &str) -> NewToken {
    let material = TokenMaterial::Text(Secret::from(text(reason)[..bytes].to_owned()));
    NewToken { not_applicable: Some(reason.to_owned()), ..token_of(store, material) }
}

pub fn source(url: &str) -> Source {
    Source { url: Some(url.to_owned()), ..Source::of_kind(SourceKind::Github) }
}

pub fn registration(title: &str, tokens: Vec<NewToken>) -> Registration {
    Registration {
        tenant: TENANT.to_owned(),
        title: title.to_owned(),
        risk: Some(Risk::High),
        exposed_at: None,
        source: source("https://git.example/one"),
        detected_by: DetectedBy::Manual,
        kind: None,
        owner: Some("payments".to_owned()),
        contact: Some("payments@example.com".to_owned()),
        comment: None,
        tokens,
        continues: None,
        once: None,
        reopens: false,
    }
}

/// Registers a leak of these tokens, which must all be new.
pub async fn leak(store: &dyn Store, title: &str, tokens: &[&str]) -> Leak {
    let tokens = tokens.iter().map(|name| token(store, name)).collect();
    let done = store.register(registration(title, tokens), &actor()).await.unwrap();
    assert!(done.merged.is_empty());
    done.leak.unwrap()
}

pub fn decision(decision: Decision) -> Decide {
    let conditions = Conditions::default();
    Decide { decision, patch: None, resolution: None, comment: None, conditions }
}

pub fn patch(mode: PatchMode) -> NewPatch {
    NewPatch { mode, scope: Scope::default(), expires_at: None, force: false, tokens: None }
}

pub async fn decide(store: &dyn Store, id: LeakId, made: Decision) -> Result<Leak, StoreError> {
    store.decide(TENANT, id, decision(made), &actor()).await
}

pub async fn apply(store: &dyn Store, id: LeakId, patch: NewPatch) -> Result<Leak, StoreError> {
    let decide = Decide { patch: Some(patch), ..decision(Decision::ApplyVirtualPatch) };
    store.decide(TENANT, id, decide, &actor()).await
}

/// What happened to one request, for an event.
pub struct Use {
    pub leak: LeakId,
    pub token: TokenId,
    pub action: EventAction,
    pub status: Option<u16>,
    pub count: u64,
    /// How long ago.
    pub ago: SignedDuration,
    pub source_ip: &'static str,
}

pub fn event(used: Use) -> Event {
    Event {
        id: EventId::new(),
        at: before(used.ago),
        kind: EventType::Vpatch,
        action: used.action,
        tenant: TENANT.to_owned(),
        leak: used.leak,
        virtual_patch: None,
        token: used.token,
        fingerprint: "0123456789ab".to_owned(),
        point: "header:authorization".to_owned(),
        encodings: vec!["base64".to_owned()],
        source_ip: used.source_ip.to_owned(),
        peer_ip: "10.0.0.1".to_owned(),
        forwarded_for: None,
        client_cert: None,
        user_agent: Some("curl".to_owned()),
        method: "GET".to_owned(),
        host: "api.example.com".to_owned(),
        path: "/v1/charges?key=0123456789ab".to_owned(),
        response_status: used.status,
        count: used.count,
        gateway: "gateway".to_owned(),
        request_id: "r1".to_owned(),
        route: 0,
    }
}

/// An observed use of a leak's first token, a minute ago.
pub fn a_use(leak: &Leak) -> Use {
    Use {
        leak: leak.id,
        token: leak.tokens[0].id,
        action: EventAction::Observed,
        status: Some(200),
        count: 1,
        ago: SignedDuration::from_mins(1),
        source_ip: "203.0.113.7",
    }
}

pub fn before(ago: SignedDuration) -> Timestamp {
    clock::now().checked_sub(ago).unwrap()
}

pub fn page(limit: usize, cursor: Option<String>) -> PageRequest {
    PageRequest { limit, cursor }
}
