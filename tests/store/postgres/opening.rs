//! Opening, and what it says where something is not as it should be.

use leakgate::model::secret::Secret;
use leakgate::store::types::LeakQuery;
use leakgate::store::{self, KeySource, StoreError};

use crate::databases::{Database, key};
use crate::given::{TENANT, actor, leak, one, registration, token};
use crate::postgres::{fresh, open};

/// The text of the error that the store cannot be used.
fn unusable<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Unusable(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_is_asked_for_before_anything_else() {
    let url = "postgres://leakgate:hunter2@127.0.0.1:1/leakgate";
    let text = unusable(store::open(url, KeySource::File).await);
    assert!(text.contains("LEAKGATE_KEY") && text.contains("openssl rand -hex 32"), "{text}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_without_the_password() {
    let url = "postgres://leakgate:hunter2@127.0.0.1:1/leaks";
    for text in [
        unusable(store::open(url, key()).await),
        unusable(store::open_reading(url, key()).await.map(|_| ())),
    ] {
        assert!(text.contains("leaks at 127.0.0.1:1") && !text.contains("hunter2"), "{text}");
        assert!(text.contains("look whether the server runs"), "{text}");
    }
    let text = unusable(store::open("postgres://a:hunter2@[broken/leaks", key()).await);
    assert!(text.contains("postgres://USER@HOST") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn processes_that_start_at_once_set_it_up_once() {
    let database = Database::new().await;
    let starts = (0..8).map(|_| open(database.url()));
    let opened = futures_util::future::join_all(starts).await;
    let stores: Vec<_> = opened.into_iter().map(|opened| opened.unwrap().store).collect();
    let of_first = token(stores[0].as_ref(), "a").fingerprint;
    for store in &stores {
        assert_eq!(token(store.as_ref(), "a").fingerprint, of_first, "one key of fingerprints");
        store.ping().await.unwrap();
    }
    let applied = "SELECT COUNT(*) FROM decisions._sqlx_migrations WHERE version = 1 AND success";
    assert_eq!(database.ask(applied).await, 1);
    for store in stores {
        store.close().await;
    }
    database.end().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_newer_schema_is_not_touched() {
    for schema in ["decisions", "events"] {
        let fresh = fresh().await;
        leak(fresh.store(), "kept", &["a"]).await;
        fresh.store().close().await;
        let mut connection = fresh.database.connect().await;
        let later = format!(
            "INSERT INTO {schema}._sqlx_migrations
                (version, description, success, checksum, execution_time)
             VALUES (9999, 'of a later version', TRUE, '', 0)"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(later)).execute(&mut connection).await.unwrap();
        let url = fresh.database.url();
        let text = unusable(open(url).await);
        assert!(text.contains("newer version of leakgate"), "{text}");
        let text = unusable(store::open_reading(url, key()).await.map(|_| ()));
        assert!(text.contains("newer version of leakgate"), "{text}");
        let undo = format!("DELETE FROM {schema}._sqlx_migrations WHERE version = 9999");
        sqlx::raw_sql(sqlx::AssertSqlSafe(undo)).execute(&mut connection).await.unwrap();
        let store = open(url).await.unwrap().store;
        assert_eq!(store.leaks(&one(TENANT), &LeakQuery::default()).await.unwrap().total, 1);
        store.close().await;
        fresh.database.end().await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn an_older_schema_is_not_read() {
    let fresh = fresh().await;
    fresh.database.execute("DELETE FROM events._sqlx_migrations").await;
    let text = unusable(store::open_reading(fresh.database.url(), key()).await.map(|_| ()));
    assert!(text.contains("start `leakgate serve` of this version once"), "{text}");
    fresh.end().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn another_programs_schema_is_left_alone() {
    let database = Database::new().await;
    database.execute("CREATE SCHEMA events; CREATE TABLE events.theirs (id BIGINT)").await;
    let text = unusable(open(database.url()).await);
    assert!(text.contains("schema events of another program"), "{text}");
    let text = unusable(store::open_reading(database.url(), key()).await.map(|_| ()));
    assert!(text.contains("there is no store"), "{text}");
    assert_eq!(database.ask("SELECT COUNT(*) FROM events.theirs").await, 0);
    database.end().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn the_wrong_key_is_told_and_the_right_one_works_after_it() {
    let fresh = fresh().await;
    leak(fresh.store(), "kept", &["a"]).await;
    let other = || KeySource::Environment(Secret::from("b".repeat(32)));
    let url = fresh.database.url();
    assert!(matches!(store::open(url, other()).await, Err(StoreError::WrongKey)));
    assert!(matches!(store::open_reading(url, other()).await, Err(StoreError::WrongKey)));
    let again = open(url).await.unwrap().store;
    assert_eq!(again.leaks(&one(TENANT), &LeakQuery::default()).await.unwrap().total, 1);
    again.close().await;
    fresh.end().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn it_is_read_beside_those_that_write_and_never_written() {
    let fresh = fresh().await;
    let first = leak(fresh.store(), "seen at once", &["a"]).await;
    let reading = store::open_reading(fresh.database.url(), key()).await.unwrap();
    assert_eq!(reading.leak(TENANT, first.id).await.unwrap(), first);
    let second = leak(fresh.store(), "seen later", &["b"]).await;
    assert_eq!(reading.leak(TENANT, second.id).await.unwrap(), second);
    let asked = registration("refused", vec![token(reading.as_ref(), "c")]);
    let error = reading.register(asked, &actor()).await.unwrap_err().to_string();
    assert!(error.contains("can only be read"), "{error}");
    reading.close().await;
    fresh.end().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_closed_store_answers_with_an_error() {
    let fresh = fresh().await;
    fresh.store().close().await;
    let store = fresh.store();
    assert!(store.ping().await.is_err());
    assert!(store.leaks(&one(TENANT), &LeakQuery::default()).await.is_err());
    let asked = registration("late", vec![token(store, "b")]);
    assert!(store.register(asked, &actor()).await.is_err());
    fresh.database.end().await;
}

/// History and audit log, by whoever has the right to write.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_was_done_is_only_added_to() {
    let fresh = fresh().await;
    leak(fresh.store(), "kept", &["a"]).await;
    let mut connection = fresh.database.connect().await;
    for change in [
        "UPDATE decisions.history SET actor = 'somebody else'",
        "DELETE FROM decisions.history",
        "TRUNCATE decisions.history",
        "UPDATE decisions.audit SET actor = 'somebody else'",
        "DELETE FROM decisions.audit",
        "TRUNCATE decisions.audit",
    ] {
        let error = sqlx::query(change).execute(&mut connection).await.unwrap_err().to_string();
        assert!(error.contains("is only added to"), "{change}: {error}");
    }
    fresh.end().await;
}
