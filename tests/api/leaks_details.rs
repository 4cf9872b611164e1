//! `/leaks/{id}/history`, `/comments`, `/tokens`, `/impact`.

use leakgate::model::event::EventAction;
use serde_json::{Value, json};

use super::support::{Api, id, token};

#[tokio::test]
async fn comments() {
    let api = Api::new().await;
    let analyst = api.credential("analyst").await;
    let leak = api.leak("x", &["one"]).await;
    let path = format!("/leaks/{}/comments", id(&leak));
    let said = api.call_as(&analyst, "POST", &path, json!({"text": " call them "})).await;
    let said = said.expect(201);
    assert_eq!(said["text"], "call them");
    assert!(said["author"].as_str().unwrap().starts_with("analyst"));
    let all = api.get(&path).await.expect(200);
    assert_eq!(all["items"], json!([said]));
    let problem = api.post(&path, json!({"text": ""})).await.problem(422, "invalid-value");
    assert_eq!(problem["field"], "text");
    let nowhere = "/leaks/0190a0a0-0000-7000-8000-000000000000/comments";
    api.post(nowhere, json!({"text": "x"})).await.problem(404, "not-found");
}

#[tokio::test]
async fn tokens_are_paged() {
    let api = Api::new().await;
    let tokens: Vec<String> = (0..130).map(|n| token(&format!("t{n}"))).collect();
    let leak = api.post("/leaks", json!({"title": "many", "tokens": tokens})).await.expect(201);
    assert_eq!(leak["tokens"].as_array().unwrap().len(), 100);
    assert_eq!(leak["token_count"], 130);
    let (mut seen, mut cursor) = (std::collections::BTreeSet::new(), String::new());
    loop {
        let path = format!("/leaks/{}/tokens?limit=50&cursor={cursor}", id(&leak));
        let page = api.get(&path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|t| id(t).to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 130);
}

#[tokio::test]
async fn impact_and_stats_count_uses() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    api.used(&leak, EventAction::Observed, "192.0.2.1").await;
    api.used(&leak, EventAction::Observed, "192.0.2.1").await;
    api.used(&leak, EventAction::Observed, "192.0.2.2").await;
    let impact = api.get(&format!("/leaks/{}/impact", id(&leak))).await.expect(200);
    assert_eq!((&impact["uses_1h"], &impact["uses_7d"]), (&json!(3), &json!(3)));
    let clients = impact["clients"].as_array().unwrap();
    assert_eq!((&clients[0]["source_ip"], &clients[0]["count"]), (&json!("192.0.2.1"), &json!(2)));
    assert_eq!(clients[0]["host"], "api.example.com");
    let stats = api.get("/stats").await.expect(200);
    assert_eq!((&stats["leaks"], &stats["tokens"]), (&json!(1), &json!(1)));
    let shown = api.get(&format!("/leaks/{}", id(&leak))).await.expect(200);
    assert_eq!(shown["events_24h"], 3);
    assert_ne!(shown["last_event_at"], Value::Null);
}
