use jiff::SignedDuration;
use leakgate::model::event::{Event, EventAction};
use leakgate::model::ids::PatchId;
use leakgate::model::token::Validity;
use leakgate::store::types::{Edit, EventQuery};
use leakgate::store::{Store, StoreError};

use crate::given::{TENANT, Use, a_use, actor, before, event, leak, page, token};

pub async fn events_are_listed_newest_first(store: &dyn Store) {
    let leak = leak(store, "used", &["a"]).await;
    let mut made: Vec<Event> = (0..12)
        .map(|minutes| {
            // Two at each time.
            let ago = SignedDuration::from_mins(minutes / 2);
            event(Use { ago, ..a_use(&leak) })
        })
        .collect();
    made[3].virtual_patch = Some(PatchId::new());
    made[3].forwarded_for = Some("198.51.100.1".to_owned());
    made[3].client_cert = Some("partner".to_owned());
    made[3].response_status = None;
    store.append_events(&made).await.unwrap();
    made.sort_by_key(|event| (event.at, event.id));
    made.reverse();

    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let query = EventQuery { page: page(5, cursor), ..EventQuery::default() };
        let found = store.events(&query).await.unwrap();
        seen.extend(found.items);
        cursor = found.next_cursor;
        let Some(next) = &cursor else { break };
        let other = EventQuery {
            host: Some("other".to_owned()),
            page: page(5, Some(next.clone())),
            ..EventQuery::default()
        };
        assert!(matches!(store.events(&other).await, Err(StoreError::BadCursor)));
    }
    assert_eq!(seen, made, "whole, and in order");
}

pub async fn events_are_narrowed(store: &dyn Store) {
    let first = leak(store, "first", &["a"]).await;
    let second = leak(store, "second", &["b"]).await;
    let blocked = event(Use {
        action: EventAction::Blocked,
        status: Some(403),
        source_ip: "198.51.100.9",
        ..a_use(&first)
    });
    let old = event(Use { ago: SignedDuration::from_hours(5), ..a_use(&first) });
    let mut elsewhere = event(Use { action: EventAction::Monitored, ..a_use(&second) });
    elsewhere.host = "other.example.com".to_owned();
    let all = [blocked.clone(), old.clone(), elsewhere.clone()];
    store.append_events(&all).await.unwrap();

    let query = EventQuery::default;
    let cases = [
        (EventQuery { leak: Some(second.id), ..query() }, vec![&elsewhere]),
        (EventQuery { token: Some(second.tokens[0].id), ..query() }, vec![&elsewhere]),
        (
            EventQuery { action: vec![EventAction::Blocked, EventAction::Monitored], ..query() },
            vec![&blocked, &elsewhere],
        ),
        (EventQuery { source_ip: Some("198.51.100.9".to_owned()), ..query() }, vec![&blocked]),
        (EventQuery { host: Some("other.example.com".to_owned()), ..query() }, vec![&elsewhere]),
        (EventQuery { to: Some(before(SignedDuration::from_hours(1))), ..query() }, vec![&old]),
        (EventQuery { from: Some(old.at), to: Some(old.at), ..query() }, vec![]),
        (EventQuery { leak: Some(first.id), from: Some(old.at), ..query() }, vec![&blocked, &old]),
    ];
    for (query, mut expected) in cases {
        expected.sort_by_key(|event| std::cmp::Reverse((event.at, event.id)));
        let found = store.events(&query).await.unwrap().items;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query:?}");
    }
}

pub async fn an_event_offered_twice_counts_once(store: &dyn Store) {
    let made = leak(store, "used", &["a"]).await;
    let one = event(Use { count: 5, ..a_use(&made) });
    let two = event(Use { count: 7, ..a_use(&made) });
    store.append_events(&[one.clone(), one.clone()]).await.unwrap();
    store.append_events(&[one.clone(), two.clone()]).await.unwrap();
    store.append_events(&[]).await.unwrap();
    assert_eq!(store.events(&EventQuery::default()).await.unwrap().items.len(), 2);
    let now = store.leak(TENANT, made.id).await.unwrap();
    assert_eq!(now.events_24h, 12);
    assert_eq!(now.last_event_at, Some(one.at.max(two.at)));
    assert_eq!(now.tokens[0].last_used_at, now.last_event_at);
}

pub async fn uses_are_told_by_hour(store: &dyn Store) {
    let made = leak(store, "used", &["a"]).await;
    let other = leak(store, "unused", &["b"]).await;
    let ago =
        |hours, count| event(Use { ago: SignedDuration::from_hours(hours), count, ..a_use(&made) });
    store.append_events(&[ago(0, 3), ago(2, 5), ago(2, 1), ago(24, 7), ago(30, 9)]).await.unwrap();
    let found = store.leak(TENANT, made.id).await.unwrap();
    // The hour may have turned since the events were made.
    let last = found.events_by_hour.iter().rposition(|count| *count > 0).unwrap();
    assert!(last + 2 >= found.events_by_hour.len() && found.events_by_hour.len() == 25);
    assert_eq!(found.events_by_hour[last], 3);
    assert_eq!(found.events_by_hour[last - 2], 6);
    assert_eq!(found.events_24h, found.events_by_hour.iter().sum::<u64>());
    assert!([9, 16].contains(&found.events_24h), "that of 24 hours ago is at the edge");
    let other = store.leak(TENANT, other.id).await.unwrap();
    assert_eq!((other.events_by_hour, other.last_event_at), (vec![0; 25], None));
}

pub async fn validity_is_learnt_from_what_the_upstream_answered(store: &dyn Store) {
    let made = leak(store, "used", &["a"]).await;
    let validity = async || store.leak(TENANT, made.id).await.unwrap().tokens[0].validity;
    let at = |minutes, action, status| {
        event(Use { ago: SignedDuration::from_mins(minutes), action, status, ..a_use(&made) })
    };
    // What was refused here never reached the upstream, and other answers tell nothing.
    store.append_events(&[at(60, EventAction::Blocked, Some(401))]).await.unwrap();
    store.append_events(&[at(59, EventAction::Observed, Some(500))]).await.unwrap();
    store.append_events(&[at(58, EventAction::Observed, None)]).await.unwrap();
    assert_eq!(validity().await, Validity::Unknown);
    store.append_events(&[at(50, EventAction::Observed, Some(204))]).await.unwrap();
    assert_eq!(validity().await, Validity::Active);
    // The last answer counts, also within a batch.
    let batch =
        [at(20, EventAction::Monitored, Some(401)), at(30, EventAction::Observed, Some(200))];
    store.append_events(&batch).await.unwrap();
    assert_eq!(validity().await, Validity::Inactive);
    // A batch that comes late tells nothing new.
    let late = at(40, EventAction::Observed, Some(200));
    store.append_events(&[late]).await.unwrap();
    assert_eq!(validity().await, Validity::Inactive);
    let used = store.leak(TENANT, made.id).await.unwrap().tokens[0].last_used_at;
    assert_eq!(used, Some(batch[0].at));
}

pub async fn a_use_counts_for_every_leak_of_the_token(store: &dyn Store) {
    let first = leak(store, "first", &["a"]).await;
    let second = leak(store, "second", &["b"]).await;
    let edit = Edit { add_tokens: vec![token(store, "a")], ..Edit::default() };
    store.edit(TENANT, second.id, edit, &actor()).await.unwrap();
    let used = event(Use { count: 3, ..a_use(&first) });
    let old = event(Use { count: 9, ago: SignedDuration::from_hours(26), ..a_use(&first) });
    store.append_events(&[used.clone(), old]).await.unwrap();
    for id in [first.id, second.id] {
        let now = store.leak(TENANT, id).await.unwrap();
        assert_eq!((now.events_24h, now.last_event_at), (3, Some(used.at)));
    }
    let events = EventQuery { leak: Some(second.id), ..EventQuery::default() };
    assert!(store.events(&events).await.unwrap().items.is_empty(), "its rule did not act");
}

pub async fn an_event_with_any_character_is_kept(store: &dyn Store) {
    let leak = leak(store, "used", &["a"]).await;
    let mut used = event(a_use(&leak));
    used.point = "body:json:$.a\0b".to_owned();
    used.user_agent = Some("\u{1}\u{7f}\u{10ffff}'\"\\$1?".to_owned());
    let plain = event(a_use(&leak));
    store.append_events(&[used.clone(), plain.clone()]).await.unwrap();
    let found = store.events(&EventQuery::default()).await.unwrap().items;
    let kept = found.iter().find(|event| event.id == used.id).unwrap();
    assert_eq!(kept.user_agent, used.user_agent);
    // PostgreSQL's texts cannot hold a NUL.
    assert!([used.point.clone(), used.point.replace('\0', "\u{fffd}")].contains(&kept.point));
    assert!(found.contains(&plain));
}

pub async fn batches_of_several_at_once_are_all_counted(store: &dyn Store) {
    let mut leaks = Vec::new();
    for name in ["a", "b", "c", "d"] {
        leaks.push(leak(store, name, &[name]).await);
    }
    let batches = (0..24).map(|batch| {
        // The same leaks in all batches, in another order in each.
        let events: Vec<_> =
            (0..40).map(|number| event(a_use(&leaks[(number * (batch % 3 + 1)) % 4]))).collect();
        async move { store.append_events(&events).await.unwrap() }
    });
    futures_util::future::join_all(batches).await;
    let mut counted = 0;
    for leak in &leaks {
        counted += store.leak(TENANT, leak.id).await.unwrap().events_24h;
    }
    assert_eq!(counted, 24 * 40);
}
