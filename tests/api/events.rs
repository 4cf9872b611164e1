//! `/events`, `/events/export` and `/events/stream`.

use http_body_util::BodyExt;
use leakgate::control::LiveSink;
use leakgate::events::EventSink;
use leakgate::model::event::EventAction;
use serde_json::{Value, json};

use super::support::{Api, event, id};

#[tokio::test]
async fn listed_and_filtered() {
    let api = Api::new().await;
    let first = api.leak("first", &["one"]).await;
    let second = api.leak("second", &["two"]).await;
    api.used(&first, EventAction::Observed, "192.0.2.1").await;
    api.used(&first, EventAction::Blocked, "192.0.2.2").await;
    let last = api.used(&second, EventAction::Monitored, "2001:db8::1").await;
    let all = api.get("/events").await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    assert_eq!(all["items"][0]["id"], last.id.to_string(), "newest first");
    assert_eq!(all["items"][0]["type"], "vpatch");
    let from = last.at - jiff::SignedDuration::from_hours(1);
    for (query, count) in [
        ("?type=vpatch".to_owned(), 3),
        (format!("?leak={}", id(&first)), 2),
        (format!("?token={}", id(&second["tokens"][0])), 1),
        ("?action=blocked,monitored".to_owned(), 2),
        ("?source_ip=192.0.2.1".to_owned(), 1),
        ("?source_ip=2001:DB8:0:0::1".to_owned(), 1),
        ("?host=API.example.com".to_owned(), 3),
        ("?host=other.example.com".to_owned(), 0),
        (format!("?from={from}"), 3),
        (format!("?to={from}"), 0),
    ] {
        let page = api.get(&format!("/events{query}")).await.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
    }
    let page = api.get("/events?limit=2").await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = api.get(&format!("/events?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    for (query, field) in [
        ("?type=login", "type"),
        ("?leak=x", "leak"),
        ("?action=blocke", "action"),
        ("?source_ip=x", "source_ip"),
        ("?from=yesterday", "from"),
        ("?format=csv", "format"),
        ("?cursor=x", "cursor"),
    ] {
        let problem = api.get(&format!("/events{query}")).await.problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{query}: {problem}");
    }
}

#[tokio::test]
async fn exported_whole() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    let events: Vec<_> =
        (0..450).map(|_| event(&leak, EventAction::Observed, "192.0.2.1")).collect();
    api.store.append_events(&events).await.unwrap();
    let export = api.get("/events/export").await;
    assert_eq!(export.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> =
        export.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 450);
    assert_eq!(lines[0]["user_agent"], "=curl, \"8\"");

    let export = api.get("/events/export?format=csv&action=observed").await;
    assert_eq!(export.headers["content-type"], "text/csv; charset=utf-8");
    let lines: Vec<&str> = export.text.lines().collect();
    assert_eq!(lines.len(), 451);
    assert!(lines[0].starts_with("id,at,type,action,leak,"));
    assert!(lines[1].contains(",\"'=curl, \"\"8\"\"\","), "{}", lines[1]);
    assert!(lines[1].contains(",gzip json,"), "{}", lines[1]);

    let problem = api.get("/events/export?format=xml").await.problem(422, "invalid-value");
    assert_eq!(problem["field"], "format");
    let problem = api.get("/events/export?limit=5").await.problem(422, "invalid-value");
    assert_eq!(problem["field"], "limit");
}

#[tokio::test]
async fn streamed_live_until_the_end() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    let sink = LiveSink::new(api.control.clone());
    let response = api.open("/events/stream?action=blocked").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let passed = event(&leak, EventAction::Observed, "192.0.2.1");
    let blocked = event(&leak, EventAction::Blocked, "192.0.2.1");
    sink.write(&[passed.clone(), blocked.clone()]).await.unwrap();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    assert!(text.starts_with("event: vpatch\n"), "{text}");
    assert!(text.contains(&format!("id: {}", blocked.id)), "{text}");
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data, serde_json::to_value(&blocked).unwrap());

    // One who does not read is told how much was missed.
    let flood = vec![blocked; 1_500];
    sink.write(&flood).await.unwrap();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    assert!(text.starts_with("event: missed\n"), "{text}");
    assert!(api.metrics.event_stream_missed.get() > 0);

    api.control.stop();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
    }
}

#[tokio::test]
async fn streams_are_bounded() {
    let api = Api::new().await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(api.open("/events/stream").await);
    }
    let problem = api.get("/events/stream").await;
    assert_eq!(problem.headers["retry-after"], "1");
    problem.problem(503, "busy");
    open.pop();
    assert_eq!(api.open("/events/stream").await.status(), 200);
    assert_eq!(json!(api.metrics.api_limits_hit.with_label_values(&["event_streams"]).get()), 1);
}
