//! What pages show beside the lists.

use jiff::SignedDuration;
use leakgate::model::clock;
use leakgate::model::event::EventAction;
use leakgate::model::ids::EventId;
use leakgate::model::leak::Decision;
use leakgate::model::role::Role;
use leakgate::model::tenant::Tenants;
use leakgate::store::Store;
use leakgate::store::identity::NewSession;
use leakgate::store::types::EventQuery;
use leakgate::store::views::{AuditQuery, GroupBy};

use crate::given::{TENANT, Use, a_use, actor, decide, event, leak, one};

pub async fn hours_tell_when_tokens_were_used(store: &dyn Store) {
    let used = leak(store, "used", &["a"]).await;
    let unused = leak(store, "unused", &["b"]).await;
    let hours = |hours| SignedDuration::from_hours(hours);
    let events: Vec<_> = [(0, 2), (3, 5), (3, 1), (40, 9)]
        .map(|(ago, count)| event(Use { ago: hours(ago), count, ..a_use(&used) }))
        .to_vec();
    store.append_events(&events).await.unwrap();
    let found = store.leak_hours(&[used.id, unused.id], clock::now()).await.unwrap();
    assert_eq!(found.len(), 1, "an unused leak is left out");
    let hours = &found[&used.id];
    assert_eq!((hours.len(), hours.iter().sum::<u64>()), (25, 8));
    assert_eq!(hours[21], 6, "{hours:?}");
    assert!(store.leak_hours(&[], clock::now()).await.unwrap().is_empty());
}

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

pub async fn the_audit_log_is_narrowed(store: &dyn Store) {
    let leak = leak(store, "audited", &["a"]).await;
    decide(store, leak.id, Decision::Close).await.unwrap();
    store.add_user("grace", Role::Analyst, "hash", &actor()).await.unwrap();
    let found = async |query: AuditQuery| {
        let page = store.audit_part(&Tenants::All, &query).await.unwrap();
        page.items.into_iter().map(|entry| entry.action).collect::<Vec<_>>()
    };
    let none = AuditQuery::default;
    assert_eq!(found(none()).await, ["add_user", "close", "register"]);
    assert_eq!(found(AuditQuery { action: Some("close".to_owned()), ..none() }).await, ["close"]);
    let object = Some(leak.id.to_string());
    assert_eq!(found(AuditQuery { object, ..none() }).await, ["close", "register"]);
    assert_eq!(found(AuditQuery { actor: Some("nobody".to_owned()), ..none() }).await.len(), 0);
    let at = Some(clock::now().checked_add(SignedDuration::from_secs(1)).unwrap());
    assert_eq!(found(AuditQuery { from: at, ..none() }).await.len(), 0);
    assert_eq!(found(AuditQuery { to: at, ..none() }).await.len(), 3);
    let page = store.audit_part(&one(TENANT), &none()).await.unwrap();
    assert_eq!(page.items.len(), 3);
}
