//! `/tokens/lookup`.

use leakgate::model::event::EventAction;
use serde_json::{Value, json};

use super::support::{Api, digest, id, token};

#[tokio::test]
async fn known_and_unknown() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    api.block(&leak).await;
    api.used(&leak, EventAction::Blocked, "192.0.2.1").await;
    for body in [
        json!({"token": token("one")}),
        json!({"token": format!("{}\n", token("one"))}),
        json!({"digest": digest("one")}),
    ] {
        let known = api.post("/tokens/lookup", body).await.expect(200);
        assert_eq!(known["known"], true);
        assert_eq!(known["fingerprint"], leak["tokens"][0]["fingerprint"]);
        assert_ne!(known["last_used_at"], Value::Null);
        assert_eq!(
            known["leaks"],
            json!([{"id": id(&leak), "title": "x", "status": "open",
                "remediation": "virtual_patch", "mode": "block", "tenant": "default"}])
        );
    }
    let unknown = api.post("/tokens/lookup", json!({"token": token("two")})).await.expect(200);
    assert_eq!((&unknown["known"], &unknown["leaks"]), (&json!(false), &json!([])));
    assert_eq!(unknown["fingerprint"].as_str().unwrap().len(), 12);
}

#[tokio::test]
async fn wrong_calls_are_named() {
    let api = Api::new().await;
    for (body, field) in [
        (json!({}), "token"),
        (json!({"token": token("one"), "digest": digest("one")}), "token"),
        (json!({"token": " "}), "token"),
        (json!({"digest": "md5:00"}), "digest"),
    ] {
        let problem = api.post("/tokens/lookup", body).await.problem(422, "invalid-value");
        assert_eq!(problem["field"], field);
    }
}
