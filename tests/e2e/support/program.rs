//! The real binary, started as a user would, on ports of its own choosing.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a test waits for a signal that must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Lines that a stream has given so far, to be waited for.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Lines {
    fn of(stream: impl std::io::Read + Send + 'static) -> Self {
        let lines = Self::default();
        let writer = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                writer.0.0.lock().unwrap().push(line);
                writer.0.1.notify_all();
            }
            writer.0.1.notify_all();
        });
        lines
    }

    /// All lines so far, as one text.
    pub fn text(&self) -> String {
        self.0.0.lock().unwrap().join("\n")
    }

    /// Waits until a line has this text in it, and gives what follows the text.
    pub fn after(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.0.0.lock().unwrap();
        loop {
            if let Some(rest) = lines.iter().find_map(|line| Some(line.split_once(text)?.1)) {
                return rest.to_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no line with {text:?} in:\n{}", lines.join("\n"));
            lines = self.0.1.wait_timeout(lines, left).unwrap().0;
        }
    }
}

/// A running `leakgate serve`.
pub struct Program {
    child: Child,
    /// Its folder: configuration, database, key.
    pub folder: PathBuf,
    /// Where requests go.
    pub gateway: SocketAddr,
    /// Where the API is.
    pub control: SocketAddr,
    /// An administrator's API token.
    pub token: String,
    /// What it wrote to standard error.
    pub errors: Lines,
    /// What it wrote to standard output.
    pub output: Lines,
}

/// A command of the binary, in this folder, with none of this process's own settings.
pub fn leakgate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leakgate"));
    command.current_dir(folder);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LEAKGATE_")) {
        command.env_remove(name);
    }
    command
}

impl Program {
    /// Starts it in this folder in front of this upstream; `more` is added to the configuration's
    /// `[gateway]` table.
    pub fn start(folder: &Path, upstream: SocketAddr, more: &str) -> Self {
        Self::configure(folder, upstream, &format!("listen = [\"127.0.0.1:0\"]\n{more}"));
        Self::start_configured(folder)
    }

    /// Writes a configuration with these lines in its `[gateway]` table.
    pub fn configure(folder: &Path, upstream: SocketAddr, lines: &str) {
        let config = format!(
            "[gateway]\nname = \"test\"\n{lines}\n\
             [[gateway.upstreams]]\nname = \"app\"\nservers = [\"http://{upstream}\"]\n\
             [control]\nlisten = \"127.0.0.1:0\"\n"
        );
        std::fs::write(folder.join("leakgate.toml"), config).unwrap();
    }

    /// Starts it in a folder that holds a configuration already.
    pub fn start_configured(folder: &Path) -> Self {
        Self::spawn(folder, leakgate(folder), "gateway listening on http://")
    }

    /// Starts it by this command; its address is said after `listening`.
    pub fn spawn(folder: &Path, mut command: Command, listening: &str) -> Self {
        let token = format!("lgt_{}", "t".repeat(43));
        let mut child = command
            .arg("serve")
            .env("LEAKGATE_ADMIN_TOKEN", &token)
            .env("LEAKGATE_ADMIN_PASSWORD", "a password of the tests")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = Lines::of(child.stderr.take().unwrap());
        let output = Lines::of(child.stdout.take().unwrap());
        let gateway = errors.after(listening).trim().parse().unwrap();
        let control = errors.after("control plane listening on http://").trim().parse().unwrap();
        errors.after("ready");
        Self { child, folder: folder.to_owned(), gateway, control, token, errors, output }
    }

    /// An operator's command, aimed at this program.
    pub fn command(&self, arguments: &[&str]) -> Output {
        leakgate(&self.folder)
            .args(arguments)
            .env("LEAKGATE_URL", format!("http://{}", self.control))
            .env("LEAKGATE_TOKEN", &self.token)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Calls the API; gives the status and the JSON of the answer.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.api_as(&self.token, method, path, body).await
    }

    /// The same with another API token.
    pub async fn api_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = reqwest::Client::new()
            .request(method, format!("http://{}/api/v1{path}", self.control))
            .bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Registers a leak with these tokens, and gives its id.
    pub async fn register(&self, title: &str, tokens: &[&str]) -> String {
        let body = json!({ "title": title, "risk": "high", "tokens": tokens });
        let (status, leak) = self.api("POST", "/leaks", Some(body)).await;
        assert_eq!(status, 201, "{leak}");
        leak["id"].as_str().unwrap().to_owned()
    }

    /// Applies a blocking patch.
    pub async fn block(&self, leak: &str) {
        let path = format!("/leaks/{leak}/virtual-patch");
        let (status, answer) = self.api("POST", &path, Some(json!({ "mode": "block" }))).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Waits for an event that fits the query, and gives it.
    pub async fn wait_for_event(&self, query: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, answer) = self.api("GET", &format!("/events?{query}"), None).await;
            assert_eq!(status, 200, "{answer}");
            if let Some(event) = answer["items"].get(0) {
                return event.clone();
            }
            assert!(Instant::now() < deadline, "no event fits {query}");
            // Events are written behind the answer; the next look is soon enough.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The address of a path at the gateway.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway)
    }

    /// Asks it to drain, and gives whether it ended well.
    pub fn terminate(mut self) -> bool {
        self.signal("TERM");
        self.child.wait().unwrap().success()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
