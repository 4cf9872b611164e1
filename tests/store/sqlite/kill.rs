//! kill -9 while the store writes: whatever was acknowledged is there afterwards.

use crate::killing::{is_there, is_whole, run_and_kill};
use crate::sqlite::{ask, open, url};

#[tokio::test]
async fn nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("leakgate.db");
    let mut acknowledged = Vec::new();
    for least in [0, 1, 7, 20] {
        let url = url(&database);
        let run = tokio::task::spawn_blocking(move || run_and_kill(&url, least));
        acknowledged.extend(run.await.unwrap());
        let store = open(&database).await.unwrap().store;
        is_there(store.as_ref(), &acknowledged).await;
        is_whole(store.as_ref()).await;
        store.close().await;
        for name in ["leakgate.db", "leakgate-events.db"] {
            let faults = ask(&directory.path().join(name), "PRAGMA integrity_check").await;
            assert_eq!(faults, ["ok"], "{name}");
            let orphans = "SELECT \"table\" FROM pragma_foreign_key_check";
            assert!(ask(&directory.path().join(name), orphans).await.is_empty(), "{name}");
        }
    }
}
