//! What must hold for something to be done, and what is done once.

use jiff::SignedDuration;
use leakgate::model::clock;
use leakgate::model::ids::LeakId;
use leakgate::model::leak::{Decision, Remediation, Risk, Status};
use leakgate::model::rule::{ModeOfToken, PatchMode, TokenMode};
use leakgate::store::types::{Conditions, Decide, Edit, NewPatch, Once, Registration};
use leakgate::store::{Store, StoreError};

use crate::given::{
    TENANT, actor, apply, decide, decision, leak, patch, refused_token, registration, token,
};

pub async fn a_version_is_checked_with_the_change(store: &dyn Store) {
    let made = leak(store, "versioned", &["a"]).await;
    let with =
        |versions: Vec<u64>| Conditions { versions: Some(versions), ..Conditions::default() };
    let edit = |title: &str, versions| Edit {
        title: Some(title.to_owned()),
        conditions: with(versions),
        ..Edit::default()
    };
    let first = made.version;
    let edited = store.edit(TENANT, made.id, edit("one", vec![first]), &actor()).await.unwrap();
    assert!(edited.version > first);
    let late = store.edit(TENANT, made.id, edit("two", vec![first]), &actor()).await;
    assert!(matches!(late, Err(StoreError::Outdated(now)) if now == edited.version), "{late:?}");
    let none = Decide { conditions: with(Vec::new()), ..decision(Decision::Close) };
    let refused = store.decide(TENANT, made.id, none, &actor()).await;
    assert!(matches!(refused, Err(StoreError::Outdated(_))), "{refused:?}");
    let now = store.leak(TENANT, made.id).await.unwrap();
    assert_eq!(
        (now.title.as_str(), now.status, now.version),
        ("one", Status::Open, edited.version)
    );
    let either =
        Decide { conditions: with(vec![first, edited.version]), ..decision(Decision::Close) };
    store.decide(TENANT, made.id, either, &actor()).await.unwrap();

    // Of several who decide at once by the same state, one does.
    let raced = leak(store, "raced", &["b"]).await;
    let tries = (0..8).map(|number| {
        let edit = edit(&format!("by {number}"), vec![raced.version]);
        async move { store.edit(TENANT, raced.id, edit, &actor()).await.is_ok() }
    });
    let done = futures_util::future::join_all(tries).await;
    assert_eq!(done.iter().filter(|done| **done).count(), 1);
    // What another report adds is seen, too.
    let before = store.leak(TENANT, raced.id).await.unwrap().version;
    let elsewhere = crate::given::source("https://git.example/two");
    let again =
        Registration { source: elsewhere, ..registration("again", vec![token(store, "b")]) };
    store.register(again, &actor()).await.unwrap();
    assert!(store.leak(TENANT, raced.id).await.unwrap().version > before);
}

fn once(key: u8, request: u8) -> Once {
    Once { key: [key; 16], request: [request; 16], part_of: None }
}

pub async fn a_call_with_a_key_is_done_once(store: &dyn Store) {
    let made = leak(store, "decided once", &["a"]).await;
    let conditions = Conditions { once: Some(once(1, 1)), ..Conditions::default() };
    let close = Decide { conditions, ..decision(Decision::Close) };
    let actor = actor();
    let tries = (0..6).map(|_| store.decide(TENANT, made.id, close.clone(), &actor));
    let results = futures_util::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let others = results.iter().filter(|result| matches!(result, Err(StoreError::Repeated)));
    assert_eq!(others.count(), 5);
    assert_eq!(store.history(TENANT, made.id).await.unwrap().len(), 2);
    let done = store.done_once(TENANT, &[1; 16]).await.unwrap().unwrap();
    assert_eq!((done.request, done.is_done, done.leak), ([1; 16], true, Some(made.id)));
    assert!(done.answer.unwrap().contains("\"closed\""));
    assert_eq!(store.done_once("other", &[1; 16]).await.unwrap(), None);

    // What is refused takes no key.
    let conditions = Conditions { once: Some(once(2, 2)), ..Conditions::default() };
    let refused = Decide { conditions, ..decision(Decision::Close) };
    let refused = store.decide(TENANT, made.id, refused, &actor).await;
    assert!(matches!(refused, Err(StoreError::NotAllowed(_))));
    assert_eq!(store.done_once(TENANT, &[2; 16]).await.unwrap(), None);

    // A registration, whether or not its tokens are new.
    for (key, known) in [(3, false), (4, true)] {
        let asked = || Registration {
            once: Some(once(key, key)),
            ..registration("once", vec![token(store, "b")])
        };
        let first = store.register(asked(), &actor).await.unwrap();
        assert_eq!((first.leak.is_none(), first.known.is_some()), (known, known));
        let second = store.register(asked(), &actor).await;
        assert!(matches!(second, Err(StoreError::Repeated)));
        let done = store.done_once(TENANT, &[key; 16]).await.unwrap().unwrap();
        assert!(done.answer.unwrap().contains(&format!("\"created\":{}", !known)));
    }

    let forgotten = store.forget_calls(clock::now() - SignedDuration::from_hours(24)).await;
    assert_eq!(forgotten.unwrap(), 0);
    let forgotten = store.forget_calls(clock::now() + SignedDuration::from_secs(1)).await;
    assert_eq!(forgotten.unwrap(), 3);
    assert_eq!(store.done_once(TENANT, &[1; 16]).await.unwrap(), None);
}

pub async fn a_call_in_parts_goes_on_where_it_was_cut_off(store: &dyn Store) {
    let ids: Vec<LeakId> =
        [leak(store, "x", &["x"]).await.id, leak(store, "y", &["y"]).await.id].to_vec();
    let whole = once(7, 7);
    store.begin_once(TENANT, whole, &ids).await.unwrap();
    let again = store.begin_once(TENANT, whole, &ids).await;
    assert!(matches!(again, Err(StoreError::Repeated)));
    let begun = store.done_once(TENANT, &[7; 16]).await.unwrap().unwrap();
    assert!(!begun.is_done);
    let about: Vec<LeakId> = serde_json::from_str(&begun.answer.unwrap()).unwrap();
    assert_eq!(about, ids);
    let part = Once { key: [8; 16], request: [7; 16], part_of: Some([7; 16]) };
    let conditions = Conditions { once: Some(part), ..Conditions::default() };
    let close = Decide { conditions, ..decision(Decision::Close) };
    store.decide(TENANT, ids[0], close.clone(), &actor()).await.unwrap();
    let second = store.decide(TENANT, ids[0], close, &actor()).await;
    assert!(matches!(second, Err(StoreError::Repeated)));
    store.end_once(TENANT, whole, "{\"items\":[]}").await.unwrap();
    let ended = store.done_once(TENANT, &[7; 16]).await.unwrap().unwrap();
    assert_eq!((ended.is_done, ended.answer.as_deref()), (true, Some("{\"items\":[]}")));
    assert_eq!(store.done_once(TENANT, &[8; 16]).await.unwrap(), None, "its parts are forgotten");
}

pub async fn tokens_may_have_a_mode_of_their_own(store: &dyn Store) {
    let made = leak(store, "mixed", &["a", "b", "c"]).await;
    let ids: Vec<_> = made.tokens.iter().map(|token| token.id).collect();
    let modes = |leak: &leakgate::model::leak::Leak| -> Vec<_> {
        leak.tokens.iter().map(|token| token.mode).collect()
    };
    assert_eq!(modes(&made), [None, None, None]);
    let of = |index: usize, mode| ModeOfToken { id: ids[index], mode };
    let mixed = vec![of(0, TokenMode::Monitoring), of(1, TokenMode::None), of(2, TokenMode::Block)];
    let mixed = NewPatch { tokens: Some(mixed), ..patch(PatchMode::Block) };
    let now = apply(store, made.id, mixed).await.unwrap();
    let expected = [TokenMode::Monitoring, TokenMode::None, TokenMode::Block].map(Some);
    assert_eq!(modes(&now), expected);
    assert_eq!(store.token_modes(made.id).await.unwrap().len(), 2, "one is as the patch");
    // A changed patch keeps them, and so do other changes.
    apply(store, made.id, patch(PatchMode::Monitoring)).await.unwrap();
    let edit = Edit { add_tokens: vec![token(store, "d")], ..Edit::default() };
    let now = store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    let monitoring = Some(TokenMode::Monitoring);
    assert_eq!(modes(&now), [monitoring, Some(TokenMode::None), monitoring, monitoring]);
    let page = store.tokens(TENANT, made.id, &crate::given::page(10, None)).await.unwrap();
    assert_eq!(page.items.iter().map(|token| token.mode).collect::<Vec<_>>(), modes(&now));
    let enforced = store.enforced_leaks_of(&[made.id], clock::now(), 30).await.unwrap();
    assert_eq!(enforced[0].token_modes, store.token_modes(made.id).await.unwrap());
    // A token that is taken out takes its mode along.
    let edit = Edit { remove_tokens: vec![ids[1]], ..Edit::default() };
    store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    let left = store.token_modes(made.id).await.unwrap();
    assert_eq!(left, [of(0, TokenMode::Monitoring)]);
    // Another leak's token has none here; a patch of nothing is none.
    let other = leak(store, "other", &["z"]).await;
    let foreign = ModeOfToken { id: other.tokens[0].id, mode: TokenMode::None };
    let refused = NewPatch { tokens: Some(vec![foreign]), ..patch(PatchMode::Block) };
    let refused = apply(store, made.id, refused).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
    let nothing = ModeOfToken { id: other.tokens[0].id, mode: TokenMode::None };
    let nothing = NewPatch { tokens: Some(vec![nothing]), ..patch(PatchMode::Block) };
    let refused = apply(store, other.id, nothing).await;
    assert!(matches!(refused, Err(StoreError::NothingApplicable(_))), "{refused:?}");
    assert_eq!(store.leak(TENANT, other.id).await.unwrap().remediation, Remediation::None);
    // They end with the patch.
    decide(store, made.id, Decision::RemoveVirtualPatch).await.unwrap();
    assert_eq!(store.token_modes(made.id).await.unwrap(), []);
    let cleared = NewPatch { tokens: Some(Vec::new()), ..patch(PatchMode::Block) };
    let now = apply(store, made.id, cleared).await.unwrap();
    assert!(modes(&now).iter().all(|mode| *mode == Some(TokenMode::Block)));
    assert_eq!(now.risk, Risk::High);
}

/// Whether a patch has anything left is told by the tokens that it takes, not by those of which no rule
/// is made anyhow.
pub async fn a_patch_of_modes_takes_a_token(store: &dyn Store) {
    let tokens = vec![
        token(store, "a"),
        token(store, "b"),
        refused_token(store, 7, "too short"),
        refused_token(store, 5, "shorter"),
    ];
    let made = store.register(registration("mixed", tokens), &actor()).await.unwrap().leak.unwrap();
    let of = |applicable: bool| {
        made.tokens.iter().filter(move |t| t.not_applicable.is_none() == applicable)
    };
    let none =
        |token: &leakgate::model::token::Token| ModeOfToken { id: token.id, mode: TokenMode::None };
    let refused: Vec<_> = of(false).map(none).collect();
    let taken: Vec<_> = of(true).map(none).collect();
    let with =
        |modes: Vec<ModeOfToken>| NewPatch { tokens: Some(modes), ..patch(PatchMode::Block) };

    let one_left = [refused.clone(), vec![taken[0]]].concat();
    let now = apply(store, made.id, with(one_left.clone())).await.unwrap();
    let blocked = now.tokens.iter().filter(|token| token.mode == Some(TokenMode::Block)).count();
    assert_eq!(blocked, 1);
    let is_refused = |result| matches!(result, Err(StoreError::NothingApplicable(_)));
    assert!(is_refused(apply(store, made.id, with(taken.clone())).await));
    let every = [refused.clone(), taken.clone()].concat();
    assert!(is_refused(apply(store, made.id, with(every.clone())).await));
    // Forced, one of those that were refused is taken, too.
    let forced = |modes| NewPatch { force: true, ..with(modes) };
    apply(store, made.id, forced(taken.clone())).await.unwrap();
    assert!(is_refused(apply(store, made.id, forced(every)).await));
    // Of two modes of one token, the later counts.
    let twice =
        [taken.clone(), vec![ModeOfToken { mode: TokenMode::Monitoring, ..taken[0] }]].concat();
    apply(store, made.id, with(twice.clone())).await.unwrap();
    let kept = store.token_modes(made.id).await.unwrap();
    assert!(kept.contains(twice.last().unwrap()) && kept.len() == 2, "{kept:?}");
    // What could not be applied is not proposed.
    let asked = |patch| Decide { patch: Some(patch), ..decision(Decision::ApplyVirtualPatch) };
    let asked = store.propose(TENANT, made.id, asked(with(taken)), &actor()).await;
    assert!(matches!(asked, Err(StoreError::NothingApplicable(_))), "{asked:?}");
}

/// Modes and tokens of more than one statement's worth.
pub async fn many_tokens_have_modes_and_are_taken_out(store: &dyn Store) {
    let names: Vec<String> = (0..1_100).map(|number| format!("t{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let made = leak(store, "many", &names).await;
    let mut ids = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.tokens(TENANT, made.id, &crate::given::page(500, cursor)).await.unwrap();
        ids.extend(page.items.iter().map(|token| token.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(ids.len(), 1_100);
    let modes: Vec<_> = ids[..1_000]
        .iter()
        .map(|id| ModeOfToken { id: *id, mode: TokenMode::Monitoring })
        .collect();
    let many = NewPatch { tokens: Some(modes), ..patch(PatchMode::Block) };
    apply(store, made.id, many).await.unwrap();
    assert_eq!(store.token_modes(made.id).await.unwrap().len(), 1_000);
    // One of them stands in another leak, too, and stays there.
    let shared = leak(store, "shared", &["other"]).await;
    let edit = Edit { add_tokens: vec![token(store, "t7")], ..Edit::default() };
    store.edit(TENANT, shared.id, edit, &actor()).await.unwrap();
    let foreign = shared.tokens[0].id;
    let removed = [ids[..1_050].to_vec(), vec![foreign]].concat();
    let edit = Edit { remove_tokens: removed, ..Edit::default() };
    let now = store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    assert_eq!(now.token_count, 50);
    assert_eq!(store.token_modes(made.id).await.unwrap(), []);
    let shared = store.leak(TENANT, shared.id).await.unwrap();
    assert_eq!(shared.token_count, 2);
    let stats = store.stats(&crate::given::one(TENANT), clock::now()).await.unwrap();
    assert_eq!(stats.tokens, 52);
}
