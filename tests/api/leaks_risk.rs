//! Risk: computed, explained, set and unset; honeytokens.

use jiff::Timestamp;
use leakgate::model::clock;
use leakgate::model::event::EventAction;
use serde_json::{Value, json};

use super::support::{Api, id, later, token};

#[tokio::test]
async fn a_leak_without_a_risk_gets_the_computed_one() {
    let api = Api::new().await;
    let source = json!({"kind": "gist", "url": "https://gist.example/1"});
    let body = json!({"title": "x", "tokens": [token("one")], "kind": "github_pat",
        "source": source});
    let leak = api.post("/leaks", body).await.expect(201);
    assert_eq!(
        (&leak["risk"], &leak["risk_set"], &leak["risk_computed"]),
        (&json!("high"), &Value::Null, &json!("high"))
    );
    let explained = leak["risk_explained"].as_array().unwrap();
    assert!(explained.iter().any(|why| why.as_str().unwrap().contains("gist")), "{leak}");
    api.used(&leak, EventAction::Observed, "192.0.2.1").await;
    api.control.tick(clock::now()).await.unwrap();
    let path = format!("/leaks/{}", id(&leak));
    let used = api.get(&path).await.expect(200);
    assert_eq!(used["risk"], "critical");
    assert!(used["first_used_at"].is_string());

    let set = api.call("PATCH", &path, json!({"risk": "info"})).await.expect(200);
    assert_eq!(
        (&set["risk"], &set["risk_set"], &set["risk_computed"]),
        (&json!("info"), &json!("info"), &json!("critical"))
    );
    let of = async |risk: &str| {
        api.get(&format!("/leaks?risk={risk}")).await.expect(200)["total"].clone()
    };
    assert_eq!((of("info").await, of("critical").await), (json!(1), json!(0)));
    let unset = api.call("PATCH", &path, json!({"risk": null})).await.expect(200);
    assert_eq!((&unset["risk"], &unset["risk_set"]), (&json!("critical"), &Value::Null));
    assert_eq!(of("critical").await, 1);

    let said = json!({"title": "y", "tokens": [token("two")], "risk": "low"});
    let said = api.post("/leaks", said).await.expect(201);
    assert_eq!((&said["risk"], &said["risk_set"]), (&json!("low"), &json!("low")));
    let future = json!({"title": "z", "tokens": [token("three")], "exposed_at": later(60)});
    let problem = api.post("/leaks", future).await.problem(422, "invalid-value");
    assert_eq!(problem["field"], "exposed_at");
}

#[tokio::test]
async fn clients_that_came_after_the_exposure_are_told() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    api.used(&leak, EventAction::Observed, "192.0.2.1").await;
    let path = format!("/leaks/{}", id(&leak));
    let impact = api.get(&format!("{path}/impact")).await.expect(200);
    assert_eq!(impact["exposed_at"], leak["created_at"]);
    assert_eq!(impact["clients"][0]["new_since_exposure"], Value::Null, "not watched before");
    // It became public only now; this client was there before.
    api.call("PATCH", &path, json!({"exposed_at": clock::now()})).await.expect(200);
    let impact = api.get(&format!("{path}/impact")).await.expect(200);
    assert_eq!(impact["clients"][0]["new_since_exposure"], false);
    assert_eq!(impact["clients"][0]["response_status"], 200);
    assert_eq!(impact["clients"][0]["host"], "api.example.com");
    let shown = api.get(&path).await.expect(200);
    assert_eq!(shown["tokens"][0]["validity"], "active");
    api.call("PATCH", &path, json!({"exposed_at": null})).await.expect(200);
    let impact = api.get(&format!("{path}/impact")).await.expect(200);
    assert_eq!(impact["exposed_at"], leak["created_at"]);
    // After it was closed and opened again there may have been a gap.
    api.post(&format!("{path}/mark-false"), Value::Null).await.expect(200);
    api.post(&format!("{path}/reopen"), Value::Null).await.expect(200);
    let impact = api.get(&format!("{path}/impact")).await.expect(200);
    let at = |time: &Value| time.as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(at(&impact["watched_since"]) > at(&leak["created_at"]), "{impact}");
}

#[tokio::test]
async fn a_honeytoken_says_that_it_was_used() {
    let api = Api::new().await;
    let body = json!({"title": "bait", "tokens": [token("one")], "kind": "honeytoken"});
    let leak = api.post("/leaks", body).await.expect(201);
    assert_eq!((&leak["honeytoken"], &leak["risk"]), (&json!(true), &json!("info")));
    assert_eq!(leak["tokens"][0]["honeytoken"], true);
    api.used(&leak, EventAction::Observed, "192.0.2.1").await;
    api.control.tick(clock::now()).await.unwrap();
    let now = api.get(&format!("/leaks/{}", id(&leak))).await.expect(200);
    assert_eq!(now["risk"], "critical");
    assert!(now["first_used_at"].is_string() && now["tokens"][0]["last_used_at"].is_string());
}
