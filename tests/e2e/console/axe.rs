//! Every page is looked at by axe-core, which `scripts/test` installs: no violation of WCAG 2.2 AA.

use serde_json::Value;
use thirtyfour::prelude::*;

use super::browser::Browser;
use super::seed::Seed;
use crate::support::tokens::token;

const RUN: &str = "const done = arguments[arguments.length - 1];
    axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
        .then((found) => done(found.violations.map((one) => one.id + ': ' + one.help + '\\n'
            + one.nodes.map((node) => '  ' + node.html.slice(0, 200) + ' ' + (node.any[0]?.message ?? '')).join('\\n'))))
        .catch((error) => done(['axe failed: ' + error]));";

struct Axe(String);

impl Axe {
    fn load() -> Self {
        let path = std::env::var("LEAKGATE_TEST_AXE").expect("LEAKGATE_TEST_AXE names axe.min.js");
        Self(std::fs::read_to_string(path).unwrap())
    }

    /// What is wrong with the page that the browser shows.
    async fn look(&self, browser: &Browser, name: &str, wrong: &mut Vec<String>) {
        browser.execute(&self.0, Vec::new()).await.unwrap();
        let found = browser.execute_async(RUN, Vec::new()).await.unwrap().json().clone();
        for violation in found.as_array().unwrap() {
            wrong.push(format!("{name}: {}", violation.as_str().unwrap_or_default()));
        }
        let wide = browser.run("return document.documentElement.scrollWidth - innerWidth").await;
        if wide.as_i64().unwrap() > 0 {
            wrong.push(format!("{name}: {wide} pixels wider than the screen"));
        }
    }
}

#[tokio::test]
#[ignore = "needs chromium-driver and axe-core"]
async fn no_page_has_a_violation_in_either_theme() {
    let (seed, axe) = (Seed::plant().await, Axe::load());
    let browser = Browser::start(true).await;
    let mut wrong = Vec::new();
    browser.visit(&seed.program, "/sign-in?over=1").await;
    axe.look(&browser, "sign-in", &mut wrong).await;
    browser.sign_in(&seed.program, "admin").await;

    // Two more pages that a form leads to.
    browser.visit(&seed.program, "/leaks/new").await;
    browser.fill("#leak input[name=title]", "Looked at").await;
    browser
        .fill("#leak textarea[name=tokens]", &format!("{}\npassword\n", token("npm_", 36)))
        .await;
    browser.click("#leak button[type=submit]").await;
    browser.seen("form[action$='/register']").await;
    let review = browser.current_url().await.unwrap().path().to_owned();
    let mut pages = seed.pages();
    pages.push(("review", review));
    for (width, theme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.look(width, theme).await;
        for (name, path) in &pages {
            browser.visit(&seed.program, path).await;
            browser
                .run("for (const one of document.querySelectorAll('details')) one.open = true")
                .await;
            axe.look(&browser, &format!("{name} ({width}, {theme})"), &mut wrong).await;
        }
    }
    // While the bypass is on, each page says so.
    let on = serde_json::json!({"on": true, "reason": "an outage"});
    assert_eq!(seed.program.api("PUT", "/bypass", Some(on)).await.0, 200);
    for theme in ["light", "dark"] {
        browser.look(1280, theme).await;
        browser.visit(&seed.program, "/gateways").await;
        assert_eq!(browser.count(".alarm").await, 1);
        axe.look(&browser, &format!("bypass ({theme})"), &mut wrong).await;
    }
    browser.end().await;
    assert!(wrong.is_empty(), "{} violations:\n{}", wrong.len(), wrong.join("\n"));
}

/// Pages with one of each thing that the keyboard can reach.
const KEYS: [&str; 4] = ["leaks", "leak", "add", "events"];

/// Every element that the keyboard reaches shows that it is reached.
#[tokio::test]
#[ignore = "needs chromium-driver"]
async fn the_keyboard_reaches_everything_visibly() {
    let seed = Seed::plant().await;
    let browser = Browser::start(true).await;
    browser.sign_in(&seed.program, "admin").await;
    for (_, path) in seed.pages().into_iter().filter(|(name, _)| KEYS.contains(name)) {
        browser.visit(&seed.program, &path).await;
        let mut reached = 0;
        for _ in 0..25 {
            browser.action_chain().send_keys(Key::Tab).perform().await.unwrap();
            let shown = browser
                .run(
                    "const at = document.activeElement;
                     if (!at || at === document.body) return null;
                     const drawn = [at, ...at.querySelectorAll('path, rect')].map((one) => getComputedStyle(one));
                     return drawn.some((style) => style.outlineStyle !== 'none' || parseFloat(style.strokeWidth) >= 3);",
                )
                .await;
            if let Value::Bool(shown) = shown {
                assert!(shown, "{path}: what is reached after {reached} does not show it");
                reached += 1;
            }
        }
        assert!(reached >= 2, "{path}: {reached}");
    }
    browser.end().await;
}
