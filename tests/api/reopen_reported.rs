//! The policy that opens a closed leak again when one of its tokens is reported.

use http::Request;
use leakgate::config::{Hook, Policy, Proof};
use leakgate::model::partner::Partner;
use leakgate::model::rule::{Action, PatchMode};
use leakgate::model::secret::Secret;
use serde_json::{Value, json};

use super::support::{Api, id, token};

const SECRET: &str = "a secret of the tests";

async fn closed(api: &Api, title: &str, names: &[&str]) -> Value {
    let leak = api.leak(title, names).await;
    api.post(&format!("/leaks/{}/close", id(&leak)), Value::Null).await.expect(200)
}

async fn status(api: &Api, leak: &Value) -> String {
    let leak = api.get(&format!("/leaks/{}", id(leak))).await.expect(200);
    leak["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_closed_leak_stays_closed_unless_a_policy_says_so() {
    let api = Api::with_policies(Vec::new(), &["acme"]).await;
    let leak = closed(&api, "x", &["one"]).await;
    let again = json!({"title": "again", "tokens": [token("one")]});
    let known = api.post("/leaks", again).await.expect(200);
    assert_eq!(known["status"], "closed");
    assert_eq!(status(&api, &leak).await, "closed");
}

#[tokio::test]
async fn a_registration_opens_it_again() {
    let api = Api::with_policies(Vec::new(), &["default"]).await;
    let leak = closed(&api, "x", &["one", "two"]).await;
    let falsely = api.leak("y", &["false"]).await;
    api.post(&format!("/leaks/{}/mark-false", id(&falsely)), Value::Null).await.expect(200);
    let intake = api.credential("intake").await;
    let again = json!({"title": "again", "tokens": [token("one"), token("false")]});
    let known = api.call_as(&intake, "POST", "/leaks", again).await.expect(200);
    assert_eq!(known["merged"].as_array().unwrap().len(), 2);
    assert!(!known.to_string().contains("open"), "who only registers is not told: {known}");
    assert_eq!(status(&api, &leak).await, "open");
    assert_eq!(status(&api, &falsely).await, "false_positive", "one marked false stays so");
    assert_eq!(api.action("one"), Some(Action::Observe), "watched, and not blocked");

    let history = api.get(&format!("/leaks/{}/history", id(&leak))).await.expect(200);
    let last = history["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["actor"], &last["action"]),
        (&json!("policy:reopen_reported"), &json!("reopen"))
    );
    let why = last["comment"].as_str().unwrap();
    assert!(
        why.starts_with("control.reopen_reported") && why.contains("reported again by"),
        "{why}"
    );
    let audit = format!("/audit?action=reopen&object={}", id(&leak));
    let audit = api.get(&audit).await.expect(200)["items"][0].clone();
    assert_eq!(audit["actor"], "policy:reopen_reported");
    let changed = json!({"field": "status", "before": "closed", "after": "open"});
    assert!(audit["changed"].as_array().unwrap().contains(&changed), "{audit}");
    // One that is open is reported as ever.
    let again = json!({"title": "again", "tokens": [token("one")]});
    let known = api.post("/leaks", again).await.expect(200);
    assert_eq!(known["status"], "open");
    let now = api.get(&format!("/leaks/{}/history", id(&leak))).await.expect(200);
    assert_eq!(now["items"].as_array().unwrap().last().unwrap()["action"], "occurrence");
}

#[tokio::test]
async fn an_import_opens_it_again() {
    let api = Api::with_policies(Vec::new(), &["default"]).await;
    let leak = closed(&api, "x", &["one"]).await;
    let list = format!("{}\n{}\n", token("one"), token("new"));
    let import = api.post_text(&api.admin, "/imports?format=list", list).await.expect(200);
    assert_eq!((&import["merged"], &import["leaks"]), (&json!(1), &json!(1)), "{import}");
    assert_eq!(status(&api, &leak).await, "open");
    assert_eq!(api.action("one"), Some(Action::Observe));
}

#[tokio::test]
async fn a_hook_opens_it_again_and_its_policy_decides() {
    let hook = Hook {
        partner: Partner::Trufflehog,
        tenants: vec!["default".to_owned(), "acme".to_owned()],
        proof: Proof::Secret(Secret::from(SECRET.to_owned())),
        policy: Policy { mode: Some(PatchMode::Block), ..Policy::default() },
    };
    let api = Api::with_policies(vec![hook], &["default"]).await;
    api.tenant("acme").await;
    let report = async |tenant: &str, name: &str| {
        let body = json!({"DetectorName": "Acme", "Raw": token(name)}).to_string();
        let request = Request::post(format!("/api/v1/hooks/{tenant}/trufflehog"))
            .header("authorization", format!("Bearer {SECRET}"))
            .body(axum::body::Body::from(body))
            .unwrap();
        api.send(request).await.expect(200)
    };
    let (single, several) =
        (closed(&api, "one", &["one"]).await, closed(&api, "two", &["two", "three"]).await);
    assert_eq!(report("default", "one").await["patched"], 1);
    assert_eq!(report("default", "two").await["patched"], 0);
    assert_eq!(status(&api, &single).await, "open");
    assert_eq!(status(&api, &several).await, "open");
    assert_eq!(api.action("one"), Some(Action::Block));
    assert_eq!(api.action("two"), Some(Action::Observe), "the leak has other tokens as well");
    let history = api.get(&format!("/leaks/{}/history", id(&single))).await.expect(200);
    let told = |entry: &Value| format!("{} {}", entry["actor"], entry["action"]).replace('"', "");
    let told: Vec<String> = history["items"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        told[2..],
        [
            "hook:trufflehog occurrence",
            "policy:reopen_reported reopen",
            "policy:trufflehog apply_virtual_patch"
        ]
    );
    // What a person decides afterwards stays.
    let patch = format!("/leaks/{}/virtual-patch", id(&single));
    api.call("DELETE", &patch, Value::Null).await.expect(200);
    assert_eq!(report("default", "one").await["patched"], 0);
    assert_eq!(api.action("one"), Some(Action::Observe));

    // Another tenant's stays as it is.
    let body = json!({"title": "theirs", "tokens": [token("theirs")]});
    let theirs = api.post("/leaks?tenant=acme", body).await.expect(201);
    api.post(&format!("/leaks/{}/close", id(&theirs)), Value::Null).await.expect(200);
    assert_eq!(report("acme", "theirs").await["patched"], 0);
    assert_eq!(status(&api, &theirs).await, "closed");
}

/// Who is notified that a closed leak was reported is told that it is open, once.
#[tokio::test]
async fn it_notifies_once() {
    let api = Api::with_policies(Vec::new(), &["default"]).await;
    let control = api.control.clone();
    let running = tokio::spawn(async move { control.run().await });
    let leak = closed(&api, "x", &["one"]).await;
    let again = json!({"title": "again", "tokens": [token("one")]});
    api.post("/leaks", again).await.expect(200);
    // What comes later is told of later.
    let last = json!({"title": "last", "risk": "critical", "tokens": [token("last")]});
    let last = api.post("/leaks", last).await.expect(201);
    let notified = loop {
        let page = api.get("/notifications").await.expect(200);
        let items = page["items"].as_array().unwrap().clone();
        if items.iter().any(|it| it["leak"] == last["id"]) {
            break items;
        }
        tokio::task::yield_now().await;
    };
    let of_it: Vec<_> = notified
        .iter()
        .filter(|it| it["leak"] == leak["id"] && it["kind"] == "closed_leak_reported")
        .collect();
    assert_eq!(of_it.len(), 1, "{notified:?}");
    assert!(of_it[0]["title"].as_str().unwrap().contains("is open"), "{of_it:?}");
    api.control.stop();
    running.await.unwrap();
}
