//! kill -9 of the process that writes, or of the whole server: whatever was acknowledged is there
//! afterwards.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::databases::Database;
use crate::killing::{is_there, is_whole, run_and_kill, storm};
use crate::postgres::{fresh, open};

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn nothing_acknowledged_is_lost_with_the_process() {
    let fresh = fresh().await;
    let mut acknowledged = Vec::new();
    for least in [0, 1, 7, 20] {
        let url = fresh.database.url().to_owned();
        let run = tokio::task::spawn_blocking(move || run_and_kill(&url, least));
        acknowledged.extend(run.await.unwrap());
        // Another process, which never stopped, sees it at once.
        is_there(fresh.store(), &acknowledged).await;
        is_whole(fresh.store()).await;
    }
    fresh.end().await;
}

/// A server of this test's own; ended with it.
struct Server {
    folder: tempfile::TempDir,
}

impl Server {
    /// What `scripts/postgres` prints.
    fn run(&self, command: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
        let done = Command::new(script).arg(command).arg(self.folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{command}: {said}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.run("crash");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn nothing_acknowledged_is_lost_with_the_server() {
    let server = Server { folder: tempfile::tempdir().unwrap() };
    let database = Database::on(&server.run("start")).await;
    let store = open(database.url()).await.unwrap().store;
    let acknowledged = Mutex::new(Vec::new());
    for least in [1, 20, 100] {
        let (count, is_enough) = (AtomicUsize::new(0), Notify::new());
        let acknowledge = |what: &str, id: String| {
            acknowledged.lock().unwrap().push(format!("{what} {id}"));
            if what == "patch" && count.fetch_add(1, Ordering::Relaxed) + 1 == least {
                is_enough.notify_one();
            }
        };
        let kill = async {
            is_enough.notified().await;
            tokio::task::block_in_place(|| server.run("crash"));
        };
        let (ended, ()) = tokio::join!(storm(store.as_ref(), acknowledge), kill);
        ended.unwrap_err();
        assert!(store.ping().await.is_err(), "the server is gone");
        server.run("start");
        // The same store goes on: its connections are made anew.
        store.ping().await.unwrap();
        let by_now = acknowledged.lock().unwrap().clone();
        is_there(store.as_ref(), &by_now).await;
        is_whole(store.as_ref()).await;
    }
    store.close().await;
}
