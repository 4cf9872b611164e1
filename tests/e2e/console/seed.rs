//! A control plane with something on every page.

use serde_json::{Value, json};

use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

use super::browser::PASSWORD;

/// A running program with leaks in every state, and their uses.
pub struct Seed {
    pub program: Program,
    pub upstream: AnsweringUpstream,
    pub folder: tempfile::TempDir,
    /// An open leak whose token is used, without a patch.
    pub watched: String,
    /// One whose patch blocks.
    pub blocked: String,
    /// A closed one.
    pub closed: String,
    /// An event.
    pub event: String,
    /// An import.
    pub import: String,
    /// A leak of another tenant, in which two persons decide.
    pub proposed: String,
    /// What is proposed about it.
    pub proposal: String,
    /// A webhook whose receiver is away.
    pub webhook: String,
    /// What could not be delivered to it.
    pub letter: String,
}

/// A program that sends webhooks to loopback, and gives a delivery up at once.
pub fn start(folder: &std::path::Path, upstream: std::net::SocketAddr) -> Program {
    let lines = "listen = [\"127.0.0.1:0\"]\ntrusted_proxies = [\"127.0.0.1\"]\n";
    Program::configure(folder, upstream, lines);
    let path = folder.join("leakgate.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let webhooks = "[control.webhooks]\nnetworks = [\"127.0.0.0/8\"]\nattempts = 1\n";
    std::fs::write(path, format!("{config}{webhooks}")).unwrap();
    Program::start_configured(folder)
}

/// An address on loopback at which nobody listens.
pub fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/in", listener.local_addr().unwrap())
}

/// Title, risk, kind of source, its URL, what is decided.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const LEAKS: [Row; 12] = [
    (
        "Deploy token in a public repository",
        "critical",
        "github",
        "https://github.example/acme/deploy",
        "block",
    ),
    (
        "Partner’s key in a public API workspace",
        "high",
        "postman",
        "https://postman.example/acme",
        "monitoring",
    ),
    (
        "Build token in a published package",
        "high",
        "package",
        "https://packages.example/acme-app",
        "",
    ),
    (
        "Signing key in a container image",
        "critical",
        "container",
        "https://images.example/acme/api",
        "block",
    ),
    ("Admin token in a support ticket", "medium", "manual", "", ""),
    (
        "Token in a paste of a stack trace",
        "medium",
        "pastebin",
        "https://paste.example/a1b2c3",
        "block",
    ),
    ("Old test key in a gist", "low", "gist", "https://gist.example/41", ""),
    (
        "Key in the scripts of the landing page",
        "high",
        "website",
        "https://www.acme.example/app.js",
        "block",
    ),
    ("Read-only key in a pipeline’s log", "low", "gitlab", "https://gitlab.example/acme/ci", ""),
    (
        "Mobile app’s key in a mirror",
        "medium",
        "github",
        "https://github.example/mirror/acme-app",
        "",
    ),
    (
        "Publishing token in an old image",
        "low",
        "container",
        "https://images.example/acme/ci",
        "close",
    ),
    (
        "Example key in the documentation",
        "info",
        "website",
        "https://docs.example/start",
        "mark-false",
    ),
];

/// Which leak’s token is used: from where, for what host, for what path, how often, by what.
const USES: [(usize, &str, &str, &str, u32, &str); 8] = [
    (2, "198.51.100.61", "api.acme.example", "/v1/builds", 9, "acme-mobile-ci/4.2"),
    (2, "203.0.113.140", "api.acme.example", "/v1/users?page=1", 4, "curl/8.5.0"),
    (2, "203.0.113.141", "admin.acme.example", "/v1/exports", 2, "python-requests/2.32"),
    (0, "203.0.113.77", "api.acme.example", "/v1/projects", 6, "Go-http-client/2.0"),
    (0, "192.0.2.18", "api.acme.example", "/v1/deployments", 2, "acme-deploy/1.9"),
    (1, "198.51.100.20", "partners.acme.example", "/v1/orders", 5, "partner-sync/3.1"),
    (7, "203.0.113.9", "www.acme.example", "/api/search?q=shoes", 3, "Mozilla/5.0"),
    (10, "198.51.100.61", "api.acme.example", "/v1/packages", 1, "npm/10.8"),
];

async fn post(program: &Program, path: &str, body: Value) -> Value {
    let (status, answer) = program.api("POST", path, Some(body)).await;
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    answer
}

/// Calls of a user who is signed in.
struct Signed {
    client: reqwest::Client,
    base: String,
    cookie: String,
    csrf: String,
}

impl Signed {
    /// Another administrator of all tenants than the first one.
    async fn another(program: &Program) -> Self {
        let user = json!({"name": "grace", "role": "global_administrator", "password": PASSWORD});
        post(program, "/users", user).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let base = format!("http://{}/api/v1", program.control);
        let body = json!({"name": "grace", "password": PASSWORD});
        let answer = client.post(format!("{base}/session")).json(&body).send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let session: Value = answer.json().await.unwrap();
        Self { client, base, cookie, csrf: session["csrf_token"].as_str().unwrap().to_owned() }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let call = self.client.post(format!("{}{path}", self.base)).json(&body);
        let call = call.header("cookie", &self.cookie).header("x-csrf-token", &self.csrf);
        let answer = call.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }
}

/// Lets two persons decide in a tenant, with a proposal and a review that wait; gives the leak and the
/// proposal.
async fn two_persons(program: &Program) -> (String, String) {
    let register = async |title: &str, risk: &str| {
        let leak = json!({"title": title, "risk": risk, "tokens": [token("npm_", 36)]});
        let leak = post(program, "/leaks?tenant=acme", leak).await;
        leak["id"].as_str().unwrap().to_owned()
    };
    let first = register("Service key in a chat export", "medium").await;
    let second = register("Key of the staging cluster in a talk’s slides", "low").await;
    let on = json!({"on": true});
    assert_eq!(program.api("PUT", "/four-eyes?tenant=acme", Some(on)).await.0, 200);
    let asked = json!({"mode": "block", "comment": "Its owner has a new one."});
    let grace = Signed::another(program).await;
    let asked = grace.post(&format!("/leaks/{first}/virtual-patch"), asked).await;
    let haste = json!({"mode": "block", "break_glass": "orders are being copied right now"});
    grace.post(&format!("/leaks/{second}/virtual-patch"), haste).await;
    (first, asked["id"].as_str().unwrap().to_owned())
}

impl Seed {
    pub async fn plant() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let upstream = AnsweringUpstream::start().await;
        let program = start(folder.path(), upstream.address());
        let hook = json!({"name": "On call", "url": nobody(), "feeds": ["notifications"]});
        let webhook = post(&program, "/webhooks", hook).await;
        let (mut ids, mut tokens) = (Vec::new(), Vec::new());
        for (number, (title, risk, kind, url, decision)) in LEAKS.into_iter().enumerate() {
            let token = token(["ghp_", "PMAK-", "glpat-", "npm_"][number % 4], 36);
            let url = (!url.is_empty()).then_some(url);
            let leak = json!({"title": title, "risk": risk, "tokens": [token], "owner": "platform team",
                "contact": "platform@acme.example", "source": {"kind": kind, "url": url}});
            let leak = post(&program, "/leaks", leak).await;
            let id = leak["id"].as_str().unwrap().to_owned();
            match decision {
                "" => {}
                "close" => drop(
                    post(&program, &format!("/leaks/{id}/close"), json!({"resolution": "rotated"}))
                        .await,
                ),
                "mark-false" => {
                    drop(post(&program, &format!("/leaks/{id}/mark-false"), json!({})).await)
                }
                mode => drop(
                    post(&program, &format!("/leaks/{id}/virtual-patch"), json!({"mode": mode}))
                        .await,
                ),
            }
            ids.push(id);
            tokens.push(token);
        }
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for (leak, from, host, path, times, agent) in USES {
            for _ in 0..times {
                let request = client
                    .get(program.url(path))
                    .bearer_auth(&tokens[leak])
                    .header("host", host)
                    .header("user-agent", agent)
                    .header("x-forwarded-for", from);
                request.send().await.unwrap();
            }
        }
        // One that is hidden, in a body.
        let escaped: String = tokens[3].bytes().map(|byte| format!("\\u{byte:04x}")).collect();
        let hidden = client
            .post(program.url("/v1/login"))
            .header("host", "auth.acme.example")
            .header("content-type", "application/json")
            .header("user-agent", "okhttp/4.12")
            .header("x-forwarded-for", "203.0.113.52")
            .body(format!("{{\"auth\":{{\"token\":\"{escaped}\"}}}}"));
        assert_eq!(hidden.send().await.unwrap().status(), 403);
        let said = json!({"text": "The mobile team moves to a new token today."});
        post(&program, &format!("/leaks/{}/comments", ids[2]), said).await;
        for role in ["administrator", "analyst", "global_analyst"] {
            let user = json!({"name": role, "role": role, "password": PASSWORD});
            post(&program, "/users", user).await;
        }
        post(&program, "/api-tokens", json!({"name": "ci", "role": "intake"})).await;
        post(&program, "/tenants", json!({"id": "acme", "title": "Acme"})).await;
        let (proposed, proposal) = two_persons(&program).await;
        let report = format!("token,title\n{},from a scan\n,without one\n", token("npm_", 36));
        let import = client
            .post(format!("http://{}/api/v1/imports?format=csv", program.control))
            .bearer_auth(&program.token)
            .body(report);
        let import: Value = import.send().await.unwrap().json().await.unwrap();
        // The last use that was sent: then all of them are written.
        program.wait_for_event(&format!("leak={}", ids[10])).await;
        let event = program.wait_for_event(&format!("leak={}", ids[3])).await;
        let letter = loop {
            let (_, letters) = program.api("GET", "/dead-letters", None).await;
            if let Some(id) = letters["items"][0]["id"].as_str() {
                break id.to_owned();
            }
            tokio::task::yield_now().await;
        };
        Self {
            watched: ids[2].clone(),
            blocked: ids[0].clone(),
            closed: ids[10].clone(),
            event: event["id"].as_str().unwrap().to_owned(),
            import: import["id"].as_str().unwrap_or_else(|| panic!("{import}")).to_owned(),
            proposed,
            proposal,
            webhook: webhook["id"].as_str().unwrap().to_owned(),
            letter,
            program,
            upstream,
            folder,
        }
    }

    /// Every page, by a name.
    pub fn pages(&self) -> Vec<(&'static str, String)> {
        let Self { watched, blocked, closed, event, import, proposed, webhook, .. } = self;
        vec![
            ("leaks", "/leaks".to_owned()),
            (
                "filtered",
                "/leaks?risk=high,critical&source=github&status=all&sort=title".to_owned(),
            ),
            ("nothing", "/leaks?q=nothing".to_owned()),
            ("leak", format!("/leaks/{watched}")),
            ("blocked", format!("/leaks/{blocked}")),
            ("closed", format!("/leaks/{closed}?done=closed")),
            ("add", "/leaks/new".to_owned()),
            ("events", "/events".to_owned()),
            ("clients", "/events?by=client".to_owned()),
            ("event", format!("/events/{event}")),
            ("gateways", "/gateways".to_owned()),
            ("sources", "/sources".to_owned()),
            ("import", format!("/imports/{import}")),
            ("users", "/users".to_owned()),
            ("api-tokens", "/api-tokens".to_owned()),
            ("audit", "/audit".to_owned()),
            ("tenants", "/tenants".to_owned()),
            ("account", "/account".to_owned()),
            ("proposals", "/proposals".to_owned()),
            ("four-eyes", "/proposals?tenant=acme&done=proposed".to_owned()),
            ("proposed", format!("/leaks/{proposed}")),
            ("notifications", "/notifications".to_owned()),
            ("first-uses", "/notifications?kind=first_use,gateway_behind".to_owned()),
            ("webhooks", "/webhooks".to_owned()),
            ("webhook", format!("/webhooks/{webhook}")),
            ("missing", "/leaks/nothing".to_owned()),
        ]
    }
}
