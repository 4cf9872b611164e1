//! What is looked at before it is registered.

use axum::body::Body;
use http::{Request, header};
use serde_json::Value;

use super::console::Browser;
use crate::support::{Answer, Api, token};

/// Sends the form for a report as a browser does, with the report as a file.
async fn send_report(
    api: &Api,
    browser: &Browser<'_>,
    report: &str,
    more: &[(&str, &str)],
) -> Answer {
    let mut body = String::new();
    let fields = [("csrf", browser.csrf.as_str()), ("report", "")];
    for (name, value) in fields.iter().chain(more) {
        body +=
            &format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"r\"\r\n\r\n";
    body += &format!("{report}\r\n--xx--\r\n");
    let request = Request::post("/leaks/new/report")
        .header(header::HOST, "console.example")
        .header(header::COOKIE, &browser.cookie)
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=xx")
        .body(Body::from(body))
        .unwrap();
    api.send(request).await
}

fn location(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.headers[header::LOCATION].to_str().unwrap().to_owned()
}

async fn leaks(api: &Api) -> u64 {
    api.get("/leaks").await.expect(200)["total"].as_u64().unwrap()
}

#[tokio::test]
async fn a_report_is_looked_at_before_it_is_registered() {
    let api = Api::new().await;
    let known = api.leak("known before", &["known"]).await;
    assert!(known["id"].is_string());
    let browser = Browser::of(&api, "administrator").await;
    let report = format!("token,title\n{},a\n{},b\npassword,c\n,d\n", token("new"), token("known"));
    let draft = location(&send_report(&api, &browser, &report, &[]).await);
    let page = browser.page(&draft).await;
    for said in ["Csv", "3 tokens", "No rule", "known before", "1 part cannot be taken"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    for secret in [token("new"), token("known")] {
        assert!(!page.contains(&secret));
    }
    assert_eq!(leaks(&api).await, 1, "nothing is registered yet");

    // Nobody else sees it, and it is registered once.
    let other = Browser::of(&api, "global_administrator").await;
    assert_eq!(other.get(&draft).await.status, 404);
    assert_eq!(other.post(&format!("{draft}/register"), &[]).await.status, 404);
    let import = location(&browser.post(&format!("{draft}/register"), &[]).await);
    assert!(import.starts_with("/imports/") && import.ends_with("?of=3"), "{import}");
    assert_eq!(browser.post(&format!("{draft}/register"), &[]).await.status, 404);
    let path = import.split('?').next().unwrap();
    loop {
        let state = api.get(path).await.expect(200);
        if state["status"] != "running" {
            assert_eq!((&state["tokens"], &state["merged"]), (&2.into(), &1.into()), "{state}");
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(browser.page(&import).await.contains("Finished"));
    assert!(browser.page("/sources").await.contains("2 leaks made"));
    assert_eq!(leaks(&api).await, 3);
}

#[tokio::test]
async fn a_draft_is_thrown_away_or_replaced() {
    let api = Api::new().await;
    let browser = Browser::of(&api, "administrator").await;
    let first = location(&send_report(&api, &browser, &token("one"), &[("format", "list")]).await);
    let fields = [("title", "two"), ("tokens", &token("two"))];
    let second = location(&browser.post("/leaks/new", &fields).await);
    assert_eq!(browser.get(&first).await.status, 404, "each user has one");
    assert_eq!(
        location(&browser.post(&format!("{second}/discard"), &[]).await),
        "/leaks?done=discarded"
    );
    assert_eq!(browser.get(&second).await.status, 404);
    assert_eq!(leaks(&api).await, 0);
}

#[tokio::test]
async fn what_is_no_report_is_said() {
    let api = Api::new().await;
    let browser = Browser::of(&api, "administrator").await;
    for (report, more, said) in [
        ("", vec![], "it is empty"),
        ("x y z\n1 2 3", vec![], "the format of the report cannot be told"),
        ("a-token-that-is-long-enough", vec![("format", "nonsense")], "choose one of the list"),
    ] {
        let answer = send_report(&api, &browser, report, &more).await;
        let page = match answer.status.as_u16() {
            303 => browser.page(&location(&answer)).await,
            status => {
                assert_eq!(status, 422, "{}", answer.text);
                answer.text
            }
        };
        assert!(page.contains(said), "{said}: {page}");
    }
    let form = Request::post("/leaks/new/report")
        .header(header::HOST, "console.example")
        .header(header::COOKIE, &browser.cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from("report=x"))
        .unwrap();
    assert_eq!(api.send(form).await.status, 415);
    // Without the session's token, nothing is even kept.
    let stranger =
        Browser { csrf: "guessed".to_owned(), cookie: browser.cookie.clone(), ..browser };
    assert_eq!(send_report(&api, &stranger, &token("one"), &[]).await.status, 403);
}

#[tokio::test]
async fn a_draft_is_forgotten_after_a_while() {
    let api = Api::new().await;
    let browser = Browser::of(&api, "administrator").await;
    let fields = [("title", "one"), ("tokens", &token("one"))];
    let draft = location(&browser.post("/leaks/new", &fields).await);
    tokio::time::pause();
    tokio::time::advance(leakgate::config::limits::DRAFT_TIME).await;
    tokio::time::resume();
    assert_eq!(browser.get(&draft).await.status, 404);
    let answer = browser.post(&format!("{draft}/register"), &[]).await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("enter it again"), "{}", answer.text);
}

#[tokio::test]
async fn an_import_decides_only_for_those_who_may() {
    let api = Api::new().await;
    let browser = Browser::of(&api, "administrator").await;
    let more = [("format", "list"), ("title", "all of them"), ("decision", "block")];
    let draft = location(&send_report(&api, &browser, &token("one"), &more).await);
    assert!(browser.page(&draft).await.contains("patched, to block"));
    let import = location(&browser.post(&format!("{draft}/register"), &[]).await);
    let path = import.split('?').next().unwrap().to_owned();
    while api.get(&path).await.expect(200)["status"] == "running" {
        tokio::task::yield_now().await;
    }
    assert_eq!(api.action("one"), Some(leakgate::model::rule::Action::Block));
    let analyst = Browser::of(&api, "analyst").await;
    assert_eq!(send_report(&api, &analyst, &token("two"), &[]).await.status, 403);
    assert_ne!(api.get("/leaks").await.expect(200)["items"], Value::Null);
}
