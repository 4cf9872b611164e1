//! `leakgate store copy`: what the API shows of a copied store is what it showed before.

use leakgate::control::FirstStart;
use leakgate::model::event::EventAction;
use leakgate::model::rule::Action;
use leakgate::model::secret::Secret;
use leakgate::store;
use serde_json::{Value, json};

use crate::databases::{Database, key};
use crate::support::{Api, digest, id, token};

/// All that the API shows of what is stored.
async fn all(api: &Api) -> Vec<(String, Value)> {
    let mut shown = Vec::new();
    let mut paths: Vec<String> = [
        "/leaks?limit=200&sort=title",
        "/leaks?limit=200&sort=-updated_at",
        "/virtual-patches",
        "/bypass",
        "/api-tokens",
        "/events?limit=200",
        "/audit?limit=200",
        "/stats",
    ]
    .map(str::to_owned)
    .into();
    let leaks = api.get("/leaks?limit=200").await.expect(200);
    for leak in leaks["items"].as_array().unwrap() {
        for of in ["", "/history", "/comments", "/tokens", "/impact"] {
            paths.push(format!("/leaks/{}{of}", id(leak)));
        }
    }
    for path in paths {
        let mut answer = api.get(&path).await.expect(200);
        // The latest use of the very token that asks.
        if path == "/api-tokens" {
            for token in answer["items"].as_array_mut().into_iter().flatten() {
                token["last_used_at"] = Value::Null;
            }
        }
        shown.push((path, answer));
    }
    for name in ["a 1", "known by its digest", "never seen"] {
        let body = json!({"token": token(name)});
        shown.push((name.to_owned(), api.post("/tokens/lookup", body).await.expect(200)));
    }
    shown
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_copied_store_shows_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("leakgate.db");
    let environment = FirstStart {
        admin_token: Some(Secret::from(format!("admin {}", "x".repeat(32)))),
        ..FirstStart::default()
    };
    let (mut api, _) = Api::start(directory, environment).await;
    api.admin = format!("admin {}", "x".repeat(32));
    for number in 0..5 {
        let names: Vec<String> = (0..number * 150 + 1).map(|n| format!("{number} {n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let leak = api.leak(&format!("Leak {number} „ü“"), &names).await;
        api.post(&format!("/leaks/{}/comments", id(&leak)), json!({"text": "Müller's"})).await;
        if number % 2 == 0 {
            api.block(&leak).await;
        } else {
            let resolution = json!({"resolution": "rotated", "comment": "done"});
            api.post(&format!("/leaks/{}/close", id(&leak)), resolution).await.expect(200);
        }
        api.used(&leak, EventAction::Observed, "192.0.2.7").await;
    }
    let first = api.leak("a", &["a 1", "a 2"]).await;
    api.used(&first, EventAction::Blocked, "192.0.2.8").await;
    let body = json!({"title": "d", "token_digests": [digest("known by its digest")]});
    api.post("/leaks", body).await.expect(201);
    api.leak("merged", &["a 3"]).await;
    api.post(
        "/leaks",
        json!({"title": "again", "tokens": [token("a 1")],
        "source": {"kind": "gist", "url": "https://gist.example/1"}}),
    )
    .await
    .expect(200);
    api.credential("analyst").await;
    api.call("PUT", "/bypass", json!({"on": true, "reason": "a test"})).await.expect(200);
    let before = all(&api).await;
    let enforced: Vec<_> = ["a 1", "0 0", "1 0", "4 600"].map(|name| api.action(name)).into();

    let database = Database::new().await;
    let from = format!("sqlite:{}", file.display());
    // Not while it is in use.
    let error = store::copy(&from, database.url(), key()).await.unwrap_err().to_string();
    assert!(error.contains("in use by another leakgate"), "{error}");
    let (admin, directory) = api.close().await;

    let copied = store::copy(&from, database.url(), key()).await.unwrap();
    let rows = |name: &str| copied.tables.iter().find(|(table, _)| table == name).unwrap().1;
    assert_eq!((rows("leaks"), rows("events"), rows("users"), rows("bypass")), (8, 6, 1, 1));
    assert_eq!(rows("tokens"), rows("leak_tokens"));

    // Not into what is not empty, and then nothing is added.
    let error = store::copy(&from, database.url(), key()).await.unwrap_err().to_string();
    assert!(error.contains("there is a store in"), "{error}");

    let (mut api, _) = Api::on(database.url(), directory, FirstStart::default()).await;
    api.admin = admin;
    for ((path, before), (_, after)) in before.into_iter().zip(all(&api).await) {
        assert_eq!(after, before, "{path}");
    }
    let now: Vec<_> = ["a 1", "0 0", "1 0", "4 600"].map(|name| api.action(name)).into();
    assert_eq!(now, enforced);
    assert_eq!(api.action("4 600"), Some(Action::Block));
    assert!(api.switch.is_on());

    // What has numbers goes on after the last one.
    let leak = api.leak("new", &["new"]).await;
    api.block(&leak).await;
    let audit = api.get("/audit?limit=1").await.expect(200);
    assert_eq!(audit["items"][0]["action"], "apply_virtual_patch");
    api.store.close().await;
    database.end().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_copy_that_breaks_off_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let from = format!("sqlite:{}", directory.path().join("leakgate.db").display());
    let (api, _) = Api::start(directory, FirstStart::default()).await;
    api.leak("a", &["a"]).await;
    let (_, directory) = api.close().await;

    // The target refuses a row in the midst of it.
    let database = Database::new().await;
    let made = store::open(database.url(), key()).await.unwrap().store;
    made.close().await;
    database
        .execute(
            "DELETE FROM decisions.meta;
             ALTER TABLE decisions.users ADD CONSTRAINT none CHECK (name <> 'admin')",
        )
        .await;
    let error = store::copy(&from, database.url(), key()).await.unwrap_err().to_string();
    assert!(error.contains("none"), "{error}");
    for table in ["SELECT COUNT(*) FROM decisions.leaks", "SELECT COUNT(*) FROM decisions.meta"] {
        assert_eq!(database.ask(table).await, 0, "{table}");
    }
    database.execute("ALTER TABLE decisions.users DROP CONSTRAINT none").await;
    store::copy(&from, database.url(), key()).await.unwrap();
    database.end().await;
    drop(directory);
}

#[tokio::test]
async fn only_sqlite_is_copied_to_postgresql() {
    for (from, to) in [
        ("sqlite:a.db", "sqlite:b.db"),
        ("postgres://127.0.0.1:1/a", "postgres://127.0.0.1:1/b"),
        ("postgres://127.0.0.1:1/a", "sqlite:b.db"),
    ] {
        let error = store::copy(from, to, key()).await.unwrap_err().to_string();
        assert!(error.contains("from SQLite to PostgreSQL"), "{error}");
    }
}
