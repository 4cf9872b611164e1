//! What is killed while it writes, and what must be there afterwards: whatever was acknowledged.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use leakgate::model::clock;
use leakgate::model::ids::{EventId, LeakId};
use leakgate::model::rule::PatchMode;
use leakgate::store::types::{EventQuery, LeakQuery};
use leakgate::store::{self, KeySource, Store, StoreError};

use crate::databases;
use crate::given::{
    TENANT, Use, a_use, actor, apply, event, one, page, patch, registration, token,
};

/// Where the child finds the URL of its store; without it the child's test does nothing.
const URL: &str = "LEAKGATE_TEST_KILLED_URL";

/// What the child says was acknowledged.
const KINDS: [&str; 3] = ["leak", "patch", "event"];

/// Says that the store has acknowledged something.
fn say(what: &str, id: String) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "acknowledged {what} {id}").unwrap();
    out.flush().unwrap();
}

/// What a process does that is killed: writes decisions and events, and says what was acknowledged,
/// until it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let key = if url.starts_with("sqlite:") { KeySource::File } else { databases::key() };
    let store = store::open(&url, key).await.unwrap().store;
    storm(store.as_ref(), say).await.unwrap();
}

/// Decisions, and events beside them as in a running gateway, until the store fails. `acknowledge`
/// is told what was stored.
pub async fn storm(
    store: &dyn Store,
    acknowledge: impl Fn(&str, String),
) -> Result<(), StoreError> {
    let round = uuid::Uuid::now_v7();
    let register = async |title, names: &[String]| {
        let tokens = names.iter().map(|name| token(store, name)).collect();
        let done = store.register(registration(title, tokens), &actor()).await?;
        Ok::<_, StoreError>(done.leak.unwrap())
    };
    let events = async {
        let leak = register("used", &[format!("used {round}")]).await?;
        loop {
            let batch: Vec<_> = (0..20).map(|_| event(a_use(&leak))).collect();
            store.append_events(&batch).await?;
            for event in batch {
                acknowledge("event", event.id.to_string());
            }
            // One that still grows when the process is killed.
            let growing = event(Use { count: 7, ..a_use(&leak) });
            store.hold_events(std::slice::from_ref(&growing)).await?;
            acknowledge("event", growing.id.to_string());
        }
        #[allow(unreachable_code, reason = "it says of what type the end would be")]
        Ok::<(), StoreError>(())
    };
    let decisions = async {
        for number in 0.. {
            let names = [format!("a {round} {number}"), format!("b {round} {number}")];
            let leak = register("made", &names).await?;
            acknowledge("leak", leak.id.to_string());
            apply(store, leak.id, patch(PatchMode::Block)).await?;
            acknowledge("patch", leak.id.to_string());
        }
        Ok::<(), StoreError>(())
    };
    tokio::try_join!(events, decisions)?;
    Ok(())
}

/// Runs the child until it has acknowledged something, and of each kind at least `least`; kills it,
/// and answers with all that it had acknowledged by then.
pub fn run_and_kill(url: &str, least: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killing::child", "--nocapture", "--test-threads=1"])
        .env(URL, url)
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

pub async fn is_there(store: &dyn Store, acknowledged: &[String]) {
    let later = clock::now() + std::time::Duration::from_secs(1);
    store.release_held_events(later).await.unwrap();
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
pub async fn is_whole(store: &dyn Store) {
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
