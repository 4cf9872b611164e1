//! What is published is what the store says: at once, under load, and after a restart.

use std::sync::Arc;

use leakgate::control::DEFAULT_TENANT;
use leakgate::model::leak::Decision;
use leakgate::model::role::{Actor, Role};
use leakgate::model::rule::{Action, PatchMode, Scope};
use leakgate::store::types::{Conditions, Decide, NewPatch};
use serde_json::{Value, json};

use super::support::{Api, digest_of, id, later, token};

#[tokio::test]
async fn a_start_publishes_what_was_decided() {
    let api = Api::new().await;
    let blocked = api.leak("blocked", &["blocked"]).await;
    let path = format!("/leaks/{}/virtual-patch", id(&blocked));
    let body = json!({"scope": {"hosts": ["a.example"]}, "expires_at": later(600)});
    api.post(&path, body).await.expect(200);
    api.leak("watched", &["watched"]).await;
    let closed = api.leak("closed", &["closed"]).await;
    api.post(&format!("/leaks/{}/close", id(&closed)), Value::Null).await.expect(200);
    let wrong = api.leak("wrong", &["wrong"]).await;
    api.post(&format!("/leaks/{}/mark-false", id(&wrong)), Value::Null).await.expect(200);
    let words = json!({"title": "words", "tokens": ["application/json"]});
    let words = api.post("/leaks", words).await.expect(201);
    let path = format!("/leaks/{}/virtual-patch", id(&words));
    api.post(&path, json!({"force": true, "mode": "monitoring"})).await.expect(200);
    let tokens: Vec<String> = (0..2_300).map(|n| token(&format!("t{n}"))).collect();
    let many = api.post("/leaks", json!({"title": "many", "tokens": tokens})).await.expect(201);
    api.block(&many).await;
    let state = |api: &Api| {
        let names = ["blocked", "watched", "closed", "wrong", "t0", "t1500", "t2299"];
        let mut rules: Vec<_> = names.iter().map(|name| api.rules(name)).collect();
        rules.push(api.rules_of_text("application/json"));
        (rules, api.handle.load().token_count())
    };
    let before = state(&api);
    assert_eq!(before.1, 2_304);
    let api = api.restart().await;
    assert_eq!(state(&api), before);
    assert_eq!(api.action("t2299"), Some(Action::Block));
}

/// All of them have more than one page, and there are more of them than connections that read.
#[tokio::test]
async fn a_store_of_many_large_leaks_starts_again() {
    let api = Api::new().await;
    for leak in 0..10 {
        let tokens: Vec<String> = (0..1_500).map(|n| token(&format!("{leak} t{n}"))).collect();
        api.post("/leaks", json!({"title": "large", "tokens": tokens})).await.expect(201);
    }
    let api = api.restart().await;
    assert_eq!(api.handle.load().token_count(), 15_000);
}

/// What the events database cannot tell is not part of any decision.
#[tokio::test]
async fn decisions_do_not_depend_on_the_events_database() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    api.break_use().await;
    api.get(&format!("/leaks/{}", id(&leak))).await.problem(503, "store-failed");
    api.block(&leak).await;
    assert_eq!(api.action("one"), Some(Action::Block));
    api.leak("y", &["two"]).await;
    let path = format!("/leaks/{}", id(&leak));
    let change = json!({"add_tokens": [token("three")]});
    api.call("PATCH", &path, change).await.expect(200);
    assert_eq!(api.action("three"), Some(Action::Block));
    api.post("/leaks", json!({"title": "z", "tokens": [token("one")]})).await.expect(200);
}

/// A token that no rule can be made of is none by force either.
#[tokio::test]
async fn force_makes_no_rule_that_is_not_there() {
    let api = Api::new().await;
    let giant: String = (0..600).map(|n| token(&format!("g{n}"))).collect();
    let leak = api.post("/leaks", json!({"title": "giant", "tokens": [giant]})).await.expect(201);
    let path = format!("/leaks/{}/virtual-patch", id(&leak));
    api.post(&path, json!({"force": true})).await.problem(422, "nothing-applicable");
    let shown = api.get(&format!("/leaks/{}", id(&leak))).await.expect(200);
    assert_eq!(shown["remediation"], "not_applicable");
}

/// A leak that goes takes nothing of a digest with it that stands in another one as well.
#[tokio::test]
async fn a_text_takes_the_place_of_a_digest_that_another_leak_had_too() {
    let api = Api::new().await;
    let text = format!("{} {}", token("one"), token("end"));
    let body = json!({"title": "first", "token_digests": [digest_of(&text)]});
    let first = api.post("/leaks", body).await.expect(201);
    api.block(&first).await;
    for how in ["removed", "marked false"] {
        let other = api.leak(how, &[how]).await;
        let path = format!("/leaks/{}", id(&other));
        let add = json!({"add_token_digests": [digest_of(&text)]});
        let with = api.call("PATCH", &path, add).await.expect(200);
        if how == "removed" {
            let tokens = with["tokens"].as_array().unwrap();
            let added = tokens.iter().find(|token| token["length"].is_null()).unwrap();
            let remove = json!({"remove_tokens": [id(added)]});
            api.call("PATCH", &path, remove).await.expect(200);
        } else {
            api.post(&format!("{path}/mark-false"), json!({})).await.expect(200);
        }
    }
    assert!(api.rules_of_text(&text).is_empty(), "a digest is not found in here");
    api.post("/leaks", json!({"title": "text", "tokens": [text]})).await.expect(200);
    let action = api.rules_of_text(&text).into_iter().map(|rule| rule.action).max();
    assert_eq!(action, Some(Action::Block));
}

/// A digest is only found where the whole token stands between delimiters; its text, reported later
/// by anybody, is found everywhere, also under the rules of those who gave the digest.
#[tokio::test]
async fn a_text_takes_the_place_of_its_digest() {
    let api = Api::new().await;
    // With a space in it, such a token never is a whole value.
    let spaced = |name: &str| format!("{} {}", token(name), token("end"));
    let digests = ["one", "two"].map(|name| digest_of(&spaced(name)));
    let body = json!({"title": "digests", "token_digests": digests});
    let leak = api.post("/leaks", body).await.expect(201);
    api.block(&leak).await;
    assert!(api.rules_of_text(&spaced("one")).is_empty());

    let intake = api.credential("intake").await;
    let report = json!({"title": "seen", "tokens": [spaced("one")]});
    api.call_as(&intake, "POST", "/leaks", report).await.expect(200);
    assert_eq!(api.rules_of_text(&spaced("one"))[0].action, Action::Block);

    api.post_text(&intake, "/imports?format=list", spaced("two")).await.expect(200);
    let before = api.rules_of_text(&spaced("two"));
    assert_eq!(before[0].action, Action::Block);
    assert_eq!(api.restart().await.rules_of_text(&spaced("two")), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn decisions_at_the_same_time_are_all_in_force_when_they_return() {
    let api = Arc::new(Api::new().await);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let api = Arc::clone(&api);
        tasks.spawn(async move {
            let name = format!("t{n}");
            let leak = api.leak(&name, &[&name]).await;
            assert_eq!(api.action(&name), Some(Action::Observe));
            api.block(&leak).await;
            assert_eq!(api.action(&name), Some(Action::Block));
            if n % 2 == 0 {
                let path = format!("/leaks/{}/mark-false", id(&leak));
                api.post(&path, Value::Null).await.expect(200);
                assert_eq!(api.action(&name), None);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(api.handle.load().token_count(), 20);
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_stop_a_decision() {
    let api = Api::new().await;
    let leak = api.leak("x", &["one"]).await;
    let actor = Actor {
        name: "ada".to_owned(),
        role: Role::Administrator,
        tenant: DEFAULT_TENANT.to_owned(),
        user: None,
        api_token: None,
        address: None,
    };
    let patch = NewPatch {
        mode: PatchMode::Block,
        scope: Scope::default(),
        expires_at: None,
        force: false,
        tokens: None,
    };
    let decide = Decide {
        decision: Decision::ApplyVirtualPatch,
        patch: Some(patch),
        resolution: None,
        comment: None,
        conditions: Conditions::default(),
    };
    // The caller takes one step, in which the decision is begun, and leaves.
    let mut call = Box::pin(api.control.decide(&actor, id(&leak).parse().unwrap(), decide));
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(call);
    // Changes go one after the other, so that a later one that is done shows the earlier one.
    api.leak("another", &["two"]).await;
    assert_eq!(api.action("one"), Some(Action::Block));
    let shown = api.get(&format!("/leaks/{}", id(&leak))).await.expect(200);
    assert_eq!(shown["remediation"], "virtual_patch");
}
