//! Backups, tested by restoring them.

use std::fs;
use std::path::Path;

use leakgate::model::rule::PatchMode;
use leakgate::store::types::{EventQuery, LeakQuery};
use leakgate::store::{self, StoreError};

use crate::given::{
    TENANT, a_use, actor, apply, event, leak, one, patch, registration, text, token,
};
use crate::sqlite::{execute, fresh, open, url};

fn unusable<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Unusable(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_restored_store_has_what_was_backed_up_while_it_was_written() {
    let fresh = fresh().await;
    let store = fresh.store();
    let kept = leak(store, "kept", &["a", "b"]).await;
    apply(store, kept.id, patch(PatchMode::Block)).await.unwrap();
    store.append_events(&[event(a_use(&kept))]).await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("backup");
    // Leaks and their uses go on being stored while both databases are copied one after the other.
    let writing = async {
        for number in 0..40 {
            let made = leak(store, &format!("later {number}"), &[&number.to_string()]).await;
            store.append_events(&[event(a_use(&made))]).await.unwrap();
        }
    };
    let address = url(&fresh.database());
    let (length, ()) = tokio::join!(store::backup(&address, &file), writing);
    assert_eq!(length.unwrap(), fs::metadata(&file).unwrap().len());
    assert_eq!(names(elsewhere.path()), ["backup"], "nothing else is left");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let bytes = fs::read(&file).unwrap();
    let has = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    let key = fs::read(fresh.database().with_file_name("leakgate.key")).unwrap();
    assert!(!has(text("a").as_bytes()) && !has(key.trim_ascii()), "no token and no key is in it");

    let place = tempfile::tempdir().unwrap();
    let database = place.path().join("leakgate.db");
    store::restore(&url(&database), &file).await.unwrap();
    assert!(unusable(open(&database).await).contains("leakgate.key"), "the key is missing");
    fs::copy(fresh.database().with_file_name("leakgate.key"), place.path().join("leakgate.key"))
        .unwrap();
    let restored = open(&database).await.unwrap().store;
    assert_eq!(
        restored.leak(TENANT, kept.id).await.unwrap(),
        store.leak(TENANT, kept.id).await.unwrap()
    );
    let enforced = restored.enforced_tokens(kept.id, None, 10).await.unwrap();
    assert_eq!(enforced.len(), 2);
    // Each event is of a leak that is there.
    let events = restored.events(&EventQuery::default()).await.unwrap().items;
    assert!(!events.is_empty());
    for event in events {
        restored.leak(TENANT, event.leak).await.unwrap();
    }
    let found = LeakQuery { text: Some("kept".to_owned()), ..LeakQuery::default() };
    assert_eq!(restored.leaks(&one(TENANT), &found).await.unwrap().total, 1);
    let asked = registration("after", vec![token(restored.as_ref(), "after")]);
    restored.register(asked, &actor()).await.unwrap();
    restored.close().await;
    fresh.end().await;
}

#[tokio::test]
async fn nothing_is_written_over_and_nothing_damaged_is_put_back() {
    let fresh = fresh().await;
    leak(fresh.store(), "kept", &["a"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    let address = url(&fresh.database());
    store::backup(&address, &file).await.unwrap();
    assert!(unusable(store::backup(&address, &file).await).contains("another name"));
    assert!(unusable(store::restore(&address, &file).await).contains("in use"));
    fresh.store().close().await;
    assert!(unusable(store::restore(&address, &file).await).contains("empty place"));

    let bytes = fs::read(&file).unwrap();
    let place = folder.path().join("new.db");
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    for (name, content, says) in [
        ("foreign", b"some other file, long enough".to_vec(), "not a backup"),
        ("empty", Vec::new(), "not a backup"),
        ("cut", bytes[..bytes.len() - 7].to_vec(), "damaged or not whole"),
        ("changed", changed, "damaged"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let text = unusable(store::restore(&url(&place), &path).await);
        assert!(text.contains(says), "{name}: {text}");
    }
    // One of a version that is not there yet.
    execute(&fresh.database(), "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 8")
        .await
        .unwrap();
    assert!(unusable(store::backup(&address, &folder.path().join("b")).await).contains("newer"));
    let left = names(folder.path());
    assert_eq!(left, ["backup", "changed", "cut", "empty", "foreign", "new.lock"]);
    store::restore(&url(&place), &file).await.unwrap();
}

#[tokio::test]
async fn postgres_has_tools_of_its_own() {
    let file = Path::new("nowhere");
    let text = unusable(store::backup("postgres://localhost/x", file).await);
    assert!(text.contains("pg_dump"), "{text}");
    let text = unusable(store::restore("postgres://localhost/x", file).await);
    assert!(text.contains("pg_restore"), "{text}");
}
