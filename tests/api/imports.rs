//! `/imports` and `/imports/{id}`.

use axum::body::Body;
use futures_util::stream;
use leakgate::model::rule::Action;
use serde_json::{Value, json};

use super::support::{Api, id, token};

fn gitleaks(names: &[&str]) -> Value {
    let findings = names.iter().enumerate().map(|(index, name)| {
        json!({"RuleID": "generic-api-key", "Description": "Generic API key",
            "StartLine": index + 1, "File": format!("src/{name}.rs"), "Commit": "abc",
            "Secret": token(name), "Match": format!("key = {}", token(name))})
    });
    findings.collect()
}

#[tokio::test]
async fn a_report_becomes_leaks() {
    let api = Api::new().await;
    api.leak("known", &["known"]).await;
    let mut report = gitleaks(&["one", "known", "two"]);
    report.as_array_mut().unwrap().push(json!({"Description": "no token in it"}));
    let intake = api.credential("intake").await;
    let path = "/imports?format=gitleaks&source_kind=github&risk=critical";
    let answer = api.post_text(&intake, path, report.to_string()).await;
    assert!(!answer.text.contains(&token("one")));
    let done = answer.expect(200);
    assert_eq!(
        (&done["leaks"], &done["tokens"], &done["merged"]),
        (&json!(2), &json!(2), &json!(1))
    );
    assert_eq!(done["refused"].as_array().unwrap().len(), 1);
    assert_eq!(done["refused"][0]["line"], 4);
    assert!(done["refused"][0]["reason"].is_string());
    assert_eq!(done["status"], "finished");
    assert_eq!(api.action("one"), Some(Action::Observe));

    let page = api.get("/leaks?risk=critical&detected_by=automatic").await.expect(200);
    assert_eq!(page["total"], 2);
    assert_eq!(page["items"][0]["source"]["kind"], "github");

    // The same again adds nothing.
    let done = api.post_text(&intake, "/imports", report.to_string()).await.expect(200);
    assert_eq!(
        (&done["leaks"], &done["tokens"], &done["merged"]),
        (&json!(0), &json!(0), &json!(3))
    );
    let kept = api.get(&format!("/imports/{}", id(&done))).await.expect(200);
    assert_eq!(kept, done);
}

#[tokio::test]
async fn a_list_is_one_leak_and_can_be_decided_at_once() {
    let api = Api::new().await;
    let list: String = ["a", "b", "c"].iter().map(|name| format!("{}\n", token(name))).collect();
    let path = "/imports?format=list&title=From%20a%20paste&decision=block";
    let done = api.post_text(&api.admin, path, list).await.expect(200);
    assert_eq!((&done["leaks"], &done["tokens"]), (&json!(1), &json!(3)));
    let page = api.get("/leaks").await.expect(200);
    assert_eq!(page["items"][0]["title"], "From a paste");
    assert_eq!(page["items"][0]["token_count"], 3);
    assert_eq!(api.action("b"), Some(Action::Block));

    let words = "password\nundefined\n";
    let done = api.post_text(&api.admin, "/imports?format=list&decision=monitoring", words).await;
    let done = done.expect(200);
    assert_eq!(done["leaks"], 1);
    assert_eq!(done["unpatched"].as_array().unwrap().len(), 1, "{done}");
}

#[tokio::test]
async fn deciding_needs_the_right_to() {
    let api = Api::new().await;
    let intake = api.credential("intake").await;
    let problem = api.post_text(&intake, "/imports?decision=block", token("one")).await;
    assert_eq!(problem.problem(403, "forbidden")["permission"], "decide");
    assert_eq!(api.action("one"), None);
}

#[tokio::test]
async fn many_tokens_go_on_in_the_background() {
    let api = Api::new().await;
    api.leak("known", &["t10001"]).await;
    let names = (0..10_400).map(|n| format!("t{n}"));
    let list: String = names.map(|name| format!("{}\n", token(&name))).collect();
    let path = "/imports?format=list&title=Many&decision=block";
    let answer = api.post_text(&api.admin, path, list).await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let begun = answer.expect(202);
    let path = location.strip_prefix("/api/v1").unwrap();
    assert!(path.ends_with(id(&begun)));
    let done = loop {
        let now = api.get(path).await.expect(200);
        if now["status"] != "running" {
            break now;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(done["status"], "finished", "{done}");
    assert_eq!(
        (&done["leaks"], &done["tokens"], &done["merged"]),
        (&json!(1), &json!(10_399), &json!(1))
    );
    let page = api.get("/leaks?q=Many").await.expect(200);
    assert_eq!(page["items"][0]["token_count"], 10_399);
    assert_eq!(api.action("t10399"), Some(Action::Block));
    assert_eq!(api.action("t10001"), Some(Action::Observe), "nobody grows a rule by reporting");
}

#[tokio::test]
async fn what_came_before_a_break_stays() {
    let api = Api::new().await;
    let report = format!("{}\n{}\n", token("one"), token("two"));
    let pieces = [Ok(report), Err(std::io::Error::other("gone"))];
    let body = Body::from_stream(stream::iter(pieces));
    api.post_text(&api.admin, "/imports?format=list", body).await.problem(400, "malformed");
}

#[tokio::test]
async fn wrong_calls_are_named() {
    let api = Api::new().await;
    for (query, field) in [
        ("format=xml", "format"),
        ("risk=bad", "risk"),
        ("decision=close", "decision"),
        ("titel=x", "titel"),
    ] {
        let problem = api.post_text(&api.admin, &format!("/imports?{query}"), "x").await;
        assert_eq!(problem.problem(422, "invalid-value")["field"], field);
    }
    let nowhere = "/imports/0190a0a0-0000-7000-8000-000000000000";
    api.get(nowhere).await.problem(404, "not-found");
    let empty = api.post_text(&api.admin, "/imports", "").await.expect(200);
    assert_eq!(empty["tokens"], 0);
}

/// The first part of a list may hold nothing of which a rule can be made.
#[tokio::test]
async fn a_list_that_begins_with_words_is_decided_as_a_whole() {
    let api = Api::new().await;
    let mut list: String = (0..2_100).map(|n| format!("w{n}\n")).collect();
    list.push_str(&token("last"));
    let path = "/imports?format=list&decision=block";
    let done = api.post_text(&api.admin, path, list).await.expect(200);
    assert_eq!(done["unpatched"], json!([]));
    assert_eq!(api.action("last"), Some(Action::Block));
}

/// An import that was accepted is done before the store is closed.
#[tokio::test]
async fn an_end_waits_for_imports() {
    let api = Api::new().await;
    let list: String = (0..12_000).map(|n| format!("{}\n", token(&format!("t{n}")))).collect();
    api.post_text(&api.admin, "/imports?format=list", list).await.expect(202);
    api.control.stop();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(300);
    api.control.finish(deadline).await;
    let api = api.restart().await;
    assert_eq!(api.handle.load().token_count(), 12_000);
}

#[tokio::test]
async fn no_token_that_is_in_no_rule_is_shown_where_a_finding_names_it() {
    let api = Api::new().await;
    let known = token("false");
    let leak = api.leak("false", &["false"]).await;
    api.post(&format!("/leaks/{}/mark-false", id(&leak)), json!({})).await.expect(200);
    let mut report = gitleaks(&["one", "two"]);
    report[0]["RuleID"] = json!(known);
    report[0]["File"] = json!(format!("src/{known}"));
    report[1]["Description"] = json!(format!("it is {known} again"));
    report[1]["Author"] = json!(known);
    api.post_text(&api.admin, "/imports?format=gitleaks", report.to_string()).await.expect(200);
    let page = api.get("/leaks").await;
    assert_eq!(page.json()["total"], 3);
    assert!(!page.text.to_lowercase().contains(&known.to_lowercase()), "{}", page.text);
}

#[tokio::test]
async fn no_token_is_shown_where_another_finding_names_it() {
    let api = Api::new().await;
    let (known, other) = (token("known"), token("two"));
    api.leak("known", &["known"]).await;
    // The second's token stands in the first's texts, before it is registered itself.
    let mut report = gitleaks(&["one", "two", "three"]);
    report[0]["RuleID"] = json!(format!("{known} beside {other}"));
    report[0]["File"] = json!(format!("src/{other}.rs"));
    report[2]["RuleID"] = json!(other);
    api.post_text(&api.admin, "/imports?format=gitleaks", report.to_string()).await.expect(200);
    let page = api.get("/leaks").await;
    assert_eq!(page.json()["total"], 4);
    for token in [known, other] {
        assert!(!page.text.to_lowercase().contains(&token.to_lowercase()), "{}", page.text);
    }
}
