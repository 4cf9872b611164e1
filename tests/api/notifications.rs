//! Somebody is notified of what matters, once.

use leakgate::model::event::EventAction;
use serde_json::{Value, json};

use super::support::receiver::until;
use super::support::{Api, event, id, later, token};

/// Waits for this many notifications, and gives their kinds, oldest first.
async fn kinds(api: &Api, count: usize) -> Vec<String> {
    until("as many notifications", async || {
        let page = api.get("/notifications").await.expect(200);
        let items = page["items"].as_array().unwrap();
        let kinds = items.iter().rev().map(|it| it["kind"].as_str().unwrap().to_owned());
        (items.len() >= count).then(|| kinds.collect())
    })
    .await
}

async fn used(api: &Api, leak: &Value, action: EventAction, status: u16) {
    let event = leakgate::model::event::Event {
        response_status: Some(status),
        ..event(leak, action, "203.0.113.7")
    };
    api.store.append_events(&[event]).await.unwrap();
}

#[tokio::test]
async fn each_thing_notifies_once() {
    let api = Api::new().await;
    let control = api.control.clone();
    let running = tokio::spawn(async move { control.run().await });

    let new = |risk: &str, name: &str, kind: &str| json!({"title": name, "risk": risk, "tokens": [token(name)], "kind": kind});
    api.post("/leaks", new("low", "harmless", "unknown")).await.expect(201);
    let leak = api.post("/leaks", new("critical", "open", "unknown")).await.expect(201);
    let mut expected = vec!["new_leak"];
    assert_eq!(kinds(&api, expected.len()).await, expected);

    // The first use, and that it works while nothing stops it.
    used(&api, &leak, EventAction::Observed, 200).await;
    expected.extend(["first_use", "unpatched_use_accepted"]);
    assert_eq!(kinds(&api, expected.len()).await, expected);
    // The same again, and what the upstream did not accept, say nothing new.
    used(&api, &leak, EventAction::Observed, 200).await;
    used(&api, &leak, EventAction::Observed, 401).await;

    let patch = format!("/leaks/{}/virtual-patch", id(&leak));
    api.post(&patch, json!({"expires_at": later(60 * 60)})).await.expect(200);
    api.control.tick(later(2 * 60 * 60)).await.unwrap();
    expected.push("patch_expired");
    assert_eq!(kinds(&api, expected.len()).await, expected);
    // One that somebody removes has not ended by itself.
    api.block(&leak).await;
    api.call("DELETE", &patch, Value::Null).await.expect(200);

    api.post(&format!("/leaks/{}/close", id(&leak)), Value::Null).await.expect(200);
    used(&api, &leak, EventAction::Observed, 204).await;
    expected.push("closed_leak_accepted");
    assert_eq!(kinds(&api, expected.len()).await, expected);
    let again = api.post("/leaks", new("critical", "open", "unknown")).await;
    assert!(again.status.is_success(), "{}", again.text);
    expected.push("closed_leak_reported");
    assert_eq!(kinds(&api, expected.len()).await, expected);

    let honey = api.post("/leaks", new("low", "planted", "honeytoken")).await.expect(201);
    used(&api, &honey, EventAction::Observed, 404).await;
    expected.push("honeytoken_used");
    assert_eq!(kinds(&api, expected.len()).await, expected);

    let page = api.get("/notifications?limit=1").await.expect(200);
    assert_eq!(page["items"][0]["leak"], honey["id"]);
    assert!(page["next_cursor"].is_string());
    api.control.stop();
    running.await.unwrap();
}

/// What is known of risks is not what is enforced.
#[tokio::test]
async fn a_gateway_is_not_behind_where_risks_cannot_be_told() {
    let api = Api::new().await;
    api.break_use().await;
    assert!(api.control.tick(later(-120)).await.is_err(), "it is tried again");
    assert!(api.control.tick(later(-1)).await.is_err());
    let control = api.control.clone();
    let running = tokio::spawn(async move { control.run().await });
    // What the gateway is behind is looked for before anything else is.
    let body = json!({"title": "x", "risk": "critical", "tokens": [token("x")]});
    api.post("/leaks", body).await.expect(201);
    assert_eq!(kinds(&api, 1).await, ["new_leak"]);
    api.control.stop();
    running.await.unwrap();
}

#[tokio::test]
async fn a_tenant_sees_its_own_notifications() {
    let api = Api::new().await;
    let control = api.control.clone();
    let running = tokio::spawn(async move { control.run().await });
    api.tenant("acme").await;
    let body = json!({"title": "x", "risk": "critical", "tokens": [token("x")]});
    api.post("/leaks?tenant=acme", body).await.expect(201);
    assert_eq!(kinds(&api, 1).await, ["new_leak"]);
    let (own, other) =
        (api.credential_in("acme", "analyst").await, api.credential_in("default", "analyst").await);
    let of = async |token: &str| {
        let page = api.call_as(token, "GET", "/notifications", Value::Null).await.expect(200);
        page["items"].as_array().unwrap().len()
    };
    assert_eq!((of(&own).await, of(&other).await), (1, 0));
    api.control.stop();
    running.await.unwrap();
}
