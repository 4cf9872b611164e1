//! A leak whose tokens are not all treated alike, with real requests.

use serde_json::json;

use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

async fn status(program: &Program, token: &str) -> u16 {
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.get(program.url("/")).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_token_is_treated_by_its_own_mode() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let tokens = [token("mixed_", 32), token("mixed_", 32), token("mixed_", 32)];
    let body = json!({"title": "mixed", "tokens": tokens});
    let (made, leak) = program.api("POST", "/leaks", Some(body)).await;
    assert_eq!(made, 201, "{leak}");
    let path = format!("/leaks/{}/virtual-patch", leak["id"].as_str().unwrap());
    // Tokens are shown in the order in which they came.
    let id = |index: usize| leak["tokens"][index]["id"].clone();
    let body = json!({"mode": "block", "tokens": [
        {"id": id(0), "mode": "monitoring"}, {"id": id(1), "mode": "none"}]});
    let (patched, now) = program.api("POST", &path, Some(body)).await;
    assert_eq!(patched, 200, "{now}");
    for (index, (expected, action)) in
        [(200, "monitored"), (200, "observed"), (403, "blocked")].into_iter().enumerate()
    {
        assert_eq!(status(&program, &tokens[index]).await, expected, "token {index}");
        let event = program.wait_for_event(&format!("action={action}")).await;
        assert_eq!(event["token"], id(index));
        assert_eq!(event["virtual_patch"].is_string(), action != "observed");
    }
    // The other way around.
    let body = json!({"mode": "monitoring", "tokens": [{"id": id(1), "mode": "block"}]});
    assert_eq!(program.api("POST", &path, Some(body)).await.0, 200);
    for (index, expected) in [200, 403, 200].into_iter().enumerate() {
        assert_eq!(status(&program, &tokens[index]).await, expected, "token {index}");
    }
    assert!(program.terminate());
}
