//! kill -9 while the store writes: whatever was acknowledged is there afterwards.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use leakgate::model::ids::{EventId, LeakId};
use leakgate::model::rule::PatchMode;
use leakgate::store::Store;
use leakgate::store::types::{EventQuery, LeakQuery};

use crate::given::{TENANT, a_use, apply, event, leak, one, page, patch};
use crate::sqlite::{ask, open};

/// Where the child finds its database; without it the child's test does nothing.
const DATABASE: &str = "LEAKGATE_TEST_KILLED_DATABASE";

/// What the child says was acknowledged.
const KINDS: [&str; 3] = ["leak", "patch", "event"];

/// Says that the store has acknowledged something.
fn say(what: &str, id: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "acknowledged {what} {id}").unwrap();
    out.flush().unwrap();
}

/// Not a test by itself: what [`nothing_acknowledged_is_lost`] starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(database) = std::env::var_os(DATABASE) else { return };
    let store = open(Path::new(&database)).await.unwrap().store;
    let round = std::process::id();
    let events = async {
        // Events are written beside decisions, as they are in a running gateway.
        let leak = leak(store.as_ref(), "used", &[&format!("used {round}")]).await;
        loop {
            let batch: Vec<_> = (0..20).map(|_| event(a_use(&leak))).collect();
            store.append_events(&batch).await.unwrap();
            for event in batch {
                say("event", event.id);
            }
        }
    };
    let decisions = async {
        for number in 0.. {
            let names = [format!("a {round} {number}"), format!("b {round} {number}")];
            let leak = leak(store.as_ref(), "made", &names.each_ref().map(String::as_str)).await;
            say("leak", leak.id);
            apply(store.as_ref(), leak.id, patch(PatchMode::Block)).await.unwrap();
            say("patch", leak.id);
        }
    };
    tokio::join!(events, decisions);
}

/// Runs the child until it has acknowledged something, and of each kind at least `least`; kills it,
/// and answers with all that it had acknowledged by then.
fn run_and_kill(database: &Path, least: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::kill::child", "--nocapture", "--test-threads=1"])
        .env(DATABASE, database)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged: Vec<String> = Vec::new();
    let mut is_killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(what) = line.strip_prefix("acknowledged ") else { continue };
        acknowledged.push(what.to_owned());
        let count = |kind| acknowledged.iter().filter(|what| what.starts_with(kind)).count();
        if !is_killed && KINDS.into_iter().all(|kind| count(kind) >= least) {
            child.kill().unwrap();
            is_killed = true;
        }
    }
    let status = child.wait().unwrap();
    assert!(is_killed && !status.success(), "it ended by itself: {status}");
    // The kill may have cut the last line off.
    if let Some(last) = acknowledged
        .pop()
        .filter(|last| last.split_once(' ').is_some_and(|(_, id)| id.parse::<EventId>().is_ok()))
    {
        acknowledged.push(last);
    }
    acknowledged
}

async fn is_there(store: &dyn Store, acknowledged: &[String]) {
    let mut events = Vec::new();
    let mut cursor = None;
    loop {
        let query = EventQuery { page: page(1_000, cursor), ..EventQuery::default() };
        let found = store.events(&query).await.unwrap();
        events.extend(found.items.into_iter().map(|event| event.id));
        cursor = found.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    events.sort();
    for what in acknowledged {
        let (what, id) = what.split_once(' ').unwrap();
        if what == "event" {
            let id: EventId = id.parse().unwrap();
            assert!(events.binary_search(&id).is_ok(), "event {id} is lost");
            continue;
        }
        let id: LeakId = id.parse().unwrap();
        let leak = store.leak(TENANT, id).await.unwrap();
        assert_eq!(store.enforced_tokens(id, None, 10).await.unwrap().len(), 2);
        assert!(what == "leak" || leak.virtual_patch.is_some(), "the patch of {id} is lost");
    }
}

/// What is there is there whole: a rule with its history, a count with its events.
async fn is_whole(store: &dyn Store) {
    let query = LeakQuery { page: page(100_000, None), ..LeakQuery::default() };
    let leaks = store.leaks(&one(TENANT), &query).await.unwrap();
    assert_eq!(leaks.items.len() as u64, leaks.total);
    for leak in leaks.items {
        let history = store.history(TENANT, leak.id).await.unwrap();
        let applied = history.iter().any(|entry| entry.action == "apply_virtual_patch");
        assert_eq!(leak.virtual_patch.is_some(), applied);
        assert_eq!(leak.token_count, leak.tokens.len() as u64);
        let query =
            EventQuery { leak: Some(leak.id), page: page(100_000, None), ..EventQuery::default() };
        let events = store.events(&query).await.unwrap();
        assert_eq!(leak.events_24h, events.items.iter().map(|event| event.count).sum::<u64>());
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("leakgate.db");
    let mut acknowledged = Vec::new();
    for least in [0, 1, 7, 20] {
        let path = database.clone();
        let run = tokio::task::spawn_blocking(move || run_and_kill(&path, least));
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
