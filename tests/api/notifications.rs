//! Somebody is notified of what matters, once.

use leakgate::model::clock;
use leakgate::model::event::EventAction;
use serde_json::{Value, json};

use super::support::{Api, event, id, token};

/// Waits for this many notifications, and gives their kinds, oldest first.
async fn kinds(api: &Api, count: usize) -> Vec<String> {
    loop {
        let page = api.get("/notifications").await.expect(200);
        let items = page["items"].as_array().unwrap();
        if items.len() >= count {
            let kinds = items.iter().rev().map(|it| it["kind"].as_str().unwrap().to_owned());
            return kinds.collect();
        }
        tokio::task::yield_now().await;
    }
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
    let soon = clock::now() + std::time::Duration::from_millis(1);
    let soon = json!({"mode": "block", "expires_at": soon.to_string()});
    // Whether it was over before it began is decided by the clock: it ends by itself either way.
    if api.post(&patch, soon).await.status == 200 {
        expected.push("patch_expired");
        assert_eq!(kinds(&api, expected.len()).await, expected);
    }

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
