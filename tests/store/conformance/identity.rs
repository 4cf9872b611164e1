use std::collections::BTreeMap;

use jiff::SignedDuration;
use leakgate::model::clock;
use leakgate::model::ids::ApiTokenId;
use leakgate::model::leak::{Decision, Risk};
use leakgate::model::role::{Actor, Role};
use leakgate::model::rule::{ModeOfToken, PatchMode, TokenMode};
use leakgate::store::identity::UserChange;
use leakgate::store::types::{AuditQuery, Edit, NewApiToken, NewPatch};
use leakgate::store::{Store, StoreError};

use crate::given::{
    TENANT, actor, apply, decide, leak, one, page, patch, refused_token, registration, token,
};

fn api_token(name: &str, fill: u8) -> NewApiToken {
    NewApiToken {
        tenant: TENANT.to_owned(),
        name: name.to_owned(),
        role: Role::Analyst,
        expires_at: None,
        hash: [fill; 32],
    }
}

pub async fn an_api_token_is_known_by_its_hash(store: &dyn Store) {
    let made = store.add_api_token(api_token("ci", 1), &actor()).await.unwrap();
    assert_eq!((made.name.as_str(), made.role), ("ci", Role::Analyst));
    let now = clock::now();
    let holder = store.authenticate(&[1; 32], now).await.unwrap().unwrap();
    assert_eq!((holder.name.as_str(), holder.role), ("ci", Role::Analyst));
    assert_eq!((holder.tenant.as_str(), holder.api_token), (TENANT, Some(made.id)));
    assert_eq!(store.authenticate(&[2; 32], now).await.unwrap(), None);

    let used = async || store.api_tokens(&one(TENANT)).await.unwrap()[0].last_used_at;
    assert_eq!(used().await, Some(now));
    let soon = now.checked_add(SignedDuration::from_secs(59)).unwrap();
    store.authenticate(&[1; 32], soon).await.unwrap().unwrap();
    assert_eq!(used().await, Some(now), "to the minute");
    let later = now.checked_add(SignedDuration::from_secs(60)).unwrap();
    store.authenticate(&[1; 32], later).await.unwrap().unwrap();
    assert_eq!(used().await, Some(later));
    assert!(store.api_tokens(&one("other")).await.unwrap().is_empty());
}

pub async fn a_revoked_or_ended_api_token_is_nobody(store: &dyn Store) {
    let made = store.add_api_token(api_token("revoked", 1), &actor()).await.unwrap();
    let now = clock::now();
    let error = store.revoke_api_token("other", made.id, &actor()).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound("API token")));
    let error = store.revoke_api_token(TENANT, ApiTokenId::new(), &actor()).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound("API token")));
    assert!(store.authenticate(&[1; 32], now).await.unwrap().is_some());
    store.revoke_api_token(TENANT, made.id, &actor()).await.unwrap();
    assert!(store.authenticate(&[1; 32], now).await.unwrap().is_none());
    let listed = store.api_tokens(&one(TENANT)).await.unwrap();
    let revoked_at = listed[0].revoked_at;
    assert!(revoked_at.is_some());
    store.revoke_api_token(TENANT, made.id, &actor()).await.unwrap();
    assert_eq!(store.api_tokens(&one(TENANT)).await.unwrap()[0].revoked_at, revoked_at, "once");

    let ending = NewApiToken { expires_at: Some(now), ..api_token("ending", 2) };
    let made = store.add_api_token(ending, &actor()).await.unwrap();
    assert_eq!(made.expires_at, Some(now));
    let before = now.checked_sub(SignedDuration::from_secs(1)).unwrap();
    assert!(store.authenticate(&[2; 32], before).await.unwrap().is_some());
    assert!(store.authenticate(&[2; 32], now).await.unwrap().is_none());
}

pub async fn names_are_one(store: &dyn Store) {
    let made = store.add_api_token(api_token("ci", 1), &actor()).await.unwrap();
    let error = store.add_api_token(api_token("ci", 2), &actor()).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists("API token")), "{error:?}");
    store.revoke_api_token(TENANT, made.id, &actor()).await.unwrap();
    store.add_api_token(api_token("ci", 3), &actor()).await.unwrap();

    assert!(store.is_new().await.unwrap());
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA";
    store.add_user("ada", Role::GlobalAdministrator, hash, &actor()).await.unwrap();
    assert!(!store.is_new().await.unwrap());
    let error = store.add_user("ada", Role::Analyst, hash, &actor()).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists("user")), "{error:?}");
}

pub async fn the_audit_log_says_who_did_what(store: &dyn Store) {
    let leak = leak(store, "audited", &["a"]).await;
    decide(store, leak.id, Decision::Close).await.unwrap();
    let token = store.add_api_token(api_token("ci", 1), &actor()).await.unwrap();
    store.revoke_api_token(TENANT, token.id, &actor()).await.unwrap();

    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let found = store.audit(&one(TENANT), &page(3, cursor).into()).await.unwrap();
        seen.extend(found.items);
        cursor = found.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let actions: Vec<_> = seen.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["revoke_api_token", "add_api_token", "close", "register"]);
    for entry in &seen {
        assert_eq!(entry.actor, "ada");
        assert_eq!(entry.address.as_deref(), Some("192.0.2.1"));
    }
    assert_eq!(seen[1].detail.as_deref(), Some("ci, analyst"));
    assert_eq!(seen[3].object.as_deref(), Some(leak.id.to_string().as_str()));
    assert!(store.audit(&one("other"), &page(3, None).into()).await.unwrap().items.is_empty());
}

pub async fn the_audit_log_is_narrowed(store: &dyn Store) {
    let first = leak(store, "first", &["a"]).await;
    decide(store, first.id, Decision::Close).await.unwrap();
    let second = leak(store, "second", &["b"]).await;
    let grace = Actor { name: "grace".to_owned(), ..actor() };
    store.comment(TENANT, second.id, "said", &grace).await.unwrap();
    let found = async |query: AuditQuery| {
        let found = store.audit(&one(TENANT), &query).await.unwrap().items;
        found.into_iter().map(|entry| entry.action).collect::<Vec<_>>()
    };
    let any = AuditQuery::default;
    assert_eq!(found(any()).await, ["comment", "register", "close", "register"]);
    let by = |name: &str| AuditQuery { actor: Some(name.to_owned()), ..any() };
    assert_eq!(found(by("grace")).await, ["comment"]);
    let action = vec!["close".to_owned(), "comment".to_owned()];
    assert_eq!(found(AuditQuery { action, ..any() }).await, ["comment", "close"]);
    let object = Some(first.id.to_string());
    assert_eq!(found(AuditQuery { object: object.clone(), ..any() }).await, ["close", "register"]);
    let now = clock::now();
    let hour = SignedDuration::from_hours(1);
    assert_eq!(found(AuditQuery { from: Some(now - hour), ..any() }).await.len(), 4);
    assert_eq!(found(AuditQuery { to: Some(now + hour), ..any() }).await.len(), 4);
    assert!(found(AuditQuery { from: Some(now + hour), ..any() }).await.is_empty());
    assert!(found(AuditQuery { to: Some(now - hour), ..any() }).await.is_empty());
    let from = Some(second.created_at);
    assert_eq!(found(AuditQuery { from, ..any() }).await, ["comment", "register"]);
    let to = Some(second.created_at);
    assert_eq!(found(AuditQuery { to, ..any() }).await, ["close", "register"]);
    // Pages keep what narrows them.
    let paged = AuditQuery { object, page: page(1, None), ..any() };
    let first_page = store.audit(&one(TENANT), &paged).await.unwrap();
    let cursor = first_page.next_cursor.unwrap();
    let next = AuditQuery { page: page(1, Some(cursor.clone())), ..paged };
    assert_eq!(found(next).await, ["register"]);
    let other = AuditQuery { page: page(1, Some(cursor)), ..any() };
    let other = store.audit(&one(TENANT), &other).await;
    assert!(matches!(other, Err(StoreError::BadCursor)));
}

pub async fn the_audit_log_says_what_was_before_and_after(store: &dyn Store) {
    let made = leak(store, "before", &["a"]).await;
    let edit = Edit {
        title: Some("after".to_owned()),
        risk: Some(Some(Risk::Low)),
        owner: Some(None),
        ..Edit::default()
    };
    store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    apply(store, made.id, patch(PatchMode::Block)).await.unwrap();
    let user = store.add_user("eve", Role::Analyst, "", &actor()).await.unwrap();
    let change = UserChange { role: Some(Role::Administrator), ..UserChange::default() };
    store.change_user(user, change, &actor()).await.unwrap();
    let policies = BTreeMap::from([("github".to_owned(), "monitoring".to_owned())]);
    for _ in 0..2 {
        store.note_configuration("hooks", &policies, &actor()).await.unwrap();
    }
    let audit = store.audit(&one(TENANT), &AuditQuery::default()).await.unwrap().items;
    let changed = |index: usize| -> Vec<(&str, Option<&str>, Option<&str>)> {
        let fields = audit[index].changed.iter();
        fields.map(|it| (it.field.as_str(), it.before.as_deref(), it.after.as_deref())).collect()
    };
    assert_eq!(audit[0].action, "configuration");
    assert_eq!(changed(0), [("github", None, Some("monitoring"))]);
    assert_eq!(changed(1), [("role", Some("analyst"), Some("administrator"))]);
    assert_eq!(changed(2), [("name", None, Some("eve")), ("role", None, Some("analyst"))]);
    assert_eq!(changed(3), [("virtual_patch", None, Some("block, everywhere"))]);
    assert_eq!(
        changed(4),
        [
            ("title", Some("before"), Some("after")),
            ("risk", Some("high"), Some("low")),
            ("risk_set", Some("high"), Some("low")),
            ("owner", Some("payments"), None),
        ]
    );
    assert_eq!(changed(5)[0], ("title", None, Some("before")));
}

pub async fn the_audit_log_says_what_was_forced_and_which_tokens_are_treated_apart(
    store: &dyn Store,
) {
    let tokens = vec![token(store, "a"), refused_token(store, 7, "too short")];
    let made = store.register(registration("x", tokens), &actor()).await.unwrap().leak.unwrap();
    let is = |applicable: bool| {
        let found = made.tokens.iter().find(|it| it.not_applicable.is_none() == applicable);
        found.unwrap().id
    };
    let modes = vec![ModeOfToken { id: is(true), mode: TokenMode::None }];
    let forced = NewPatch { force: true, tokens: Some(modes), ..patch(PatchMode::Block) };
    apply(store, made.id, forced).await.unwrap();
    let modes = vec![ModeOfToken { id: is(true), mode: TokenMode::Monitoring }];
    let gentle = NewPatch { tokens: Some(modes), ..patch(PatchMode::Block) };
    apply(store, made.id, gentle).await.unwrap();
    decide(store, made.id, Decision::RemoveVirtualPatch).await.unwrap();
    let audit = store.audit(&one(TENANT), &AuditQuery::default()).await.unwrap().items;
    let of = |index: usize, field: &str| {
        let found = audit[index].changed.iter().find(|it| it.field == field);
        found.map(|it| (it.before.clone(), it.after.clone()))
    };
    let (watched, monitored) = (format!("none: {}", is(true)), format!("monitoring: {}", is(true)));
    let yes = || Some("true".to_owned());
    assert_eq!(of(2, "force"), Some((None, yes())));
    assert_eq!(of(2, "token_modes"), Some((None, Some(watched.clone()))));
    assert_eq!(of(1, "force"), Some((yes(), None)));
    assert_eq!(of(1, "token_modes"), Some((Some(watched), Some(monitored.clone()))));
    assert_eq!(of(0, "force"), None);
    assert_eq!(of(0, "token_modes"), Some((Some(monitored), None)));
}
