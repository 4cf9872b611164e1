//! A mode for single tokens of a leak.

use leakgate::model::rule::Action;
use serde_json::{Value, json};

use super::support::{Api, id, token};

#[tokio::test]
async fn tokens_of_one_leak_are_treated_apart() {
    let api = Api::new().await;
    let leak = api.leak("mixed", &["one", "two", "three"]).await;
    let of = |name: &str| {
        let masked = format!("{}…", &token(name)[..4]);
        let tokens = leak["tokens"].as_array().unwrap();
        let found = tokens.iter().find(|it| it["masked"].as_str().unwrap().starts_with(&masked));
        id(found.unwrap()).to_owned()
    };
    let path = format!("/leaks/{}", id(&leak));
    let patch = format!("{path}/virtual-patch");
    let body = json!({"mode": "block", "tokens": [
        {"id": of("one"), "mode": "monitoring"}, {"id": of("two"), "mode": "none"}]});
    let now = api.post(&patch, body).await.expect(200);
    let actions = |api: &Api| ["one", "two", "three"].map(|name| api.action(name));
    let mixed = [Action::Monitor, Action::Observe, Action::Block].map(Some);
    assert_eq!(actions(&api), mixed);
    for name in ["one", "two", "three"] {
        assert_eq!(api.rules(name).len(), 1, "{name}");
    }
    assert_eq!(api.rules("two")[0].patch, None);
    assert_eq!(api.rules("one")[0].patch.unwrap().to_string(), id(&now["virtual_patch"]));
    let modes = |page: &Value| -> Vec<String> {
        let tokens = page.as_array().unwrap().iter();
        let mut modes: Vec<_> = tokens.map(|it| it["mode"].as_str().unwrap().to_owned()).collect();
        modes.sort_unstable();
        modes
    };
    assert_eq!(modes(&now["tokens"]), ["block", "monitoring", "none"]);
    let page = api.get(&format!("{path}/tokens")).await.expect(200);
    assert_eq!(modes(&page["items"]), ["block", "monitoring", "none"]);

    // A change of scope keeps them; so do an edit and a restart.
    let scope = json!({"scope": {"methods": ["POST"]}});
    api.post(&patch, scope).await.expect(200);
    assert_eq!(actions(&api), mixed);
    assert_eq!(api.rules("one")[0].scope.methods, ["POST"]);
    assert!(api.rules("two")[0].scope.methods.is_empty(), "it is watched everywhere");
    let added = json!({"add_tokens": [token("four")]});
    api.call("PATCH", &path, added).await.expect(200);
    assert_eq!(actions(&api), mixed);
    assert_eq!(api.action("four"), Some(Action::Block));
    let api = api.restart().await;
    assert_eq!(actions(&api), mixed);

    // Another set takes their place; none ends them.
    let body = json!({"mode": "monitoring", "tokens": [{"id": of("two"), "mode": "block"}]});
    api.post(&patch, body).await.expect(200);
    let monitored = Some(Action::Monitor);
    assert_eq!(actions(&api), [monitored, Some(Action::Block), monitored]);
    api.call("PATCH", &path, json!({"remove_tokens": [of("two")]})).await.expect(200);
    assert_eq!(actions(&api), [monitored, None, monitored]);
    api.post(&patch, json!({"tokens": []})).await.expect(200);
    assert_eq!(actions(&api), [Some(Action::Block), None, Some(Action::Block)]);
    api.call("DELETE", &patch, Value::Null).await.expect(200);
    assert_eq!(api.action("one"), Some(Action::Observe));

    for (tokens, says) in [
        (json!([{"id": of("two"), "mode": "block"}]), "no such token of this leak"),
        (json!([{"id": of("one"), "mode": "sometimes"}]), "tokens[0].mode"),
        (json!([["x"]]), "tokens[0]"),
    ] {
        let answer = api.post(&patch, json!({ "tokens": tokens })).await;
        assert!(answer.status.is_client_error());
        assert!(answer.text.contains(says), "{}", answer.text);
    }
}
