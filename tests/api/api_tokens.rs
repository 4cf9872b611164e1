//! `/api-tokens`.

use serde_json::{Value, json};

use super::support::{Api, PASSWORD, id, later};

#[tokio::test]
async fn are_shown_once_and_revoked_at_once() {
    let api = Api::new().await;
    let body = json!({"name": "ci", "role": "intake", "expires_at": later(3600)});
    let made = api.post("/api-tokens", body).await.expect(201);
    let text = made["token"].as_str().unwrap();
    assert!(text.starts_with("lgt_") && text.len() == 47, "its form");
    let mut keys: Vec<&String> = made.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["expires_at", "id", "name", "role", "token"]);

    let listed = api.get("/api-tokens").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(text));
    let body = || json!({"title": "x", "tokens": ["9fK2xQ7vLmZ4tR8w"]});
    assert_eq!(api.call_as(text, "POST", "/leaks", body()).await.status, 201);

    let path = format!("/api-tokens/{}", id(&made));
    assert_eq!(api.call("DELETE", &path, Value::Null).await.status, 204);
    let problem = api.call_as(text, "POST", "/leaks", body()).await;
    assert_eq!(
        problem.headers["www-authenticate"],
        "Bearer realm=\"leakgate\", error=\"invalid_token\""
    );
    problem.problem(401, "unauthenticated");
    let nowhere = "/api-tokens/0190a0a0-0000-7000-8000-000000000000";
    api.call("DELETE", nowhere, Value::Null).await.problem(404, "not-found");
}

#[tokio::test]
async fn wrong_calls_are_named() {
    let api = Api::new().await;
    for (body, field) in [
        (json!({"role": "intake"}), "name"),
        (json!({"name": " ", "role": "intake"}), "name"),
        (json!({"name": "x"}), "role"),
        (json!({"name": "x", "role": "root"}), "role"),
        (json!({"name": "x", "role": "intake", "expires_at": later(-1)}), "expires_at"),
    ] {
        let problem = api.post("/api-tokens", body).await.problem(422, "invalid-value");
        assert_eq!(problem["field"], field);
    }
    let body = || json!({"name": "twice", "role": "intake"});
    api.post("/api-tokens", body()).await.expect(201);
    api.post("/api-tokens", body()).await.problem(409, "exists");
}

#[tokio::test]
async fn an_administrator_makes_none_for_all_tenants() {
    let api = Api::new().await;
    let administrator = api.credential("administrator").await;
    for role in ["global_administrator", "global_analyst"] {
        let body = json!({"name": "up", "role": role});
        api.call_as(&administrator, "POST", "/api-tokens", body).await.problem(403, "forbidden");
    }
    for role in ["administrator", "analyst", "intake", "gateway"] {
        let body = json!({"name": role, "role": role});
        api.call_as(&administrator, "POST", "/api-tokens", body).await.expect(201);
    }
}

#[tokio::test]
async fn an_administrator_revokes_none_for_all_tenants() {
    let api = Api::new().await;
    let administrator = api.credential("administrator").await;
    for role in ["global_administrator", "global_analyst"] {
        let body = json!({"name": role, "role": role});
        let path = format!("/api-tokens/{}", id(&api.post("/api-tokens", body).await.expect(201)));
        let refused = api.call_as(&administrator, "DELETE", &path, Value::Null).await;
        refused.problem(403, "forbidden");
        api.call("DELETE", &path, Value::Null).await.expect(204);
    }
}

/// Whoever leaves leaves no credential behind.
#[tokio::test]
async fn end_with_the_rights_of_who_made_them() {
    let api = Api::new().await;
    let ada = api.user("ada", "administrator").await;
    let sign_in = http::Request::post("/api/v1/session")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(json!({"name": "ada", "password": PASSWORD}).to_string().into())
        .unwrap();
    let signed_in = api.send(sign_in).await;
    let cookie = signed_in.headers[http::header::SET_COOKIE].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let csrf = signed_in.json()["csrf_token"].as_str().unwrap().to_owned();
    let make = async |name: &str| {
        let request = http::Request::post("/api/v1/api-tokens")
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::COOKIE, &cookie)
            .header("x-csrf-token", &csrf)
            .header("sec-fetch-site", "same-origin")
            .body(json!({"name": name, "role": "analyst"}).to_string().into())
            .unwrap();
        api.send(request).await.expect(201)["token"].as_str().unwrap().to_owned()
    };
    let first = make("first").await;
    api.call_as(&first, "GET", "/leaks", Value::Null).await.expect(200);
    let path = format!("/users/{}", id(&ada));
    api.call("PATCH", &path, json!({"role": "analyst"})).await.expect(200);
    api.call_as(&first, "GET", "/leaks", Value::Null).await.problem(401, "unauthenticated");
    let audit = api.get("/audit?action=revoke_api_token").await.expect(200);
    let said = audit["items"][0]["detail"].as_str().unwrap();
    assert_eq!(said, "first: ada, who made it, may not give analyst now");

    api.call("PATCH", &path, json!({"role": "administrator"})).await.expect(200);
    let second = make("second").await;
    api.call_as(&second, "GET", "/leaks", Value::Null).await.expect(200);
    api.call("DELETE", &path, Value::Null).await.expect(204);
    api.call_as(&second, "GET", "/leaks", Value::Null).await.problem(401, "unauthenticated");
}
