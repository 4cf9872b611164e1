//! What stands in the files.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use leakgate::model::leak::Decision;
use leakgate::model::rule::PatchMode;
use leakgate::model::secret::Secret;
use leakgate::store::Store;
use leakgate::store::types::Edit;

use crate::given::{
    TENANT, a_use, actor, apply, decide, digest_token, event, leak, patch, registration, text,
    token,
};
use crate::sqlite::{execute, fresh};

/// All files beside the database, with what is in them.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The forms in which bytes could stand in a file.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    vec![
        bytes.to_vec(),
        hex(bytes).into_bytes(),
        hex(bytes).to_uppercase().into_bytes(),
        STANDARD.encode(bytes).into_bytes(),
        STANDARD_NO_PAD.encode(bytes).into_bytes(),
        URL_SAFE_NO_PAD.encode(bytes).into_bytes(),
    ]
}

fn holds(files: &[(String, Vec<u8>)], needle: &[u8]) -> Option<String> {
    files
        .iter()
        .find(|(_, bytes)| memchr::memmem::find(bytes, needle).is_some())
        .map(|(name, _)| name.clone())
}

async fn live(store: &dyn Store) {
    let planted = leak(store, "planted", &["planted", "beside it"]).await;
    let digest = registration("digest", vec![digest_token(store, "digest")]);
    store.register(digest, &actor()).await.unwrap();
    let edit = Edit { add_tokens: vec![token(store, "added")], ..Edit::default() };
    store.edit(TENANT, planted.id, edit, &actor()).await.unwrap();
    apply(store, planted.id, patch(PatchMode::Block)).await.unwrap();
    store.append_events(&[event(a_use(&planted))]).await.unwrap();
    let again = registration("again", vec![token(store, "planted")]);
    store.register(again, &actor()).await.unwrap();
    decide(store, planted.id, Decision::Close).await.unwrap();
}

#[tokio::test]
async fn no_file_holds_a_token_or_its_digest() {
    let fresh = fresh().await;
    live(fresh.store()).await;
    let open = files(fresh.directory.path());
    fresh.store().close().await;
    let closed = files(fresh.directory.path());

    for files in [&open, &closed] {
        // The search can find something: what is kept in clear is there.
        let fingerprint = token(fresh.store(), "planted").fingerprint;
        assert!(holds(files, &fingerprint.0).is_some());
        assert!(holds(files, b"header:authorization").is_some());
        for name in ["planted", "beside it", "added", "digest"] {
            let secret = Secret::from(text(name));
            for needle in forms(secret.expose()).iter().chain(&forms(&secret.digest().0)) {
                assert_eq!(holds(files, needle), None, "{name}");
            }
        }
    }
    assert!(open.iter().any(|(name, _)| name == "leakgate.db-wal"));
    assert!(!closed.iter().any(|(name, _)| name.ends_with("-wal")), "closed with all in place");
}

#[tokio::test]
async fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let fresh = fresh().await;
    live(fresh.store()).await;
    let mut names = Vec::new();
    for entry in fs::read_dir(fresh.directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        let name = entry.file_name().into_string().unwrap();
        assert_eq!(mode, 0o600, "{name}");
        names.push(name);
    }
    for name in ["leakgate.db", "leakgate.db-wal", "leakgate-events.db", "leakgate.key"] {
        assert!(names.iter().any(|there| there == name), "{name}");
    }
}

#[tokio::test]
async fn history_and_audit_cannot_be_changed() {
    let fresh = fresh().await;
    leak(fresh.store(), "audited", &["a"]).await;
    fresh.store().close().await;
    for sql in [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "UPDATE history SET actor = 'nobody'",
        "DELETE FROM history",
    ] {
        let error = execute(&fresh.database(), sql).await.unwrap_err().to_string();
        assert!(error.contains("only added to"), "{sql}: {error}");
    }
}
