//! What ends by itself at its time.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::program::{PATIENCE, Program};
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

fn soon() -> String {
    (Timestamp::now() + SignedDuration::from_millis(1_500)).to_string()
}

/// Sends requests until one gets this status.
async fn until(program: &Program, token: &str, status: u16) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let response = client.get(program.url("/")).bearer_auth(token).send().await.unwrap();
        if response.status().as_u16() == status {
            return;
        }
        assert!(Instant::now() < deadline, "no {status}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_and_the_bypass_end_at_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let (lasting, passing) = (token("lasting_", 32), token("passing_", 32));
    let leak = program.register("Blocked for good", &[&lasting]).await;
    program.block(&leak).await;

    let leak = program.register("Blocked for a moment", &[&passing]).await;
    let body = json!({ "mode": "block", "expires_at": soon() });
    let path = format!("/leaks/{leak}/virtual-patch");
    let (status, answer) = program.api("POST", &path, Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    until(&program, &passing, 403).await;
    until(&program, &passing, 200).await;
    let path = format!("/leaks/{leak}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, shown) = program.api("GET", &path, None).await;
        if shown["remediation"] == "none" {
            break;
        }
        assert!(Instant::now() < deadline, "{shown}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (_, history) = program.api("GET", &format!("/leaks/{leak}/history"), None).await;
    assert!(history.to_string().contains("system"), "who ended it is said: {history}");

    let body = json!({ "on": true, "reason": "a moment", "expires_at": soon() });
    let (status, answer) = program.api("PUT", "/bypass", Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    until(&program, &lasting, 200).await;
    until(&program, &lasting, 403).await;
    let (_, bypass) = program.api("GET", "/bypass", None).await;
    assert_eq!(bypass["on"], false, "{bypass}");
}
