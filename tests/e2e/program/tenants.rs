//! Two tenants behind one gateway: a tenant's rules act on its own routes only.

use serde_json::json;

use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

async fn status(program: &Program, host: &str, path: &str, token: &str) -> u16 {
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.get(program.url(path)).header("host", host).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_rules_act_on_its_own_routes_only() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let routes = "listen = [\"127.0.0.1:0\"]\n\
        [[gateway.routes]]\nhosts = [\"acme.example\"]\nupstream = \"app\"\ntenant = \"acme\"\n\
        [[gateway.routes]]\nhosts = [\"both.example\"]\npath_prefix = \"/acme\"\n\
        upstream = \"app\"\ntenant = \"acme\"\n\
        [[gateway.routes]]\nhosts = [\"typo.example\"]\nupstream = \"app\"\ntenant = \"amce\"\n\
        [[gateway.routes]]\nupstream = \"app\"\n";
    Program::configure(folder.path(), upstream.address(), routes);
    let program = Program::start_configured(folder.path());
    program.errors.after("amce");
    let (status_of_new, _) = program.api("POST", "/tenants", Some(json!({"id": "acme"}))).await;
    assert_eq!(status_of_new, 201);

    let (own, others) = (token("acme_", 32), token("default_", 32));
    let mut leaks = Vec::new();
    for (tenant, text) in [("acme", &own), ("default", &others)] {
        let body = json!({"title": tenant, "tokens": [text]});
        let path = format!("/leaks?tenant={tenant}");
        let (made, leak) = program.api("POST", &path, Some(body)).await;
        assert_eq!(made, 201, "{leak}");
        let id = leak["id"].as_str().unwrap().to_owned();
        program.block(&id).await;
        leaks.push(id);
    }
    for (host, path, text, expected) in [
        ("acme.example", "/", &own, 403),
        ("acme.example", "/", &others, 200),
        ("www.example", "/", &others, 403),
        ("www.example", "/", &own, 200),
        ("both.example", "/acme/x", &own, 403),
        ("both.example", "/acme/x", &others, 200),
        // A path that reads as one of the other tenant is no way around.
        ("both.example", "/acme/%2e%2e/x", &others, 403),
        ("both.example", "/x", &own, 200),
        ("typo.example", "/", &own, 200),
    ] {
        assert_eq!(status(&program, host, path, text).await, expected, "{host}{path}");
    }
    let event = program.wait_for_event(&format!("leak={}&tenant=acme", leaks[0])).await;
    assert_eq!((&event["tenant"], &event["action"]), (&json!("acme"), &json!("blocked")));
    let event = program.wait_for_event(&format!("leak={}&tenant=default", leaks[1])).await;
    assert_eq!((&event["tenant"], &event["action"]), (&json!("default"), &json!("blocked")));
    let path = format!("/events?leak={}&tenant=default", leaks[0]);
    let (_, none) = program.api("GET", &path, None).await;
    assert_eq!(none["items"], json!([]));

    // The switch of one tenant stops nothing of the other's.
    let body = json!({"on": true, "reason": "checking"});
    let (turned, _) = program.api("PUT", "/bypass?tenant=acme", Some(body)).await;
    assert_eq!(turned, 200);
    assert_eq!(status(&program, "acme.example", "/", &own).await, 200);
    assert_eq!(status(&program, "www.example", "/", &others).await, 403);
    let (turned, _) = program.api("PUT", "/bypass?tenant=acme", Some(json!({"on": false}))).await;
    assert_eq!(turned, 200);
    assert_eq!(status(&program, "acme.example", "/", &own).await, 403);

    // Nobody learns by `explain` what another tenant has.
    let made = json!({"name": "look", "role": "analyst"});
    let (_, analyst) = program.api("POST", "/api-tokens?tenant=acme", Some(made)).await;
    let analyst = analyst["token"].as_str().unwrap();
    for (host, text, outcome) in [
        ("acme.example", &own, "blocked"),
        ("acme.example", &others, "forwarded"),
        ("www.example", &others, "forwarded"),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Key: {text}\r\n\r\n");
        let explain = format!("http://{}/api/v1/explain", program.control);
        let explained = reqwest::Client::new().post(explain).bearer_auth(analyst).body(request);
        let explained: serde_json::Value = explained.send().await.unwrap().json().await.unwrap();
        assert_eq!(explained["outcome"], outcome, "{host}: {explained}");
    }
    assert!(program.terminate());
}
