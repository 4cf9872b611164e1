use leakgate::model::ids::LeakId;
use leakgate::model::leak::{Remediation, Risk};
use leakgate::store::types::Edit;
use leakgate::store::{Store, StoreError};

use crate::given::{TENANT, actor, leak, one, page, refused_token, registration, source, token};

pub async fn an_edit_changes_what_it_names(store: &dyn Store) {
    let first = leak(store, "before", &["a"]).await;
    let edit = Edit {
        title: Some("after".to_owned()),
        risk: Some(Some(Risk::Low)),
        source: Some(source("https://git.example/right")),
        owner: Some(None),
        comment: Some(Some("a word".to_owned())),
        ..Edit::default()
    };
    let now = store.edit(TENANT, first.id, edit, &actor()).await.unwrap();
    assert_eq!(now, store.leak(TENANT, first.id).await.unwrap());
    assert_eq!((now.title.as_str(), now.risk), ("after", Risk::Low));
    assert_eq!(now.source, source("https://git.example/right"));
    assert_eq!(now.sources, std::slice::from_ref(&now.source), "the wrong place is gone");
    assert_eq!((now.owner, now.contact), (None, first.contact));
    assert_eq!(now.comment.as_deref(), Some("a word"));
    assert_eq!((now.kind, now.tokens), (first.kind, first.tokens));

    let history = store.history(TENANT, first.id).await.unwrap();
    assert_eq!(
        history.last().unwrap().detail.as_deref(),
        Some(
            "title: before → after; risk: high → low; source: github https://git.example/one → \
             github https://git.example/right; owner: payments → none; comment changed"
        )
    );
    // An edit that changes nothing says nothing.
    store.edit(TENANT, first.id, Edit::default(), &actor()).await.unwrap();
    assert_eq!(store.history(TENANT, first.id).await.unwrap().len(), history.len());
}

pub async fn a_leak_keeps_a_token(store: &dyn Store) {
    let first = leak(store, "two tokens", &["a", "b"]).await;
    let all = first.tokens.iter().map(|token| token.id).collect();
    let edit = Edit { remove_tokens: all, ..Edit::default() };
    let error = store.edit(TENANT, first.id, edit, &actor()).await.unwrap_err();
    assert!(matches!(error, StoreError::LastToken), "{error:?}");
    assert_eq!(store.leak(TENANT, first.id).await.unwrap(), first, "nothing of it was done");

    let kept = first.tokens[0].id;
    let edit = Edit { remove_tokens: vec![kept], ..Edit::default() };
    let now = store.edit(TENANT, first.id, edit, &actor()).await.unwrap();
    assert_eq!(now.token_count, 1);
    let lookup = store.lookup(&one(TENANT), &first.tokens[0].fingerprint).await.unwrap();
    assert!(!lookup.known, "a token that no leak has is not kept");
    // Another leak's token, or one that nobody knows, is not removed here.
    let edit = Edit { remove_tokens: vec![kept], ..Edit::default() };
    assert_eq!(store.edit(TENANT, first.id, edit, &actor()).await.unwrap().token_count, 1);
    // The last one may go where another comes in the same call.
    let edit = Edit {
        add_tokens: vec![refused_token(store, 7, "too short")],
        remove_tokens: vec![now.tokens[0].id],
        ..Edit::default()
    };
    let now = store.edit(TENANT, first.id, edit, &actor()).await.unwrap();
    assert_eq!((now.token_count, now.remediation), (1, Remediation::NotApplicable));
}

pub async fn a_token_may_stand_in_several_leaks(store: &dyn Store) {
    let first = leak(store, "first", &["a"]).await;
    let second = leak(store, "second", &["b"]).await;
    let edit = Edit { add_tokens: vec![token(store, "a"), token(store, "c")], ..Edit::default() };
    let now = store.edit(TENANT, second.id, edit, &actor()).await.unwrap();
    assert_eq!(now.token_count, 3);
    assert!(now.tokens.iter().any(|token| token.id == first.tokens[0].id), "the same token");
    let lookup = store.lookup(&one(TENANT), &first.tokens[0].fingerprint).await.unwrap();
    let leaks: Vec<LeakId> = lookup.leaks.iter().map(|leak| leak.id).collect();
    assert_eq!(leaks, [first.id, second.id]);

    let done =
        store.register(registration("again", vec![token(store, "a")]), &actor()).await.unwrap();
    let merged: Vec<LeakId> = done.merged.iter().map(|merged| merged.leak).collect();
    assert_eq!(merged, [first.id, second.id], "an occurrence of both");

    let edit = Edit { remove_tokens: vec![first.tokens[0].id], ..Edit::default() };
    store.edit(TENANT, second.id, edit, &actor()).await.unwrap();
    assert_eq!(store.leak(TENANT, first.id).await.unwrap().token_count, 1, "kept by the other");
}

pub async fn comments_are_kept_in_order(store: &dyn Store) {
    let leak = leak(store, "talked about", &["a"]).await;
    for text in ["one", "two"] {
        let made = store.comment(TENANT, leak.id, text, &actor()).await.unwrap();
        assert_eq!((made.author.as_str(), made.text.as_str()), ("ada", text));
    }
    let comments = store.comments(TENANT, leak.id).await.unwrap();
    let texts: Vec<_> = comments.iter().map(|comment| comment.text.as_str()).collect();
    assert_eq!(texts, ["one", "two"]);
    let audit = store.audit(&one(TENANT), &Default::default()).await.unwrap();
    assert_eq!(audit.items[0].action, "comment");
    assert_eq!(audit.items[0].object.as_deref(), Some(leak.id.to_string().as_str()));
}

pub async fn another_tenant_sees_nothing(store: &dyn Store) {
    let leak = leak(store, "ours", &["a"]).await;
    let id = leak.id;
    let is_missing = |error: StoreError| matches!(error, StoreError::NotFound("leak"));
    assert!(is_missing(store.leak("other", id).await.unwrap_err()));
    assert!(is_missing(store.history("other", id).await.unwrap_err()));
    assert!(is_missing(store.comments("other", id).await.unwrap_err()));
    assert!(is_missing(store.comment("other", id, "hello", &actor()).await.unwrap_err()));
    assert!(is_missing(store.tokens("other", id, &page(1, None)).await.unwrap_err()));
    assert!(is_missing(store.impact("other", id, leak.created_at).await.unwrap_err()));
    assert!(is_missing(store.edit("other", id, Edit::default(), &actor()).await.unwrap_err()));
    let close = crate::given::decision(leakgate::model::leak::Decision::Close);
    assert!(is_missing(store.decide("other", id, close, &actor()).await.unwrap_err()));
    assert!(!store.lookup(&one("other"), &leak.tokens[0].fingerprint).await.unwrap().known);
    assert!(store.leaks(&one("other"), &Default::default()).await.unwrap().items.is_empty());
    assert!(is_missing(store.leak(TENANT, LeakId::new()).await.unwrap_err()));
}
