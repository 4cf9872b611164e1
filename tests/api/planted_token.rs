//! A token is planted wherever a person can put it, and no answer carries it.

use leakgate::model::event::EventAction;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::support::{Api, id, token};

#[tokio::test]
async fn no_answer_carries_a_token() {
    let api = Api::new().await;
    // With characters that a URL encodes, so that both forms are looked for.
    let planted = format!("{}+/{}=", token("planted"), &token("tail")[..8]);
    let encoded = utf8_percent_encode(&planted, NON_ALPHANUMERIC).to_string();
    let url = format!("https://paste.example/raw?key={encoded}&x=1");
    let everywhere = |text: &str| format!("{text} {planted} end");
    let body = json!({"title": everywhere("title"), "tokens": [planted],
        "kind": everywhere("kind"), "owner": everywhere("owner"), "contact": everywhere("contact"),
        "comment": everywhere("comment"),
        "source": {"kind": "pastebin", "url": url, "path": everywhere("path"),
            "commit": everywhere("commit")}});
    let mut answers = vec![api.post("/leaks", body.clone()).await];
    let leak = answers[0].json();
    answers.push(api.post("/leaks", body).await);
    let path = format!("/leaks/{}", id(&leak));
    let comment = json!({"comment": everywhere("decision")});
    answers.push(api.post(&format!("{path}/virtual-patch"), comment.clone()).await);
    answers.push(api.post(&format!("{path}/comments"), json!({"text": everywhere("said")})).await);
    let change = json!({"title": everywhere("changed"), "owner": everywhere("changed"),
        "comment": everywhere("changed"), "source": {"kind": "github", "url": url}});
    answers.push(api.call("PATCH", &path, change).await);
    let added = token("added");
    let change = json!({"add_tokens": [added], "title": format!("also {added}")});
    answers.push(api.call("PATCH", &path, change).await);
    let body = json!({"on": true, "reason": everywhere("reason")});
    answers.push(api.call("PUT", "/bypass", body).await);
    answers.push(api.post("/tokens/lookup", json!({"token": planted})).await);
    let list = format!("{planted}\n{}\n", token("imported"));
    let title = format!("/imports?format=list&title=about%20{}", token("imported"));
    answers.push(api.post_text(&api.admin, &title, list).await);
    // Two persons decide: what one proposes, or does in haste, is told as well.
    api.call("PUT", "/four-eyes", json!({"on": true, "comment": everywhere("two")})).await;
    let haste = json!({"comment": everywhere("haste"), "break_glass": everywhere("haste")});
    answers.push(api.post(&format!("{path}/virtual-patch"), haste).await);
    answers.push(api.post(&format!("{path}/close"), comment.clone()).await);
    let off = json!({"on": false, "comment": everywhere("one")});
    answers.push(api.call("PUT", "/four-eyes", off).await);
    answers.push(api.get("/proposals").await);
    answers.push(api.get("/reviews").await);
    assert_eq!(answers.iter().filter(|answer| answer.text.contains("proposed_by")).count(), 4);
    api.used(&leak, EventAction::Blocked, "192.0.2.1").await;
    for call in leakgate::control::calls() {
        if call.method == "GET" && !call.path.ends_with("/stream") {
            let path = call.path.strip_prefix("/api/v1").unwrap().replace("{id}", id(&leak));
            answers.push(api.get(&path).await);
        }
    }
    answers.push(api.post(&format!("{path}/close"), comment).await);
    answers.push(api.get("/events/export?format=csv").await);
    answers.push(api.get(&format!("{path}/history")).await);
    for answer in &answers {
        assert!(!answer.status.is_server_error(), "{}", answer.text);
        for secret in [&planted, &encoded, &added, &token("imported")] {
            assert!(!answer.text.contains(secret.as_str()), "{}", answer.text);
        }
    }
    let shown = api.get(&path).await.expect(200);
    assert!(shown["comment"].as_str().unwrap().starts_with("changed [token "), "{shown}");
    assert_ne!(shown["source"]["url"], Value::Null);
}
