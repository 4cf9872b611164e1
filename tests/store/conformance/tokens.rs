use std::collections::BTreeSet;

use leakgate::model::event::EventAction;
use leakgate::model::leak::{Decision, Remediation, Status};
use leakgate::model::rule::PatchMode;
use leakgate::model::token::Validity;
use leakgate::store::{Store, StoreError};

use crate::given::{
    TENANT, Use, a_use, actor, apply, decide, digest_token, event, leak, one, page, patch,
    refused_token, registration, token,
};

pub async fn pages_hold_each_token_once(store: &dyn Store) {
    let names: Vec<String> = (0..25).map(|number| format!("token {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let made = leak(store, "many", &names).await;
    let other = leak(store, "other", &["other"]).await;
    let mut seen = BTreeSet::new();
    let mut cursor = None;
    let mut pages = 0;
    loop {
        let found = store.tokens(TENANT, made.id, &page(10, cursor)).await.unwrap();
        seen.extend(found.items.iter().map(|token| token.id));
        pages += 1;
        cursor = found.next_cursor;
        let Some(next) = &cursor else { break };
        let error = store.tokens(TENANT, other.id, &page(10, Some(next.clone()))).await;
        assert!(matches!(error, Err(StoreError::BadCursor)));
    }
    assert_eq!((seen.len(), pages), (25, 3));
}

pub async fn enforced_tokens_have_their_text(store: &dyn Store) {
    let tokens = vec![
        token(store, "a"),
        digest_token(store, "b"),
        refused_token(store, 4, "too short"),
        token(store, "c"),
    ];
    let asked = registration("enforced", tokens.clone());
    let leak = store.register(asked, &actor()).await.unwrap().leak.unwrap();
    let mut enforced = store.enforced_tokens(leak.id, None, 3).await.unwrap();
    assert_eq!(enforced.len(), 3);
    let last = enforced.last().map(|token| token.id);
    enforced.extend(store.enforced_tokens(leak.id, last, 3).await.unwrap());
    assert_eq!(enforced.len(), 4);
    let last = enforced.last().map(|token| token.id);
    assert!(store.enforced_tokens(leak.id, last, 3).await.unwrap().is_empty());
    for (enforced, given) in enforced.iter().zip(&tokens) {
        assert_eq!(enforced.material, given.material);
        assert_eq!(enforced.fingerprint, given.fingerprint);
        assert_eq!(enforced.not_applicable, given.not_applicable);
    }
}

pub async fn lookup_tells_leaks_and_use(store: &dyn Store) {
    let unknown = token(store, "never seen").fingerprint;
    let lookup = store.lookup(&one(TENANT), &unknown).await.unwrap();
    assert!(!lookup.known && lookup.leaks.is_empty());
    assert_eq!(lookup.fingerprint, unknown.short());

    let made = leak(store, "known", &["a"]).await;
    apply(store, made.id, patch(PatchMode::Block)).await.unwrap();
    let used = event(Use { action: EventAction::Monitored, ..a_use(&made) });
    store.append_events(std::slice::from_ref(&used)).await.unwrap();
    let lookup = store.lookup(&one(TENANT), &made.tokens[0].fingerprint).await.unwrap();
    assert!(lookup.known);
    assert_eq!((lookup.validity, lookup.last_used_at), (Validity::Active, Some(used.at)));
    let [found] = lookup.leaks.as_slice() else { panic!("{lookup:?}") };
    assert_eq!((found.id, found.title.as_str()), (made.id, "known"));
    assert_eq!((found.status, found.remediation), (Status::Open, Remediation::VirtualPatch));
    assert_eq!(found.mode, Some(PatchMode::Block));
    decide(store, made.id, Decision::Close).await.unwrap();
    let lookup = store.lookup(&one(TENANT), &made.tokens[0].fingerprint).await.unwrap();
    assert_eq!((lookup.leaks[0].status, lookup.leaks[0].mode), (Status::Closed, None));
}
