//! How long volumes take. Run by hand:
//! `cargo nextest run -E 'binary(store)' --run-ignored only --no-capture volume::`, with PostgreSQL where
//! `LEAKGATE_TEST_POSTGRES` is set. Build it with optimisation (`--cargo-profile release`) for figures that
//! mean something.

#![allow(clippy::print_stdout, reason = "what it measures is for whoever runs it")]

use std::time::Instant;

use jiff::SignedDuration;
use leakgate::model::leak::Leak;
use leakgate::store::Store;
use leakgate::store::types::{LeakQuery, NewToken, Registration};

use crate::given::{TENANT, Use, a_use, actor, event, one, page, registration, token};

fn tokens(store: &dyn Store, from: usize, to: usize) -> Vec<NewToken> {
    (from..to).map(|number| token(store, &format!("token {number}"))).collect()
}

async fn register(store: &dyn Store, asked: Registration) -> Leak {
    store.register(asked, &actor()).await.unwrap().leak.unwrap()
}

pub async fn a_hundred_thousand_tokens(store: &dyn Store) {
    const TOKENS: usize = 100_000;
    let new = tokens(store, 0, TOKENS);
    let start = Instant::now();
    let made = register(store, registration("whole", new)).await;
    println!("{TOKENS} tokens registered in one call: {:?}", start.elapsed());

    let start = Instant::now();
    let mut parted =
        register(store, registration("parts", tokens(store, TOKENS, TOKENS + 2_000))).await;
    for part in 1..50 {
        let new = tokens(store, TOKENS + part * 2_000, TOKENS + (part + 1) * 2_000);
        let asked = Registration { continues: Some(parted.id), ..registration("parts", new) };
        parted = register(store, asked).await;
    }
    assert_eq!(parted.token_count, 100_000);
    println!("{TOKENS} tokens registered in parts of 2,000: {:?}", start.elapsed());

    for limit in [200, 1_000] {
        let start = Instant::now();
        let (mut after, mut count) = (None, 0);
        loop {
            let page = store.enforced_tokens(made.id, after, limit).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            count += page.len();
        }
        assert_eq!(count, TOKENS);
        println!("{TOKENS} tokens read to be enforced, {limit} at once: {:?}", start.elapsed());
    }
    let start = Instant::now();
    store.leak(TENANT, made.id).await.unwrap();
    println!("one leak of them: {:?}", start.elapsed());
}

pub async fn ten_thousand_leaks_and_a_hundred_thousand_events(store: &dyn Store) {
    let start = Instant::now();
    let mut leaks = Vec::new();
    for number in 0..10_000 {
        let new = tokens(store, number, number + 1);
        leaks.push(register(store, registration(&format!("leak {number}"), new)).await);
    }
    println!("10,000 leaks registered one by one: {:?}", start.elapsed());
    let start = Instant::now();
    for batch in 0..100 {
        let events: Vec<_> = (0..1_000)
            .map(|number| {
                let ago = SignedDuration::from_secs(batch * 60);
                event(Use { ago, ..a_use(&leaks[(number * 7) % 500]) })
            })
            .collect();
        store.append_events(&events).await.unwrap();
    }
    println!("100,000 events in batches of 1,000: {:?}", start.elapsed());

    let week = crate::given::before(SignedDuration::from_hours(24 * 7));
    let timed = [
        ("the first page", LeakQuery { descending: true, ..LeakQuery::default() }),
        ("a page of 200", LeakQuery { page: page(200, None), ..LeakQuery::default() }),
        ("a search", LeakQuery { text: Some("leak 77".to_owned()), ..LeakQuery::default() }),
    ];
    for (name, query) in timed {
        let start = Instant::now();
        let found = store.leaks(&one(TENANT), &query).await.unwrap();
        println!("{name} of {}: {:?}", found.total, start.elapsed());
    }
    let start = Instant::now();
    store.stats(&one(TENANT), leakgate::model::clock::now()).await.unwrap();
    println!("the statistics: {:?}", start.elapsed());
    let start = Instant::now();
    store.impact(TENANT, leaks[0].id, week).await.unwrap();
    println!("an impact: {:?}", start.elapsed());
}

/// The median of some runs of one thing, which is asked for once before them.
async fn timed<F: Future<Output = u64>>(name: &str, run: impl Fn() -> F) {
    let found = run().await;
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        run().await;
        times.push(start.elapsed());
    }
    times.sort();
    let slow = if times[2].as_millis() < 20 { "" } else { "  <-- 20 ms and more" };
    println!("{:>8.1?} (worst {:.1?}) {name}: {found}{slow}", times[2], times[4]);
}

/// What fills an empty store with a million leaks, out of `tests/volume/`.
pub fn million(sql: &str) -> String {
    sql.replace("{LEAKS}", "1000000")
}

/// What pages, searches and statistics take in a store that was filled with a [`million`] leaks.
pub async fn a_million_leaks(store: &dyn Store) {
    use leakgate::model::leak::{Remediation, Risk, SourceKind, Status};
    use leakgate::model::tenant::Tenants;
    use leakgate::store::types::LeakSort;
    let of = Tenants::All;
    let sorts = [
        LeakSort::CreatedAt,
        LeakSort::UpdatedAt,
        LeakSort::Risk,
        LeakSort::Status,
        LeakSort::Title,
        LeakSort::Source,
        LeakSort::Remediation,
    ];
    let plain = LeakQuery { page: page(50, None), ..LeakQuery::default() };
    let open = || vec![Status::Open];
    let filters = [
        ("all", plain.clone()),
        ("open", LeakQuery { status: open(), ..plain.clone() }),
        ("closed", LeakQuery { status: vec![Status::Closed], ..plain.clone() }),
        ("false (200 of them)", LeakQuery { status: vec![Status::FalsePositive], ..plain.clone() }),
        (
            "open or false",
            LeakQuery { status: vec![Status::Open, Status::FalsePositive], ..plain.clone() },
        ),
        ("critical", LeakQuery { risk: vec![Risk::Critical], ..plain.clone() }),
        (
            "open, low or info",
            LeakQuery { status: open(), risk: vec![Risk::Low, Risk::Info], ..plain.clone() },
        ),
        ("from GitLab", LeakQuery { source: vec![SourceKind::Gitlab], ..plain.clone() }),
        (
            "open, from Postman (rare)",
            LeakQuery { status: open(), source: vec![SourceKind::Postman], ..plain.clone() },
        ),
        (
            "open, patched",
            LeakQuery {
                status: open(),
                remediation: vec![Remediation::VirtualPatch],
                ..plain.clone()
            },
        ),
        (
            "open, critical, GitHub, none",
            LeakQuery {
                status: open(),
                risk: vec![Risk::Critical],
                source: vec![SourceKind::Github],
                remediation: vec![Remediation::None],
                ..plain.clone()
            },
        ),
    ];
    for (name, filter) in &filters {
        for sort in sorts {
            for descending in [true, false] {
                let query = LeakQuery { sort, descending, ..filter.clone() };
                // A page further on, as well.
                let next = store.leaks(&of, &query).await.unwrap().next_cursor;
                let second = LeakQuery { page: page(50, next), ..query.clone() };
                let order = if descending { "descending" } else { "ascending" };
                let run = || async { store.leaks(&of, &query).await.unwrap().total };
                timed(&format!("{name}, by {sort:?} {order}"), run).await;
                let run = || async { store.leaks(&of, &second).await.unwrap().items.len() as u64 };
                timed(&format!("{name}, by {sort:?} {order}, second page"), run).await;
            }
        }
    }
    for text in [
        "leak",
        "key",
        "team7",
        "team77",
        "number777777",
        "repo99 key",
        "no such word",
        "git.example",
    ] {
        for (name, filter) in filters.iter().take(3) {
            for sort in [LeakSort::CreatedAt, LeakSort::Title] {
                let query = LeakQuery {
                    text: Some(text.to_owned()),
                    sort,
                    descending: true,
                    ..filter.clone()
                };
                let run = || async { store.leaks(&of, &query).await.unwrap().total };
                timed(&format!("search {text:?}, {name}, by {sort:?}"), run).await;
            }
        }
    }
    let now = leakgate::model::clock::now();
    timed("the statistics", || async { store.stats(&of, now).await.unwrap().leaks }).await;
}

/// Events over 90 days, as many as `LEAKGATE_VOLUME_EVENTS` says (1,000,000 where it says nothing), of
/// 1,000 leaks, and how fast what is counted of them is told.
pub async fn many_events_and_what_is_counted_of_them(store: &dyn Store) {
    let wanted = std::env::var("LEAKGATE_VOLUME_EVENTS").ok();
    let wanted: i64 = wanted.and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let batches = wanted / 1_000;
    let mut leaks = Vec::new();
    for number in 0..1_000 {
        let new = tokens(store, number, number + 1);
        leaks.push(register(store, registration(&format!("leak {number}"), new)).await);
    }
    let start = Instant::now();
    for batch in 0..batches {
        let ago = SignedDuration::from_secs(90 * 24 * 3_600 * (batches - batch) / batches);
        let events: Vec<_> = (0..1_000)
            .map(|number| event(Use { ago, ..a_use(&leaks[(number * 7) % 1_000]) }))
            .collect();
        store.append_events(&events).await.unwrap();
    }
    let spent = start.elapsed();
    println!("{} events in batches of 1,000: {spent:?}", batches * 1_000);

    let now = leakgate::model::clock::now();
    for round in 0..3 {
        let start = Instant::now();
        let stats = store.stats(&one(TENANT), now).await.unwrap();
        println!("the statistics of a tenant, {round}: {:?}", start.elapsed());
        assert!(stats.days.len() >= 90);
        let start = Instant::now();
        store.stats(&leakgate::model::tenant::Tenants::All, now).await.unwrap();
        println!("the statistics of all tenants, {round}: {:?}", start.elapsed());
        let start = Instant::now();
        let query = LeakQuery { page: page(50, None), ..LeakQuery::default() };
        store.leaks(&one(TENANT), &query).await.unwrap();
        println!("a page of 50 leaks, {round}: {:?}", start.elapsed());
    }
    let start = Instant::now();
    store.trim_outgoing(now, leakgate::config::limits::SINK_FEED).await.unwrap();
    println!("hours and feeds of long ago removed: {:?}", start.elapsed());
    let keep = leakgate::store::outgoing::Keep {
        from: Some(crate::given::before(SignedDuration::from_hours(24 * 60))),
        bytes: None,
    };
    let (start, mut longest, mut removed) = (Instant::now(), std::time::Duration::ZERO, 0);
    loop {
        let begun = Instant::now();
        let trimmed = store.trim_events(&keep).await.unwrap();
        longest = longest.max(begun.elapsed());
        removed += trimmed.by_age;
        if !trimmed.more {
            break;
        }
    }
    println!("{removed} events removed by age: {:?}, at most {longest:?} at once", start.elapsed());
}
