//! Pages beside the main job: how large they are, groups and details of events, many decisions at
//! once, one's own account, the audit log.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use leakgate::model::event::EventAction;
use leakgate::model::ids::EventId;
use leakgate::model::rule::Action;
use serde_json::json;

use super::console::Browser;
use crate::support::{Api, PASSWORD, event, id, token};

/// Bytes of a page, and of all assets when compressed.
const PAGE: usize = 100 * 1024;
const ASSETS: usize = 60 * 1024;

#[tokio::test]
async fn pages_and_assets_stay_small() {
    let api = Api::new().await;
    let mut leaks = Vec::new();
    let risks = ["critical", "high", "medium", "low", "info"];
    let kinds = [
        "github",
        "gitlab",
        "gist",
        "pastebin",
        "postman",
        "package",
        "container",
        "website",
        "manual",
        "other",
    ];
    for number in 0..60 {
        let body = json!({
            "title": format!("{number} {}", "A title as long as people write them in a hurry. ".repeat(3)),
            "tokens": [token(&format!("{number} a")), token(&format!("{number} b")), token(&format!("{number} c"))],
            "risk": risks[number % 5],
            "source": {"kind": kinds[number % 10],
                "url": format!("https://code.example/organisation/repository-{number}/blob/main/src/settings.rs"),
                "path": "src/configuration/production/settings.rs", "line": 117},
            "comment": "A comment. ".repeat(40),
        });
        leaks.push(api.post("/leaks", body).await.expect(201));
    }
    let now = Timestamp::now();
    let mut events = Vec::new();
    for day in 0..90 {
        for (number, leak) in leaks.iter().enumerate().take(3) {
            let action =
                [EventAction::Blocked, EventAction::Monitored, EventAction::Observed][number];
            let mut used = event(leak, action, &format!("203.0.113.{day}"));
            used.id = EventId::new();
            used.at = now - SignedDuration::from_hours(24 * day);
            used.count = 12_345;
            used.user_agent = Some("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".repeat(3));
            used.path = format!(
                "/api/v1/organisations/acme/projects?page={day}&{}",
                "filter=x&".repeat(20)
            );
            events.push(used);
        }
    }
    for hour in 0..24 {
        for leak in &leaks {
            let mut used = event(leak, EventAction::Observed, "203.0.113.7");
            used.id = EventId::new();
            used.at = now - SignedDuration::from_hours(hour);
            events.push(used);
        }
    }
    api.store.append_events(&events).await.unwrap();
    api.call("PUT", "/four-eyes", json!({"on": true})).await.expect(200);
    for (number, leak) in leaks.iter().enumerate().take(50) {
        let patch = format!("/leaks/{}/virtual-patch", id(leak));
        let said = "As long as people write. ".repeat(100);
        let haste = (number % 2 == 1).then_some("It cannot wait. ".repeat(15));
        let asked = json!({"comment": said, "break_glass": haste, "mode": "block"});
        assert!(api.post(&patch, asked).await.status.is_success());
    }
    for number in 0..20 {
        let body = json!({"name": format!("{number} {}", "N".repeat(250)), "url": "http://127.0.0.1:9/in"});
        api.post("/webhooks", body).await.expect(201);
    }
    let browser = Browser::of(&api, "global_administrator").await;
    let leak = format!("/leaks/{}", id(&leaks[0]));
    let one = format!("/events/{}", events[0].id);
    for path in [
        "/leaks",
        "/leaks?status=all&sort=title",
        &leak,
        "/events",
        "/events?by=client",
        &one,
        "/audit",
        "/gateways",
        "/users",
        "/api-tokens",
        "/tenants",
        "/account",
        "/sources",
        "/leaks/new",
        "/proposals",
        "/notifications",
        "/webhooks",
    ] {
        let size = browser.page(path).await.len();
        assert!(size < PAGE, "{path}: {size} bytes");
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    for path in ["/assets/console.css", "/assets/console.js", "/assets/icon.svg"] {
        packed.write_all(&api.asset(path).await).unwrap();
    }
    let size = packed.finish().unwrap().len();
    assert!(size < ASSETS, "{size} bytes");
}

#[tokio::test]
async fn the_most_urgent_leak_is_the_worst_that_is_used() {
    let api = Api::new().await;
    let register = async |title: &str, risk: &str| {
        let body = json!({"title": title, "risk": risk, "tokens": [token(title)]});
        api.post("/leaks", body).await.expect(201)
    };
    let browser = Browser::of(&api, "analyst").await;
    assert!(!browser.page("/leaks").await.contains("Most urgent"), "there is none");
    register("critical and unused", "critical").await;
    let high = register("high and used", "high").await;
    let low = register("low and used", "low").await;
    let urgent = async || {
        let page = browser.page("/leaks").await;
        let panel = page.split("id=\"urgent\"").nth(1).expect("a panel");
        panel.split("</section>").next().unwrap().to_owned()
    };
    let panel = urgent().await;
    assert!(
        panel.contains("critical and unused") && panel.contains("Nobody, as far as"),
        "{panel}"
    );
    for (leak, client) in [(&low, "203.0.113.1"), (&low, "203.0.113.1"), (&high, "203.0.113.2")] {
        api.used(leak, EventAction::Observed, client).await;
    }
    let panel = urgent().await;
    assert!(panel.contains("high and used") && panel.contains("203.0.113.2"), "{panel}");
    assert!(panel.contains("nothing stops it yet"), "{panel}");
    // Once it blocks, the next one is.
    let path = format!("/leaks/{}/virtual-patch", id(&high));
    api.post(&path, json!({"mode": "block"})).await.expect(200);
    assert!(urgent().await.contains("critical and unused"));
    // A patch that only monitors lets its token pass.
    api.post(&path, json!({"mode": "monitoring"})).await.expect(200);
    assert!(urgent().await.contains("its patch only monitors"));
    assert!(
        !browser.page("/leaks?risk=low").await.contains("Most urgent"),
        "only on the first page"
    );
}

#[tokio::test]
async fn many_leaks_get_one_decision_and_an_answer_each() {
    let api = Api::new().await;
    let [first, second] = [api.leak("first", &["one"]).await, api.leak("second", &["two"]).await];
    let weak =
        api.post("/leaks", json!({"title": "weak", "tokens": ["password"]})).await.expect(201);
    let browser = Browser::of(&api, "administrator").await;
    let fields = [
        ("decision", "block"),
        ("id", id(&first)),
        ("id", id(&weak)),
        ("id", id(&second)),
        ("comment", "all of them"),
    ];
    let answer = browser.post("/leaks/decide", &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(
        answer.text.contains("made for 2 of 3") && answer.text.contains("Not made"),
        "{}",
        answer.text
    );
    assert_eq!((api.action("one"), api.action("two")), (Some(Action::Block), Some(Action::Block)));
    let fields = [("decision", "close"), ("resolution", "rotated"), ("id", id(&first))];
    assert_eq!(browser.post("/leaks/decide", &fields).await.status, 303);
    for wrong in [
        vec![("decision", "block")],
        vec![("id", id(&first))],
        vec![("decision", "delete"), ("id", id(&first))],
    ] {
        assert_eq!(browser.post("/leaks/decide", &wrong).await.status, 422, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_client_is_spared_while_all_others_are_blocked_at_once() {
    let api = Api::new().await;
    let leak = api.leak("a leak", &["one"]).await;
    api.used(&leak, EventAction::Observed, "203.0.113.8").await;
    let browser = Browser::of(&api, "administrator").await;
    let path = format!("/leaks/{}", id(&leak));
    assert!(browser.page(&path).await.contains("Block, spare 1 h"));
    assert_eq!(
        browser.post(&format!("{path}/spare"), &[("except", "203.0.113.8")]).await.status,
        303
    );
    let shown = api.get(&path).await.expect(200);
    assert_eq!(shown["virtual_patch"]["mode"], "block");
    let spared = &shown["virtual_patch"]["scope"]["except_clients"][0];
    assert!(spared["client"] == "203.0.113.8" && spared["until"].is_string(), "{spared}");
}

#[tokio::test]
async fn events_are_filtered_grouped_and_shown_one_by_one() {
    let api = Api::new().await;
    let leak = api.leak("a leak", &["one"]).await;
    let mut of = Vec::new();
    for (client, host, path, action) in [
        ("203.0.113.1", "a.example", "/v1/x", EventAction::Blocked),
        ("203.0.113.1", "b.example", "/v1/y", EventAction::Observed),
        ("203.0.113.2", "a.example", "/v2/%_", EventAction::Observed),
    ] {
        let mut used = event(&leak, action, client);
        (used.host, used.path) = (host.to_owned(), path.to_owned());
        used.encodings = vec!["percent".to_owned()];
        of.push(used);
    }
    api.store.append_events(&of).await.unwrap();
    let browser = Browser::of(&api, "analyst").await;
    let groups = api.get("/events/groups?by=client").await.expect(200);
    let counts: Vec<_> = groups["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (group["name"].as_str().unwrap(), group["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(counts, [("203.0.113.1", 2), ("203.0.113.2", 1)]);
    assert_eq!(groups["items"][0]["blocked"], 1);
    let tokens = api.get("/events/groups").await.expect(200);
    assert_eq!(tokens["items"][0]["count"], 3);
    assert!(tokens["items"][0]["token"].is_string());
    let page = browser.page("/events?by=host&action=observed").await;
    assert!(page.contains("href=\"/events?action=observed&amp;host=a%2Eexample\""), "{page}");
    assert!(page.contains("Uses since "), "{page}");

    for (filter, found) in
        [("path=/v1/", 2), ("path=/v2/%25_", 1), ("path=/v%25", 0), ("path=/v1/&host=a.example", 1)]
    {
        let events = api.get(&format!("/events?{filter}")).await.expect(200);
        assert_eq!(events["items"].as_array().unwrap().len(), found, "{filter}");
    }
    let page = browser.page("/events?path=%2Fv1&from=2020-01-01T00:00").await;
    assert_eq!(page.matches("data-event=").count(), 2, "a browser's time is UTC");
    assert!(
        page.contains("Export CSV")
            && page.contains("path=%2Fv1&amp;from=2020%2D01%2D01T00%3A00%3A00Z")
    );

    let page = browser.page(&format!("/events/{}", of[2].id)).await;
    for said in ["/v2/%_", "undo percent", "a leak", "203.0.113.2"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert_eq!(browser.get(&format!("/events/{}", EventId::new())).await.status, 404);
    api.get("/events?by=client").await.problem(422, "invalid-value");
    api.get("/events/groups?by=weekday").await.problem(422, "invalid-value");
}

#[tokio::test]
async fn the_list_is_sorted_by_its_head() {
    let api = Api::new().await;
    for (title, kind) in [("from a gist", "gist"), ("from GitHub", "github"), ("told", "manual")] {
        let body = json!({"title": title, "tokens": [token(title)], "source": {"kind": kind}});
        let leak = api.post("/leaks", body).await.expect(201);
        if kind == "github" {
            api.block(&leak).await;
        }
    }
    let browser = Browser::of(&api, "analyst").await;
    let rows = async |sort: &str| {
        let page = browser.page(&format!("/leaks?status=all&sort={sort}")).await;
        let body = page.split("<tbody>").last().unwrap().split("</tbody>").next().unwrap();
        let titles = body.split("<bdi>").skip(1).map(|part| part.split('<').next().unwrap());
        (
            titles
                .filter(|title| title.contains(' ') || *title == "told")
                .map(str::to_owned)
                .collect::<Vec<_>>(),
            page,
        )
    };
    let (titles, page) = rows("source").await;
    assert_eq!(titles, ["from GitHub", "from a gist", "told"]);
    let head = "aria-sort=\"ascending\"><a href=\"/leaks?status=all&amp;sort=%2Dsource\">Source";
    assert!(page.contains(head), "{page}");
    assert_eq!(page.matches("aria-sort=").count(), 1);
    let (titles, page) = rows("-source").await;
    assert_eq!(titles, ["told", "from a gist", "from GitHub"]);
    assert!(
        page.contains(
            "aria-sort=\"descending\"><a href=\"/leaks?status=all&amp;sort=source\">Source"
        )
    );
    assert_eq!(rows("remediation").await.0[2], "from GitHub", "what has no patch comes first");
    assert_eq!(rows("-remediation").await.0[0], "from GitHub");
    for by in ["status", "risk", "title", "source", "remediation", "created%5Fat"] {
        assert!(page.contains(&format!("sort={by}\"")), "{by}: {page}");
    }
    // Uses of 24 hours are of another database, and in no order that pages could follow.
    assert!(page.contains("<th class=\"number\" scope=\"col\">Uses, 24 h</th>"), "{page}");
}

#[tokio::test]
async fn tenants_are_renamed_and_removed() {
    let api = Api::new().await;
    api.tenant("acme").await;
    let browser = Browser::of(&api, "global_administrator").await;
    let page = browser.page("/tenants").await;
    assert!(page.contains("action=\"/tenants/acme\""), "{page}");
    assert_eq!(page.matches("value=\"remove\"").count(), 1, "the default tenant stays: {page}");
    let renamed =
        browser.post("/tenants/acme", &[("what", "change"), ("title", "<b>Acme</b>")]).await;
    assert_eq!(renamed.status, 303, "{}", renamed.text);
    let page = browser.page("/tenants").await;
    assert!(page.contains("&lt;b&gt;Acme&lt;/b&gt;") && !page.contains("<b>"), "{page}");
    assert_eq!(browser.post("/tenants/acme", &[("what", "change")]).await.status, 422);
    assert_eq!(browser.post("/tenants/default", &[("what", "remove")]).await.status, 409);
    assert_eq!(browser.post("/tenants/none", &[("what", "remove")]).await.status, 404);
    let analyst = Browser::of(&api, "global_analyst").await;
    let administrator = Browser::of(&api, "administrator").await;
    for other in [&analyst, &administrator] {
        assert!(!other.page("/tenants").await.contains("action=\"/tenants"));
        assert_eq!(other.post("/tenants/acme", &[("what", "remove")]).await.status, 403);
        assert_eq!(other.post("/tenants/acme", &[("title", "x")]).await.status, 403);
    }
    let gone = browser.post("/tenants/acme", &[("what", "remove")]).await;
    assert_eq!(gone.headers["location"], "/tenants?done=removed");
    assert!(!browser.page("/tenants").await.contains("Acme"));
}

#[tokio::test]
async fn users_change_their_own_password() {
    let api = Api::new().await;
    let browser = Browser::of(&api, "analyst").await;
    assert!(browser.page("/account").await.contains("This one"));
    let wrong = [("current", "not the password"), ("new", "another long password")];
    let answer = browser.post("/account/password", &wrong).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("not your password"), "{}", answer.text);
    assert!(!answer.text.contains("another long password"));
    let short = [("current", PASSWORD), ("new", "short")];
    assert_eq!(browser.post("/account/password", &short).await.status, 422);
    let right = [("current", PASSWORD), ("new", "another long password")];
    let answer = browser.post("/account/password", &right).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert!(answer.headers["set-cookie"].to_str().unwrap().contains("HttpOnly; SameSite=Strict"));
    assert_eq!(browser.get("/account").await.status, 303, "the session before is over");
    let sign_in = json!({"name": "analyst-user", "password": "another long password"});
    assert_eq!(api.call_as("", "POST", "/session", sign_in).await.status, 200);
    let sign_in = json!({"name": "analyst-user", "password": PASSWORD});
    assert_eq!(api.call_as("", "POST", "/session", sign_in).await.status, 401);
}

#[tokio::test]
async fn the_audit_log_is_filtered() {
    let api = Api::new().await;
    let leak = api.leak("a leak", &["one"]).await;
    api.post(&format!("/leaks/{}/close", id(&leak)), json!({})).await.expect(200);
    let browser = Browser::of(&api, "global_analyst").await;
    let page = browser.page("/audit?action=close").await;
    assert!(page.contains(">Close<") && !page.contains(">Register<"), "{page}");
    let page = browser.page(&format!("/audit?object={}", id(&leak))).await;
    assert!(
        page.contains(">Close<") && page.contains(">Register<") && !page.contains(">Add user<")
    );
    assert!(browser.page("/audit?actor=nobody").await.contains("Nothing fits this filter"));
    let all = api.get("/audit?limit=1").await.expect(200);
    let next = format!("/audit?action=close&cursor={}", all["next_cursor"].as_str().unwrap());
    assert_eq!(api.get(&next).await.status, 422, "a cursor belongs to its filter");
    let none = api.get("/audit?to=2020-01-01T00:00:00Z").await.expect(200);
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn an_empty_console_says_what_to_do_next() {
    let api = Api::new().await;
    let browser = Browser::of(&api, "administrator").await;
    let page = browser.page("/leaks").await;
    assert!(page.contains("Add the first leak") && page.contains("Import a scanner"), "{page}");
    assert!(browser.page("/events").await.contains("appear here within a second"));
    assert!(browser.page("/sources").await.contains("None is configured"));
    let leak = api.leak("a leak", &["one"]).await;
    assert!(
        browser.page(&format!("/leaks/{}", id(&leak))).await.contains("No client has been seen")
    );
    assert!(browser.page("/leaks?q=nothing").await.contains("Clear all filters"));
    api.post(&format!("/leaks/{}/close", id(&leak)), json!({})).await.expect(200);
    assert!(browser.page("/leaks").await.contains("No leak is open"));
}

#[tokio::test]
async fn a_leak_of_many_clients_shows_all_when_asked() {
    let api = Api::new().await;
    let leak = api.leak("used by many", &["one"]).await;
    for client in 1..=25 {
        api.used(&leak, EventAction::Observed, &format!("203.0.113.{client:03}")).await;
    }
    let browser = Browser::of(&api, "administrator").await;
    let path = format!("/leaks/{}", id(&leak));
    let spares = |page: &str| page.matches("hidden\" name=\"except\"").count();
    let page = browser.page(&path).await;
    assert!(page.contains("Show 5 more"), "{page}");
    assert_eq!(spares(&page), 20);
    let page = browser.page(&format!("{path}?clients=all")).await;
    assert!(!page.contains("more</a>"), "{page}");
    assert_eq!(spares(&page), 25);
}
