//! The console in a real browser: from signing in to the event of a request that the gateway refused.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use thirtyfour::prelude::*;

use crate::support::program::{PATIENCE, Program};
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// A running chromedriver, ended with the test.
struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    fn start() -> Self {
        let mut child =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("successfully on port ")?.1.to_owned()))
            .expect("chromedriver says its port");
        // What else it says is read, so that it never waits.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, url: format!("http://127.0.0.1:{}", port.trim_end_matches('.')) }
    }

    async fn browser(&self, scripts: bool) -> WebDriver {
        let mut wanted = DesiredCapabilities::chrome();
        for argument in ["--headless=new", "--no-sandbox", "--window-size=1280,1600"] {
            wanted.add_arg(argument).unwrap();
        }
        if !scripts {
            let prefs = json!({"profile.managed_default_content_settings.javascript": 2});
            wanted.add_experimental_option("prefs", prefs).unwrap();
        }
        WebDriver::new(&self.url, wanted).await.unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for an element.
async fn seen(browser: &WebDriver, css: &str) -> WebElement {
    browser
        .query(By::Css(css))
        .wait(PATIENCE, std::time::Duration::from_millis(20))
        .first()
        .await
        .unwrap()
}

async fn fill(browser: &WebDriver, css: &str, text: &str) {
    seen(browser, css).await.send_keys(text).await.unwrap();
}

async fn click(browser: &WebDriver, css: &str) {
    seen(browser, css).await.click().await.unwrap();
}

async fn sign_in(browser: &WebDriver, program: &Program) {
    browser.goto(format!("http://{}/", program.control)).await.unwrap();
    fill(browser, "input[name=name]", "admin").await;
    fill(browser, "input[name=password]", "a password of the tests").await;
    click(browser, "main button[type=submit]").await;
    seen(browser, ".charts").await;
}

/// Signs in, finds the worst leak by the donut, blocks it, uses its token, and sees the event.
async fn the_main_job(scripts: bool) {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let worst = token("ghp_", 36);
    let [mild, milder, mildest] = [(); 3].map(|()| token("npm_", 36));
    let hostile = "<script>document.title='run'</script>";
    // A quarter of the donut: its middle, where a browser clicks, lies on the ring.
    for (title, risk, token) in [
        ("The worst one", "critical", &worst),
        (hostile, "low", &mild),
        ("Milder", "low", &milder),
        ("Mildest", "info", &mildest),
    ] {
        let body = json!({"title": title, "risk": risk, "tokens": [token],
            "source": {"kind": "website", "url": "javascript:document.title='run'"}});
        assert_eq!(program.api("POST", "/leaks", Some(body)).await.0, 201);
    }
    let driver = Driver::start();
    let browser = driver.browser(scripts).await;
    sign_in(&browser, &program).await;
    assert_eq!(browser.find_all(By::Css("table.leaks tbody tr")).await.unwrap().len(), 4);
    assert_eq!(browser.title().await.unwrap(), "API leaks · leakgate", "nothing hostile ran");

    click(&browser, "a[data-risk=critical] path").await;
    seen(&browser, ".chip").await;
    assert!(browser.current_url().await.unwrap().as_str().ends_with("/leaks?risk=critical"));
    let rows = browser.find_all(By::Css("table.leaks tbody tr")).await.unwrap();
    assert_eq!(rows.len(), 1);
    click(&browser, "table.leaks tbody th a").await;
    seen(&browser, "#impact").await;
    click(&browser, "#decisions form[action$='/patch'] button[type=submit]").await;
    seen(&browser, ".notice").await;

    // The page of events is open before the request comes, so with scripts the event appears.
    click(&browser, "nav a[href='/events']").await;
    seen(&browser, ".none").await;
    if scripts {
        seen(&browser, "#live:not([hidden])").await;
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(program.url("/v1/orders")).bearer_auth(&worst).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    program.wait_for_event("action=blocked").await;
    if !scripts {
        browser.refresh().await.unwrap();
    }
    let row = seen(&browser, "tr[data-event]").await.text().await.unwrap();
    assert!(row.contains("Blocked") && row.contains("/v1/orders"), "{row}");
    assert!(!browser.source().await.unwrap().contains(&worst));
    browser.quit().await.unwrap();
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
