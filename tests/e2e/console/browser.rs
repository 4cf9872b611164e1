//! A real browser and what tests do with it.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::error::WebDriverError;
use thirtyfour::prelude::*;

use crate::support::program::{PATIENCE, Program};

/// The password of every user of these tests.
pub const PASSWORD: &str = "a password of the tests";

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
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser, without a window.
pub struct Browser {
    web: WebDriver,
    driver: Driver,
}

impl Deref for Browser {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.web
    }
}

/// Whether the element is of a page that is there no longer.
fn is_stale(error: &WebDriverError) -> bool {
    error.to_string().contains("stale element")
}

impl Browser {
    /// One that runs the pages' scripts, or not.
    pub async fn start(scripts: bool) -> Self {
        let driver = Driver::start();
        let mut wanted = DesiredCapabilities::chrome();
        for argument in
            ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1280,1600"]
        {
            wanted.add_arg(argument).unwrap();
        }
        if !scripts {
            let prefs = json!({"profile.managed_default_content_settings.javascript": 2});
            wanted.add_experimental_option("prefs", prefs).unwrap();
        }
        let web = WebDriver::new(&driver.url, wanted).await.unwrap();
        Self { web, driver }
    }

    pub async fn end(self) {
        self.web.quit().await.unwrap();
    }

    /// Waits for an element.
    pub async fn seen(&self, css: &str) -> WebElement {
        let every = Duration::from_millis(20);
        let found = self.query(By::Css(css)).wait(PATIENCE, every).first().await;
        match found {
            Ok(found) => found,
            Err(error) => {
                let page = self.source().await.unwrap_or_default();
                panic!("no {css}: {error}\n{page}");
            }
        }
    }

    /// Does something with an element, and again with the one that stands in its place where the page
    /// changed in between.
    async fn with<T>(&self, css: &str, act: impl AsyncFn(&WebElement) -> WebDriverResult<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match act(&self.seen(css).await).await {
                Ok(done) => return done,
                Err(error) if is_stale(&error) && Instant::now() < deadline => {}
                Err(error) => panic!("{css}: {error}"),
            }
        }
    }

    pub async fn text(&self, css: &str) -> String {
        self.with(css, async |element| element.text().await).await
    }

    pub async fn fill(&self, css: &str, text: &str) {
        self.with(css, async |element| element.send_keys(text).await).await;
    }

    pub async fn click(&self, css: &str) {
        let click = async |element: &WebElement| {
            element.scroll_into_view().await?;
            element.click().await
        };
        self.with(css, click).await;
    }

    pub async fn count(&self, css: &str) -> usize {
        self.find_all(By::Css(css)).await.unwrap().len()
    }

    /// Goes to a path of the console.
    pub async fn visit(&self, program: &Program, path: &str) {
        self.goto(format!("http://{}{path}", program.control)).await.unwrap();
    }

    pub async fn sign_in(&self, program: &Program, name: &str) {
        self.visit(program, "/sign-in").await;
        self.fill("input[name=name]", name).await;
        self.fill("input[name=password]", PASSWORD).await;
        self.click("main button[type=submit]").await;
        self.seen(".charts").await;
    }

    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let session = self.web.session_id();
        let answer = reqwest::Client::new()
            .post(format!("{}/session/{session}/goog/cdp/execute", self.driver.url))
            .json(&json!({"cmd": command, "params": parameters}));
        let answer: Value = answer.send().await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{command}: {answer}");
        answer["value"].clone()
    }

    /// As wide a screen, with this theme.
    pub async fn look(&self, width: u32, theme: &str) {
        self.size(width, 900).await;
        let features = json!([{"name": "prefers-color-scheme", "value": theme}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    async fn size(&self, width: u32, height: u64) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// A picture of the page, down to `most` pixels.
    pub async fn picture(&self, width: u32, most: u64) -> Vec<u8> {
        let whole = self.run("return document.documentElement.scrollHeight").await;
        self.size(width, whole.as_u64().unwrap().min(most)).await;
        self.screenshot_as_png().await.unwrap()
    }

    /// Runs a script of the test in the page.
    pub async fn run(&self, script: &str) -> Value {
        self.execute(script, Vec::new()).await.unwrap().json().clone()
    }
}
