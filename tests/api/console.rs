//! The console's pages, as a browser without JavaScript gets them.

use axum::body::Body;
use http::{Method, Request, header};
use leakgate::model::event::EventAction;
use serde_json::json;

use crate::support::{Answer, Api, PASSWORD, id, token};

/// A browser that is signed in.
pub struct Browser<'a> {
    pub api: &'a Api,
    pub cookie: String,
    pub csrf: String,
}

fn form(pairs: &[(&str, &str)]) -> String {
    let encoded =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

async fn send(api: &Api, method: Method, path: &str, cookie: &str, body: String) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "console.example")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap();
    api.send(request).await
}

impl<'a> Browser<'a> {
    /// Signs a new user of this role in, by the form.
    pub async fn of(api: &'a Api, role: &str) -> Self {
        let name = format!("{}-user", role.replace('_', "-"));
        api.user(&name, role).await;
        Self::signed_in(api, &name).await
    }

    /// Signs a user in, by the form.
    pub async fn signed_in(api: &'a Api, name: &str) -> Self {
        let body = form(&[("name", name), ("password", PASSWORD), ("to", "/leaks?risk=high")]);
        let answer = send(api, Method::POST, "/sign-in", "", body).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        assert_eq!(answer.headers[header::LOCATION], "/leaks?risk=high");
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page = send(api, Method::GET, "/account", &cookie, String::new()).await;
        let csrf = page.text.split("name=\"csrf\" value=\"").nth(1).unwrap();
        let csrf = csrf.split('"').next().unwrap().to_owned();
        Self { api, cookie, csrf }
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.api, Method::GET, path, &self.cookie, String::new()).await
    }

    /// Enters a leak, looks at the review, and registers it; gives where that leads.
    async fn register(&self, fields: &[(&str, &str)]) -> String {
        let entered = self.post("/leaks/new", fields).await;
        assert_eq!(entered.status, 303, "{}", entered.text);
        let draft = entered.headers[header::LOCATION].to_str().unwrap().to_owned();
        assert!(self.page(&draft).await.contains("nothing is registered yet"));
        let done = self.post(&format!("{draft}/register"), &[]).await;
        assert_eq!(done.status, 303, "{}", done.text);
        done.headers[header::LOCATION].to_str().unwrap().to_owned()
    }

    pub async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.text
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        fields.push(("csrf", &self.csrf));
        send(self.api, Method::POST, path, &self.cookie, form(&fields)).await
    }
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_asked_to() {
    let api = Api::new().await;
    let answer = send(&api, Method::GET, "/leaks?risk=high", "", String::new()).await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.headers[header::LOCATION], "/sign-in?to=%2Fleaks%3Frisk%3Dhigh");
    let over = send(&api, Method::GET, "/leaks", "leakgate_session=gone", String::new()).await;
    assert_eq!(over.headers[header::LOCATION], "/sign-in?to=%2Fleaks&over=1");
    assert!(over.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));

    let page = send(&api, Method::GET, "/sign-in", "", String::new()).await;
    assert_eq!(page.status, 200);
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers[header::REFERRER_POLICY], "same-origin");
    assert_eq!(page.headers[header::X_FRAME_OPTIONS], "DENY");
    assert!(!page.text.contains("identity provider"), "none is configured");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_repeated() {
    let api = Api::new().await;
    let body = form(&[("name", "admin"), ("password", "a wrong password")]);
    let answer = send(&api, Method::POST, "/sign-in", "", body).await;
    assert_eq!(answer.status, 401);
    assert!(answer.text.contains("Name or password is wrong"), "{}", answer.text);
    assert!(!answer.text.contains("a wrong password"));
    assert!(answer.headers.get(header::SET_COOKIE).is_none());
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let api = Api::new().await;
    let browser = Browser::of(&api, "analyst").await;
    assert_eq!(browser.post("/sign-out", &[]).await.status, 303);
    assert_eq!(browser.get("/leaks").await.status, 303);
}

#[tokio::test]
async fn an_analyst_sees_all_and_decides_nothing() {
    let api = Api::new().await;
    let leak = api.leak("a leak", &["one"]).await;
    let path = format!("/leaks/{}", id(&leak));
    let analyst = Browser::of(&api, "analyst").await;
    let page = analyst.page(&path).await;
    assert!(page.contains("administrators decide") && page.contains("/comments\""));
    for button in ["/patch\"", "/close\"", "/mark-false\"", "/reopen\""] {
        assert!(!page.contains(button), "{button}");
    }
    let list = analyst.page("/leaks").await;
    assert!(list.contains("a leak") && !list.contains("Add leak") && !list.contains("/users"));
    for (path, fields) in [
        (format!("{path}/patch"), vec![("mode", "block")]),
        (format!("{path}/close"), vec![]),
        ("/leaks/new".to_owned(), vec![("title", "x"), ("tokens", "y")]),
        ("/gateways/bypass".to_owned(), vec![("turn", "on"), ("reason", "x")]),
        ("/users".to_owned(), vec![("name", "x"), ("role", "analyst"), ("password", PASSWORD)]),
        ("/api-tokens".to_owned(), vec![("name", "x"), ("role", "intake")]),
        ("/tenants".to_owned(), vec![("id", "x")]),
    ] {
        assert_eq!(analyst.post(&path, &fields).await.status, 403, "{path}");
    }
    for path in ["/users", "/api-tokens", "/audit"] {
        assert_eq!(analyst.get(path).await.status, 403, "{path}");
    }
    assert_eq!(api.action("one"), Some(leakgate::model::rule::Action::Observe));
    let said = analyst.post(&format!("{path}/comments"), &[("text", "I know this one")]).await;
    assert_eq!(said.status, 303);
    assert!(analyst.page(&path).await.contains("I know this one"));
}

#[tokio::test]
async fn nothing_is_done_without_the_sessions_token() {
    let api = Api::new().await;
    let leak = api.leak("a leak", &["one"]).await;
    let browser = Browser::of(&api, "administrator").await;
    let path = format!("/leaks/{}/patch", id(&leak));
    for fields in [form(&[("mode", "block")]), form(&[("mode", "block"), ("csrf", "guessed")])] {
        let answer = send(&api, Method::POST, &path, &browser.cookie, fields).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
    }
    let request = Request::post(&path)
        .header(header::COOKIE, &browser.cookie)
        .header("sec-fetch-site", "cross-site")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form(&[("mode", "block"), ("csrf", &browser.csrf)])))
        .unwrap();
    assert_eq!(api.send(request).await.status, 403);
    assert_eq!(api.action("one"), Some(leakgate::model::rule::Action::Observe));
}

#[tokio::test]
async fn a_leak_goes_through_its_life() {
    use leakgate::model::rule::Action;
    let api = Api::new().await;
    let browser = Browser::of(&api, "administrator").await;
    let tokens = format!("{}\r\n\r\n{}\r\n", token("one"), "password");
    let fields = [
        ("title", "Key in a gist"),
        ("risk", "critical"),
        ("source", "gist"),
        ("tokens", tokens.as_str()),
    ];
    let location = browser.register(&fields).await;
    let page = browser.page(&location).await;
    assert!(page.contains("2 tokens") && page.contains("No rule: "), "the guard warns");
    assert!(page.contains("Reopen</strong>: not now, since the leak is open"), "{page}");
    let leak = location.split('?').next().unwrap();

    let patch = [
        ("mode", "block"),
        ("hosts", "api.example.com"),
        ("except", "203.0.113.7"),
        ("comment", "now"),
    ];
    assert_eq!(browser.post(&format!("{leak}/patch"), &patch).await.status, 303);
    assert_eq!(api.action("one"), Some(Action::Block));
    let page = browser.page(leak).await;
    assert!(
        page.contains("api.example.com") && page.contains("203.0.113.7") && page.contains("“now”")
    );
    let wrong =
        browser.post(&format!("{leak}/patch"), &[("mode", "block"), ("except", "everybody")]).await;
    assert_eq!(wrong.status, 422);

    let spared = browser.post(&format!("{leak}/spare"), &[("except", "203.0.113.8")]).await;
    assert_eq!(spared.status, 303);
    let page = browser.page(leak).await;
    assert!(page.contains("203.0.113.7 until") && page.contains("203.0.113.8 until"), "{page}");
    assert!(page.contains("api.example.com"), "the scope stays");

    let closed = browser.post(&format!("{leak}/close"), &[("resolution", "revoked")]).await;
    assert_eq!(closed.status, 303);
    assert_eq!(api.action("one"), Some(Action::Observe));
    assert!(browser.page(leak).await.contains("reopen it first"));
    assert_eq!(browser.post(&format!("{leak}/close"), &[]).await.status, 409);
    assert_eq!(browser.post(&format!("{leak}/reopen"), &[]).await.status, 303);
    assert_eq!(browser.post(&format!("{leak}/mark-false"), &[]).await.status, 303);
    assert_eq!(api.action("one"), None);
    assert_eq!(browser.post(&format!("{leak}/delete"), &[]).await.status, 404);
}

#[tokio::test]
async fn filters_combine_and_open_comes_first() {
    let api = Api::new().await;
    for (title, risk, kind) in [
        ("worst here", "critical", "github"),
        ("worst there", "critical", "gist"),
        ("mild", "low", "gist"),
    ] {
        let body = json!({"title": title, "risk": risk, "tokens": [token(title)], "source": {"kind": kind}});
        api.post("/leaks", body).await.expect(201);
    }
    let closed = api.leak("dealt with", &["closed"]).await;
    api.post(&format!("/leaks/{}/close", id(&closed)), json!({})).await.expect(200);
    let browser = Browser::of(&api, "analyst").await;
    let all = browser.page("/leaks").await;
    assert!(all.contains("worst here") && all.contains("mild") && !all.contains("dealt with"));
    assert!(all.contains("href=\"/leaks?risk=critical\""), "the donut links");
    let worst = browser.page("/leaks?risk=critical").await;
    assert!(
        worst.contains("worst here") && worst.contains("worst there") && !worst.contains(">mild<")
    );
    let both = browser.page("/leaks?risk=critical&source=gist").await;
    assert!(!both.contains("worst here") && both.contains("worst there"));
    assert!(both.contains("Remove the filter Critical") && both.contains("Clear all"));
    assert!(browser.page("/leaks?status=closed").await.contains("dealt with"));
    assert!(browser.page("/leaks?status=all").await.contains("dealt with"));
    assert!(browser.page("/leaks?q=nothing").await.contains("No leak fits this filter"));
    let by_title = browser.page("/leaks?sort=title").await;
    assert!(by_title.rfind(">mild<").unwrap() < by_title.rfind(">worst here<").unwrap());
}

#[tokio::test]
async fn what_came_from_outside_is_inert() {
    let api = Api::new().await;
    let hostile = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
    let body = json!({
        "title": hostile, "owner": hostile, "contact": hostile, "comment": hostile,
        "tokens": [token("one")],
        "source": {"kind": "website", "url": "javascript:alert(1)", "path": hostile},
    });
    let leak = api.post("/leaks", body).await.expect(201);
    let mut event = crate::support::event(&leak, EventAction::Observed, "203.0.113.9");
    event.user_agent = Some(hostile.to_owned());
    event.path = format!("/{hostile}");
    event.host = hostile.to_owned();
    api.store.append_events(&[event]).await.unwrap();
    let browser = Browser::of(&api, "administrator").await;
    let said = browser.post(&format!("/leaks/{}/comments", id(&leak)), &[("text", hostile)]).await;
    assert_eq!(said.status, 303);
    for path in [
        "/leaks",
        &format!("/leaks/{}", id(&leak)),
        "/events",
        "/audit",
        "/leaks?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/sign-in?to=%22%3E%3Cscript%3E",
    ] {
        let page = browser.page(path).await;
        assert!(!page.contains("<script>") && !page.contains("<img src=x"), "{path}: {page}");
        assert!(!page.contains("href=\"javascript:"), "{path}: {page}");
        assert!(!page.contains(" style="), "{path}: nothing inline");
    }
}

#[tokio::test]
async fn no_page_shows_a_token() {
    let api = Api::new().await;
    let browser = Browser::of(&api, "global_administrator").await;
    let secret = token("planted");
    let fields = [("title", secret.as_str()), ("comment", &secret), ("tokens", &secret)];
    let leak = browser.register(&fields).await;
    assert!(!leak.contains(&secret));
    // Nor does what waits to be reviewed.
    let again = token("entered again");
    let fields = [("title", again.as_str()), ("comment", &again), ("tokens", &again)];
    let entered = browser.post("/leaks/new", &fields).await;
    let draft = entered.headers[header::LOCATION].to_str().unwrap().to_owned();
    assert!(!browser.page(&draft).await.contains(&again));
    // Where the form comes back, the tokens do not.
    let refused = browser.post("/leaks/new", &[("title", ""), ("tokens", &secret)]).await;
    assert_eq!(refused.status, 422);
    assert!(!refused.text.contains(&secret) && refused.text.contains("Enter the tokens again"));
    // Nor does what is said with a decision that another person is asked for, or is told of.
    assert_eq!(
        browser.post("/four-eyes", &[("on", "yes"), ("comment", &secret)]).await.status,
        303
    );
    let path = leak.split('?').next().unwrap();
    for haste in ["", &secret] {
        let fields = [("mode", "block"), ("comment", &secret), ("break_glass", haste)];
        assert_eq!(browser.post(&format!("{path}/patch"), &fields).await.status, 303);
    }
    let unpatch = browser.post(&format!("{path}/unpatch"), &[("comment", &secret)]).await;
    assert_eq!(unpatch.status, 303);
    let url = format!("https://siem.example/{secret}");
    let hook = [("name", secret.as_str()), ("kind", "webhook"), ("url", &url)];
    assert!(!browser.post("/webhooks", &hook).await.text.contains(&secret));
    for path in [
        "/proposals",
        "/webhooks",
        "/notifications",
        "/leaks",
        &leak,
        "/events",
        "/audit",
        "/gateways",
        "/users",
        "/api-tokens",
        "/tenants",
        "/account",
        "/sources",
        "/events?by=token",
    ] {
        assert!(!browser.page(path).await.contains(&secret), "{path}");
    }
}

#[tokio::test]
async fn users_tokens_tenants_and_the_bypass_are_managed() {
    let api = Api::new().await;
    let browser = Browser::of(&api, "global_administrator").await;
    let user = [("name", "grace"), ("role", "analyst"), ("password", PASSWORD)];
    assert_eq!(browser.post("/users", &user).await.status, 303);
    assert!(browser.page("/users").await.contains("grace"));

    let made =
        browser.post("/api-tokens", &[("name", "ci"), ("role", "intake"), ("days", "30")]).await;
    assert_eq!(made.status, 200);
    let shown = made.text.split("lgt_").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let again = browser.page("/api-tokens").await;
    assert!(again.contains(">ci<") && !again.contains(&shown), "shown once");
    let revoke = again.split("/api-tokens/").nth(1).unwrap().split("/revoke").next().unwrap();
    assert_eq!(browser.post(&format!("/api-tokens/{revoke}/revoke"), &[]).await.status, 303);

    assert_eq!(browser.post("/tenants", &[("id", "acme"), ("title", "Acme")]).await.status, 303);
    assert!(browser.page("/tenants").await.contains("Acme"));

    let on = [("turn", "on"), ("reason", "an outage"), ("minutes", "15")];
    assert_eq!(browser.post("/gateways/bypass", &on).await.status, 303);
    assert!(api.switch.is_on());
    assert!(browser.page("/leaks").await.contains("nothing is blocked"), "every page says so");
    assert_eq!(browser.post("/gateways/bypass", &[("turn", "off")]).await.status, 303);
    assert!(!api.switch.is_on());
    assert!(browser.page("/audit").await.contains("grace"));
}
