//! Decisions that take two persons, in the console.

use leakgate::model::rule::Action;
use serde_json::{Value, json};

use super::console::Browser;
use crate::support::{Api, id};

/// What stands between two marks of a page.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    page.split(from).nth(1).unwrap_or_default().split(to).next().unwrap_or_default()
}

async fn turned_on(api: &Api) {
    api.call("PUT", "/four-eyes", json!({"on": true})).await.expect(200);
}

#[tokio::test]
async fn one_proposes_and_another_approves() {
    let api = Api::new().await;
    let leak = api.leak("a leak", &["one"]).await;
    let page = format!("/leaks/{}", id(&leak));
    let ada = Browser::of(&api, "administrator").await;
    let grace = Browser::of(&api, "global_administrator").await;
    let analyst = Browser::of(&api, "analyst").await;
    assert!(!ada.page(&page).await.contains("break_glass"), "one person is enough");
    assert!(!ada.page("/leaks").await.contains("break_glass"));
    assert!(ada.page("/proposals").await.contains("one person decides"));
    assert_eq!(ada.post("/four-eyes", &[("on", "yes"), ("comment", "agreed")]).await.status, 303);
    assert!(ada.page("/proposals").await.contains("two persons decide"));
    assert!(grace.page("/tenants").await.contains("two persons"));
    assert!(ada.page("/leaks").await.contains("break_glass"), "many at once, too");

    let asked = ada.post(&format!("{page}/patch"), &[("mode", "block"), ("comment", "used")]).await;
    let done = asked.headers["location"].to_str().unwrap().to_owned();
    assert!(ada.page(&done).await.contains("takes two persons"));
    assert_eq!(api.action("one"), Some(Action::Observe));
    // Whoever asked sees that another one has to approve it, and may take it back.
    for path in [page.as_str(), "/proposals"] {
        let own = ada.page(path).await;
        assert!(own.contains("You asked for it yourself") && own.contains("Take back"), "{path}");
        assert!(!own.contains(">Approve<") && own.contains("“used”"), "{path}: {own}");
        assert_eq!(between(&own, "class=\"badge\">", "<"), "1", "{path}");
        let others = grace.page(path).await;
        assert!(others.contains(">Approve<") && others.contains(">Reject<"), "{path}");
        assert!(others.contains("administrator-user") && others.contains("Apply virtual patch"));
        let looking = analyst.page(path).await;
        assert!(looking.contains("Administrators answer it") && !looking.contains(">Approve<"));
    }
    let listed = api.get("/proposals").await.expect(200);
    assert!(listed["items"][0].get("person").is_none(), "{listed}");
    let proposal = format!("/proposals/{}", id(&listed["items"][0]));
    for verdict in ["approve", "reject"] {
        assert_eq!(analyst.post(&format!("{proposal}/{verdict}"), &[]).await.status, 403);
    }
    let same = ada.post(&format!("{proposal}/approve"), &[]).await;
    assert_eq!(same.status, 409);
    assert!(same.text.contains("another person"), "{}", same.text);
    assert_eq!(grace.post(&format!("{proposal}/delete"), &[]).await.status, 404);
    let fields = [("comment", "yes"), ("leak", id(&leak))];
    let approved = grace.post(&format!("{proposal}/approve"), &fields).await;
    assert_eq!(approved.headers["location"], format!("{page}?done=approved").as_str());
    assert_eq!(api.action("one"), Some(Action::Block));
    let page_now = grace.page(&page).await;
    assert!(!page_now.contains("id=\"waiting\"") && !page_now.contains("class=\"badge\""));
    assert_eq!(grace.post(&format!("{proposal}/reject"), &[]).await.status, 409, "it is settled");

    // What ends a block waits as well; one's own is taken back.
    ada.post(&format!("{page}/unpatch"), &[]).await;
    let listed = api.get("/proposals").await.expect(200);
    let reject = format!("/proposals/{}/reject", id(&listed["items"][0]));
    let back = ada.post(&reject, &[]).await;
    assert_eq!(back.headers["location"], "/proposals?done=rejected");
    assert!(ada.page("/proposals").await.contains("Nobody waits for an approval"));
    assert_eq!(api.action("one"), Some(Action::Block));

    // To be one again takes two.
    let off = ada.post("/four-eyes?tenant=default", &[("on", "no")]).await;
    assert!(off.headers["location"].to_str().unwrap().ends_with("done=proposed"));
    assert!(grace.page("/proposals").await.contains("Four eyes off"));
    assert_eq!(ada.post("/four-eyes", &[("on", "perhaps")]).await.status, 422);
    assert_eq!(analyst.post("/four-eyes", &[("on", "yes")]).await.status, 403);
}

#[tokio::test]
async fn haste_is_looked_at_afterwards() {
    let api = Api::new().await;
    let leak = api.leak("a leak", &["one"]).await;
    let page = format!("/leaks/{}", id(&leak));
    turned_on(&api).await;
    let ada = Browser::of(&api, "administrator").await;
    let grace = Browser::of(&api, "global_administrator").await;
    assert!(ada.page(&page).await.contains("It cannot wait?"));
    let fields = [("mode", "block"), ("break_glass", "they drain it")];
    let done = ada.post(&format!("{page}/patch"), &fields).await;
    assert!(done.headers["location"].to_str().unwrap().ends_with("done=patched"));
    assert_eq!(api.action("one"), Some(Action::Block));
    assert!(ada.page(&page).await.contains("You did it yourself"));
    let theirs = grace.page("/proposals").await;
    assert!(theirs.contains("“they drain it”") && theirs.contains("Acknowledge"), "{theirs}");
    let reviews = api.get("/reviews").await.expect(200);
    let acknowledge = format!("/reviews/{}/acknowledge", id(&reviews["items"][0]));
    assert_eq!(ada.post(&acknowledge, &[]).await.status, 409);
    assert_eq!(grace.post(&acknowledge, &[("comment", "right")]).await.status, 303);
    assert_eq!(api.get("/reviews").await.expect(200)["items"], json!([]));
    // Other decisions in haste, and many at once.
    let fields = [("break_glass", "it blocks all"), ("resolution", "rotated")];
    assert_eq!(ada.post(&format!("{page}/close"), &fields).await.status, 303);
    assert_eq!(api.action("one"), Some(Action::Observe));
    let other = api.leak("another", &["two"]).await;
    let fields = [("decision", "block"), ("id", id(&other)), ("break_glass", "now")];
    assert_eq!(ada.post("/leaks/decide", &fields).await.status, 303);
    assert_eq!(api.action("two"), Some(Action::Block));
}

#[tokio::test]
async fn many_decisions_ask_another_person_each() {
    let api = Api::new().await;
    let [first, second] = [api.leak("first", &["one"]).await, api.leak("second", &["two"]).await];
    turned_on(&api).await;
    let ada = Browser::of(&api, "administrator").await;
    let fields = [("decision", "block"), ("id", id(&first)), ("id", id(&second))];
    let answer = ada.post("/leaks/decide", &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.text.matches("Another person is asked").count(), 2, "{}", answer.text);
    assert!(answer.text.contains("made for 0 of 2") && answer.text.contains("for 2 leaks"));
    assert!(!answer.text.contains("Not made"));
    assert_eq!(
        (api.action("one"), api.action("two")),
        (Some(Action::Observe), Some(Action::Observe))
    );
    // One that takes one person is made.
    let fields = [("decision", "monitoring"), ("id", id(&first)), ("id", id(&second))];
    assert!(ada.post("/leaks/decide", &fields).await.text.contains("made for 2 of 2"));
}

/// A tenant's proposals are its own, and what is said in them is inert.
#[tokio::test]
async fn another_tenants_proposals_are_not_there() {
    let api = Api::new().await;
    api.tenant("acme").await;
    turned_on(&api).await;
    let hostile = "\"><script>alert(1)</script>";
    let leak = api.leak(hostile, &["one"]).await;
    let patch = format!("/leaks/{}/virtual-patch", id(&leak));
    let proposal = api.post(&patch, json!({"comment": hostile})).await.expect(202);
    let body =
        json!({"name": "eve", "role": "administrator", "password": crate::support::PASSWORD});
    api.post("/users?tenant=acme", body).await.expect(201);
    let eve = Browser::signed_in(&api, "eve").await;
    let page = eve.page("/proposals").await;
    assert!(page.contains("Nobody waits") && !page.contains("class=\"badge\""), "{page}");
    let approve = format!("/proposals/{}/approve", id(&proposal));
    assert_eq!(eve.post(&approve, &[]).await.status, 404);
    assert_eq!(eve.get("/proposals?tenant=default").await.status, 404);
    let grace = Browser::of(&api, "administrator").await;
    for path in ["/proposals", &format!("/leaks/{}", id(&leak))] {
        let page = grace.page(path).await;
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{path}");
    }
    let none = api.call("GET", "/proposals?tenant=acme", Value::Null).await.expect(200);
    assert_eq!(none["items"], json!([]));
}
