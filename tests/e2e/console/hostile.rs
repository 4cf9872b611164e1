//! Hostile values in every field that comes from outside: a real browser runs none of them.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use super::browser::{Browser, PASSWORD};
use super::seed;
use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// What would run, or change what people read, if it were not inert.
const VALUES: [&str; 8] = [
    "<script>alert('ran')</script>",
    "\"><img src=x onerror=alert('ran')>",
    "'><svg/onload=alert('ran')>",
    "</title></textarea></style><iframe srcdoc=\"<script>parent.alert('ran')</script>\">",
    "javascript:alert('ran')",
    "\u{202e}txt.exe\u{2066}\u{200b}",
    "{{constructor.constructor('alert(1)')()}} ${alert(1)} &lt;script&gt;",
    "https://evil.example/\"onmouseover=\"alert('ran')",
];

/// Addresses that are none of the web.
const URLS: [&str; 5] = [
    "javascript:alert('ran')",
    "JaVaScRiPt://x/%0aalert('ran')",
    "data:text/html,<script>alert('ran')</script>",
    "vbscript:x",
    "file:///etc/passwd",
];

/// Says what runs, asks, is reported or is where nothing of the sort belongs.
const FOUND: &str = "const bad = [];
    for (const one of document.querySelectorAll('*')) {
        if (['IFRAME', 'OBJECT', 'EMBED', 'BASE', 'STYLE'].includes(one.tagName)) bad.push(one.outerHTML);
        if (one.tagName === 'SCRIPT' && one.getAttribute('src') !== '/assets/console.js') bad.push(one.outerHTML);
        if (one.tagName === 'IMG' && one.getAttribute('src') !== '/assets/icon.svg') bad.push(one.outerHTML);
        for (const { name } of one.attributes) if (name.startsWith('on') || name === 'style' || name === 'srcdoc') bad.push(one.outerHTML);
        const link = one.getAttribute('href') ?? one.getAttribute('action');
        if (link && !/^(\\/|#|https?:\\/\\/)/i.test(link)) bad.push(one.outerHTML);
    }
    return bad.concat(window.reported ?? []);";

async fn post(program: &Program, path: &str, body: Value) -> Value {
    let (status, answer) = program.api("POST", path, Some(body)).await;
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    answer
}

#[tokio::test]
#[ignore = "needs chromium-driver"]
async fn nothing_from_outside_runs() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = seed::start(folder.path(), upstream.address());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let long = "W".repeat(240);
    let mut leaks = Vec::new();
    for (number, value) in VALUES.into_iter().chain([long.as_str()]).enumerate() {
        let token = token("npm_", 36);
        let url = URLS[number % URLS.len()];
        let leak = json!({"title": value, "risk": "high", "tokens": [token], "owner": value,
            "contact": value, "comment": value.repeat(3), "kind": value,
            "source": {"kind": "website", "url": url, "path": value, "commit": value, "line": 1}});
        let leak = post(&program, "/leaks", leak).await;
        let id = leak["id"].as_str().unwrap().to_owned();
        post(&program, &format!("/leaks/{id}/comments"), json!({"text": value})).await;
        let patch = json!({"mode": "monitoring", "comment": value,
            "scope": {"hosts": [], "path_prefixes": [], "methods": []}});
        post(&program, &format!("/leaks/{id}/virtual-patch"), patch).await;
        // What a header cannot carry comes percent-encoded.
        let shown: String = value.chars().filter(|c| c.is_ascii_graphic()).collect();
        let query: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let request = client
            .get(program.url(&format!("/{}?{query}&raw={}", number, shown.replace(['#', ' '], ""))))
            .bearer_auth(&token)
            .header("user-agent", &shown)
            .header("x-request-id", &shown)
            .header("x-forwarded-for", "203.0.113.7");
        request.send().await.unwrap();
        let event = program.wait_for_event(&format!("leak={id}")).await;
        leaks.push((id, event["id"].as_str().unwrap().to_owned()));
        let user =
            json!({"name": format!("{number} {value}"), "role": "analyst", "password": PASSWORD});
        post(&program, "/users", user).await;
        post(&program, "/api-tokens", json!({"name": value, "role": "intake"})).await;
        post(&program, "/tenants", json!({"id": format!("t{number}"), "title": value})).await;
    }
    // Each value in a webhook that cannot deliver, and in a proposal or what was done in haste.
    let mut webhooks = Vec::new();
    assert_eq!(program.api("PUT", "/four-eyes", Some(json!({"on": true}))).await.0, 200);
    for (number, (leak, _)) in leaks.iter().enumerate() {
        let value = VALUES.get(number).copied().unwrap_or(long.as_str());
        let webhook = json!({"name": value, "url": seed::nobody(), "feeds": ["audit"]});
        let webhook = post(&program, "/webhooks", webhook).await;
        webhooks.push(webhook["id"].as_str().unwrap().to_owned());
        let haste = (number % 2 == 0).then_some(value);
        let asked = json!({"mode": "block", "comment": value, "break_glass": haste});
        post(&program, &format!("/leaks/{leak}/virtual-patch"), asked).await;
    }
    let on = json!({"on": true, "reason": VALUES[1]});
    assert_eq!(program.api("PUT", "/bypass", Some(on)).await.0, 200);

    let browser = Browser::start(true).await;
    // Whatever the policy keeps from running is told by the browser: nothing may even be tried.
    let watch = "window.reported = []; addEventListener('securitypolicyviolation', (event) =>
        window.reported.push('refused: ' + event.violatedDirective + ' ' + event.blockedURI), true);";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": watch})).await;
    browser.sign_in(&program, "admin").await;
    let mut paths: Vec<String> = [
        "/leaks",
        "/leaks?status=all&sort=title",
        "/events",
        "/events?by=token",
        "/events?by=client",
        "/events?by=host",
        "/gateways",
        "/sources",
        "/users",
        "/api-tokens",
        "/audit",
        "/tenants",
        "/account",
        "/leaks/new",
        "/proposals",
        "/notifications",
        "/webhooks",
    ]
    .map(str::to_owned)
    .to_vec();
    for (leak, event) in &leaks {
        paths.push(format!("/leaks/{leak}"));
        paths.push(format!("/events/{event}"));
    }
    paths.extend(webhooks.iter().map(|webhook| format!("/webhooks/{webhook}")));
    for value in VALUES {
        let query: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for path in [
            "/leaks?q=",
            "/leaks?sort=",
            "/leaks?risk=",
            "/events?host=",
            "/events?path=",
            "/events?leak=",
            "/audit?actor=",
            "/audit?action=",
            "/sign-in?to=",
            "/leaks/",
            "/events/",
            "/imports/",
            "/drafts/",
            "/leaks?done=",
            "/leaks?tenant=",
            "/notifications?kind=",
            "/notifications?cursor=",
            "/proposals?tenant=",
            "/proposals?reviews=",
            "/webhooks?tenant=",
            "/webhooks?cursor=",
            "/webhooks/",
        ] {
            paths.push(format!("{path}{query}"));
        }
    }
    // What is typed into forms and comes back.
    for (form, field) in [("#leak", "tokens"), ("#report", "report")] {
        browser.visit(&program, "/leaks/new").await;
        browser.fill(&format!("{form} input[name=title]"), VALUES[1]).await;
        browser.fill(&format!("{form} textarea[name={field}]"), VALUES[0]).await;
        browser.click(&format!("{form} button[type=submit]")).await;
        browser.seen("form[action$='/register'], .error").await;
        inert(&browser, form).await;
    }
    for path in &paths {
        browser.visit(&program, path).await;
        inert(&browser, path).await;
    }
    // Links lead where they say, and none of the addresses above is one.
    let outside = browser.find_all(By::Css("main a[href^='http']")).await.unwrap();
    assert!(outside.is_empty(), "no leak here has an address of the web");
    browser.end().await;
}

/// Fails where anything hostile on the page came to life.
async fn inert(browser: &Browser, path: &str) {
    assert!(browser.get_alert_text().await.is_err(), "{path}: something asks");
    let found = browser.run(FOUND).await;
    assert_eq!(found, json!([]), "{path}");
}
