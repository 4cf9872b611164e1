//! What is answered to calls that cannot be read.

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};

use super::support::{Api, id, token};

fn request(api: &Api, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post("/api/v1/leaks")
        .header(header::AUTHORIZATION, format!("Bearer {}", api.admin))
        .header(header::CONTENT_TYPE, content_type)
        .body(body.into())
        .unwrap()
}

#[tokio::test]
async fn bodies() {
    let api = Api::new().await;
    for body in ["", "{", "[1,", "{\"title\":\"x\"} tail", "nonsense"] {
        api.send(request(&api, "application/json", body)).await.problem(400, "malformed");
    }
    for body in ["[]", "null", "\"x\"", "{\"title\":7}"] {
        api.send(request(&api, "application/json", body)).await.problem(422, "invalid-value");
    }
    let form = request(&api, "application/x-www-form-urlencoded", "title=x");
    api.send(form).await.problem(415, "unsupported-media-type");
    let mut coded = request(&api, "application/json", "{}");
    coded.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    api.send(coded).await.problem(415, "unsupported-media-type");
    let large = json!({"title": "x".repeat(4 * 1024 * 1024)}).to_string();
    api.send(request(&api, "application/json", large)).await.problem(413, "too-large");
    let good = json!({"title": "x", "tokens": [token("one")]}).to_string();
    let answer = api.send(request(&api, "application/json; charset=utf-8", good)).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn paths_and_methods() {
    let api = Api::new().await;
    for path in ["", "/", "/leak", "/leaks/", "/leaks/x/y/z", "/openapi"] {
        api.get(path).await.problem(404, "not-found");
    }
    let answer = api.call("PUT", "/leaks", json!({})).await;
    let allow = answer.headers[header::ALLOW].to_str().unwrap().to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    answer.problem(405, "method-not-allowed");
}

#[tokio::test]
async fn a_failing_store_is_told_as_one() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    api.store.close().await;
    let answer = api.get(&format!("/leaks/{}", id(&leak))).await;
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    let problem = answer.problem(503, "store-failed");
    assert!(!problem.to_string().to_lowercase().contains("sql"), "{problem}");
}

#[tokio::test]
async fn nothing_that_was_sent_is_repeated() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    let path = format!("/leaks/{}", id(&leak));
    let planted = token("planted");
    let calls = [
        ("POST", "/leaks".to_owned(), json!({"title": {"T": "T"}})),
        ("POST", "/leaks".to_owned(), json!({"T": 1})),
        ("POST", "/leaks".to_owned(), json!({"title": "x", "tokens": "T"})),
        ("POST", "/leaks".to_owned(), json!({"title": "x", "tokens": [{"T": "T"}]})),
        ("POST", "/leaks".to_owned(), json!({"title": "x", "token_digests": ["T"]})),
        ("POST", "/leaks".to_owned(), json!({"title": "x", "risk": "T"})),
        ("POST", "/leaks".to_owned(), json!({"title": "x", "source": {"kind": "T"}})),
        ("POST", "/leaks".to_owned(), json!("T")),
        ("POST", "/tokens/lookup".to_owned(), json!({"digest": "T"})),
        ("POST", "/tokens/lookup".to_owned(), json!({"token": ["T"]})),
        ("POST", format!("{path}/virtual-patch"), json!({"mode": "T"})),
        ("POST", format!("{path}/virtual-patch"), json!({"scope": {"hosts": ["T/"]}})),
        ("POST", format!("{path}/virtual-patch"), json!({"scope": {"path_prefixes": ["T"]}})),
        ("POST", format!("{path}/virtual-patch"), json!({"scope": {"methods": ["T T"]}})),
        (
            "POST",
            format!("{path}/virtual-patch"),
            json!({"scope": {"except_clients": [{"client": "T"}]}}),
        ),
        (
            "POST",
            format!("{path}/virtual-patch"),
            json!({"scope": {"except_clients": [{"client": "10.0.0.1", "until": "T"}]}}),
        ),
        ("POST", format!("{path}/virtual-patch"), json!({"expires_at": "T"})),
        ("POST", format!("{path}/close"), json!({"resolution": "T"})),
        ("POST", "/leaks/bulk".to_owned(), json!({"decision": "T"})),
        ("POST", "/leaks/bulk".to_owned(), json!({"decision": "close", "ids": ["T"]})),
        ("POST", "/api-tokens".to_owned(), json!({"name": "x", "role": "T"})),
        ("PUT", "/bypass".to_owned(), json!({"on": "T"})),
        ("GET", "/leaks?status=T".to_owned(), Value::Null),
        ("GET", "/leaks?sort=T".to_owned(), Value::Null),
        ("GET", "/leaks?limit=T".to_owned(), Value::Null),
        ("GET", "/leaks?cursor=T".to_owned(), Value::Null),
        ("GET", "/leaks?T=1".to_owned(), Value::Null),
        ("GET", "/leaks?q=T&q=T".to_owned(), Value::Null),
        ("GET", "/leaks/T".to_owned(), Value::Null),
        ("GET", "/T".to_owned(), Value::Null),
        ("GET", "/events?source_ip=T".to_owned(), Value::Null),
        ("GET", "/events?from=T".to_owned(), Value::Null),
        ("GET", "/events?leak=T".to_owned(), Value::Null),
        ("GET", "/events/export?format=T".to_owned(), Value::Null),
        ("POST", "/imports?format=T".to_owned(), Value::Null),
        ("DELETE", "/api-tokens/T".to_owned(), Value::Null),
        ("T", "/leaks".to_owned(), Value::Null),
    ];
    for (method, path, body) in calls {
        let put = |text: &str| text.replace('T', &planted);
        let method = if method == "T" { put(method) } else { method.to_owned() };
        let body = match body {
            Value::Null => Value::Null,
            body => serde_json::from_str(&put(&body.to_string())).unwrap(),
        };
        let answer = api.call(&method, &put(&path), body).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.text);
        let everything = format!("{} {:?}", answer.text, answer.headers);
        assert!(!everything.contains(&planted), "{path}: {everything}");
    }
}
