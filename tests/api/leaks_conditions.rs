//! `If-Match` and `Idempotency-Key` on the calls that take them.

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};

use super::support::{Answer, Api, digest, id, token};

/// A call with header fields of its own.
async fn with(api: &Api, method: &str, path: &str, fields: &[(&str, &str)], body: Value) -> Answer {
    as_caller(api, &api.admin, (method, path), fields, body).await
}

async fn as_caller(
    api: &Api,
    token: &str,
    (method, path): (&str, &str),
    fields: &[(&str, &str)],
    body: Value,
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    api.send(request.body(body).unwrap()).await
}

fn tag(answer: &Answer) -> String {
    answer.headers[header::ETAG].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_change_by_an_old_state_is_refused() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    let path = format!("/leaks/{}", id(&leak));
    let shown = api.get(&path).await;
    let first = tag(&shown);
    assert_eq!(first, format!("\"{}\"", shown.json()["version"]));

    let changed = with(&api, "PATCH", &path, &[("if-match", &first)], json!({"title": "y"})).await;
    let second = tag(&changed);
    assert_ne!(first, second);
    changed.expect(200);
    let late = with(&api, "PATCH", &path, &[("if-match", &first)], json!({"title": "z"})).await;
    let problem = late.problem(412, "outdated");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("read it again") && detail.contains(&second), "{problem}");
    assert_eq!(api.get(&path).await.expect(200)["title"], "y");

    // Every decision takes it, before anything else is looked at.
    for (method, name) in [
        ("POST", "/virtual-patch"),
        ("DELETE", "/virtual-patch"),
        ("POST", "/close"),
        ("POST", "/mark-false"),
        ("POST", "/reopen"),
    ] {
        let decision = format!("{path}{name}");
        let late = with(&api, method, &decision, &[("if-match", &first)], Value::Null).await;
        late.problem(412, "outdated");
    }
    let weak = format!("W/{second}");
    let close = format!("{path}/close");
    let late = with(&api, "POST", &close, &[("if-match", &weak)], Value::Null).await;
    late.problem(412, "outdated");
    let patch = format!("{path}/virtual-patch");
    let several = format!("{first}, {second}");
    let patched = with(&api, "POST", &patch, &[("if-match", &several)], Value::Null).await;
    let third = tag(&patched);
    patched.expect(200);
    assert_ne!(second, third);
    let any = with(&api, "POST", &close, &[("if-match", "*")], Value::Null).await;
    assert_ne!(third, tag(&any));
    any.expect(200);
    for bad in ["7", "\"7", ""] {
        let answer = with(&api, "PATCH", &path, &[("if-match", bad)], json!({"title": "z"})).await;
        assert_eq!(answer.problem(422, "invalid-value")["field"], "If-Match");
    }
    // A use is no change.
    let before = tag(&api.get(&path).await);
    api.used(&leak, leakgate::model::event::EventAction::Observed, "192.0.2.1").await;
    assert_eq!(tag(&api.get(&path).await), before);
}

const KEY: &str = "idempotency-key";

#[tokio::test]
async fn a_registration_with_a_key_is_done_once() {
    let api = Api::new().await;
    let body = json!({"title": "once", "tokens": [token("one")]});
    let first = with(&api, "POST", "/leaks", &[(KEY, "a")], body.clone()).await;
    assert!(!first.headers.contains_key("idempotent-replayed"));
    let second = with(&api, "POST", "/leaks", &[(KEY, "\"a\"")], body.clone()).await;
    assert_eq!(second.headers["idempotent-replayed"], "true");
    assert_eq!(second.headers["location"], first.headers["location"]);
    assert_eq!(tag(&second), tag(&first));
    let first = first.expect(201);
    assert_eq!(second.expect(201), first, "not 200, as without a key");
    let sources = api.get(&format!("/leaks/{}", id(&first))).await.expect(200);
    assert_eq!(sources["version"], first["version"], "nothing was done");

    // The same key for another call is a mistake.
    let other = json!({"title": "once", "tokens": [token("two")]});
    let reused = with(&api, "POST", "/leaks", &[(KEY, "a")], other.clone()).await;
    assert_eq!(reused.problem(422, "key-reused")["field"], "Idempotency-Key");
    // Somebody else's key is another one, and known tokens are told of as the role may see them.
    let intake = api.credential("intake").await;
    let answers =
        [(); 2].map(|()| as_caller(&api, &intake, ("POST", "/leaks"), &[(KEY, "a")], body.clone()));
    let [one, two] = answers;
    let (one, two) = (one.await.expect(200), two.await.expect(200));
    assert_eq!(one, two);
    assert_eq!(one.as_object().unwrap().len(), 2, "{one}");
    // Of all tokens known: the same.
    let known = json!({"title": "again", "token_digests": [digest("one")]});
    let first = with(&api, "POST", "/leaks", &[(KEY, "b")], known.clone()).await.expect(200);
    let second = with(&api, "POST", "/leaks", &[(KEY, "b")], known).await.expect(200);
    assert_eq!(first, second);

    for bad in ["", "two words", &"x".repeat(256)] {
        let answer = with(&api, "POST", "/leaks", &[(KEY, bad)], other.clone()).await;
        assert_eq!(answer.problem(422, "invalid-value")["field"], "Idempotency-Key");
    }
}

/// What shows a secret once cannot be answered again.
#[tokio::test]
async fn what_shows_a_secret_takes_no_key() {
    let api = Api::new().await;
    let webhook = json!({"name": "siem", "url": "http://127.0.0.1:1/in"});
    let token = json!({"name": "ci", "role": "intake"});
    for (path, body) in [("/api-tokens", token), ("/webhooks", webhook.clone())] {
        let answer = with(&api, "POST", path, &[(KEY, "c")], body).await;
        let problem = answer.problem(422, "invalid-value");
        assert_eq!(problem["field"], "Idempotency-Key", "{path}");
        assert!(problem["detail"].as_str().unwrap().contains("once"), "{path}");
    }
    assert_eq!(api.get("/webhooks").await.expect(200)["items"], json!([]), "nothing was made");
    let made = api.post("/webhooks", webhook).await.expect(201);
    let path = format!("/webhooks/{}", id(&made));
    let body = json!({"new_secret": true, "name": "other"});
    let answer = with(&api, "PATCH", &path, &[(KEY, "c")], body.clone()).await;
    assert_eq!(answer.problem(422, "invalid-value")["field"], "Idempotency-Key");
    assert_eq!(api.get(&path).await.expect(200)["name"], "siem", "nothing was changed");
    api.call("PATCH", &path, body).await.expect(200);
    // Without one, nothing is shown that could not be shown again.
    let renamed = with(&api, "PATCH", &path, &[(KEY, "c")], json!({"name": "third"})).await;
    assert_eq!(renamed.expect(200)["name"], "third");
}

#[tokio::test]
async fn a_decision_with_a_key_is_made_once() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    let path = format!("/leaks/{}", id(&leak));
    let close = format!("{path}/close");
    // What is refused takes no key.
    let reopen = format!("{path}/reopen");
    with(&api, "POST", &reopen, &[(KEY, "r")], Value::Null).await.problem(409, "not-allowed");
    let body = json!({"resolution": "revoked", "comment": "gone"});
    let tries = [(); 5].map(|()| with(&api, "POST", &close, &[(KEY, "k")], body.clone()));
    let answers = futures_util::future::join_all(tries).await;
    let first = answers[0].json();
    for answer in answers {
        assert_eq!(answer.expect(200), first);
    }
    let history = api.get(&format!("{path}/history")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 2);
    with(&api, "POST", &reopen, &[(KEY, "r")], Value::Null).await.expect(200);
    // Later, and after a restart, it is as it was answered.
    let api = api.restart().await;
    let replayed = with(&api, "POST", &close, &[(KEY, "k")], body).await;
    assert_eq!(replayed.headers["idempotent-replayed"], "true");
    assert_eq!(replayed.expect(200), first);
    assert_eq!(api.get(&path).await.expect(200)["status"], "open");
    let other = with(&api, "POST", &close, &[(KEY, "k")], Value::Null).await;
    other.problem(422, "key-reused");
}

#[tokio::test]
async fn a_bulk_with_a_key_is_done_once() {
    let api = Api::new().await;
    let one = api.leak("one", &["one"]).await;
    let two = api.leak("two", &["two"]).await;
    let body = json!({"decision": "close", "filter": {"status": ["open"]}});
    let first = with(&api, "POST", "/leaks/bulk", &[(KEY, "k")], body.clone()).await.expect(200);
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    // By now the filter fits none: it is not asked again.
    let second = with(&api, "POST", "/leaks/bulk", &[(KEY, "k")], body).await;
    assert_eq!(second.headers["idempotent-replayed"], "true");
    assert_eq!(second.expect(200), first);
    for leak in [&one, &two] {
        let history = api.get(&format!("/leaks/{}/history", id(leak))).await.expect(200);
        assert_eq!(history["items"].as_array().unwrap().len(), 2);
    }
}
