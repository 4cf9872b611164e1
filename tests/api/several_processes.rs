//! Several control planes on one PostgreSQL: what one decides, all enforce.

use std::sync::Arc;
use std::time::{Duration, Instant};

use leakgate::config::limits;
use leakgate::control::FirstStart;
use leakgate::model::event::EventAction;
use leakgate::model::rule::Action;
use leakgate::model::secret::Secret;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::databases::Database;
use crate::support::receiver::Receiver;
use crate::support::{Api, digest, id, token};

/// Control planes on one database, each with its loop.
struct Several {
    database: Database,
    apis: Vec<Arc<Api>>,
    loops: Vec<AbortOnDropHandle<()>>,
}

/// One on the database, as a process of its own would have it.
async fn on(database: &Database) -> Arc<Api> {
    let admin = format!("administrator's token {}", "x".repeat(32));
    let environment =
        FirstStart { admin_token: Some(Secret::from(admin.clone())), ..FirstStart::default() };
    let directory = tempfile::tempdir().unwrap();
    let (mut api, _) = Api::on(database.url(), directory, environment).await;
    api.admin = admin;
    Arc::new(api)
}

fn running(api: &Arc<Api>) -> AbortOnDropHandle<()> {
    let control = api.control.clone();
    AbortOnDropHandle::new(tokio::spawn(async move { control.run().await }))
}

impl Several {
    async fn start(count: usize) -> Self {
        let database = Database::new().await;
        // All at once, on an empty database.
        let apis = futures_util::future::join_all((0..count).map(|_| on(&database))).await;
        let loops = apis.iter().map(running).collect();
        Self { database, apis, loops }
    }

    async fn end(self) {
        for api in &self.apis {
            api.control.stop();
            api.store.close().await;
        }
        drop(self.loops);
        self.database.end().await;
    }
}

/// Waits until it is so, and answers how long it took.
async fn until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    begun.elapsed()
}

/// Everything that one decides, seen by the other.
async fn every_change_is_taken_over(one: &Api, other: &Api) -> Duration {
    let action = |name: &'static str| move |api: &Api| api.action(name);
    let mut longest = Duration::ZERO;
    let mut seen = async |what: &str, is_so: &dyn Fn() -> bool| {
        longest = longest.max(until(what, is_so).await);
    };
    let (a, b, c) = (action("a"), action("b"), action("c"));

    let leak = one.leak("found by one", &["a", "b"]).await;
    seen("watched", &|| a(other) == Some(Action::Observe) && b(other).is_some()).await;
    one.block(&leak).await;
    seen("blocked", &|| a(other) == Some(Action::Block)).await;

    let path = format!("/leaks/{}", id(&leak));
    let removed = id(&leak["tokens"][1]);
    one.call("PATCH", &path, json!({"add_tokens": [token("c")]})).await.expect(200);
    seen("a token more", &|| c(other) == Some(Action::Block)).await;
    one.call("PATCH", &path, json!({"remove_tokens": [removed]})).await.expect(200);
    seen("a token less", &|| b(other).is_none()).await;

    // The other one decides about the same leak, and the first one about it again.
    other.post(&format!("{path}/close"), json!({})).await.expect(200);
    seen("closed", &|| a(one) == Some(Action::Observe)).await;
    one.post(&format!("{path}/reopen"), json!({})).await.expect(200);
    one.post(&format!("{path}/mark-false"), json!({})).await.expect(200);
    seen("marked false", &|| a(other).is_none()).await;
    other.post(&format!("{path}/reopen"), json!({})).await.expect(200);
    other.block(&leak).await;
    seen("blocked again", &|| a(one) == Some(Action::Block) && c(one) == Some(Action::Block)).await;

    // Known by its digest at one, by its text at the other.
    one.post("/leaks", json!({"title": "d", "token_digests": [digest("d")]})).await.expect(201);
    seen("a digest", &|| other.action("d") == Some(Action::Observe)).await;
    other
        .post("/leaks", json!({"title": "e", "tokens": [token("d"), token("e")]}))
        .await
        .expect(201);
    seen("its text", &|| one.action("e").is_some() && one.action("d").is_some()).await;

    one.call("PUT", "/bypass", json!({"on": true, "reason": "an incident"})).await.expect(200);
    seen("the bypass", &|| other.switch.is_on()).await;
    other.call("PUT", "/bypass", json!({"on": false})).await.expect(200);
    seen("its end", &|| !one.switch.is_on()).await;
    // That of a tenant goes with the tenant: one that comes later is not to begin with it.
    one.tenant("gone").await;
    one.call("PUT", "/bypass?tenant=gone", json!({"on": true})).await.expect(200);
    seen("a tenant's", &|| other.switch.tenants() == ["gone"]).await;
    assert_eq!(one.call("DELETE", "/tenants/gone", Value::Null).await.status, 204);
    seen("its end", &|| other.switch.tenants().is_empty()).await;

    // An API token that one revokes is nobody at the other.
    let made = one.post("/api-tokens", json!({"name": "ci", "role": "analyst"})).await.expect(201);
    let text = made["token"].as_str().unwrap();
    other.call_as(text, "GET", "/leaks", Value::Null).await.expect(200);
    one.call("DELETE", &format!("/api-tokens/{}", id(&made)), Value::Null).await;
    other.call_as(text, "GET", "/leaks", Value::Null).await.problem(401, "unauthenticated");
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_decision_at_one_is_enforced_by_the_other() {
    let several = Several::start(2).await;
    let longest = every_change_is_taken_over(&several.apis[0], &several.apis[1]).await;
    println!("the longest until a change was taken over, told of it: {longest:?}");
    several.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_decision_is_enforced_though_nothing_tells_of_it() {
    assert!(limits::STORE_POLL <= Duration::from_millis(500), "within a second, all in all");
    let several = Several::start(2).await;
    let mut connection = several.database.connect().await;
    let deaf = AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let listening = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE query LIKE 'LISTEN%' AND datname = current_database()";
            sqlx::query(listening).execute(&mut connection).await.unwrap();
        }
    }));
    let longest = every_change_is_taken_over(&several.apis[0], &several.apis[1]).await;
    println!("the longest until a change was taken over, by looking: {longest:?}");
    drop(deaf);
    several.end().await;
}

/// Several decide about the same leaks at once; afterwards all enforce what is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn after_a_storm_all_enforce_the_same() {
    const LEAKS: usize = 6;
    let several = Several::start(3).await;
    let names: Vec<String> = (0..LEAKS).map(|number| format!("token {number}")).collect();
    let mut leaks = Vec::new();
    for name in &names {
        leaks.push(several.apis[0].leak(name, &[name]).await);
    }
    let storms = several.apis.iter().enumerate().map(|(of, api)| {
        let (api, leaks) = (Arc::clone(api), leaks.clone());
        tokio::spawn(async move {
            for round in 0..40 {
                let leak = &leaks[(round * 5 + of) % LEAKS];
                let path = format!("/leaks/{}", id(leak));
                // What does not fit the status is refused; what is in between shows in the end.
                let _ = match (round + of) % 5 {
                    0 | 1 => api.post(&format!("{path}/virtual-patch"), json!({})).await,
                    2 => api.post(&format!("{path}/close"), json!({})).await,
                    3 => api.post(&format!("{path}/reopen"), json!({})).await,
                    _ => {
                        let more = token(&format!("more {of} {round}"));
                        api.call("PATCH", &path, json!({"add_tokens": [more]})).await
                    }
                };
            }
        })
    });
    for storm in storms.collect::<Vec<_>>() {
        storm.await.unwrap();
    }
    let mut expected = Vec::new();
    for leak in &leaks {
        let stored = several.apis[0].get(&format!("/leaks/{}", id(leak))).await.expect(200);
        let action = match (stored["status"].as_str(), stored["virtual_patch"].is_object()) {
            (Some("open"), true) => Action::Block,
            _ => Action::Observe,
        };
        expected.push(Some(action));
    }
    let tokens = several.apis[0].get("/stats").await.expect(200)["tokens"].as_u64().unwrap();
    for api in &several.apis {
        let enforced = || names.iter().map(|name| api.action(name)).collect::<Vec<_>>();
        let all = || api.handle.load().token_count() as u64;
        until("the stored state", || enforced() == expected && all() == tokens).await;
    }
    several.end().await;
}

/// Who was away so long that the changes are not kept any more reads everything again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn who_missed_changes_reads_everything_again() {
    let database = Database::new().await;
    let (one, other) = (on(&database).await, on(&database).await);
    let first = one.leak("first", &["a", "b"]).await;
    let second = one.leak("second", &["c"]).await;
    one.block(&first).await;
    let path = format!("/leaks/{}", id(&first));
    let removed = id(&first["tokens"][1]);
    one.call("PATCH", &path, json!({"remove_tokens": [removed]})).await.expect(200);
    one.post(&format!("/leaks/{}/mark-false", id(&second)), json!({})).await.expect(200);
    one.call("PUT", "/bypass", json!({"on": true})).await.expect(200);
    database
        .execute(
            "DELETE FROM decisions.changes WHERE seq < (SELECT MAX(seq) FROM decisions.changes)",
        )
        .await;
    assert_eq!(other.action("a"), None, "its loop does not run yet");

    let run = running(&other);
    until("everything", || other.action("a") == Some(Action::Block) && other.switch.is_on()).await;
    assert_eq!((other.action("b"), other.action("c")), (None, None));
    drop(run);
    for api in [one, other] {
        api.store.close().await;
    }
    database.end().await;
}

/// A large import at one comes in parts, and so the other takes it over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn an_import_at_one_is_watched_by_the_other_while_it_runs() {
    let several = Several::start(2).await;
    let (one, other) = (&several.apis[0], &several.apis[1]);
    let list: String =
        (0..9_000).map(|number| format!("{}\n", token(&format!("t {number}")))).collect();
    let path = "/imports?format=list&title=many&decision=block";
    one.post_text(&one.admin, path, list).await.expect(200);
    until("all of them", || other.handle.load().token_count() == 9_000).await;
    let blocked =
        || ["t 0", "t 4567", "t 8999"].iter().all(|n| other.action(n) == Some(Action::Block));
    until("blocked", blocked).await;
    several.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn one_of_them_delivers_and_another_takes_over() {
    let several = Several::start(2).await;
    let [one, other] = &several.apis[..] else { panic!("two") };
    let mut receiver = Receiver::start().await;
    let body = json!({"name": "siem", "url": receiver.url("/"), "feeds": ["events"]});
    one.post("/webhooks", body).await.expect(201);
    let leak = one.leak("used", &["a"]).await;
    let mut sent = Vec::new();
    let mut got = Vec::new();
    for round in 0..40 {
        if round == 20 {
            // It ends in order, and leaves the sink to the other.
            one.control.stop();
            until("its end", || several.loops[0].is_finished()).await;
        }
        let event = other.used(&leak, EventAction::Blocked, "192.0.2.1").await;
        sent.push(json!(event.id.to_string()));
        while got.len() < sent.len() {
            let received = receiver.next().await.json();
            for entry in received["entries"].as_array().unwrap() {
                // Whoever takes over may send again what was sent last, and nothing else.
                if got.last() != Some(&entry["id"]) {
                    got.push(entry["id"].clone());
                }
            }
        }
    }
    assert_eq!(got, sent, "each, in order");
    several.end().await;
}
