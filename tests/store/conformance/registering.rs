use leakgate::model::ids::LeakId;
use leakgate::model::leak::{Decision, Remediation, Risk, Status};
use leakgate::model::role::REOPENING_POLICY;
use leakgate::model::token::Validity;
use leakgate::store::Store;
use leakgate::store::types::Registration;

use crate::given::{
    TENANT, actor, decide, digest_token, leak, one, registration, source, text, token,
};

pub async fn a_new_leak_is_shown_whole(store: &dyn Store) {
    let mut asked = registration("A key in a README", vec![token(store, "a"), token(store, "b")]);
    asked.comment = Some("seen by hand".to_owned());
    let done = store.register(asked, &actor()).await.unwrap();
    assert!(done.merged.is_empty());
    let leak = done.leak.unwrap();
    assert_eq!(leak, store.leak(TENANT, leak.id).await.unwrap());
    assert_eq!(leak.title, "A key in a README");
    assert_eq!(leak.tenant, TENANT);
    assert_eq!((leak.risk, leak.status), (Risk::High, Status::Open));
    assert_eq!((leak.resolution, leak.remediation), (None, Remediation::None));
    assert_eq!(leak.source, source("https://git.example/one"));
    assert_eq!(leak.sources, std::slice::from_ref(&leak.source));
    assert_eq!(leak.kind, "example", "the first token's, where none is given");
    assert_eq!(leak.owner.as_deref(), Some("payments"));
    assert_eq!(leak.comment.as_deref(), Some("seen by hand"));
    assert_eq!((leak.token_count, leak.tokens.len()), (2, 2));
    assert_eq!(leak.created_at, leak.updated_at);
    assert_eq!((leak.last_event_at, leak.events_24h), (None, 0));
    assert!(leak.virtual_patch.is_none());
    let first = &leak.tokens[0];
    assert_eq!(first.fingerprint, token(store, "a").fingerprint);
    assert_eq!(first.length, Some(32));
    assert_eq!(first.validity, Validity::Unknown);
    let whole = text("a");
    assert_eq!(first.masked, format!("{}…{}", &whole[..4], &whole[28..]));

    let history = store.history(TENANT, leak.id).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].action.as_str(), history[0].actor.as_str()), ("register", "ada"));
    assert_eq!(history[0].comment.as_deref(), Some("seen by hand"));
    assert_eq!(history[0].detail.as_deref(), Some("2 tokens: github https://git.example/one"));
}

pub async fn known_tokens_become_an_occurrence(store: &dyn Store) {
    let first = leak(store, "first", &["a", "b"]).await;
    decide(store, first.id, Decision::Close).await.unwrap();
    let asked = Registration {
        source: source("https://git.example/two"),
        ..registration("again", vec![token(store, "a")])
    };
    let done = store.register(asked, &actor()).await.unwrap();
    assert!(done.leak.is_none(), "no leak where nothing is new");
    assert_eq!(done.merged.len(), 1);
    assert_eq!((done.merged[0].leak, done.merged[0].tokens), (first.id, 1));

    let now = store.leak(TENANT, first.id).await.unwrap();
    assert_eq!(now.title, "first");
    assert_eq!(now.status, Status::Closed, "a report does not decide");
    assert_eq!(now.source, source("https://git.example/one"));
    assert_eq!(now.sources, [source("https://git.example/one"), source("https://git.example/two")]);
    let history = store.history(TENANT, first.id).await.unwrap();
    let last = history.last().unwrap();
    assert_eq!(last.action, "occurrence");
    assert_eq!(last.detail.as_deref(), Some("1 token seen again: github https://git.example/two"));
}

pub async fn new_tokens_beside_known_ones_form_a_leak(store: &dyn Store) {
    let first = leak(store, "first", &["a", "b"]).await;
    let asked = registration("second", vec![token(store, "c"), token(store, "b")]);
    let done = store.register(asked, &actor()).await.unwrap();
    assert_eq!((done.merged[0].leak, done.merged[0].tokens), (first.id, 1));
    let second = done.leak.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(second.token_count, 1, "only what is new");
    assert_eq!(second.tokens[0].fingerprint, token(store, "c").fingerprint);
    assert_eq!(second.remediation, Remediation::None);
}

pub async fn the_same_place_is_one_source(store: &dyn Store) {
    let first = leak(store, "first", &["a"]).await;
    for _ in 0..3 {
        let asked = registration("nightly scan", vec![token(store, "a")]);
        let done = store.register(asked, &actor()).await.unwrap();
        assert_eq!(done.merged[0].leak, first.id);
    }
    assert_eq!(store.leak(TENANT, first.id).await.unwrap().sources.len(), 1);
    assert_eq!(store.history(TENANT, first.id).await.unwrap().len(), 1);
    // Of a leak that is closed, any new report is worth a line.
    decide(store, first.id, Decision::Close).await.unwrap();
    store.register(registration("scan", vec![token(store, "a")]), &actor()).await.unwrap();
    let history = store.history(TENANT, first.id).await.unwrap();
    assert_eq!(history.last().unwrap().action, "occurrence");
}

pub async fn a_digest_and_its_text_are_one_token(store: &dyn Store) {
    let asked = registration("by digest", vec![digest_token(store, "a")]);
    let first = store.register(asked, &actor()).await.unwrap().leak.unwrap();
    assert_eq!(first.tokens[0].masked, "sha256:…");
    assert_eq!(first.tokens[0].length, None);

    let done =
        store.register(registration("by text", vec![token(store, "a")]), &actor()).await.unwrap();
    assert!(done.leak.is_none());
    assert_eq!(done.merged[0].leak, first.id);
    let now = store.leak(TENANT, first.id).await.unwrap();
    assert_eq!(now.tokens[0].length, Some(32), "the text takes the digest's place");
    let enforced = store.enforced_tokens(first.id, None, 10).await.unwrap();
    assert_eq!(enforced[0].material, token(store, "a").material);

    // The other way round nothing is lost.
    store.register(registration("again", vec![digest_token(store, "a")]), &actor()).await.unwrap();
    let enforced = store.enforced_tokens(first.id, None, 10).await.unwrap();
    assert_eq!(enforced[0].material, token(store, "a").material);
}

pub async fn a_token_twice_in_one_call_is_one(store: &dyn Store) {
    let tokens = vec![digest_token(store, "a"), token(store, "a"), token(store, "a")];
    let done = store.register(registration("twice", tokens), &actor()).await.unwrap();
    let leak = done.leak.unwrap();
    assert_eq!(leak.token_count, 1);
    assert_eq!(leak.tokens[0].length, Some(32));
}

pub async fn tenants_are_apart(store: &dyn Store) {
    let first = leak(store, "first", &["a"]).await;
    let asked = Registration {
        tenant: "other".to_owned(),
        ..registration("theirs", vec![token(store, "a")])
    };
    let done = store.register(asked, &actor()).await.unwrap();
    assert!(done.merged.is_empty(), "a token is one within its tenant");
    let theirs = done.leak.unwrap();
    assert_ne!(theirs.tokens[0].id, first.tokens[0].id);
    assert_eq!(store.leaks(&one("other"), &Default::default()).await.unwrap().items.len(), 1);
}

pub async fn a_later_part_of_a_report_goes_to_its_leak(store: &dyn Store) {
    let other = leak(store, "other", &["x"]).await;
    let first = leak(store, "first", &["a", "b"]).await;
    let asked = Registration {
        continues: Some(first.id),
        ..registration("second part", ["b", "c", "x"].map(|name| token(store, name)).into())
    };
    let done = store.register(asked, &actor()).await.unwrap();
    let now = done.leak.unwrap();
    assert_eq!((now.id, now.title.as_str()), (first.id, "first"), "no leak of its own");
    assert_eq!((now.token_count, done.new_tokens), (3, 1), "only what is new is added");
    assert_eq!(done.merged.len(), 1, "a token that it has already is no occurrence");
    assert_eq!(done.merged[0].leak, other.id);
    assert_eq!(store.leak(TENANT, other.id).await.unwrap().token_count, 1);
    let nowhere = Registration {
        continues: Some(LeakId::new()),
        ..registration("lost", vec![token(store, "d")])
    };
    assert!(store.register(nowhere, &actor()).await.is_err());
    let unknown = store.lookup(&one(TENANT), &token(store, "d").fingerprint).await.unwrap();
    assert!(!unknown.known, "nothing of it was kept");
}

pub async fn a_closed_leak_is_opened_again_where_the_policy_says_so(store: &dyn Store) {
    let made = leak(store, "closed", &["a"]).await;
    let falsely = leak(store, "false", &["b"]).await;
    let untouched = leak(store, "untouched", &["c", "d"]).await;
    decide(store, made.id, Decision::Close).await.unwrap();
    decide(store, falsely.id, Decision::MarkFalse).await.unwrap();
    let ids = [made.id, falsely.id, untouched.id];
    let undecided = async || store.undecided(TENANT, &ids).await.unwrap();
    assert_eq!(undecided().await, [(untouched.id, 2)]);
    let report = async |reopens| {
        let tokens = vec![token(store, "a"), token(store, "b"), token(store, "c")];
        let again = Registration { reopens, ..registration("again", tokens) };
        let merged = store.register(again, &actor()).await.unwrap().merged;
        let reopened = merged.into_iter().filter(|merged| merged.reopened);
        reopened.map(|merged| merged.leak).collect::<Vec<_>>()
    };
    assert!(report(false).await.is_empty());
    assert_eq!(report(true).await, [made.id]);
    assert!(report(true).await.is_empty(), "it is open");
    let now = store.leak(TENANT, made.id).await.unwrap();
    assert_eq!((now.status, now.remediation), (Status::Open, Remediation::None));
    assert!(now.version > made.version);
    let stays = store.leak(TENANT, falsely.id).await.unwrap();
    assert_eq!(stays.status, Status::FalsePositive);
    let history = store.history(TENANT, made.id).await.unwrap();
    let last = history.last().unwrap();
    assert_eq!((last.actor.as_str(), last.action.as_str()), (REOPENING_POLICY, "reopen"));
    assert!(last.comment.as_deref().unwrap().ends_with("reported again by ada"), "{last:?}");
    // Nobody has decided about it since; then somebody does.
    let mut expected = vec![(made.id, 1), (untouched.id, 2)];
    expected.sort_unstable();
    assert_eq!(undecided().await, expected);
    decide(store, made.id, Decision::RemoveVirtualPatch).await.unwrap();
    assert_eq!(undecided().await.len(), 2, "there was no patch: nothing was decided");
    decide(store, made.id, Decision::Close).await.unwrap();
    decide(store, made.id, Decision::Reopen).await.unwrap();
    assert_eq!(undecided().await, [(untouched.id, 2)]);
    assert!(store.undecided("other", &ids).await.unwrap().is_empty());
}
