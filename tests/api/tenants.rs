//! `/tenants`, and that tenants do not see each other.

use leakgate::model::event::EventAction;
use serde_json::{Value, json};

use super::support::{Api, id, token};

async fn two() -> Api {
    let api = Api::new().await;
    api.tenant("acme").await;
    api.tenant("other").await;
    api
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn are_made_renamed_and_removed_while_empty() {
    let api = Api::new().await;
    let made = api.post("/tenants", json!({"id": "acme", "title": "Acme Inc"})).await;
    assert_eq!(made.headers["location"], "/api/v1/tenants/acme");
    assert_eq!(made.expect(201)["title"], "Acme Inc");
    api.post("/tenants", json!({"id": "acme"})).await.problem(409, "exists");
    assert_eq!(ids(&api.get("/tenants").await.expect(200)), ["acme", "default"]);
    let renamed = api.call("PATCH", "/tenants/acme", json!({"title": "Acme"})).await.expect(200);
    assert_eq!((&renamed["id"], &renamed["title"]), (&json!("acme"), &json!("Acme")));
    api.call("PATCH", "/tenants/none", json!({"title": "x"})).await.problem(404, "not-found");

    let gateway = api.credential_in("acme", "gateway").await;
    api.call("DELETE", "/tenants/acme", Value::Null).await.problem(409, "tenant-stays");
    let tokens = api.get("/api-tokens?tenant=acme").await.expect(200);
    let revoke = format!("/api-tokens/{}", ids(&tokens)[0]);
    api.call("DELETE", &revoke, Value::Null).await.expect(204);
    api.call_as(&gateway, "GET", "/session", Value::Null).await.problem(401, "unauthenticated");
    api.call("DELETE", "/tenants/acme", Value::Null).await.expect(204);
    api.call("DELETE", "/tenants/acme", Value::Null).await.problem(404, "not-found");
    api.call("DELETE", "/tenants/default", Value::Null).await.problem(409, "tenant-stays");
}

#[tokio::test]
async fn wrong_calls_are_named() {
    let api = Api::new().await;
    for (body, field) in [
        (json!({}), "id"),
        (json!({"id": "Acme Inc"}), "id"),
        (json!({"id": "-"}), "id"),
        (json!({"id": "acme", "title": " "}), "title"),
        (json!({"id": "acme", "title": "x".repeat(257)}), "title"),
    ] {
        let problem = api.post("/tenants", body).await.problem(422, "invalid-value");
        assert_eq!(problem["field"], field);
    }
    let problem = api.get("/leaks?tenant=a&tenant=b").await.problem(422, "invalid-value");
    assert_eq!(problem["field"], "tenant");
    api.get("/leaks?tenant=nowhere").await.problem(404, "not-found");
}

#[tokio::test]
async fn see_nothing_of_each_other() {
    let api = two().await;
    let administrator = api.credential_in("acme", "administrator").await;
    let analyst = api.credential_in("other", "global_analyst").await;
    let registered = |title: &str| json!({"title": title, "tokens": [token("shared")]});
    let one =
        api.call_as(&administrator, "POST", "/leaks", registered("of acme")).await.expect(201);
    let two = api.post("/leaks?tenant=other", registered("of other")).await.expect(201);
    assert_eq!((&one["tenant"], &two["tenant"]), (&json!("acme"), &json!("other")));
    assert!(two["merged"].as_array().unwrap().is_empty(), "a known token of another is new");

    let seen = api.call_as(&administrator, "GET", "/leaks", Value::Null).await.expect(200);
    assert_eq!(ids(&seen), [id(&one)]);
    for all in ["/leaks?sort=created_at", "/leaks?sort=title", "/leaks?sort=-risk&q=of"] {
        let seen = api.call_as(&analyst, "GET", all, Value::Null).await.expect(200);
        let mut seen = ids(&seen);
        seen.sort_unstable();
        assert_eq!(seen, [id(&one), id(&two)], "{all}");
    }
    let prefix = &one["tokens"][0]["fingerprint"].as_str().unwrap()[..8];
    let found = api.get(&format!("/leaks?q={prefix}")).await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 2, "by fingerprint, in all tenants");
    let narrowed = api.call_as(&analyst, "GET", "/leaks?tenant=other", Value::Null).await;
    assert_eq!(ids(&narrowed.expect(200)), [id(&two)]);

    let path = format!("/leaks/{}", id(&two));
    api.call_as(&administrator, "GET", &path, Value::Null).await.problem(404, "not-found");
    assert_eq!(api.call_as(&analyst, "GET", &path, Value::Null).await.expect(200), {
        let mut shown = two.clone();
        shown.as_object_mut().unwrap().remove("merged");
        shown
    });
    let elsewhere = format!("{path}?tenant=acme");
    api.call_as(&analyst, "GET", &elsewhere, Value::Null).await.problem(404, "not-found");

    let look = json!({"token": token("shared")});
    let known =
        api.call_as(&administrator, "POST", "/tokens/lookup", look.clone()).await.expect(200);
    assert_eq!(known["leaks"].as_array().unwrap().len(), 1);
    let known = api.post("/tokens/lookup", look).await.expect(200);
    assert_eq!(known["leaks"].as_array().unwrap().len(), 2);

    let bulk = json!({"decision": "close", "ids": [id(&one), id(&two)]});
    let answers =
        api.call_as(&administrator, "POST", "/leaks/bulk", bulk.clone()).await.expect(200);
    assert_eq!(answers["items"][0]["ok"], true);
    assert_eq!(answers["items"][1]["problem"]["status"], 404);
    let answers = api.post("/leaks/bulk", bulk).await.expect(200);
    assert_eq!(answers["items"][0]["problem"]["status"], 409);
    assert_eq!(answers["items"][1]["ok"], true);
    let audit = api.get("/audit?tenant=other").await.expect(200);
    assert_eq!(audit["items"][0]["action"], "close");
    let audit = api.call_as(&administrator, "GET", "/audit", Value::Null).await.expect(200);
    let of = |entry: &Value| entry["tenant"] == "acme";
    assert!(audit["items"].as_array().unwrap().iter().all(of), "{audit}");
}

#[tokio::test]
async fn events_and_statistics_are_each_tenants_own() {
    let api = two().await;
    let administrator = api.credential_in("acme", "administrator").await;
    for (tenant, client) in [("acme", "203.0.113.1"), ("other", "203.0.113.2")] {
        let new = json!({"title": tenant, "tokens": [token("shared")]});
        let leak = api.post(&format!("/leaks?tenant={tenant}"), new).await.expect(201);
        let event = api.used(&leak, EventAction::Observed, client).await;
        assert_eq!(event.tenant, tenant);
    }
    let seen = api.call_as(&administrator, "GET", "/events", Value::Null).await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    assert_eq!(seen["items"][0]["source_ip"], "203.0.113.1");
    assert_eq!(seen["items"][0]["tenant"], "acme");
    let export = api.call_as(&administrator, "GET", "/events/export", Value::Null).await;
    assert!(export.text.contains("203.0.113.1") && !export.text.contains("203.0.113.2"));
    assert_eq!(api.get("/events").await.expect(200)["items"].as_array().unwrap().len(), 2);
    for (path, leaks) in [("/stats", 2), ("/stats?tenant=acme", 1), ("/stats?tenant=default", 0)] {
        let stats = api.get(path).await.expect(200);
        assert_eq!((&stats["leaks"], &stats["tokens"]), (&json!(leaks), &json!(leaks)), "{path}");
        let observed = &stats["events_24h"][0];
        assert_eq!((&observed["name"], &observed["count"]), (&json!("observed"), &json!(leaks)));
    }
}

#[tokio::test]
async fn a_digest_learnt_by_one_tenant_stays_the_others() {
    let api = two().await;
    for tenant in ["acme", "other"] {
        let new = json!({"title": tenant, "token_digests": [super::support::digest("d")]});
        api.post(&format!("/leaks?tenant={tenant}"), new).await.expect(201);
    }
    // The text takes the digest's place for its own tenant.
    let new = json!({"title": "text", "tokens": [token("d")]});
    api.post("/leaks?tenant=acme", new).await.expect(200);
    let mut owners: Vec<String> =
        api.rules("d").iter().map(|rule| rule.owner.id.to_string()).collect();
    owners.sort_unstable();
    owners.dedup();
    assert_eq!(owners, ["acme", "other"]);
}

#[tokio::test]
async fn each_has_a_bypass_switch_of_its_own() {
    let api = two().await;
    let administrator = api.credential_in("acme", "administrator").await;
    let on = json!({"on": true, "reason": "outage"});
    let state = api.call_as(&administrator, "PUT", "/bypass", on.clone()).await.expect(200);
    assert_eq!((&state["tenant"], &state["everywhere"]), (&json!("acme"), &json!(false)));
    assert!(!api.switch.is_on(), "the others are blocked for on");
    assert_eq!(api.switch.tenants(), ["acme"]);
    assert_eq!(api.get("/bypass").await.expect(200)["on"], false);
    assert_eq!(api.get("/bypass?tenant=acme").await.expect(200)["on"], true);

    let api = api.restart().await;
    assert_eq!(api.switch.tenants(), ["acme"], "it is kept");
    api.call("PUT", "/bypass", on).await.expect(200);
    assert!(api.switch.is_on());
    let state = api.call_as(&administrator, "GET", "/bypass", Value::Null).await.expect(200);
    assert_eq!((&state["on"], &state["everywhere"]), (&json!(true), &json!(true)));
    let off = json!({"on": false});
    api.call_as(&administrator, "PUT", "/bypass", off).await.expect(200);
    assert!(api.switch.tenants().is_empty() && api.switch.is_on());

    let short = json!({"on": true, "expires_at": super::support::later(60)});
    api.call_as(&administrator, "PUT", "/bypass", short).await.expect(200);
    api.control.tick(super::support::later(90)).await.unwrap();
    assert!(api.switch.tenants().is_empty() && api.switch.is_on(), "each ends at its own time");
}
