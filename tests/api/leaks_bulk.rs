//! `/leaks/bulk`.

use leakgate::model::rule::Action;
use serde_json::{Value, json};

use super::support::{Api, id, token};

#[tokio::test]
async fn by_ids_with_an_answer_for_each() {
    let api = Api::new().await;
    let first = api.leak("first", &["one"]).await;
    let second = api.leak("second", &["two"]).await;
    let words = json!({"title": "words", "tokens": ["password"]});
    let words = api.post("/leaks", words).await.expect(201);
    api.post(&format!("/leaks/{}/close", id(&second)), Value::Null).await.expect(200);
    let nowhere = "0190a0a0-0000-7000-8000-000000000000";
    let before = api.handle.load().version();
    let body = json!({"decision": "apply_virtual_patch",
        "ids": [id(&first), id(&second), nowhere, id(&words)],
        "virtual_patch": {"mode": "monitoring"}, "comment": "all of them"});
    let answers = api.post("/leaks/bulk", body).await.expect(200);
    let answers = answers["items"].as_array().unwrap();
    assert_eq!(
        answers[0],
        json!({"id": id(&first), "ok": true, "status": "open",
        "remediation": "virtual_patch"})
    );
    for (answer, status, name) in [
        (&answers[1], 409, "not-allowed"),
        (&answers[2], 404, "not-found"),
        (&answers[3], 422, "nothing-applicable"),
    ] {
        assert_eq!(answer["ok"], false);
        assert_eq!(answer["problem"]["status"], status);
        assert_eq!(answer["problem"]["type"], format!("urn:leakgate:problem:{name}"));
    }
    assert_eq!(api.action("one"), Some(Action::Monitor));
    assert_eq!(api.handle.load().version(), before + 1, "one publication for all");
}

#[tokio::test]
async fn by_filter() {
    let api = Api::new().await;
    for n in 0..230 {
        let risk = if n % 2 == 0 { "low" } else { "high" };
        let body = json!({"title": format!("leak {n}"), "risk": risk,
            "tokens": [token(&format!("t{n}"))]});
        api.post("/leaks", body).await.expect(201);
    }
    let body = json!({"decision": "close", "filter": {"risk": ["low"], "status": "open"},
        "resolution": "accepted_risk"});
    let answers = api.post("/leaks/bulk", body).await.expect(200);
    let answers = answers["items"].as_array().unwrap();
    assert_eq!(answers.len(), 115);
    assert!(answers.iter().all(|answer| answer["status"] == "closed"));
    let page = api.get("/leaks?status=closed&risk=low").await.expect(200);
    assert_eq!(page["total"], 115);
    let page = api.get("/leaks?status=open").await.expect(200);
    assert_eq!(page["total"], 115);
}

#[tokio::test]
async fn wrong_calls_are_named() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    for (body, field) in [
        (json!({"ids": [id(&leak)]}), "decision"),
        (json!({"decision": "delete", "ids": [id(&leak)]}), "decision"),
        (json!({"decision": "close"}), "ids"),
        (json!({"decision": "close", "ids": [], "filter": {}}), "ids"),
        (json!({"decision": "close", "ids": ["nonsense"]}), "ids[0]"),
        (json!({"decision": "close", "filter": {"limit": 5}}), "filter"),
        (json!({"decision": "close", "filter": {"risks": []}}), "filter.risks"),
        (json!({"decision": "close", "ids": [id(&leak)], "virtual_patch": {}}), "virtual_patch"),
        (json!({"decision": "close", "ids": vec![id(&leak); 1_001]}), "ids"),
    ] {
        let problem = api.post("/leaks/bulk", body).await.problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{problem}");
    }
    assert_eq!(api.get("/leaks?status=open").await.expect(200)["total"], 1);
}

#[tokio::test]
async fn a_filter_that_fits_too_many_decides_nothing() {
    let api = Api::new().await;
    for n in 0..1_001 {
        let body = json!({"title": format!("leak n{n}"), "tokens": [token(&format!("t{n}"))]});
        api.post("/leaks", body).await.expect(201);
    }
    let close = |filter| json!({"decision": "close", "filter": filter});
    let answer = api.post("/leaks/bulk", close(json!({"q": "leak"}))).await;
    let problem = answer.problem(422, "invalid-value");
    assert_eq!(problem["field"], "filter", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("more than 1000"), "{problem}");
    assert_eq!(api.get("/leaks?status=open").await.expect(200)["total"], 1_001);
    let answers = api.post("/leaks/bulk", close(json!({"q": "leak n1000"}))).await.expect(200);
    assert_eq!(answers["items"].as_array().unwrap().len(), 1);
    // One fewer, and each has its answer, in groups that are in force one after the other.
    let answers = api.post("/leaks/bulk", close(json!({"status": "open"}))).await.expect(200);
    let answers = answers["items"].as_array().unwrap();
    assert!(answers.len() == 1_000 && answers.iter().all(|answer| answer["ok"] == true));
    assert_eq!(api.get("/leaks?status=closed").await.expect(200)["total"], 1_001);
}
