//! `/leaks` and `/leaks/{id}`.

use leakgate::model::rule::Action;
use serde_json::{Value, json};

use super::support::{Api, digest, id, token};

#[tokio::test]
async fn registers_and_shows() {
    let api = Api::new().await;
    let answer = api
        .post(
            "/leaks",
            json!({
                "title": "  Deploy key\nin a gist ", "risk": "critical",
                "source": {"kind": "gist", "url": "https://gist.example/1", "path": "a.env", "line": 3},
                "tokens": [token("one"), format!(" {}\n", token("one")), token("two")],
                "token_digests": [digest("three"), digest("two")],
                "owner": "payments", "contact": "oncall@example.com", "comment": "found by hand",
            }),
        )
        .await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let leak = answer.expect(201);
    assert_eq!(location, format!("/api/v1/leaks/{}", id(&leak)));
    assert_eq!(leak["title"], "Deploy key in a gist");
    assert_eq!(leak["tenant"], "default");
    assert_eq!(leak["risk"], "critical");
    assert_eq!(leak["status"], "open");
    assert_eq!(leak["remediation"], "none");
    assert_eq!(leak["detected_by"], "manual");
    assert_eq!(leak["source"]["kind"], "gist");
    assert_eq!(leak["source"]["line"], 3);
    assert_eq!(leak["sources"].as_array().unwrap().len(), 1);
    assert_eq!((&leak["owner"], &leak["comment"]), (&json!("payments"), &json!("found by hand")));
    assert_eq!(leak["token_count"], 3, "each token counts once");
    assert_eq!(leak["merged"], json!([]));
    assert_eq!(leak["virtual_patch"], Value::Null);
    let first = &leak["tokens"][0];
    assert_eq!(first["length"], 40);
    assert_eq!(first["validity"], "unknown");
    assert_eq!(first["fingerprint"].as_str().unwrap().len(), 12);

    let mut shown = api.get(&format!("/leaks/{}", id(&leak))).await.expect(200);
    shown["merged"] = json!([]);
    assert_eq!(shown, leak);
    for name in ["one", "two"] {
        assert_eq!(api.action(name), Some(Action::Observe), "{name} is watched at once");
    }
}

#[tokio::test]
async fn says_what_is_left_out() {
    let api = Api::new().await;
    let leak = api.post("/leaks", json!({"title": "x", "tokens": [token("a")]})).await.expect(201);
    assert_eq!(leak["risk"], "medium");
    assert_eq!(leak["source"], json!({"kind": "manual"}));
    for (body, field) in [
        (json!({"tokens": [token("b")]}), "title"),
        (json!({"title": "x"}), "tokens"),
        (json!({"title": " ", "tokens": [token("b")]}), "title"),
        (json!({"title": "x", "tokens": [token("b"), " "]}), "tokens[1]"),
        (json!({"title": "x", "token_digests": ["sha256:00"]}), "token_digests[0]"),
        (json!({"title": "x".repeat(257), "tokens": [token("b")]}), "title"),
        (json!({"title": "x", "tokens": [token("b")], "owner": "x".repeat(257)}), "owner"),
        (json!({"title": "x", "tokens": [token("b")], "comment": "x".repeat(8193)}), "comment"),
        (
            json!({"title": "x", "tokens": [token("b")],
                "source": {"kind": "github", "url": "x".repeat(2049)}}),
            "source.url",
        ),
        (json!({"title": "x", "tokens": vec!["a".repeat(9); 10_001]}), "tokens"),
        (json!({"title": "x", "tokens": [token("b")], "tilte": "y"}), "tilte"),
        (json!({"title": "x", "tokens": [token("b")], "risk": "severe"}), "risk"),
    ] {
        let problem = api.post("/leaks", body).await.problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{problem}");
    }
    assert_eq!(api.action("b"), None, "nothing was registered");
}

#[tokio::test]
async fn known_tokens_become_occurrences() {
    let api = Api::new().await;
    let first = api.leak("first", &["one", "two"]).await;
    api.block(&first).await;

    // All known: the leak that has them, and one more place.
    let source = json!({"kind": "github", "url": "https://git.example/x"});
    let body = json!({"title": "again", "tokens": [token("two")], "source": source});
    let again = api.post("/leaks", body).await.expect(200);
    assert_eq!(id(&again), id(&first));
    assert_eq!(again["merged"], json!([{"leak": id(&first), "tokens": 1}]));
    assert_eq!(again["sources"].as_array().unwrap().len(), 2);

    // A digest is the same token as its text.
    let body = json!({"title": "again", "token_digests": [digest("one")]});
    assert_eq!(id(&api.post("/leaks", body).await.expect(200)), id(&first));

    // New ones beside known ones make a leak of their own, which blocks nothing.
    let body = json!({"title": "more", "tokens": [token("one"), token("new")]});
    let more = api.post("/leaks", body).await.expect(201);
    assert_ne!(id(&more), id(&first));
    assert_eq!(more["token_count"], 1);
    assert_eq!(more["merged"], json!([{"leak": id(&first), "tokens": 1}]));
    assert_eq!(more["remediation"], "none");
    assert_eq!(api.action("new"), Some(Action::Observe));
    assert_eq!(api.action("one"), Some(Action::Block));
}

#[tokio::test]
async fn intake_learns_no_more_than_an_id() {
    let api = Api::new().await;
    let intake = api.credential("intake").await;
    let known = api.leak("not for everybody", &["one"]).await;
    let body = json!({"title": "seen", "tokens": [token("one")]});
    let answer = api.call_as(&intake, "POST", "/leaks", body).await.expect(200);
    assert_eq!(answer, json!({"id": id(&known), "merged": [{"leak": id(&known), "tokens": 1}]}));
    let body = json!({"title": "seen", "tokens": [token("two")]});
    let made = api.call_as(&intake, "POST", "/leaks", body).await.expect(201);
    assert_eq!(made["detected_by"], "automatic");
}

#[tokio::test]
async fn lists_with_filters_sort_and_cursor() {
    let api = Api::new().await;
    let mut made = Vec::new();
    for (index, risk) in ["low", "critical", "high", "medium", "critical"].iter().enumerate() {
        let body = json!({"title": format!("leak {index}"), "risk": risk,
            "tokens": [token(&format!("t{index}"))]});
        made.push(api.post("/leaks", body).await.expect(201));
    }
    api.block(&made[1]).await;
    api.post(&format!("/leaks/{}/close", id(&made[2])), Value::Null).await.expect(200);

    let titles = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|leak| leak["title"].as_str().unwrap().to_owned()).collect()
    };
    let page = api.get("/leaks").await.expect(200);
    assert_eq!(titles(&page), ["leak 4", "leak 3", "leak 2", "leak 1", "leak 0"]);
    assert_eq!((&page["total"], &page["next_cursor"]), (&json!(5), &Value::Null));

    for (query, expected) in [
        ("?risk=critical", vec!["leak 4", "leak 1"]),
        ("?risk=critical,low&sort=created_at", vec!["leak 0", "leak 1", "leak 4"]),
        ("?risk=critical&risk=low&sort=created_at", vec!["leak 0", "leak 1", "leak 4"]),
        ("?status=closed", vec!["leak 2"]),
        ("?remediation=virtual_patch", vec!["leak 1"]),
        ("?status=open&risk=critical&remediation=none", vec!["leak 4"]),
        ("?q=leak%203", vec!["leak 3"]),
        ("?source=manual&sort=title&limit=2", vec!["leak 0", "leak 1"]),
        ("?detected_by=automatic", vec![]),
        ("?validity=unknown&sort=-title&limit=1", vec!["leak 4"]),
    ] {
        let page = api.get(&format!("/leaks{query}")).await.expect(200);
        assert_eq!(titles(&page), expected, "{query}");
    }

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/leaks?sort=title&limit=2&cursor={cursor}")).await.expect(200);
        seen.extend(titles(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["leak 0", "leak 1", "leak 2", "leak 3", "leak 4"]);

    for (query, field) in [
        ("?status=opened", "status"),
        ("?sort=size", "sort"),
        ("?limit=0", "limit"),
        ("?limit=many", "limit"),
        ("?cursor=nonsense", "cursor"),
        ("?stauts=open", "stauts"),
        ("?q=a&q=b", "q"),
    ] {
        let problem = api.get(&format!("/leaks{query}")).await.problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{query}: {problem}");
    }
}

#[tokio::test]
async fn changes_texts_and_tokens() {
    let api = Api::new().await;
    let leak = api.leak("before", &["one", "two"]).await;
    api.block(&leak).await;
    let path = format!("/leaks/{}", id(&leak));

    let body = json!({"title": "after", "risk": "low", "owner": "platform", "comment": "note",
        "source": {"kind": "website", "url": "https://www.example/app.js"}});
    let changed = api.call("PATCH", &path, body).await.expect(200);
    assert_eq!((&changed["title"], &changed["risk"]), (&json!("after"), &json!("low")));
    assert_eq!(changed["source"]["kind"], "website");
    let body = json!({"owner": null});
    let changed = api.call("PATCH", &path, body).await.expect(200);
    assert_eq!((&changed["owner"], &changed["comment"]), (&Value::Null, &json!("note")));

    let body = json!({"add_tokens": [token("three")], "remove_tokens": [id(&leak["tokens"][0])]});
    let changed = api.call("PATCH", &path, body).await.expect(200);
    assert_eq!(changed["token_count"], 2);
    assert_eq!(api.action("three"), Some(Action::Block), "the patch covers what was added");
    let removed = if changed["tokens"].to_string().contains(&fingerprint(&leak, "one")) {
        "two"
    } else {
        "one"
    };
    assert_eq!(api.action(removed), None);

    let problem = api.call("PATCH", &path, json!({"status": "closed"})).await;
    let problem = problem.problem(422, "invalid-value");
    assert!(problem["detail"].as_str().unwrap().contains("not known"), "{problem}");
    let remove: Vec<_> =
        changed["tokens"].as_array().unwrap().iter().map(|token| token["id"].clone()).collect();
    let problem = api.call("PATCH", &path, json!({"remove_tokens": remove})).await;
    assert_eq!(problem.problem(422, "invalid-value")["field"], "remove_tokens");
}

/// The fingerprint of the leak's token of this name, told from its masked form.
fn fingerprint(leak: &Value, name: &str) -> String {
    let start = token(name)[..3].to_owned();
    let tokens = leak["tokens"].as_array().unwrap();
    let found = tokens.iter().find(|t| t["masked"].as_str().unwrap().starts_with(&start));
    found.unwrap()["fingerprint"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn another_tenants_leak_is_not_there() {
    let api = Api::new().await;
    let leak = api.leak("ours", &["one"]).await;
    let mut stranger = leakgate::model::role::Actor {
        name: "stranger".to_owned(),
        role: leakgate::model::role::Role::Administrator,
        tenant: "elsewhere".to_owned(),
        user: None,
        api_token: None,
        address: None,
    };
    let there = api.control.store().leak(&stranger.tenant, id(&leak).parse().unwrap()).await;
    assert!(there.is_err());
    stranger.tenant = "default".to_owned();
    for path in ["0190a0a0-0000-7000-8000-000000000000", "nonsense", "%ff"] {
        api.get(&format!("/leaks/{path}")).await.problem(404, "not-found");
    }
}

/// SQLite would end the text at such a byte, and an empty one fits every leak.
#[tokio::test]
async fn a_search_text_has_no_control_characters() {
    let api = Api::new().await;
    let problem = api.get("/leaks?q=%00").await.problem(422, "invalid-value");
    assert_eq!(problem["field"], "q");
    let body = json!({"decision": "mark_false", "filter": {"q": "\u{0}x"}});
    api.post("/leaks/bulk", body).await.problem(422, "invalid-value");
}

/// Also where no rule knows the token: of false positives, and of what the guard refuses.
#[tokio::test]
async fn registered_tokens_are_in_no_text() {
    let api = Api::new().await;
    let wrong = api.leak("wrong", &["wrong"]).await;
    api.post(&format!("/leaks/{}/mark-false", id(&wrong)), Value::Null).await.expect(200);
    let body = json!({"title": "short", "tokens": ["Zq7mK2"]});
    api.post("/leaks", body).await.expect(201);
    let other = api.leak("other", &["other"]).await;
    let path = format!("/leaks/{}", id(&other));
    for text in [token("wrong"), token("other"), "Zq7mK2".to_owned()] {
        let comment = json!({"text": format!("saw \"{text}\", k={text}.")});
        let said = api.post(&format!("{path}/comments"), comment).await.expect(201);
        assert!(!said.to_string().contains(&text), "{said}");
        let made = json!({"name": format!("for {text}"), "role": "intake"});
        let made = api.post("/api-tokens", made).await.expect(201);
        assert!(!made["name"].to_string().contains(&text), "{made}");
        let scope = json!({"scope": {"path_prefixes": [format!("/v1/{text}")]}});
        let patched = api.post(&format!("{path}/virtual-patch"), scope).await;
        let problem = patched.problem(422, "invalid-value");
        assert_eq!(problem["field"], "scope.path_prefixes[0]");
    }
}
