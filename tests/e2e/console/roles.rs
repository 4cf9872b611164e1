//! What each role sees and may do, in a browser; what it may not is refused whatever the page has.

use super::browser::Browser;
use super::seed::Seed;

/// Sends a form of the console as the browser's user would, were its button there; gives the status.
async fn send(browser: &Browser, seed: &Seed, path: &str, body: &str) -> u16 {
    let session = browser.get_named_cookie("leakgate_session").await.unwrap().value;
    let csrf = browser.seen("input[name=csrf]").await.attr("value").await.unwrap().unwrap();
    let answer = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
        .post(format!("http://{}{path}", seed.program.control))
        .header("cookie", format!("leakgate_session={session}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("csrf={csrf}&{body}"));
    answer.send().await.unwrap().status().as_u16()
}

#[tokio::test]
#[ignore = "needs chromium-driver"]
async fn each_role_sees_what_it_may() {
    let seed = Seed::plant().await;
    let leak = format!("/leaks/{}", seed.watched);
    for (name, decides, places) in [
        ("admin", true, 11),
        ("administrator", true, 10),
        ("global_analyst", false, 6),
        ("analyst", false, 5),
    ] {
        let browser = Browser::start(true).await;
        browser.sign_in(&seed.program, name).await;
        assert_eq!(browser.count("nav[aria-label=Main] a").await, places, "{name}");
        let some = usize::from(decides);
        assert_eq!(browser.count("#bulk").await, some, "{name}");
        assert_eq!(browser.count(".heading a[href='/leaks/new']").await, some, "{name}");
        browser.visit(&seed.program, &leak).await;
        browser.seen("#impact").await;
        let buttons = "#decisions button, #impact form button";
        assert_eq!(browser.count(buttons).await > 0, decides, "{name}");
        assert_eq!(browser.count(".comment-form button").await, 1, "{name} may comment");
        browser.visit(&seed.program, "/gateways").await;
        assert_eq!(browser.count("#bypass form").await, some, "{name}");
        // What waits is of another tenant: those who see all of them see it.
        browser.visit(&seed.program, "/proposals").await;
        browser.seen("#four-eyes").await;
        let sees_all = matches!(name, "admin" | "global_analyst");
        assert_eq!(browser.count(".waiting").await, if sees_all { 2 } else { 0 }, "{name}");
        assert_eq!(browser.count(".badge").await, usize::from(sees_all), "{name}");
        assert_eq!(browser.count(".verdict").await, if name == "admin" { 2 } else { 0 }, "{name}");
        assert_eq!(browser.count("#four-eyes form").await, some, "{name}");
        if !decides {
            let tried = [
                (format!("/proposals/{}/approve", seed.proposal), String::new()),
                (format!("/proposals/{}/reject", seed.proposal), String::new()),
                (format!("/reviews/{}/acknowledge", seed.proposal), String::new()),
                ("/four-eyes".to_owned(), "on=yes".to_owned()),
                ("/webhooks".to_owned(), "name=x&kind=slack&url=https://203.0.113.9/".to_owned()),
                (format!("/webhooks/{}", seed.webhook), "what=remove&sure=on".to_owned()),
                (format!("/dead-letters/{}/discard", seed.letter), String::new()),
                (format!("/dead-letters/{}/redeliver", seed.letter), String::new()),
                ("/tenants/acme".to_owned(), "what=remove".to_owned()),
                (format!("{leak}/patch"), "mode=block".to_owned()),
                (format!("{leak}/close"), String::new()),
                (format!("{leak}/spare"), "except=203.0.113.7".to_owned()),
                ("/leaks/decide".to_owned(), format!("decision=close&id={}", seed.watched)),
                ("/leaks/new".to_owned(), "title=x&tokens=y".to_owned()),
                ("/gateways/bypass".to_owned(), "turn=on&reason=x".to_owned()),
                ("/users".to_owned(), "name=x&role=analyst&password=long+enough+it+is".to_owned()),
            ];
            for (path, body) in tried {
                assert_eq!(send(&browser, &seed, &path, &body).await, 403, "{name} {path}");
            }
        }
        browser.end().await;
    }
    let shown = seed.program.api("GET", &leak, None).await.1;
    assert_eq!(shown["status"], "open");
    assert!(shown["virtual_patch"].is_null(), "{shown}");
}
