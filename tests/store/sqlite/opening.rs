//! Opening, and what it says where something is not as it should be.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use leakgate::model::secret::Secret;
use leakgate::store::types::{EventQuery, LeakQuery};
use leakgate::store::{self, KeySource, StoreError};

use crate::given::{TENANT, a_use, actor, event, leak, one, registration, token};
use crate::sqlite::{execute, fresh, open, open_reading, url};

fn key(fill: &str) -> KeySource {
    KeySource::Environment(Secret::from(fill.repeat(32)))
}

/// The text of the error that the store cannot be used.
fn unusable<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Unusable(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// A database with a leak in it, closed.
async fn closed() -> super::Fresh {
    let fresh = fresh().await;
    let leak = leak(fresh.store(), "kept", &["a"]).await;
    fresh.store().append_events(&[event(a_use(&leak))]).await.unwrap();
    fresh.store().close().await;
    fresh
}

#[tokio::test]
async fn a_first_start_says_that_it_made_a_key_file() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("leakgate.db");
    let opened = open(&database).await.unwrap();
    let [notice] = opened.notices.as_slice() else { panic!("{:?}", opened.notices) };
    assert!(notice.contains("leakgate.key") && notice.contains("back it up"), "{notice}");
    leak(opened.store.as_ref(), "kept", &["a"]).await;
    let fingerprint = token(opened.store.as_ref(), "a").fingerprint;
    opened.store.close().await;

    // Both forms of the url; everything is there again, and nothing is said.
    let opened =
        store::open(&format!("sqlite://{}", database.display()), KeySource::File).await.unwrap();
    assert!(opened.notices.is_empty());
    assert!(opened.store.lookup(&one(TENANT), &fingerprint).await.unwrap().known);
    assert_eq!(token(opened.store.as_ref(), "a").fingerprint, fingerprint);
}

#[tokio::test]
async fn a_closed_store_answers_with_an_error() {
    let fresh = closed().await;
    let store = fresh.store();
    assert!(store.ping().await.is_err());
    assert!(store.leaks(&one(TENANT), &LeakQuery::default()).await.is_err());
    let asked = registration("late", vec![token(store, "b")]);
    assert!(store.register(asked, &actor()).await.is_err());
    assert!(store.authenticate(&[0; 32], leakgate::model::clock::now()).await.is_err());
    store.close().await;
}

#[tokio::test]
async fn other_urls_are_refused_by_name() {
    for url in
        ["mysql://localhost/leakgate", "leakgate.db", "", "sqlite:", "sqlite://", "sqlite::memory:"]
    {
        let text = unusable(store::open(url, KeySource::File).await);
        assert!(text.contains("sqlite:leakgate.db"), "{url}: {text}");
        let text = unusable(store::open_reading(url, KeySource::File).await.map(|_| ()));
        assert!(text.contains("sqlite:leakgate.db"), "{url}: {text}");
    }
}

#[tokio::test]
async fn places_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("not there").join("leakgate.db");
    let text = unusable(open(&missing).await);
    assert!(text.contains("make its directory first"), "{text}");
    let text = unusable(open(directory.path()).await);
    assert!(text.contains("is not a file"), "{text}");
    assert!(!missing.parent().unwrap().exists());
}

#[tokio::test]
async fn a_store_is_used_by_one_process_and_read_by_others() {
    let fresh = fresh().await;
    let first = leak(fresh.store(), "seen at once", &["a"]).await;
    let text = unusable(open(&fresh.database()).await);
    assert!(text.contains("in use by another leakgate"), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");

    let reading = open_reading(&fresh.database()).await.unwrap();
    assert_eq!(reading.leak(TENANT, first.id).await.unwrap(), first);
    let second = leak(fresh.store(), "seen later", &["b"]).await;
    assert_eq!(reading.leak(TENANT, second.id).await.unwrap(), second);
    let enforced = reading.enforced_tokens(first.id, None, 1).await.unwrap();
    assert_eq!(enforced[0].material, token(fresh.store(), "a").material);
    let asked = registration("refused", vec![token(reading.as_ref(), "c")]);
    let error = reading.register(asked, &actor()).await.unwrap_err().to_string();
    assert!(error.contains("can only be read"), "{error}");
    reading.close().await;

    // The lock ends with the store that has it.
    fresh.store().close().await;
    let opened = open(&fresh.database()).await.unwrap();
    assert_eq!(opened.store.leak(TENANT, first.id).await.unwrap(), first);
}

#[tokio::test]
async fn reading_makes_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let text = unusable(open_reading(&directory.path().join("leakgate.db")).await.map(|_| ()));
    assert!(text.contains("leakgate serve"), "{text}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);

    let closed = closed().await;
    let reading = open_reading(&closed.database()).await.unwrap();
    assert_eq!(reading.leaks(&one(TENANT), &LeakQuery::default()).await.unwrap().total, 1);
    assert_eq!(reading.events(&EventQuery::default()).await.unwrap().items.len(), 1);
    assert_eq!(
        reading.leaks(&one(TENANT), &LeakQuery::default()).await.unwrap().items[0].events_24h,
        1
    );
}

#[tokio::test]
async fn the_wrong_key_is_told_and_the_right_one_works_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let url = url(&directory.path().join("leakgate.db"));
    let opened = store::open(&url, key("a")).await.unwrap();
    assert!(opened.notices.is_empty(), "no key file where the environment has the key");
    leak(opened.store.as_ref(), "kept", &["a"]).await;
    opened.store.close().await;

    let text =
        unusable(store::open(&url, KeySource::Environment(Secret::from("x".to_owned()))).await);
    assert!(text.contains("openssl rand -hex 32"), "{text}");
    assert!(matches!(store::open(&url, key("b")).await, Err(StoreError::WrongKey)));
    assert!(matches!(store::open_reading(&url, key("b")).await, Err(StoreError::WrongKey)));
    // Without the key nothing is made anew that would hide that it is missing.
    let text = unusable(store::open(&url, KeySource::File).await);
    assert!(text.contains("put the key file back, or set LEAKGATE_KEY"), "{text}");
    assert!(!directory.path().join("leakgate.key").exists());

    let opened = store::open(&url, key("a")).await.unwrap();
    assert_eq!(opened.store.leaks(&one(TENANT), &LeakQuery::default()).await.unwrap().total, 1);
}

#[tokio::test]
async fn a_key_file_serves_as_leakgate_key_too() {
    let closed = closed().await;
    let path = closed.directory.path().join("leakgate.key");
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(path).unwrap();
    let key = KeySource::Environment(Secret::from(text.trim().to_owned()));
    let opened = store::open(&url(&closed.database()), key).await.unwrap();
    assert_eq!(opened.store.leaks(&one(TENANT), &LeakQuery::default()).await.unwrap().total, 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("leakgate.db");
    let content = "some notes of somebody\n".repeat(1_000);
    fs::write(&database, &content).unwrap();
    let made = store::open(&url(&database), key("a")).await;
    assert!(unusable(made).contains("is not a database or is damaged"));
    let read = store::open_reading(&url(&database), key("a")).await.map(|_| ());
    assert!(unusable(read).contains("there is no database"), "its events are not there");
    assert_eq!(fs::read_to_string(&database).unwrap(), content);
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("leakgate.db");
    fs::write(&database, "").unwrap();
    execute(&database, "CREATE TABLE theirs (id INTEGER)").await.unwrap();
    let text = unusable(store::open(&url(&database), key("a")).await);
    assert!(text.contains("database of another program"), "{text}");
}

/// Overwrites what stands in the middle of a file.
fn damage(path: &Path) {
    let length = fs::metadata(path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(length / 4)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(length / 2).unwrap()]).unwrap();
}

#[tokio::test]
async fn a_damaged_database_says_what_to_do() {
    for name in ["leakgate.db", "leakgate-events.db"] {
        let closed = closed().await;
        damage(&closed.directory.path().join(name));
        let text = unusable(open(&closed.database()).await);
        assert!(text.contains(name) && text.contains("put back a backup"), "{text}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_not_touched() {
    let closed = closed().await;
    execute(
        &closed.database(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of a later version', TRUE, x'00', 0)",
    )
    .await
    .unwrap();
    let text = unusable(open(&closed.database()).await);
    assert!(text.contains("newer version of leakgate"), "{text}");
    let text = unusable(open_reading(&closed.database()).await.map(|_| ()));
    assert!(text.contains("newer version of leakgate"), "{text}");
    execute(&closed.database(), "DELETE FROM _sqlx_migrations WHERE version = 9999").await.unwrap();
    open(&closed.database()).await.unwrap();
}

#[tokio::test]
async fn a_missing_events_database_is_begun_anew_and_said() {
    let closed = closed().await;
    fs::remove_file(closed.directory.path().join("leakgate-events.db")).unwrap();
    let opened = open(&closed.database()).await.unwrap();
    let [notice] = opened.notices.as_slice() else { panic!("{:?}", opened.notices) };
    assert!(notice.contains("leakgate-events.db"), "{notice}");
    let leaks = opened.store.leaks(&one(TENANT), &LeakQuery::default()).await.unwrap();
    assert_eq!((leaks.total, leaks.items[0].events_24h), (1, 0));
}

#[tokio::test]
async fn another_programs_hold_on_the_database_is_told() {
    use sqlx::Connection as _;
    let fresh = fresh().await;
    let mut other = super::connect(&fresh.database()).await;
    let hold = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let asked = || registration("held up", vec![token(fresh.store(), "a")]);
    let error = fresh.store().register(asked(), &actor()).await.unwrap_err().to_string();
    assert!(error.contains("another program holds the database"), "{error}");
    hold.rollback().await.unwrap();
    fresh.store().register(asked(), &actor()).await.unwrap();
}

/// What a version without the words of leaks has left: they are filled in when the store is opened.
#[tokio::test]
async fn leaks_of_an_earlier_version_are_found() {
    let fresh = closed().await;
    let database = fresh.database();
    let before = "UPDATE leaks SET search_text = '', source_kinds = 0";
    execute(&database, before).await.unwrap();
    let opened = open(&database).await.unwrap();
    let query = LeakQuery {
        text: Some("kept git.example".to_owned()),
        source: vec![leakgate::model::leak::SourceKind::Github],
        ..LeakQuery::default()
    };
    assert_eq!(opened.store.leaks(&one(TENANT), &query).await.unwrap().total, 1);
    opened.store.close().await;
}
