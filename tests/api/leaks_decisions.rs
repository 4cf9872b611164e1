//! `/leaks/{id}/virtual-patch`, `/close`, `/reopen`, `/mark-false`.

use leakgate::model::rule::Action;
use serde_json::{Value, json};

use super::support::{Api, id, later, token};

/// The life of a leak through every decision, with what is in force after each.
#[tokio::test]
async fn the_life_of_a_leak() {
    let api = Api::new().await;
    let leak = api.leak("a life", &["one", "two"]).await;
    let path = format!("/leaks/{}", id(&leak));
    let patch = format!("{path}/virtual-patch");
    let version = || api.handle.load().version();
    let mut last = version();
    let mut published = || {
        let now = version();
        assert!(now > last, "a decision publishes");
        last = now;
    };

    let body = json!({"mode": "monitoring", "scope": {"hosts": ["API.Example.com:443"],
        "path_prefixes": ["/v1"], "methods": ["post"],
        "except_clients": [{"client": "203.0.113.7", "until": later(3600)}]},
        "expires_at": later(7200), "comment": "watching first"});
    let now = api.post(&patch, body).await.expect(200);
    published();
    assert_eq!((&now["status"], &now["remediation"]), (&json!("open"), &json!("virtual_patch")));
    assert_eq!(now["virtual_patch"]["mode"], "monitoring");
    assert_eq!(now["virtual_patch"]["scope"]["hosts"], json!(["api.example.com"]));
    assert_eq!(now["virtual_patch"]["scope"]["methods"], json!(["POST"]));
    let rule = &api.rules("one")[0];
    assert_eq!(rule.action, Action::Monitor);
    assert_eq!(rule.scope.hosts, ["api.example.com"]);
    assert_eq!(rule.scope.except_clients.len(), 1);
    assert!(rule.expires_at.is_some());

    let changed = api.post(&patch, Value::Null).await.expect(200);
    published();
    assert_eq!(changed["virtual_patch"]["mode"], "block", "a body left out blocks everywhere");
    assert_eq!(
        id(&changed["virtual_patch"]),
        id(&now["virtual_patch"]),
        "a changed patch keeps its id"
    );
    let rule = &api.rules("two")[0];
    assert_eq!((rule.action, rule.expires_at), (Action::Block, None));
    assert!(rule.scope.hosts.is_empty());
    assert_eq!(rule.patch.unwrap().to_string(), id(&changed["virtual_patch"]));
    let patches = api.get("/virtual-patches").await.expect(200);
    assert_eq!(patches["items"].as_array().unwrap().len(), 1);
    assert_eq!(id(&patches["items"][0]), id(&changed["virtual_patch"]));

    let now = api.call("DELETE", &patch, Value::Null).await.expect(200);
    published();
    assert_eq!((&now["status"], &now["remediation"]), (&json!("open"), &json!("none")));
    assert_eq!(api.action("one"), Some(Action::Observe));

    api.block(&leak).await;
    published();
    let body = json!({"resolution": "revoked", "comment": "the key is gone"});
    let now = api.post(&format!("{path}/close"), body).await.expect(200);
    published();
    assert_eq!((&now["status"], &now["resolution"]), (&json!("closed"), &json!("revoked")));
    assert_eq!(now["virtual_patch"], Value::Null);
    let rule = &api.rules("one")[0];
    assert_eq!((rule.action, rule.patch), (Action::Observe, None));
    let watched = rule.watch_until.unwrap();
    assert!(watched > later(29 * 86_400) && watched < later(31 * 86_400));

    let now = api.post(&format!("{path}/reopen"), json!({"comment": "not gone"})).await.expect(200);
    published();
    assert_eq!((&now["status"], &now["remediation"]), (&json!("open"), &json!("none")));
    assert_eq!(now["resolution"], Value::Null);
    assert_eq!(api.rules("one")[0].watch_until, None);

    api.block(&leak).await;
    published();
    let now = api
        .post(&format!("{path}/mark-false"), json!({"resolution": "used_in_tests"}))
        .await
        .expect(200);
    published();
    assert_eq!(now["status"], "false_positive");
    assert_eq!(api.action("one"), None, "what is marked false is not watched");

    let now = api.post(&format!("{path}/reopen"), Value::Null).await.expect(200);
    published();
    assert_eq!(now["status"], "open");
    assert_eq!(api.action("two"), Some(Action::Observe));
    api.block(&leak).await;
    assert_eq!(api.action("two"), Some(Action::Block));

    let history = api.get(&format!("{path}/history")).await.expect(200);
    let actions: Vec<&str> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "register",
            "apply_virtual_patch",
            "apply_virtual_patch",
            "remove_virtual_patch",
            "apply_virtual_patch",
            "close",
            "reopen",
            "apply_virtual_patch",
            "mark_false",
            "reopen",
            "apply_virtual_patch",
        ]
    );
    assert_eq!(history["items"][1]["comment"], "watching first");
}

#[tokio::test]
async fn what_is_not_allowed_says_what_is() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    let path = format!("/leaks/{}", id(&leak));
    let open = json!(["apply_virtual_patch", "remove_virtual_patch", "close", "mark_false"]);
    let problem = api.post(&format!("{path}/reopen"), Value::Null).await;
    let problem = problem.problem(409, "not-allowed");
    assert_eq!((&problem["leak_status"], &problem["allowed"]), (&json!("open"), &open));

    api.post(&format!("{path}/close"), Value::Null).await.expect(200);
    for (method, call) in [
        ("POST", "virtual-patch"),
        ("DELETE", "virtual-patch"),
        ("POST", "close"),
        ("POST", "mark-false"),
    ] {
        let problem = api.call(method, &format!("{path}/{call}"), Value::Null).await;
        let problem = problem.problem(409, "not-allowed");
        assert_eq!(problem["leak_status"], "closed");
        assert_eq!(problem["allowed"], json!(["reopen"]));
    }
    assert_eq!(api.action("one"), Some(Action::Observe), "nothing changed");
}

#[tokio::test]
async fn the_guard_takes_what_it_can() {
    let api = Api::new().await;
    let body = json!({"title": "mixed", "tokens": [token("one"), "application/json", "a1b2c3"]});
    let leak = api.post("/leaks", body).await.expect(201);
    let reasons: Vec<bool> = leak["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["not_applicable"].is_string())
        .collect();
    assert_eq!(reasons.iter().filter(|&&refused| refused).count(), 2);
    assert!(api.rules_of_text("application/json").is_empty(), "such tokens are not watched");

    let path = format!("/leaks/{}/virtual-patch", id(&leak));
    api.post(&path, Value::Null).await.expect(200);
    assert_eq!(api.action("one"), Some(Action::Block));
    assert!(api.rules_of_text("application/json").is_empty());
    assert!(api.rules_of_text("a1b2c3").is_empty());

    let forced = api.post(&path, json!({"force": true})).await.expect(200);
    assert_eq!(forced["virtual_patch"]["force"], true);
    assert_eq!(api.rules_of_text("application/json")[0].action, Action::Block);
    assert_eq!(api.rules_of_text("a1b2c3")[0].action, Action::Block, "6 bytes can be forced");

    api.post(&path, json!({"mode": "block"})).await.expect(200);
    assert!(api.rules_of_text("application/json").is_empty(), "force is over");
    assert_eq!(api.action("one"), Some(Action::Block));
}

#[tokio::test]
async fn a_leak_without_a_usable_token_is_refused() {
    let api = Api::new().await;
    let body = json!({"title": "words", "tokens": ["password", "abc"]});
    let leak = api.post("/leaks", body).await.expect(201);
    assert_eq!(leak["remediation"], "not_applicable");
    let path = format!("/leaks/{}/virtual-patch", id(&leak));
    let problem = api.post(&path, Value::Null).await.problem(422, "nothing-applicable");
    assert_eq!(problem["reasons"].as_array().unwrap().len(), 2, "{problem}");
    let forced = api.post(&path, json!({"force": true})).await.expect(200);
    assert_eq!(forced["remediation"], "virtual_patch");
    assert_eq!(api.rules_of_text("password")[0].action, Action::Block);
    assert!(api.rules_of_text("abc").is_empty(), "under 6 bytes nothing is forced");
}

#[tokio::test]
async fn wrong_patches_are_named() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    let path = format!("/leaks/{}/virtual-patch", id(&leak));
    for (body, field) in [
        (json!({"mode": "deny"}), "mode"),
        (json!({"scope": {"hosts": ["https://a.example"]}}), "scope.hosts[0]"),
        (json!({"scope": {"path_prefixes": ["v1"]}}), "scope.path_prefixes[0]"),
        (json!({"scope": {"methods": ["G T"]}}), "scope.methods[0]"),
        (json!({"scope": {"host": []}}), "scope.host"),
        (
            json!({"scope": {"except_clients": [{"client": "all"}]}}),
            "scope.except_clients[0].client",
        ),
        (
            json!({"scope": {"except_clients": [{"client": "10.0.0.1", "until": later(-1)}]}}),
            "scope.except_clients[0]",
        ),
        (json!({"scope": {"methods": vec!["GET"; 257]}}), "scope.methods"),
        (json!({"expires_at": later(-1)}), "expires_at"),
        (json!({"expires_at": "tomorrow"}), "expires_at"),
        (json!({"force": "yes"}), "force"),
        (json!({"comment": "x".repeat(8193)}), "comment"),
    ] {
        let problem = api.post(&path, body).await.problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{problem}");
    }
    assert_eq!(api.action("one"), Some(Action::Observe));
}

#[tokio::test]
async fn a_token_of_two_leaks_is_under_both() {
    let api = Api::new().await;
    let first = api.leak("first", &["shared", "one"]).await;
    let second = api.leak("second", &["two"]).await;
    let path = format!("/leaks/{}", id(&second));
    api.call("PATCH", &path, json!({"add_tokens": [token("shared")]})).await.expect(200);
    api.block(&first).await;
    api.post(&format!("{path}/virtual-patch"), json!({"mode": "monitoring"})).await.expect(200);
    assert_eq!(api.rules("shared").len(), 2);
    api.post(&format!("/leaks/{}/mark-false", id(&first)), Value::Null).await.expect(200);
    assert_eq!(api.action("shared"), Some(Action::Monitor), "the other leak's rule stays");
    assert_eq!(api.action("one"), None);
}

#[tokio::test]
async fn a_patch_ends_at_its_time() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    let path = format!("/leaks/{}", id(&leak));
    let body = json!({"expires_at": later(60)});
    api.post(&format!("{path}/virtual-patch"), body).await.expect(200);
    api.control.tick(later(30)).await.unwrap();
    assert_eq!(api.action("one"), Some(Action::Block));
    api.control.tick(later(90)).await.unwrap();
    let now = api.get(&path).await.expect(200);
    assert_eq!((&now["status"], &now["remediation"]), (&json!("open"), &json!("none")));
    assert_eq!(api.action("one"), Some(Action::Observe));
    let history = api.get(&format!("{path}/history")).await.expect(200);
    let last = history["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["actor"], &last["action"]),
        (&json!("system"), &json!("expire_virtual_patch"))
    );
}

#[tokio::test]
async fn a_watch_ends_at_its_time() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    api.post(&format!("/leaks/{}/close", id(&leak)), Value::Null).await.expect(200);
    api.control.tick(later(29 * 86_400)).await.unwrap();
    assert_eq!(api.action("one"), Some(Action::Observe));
    api.control.tick(later(31 * 86_400)).await.unwrap();
    assert_eq!(api.action("one"), None);
    // A text changed later does not begin the watch again.
    let path = format!("/leaks/{}", id(&leak));
    api.call("PATCH", &path, json!({"add_tokens": [token("two")]})).await.expect(200);
    assert_eq!((api.action("one"), api.action("two")), (None, None));
}
