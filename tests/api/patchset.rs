//! What gateways pull.

use std::sync::Arc;

use axum::body::Body;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use leakgate::config::limits;
use leakgate::matcher::Patchset;
use leakgate::model::rule::Action;
use serde_json::json;

use super::support::{Api, id, token};

/// What a pull was answered.
struct Pulled {
    status: StatusCode,
    tag: Option<String>,
    retry_after: Option<String>,
    bytes: Vec<u8>,
}

impl Pulled {
    fn patchset(&self) -> Patchset {
        assert_eq!(self.status, 200);
        Patchset::from_records(&self.bytes).unwrap()
    }

    /// The strongest action on the token of this name; none where it is not in.
    fn action(&self, name: &str) -> Option<Action> {
        let patchset = Arc::new(self.patchset());
        let (text, mut actions) = (format!("before {} after", token(name)), Vec::new());
        patchset.scan(text.as_bytes(), &mut |found| {
            actions.extend(patchset.rules(found.token).map(|rule| rule.action));
        });
        actions.into_iter().max()
    }
}

async fn pull(api: &Api, credential: &str, query: &str, tag: Option<&str>) -> Pulled {
    let mut request = Request::get(format!("/api/v1/patchset{query}"))
        .header(header::AUTHORIZATION, format!("Bearer {credential}"));
    if let Some(tag) = tag {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    let answer = api.answer(request.body(Body::empty()).unwrap()).await;
    let (parts, body) = answer.into_parts();
    let text = |name| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    if parts.status == 200 {
        assert_eq!(text(header::CONTENT_TYPE).unwrap(), "application/vnd.leakgate.patchset");
    }
    Pulled {
        status: parts.status,
        tag: text(header::ETAG),
        retry_after: text(header::RETRY_AFTER),
        bytes: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

#[tokio::test]
async fn a_gateway_pulls_what_its_tenant_enforces() {
    let api = Api::new().await;
    api.tenant("acme").await;
    let (ours, acmes) =
        (api.credential("gateway").await, api.credential_in("acme", "gateway").await);
    assert_eq!(pull(&api, &ours, "", None).await.patchset().token_count(), 0);
    let leak = api.leak("x", &["blocked"]).await;
    api.block(&leak).await;
    api.leak("y", &["watched"]).await;
    let theirs = json!({"title": "z", "tokens": [token("theirs")]});
    api.post("/leaks?tenant=acme", theirs).await.expect(201);

    let pulled = pull(&api, &ours, "", None).await;
    assert_eq!(pulled.action("blocked"), Some(Action::Block));
    assert_eq!(pulled.action("watched"), Some(Action::Observe));
    assert_eq!(pulled.action("theirs"), None);
    assert_eq!((pulled.patchset().token_count(), pulled.patchset().all_rules().count()), (2, 2));
    let rules = pulled.patchset();
    let rule = rules.all_rules().find(|rule| rule.action == Action::Block).unwrap();
    assert_eq!((rule.leak.to_string().as_str(), &*rule.owner.id), (id(&leak), "default"));
    assert!(rule.patch.is_some());

    let pulled = pull(&api, &acmes, "", None).await;
    assert_eq!(pulled.action("theirs"), Some(Action::Observe));
    assert_eq!((pulled.action("blocked"), pulled.patchset().token_count()), (None, 1));
    assert_eq!(pull(&api, &acmes, "?tenant=default", None).await.status, 404);
}

#[tokio::test]
async fn what_a_gateway_has_is_not_sent_again() {
    let api = Api::new().await;
    api.tenant("acme").await;
    let gateway = api.credential("gateway").await;
    let leak = api.leak("x", &["a"]).await;
    let first = pull(&api, &gateway, "", None).await;
    let tag = first.tag.clone().unwrap();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");

    let same = async |tag: &str| {
        let pulled = pull(&api, &gateway, "", Some(tag)).await;
        assert_eq!(pulled.bytes.is_empty(), pulled.status == 304);
        assert!(pulled.tag.is_some());
        pulled.status == 304
    };
    assert!(same(&tag).await);
    assert_eq!(pull(&api, &gateway, "", None).await.bytes, first.bytes);
    // What changes nothing of what is enforced is no change.
    let path = format!("/leaks/{}", id(&leak));
    api.call("PATCH", &path, json!({"title": "another"})).await.expect(200);
    let theirs = json!({"title": "z", "tokens": [token("theirs")]});
    let theirs = api.post("/leaks?tenant=acme", theirs).await.expect(201);
    api.block(&theirs).await;
    assert!(same(&tag).await);
    api.block(&leak).await;
    assert!(!same(&tag).await);

    // Another process has another seed, so nothing of the other one's is its own.
    let api = api.restart().await;
    assert_eq!(pull(&api, &gateway, "", Some(&tag)).await.action("a"), Some(Action::Block));
}

#[tokio::test]
async fn a_pull_waits_for_a_decision() {
    let api = Api::new().await;
    api.tenant("acme").await;
    let gateway = api.credential("gateway").await;
    let acmes = api.credential_in("acme", "gateway").await;
    let leak = api.leak("x", &["a"]).await;
    let tag = pull(&api, &gateway, "", None).await.tag.unwrap();
    let theirs = pull(&api, &acmes, "", None).await.tag.unwrap();

    // Nothing to wait for, and not for long.
    assert_eq!(pull(&api, &gateway, "?wait=30s", None).await.status, 200);
    assert_eq!(pull(&api, &gateway, "?wait=30s", Some("\"other\"")).await.status, 200);
    let over = pull(&api, &gateway, "?wait=1ms", Some(&tag)).await;
    assert_eq!((over.status, over.tag.as_deref()), (StatusCode::NOT_MODIFIED, Some(&*tag)));

    // One more than may wait: the first to be answered is the one that may not, so all others wait.
    let mut waiting = (0..=limits::PATCHSET_WAITERS)
        .map(|_| pull(&api, &gateway, "?wait=30s", Some(&tag)))
        .collect::<FuturesUnordered<_>>();
    let refused = waiting.next().await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.retry_after.as_deref()), (503, Some("1")));
    let hit = api.metrics.api_limits_hit.with_label_values(&["patchset_waiters"]).get();
    assert_eq!(hit.to_string(), "1");

    // Another tenant's decision, and then the one that they wait for.
    let decided = async {
        let new = json!({"title": "z", "tokens": [token("b")]});
        api.post("/leaks?tenant=acme", new).await.expect(201);
        api.block(&leak).await;
    };
    let answered = async {
        while let Some(pulled) = waiting.next().await {
            assert_eq!(pulled.action("a"), Some(Action::Block));
            assert_ne!(pulled.tag.as_deref(), Some(&*tag));
        }
    };
    tokio::join!(decided, answered);
    assert_eq!(
        pull(&api, &acmes, "?wait=30s", Some(&theirs)).await.action("b"),
        Some(Action::Observe)
    );
}

#[tokio::test]
async fn a_wait_ends_with_the_process_and_a_revoked_credential_gets_nothing() {
    let api = Api::new().await;
    let made = api.post("/api-tokens", json!({"name": "g", "role": "gateway"})).await.expect(201);
    let gateway = made["token"].as_str().unwrap();
    let tag = pull(&api, gateway, "", None).await.tag.unwrap();
    let mut waiting = (0..=limits::PATCHSET_WAITERS)
        .map(|_| pull(&api, gateway, "?wait=30s", Some(&tag)))
        .collect::<FuturesUnordered<_>>();
    assert_eq!(waiting.next().await.unwrap().status, 503);
    let path = format!("/api-tokens/{}", id(&made));
    api.call("DELETE", &path, serde_json::Value::Null).await.expect(204);
    api.control.stop();
    while let Some(pulled) = waiting.next().await {
        assert_eq!(pulled.status, 401);
    }
}

#[tokio::test]
async fn a_wrong_wait_is_named() {
    let api = Api::new().await;
    let gateway = api.credential("gateway").await;
    for wait in ["31s", "-1s", "soon", ""] {
        let path = format!("/patchset?wait={wait}");
        let answer = api.call_as(&gateway, "GET", &path, serde_json::Value::Null).await;
        assert_eq!(answer.problem(422, "invalid-value")["field"], "wait");
    }
    let answer = api.call_as(&gateway, "GET", "/patchset?weight=1s", serde_json::Value::Null).await;
    answer.problem(422, "invalid-value");
    for role in ["global_administrator", "administrator", "global_analyst", "analyst", "intake"] {
        let other = api.credential(role).await;
        let answer = api.call_as(&other, "GET", "/patchset", serde_json::Value::Null).await;
        answer.problem(403, "forbidden");
    }
}
