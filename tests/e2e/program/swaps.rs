//! A storm of requests while the patchset is swapped again and again: none fails, none is decided
//! wrongly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;

use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

const SWAPS: usize = 1_000;
const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_swaps_disturb_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Arc::new(Program::start(folder.path(), upstream.address(), ""));
    let (blocked, honest) = (token("blocked_", 32), token("honest_", 32));
    let leak = program.register("Always blocked", &[&blocked]).await;
    program.block(&leak).await;
    let other = program.register("Turned again and again", &[&token("turned_", 32)]).await;

    let done = Arc::new(AtomicBool::new(false));
    let requests = Arc::new(AtomicU64::new(0));
    let mut storm = Vec::new();
    for client in 0..CLIENTS {
        let (program, done, requests) =
            (Arc::clone(&program), Arc::clone(&done), Arc::clone(&requests));
        let (token, expected) = if client % 2 == 0 { (&blocked, 403) } else { (&honest, 200) };
        let token = token.clone();
        storm.push(tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            while !done.load(Ordering::Relaxed) {
                let request = client.get(program.url("/")).bearer_auth(&token);
                let response = request.send().await.expect("no request fails");
                assert_eq!(response.status().as_u16(), expected);
                response.bytes().await.expect("no answer breaks off");
                requests.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let path = format!("/leaks/{other}/virtual-patch");
    for swap in 0..SWAPS {
        let (status, answer) = if swap % 2 == 0 {
            program.api("POST", &path, Some(json!({ "mode": "block" }))).await
        } else {
            program.api("DELETE", &path, None).await
        };
        assert_eq!(status, 200, "{answer}");
    }
    done.store(true, Ordering::Relaxed);
    for task in storm {
        task.await.unwrap();
    }
    assert!(requests.load(Ordering::Relaxed) > SWAPS as u64 / 10, "there was a storm");
    let metrics = reqwest::get(format!("http://{}/metrics", program.control)).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let version = metrics.lines().find_map(|line| line.strip_prefix("leakgate_patchset_version "));
    assert!(version.unwrap().parse::<usize>().unwrap() > SWAPS, "{metrics}");
    let sent = upstream.take();
    assert!(memchr::memmem::find(&sent, blocked.as_bytes()).is_none());
}
