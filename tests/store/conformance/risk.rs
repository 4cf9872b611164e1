//! Risk that follows from what is known.

use jiff::SignedDuration;
use leakgate::model::clock;
use leakgate::model::event::EventAction;
use leakgate::model::leak::{Leak, Risk, Source, SourceKind};
use leakgate::model::token::Validity;
use leakgate::store::Store;
use leakgate::store::types::{Edit, LeakQuery, NewToken, Registration};

use crate::given::{TENANT, Use, a_use, actor, event, one, registration, source, token};

async fn unsaid(store: &dyn Store, kind: &str, source: Source, name: &str) -> Leak {
    let tokens = vec![NewToken { kind: kind.to_owned(), ..token(store, name) }];
    let asked = Registration { risk: None, source, ..registration(name, tokens) };
    store.register(asked, &actor()).await.unwrap().leak.unwrap()
}

async fn now(store: &dyn Store, leak: &Leak) -> Leak {
    store.leak(TENANT, leak.id).await.unwrap()
}

pub async fn it_follows_from_what_is_known(store: &dyn Store) {
    let manual = Source::of_kind(SourceKind::Manual);
    let made = unsaid(store, "github_pat", manual, "a").await;
    assert_eq!((made.risk, made.risk_set, made.risk_computed), (Risk::Medium, None, Risk::Medium));
    assert!(made.risk_explained[0].contains("github_pat"), "{:?}", made.risk_explained);
    // It is seen where anybody may look.
    let again = Registration {
        source: source("https://git.example/b"),
        ..registration("again", vec![token(store, "a")])
    };
    store.register(again, &actor()).await.unwrap();
    let public = now(store, &made).await;
    assert_eq!(public.risk, Risk::High);
    assert!(public.version > made.version);
    // It has been there for long.
    let edit = Edit {
        exposed_at: Some(Some(clock::now() - SignedDuration::from_hours(30))),
        ..Edit::default()
    };
    let old = store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    assert_eq!(old.risk, Risk::High, "one point more");
    assert!(old.risk_explained.iter().any(|why| why.contains("more than a day")));
    // Somebody uses it, and it works; then no more.
    store.append_events(&[event(Use { status: Some(500), ..a_use(&made) })]).await.unwrap();
    assert_eq!(store.settle_risks(clock::now()).await.unwrap(), 1);
    let used = now(store, &made).await;
    assert_eq!(used.risk, Risk::Critical);
    assert!(used.first_used_at.is_some());
    store.append_events(&[event(Use { status: Some(401), ..a_use(&made) })]).await.unwrap();
    store.settle_risks(clock::now()).await.unwrap();
    let dead = now(store, &made).await;
    assert_eq!((dead.risk, dead.first_used_at), (Risk::Low, used.first_used_at));
    store.append_events(&[event(a_use(&made))]).await.unwrap();
    assert_eq!(store.settle_risks(clock::now()).await.unwrap(), 1);
    assert_eq!(now(store, &made).await.risk, Risk::Critical);
    // What tells nothing new changes nothing.
    store.append_events(&[event(a_use(&made))]).await.unwrap();
    let before = now(store, &made).await.version;
    assert_eq!(store.settle_risks(clock::now()).await.unwrap(), 0);
    assert_eq!(now(store, &made).await.version, before);
    // A block tells nothing of the token, but that it is in use.
    let blocked = unsaid(store, "unknown", source("https://git.example/c"), "c").await;
    let refused = Use { action: EventAction::Blocked, status: Some(403), ..a_use(&blocked) };
    store.append_events(&[event(refused)]).await.unwrap();
    store.settle_risks(clock::now()).await.unwrap();
    assert_eq!((blocked.risk, now(store, &blocked).await.risk), (Risk::Medium, Risk::High));
}

pub async fn a_person_may_set_it(store: &dyn Store) {
    let made = unsaid(store, "github_pat", source("https://git.example/a"), "a").await;
    let set = |risk| Edit { risk: Some(risk), ..Edit::default() };
    let low = store.edit(TENANT, made.id, set(Some(Risk::Low)), &actor()).await.unwrap();
    assert_eq!((low.risk, low.risk_set), (Risk::Low, Some(Risk::Low)));
    assert_eq!(low.risk_computed, Risk::High);
    store.append_events(&[event(a_use(&made))]).await.unwrap();
    assert_eq!(store.settle_risks(clock::now()).await.unwrap(), 0, "what was set counts");
    let still = now(store, &made).await;
    assert_eq!((still.risk, still.risk_computed), (Risk::Low, Risk::Critical));
    let found = |risk| LeakQuery { risk: vec![risk], ..LeakQuery::default() };
    assert_eq!(store.leaks(&one(TENANT), &found(Risk::Low)).await.unwrap().total, 1);
    let back = store.edit(TENANT, made.id, set(None), &actor()).await.unwrap();
    assert_eq!((back.risk, back.risk_set), (Risk::Critical, None));
    assert_eq!(store.leaks(&one(TENANT), &found(Risk::Critical)).await.unwrap().total, 1);
    let stats = store.stats(&one(TENANT), clock::now()).await.unwrap();
    assert_eq!(stats.by_risk.iter().find(|count| count.name == "critical").unwrap().count, 1);
    let history = store.history(TENANT, made.id).await.unwrap();
    assert_eq!(history[1].detail.as_deref(), Some("risk: computed → low"));
    assert_eq!(history[2].detail.as_deref(), Some("risk: low → computed"));
}

pub async fn it_changes_by_the_passing_of_time(store: &dyn Store) {
    let made = unsaid(store, "unknown", source("https://git.example/a"), "a").await;
    let private = unsaid(store, "unknown", Source::of_kind(SourceKind::Manual), "b").await;
    assert_eq!(made.risk, Risk::Medium);
    let hours = |hours| clock::now() + SignedDuration::from_hours(hours);
    assert_eq!(store.settle_risks(hours(23)).await.unwrap(), 0);
    assert_eq!(store.settle_risks(hours(25)).await.unwrap(), 1);
    assert_eq!(now(store, &made).await.risk, Risk::High);
    assert_eq!(now(store, &private).await.risk, private.risk);
    assert_eq!(store.settle_risks(hours(26)).await.unwrap(), 0);
}

pub async fn a_honeytoken_is_marked_when_it_is_used(store: &dyn Store) {
    let made = unsaid(store, "honeytoken", source("https://git.example/a"), "a").await;
    assert_eq!((made.risk, made.honeytoken, made.tokens[0].honeytoken), (Risk::Info, true, true));
    assert_eq!(made.first_used_at, None);
    let used = event(Use { status: Some(401), ..a_use(&made) });
    store.append_events(std::slice::from_ref(&used)).await.unwrap();
    store.settle_risks(clock::now()).await.unwrap();
    let now = now(store, &made).await;
    assert_eq!((now.risk, now.first_used_at), (Risk::Critical, Some(used.at)));
    assert_eq!(now.risk_explained, ["a honeytoken was used: somebody has found it"]);
}

/// Two tokens in one leak of a kind and place of which nothing more is known.
async fn two(store: &dyn Store, of: [Validity; 2]) -> Leak {
    let [a, b] = ["a", "b"].map(|name| token(store, name));
    let [is_a, is_b] = of;
    let tokens = vec![NewToken { validity: is_a, ..a }, NewToken { validity: is_b, ..b }];
    let source = Source::of_kind(SourceKind::Manual);
    let asked = Registration { risk: None, source, ..registration("two", tokens) };
    store.register(asked, &actor()).await.unwrap().leak.unwrap()
}

async fn settled(store: &dyn Store, leak: &Leak) -> Risk {
    store.settle_risks(clock::now()).await.unwrap();
    now(store, leak).await.risk
}

/// One that is refused says nothing of the others.
pub async fn only_a_leak_of_which_all_is_refused_weighs_less(store: &dyn Store) {
    use Validity::{Inactive, Unknown};
    let made = two(store, [Inactive, Unknown]).await;
    assert_eq!(made.risk, Risk::Medium);
    let used = |index: usize, status| {
        let token = made.tokens[index].id;
        event(Use { token, status: Some(status), ..a_use(&made) })
    };
    let refused = usize::from(made.tokens[0].validity == Unknown);
    store.append_events(&[used(refused, 401)]).await.unwrap();
    assert_eq!(settled(store, &made).await, Risk::High, "seen in use; one may work yet");
    store.append_events(&[used(1 - refused, 401)]).await.unwrap();
    assert_eq!(settled(store, &made).await, Risk::Info, "none works");
    store.append_events(&[used(refused, 200)]).await.unwrap();
    assert_eq!(settled(store, &made).await, Risk::Critical);
}

/// What a report says, and an edit changes, is in it as what uses tell.
pub async fn reports_and_edits_are_in_it(store: &dyn Store) {
    use Validity::{Active, Inactive, Unknown};
    let made = two(store, [Unknown, Unknown]).await;
    assert_eq!(made.risk, Risk::Medium);
    let report = async |name: &str, validity| {
        let tokens = vec![NewToken { validity, ..token(store, name) }];
        let again = Registration {
            source: Source::of_kind(SourceKind::Manual),
            ..registration("again", tokens)
        };
        store.register(again, &actor()).await.unwrap();
    };
    report("a", Active).await;
    assert_eq!(settled(store, &made).await, Risk::Critical);
    report("a", Inactive).await;
    assert_eq!(settled(store, &made).await, Risk::Medium);
    report("b", Inactive).await;
    assert_eq!(settled(store, &made).await, Risk::Info);

    // One is put in that works, and taken out again.
    let add = vec![NewToken { validity: Active, ..token(store, "c") }];
    let edit = Edit { add_tokens: add, ..Edit::default() };
    let with = store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    assert_eq!(settled(store, &made).await, Risk::Critical);
    let working = with.tokens.iter().find(|token| token.validity == Active).unwrap().id;
    let edit = Edit { remove_tokens: vec![working], ..Edit::default() };
    store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    assert_eq!(settled(store, &made).await, Risk::Info);
    // A new one of which nothing is known may work.
    let edit = Edit { add_tokens: vec![token(store, "d")], ..Edit::default() };
    let with = store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    assert_eq!(settled(store, &made).await, Risk::Medium);
    // What upstreams tell of that one counts for as long as it is there.
    let last = with.tokens.iter().find(|token| token.validity == Unknown).unwrap().id;
    store.append_events(&[event(Use { token: last, ..a_use(&made) })]).await.unwrap();
    assert_eq!(settled(store, &made).await, Risk::Critical);
    let edit = Edit { remove_tokens: vec![last], ..Edit::default() };
    store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    assert_eq!(settled(store, &made).await, Risk::Info);
    // What one more use tells is news again, though it was told before.
    let edit = Edit { add_tokens: vec![token(store, "d")], ..Edit::default() };
    let with = store.edit(TENANT, made.id, edit, &actor()).await.unwrap();
    let last = with.tokens.iter().find(|token| token.validity == Unknown).unwrap().id;
    store.append_events(&[event(Use { token: last, ..a_use(&made) })]).await.unwrap();
    assert_eq!(settled(store, &made).await, Risk::Critical);
}
