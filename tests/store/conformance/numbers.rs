use jiff::SignedDuration;
use leakgate::model::clock;
use leakgate::model::event::EventAction;
use leakgate::model::leak::{Decision, Risk, Source, SourceKind};
use leakgate::model::rule::PatchMode;
use leakgate::store::Store;
use leakgate::store::types::{Edit, LeakQuery, NewPatch, Registration, Stats};

use crate::given::{
    TENANT, Use, a_use, actor, apply, before, decide, event, leak, one, patch, refused_token,
    registration, token,
};

pub async fn impact_sums_by_client(store: &dyn Store) {
    let made = leak(store, "used", &["a", "b"]).await;
    let at = |ago: SignedDuration, source_ip, status, count| {
        event(Use { ago, source_ip, status, count, ..a_use(&made) })
    };
    let minutes = SignedDuration::from_mins;
    let hours = SignedDuration::from_hours;
    let events = [
        at(minutes(5), "203.0.113.7", Some(200), 2),
        at(hours(3), "203.0.113.7", Some(200), 4),
        at(hours(3), "203.0.113.7", Some(401), 1),
        at(hours(50), "198.51.100.9", None, 8),
        at(hours(24 * 8), "198.51.100.9", None, 16),
    ];
    store.append_events(&events).await.unwrap();
    let impact = store.impact(TENANT, made.id, before(hours(24 * 7))).await.unwrap();
    assert_eq!((impact.uses_1h, impact.uses_24h, impact.uses_7d), (2, 7, 15));
    assert_eq!(impact.watched_since, Some(made.created_at));
    assert_eq!(impact.not_watched, 0);
    let rows: Vec<_> = impact
        .clients
        .iter()
        .map(|row| (row.source_ip.as_str(), row.response_status, row.count))
        .collect();
    assert_eq!(
        rows,
        [("198.51.100.9", None, 8), ("203.0.113.7", Some(200), 6), ("203.0.113.7", Some(401), 1)]
    );
    assert_eq!(impact.clients[1].host, "api.example.com");
    assert_eq!(impact.clients[1].first_at, events[1].at);
    assert_eq!(impact.clients[1].last_at, events[0].at);
    assert!(
        impact.clients.iter().all(|row| row.new_since_exposure.is_none()),
        "nothing was watched before the leak was registered"
    );
}

pub async fn impact_tells_new_clients_where_it_can(store: &dyn Store) {
    let first = leak(store, "first", &["a"]).await;
    let earlier = event(Use { source_ip: "203.0.113.1", ..a_use(&first) });
    store.append_events(&[earlier]).await.unwrap();
    let second = leak(store, "second", &["b"]).await;
    let edit = Edit { add_tokens: vec![token(store, "a")], ..Edit::default() };
    let second = store.edit(TENANT, second.id, edit, &actor()).await.unwrap();
    let later = event(Use {
        source_ip: "203.0.113.2",
        ago: SignedDuration::from_secs(-1),
        ..a_use(&first)
    });
    store.append_events(&[later]).await.unwrap();
    let week = before(SignedDuration::from_hours(24 * 7));
    let impact = store.impact(TENANT, second.id, week).await.unwrap();
    let told = |ip: &str| {
        impact.clients.iter().find(|row| row.source_ip == ip).unwrap().new_since_exposure
    };
    assert_eq!(told("203.0.113.1"), Some(false), "seen before the second leak was registered");
    assert_eq!(told("203.0.113.2"), None, "watched for too short a time to call it new");
    assert!(second.created_at >= first.created_at);
}

pub async fn impact_says_what_is_not_watched(store: &dyn Store) {
    let tokens =
        vec![refused_token(store, 5, "five bytes"), refused_token(store, 7, "seven bytes")];
    let asked = registration("guarded", tokens);
    let made = store.register(asked, &actor()).await.unwrap().leak.unwrap();
    let now = clock::now();
    let impact = store.impact(TENANT, made.id, now).await.unwrap();
    assert_eq!((impact.not_watched, impact.watched_since), (2, None));
    let forced = NewPatch { force: true, ..patch(PatchMode::Block) };
    apply(store, made.id, forced).await.unwrap();
    let impact = store.impact(TENANT, made.id, now).await.unwrap();
    assert_eq!((impact.not_watched, impact.watched_since), (1, Some(made.created_at)));
    decide(store, made.id, Decision::MarkFalse).await.unwrap();
    let impact = store.impact(TENANT, made.id, now).await.unwrap();
    assert_eq!(impact.watched_since, None, "what is false is not watched");
}

pub async fn statistics_count(store: &dyn Store) {
    let of = |counts: &[leakgate::store::types::Count], name: &str| {
        counts.iter().find(|count| count.name == name).unwrap().count
    };
    let empty = store.stats(&one(TENANT), clock::now()).await.unwrap();
    assert_eq!((empty.leaks, empty.tokens, empty.days.len()), (0, 0, 0));
    assert_eq!(of(&empty.by_risk, "critical"), 0);

    let open = leak(store, "open", &["a", "b"]).await;
    apply(store, open.id, patch(PatchMode::Block)).await.unwrap();
    let closed = leak(store, "closed", &["c"]).await;
    decide(store, closed.id, Decision::Close).await.unwrap();
    let theirs = Registration { tenant: "other".to_owned(), ..registration("theirs", vec![]) };
    let theirs = Registration { tokens: vec![token(store, "z")], ..theirs };
    store.register(theirs, &actor()).await.unwrap();
    let hours = SignedDuration::from_hours;
    let at = |ago, action, count| event(Use { ago, action, count, ..a_use(&open) });
    store
        .append_events(&[
            at(hours(1), EventAction::Blocked, 3),
            at(hours(2), EventAction::Observed, 1),
            at(hours(24 * 10), EventAction::Monitored, 5),
            at(hours(24 * 100), EventAction::Blocked, 50),
        ])
        .await
        .unwrap();

    let stats: Stats = store.stats(&one(TENANT), clock::now()).await.unwrap();
    assert_eq!((stats.leaks, stats.tokens), (2, 3));
    assert_eq!((of(&stats.by_status, "open"), of(&stats.by_status, "closed")), (1, 1));
    assert_eq!((of(&stats.by_risk, "high"), of(&stats.by_risk, "low")), (1, 0), "open ones");
    assert_eq!(of(&stats.by_source, "github"), 1);
    assert_eq!(of(&stats.by_remediation, "virtual_patch"), 1);
    assert_eq!(of(&stats.events_24h, "blocked"), 3);
    assert_eq!(of(&stats.events_24h, "observed"), 1);
    assert_eq!(of(&stats.events_24h, "monitored"), 0);
    let sum = |uses: fn(&leakgate::store::types::Day) -> u64| -> u64 {
        stats.days.iter().map(uses).sum()
    };
    assert_eq!(sum(|day| day.leaks), 2);
    assert_eq!((sum(|day| day.blocked), sum(|day| day.monitored)), (3, 5), "90 days of them");
    assert!(stats.days.len() <= 4 && stats.days.is_sorted_by_key(|day| day.day.clone()));
}

/// The counts that are kept follow every change.
pub async fn counts_stay_true(store: &dyn Store) {
    let of = |counts: &[leakgate::store::types::Count], name: &str| {
        counts.iter().find(|count| count.name == name).unwrap().count
    };
    let a = leak(store, "a", &["a1", "a2"]).await;
    let b = leak(store, "b", &["b1"]).await;
    let edit = Edit {
        risk: Some(Some(Risk::Low)),
        source: Some(Source::of_kind(SourceKind::Gist)),
        add_tokens: vec![token(store, "b2"), token(store, "a1")],
        remove_tokens: vec![b.tokens[0].id],
        ..Edit::default()
    };
    store.edit(TENANT, b.id, edit, &actor()).await.unwrap();
    apply(store, b.id, patch(PatchMode::Monitoring)).await.unwrap();
    decide(store, a.id, Decision::MarkFalse).await.unwrap();
    decide(store, a.id, Decision::Reopen).await.unwrap();
    // A known token of another kind of place.
    let again = Registration {
        source: Source::of_kind(SourceKind::Pastebin),
        ..registration("", vec![token(store, "a2")])
    };
    store.register(again, &actor()).await.unwrap();
    let stats = store.stats(&one(TENANT), clock::now()).await.unwrap();
    assert_eq!((stats.leaks, stats.tokens), (2, 3), "b1 is gone, b2 came");
    assert_eq!((of(&stats.by_status, "open"), of(&stats.by_status, "false_positive")), (2, 0));
    assert_eq!((of(&stats.by_risk, "high"), of(&stats.by_risk, "low")), (1, 1));
    assert_eq!((of(&stats.by_source, "github"), of(&stats.by_source, "gist")), (1, 1));
    assert_eq!(of(&stats.by_remediation, "virtual_patch"), 1);
    assert_eq!(stats.days.iter().map(|day| day.leaks).sum::<u64>(), 2);
    for (source, leaks) in [
        (vec![SourceKind::Pastebin], 1),
        (vec![SourceKind::Gist, SourceKind::Github], 2),
        (vec![SourceKind::Other], 0),
    ] {
        let query = LeakQuery { source, ..LeakQuery::default() };
        assert_eq!(store.leaks(&one(TENANT), &query).await.unwrap().total, leaks);
    }
}
