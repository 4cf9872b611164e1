//! What pages show beside the lists.

use jiff::SignedDuration;
use leakgate::model::clock;
use leakgate::model::event::EventAction;
use leakgate::model::ids::EventId;
use leakgate::model::role::Role;
use leakgate::store::Store;
use leakgate::store::identity::NewSession;
use leakgate::store::types::EventQuery;
use leakgate::store::views::GroupBy;

use crate::given::{Use, a_use, actor, event, leak};

pub async fn one_event_is_found(store: &dyn Store) {
    let leak = leak(store, "used", &["a"]).await;
    let written = event(a_use(&leak));
    store.append_events(std::slice::from_ref(&written)).await.unwrap();
    let found = store.event(written.id).await.unwrap().unwrap();
    assert_eq!(
        (found.id, found.path, found.encodings),
        (written.id, written.path, written.encodings)
    );
    assert!(store.event(EventId::new()).await.unwrap().is_none());
}

pub async fn events_are_put_together(store: &dyn Store) {
    let leak = leak(store, "used", &["a", "b"]).await;
    let mut events = Vec::new();
    for (token, client, host, action, count) in [
        (0, "203.0.113.1", "a.example", EventAction::Blocked, 3),
        (0, "203.0.113.1", "b.example", EventAction::Observed, 2),
        (1, "203.0.113.2", "a.example", EventAction::Monitored, 1),
    ] {
        let mut one = event(Use {
            token: leak.tokens[token].id,
            action,
            count,
            source_ip: client,
            ..a_use(&leak)
        });
        one.host = host.to_owned();
        one.path = format!("/{client}/100%");
        events.push(one);
    }
    store.append_events(&events).await.unwrap();
    let groups = async |by, query: &EventQuery| {
        let found = store.event_groups(query, by).await.unwrap();
        found.into_iter().map(|group| (group.name, group.count)).collect::<Vec<_>>()
    };
    let pair = |name: &str, count| (name.to_owned(), count);
    let all = EventQuery::default();
    assert_eq!(
        groups(GroupBy::Client, &all).await,
        [pair("203.0.113.1", 5), pair("203.0.113.2", 1)]
    );
    assert_eq!(groups(GroupBy::Host, &all).await, [pair("a.example", 4), pair("b.example", 2)]);
    let tokens = store.event_groups(&all, GroupBy::Token).await.unwrap();
    assert_eq!(tokens[0].token, Some(leak.tokens[0].id));
    assert_eq!((tokens[0].blocked, tokens[0].monitored, tokens[0].observed), (3, 0, 2));
    assert_eq!((tokens[0].first_at, tokens[1].count), (events[0].at, 1));

    let path = |path: &str| EventQuery { path: Some(path.to_owned()), ..EventQuery::default() };
    assert_eq!(groups(GroupBy::Host, &path("/203.0.113.2/100%")).await, [pair("a.example", 1)]);
    assert_eq!(groups(GroupBy::Host, &path("/203.0.113._")).await, []);
    assert_eq!(store.events(&path("/203.0.113.1/")).await.unwrap().items.len(), 2);
    let elsewhere = EventQuery { tenant: Some("other".to_owned()), ..EventQuery::default() };
    assert_eq!(groups(GroupBy::Client, &elsewhere).await, []);
}

pub async fn a_users_sessions_are_listed(store: &dyn Store) {
    let user = store.add_user("grace", Role::Analyst, "hash", &actor()).await.unwrap();
    let now = clock::now();
    let ago = |minutes| now.checked_sub(SignedDuration::from_mins(minutes)).unwrap();
    let ends = now.checked_add(SignedDuration::from_hours(1)).unwrap();
    for (hash, at, expires_at) in
        [([1; 32], ago(50), ends), ([2; 32], ago(5), ends), ([3; 32], ago(9), ago(1))]
    {
        let session =
            NewSession { hash, user, password_hash: None, replaces: None, at, expires_at };
        assert!(store.start_session(session, &actor()).await.unwrap());
    }
    let idle = SignedDuration::from_hours(12);
    let found = store.sessions_of(user, &[1; 32], now, idle).await.unwrap();
    let told: Vec<_> = found.iter().map(|one| (one.created_at, one.current)).collect();
    assert_eq!(told, [(ago(5), false), (ago(50), true)], "the one that is over is left out");
    let idle = SignedDuration::from_mins(10);
    assert_eq!(store.sessions_of(user, &[1; 32], now, idle).await.unwrap().len(), 1);
}
