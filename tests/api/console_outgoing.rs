//! Webhooks, dead letters and notifications, in the console.

use leakgate::model::event::EventAction;
use serde_json::json;

use super::console::Browser;
use crate::support::receiver::Receiver;
use crate::support::{Api, id};

const HOSTILE: &str = "\"><script>alert(1)</script>";

/// The ids that stand between these two parts of an address, in the order of the page.
fn ids<'a>(page: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let parts = page.split(before).skip(1).filter_map(|part| part.split_once(after));
    parts.map(|(id, _)| id).filter(|id| id.len() == 36).collect()
}

#[tokio::test]
async fn webhooks_are_made_changed_and_removed() {
    let api = Api::new().await;
    let receiver = Receiver::start().await;
    let browser = Browser::of(&api, "administrator").await;
    assert!(browser.page("/webhooks").await.contains("There is none yet"));
    let url = receiver.url("/in?key=guessed");
    let fields = [
        ("name", HOSTILE),
        ("kind", "webhook"),
        ("url", url.as_str()),
        ("feeds", "events"),
        ("feeds", "audit"),
        ("format", "ecs"),
    ];
    let made = browser.post("/webhooks", &fields).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let secret = made.text.split("whsec_").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let page = browser.page("/webhooks").await;
    assert!(!page.contains("whsec_") && !page.contains("guessed"), "shown once: {page}");
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
    assert!(page.contains("Uses of leaked tokens, Audit log") && page.contains("Nothing sent yet"));
    assert!(page.contains(&format!("http://{}", receiver.address)));
    let id = ids(&page, "/webhooks/", "\"")[0].to_owned();
    let path = format!("/webhooks/{id}");
    let page = browser.page(&path).await;
    assert!(page.contains("Elastic") && !page.contains("<script>") && !page.contains("guessed"));

    let rotated = browser.post(&path, &[("what", "secret")]).await;
    assert!(rotated.text.contains("whsec_") && !rotated.text.contains(&secret));
    let fields = [("what", "change"), ("name", "siem"), ("feeds", "events"), ("format", "native")];
    assert_eq!(browser.post(&path, &fields).await.status, 303);
    let shown = api.get(&path).await.expect(200);
    assert_eq!((&shown["name"], &shown["enabled"]), (&json!("siem"), &json!(false)));
    assert_eq!(shown["feeds"], json!(["events"]));
    assert!(browser.page("/webhooks").await.contains(">Off<"));
    for wrong in [
        vec![("what", "change"), ("name", "siem")],
        vec![("what", "remove")],
        vec![("what", "change"), ("name", ""), ("feeds", "everything")],
    ] {
        assert_eq!(browser.post(&path, &wrong).await.status, 422, "{wrong:?}");
    }
    for wrong in [
        vec![("name", "x"), ("kind", "pigeon"), ("url", &url)],
        vec![("name", "x"), ("kind", "slack")],
        vec![("name", "x"), ("kind", "pagerduty")],
        vec![("name", "x"), ("kind", "webhook"), ("url", "javascript:alert(1)")],
    ] {
        assert_eq!(browser.post("/webhooks", &wrong).await.status, 422, "{wrong:?}");
    }
    // One without a key of signatures, which gets what people are to look at.
    let fields = [("name", "chat"), ("kind", "slack"), ("url", &url), ("format", "native")];
    let chat = browser.post("/webhooks", &fields).await;
    assert_eq!(chat.headers["location"], "/webhooks?done=added");
    let listed = api.get("/webhooks").await.expect(200);
    assert_eq!(listed["items"][1]["feeds"], json!(["notifications"]));

    // Whoever may not is refused, and another tenant's is not there.
    let analyst = Browser::of(&api, "global_analyst").await;
    assert!(!analyst.page("/leaks").await.contains("/webhooks"));
    for path in ["/webhooks", &path] {
        assert_eq!(analyst.get(path).await.status, 403, "{path}");
    }
    assert_eq!(analyst.post("/webhooks", &fields).await.status, 403);
    for what in ["change", "secret", "remove"] {
        let fields = [("what", what), ("sure", "on"), ("name", "x"), ("feeds", "events")];
        assert_eq!(analyst.post(&path, &fields).await.status, 403, "{what}");
    }
    api.tenant("acme").await;
    let body =
        json!({"name": "eve", "role": "administrator", "password": crate::support::PASSWORD});
    api.post("/users?tenant=acme", body).await.expect(201);
    let eve = Browser::signed_in(&api, "eve").await;
    assert!(eve.page("/webhooks").await.contains("There is none yet"));
    assert_eq!(eve.get(&path).await.status, 404);
    assert_eq!(eve.post(&path, &[("what", "remove"), ("sure", "on")]).await.status, 404);

    let gone = browser.post(&path, &[("what", "remove"), ("sure", "on")]).await;
    assert_eq!(gone.headers["location"], "/webhooks?done=removed");
    assert_eq!(browser.get(&path).await.status, 404);
}

#[tokio::test]
async fn what_was_not_taken_is_shown_delivered_again_and_forgotten() {
    let api = Api::new().await;
    let mut receiver = Receiver::start().await;
    receiver.answer(&[500; 6]);
    let control = api.control.clone();
    let running = tokio::spawn(async move { control.run().await });
    let body = json!({"name": "siem", "url": receiver.url("/in"), "feeds": ["events"]});
    api.post("/webhooks", body).await.expect(201);
    let leak = api.leak("a leak", &["one"]).await;
    let browser = Browser::of(&api, "administrator").await;
    let letters = async |count: usize| loop {
        let page = browser.page("/webhooks").await;
        let found = ids(&page, "/dead-letters/", "/redeliver");
        if found.len() == count {
            let found: Vec<String> = found.into_iter().map(str::to_owned).collect();
            return (page, found);
        }
        tokio::task::yield_now().await;
    };
    api.used(&leak, EventAction::Blocked, "192.0.2.1").await;
    for _ in 0..3 {
        receiver.next().await;
    }
    let (page, found) = letters(1).await;
    assert!(page.contains("500") && page.contains("href=\"#letters\">1<"), "{page}");
    let first = found[0].clone();
    api.used(&leak, EventAction::Blocked, "192.0.2.2").await;
    for _ in 0..3 {
        receiver.next().await;
    }
    let (_, found) = letters(2).await;
    assert_eq!(found[1], first, "newest first");

    let analyst = Browser::of(&api, "analyst").await;
    for what in ["redeliver", "discard"] {
        assert_eq!(analyst.post(&format!("/dead-letters/{first}/{what}"), &[]).await.status, 403);
    }
    receiver.answer(&[500]);
    let again = format!("/dead-letters/{first}/redeliver");
    assert_eq!(browser.post(&again, &[]).await.status, 502);
    receiver.next().await;
    assert_eq!(browser.post(&again, &[]).await.headers["location"], "/webhooks?done=redelivered");
    receiver.next().await;
    let discard = format!("/dead-letters/{}/discard", found[0]);
    assert_eq!(browser.post(&discard, &[]).await.headers["location"], "/webhooks?done=forgotten");
    assert_eq!(browser.post(&discard, &[]).await.status, 404);
    let (page, _) = letters(0).await;
    assert!(page.contains("everything was delivered"), "{page}");
    // What comes next is taken, and the page says so.
    api.used(&leak, EventAction::Blocked, "192.0.2.3").await;
    receiver.next().await;
    while !browser.page("/webhooks").await.contains("tag good\">Delivered<") {
        tokio::task::yield_now().await;
    }
    api.control.stop();
    running.await.unwrap();
}

#[tokio::test]
async fn notifications_are_filtered_by_what_they_are_about() {
    let api = Api::new().await;
    let control = api.control.clone();
    let running = tokio::spawn(async move { control.run().await });
    let browser = Browser::of(&api, "analyst").await;
    assert!(browser.page("/notifications").await.contains("appears here"));
    let body =
        json!({"title": HOSTILE, "risk": "critical", "tokens": [crate::support::token("a")]});
    let leak = api.post("/leaks", body).await.expect(201);
    api.used(&leak, EventAction::Observed, "203.0.113.7").await;
    let page = loop {
        let page = browser.page("/notifications").await;
        if page.contains("data-kind=\"first_use\"") && page.contains("data-kind=\"new_leak\"") {
            break page;
        }
        tokio::task::yield_now().await;
    };
    assert!(page.contains(&format!("href=\"/leaks/{}\"", id(&leak))), "{page}");
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
    assert!(page.contains("href=\"/notifications?kind=first_use\""));
    let first = browser.page("/notifications?kind=first_use").await;
    assert!(first.contains("data-kind=\"first_use\"") && !first.contains("data-kind=\"new_leak\""));
    assert!(first.contains("href=\"/notifications?kind=first_use,new_leak\""), "{first}");
    let both = browser.page("/notifications?kind=new_leak,first_use").await;
    assert_eq!(both.matches("data-kind=").count(), 2, "{both}");
    let none = browser.page("/notifications?kind=gateway_behind").await;
    assert!(none.contains("none of this kind"));
    let unknown = browser.page("/notifications?kind=%22%3E%3Cscript%3E").await;
    assert!(unknown.contains("data-kind=\"first_use\""), "what is not known does not narrow");

    // The API has the same filter, and its pages are bound to it.
    let page = api.get("/notifications?kind=new_leak,first_use&limit=1").await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = format!("/notifications?kind=new_leak,first_use&limit=1&cursor={cursor}");
    assert_eq!(api.get(&next).await.expect(200)["items"].as_array().unwrap().len(), 1);
    let other = format!("/notifications?kind=new_leak&cursor={cursor}");
    api.get(&other).await.problem(422, "invalid-value");
    api.get("/notifications?kind=rumour").await.problem(422, "invalid-value");
    api.control.stop();
    running.await.unwrap();
}
