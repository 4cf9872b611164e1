//! Every call with every role.

use leakgate::control::{self, Access};
use leakgate::model::role::Role;
use serde_json::Value;

use super::support::Api;

#[tokio::test]
async fn every_call_with_every_role() {
    let api = Api::new().await;
    let mut checked = 0;
    for role in Role::ALL {
        let token = api.credential(role.name()).await;
        for call in control::calls() {
            let path = call.path.strip_prefix("/api/v1").unwrap();
            let path = path.replace("{id}", "0190a0a0-0000-7000-8000-000000000000");
            if path == "/events/stream" && may(role, call.access) {
                continue; // It would not end; its own test reads it.
            }
            let answer = api.call_as(&token, &call.method, &path, Value::Null).await;
            if may(role, call.access) {
                assert!(![401, 403].contains(&answer.status.as_u16()), "{role:?} {call:?}");
            } else {
                let problem = answer.problem(403, "forbidden");
                assert!(problem["permission"].is_string());
                assert!(problem["detail"].as_str().unwrap().contains(role.name()));
            }
            checked += 1;
        }
    }
    assert!(checked > 150, "{checked}");
}

fn may(role: Role, access: Access) -> bool {
    match access {
        Access::Public => true,
        Access::Needs(permission) => role.may(permission),
    }
}

#[tokio::test]
async fn nobody_is_let_in_without_a_credential() {
    let api = Api::new().await;
    for call in control::calls() {
        if call.access == Access::Public {
            continue;
        }
        let path = call.path.strip_prefix("/api/v1").unwrap().replace("{id}", "x");
        let answer = api.call_as("", &call.method, &path, Value::Null).await;
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"leakgate\"");
        answer.problem(401, "unauthenticated");
        let answer = api.call_as("lgt_nonsense", &call.method, &path, Value::Null).await;
        answer.problem(401, "unauthenticated");
    }
}

/// Decisions and administration are for administrators; this list is the contract, written out.
#[test]
fn what_each_role_may() {
    let calls_of = |role: Role| -> Vec<String> {
        let allowed = control::calls().into_iter().filter(|call| may(role, call.access));
        allowed.map(|call| format!("{} {}", call.method, &call.path[7..])).collect()
    };
    assert_eq!(
        calls_of(Role::Intake),
        ["GET /openapi.json", "POST /leaks", "POST /imports", "GET /imports/{id}"]
    );
    assert_eq!(calls_of(Role::Gateway), ["GET /openapi.json"]);
    let analyst = calls_of(Role::Analyst);
    assert!(analyst.contains(&"GET /leaks".to_owned()));
    assert!(analyst.contains(&"POST /leaks/{id}/comments".to_owned()));
    for call in &analyst {
        let reads = call.starts_with("GET ")
            || ["POST /leaks/{id}/comments", "POST /tokens/lookup", "POST /explain"]
                .contains(&call.as_str());
        assert!(reads, "an analyst decides nothing: {call}");
    }
    assert!(!analyst.iter().any(|call| call.contains("api-tokens") || call.contains("audit")));
    assert_eq!(calls_of(Role::Administrator).len(), control::calls().len());
}
