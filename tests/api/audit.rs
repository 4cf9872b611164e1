//! `/audit` and `/gateways`.

use serde_json::json;

use super::support::{Api, id};

#[tokio::test]
async fn decisions_are_audited() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    api.block(&leak).await;
    let audit = api.get("/audit?limit=1").await.expect(200);
    assert_eq!(audit["items"].as_array().unwrap().len(), 1);
    assert_eq!(audit["items"][0]["object"], id(&leak));
    let cursor = audit["next_cursor"].as_str().unwrap();
    let next = api.get(&format!("/audit?limit=1&cursor={cursor}")).await.expect(200);
    assert_ne!(next["items"], audit["items"]);
}

#[tokio::test]
async fn the_gateway_of_this_process() {
    let api = Api::new().await;
    api.leak("x", &["one"]).await;
    let gateways = api.get("/gateways").await.expect(200);
    let gateway = &gateways["items"][0];
    assert_eq!((&gateway["name"], &gateway["patchset_tokens"]), (&json!("edge-1"), &json!(1)));
    assert_eq!(gateway["patchset_version"], api.handle.load().version());
}
