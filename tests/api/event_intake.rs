//! Events that a gateway sends.

use leakgate::model::event::{Event, EventAction};
use leakgate::model::ids::EventId;
use serde_json::{Value, json};

use super::support::{Api, event, later, token};

async fn send(api: &Api, credential: &str, events: &[Event]) -> Value {
    api.call_as(credential, "POST", "/events", json!({ "events": events })).await.expect(200)
}

#[tokio::test]
async fn what_is_sent_is_stored_once_and_told_as_ones_own() {
    let api = Api::new().await;
    let gateway = api.credential("gateway").await;
    let leak = api.leak("used elsewhere", &["one"]).await;
    let used = event(&leak, EventAction::Observed, "203.0.113.7");
    for (stored, known) in [(1, 0), (0, 1)] {
        let answer = send(&api, &gateway, std::slice::from_ref(&used)).await;
        assert_eq!(answer, json!({"stored": stored, "known": known, "refused": []}));
    }
    let page = api.get("/events").await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["items"][0]["id"], used.id.to_string());
    let shown = api.get(&format!("/leaks/{}", leak["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(shown["events_24h"], 1);
    assert!(shown["tokens"][0]["last_used_at"].is_string());
}

#[tokio::test]
async fn each_event_is_refused_by_itself() {
    let api = Api::new().await;
    api.tenant("acme").await;
    let gateway = api.credential_in("acme", "gateway").await;
    let others = api.leak("another tenant's", &["one"]).await;
    let administrator = api.credential_in("acme", "administrator").await;
    let body = json!({"title": "ours", "tokens": [token("two")]});
    let ours = api.call_as(&administrator, "POST", "/leaks", body).await.expect(201);
    let good = event(&ours, EventAction::Blocked, "203.0.113.7");
    let hidden =
        Event { tenant: "acme".to_owned(), ..event(&others, EventAction::Blocked, "1.2.3.4") };
    let with = |change: fn(&mut Event)| {
        let mut changed = Event { id: EventId::new(), ..good.clone() };
        change(&mut changed);
        changed
    };
    let sent = [
        event(&others, EventAction::Blocked, "1.2.3.4"),
        hidden,
        with(|event| event.fingerprint = "fp:0".to_owned()),
        with(|event| event.count = 0),
        with(|event| event.at = later(3_600)),
        with(|event| event.at = later(-40 * 24 * 3_600)),
        with(|event| event.response_status = Some(7)),
        with(|event| event.source_ip = "somewhere".to_owned()),
        with(|event| event.peer_ip = "2001:DB8::1".to_owned()),
        with(|event| event.host = "API.example.com".to_owned()),
        with(|event| event.encodings = vec!["json".to_owned(); 100]),
        with(|event| event.path = "x".repeat(10_000)),
        with(|event| event.host = "a\nb".to_owned()),
        good.clone(),
    ];
    let answer = send(&api, &gateway, &sent).await;
    assert_eq!((&answer["stored"], &answer["known"]), (&json!(1), &json!(0)), "{answer}");
    let refused = answer["refused"].as_array().unwrap();
    let named = [
        "tenant",
        "leak",
        "fingerprint",
        "count",
        "at",
        "at",
        "response_status",
        "source_ip",
        "peer_ip",
        "host",
        "encodings",
        "each",
        "each",
    ];
    assert_eq!(refused.len(), named.len(), "{answer}");
    for (index, (one, name)) in refused.iter().zip(named).enumerate() {
        assert_eq!(one["index"], index);
        assert!(one["reason"].as_str().unwrap().starts_with(name), "{one}");
    }
    for wrong in [json!([]), json!(vec![&good; 1_001])] {
        let body = json!({ "events": wrong });
        let problem =
            api.call_as(&gateway, "POST", "/events", body).await.problem(422, "invalid-value");
        assert!(problem["detail"].as_str().unwrap().contains("events"), "{problem}");
    }
}

#[tokio::test]
async fn no_token_shows_that_a_gateway_left_in_a_text() {
    let api = Api::new().await;
    let gateway = api.credential("gateway").await;
    let leak = api.leak("used elsewhere", &["one"]).await;
    let secret = token("one");
    let used = Event {
        path: format!("/v1?key={secret}"),
        user_agent: Some(format!("agent {secret}")),
        request_id: secret.clone(),
        ..event(&leak, EventAction::Observed, "203.0.113.7")
    };
    assert_eq!(send(&api, &gateway, &[used]).await["stored"], 1);
    let page = api.get("/events").await;
    assert_eq!(page.json()["items"].as_array().unwrap().len(), 1);
    assert!(!page.text.contains(&secret), "{}", page.text);
}
