//! `/four-eyes`, `/proposals`, `/reviews`.

use leakgate::model::role::{Actor, Role};
use leakgate::model::rule::Action;
use leakgate::model::secret::Secret;
use leakgate::store::types::NewApiToken;
use serde_json::{Value, json};

use super::support::{Api, PASSWORD, id, token};

/// An administrator's API token of another person than the one behind `api.admin`.
async fn administrator(api: &Api, person: &str) -> String {
    let text = format!("lgt_{person}-{}", "x".repeat(32));
    let actor = Actor {
        name: person.to_owned(),
        role: Role::GlobalAdministrator,
        tenant: "default".to_owned(),
        user: None,
        api_token: None,
        address: None,
    };
    let token = NewApiToken {
        tenant: "default".to_owned(),
        name: format!("{person}'s"),
        role: Role::Administrator,
        expires_at: None,
        hash: Secret::from(text.clone()).digest().0,
    };
    api.store.add_api_token(token, &actor).await.unwrap();
    text
}

#[tokio::test]
async fn a_block_waits_for_another_person() {
    let api = Api::new().await;
    let grace = administrator(&api, "grace").await;
    let leak = api.leak("x", &["one"]).await;
    assert_eq!(api.get("/four-eyes").await.expect(200)["on"], false);
    let on = api.call("PUT", "/four-eyes", json!({"on": true})).await.expect(200);
    assert_eq!(on, json!({"tenant": "default", "on": true}));

    let patch = format!("/leaks/{}/virtual-patch", id(&leak));
    let proposal = api.post(&patch, json!({"comment": "in use"})).await.expect(202);
    assert_eq!((&proposal["state"], &proposal["kind"]), (&json!("pending"), &json!("decision")));
    assert_eq!(api.action("one"), Some(Action::Observe), "nothing is in force yet");
    let listed = api.get("/proposals").await.expect(200);
    assert_eq!(listed["items"], json!([proposal]));

    let approve = format!("/proposals/{}/approve", id(&proposal));
    let problem = api.post(&approve, Value::Null).await.problem(409, "same-person");
    assert!(problem["detail"].as_str().unwrap().contains("another person"), "{problem}");
    // Another credential of the same person is no other person.
    let own = api.credential("global_administrator").await;
    api.call_as(&own, "POST", &approve, Value::Null).await.problem(409, "same-person");
    let done = api.call_as(&grace, "POST", &approve, json!({"comment": "yes"})).await.expect(200);
    assert_eq!(done["leak"]["remediation"], "virtual_patch");
    assert_eq!(done["proposal"]["settled_comment"], "yes");
    assert_eq!(api.action("one"), Some(Action::Block));
    api.call_as(&grace, "POST", &approve, Value::Null).await.problem(409, "settled");

    // What weakens it waits, too.
    let removal = api.call("DELETE", &patch, Value::Null).await.expect(202);
    assert_eq!(api.action("one"), Some(Action::Block));
    let reject = format!("/proposals/{}/reject", id(&removal));
    api.call_as(&grace, "POST", &reject, Value::Null).await.expect(200);
    let change = json!({"add_tokens": [token("two")]});
    let path = format!("/leaks/{}", id(&leak));
    api.call("PATCH", &path, change).await.problem(409, "needs-two");
    let import = api.post_text(&api.admin, "/imports?decision=block&format=list", token("x")).await;
    assert_eq!(import.problem(422, "invalid-value")["field"], "decision");
    // In bulk, each leak has its own proposal.
    let other = api.leak("y", &["other"]).await;
    let bulk = json!({"decision": "apply_virtual_patch", "ids": [id(&other)]});
    let bulk = api.post("/leaks/bulk", bulk).await.expect(200);
    assert_eq!(bulk["items"][0]["ok"], false);
    let approve = format!("/proposals/{}/approve", bulk["items"][0]["proposal"].as_str().unwrap());
    api.call_as(&grace, "POST", &approve, Value::Null).await.expect(200);
    assert_eq!(api.action("other"), Some(Action::Block));

    // One person cannot turn it off.
    let off = api.call("PUT", "/four-eyes", json!({"on": false})).await.expect(202);
    assert_eq!(off["kind"], "four_eyes_off");
    assert_eq!(api.get("/four-eyes").await.expect(200)["on"], true);
    let approve = format!("/proposals/{}/approve", id(&off));
    api.call_as(&grace, "POST", &approve, Value::Null).await.expect(200);
    assert_eq!(api.get("/four-eyes").await.expect(200)["on"], false);
    api.call("DELETE", &patch, Value::Null).await.expect(200);
    let actions = "/audit?action=four_eyes_on,four_eyes_off";
    let audit = api.get(actions).await.expect(200);
    assert_eq!(audit["items"].as_array().unwrap().len(), 2);
    assert_eq!(audit["items"][0]["actor"], "grace's");
}

#[tokio::test]
async fn haste_acts_at_once_and_is_reviewed() {
    let api = Api::new().await;
    let grace = administrator(&api, "grace").await;
    let leak = api.leak("x", &["one"]).await;
    api.call("PUT", "/four-eyes", json!({"on": true})).await.expect(200);
    let patch = format!("/leaks/{}/virtual-patch", id(&leak));
    let empty = api.post(&patch, json!({"break_glass": " "})).await;
    assert_eq!(empty.problem(422, "invalid-value")["field"], "break_glass");
    api.post(&patch, json!({"break_glass": "they drain it"})).await.expect(200);
    assert_eq!(api.action("one"), Some(Action::Block));
    let close = format!("/leaks/{}/close", id(&leak));
    api.post(&close, json!({"break_glass": "it blocks all"})).await.expect(200);
    assert_eq!(api.action("one"), Some(Action::Observe));
    let reviews = api.get("/reviews").await.expect(200);
    let reviews = reviews["items"].as_array().unwrap();
    assert_eq!(reviews.len(), 2);
    assert_eq!(reviews[1]["comment"], "they drain it");
    for review in reviews {
        let acknowledge = format!("/reviews/{}/acknowledge", id(review));
        api.post(&acknowledge, Value::Null).await.problem(409, "same-person");
        api.call_as(&grace, "POST", &acknowledge, Value::Null).await.expect(200);
        let approve = format!("/proposals/{}/approve", id(review));
        api.call_as(&grace, "POST", &approve, Value::Null).await.problem(404, "not-found");
    }
    assert_eq!(api.get("/reviews").await.expect(200)["items"], json!([]));
    let all = api.get("/reviews?state=acknowledged").await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let history = api.get(&format!("/leaks/{}/history", id(&leak))).await.expect(200);
    let last = history["items"].as_array().unwrap().last().unwrap()["detail"].clone();
    assert!(last.as_str().unwrap().contains("break-glass: it blocks all"), "{last}");
}

/// Users who sign in are persons, too; a proposal is made once for a key.
#[tokio::test]
async fn a_signed_in_user_is_a_person() {
    let api = Api::new().await;
    api.user("ada", "administrator").await;
    let leak = api.leak("x", &["one"]).await;
    api.call("PUT", "/four-eyes", json!({"on": true})).await.expect(200);
    let patch = format!("/leaks/{}/virtual-patch", id(&leak));
    let proposal = api.post(&patch, Value::Null).await.expect(202);
    let request = http::Request::post("/api/v1/session")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(json!({"name": "ada", "password": PASSWORD}).to_string().into())
        .unwrap();
    let signed_in = api.send(request).await;
    let cookie = signed_in.headers[http::header::SET_COOKIE].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let csrf = signed_in.json()["csrf_token"].as_str().unwrap().to_owned();
    let approve = format!("/api/v1/proposals/{}/approve", id(&proposal));
    let request = http::Request::post(approve)
        .header(http::header::COOKIE, cookie)
        .header("x-csrf-token", csrf)
        .header("sec-fetch-site", "same-origin")
        .body(axum::body::Body::empty())
        .unwrap();
    let done = api.send(request).await.expect(200);
    assert_eq!(done["proposal"]["settled_by"], "ada");
    assert_eq!(api.action("one"), Some(Action::Block));
}
