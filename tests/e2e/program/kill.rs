//! `kill -9` in the middle of writes: what was acknowledged is there afterwards.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::databases::Database;
use crate::support::program::{PATIENCE, Program, leakgate};
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// Acknowledged writes after which the process is killed.
const WRITES: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Arc::new(Program::start(folder.path(), upstream.address(), ""));
    let used = token("used_", 32);
    let leak = program.register("In use", &[&used]).await;
    program.block(&leak).await;
    let response = reqwest::Client::new().get(program.url("/")).bearer_auth(&used);
    assert_eq!(response.send().await.unwrap().status(), 403);
    let event = program.wait_for_event(&format!("leak={leak}")).await;

    let expected = storm_and_kill(&program).await;

    let again = Program::start_configured(folder.path());
    for (id, remediation) in expected {
        let (status, leak) = again.api("GET", &format!("/leaks/{id}"), None).await;
        assert_eq!(status, 200, "{leak}");
        // A decision whose answer was cut off by the kill may have been made all the same.
        if remediation == "virtual_patch" {
            assert_eq!(leak["remediation"], "virtual_patch", "{leak}");
            assert_eq!(leak["virtual_patch"]["mode"], "block", "{leak}");
        }
    }
    let (_, events) = again.api("GET", &format!("/events?leak={leak}"), None).await;
    assert_eq!(events["items"][0]["id"], event["id"], "a committed event is there");
    let response = reqwest::Client::new().get(again.url("/")).bearer_auth(&used).send().await;
    assert_eq!(response.unwrap().status(), 403, "and enforced from the start");
}

/// Writes through several clients, each telling what was acknowledged to it, until the process is
/// killed under them. Answers with the leaks, and the remediation that was acknowledged for each.
async fn storm_and_kill(program: &Arc<Program>) -> HashMap<String, &'static str> {
    let (acknowledged, mut heard) = mpsc::channel(1_024);
    for writer in 0..4 {
        let (program, acknowledged) = (Arc::clone(program), acknowledged.clone());
        tokio::spawn(async move {
            for number in 0.. {
                let title = format!("Leak {number} of writer {writer}");
                let body = json!({ "title": title, "tokens": [token("t_", 32)] });
                let Some(leak) = try_api(&program, "POST", "/leaks", body).await else { return };
                let id = leak["id"].as_str().unwrap().to_owned();
                if acknowledged.send((id.clone(), "none")).await.is_err() {
                    return;
                }
                let path = format!("/leaks/{id}/virtual-patch");
                if try_api(&program, "POST", &path, json!({ "mode": "block" })).await.is_none() {
                    return;
                }
                if acknowledged.send((id, "virtual_patch")).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(acknowledged);
    let mut expected = HashMap::new();
    for _ in 0..WRITES {
        let (id, remediation) = heard.recv().await.expect("the writers are at work");
        expected.insert(id, remediation);
    }
    program.signal("KILL");
    while let Some((id, remediation)) = heard.recv().await {
        expected.insert(id, remediation);
    }
    expected
}

/// The answer, or `None` where the process died under the call.
async fn try_api(program: &Program, method: &str, path: &str, body: Value) -> Option<Value> {
    let request = reqwest::Client::new()
        .request(method.parse().unwrap(), format!("http://{}/api/v1{path}", program.control))
        .bearer_auth(&program.token)
        .json(&body);
    let response = request.send().await.ok()?;
    let status = response.status();
    let text = response.text().await.ok()?;
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).ok()
}

/// Two processes on one PostgreSQL: what one has acknowledged before it is killed, the other has,
/// and enforces.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn what_a_killed_process_acknowledged_the_others_enforce() {
    let database = Database::new().await;
    let upstream = AnsweringUpstream::start().await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, other] = folders.each_ref().map(|folder| {
        Program::configure(folder.path(), upstream.address(), "listen = [\"127.0.0.1:0\"]");
        let mut command = leakgate(folder.path());
        command.env("LEAKGATE_STORE__URL", database.url()).env("LEAKGATE_KEY", "k".repeat(64));
        Program::spawn(folder.path(), command, "gateway listening on http://")
    });
    let one = Arc::new(one);
    let used = token("used_", 32);
    let leak = one.register("In use", &[&used]).await;
    one.block(&leak).await;
    let ask = async || {
        let request = reqwest::Client::new().get(other.url("/")).bearer_auth(&used);
        request.send().await.unwrap().status().as_u16()
    };
    tokio::time::timeout(PATIENCE, async {
        while ask().await != 403 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it is blocked by the other process");

    let expected = storm_and_kill(&one).await;
    for (id, remediation) in expected {
        let (status, leak) = other.api("GET", &format!("/leaks/{id}"), None).await;
        assert_eq!(status, 200, "{leak}");
        assert!(remediation == "none" || leak["remediation"] == remediation, "{leak}");
    }
    other.signal("TERM");
    drop((one, other));
    database.end().await;
}
