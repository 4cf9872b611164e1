//! `/bypass`.

use serde_json::{Value, json};

use super::support::{Api, later};

#[tokio::test]
async fn turns_the_gateways_switch_and_is_kept() {
    let api = Api::new().await;
    assert_eq!(api.get("/bypass").await.expect(200)["on"], false);
    assert!(!api.switch.is_on());
    let body = json!({"on": true, "reason": "outage 42"});
    let on = api.call("PUT", "/bypass", body).await.expect(200);
    assert_eq!((&on["on"], &on["reason"]), (&json!(true), &json!("outage 42")));
    assert!(on["changed_by"].as_str().unwrap().starts_with("admin"));
    assert!(api.switch.is_on(), "it acts before the call returns");
    assert_eq!(api.get("/bypass").await.expect(200), on);
    let audit = api.get("/audit").await.expect(200);
    assert!(audit["items"].to_string().contains("bypass"), "{audit}");

    let api = api.restart().await;
    assert!(api.switch.is_on(), "it is set at the start as it was left");
    api.call("PUT", "/bypass", json!({"on": false})).await.expect(200);
    assert!(!api.switch.is_on());
    assert!(!api.restart().await.switch.is_on());
}

#[tokio::test]
async fn ends_at_its_time() {
    let api = Api::new().await;
    let body = json!({"on": true, "reason": "x", "expires_at": later(60)});
    api.call("PUT", "/bypass", body).await.expect(200);
    api.control.tick(later(30)).await.unwrap();
    assert!(api.switch.is_on());
    let turns = api.switch.turns();
    api.control.tick(later(90)).await.unwrap();
    assert!(!api.switch.is_on());
    let off = api.get("/bypass").await.expect(200);
    assert_eq!((&off["on"], &off["changed_by"]), (&json!(false), &json!("system")));
    api.control.tick(later(120)).await.unwrap();
    assert_eq!(api.switch.turns(), turns + 1, "it is turned off once");
}

#[tokio::test]
async fn wrong_calls_are_named() {
    let api = Api::new().await;
    for (body, field) in [
        (json!({"reason": "x"}), "on"),
        (json!({"on": "yes"}), "on"),
        (json!({"on": true, "expires_at": later(-1)}), "expires_at"),
        (json!({"on": false, "expires_at": later(60)}), "expires_at"),
        (json!({"on": true, "reason": "x".repeat(257)}), "reason"),
    ] {
        let problem = api.call("PUT", "/bypass", body).await.problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{problem}");
    }
    assert_eq!(api.call("PUT", "/bypass", Value::Null).await.status, 415);
    assert!(!api.switch.is_on());
}
