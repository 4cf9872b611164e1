//! What pages show beside the lists.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use leakgate::config::limits;
use leakgate::model::clock;
use leakgate::model::event::{Event, EventAction};
use leakgate::model::ids::EventId;
use leakgate::model::role::Role;
use leakgate::store::Store;
use leakgate::store::identity::NewSession;
use leakgate::store::types::{Edit, EventQuery, ImpactRow, Registration};
use leakgate::store::views::{EventGroup, GroupBy};

use crate::given::{TENANT, Use, a_use, actor, before, event, leak, page, registration, token};

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
        found.items.into_iter().map(|group| (group.name, group.count)).collect::<Vec<_>>()
    };
    let pair = |name: &str, count| (name.to_owned(), count);
    let all = EventQuery::default();
    assert_eq!(
        groups(GroupBy::Client, &all).await,
        [pair("203.0.113.1", 5), pair("203.0.113.2", 1)]
    );
    assert_eq!(groups(GroupBy::Host, &all).await, [pair("a.example", 4), pair("b.example", 2)]);
    let tokens = store.event_groups(&all, GroupBy::Token).await.unwrap().items;
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

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn of(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % most
    }

    fn among<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.of(all.len() as u64) as usize]
    }
}

const CLIENTS: [&str; 3] = ["203.0.113.1", "203.0.113.2", "2001:db8::7"];
const HOSTS: [&str; 2] = ["a.example", "b.example"];

/// What is counted by hour and what stands at the edges of the time asked for make the groups, and the
/// impact, that the events themselves would.
pub async fn groups_and_impact_are_those_of_the_events(store: &dyn Store) {
    let one = leak(store, "one", &["a", "b"]).await;
    let two = leak(store, "two", &["c"]).await;
    let mut chance = Chance(7);
    let mut events = Vec::new();
    for number in 0..300 {
        let of = chance.among(&[&one, &one, &two]);
        let mut made = event(Use {
            token: of.tokens[chance.of(of.tokens.len() as u64) as usize].id,
            action: chance.among(EventAction::ALL),
            status: chance.among(&[None, Some(200), Some(401)]),
            count: 1 + chance.of(5),
            ago: SignedDuration::from_secs(chance.of(5 * 3_600).cast_signed()),
            source_ip: chance.among(&CLIENTS),
            ..a_use(of)
        });
        made.host = chance.among(&HOSTS).to_owned();
        made.path = format!("/{}/{number}", chance.of(3));
        made.fingerprint = format!("{:.12}", made.token.to_string().replace('-', ""));
        made.fingerprint = made.fingerprint.chars().rev().collect();
        events.push(made);
    }
    for batch in events.chunks(70) {
        store.append_events(batch).await.unwrap();
    }
    // Offered again, they are not counted again.
    store.append_events(&events[..50]).await.unwrap();
    // What a token was used for under a leak stays with that when the token is taken out of it.
    let edit = Edit { remove_tokens: vec![one.tokens[1].id], ..Edit::default() };
    store.edit(TENANT, one.id, edit, &actor()).await.unwrap();

    let at = |minutes: u64| before(SignedDuration::from_mins(minutes.cast_signed()));
    let whole =
        |at: Timestamp| Timestamp::from_second(at.as_second().div_euclid(3_600) * 3_600).unwrap();
    for number in 0..150 {
        let mut maybe = |share| chance.of(share) == 0;
        let [by_leak, by_token, by_action] = [maybe(3), maybe(4), maybe(3)];
        let [by_client, by_host, by_path] = [maybe(4), maybe(4), maybe(5)];
        let [begins, ends, at_hours] = [!maybe(3), maybe(3), maybe(2)];
        let (from, to) = (at(chance.of(330)), at(chance.of(330)));
        let (from, to) = if at_hours { (whole(from), whole(to)) } else { (from, to) };
        let query = EventQuery {
            tenant: (number % 2 == 0).then(|| TENANT.to_owned()),
            leak: by_leak.then_some(one.id),
            token: by_token.then(|| chance.among(&[one.tokens[0].id, one.tokens[1].id])),
            action: if by_action { vec![chance.among(EventAction::ALL)] } else { Vec::new() },
            source_ip: by_client.then(|| chance.among(&CLIENTS).to_owned()),
            host: by_host.then(|| chance.among(&HOSTS).to_owned()),
            path: by_path.then(|| "/1/".to_owned()),
            from: begins.then_some(from),
            to: ends.then_some(to),
            ..EventQuery::default()
        };
        for by in [GroupBy::Client, GroupBy::Host, GroupBy::Token] {
            let found = store.event_groups(&query, by).await.unwrap();
            assert_eq!(found.since, query.from);
            assert_eq!(found.items, grouped(&events, &query, by), "{by:?} {query:?}");
        }
        let impact = store.impact(TENANT, one.id, from).await.unwrap();
        let of_one = |event: &&Event| event.token == one.tokens[0].id && event.at >= from;
        let all: u64 = events
            .iter()
            .filter(|event| event.token == one.tokens[0].id)
            .map(|event| event.count)
            .sum();
        assert_eq!((impact.uses_24h, impact.uses_7d), (all, all));
        for client in CLIENTS {
            for status in [None, Some(200), Some(401)] {
                let is = |ip: &str, answer| (ip, answer) == (client, status);
                let fitting = || {
                    let fitting = events.iter().filter(of_one);
                    fitting.filter(|event| is(&event.source_ip, event.response_status))
                };
                let rows: Vec<_> = impact
                    .clients
                    .iter()
                    .filter(|row| is(&row.source_ip, row.response_status))
                    .collect();
                let count: u64 = fitting().map(|event| event.count).sum();
                assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), count);
                let times =
                    |at: fn(&&ImpactRow) -> Timestamp| rows.iter().map(at).collect::<Vec<_>>();
                assert_eq!(
                    times(|row| row.first_at).into_iter().min(),
                    fitting().map(|event| event.at).min()
                );
                assert_eq!(
                    times(|row| row.last_at).into_iter().max(),
                    fitting().map(|event| event.at).max()
                );
            }
        }
    }
}

/// The groups, made of the events one by one.
fn grouped(events: &[Event], query: &EventQuery, by: GroupBy) -> Vec<EventGroup> {
    let mut groups: BTreeMap<Vec<u8>, EventGroup> = BTreeMap::new();
    for event in events {
        let fits = query.leak.is_none_or(|leak| leak == event.leak)
            && query.token.is_none_or(|token| token == event.token)
            && (query.action.is_empty() || query.action.contains(&event.action))
            && query.source_ip.as_ref().is_none_or(|ip| *ip == event.source_ip)
            && query.host.as_ref().is_none_or(|host| *host == event.host)
            && query.path.as_ref().is_none_or(|path| event.path.starts_with(path.as_str()))
            && query.from.is_none_or(|from| event.at >= from)
            && query.to.is_none_or(|to| event.at < to);
        if !fits {
            continue;
        }
        let (key, name, token) = match by {
            GroupBy::Token => {
                let id = event.token.0.as_bytes().to_vec();
                (id, event.fingerprint.clone(), Some(event.token))
            }
            GroupBy::Client => {
                (event.source_ip.clone().into_bytes(), event.source_ip.clone(), None)
            }
            GroupBy::Host => (event.host.clone().into_bytes(), event.host.clone(), None),
        };
        let group = groups.entry(key).or_insert(EventGroup {
            name,
            token,
            count: 0,
            blocked: 0,
            monitored: 0,
            observed: 0,
            first_at: event.at,
            last_at: event.at,
        });
        group.count += event.count;
        *match event.action {
            EventAction::Blocked => &mut group.blocked,
            EventAction::Monitored => &mut group.monitored,
            EventAction::Observed => &mut group.observed,
        } += event.count;
        group.first_at = group.first_at.min(event.at);
        group.last_at = group.last_at.max(event.at);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(a, left), (b, right)| right.count.cmp(&left.count).then(a.cmp(b)));
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Where the index does not tell which events fit, a page ends after so many that do not.
pub async fn a_page_looks_at_so_many_events(store: &dyn Store) {
    let leak = leak(store, "used", &["a"]).await;
    let minutes = SignedDuration::from_mins;
    let wanted = |ago| {
        let mut made = event(Use { ago, ..a_use(&leak) });
        made.path = "/wanted".to_owned();
        made
    };
    let (new, old) = (wanted(minutes(1)), wanted(minutes(90)));
    store.append_events(&[new.clone(), old.clone()]).await.unwrap();
    let many = limits::EVENTS_LOOKED_AT + 500;
    let others: Vec<_> = (0..many)
        .map(|number| {
            let ago = minutes(30).checked_add(SignedDuration::from_millis(number as i64)).unwrap();
            event(Use { ago, ..a_use(&leak) })
        })
        .collect();
    for batch in others.chunks(1_000) {
        store.append_events(batch).await.unwrap();
    }
    let query = |cursor| EventQuery {
        path: Some("/wanted".to_owned()),
        leak: Some(leak.id),
        page: page(10, cursor),
        ..EventQuery::default()
    };
    let first = store.events(&query(None)).await.unwrap();
    assert_eq!(first.items, std::slice::from_ref(&new));
    // The new one and all but the last 501 of the others.
    assert_eq!(first.searched_to, Some(others[limits::EVENTS_LOOKED_AT - 2].at));
    let second = store.events(&query(first.next_cursor)).await.unwrap();
    assert_eq!((second.items, second.searched_to, second.next_cursor), (vec![old], None, None));

    let groups = store.event_groups(&query(None), GroupBy::Host).await.unwrap();
    assert_eq!((groups.items.len(), groups.items[0].count), (1, 1), "the old one is too far back");
    assert_eq!(groups.since, Some(others[limits::EVENTS_LOOKED_AT - 2].at));
    // Where the index tells, nothing is looked at in vain.
    let all = EventQuery { path: None, page: page(10, None), ..query(None) };
    let all = store.events(&all).await.unwrap();
    assert_eq!((all.items.len(), all.searched_to, all.next_cursor.is_some()), (10, None, true));
}

/// Where a page ends tells nothing of another tenant's events.
pub async fn a_tenants_events_are_walked_through_alone(store: &dyn Store) {
    let theirs = Registration {
        tenant: "other".to_owned(),
        ..registration("theirs", vec![token(store, "z")])
    };
    let theirs = store.register(theirs, &actor()).await.unwrap().leak.unwrap();
    let ours = leak(store, "ours", &["a"]).await;
    let old = event(Use { ago: SignedDuration::from_hours(30), ..a_use(&ours) });
    store.append_events(std::slice::from_ref(&old)).await.unwrap();
    let many: Vec<_> = (0..limits::EVENTS_LOOKED_AT + 10)
        .map(|_| Event { tenant: "other".to_owned(), ..event(a_use(&theirs)) })
        .collect();
    for batch in many.chunks(1_000) {
        store.append_events(batch).await.unwrap();
    }
    let tenant = |query| EventQuery { tenant: Some(TENANT.to_owned()), ..query };
    let query = EventQuery::default;
    for narrowed in [
        EventQuery { host: Some(old.host.clone()), ..query() },
        EventQuery { source_ip: Some(old.source_ip.clone()), ..query() },
        EventQuery {
            source_ip: Some(old.source_ip.clone()),
            host: Some(old.host.clone()),
            ..query()
        },
        EventQuery { path: Some(old.path.clone()), host: Some(old.host.clone()), ..query() },
        EventQuery { action: vec![EventAction::Observed], ..query() },
        EventQuery { token: Some(ours.tokens[0].id), ..query() },
    ] {
        let narrowed = tenant(narrowed);
        let found = store.events(&narrowed).await.unwrap();
        assert_eq!((found.items, found.next_cursor), (vec![old.clone()], None), "{narrowed:?}");
        assert_eq!(found.searched_to, None);
        let groups = store.event_groups(&narrowed, GroupBy::Client).await.unwrap();
        assert_eq!((groups.items.len(), groups.since), (1, None), "{narrowed:?}");
    }
    for narrowed in [
        EventQuery { leak: Some(theirs.id), path: Some("/no".to_owned()), ..query() },
        EventQuery { token: Some(theirs.tokens[0].id), path: Some("/no".to_owned()), ..query() },
        EventQuery { leak: Some(theirs.id), ..query() },
    ] {
        let narrowed = tenant(narrowed);
        let found = store.events(&narrowed).await.unwrap();
        assert_eq!((found.items, found.next_cursor, found.searched_to), (vec![], None, None));
        let groups = store.event_groups(&narrowed, GroupBy::Client).await.unwrap();
        assert_eq!((groups.items, groups.since), (vec![], None));
    }
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
