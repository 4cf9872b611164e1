//! Keys are rotated while the store is in use, cut off in between, and gone on with.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use leakgate::model::secret::Secret;
use leakgate::model::token::TokenMaterial;
use leakgate::store::types::AuditQuery;
use leakgate::store::{self, KeySource, Store, StoreError};

use crate::databases::Database;
use crate::given::{TENANT, actor, one, registration, text, token};

const TOKENS: usize = 450;

fn secret(fill: char) -> Secret {
    Secret::from(fill.to_string().repeat(40))
}

async fn open(url: &str, key: &KeySource) -> Arc<dyn Store> {
    store::open(url, key.clone()).await.unwrap().store
}

/// The texts of all tokens that are to be enforced.
async fn texts(store: &dyn Store) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for leak in store.enforced_leaks(leakgate::model::clock::now(), 30).await.unwrap() {
        let mut after = None;
        loop {
            let page = store.enforced_tokens(leak.id, after, 100).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for token in &page {
                let TokenMaterial::Text(text) = &token.material else { panic!("a text") };
                texts.insert(String::from_utf8(text.expose().to_vec()).unwrap());
            }
        }
    }
    texts
}

async fn fill(store: &dyn Store) -> BTreeSet<String> {
    let names: Vec<String> = (0..TOKENS).map(|number| format!("token {number}")).collect();
    let tokens = names.iter().map(|name| token(store, name)).collect();
    store.register(registration("filled", tokens), &actor()).await.unwrap();
    names.iter().map(|name| text(name)).collect()
}

async fn reseal_all(store: &dyn Store) -> u64 {
    let (mut after, mut tokens) = (None, 0);
    while let Some(resealed) = store.reseal(after).await.unwrap() {
        after = Some(resealed.last);
        tokens += resealed.tokens;
    }
    tokens
}

async fn deeds(store: &dyn Store) -> usize {
    let page = store.audit(&one(TENANT), &AuditQuery::default()).await.unwrap();
    page.items.iter().filter(|entry| entry.action == "rotate-keys").count()
}

/// From one key that is given to the next.
async fn goes_over(url: &str) {
    let first = KeySource::Environment(secret('a'));
    let both = KeySource::Rotating(secret('b'), secret('a'));
    let second = KeySource::Environment(secret('b'));
    let store = open(url, &first).await;
    let mut expected = fill(store.as_ref()).await;
    let fingerprint = token(store.as_ref(), "token 1").fingerprint;
    let error = store.begin_key_rotation(&actor()).await.unwrap_err();
    assert!(matches!(error, StoreError::NoNextKey), "{error}");
    store.close().await;

    let store = open(url, &both).await;
    assert_eq!(texts(store.as_ref()).await, expected, "before the rotation");
    store.begin_key_rotation(&actor()).await.unwrap();
    let first_batch = store.reseal(None).await.unwrap().unwrap();
    assert!(first_batch.tokens < TOKENS as u64);
    let added = registration("added meanwhile", vec![token(store.as_ref(), "added")]);
    store.register(added, &actor()).await.unwrap();
    expected.insert(text("added"));
    assert_eq!(texts(store.as_ref()).await, expected, "in the middle");
    assert!(!store.end_key_rotation(&actor()).await.unwrap(), "some are under the old key");
    store.close().await;

    for one_alone in [&first, &second] {
        let error = store::open(url, one_alone.clone()).await.unwrap_err();
        assert!(matches!(error, StoreError::WrongKey | StoreError::Unusable(_)), "{error}");
    }
    let store = open(url, &both).await;
    let state = store.key_state().await.unwrap();
    assert_eq!((state.generation, state.rotating, state.tokens), (2, true, TOKENS as u64 + 1));
    store.begin_key_rotation(&actor()).await.unwrap();
    assert_eq!(store.key_state().await.unwrap().generation, 2, "it is the same rotation");
    assert_eq!(reseal_all(store.as_ref()).await, TOKENS as u64 + 1);
    assert!(store.end_key_rotation(&actor()).await.unwrap());
    assert_eq!(deeds(store.as_ref()).await, 2);
    store.close().await;

    let store = open(url, &second).await;
    assert_eq!(texts(store.as_ref()).await, expected, "under the new key alone");
    assert_eq!(token(store.as_ref(), "token 1").fingerprint, fingerprint);
    assert!(!store.key_state().await.unwrap().rotating);
    store.close().await;
    let error = store::open(url, first).await.unwrap_err();
    assert!(matches!(error, StoreError::WrongKey), "{error}");
}

#[tokio::test]
async fn sqlite_goes_over_to_a_given_key() {
    let directory = tempfile::tempdir().unwrap();
    goes_over(&format!("sqlite:{}", directory.path().join("leakgate.db").display())).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn postgres_goes_over_to_a_given_key() {
    let database = Database::new().await;
    goes_over(database.url()).await;
    database.end().await;
}

/// A process that was there before goes on while another one rotates the keys.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn two_processes_go_over_together() {
    let database = Database::new().await;
    let both = KeySource::Rotating(secret('b'), secret('a'));
    open(database.url(), &KeySource::Environment(secret('a'))).await.close().await;
    let (one, other) = (open(database.url(), &both).await, open(database.url(), &both).await);
    let mut expected = fill(one.as_ref()).await;
    one.begin_key_rotation(&actor()).await.unwrap();
    let added = registration("by the other", vec![token(other.as_ref(), "added")]);
    other.register(added, &actor()).await.unwrap();
    expected.insert(text("added"));
    reseal_all(one.as_ref()).await;
    assert!(one.end_key_rotation(&actor()).await.unwrap());
    assert_eq!(texts(other.as_ref()).await, expected);
    one.close().await;
    other.close().await;
    let after = open(database.url(), &KeySource::Environment(secret('b'))).await;
    assert_eq!(texts(after.as_ref()).await, expected);
    after.close().await;
    database.end().await;
}

fn key_files(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".key")).collect()
}

/// With key files, which are told apart wherever the change from one to the other was cut off.
#[tokio::test]
async fn a_key_file_takes_the_place_of_another() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let url = format!("sqlite:{}", folder.join("leakgate.db").display());
    let store = open(&url, &KeySource::File).await;
    let expected = fill(store.as_ref()).await;
    let before = fs::read(folder.join("leakgate.key")).unwrap();
    store.begin_key_rotation(&actor()).await.unwrap();
    assert_eq!(key_files(folder), ["leakgate.key", "leakgate.key.old"].map(str::to_owned).into());
    store.reseal(None).await.unwrap().unwrap();
    store.close().await;
    let (key, new, old) = (
        folder.join("leakgate.key"),
        folder.join("leakgate.key.new"),
        folder.join("leakgate.key.old"),
    );
    for cut_off in 0..3 {
        if cut_off > 0 {
            fs::rename(&key, &new).unwrap();
        }
        if cut_off > 1 {
            fs::rename(&old, &key).unwrap();
        }
        let reading = store::open_reading(&url, KeySource::File).await.unwrap();
        assert_eq!(texts(reading.as_ref()).await, expected, "read, cut off at {cut_off}");
        reading.close().await;
        let store = open(&url, &KeySource::File).await;
        assert_eq!(texts(store.as_ref()).await, expected, "cut off at {cut_off}");
        store.close().await;
    }
    let store = open(&url, &KeySource::File).await;
    reseal_all(store.as_ref()).await;
    assert!(store.end_key_rotation(&actor()).await.unwrap());
    assert_eq!(texts(store.as_ref()).await, expected);
    // Once more, to the next one.
    store.begin_key_rotation(&actor()).await.unwrap();
    reseal_all(store.as_ref()).await;
    assert!(store.end_key_rotation(&actor()).await.unwrap());
    store.close().await;
    assert_eq!(key_files(folder), ["leakgate.key".to_owned()].into());
    assert_ne!(fs::read(&key).unwrap(), before);
    let store = open(&url, &KeySource::File).await;
    assert_eq!(texts(store.as_ref()).await, expected);
    assert_eq!(store.key_state().await.unwrap().generation, 3);
    store.close().await;
}

/// Rotations that begin and end at the same time, each as the one after another, while the store is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rotations_that_meet_lose_no_key() {
    const ROUNDS: usize = 40;
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("leakgate.db").display());
    let store = open(&url, &KeySource::File).await;
    let mut expected = BTreeSet::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..ROUNDS {
                store.begin_key_rotation(&actor()).await.unwrap();
                reseal_all(store.as_ref()).await;
                store.end_key_rotation(&actor()).await.unwrap();
            }
        });
    }
    for number in 0..ROUNDS {
        let name = format!("meanwhile {number}");
        let added = registration(&name, vec![token(store.as_ref(), &name)]);
        store.register(added, &actor()).await.unwrap();
        expected.insert(text(&name));
        assert_eq!(texts(store.as_ref()).await, expected);
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    reseal_all(store.as_ref()).await;
    store.end_key_rotation(&actor()).await.unwrap();
    let state = store.key_state().await.unwrap();
    assert!(!state.rotating && state.generation > 3, "{state:?}");
    store.close().await;
    assert_eq!(key_files(directory.path()), ["leakgate.key".to_owned()].into());
    let store = open(&url, &KeySource::File).await;
    assert_eq!(texts(store.as_ref()).await, expected);
    store.close().await;
}
