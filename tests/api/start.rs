//! The first start and later ones.

use leakgate::control::FirstStart;
use leakgate::model::secret::Secret;
use serde_json::Value;

use super::support::{Api, id, shown};

fn environment(token: &str) -> FirstStart {
    FirstStart { admin_password: None, admin_token: Some(Secret::from(token.to_owned())) }
}

#[tokio::test]
async fn makes_an_administrator_and_tells_once() {
    let (api, done) = Api::start(tempfile::tempdir().unwrap(), FirstStart::default()).await;
    assert!(done.first_start);
    assert!(done.password.is_some_and(|password| password.len() >= 20));
    let token = shown(&done.api_token.unwrap());
    assert_eq!(api.call_as(&token, "GET", "/api-tokens", Value::Null).await.status, 200);
    let listed = api.get("/api-tokens").await.expect(200);
    assert_eq!(listed["items"][0]["role"], "global_administrator");

    let again = leakgate::control::bootstrap(&*api.store, FirstStart::default()).await.unwrap();
    assert!(!again.first_start && again.password.is_none() && again.api_token.is_none());
}

#[tokio::test]
async fn takes_what_the_environment_gives() {
    let given = FirstStart {
        admin_password: Some(Secret::from("a password that is given".to_owned())),
        ..environment("a token that the environment gives")
    };
    let (api, done) = Api::start(tempfile::tempdir().unwrap(), given).await;
    assert!(done.first_start && !done.weak_token);
    assert!(done.password.is_none() && done.api_token.is_none(), "nothing was generated");
    let works = async |token: &str| {
        api.call_as(token, "GET", "/api-tokens", Value::Null).await.status == 200
    };
    assert!(works("a token that the environment gives").await);

    // Another one at a later start is added; the same one is not added twice.
    let start = async |token: &str| {
        leakgate::control::bootstrap(&*api.store, environment(token)).await.unwrap()
    };
    start("another token, given later").await;
    start("another token, given later").await;
    assert!(works("another token, given later").await);
    assert!(works("a token that the environment gives").await);
    let listed = api
        .call_as("another token, given later", "GET", "/api-tokens", Value::Null)
        .await
        .expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);

    // One that was revoked is not let in again.
    let path = format!("/api-tokens/{}", id(&listed["items"][0]));
    let token = "another token, given later";
    assert_eq!(api.call_as(token, "DELETE", &path, Value::Null).await.status, 204);
    assert!(start("a token that the environment gives").await.revoked_token);
    assert!(!works("a token that the environment gives").await);
    assert!(start("short").await.weak_token);
}
