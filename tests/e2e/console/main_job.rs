//! The main job: from signing in to the event of a request that the gateway refused, and to the end
//! of the leak.

use super::browser::Browser;
use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;
use serde_json::json;

/// Sends a request with a token, and gives the status.
async fn request(program: &Program, token: &str) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(program.url("/v1/orders")).bearer_auth(token).send().await.unwrap();
    answer.status().as_u16()
}

async fn the_main_job(scripts: bool) {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let worst = token("ghp_", 36);
    let [mild, milder, mildest] = [(); 3].map(|()| token("npm_", 36));
    // A quarter of the donut: its middle, where a browser clicks, lies on the ring.
    for (title, risk, token) in
        [("Mild", "low", &mild), ("Milder", "low", &milder), ("Mildest", "info", &mildest)]
    {
        let body = json!({"title": title, "risk": risk, "tokens": [token]});
        assert_eq!(program.api("POST", "/leaks", Some(body)).await.0, 201);
    }
    let browser = Browser::start(scripts).await;
    browser.sign_in(&program, "admin").await;

    // Register: what would be registered is looked at first, and the guard warns.
    browser.click(".heading a[href='/leaks/new']").await;
    browser.fill("#leak input[name=title]", "The worst one").await;
    browser.fill("#leak textarea[name=tokens]", &format!("{worst}\npassword\n")).await;
    browser.click("#leak select[name=risk] option[value=critical]").await;
    browser.click("#leak button[type=submit]").await;
    let review = browser.text("main").await;
    assert!(review.contains("nothing is registered yet") && review.contains("No rule"), "{review}");
    assert!(!browser.source().await.unwrap().contains(&worst));
    browser.click("form[action$='/register'] button").await;
    assert!(browser.text(".notice").await.contains("watched from now on"));

    // A use before anything is decided: the impact tells it.
    assert_eq!(request(&program, &worst).await, 200);
    program.wait_for_event("action=observed").await;

    // The first page says what is most urgent, and who still uses its token.
    browser.click("nav[aria-label=Main] a[href='/leaks']").await;
    let urgent = browser.text("#urgent").await;
    assert!(urgent.contains("The worst one") && urgent.contains("127.0.0.1"), "{urgent}");
    assert_eq!(browser.count("table.leaks tbody tr").await, 4);

    // The donut filters.
    browser.click("a[data-risk=critical] path").await;
    browser.seen(".chip").await;
    assert!(browser.current_url().await.unwrap().as_str().ends_with("/leaks?risk=critical"));
    assert_eq!(browser.count("table.leaks tbody tr").await, 1);
    browser.click("table.leaks tbody th a").await;
    let impact = browser.text("#impact").await;
    assert!(impact.contains("127.0.0.1") && impact.contains("200 accepted"), "{impact}");
    browser.click("#decisions form[action$='/patch'] button[type=submit]").await;
    assert!(browser.text(".notice").await.contains("in force"));

    // The page of blocked events is open before the request comes, so with scripts it appears.
    browser.visit(&program, "/events?action=blocked").await;
    browser.seen(".none").await;
    if scripts {
        browser.seen("#live:not([hidden])").await;
    }
    assert_eq!(request(&program, &worst).await, 403);
    program.wait_for_event("action=blocked").await;
    if !scripts {
        browser.refresh().await.unwrap();
    }
    let row = browser.text("tr[data-event]").await;
    assert!(row.contains("Blocked") && row.contains("/v1/orders"), "{row}");
    browser.click("tr[data-event] td a").await;
    let detail = browser.text("main").await;
    assert!(detail.contains("header:authorization") && detail.contains("was refused"), "{detail}");
    assert!(!browser.source().await.unwrap().contains(&worst));

    // Close, and open again.
    browser.click("main a[href^='/leaks/']").await;
    browser.click("#decisions details:has(form[action$='/close']) summary").await;
    browser.click("#decisions form[action$='/close'] select option[value=rotated]").await;
    browser.click("#decisions form[action$='/close'] button[type=submit]").await;
    assert!(browser.text(".notice").await.contains("closed"));
    assert_eq!(request(&program, &worst).await, 200);
    browser.click("#decisions details:has(form[action$='/reopen']) summary").await;
    browser.click("#decisions form[action$='/reopen'] button[type=submit]").await;
    assert!(browser.text(".notice").await.contains("open again"));

    // Many at once.
    browser.visit(&program, "/leaks?risk=low,info").await;
    for title in ["Mild", "Mildest"] {
        browser.click(&format!("input[aria-label='Tick {title}']")).await;
    }
    browser.click("#bulk select[name=decision] option[value=block]").await;
    browser.click("#bulk button[type=submit]").await;
    assert!(browser.text("h1").await.contains("made for 2 of 2"));
    assert_eq!(request(&program, &mild).await, 403);
    assert_eq!(request(&program, &milder).await, 200);

    // A report is looked at, registered, and followed to its end.
    browser.visit(&program, "/leaks/new").await;
    let report = format!("token,title\n{},one\n{},two\n", token("npm_", 36), token("npm_", 36));
    let path = folder.path().join("report.csv");
    std::fs::write(&path, report).unwrap();
    browser.fill("#report input[type=file]", path.to_str().unwrap()).await;
    browser.click("#report button[type=submit]").await;
    assert_eq!(browser.text("#format").await, "Csv");
    browser.click("form[action$='/register'] button").await;
    browser.seen("main a.button.primary[href='/leaks']").await;
    assert!(browser.text("#import").await.contains("2 leaks made, 2 tokens new"));
    browser.end().await;
    assert!(program.terminate());
}

#[tokio::test]
#[ignore = "needs chromium-driver"]
async fn a_browser_does_the_main_job() {
    the_main_job(true).await;
}

#[tokio::test]
#[ignore = "needs chromium-driver"]
async fn a_browser_without_scripts_does_the_main_job() {
    the_main_job(false).await;
}

/// Without a name that is known, nobody comes in; a session that is over leads back to where it was.
#[tokio::test]
#[ignore = "needs chromium-driver"]
async fn signing_in_leads_back() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let browser = Browser::start(true).await;
    browser.visit(&program, "/events?action=blocked").await;
    browser.fill("input[name=name]", "admin").await;
    browser.fill("input[name=password]", "not the password").await;
    browser.click("main button[type=submit]").await;
    assert!(browser.text(".error").await.contains("wrong"));
    browser.fill("input[name=password]", super::browser::PASSWORD).await;
    browser.click("main button[type=submit]").await;
    browser.seen(".tabs").await;
    assert!(browser.current_url().await.unwrap().as_str().ends_with("/events?action=blocked"));
    browser.click(".who button").await;
    browser.seen("input[name=password]").await;
    let cookies = browser.get_all_cookies().await.unwrap();
    assert!(cookies.is_empty(), "{cookies:?}");
    browser.end().await;
}
