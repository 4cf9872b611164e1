//! `leakgate demo`: everything in one process, with a built-in upstream, a temporary store, and a
//! few sample leaks in different states; prints what to try.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, USER_AGENT};
use ipnet::IpNet;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Failure;
use super::process::{Process, Start};
use super::say::print;
use super::signals::Signals;
use super::{echo, temporary};
use crate::config::{Config, Listener, Log, Upstream};
use crate::control::FirstStart;
use crate::model::rule::FiltrationMode;
use crate::model::secret::Secret;
use crate::proxy::PassedSockets;
use crate::store::KeySource;

/// Runs until a signal ends it.
///
/// # Errors
/// What kept it from starting, or broke it.
pub(super) async fn run() -> Result<(), Failure> {
    let mut signals = Signals::catch().map_err(Failure::Signals)?;
    let folder = temporary::Folder::new().map_err(Failure::Temporary)?;
    let echo = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Failure::Temporary)?;
    let upstream = echo.local_addr().map_err(Failure::Temporary)?;
    let echo = tokio::spawn(echo::serve(echo));

    let mut config = configuration(folder.url(), upstream);
    let token = temporary::sample("lgt_", 43).map_err(Failure::Temporary)?;
    let password = temporary::sample("demo-", 16).map_err(Failure::Temporary)?;
    let start = || Start {
        passed: PassedSockets::default(),
        key: KeySource::File,
        admin: FirstStart {
            admin_password: Some(Secret::from(password.clone())),
            admin_token: Some(Secret::from(token.clone())),
        },
        tell: |_| {},
    };
    let mut process = match Process::start(config.clone(), start()).await {
        // The usual ports are taken: any will do for a demonstration.
        Err(failure) if failure.is_port_in_use() => {
            config.gateway.listen = vec![Listener::plain(SocketAddr::from(([127, 0, 0, 1], 0)))];
            config.control.listen = SocketAddr::from(([127, 0, 0, 1], 0));
            Process::start(config, start()).await?
        }
        started => started?,
    };
    let desk = Desk::new(&process, token.clone());
    let samples = desk.register_samples().await?;
    send_samples(&desk.client, process.gateway_address(), &samples).await?;
    for line in text(&process, &desk, &samples, &password, upstream).lines() {
        if !print(line) {
            break;
        }
    }
    let ended = process.wait(&mut signals, None).await;
    let drained = process.drain(ended).await;
    echo.abort();
    drained
}

fn configuration(store: String, upstream: SocketAddr) -> Config {
    let mut config = Config::default();
    config.store.url = store;
    config.gateway.name = "demo".to_owned();
    config.gateway.mode = FiltrationMode::Block;
    config.gateway.upstreams = vec![Upstream::new("echo", vec![upstream.into()])];
    // The sample traffic comes from this machine and says of whom it would be.
    config.gateway.trusted_proxies = vec![IpNet::from(IpAddr::from([127, 0, 0, 1]))];
    config.log = Log { filter: "warn".to_owned(), ..Log::default() };
    config
}

/// The tokens that the printed lines use. All are made up at start.
struct Samples {
    blocked: String,
    monitored: String,
    watched: String,
    watched_leak: String,
    closed: String,
    honest: String,
}

/// The API, as an operator's scripts use it.
struct Desk {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Desk {
    fn new(process: &Process, token: String) -> Self {
        Self {
            client: reqwest::Client::new(),
            url: format!("http://{}/api/v1", process.control_address()),
            token,
        }
    }

    async fn call(&self, path: &str, body: Value) -> Result<Value, Failure> {
        let request =
            self.client.post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(&body);
        let response = request.send().await.and_then(reqwest::Response::error_for_status);
        response.map_err(Failure::Demo)?.json().await.map_err(Failure::Demo)
    }

    async fn leak(&self, leak: Value) -> Result<String, Failure> {
        let answer = self.call("/leaks", leak).await?;
        Ok(answer.get("id").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// One leak in each state that a leak can be in.
    async fn register_samples(&self) -> Result<Samples, Failure> {
        let blocked = temporary::sample("ghp_", 36).map_err(Failure::Temporary)?;
        let monitored = temporary::sample("PMAK-", 59).map_err(Failure::Temporary)?;
        let watched = temporary::sample("glpat-", 20).map_err(Failure::Temporary)?;
        let closed = temporary::sample("npm_", 36).map_err(Failure::Temporary)?;
        let leak = self
            .leak(json!({
                "title": "Deploy token in a public repository", "risk": "critical",
                "owner": "platform team", "tokens": [blocked],
                "source": { "kind": "github", "url": "https://github.example/acme/deploy",
                    "path": "ci/release.sh", "line": 14 },
            }))
            .await?;
        self.call(&format!("/leaks/{leak}/virtual-patch"), json!({ "mode": "block" })).await?;
        let leak = self
            .leak(json!({
                "title": "Partner's key in a public API workspace", "risk": "high",
                "owner": "partners", "contact": "partners@acme.example", "tokens": [monitored],
                "source": { "kind": "postman", "url": "https://postman.example/acme" },
            }))
            .await?;
        self.call(&format!("/leaks/{leak}/virtual-patch"), json!({ "mode": "monitoring" })).await?;
        let watched_leak = self
            .leak(json!({
                "title": "Build token in a published package", "risk": "high",
                "owner": "mobile team", "tokens": [watched],
                "source": { "kind": "package", "url": "https://packages.example/acme-app" },
            }))
            .await?;
        let leak = self
            .leak(json!({
                "title": "Publishing token in an old image", "risk": "low", "tokens": [closed],
                "source": { "kind": "container", "url": "https://images.example/acme/ci" },
            }))
            .await?;
        self.call(&format!("/leaks/{leak}/close"), json!({ "resolution": "rotated" })).await?;
        let example = temporary::sample("example-", 24).map_err(Failure::Temporary)?;
        let leak = self
            .leak(json!({
                "title": "Example key in the documentation", "risk": "info",
                "tokens": [example],
                "source": { "kind": "website", "url": "https://docs.example/start" },
            }))
            .await?;
        let body = json!({ "resolution": "not_a_secret", "comment": "it never worked" });
        self.call(&format!("/leaks/{leak}/mark-false"), body).await?;
        let honest = temporary::sample("ghp_", 36).map_err(Failure::Temporary)?;
        Ok(Samples { blocked, monitored, watched, watched_leak, closed, honest })
    }
}

/// A client of the sample traffic: which token it sends, from where, for which host and path, how
/// often, and what it calls itself.
type Sample<'a> = (&'a str, &'a str, &'a str, &'a str, u32, &'a str);

/// Uses the samples' tokens as their owners and others would: so the console shows at once who still
/// uses which.
async fn send_samples(
    client: &reqwest::Client,
    gateway: SocketAddr,
    samples: &Samples,
) -> Result<(), Failure> {
    let Samples { blocked, monitored, watched, closed, .. } = samples;
    let sent: [Sample<'_>; 7] = [
        (watched, "198.51.100.61", "api.acme.example", "/v1/builds", 9, "acme-mobile-ci/4.2"),
        (watched, "203.0.113.140", "api.acme.example", "/v1/users?page=1", 4, "curl/8.5.0"),
        (watched, "203.0.113.141", "admin.acme.example", "/v1/exports", 2, "python-requests/2.32"),
        (blocked, "203.0.113.77", "api.acme.example", "/v1/projects", 6, "Go-http-client/2.0"),
        (blocked, "192.0.2.18", "api.acme.example", "/v1/deployments", 2, "acme-deploy/1.9"),
        (monitored, "198.51.100.20", "partners.acme.example", "/v1/orders", 5, "partner-sync/3.1"),
        (closed, "198.51.100.61", "api.acme.example", "/v1/packages", 1, "npm/10.8"),
    ];
    for (token, from, host, path, times, agent) in sent {
        for _ in 0..times {
            let request = client
                .get(format!("http://{gateway}{path}"))
                .bearer_auth(token)
                .header(HOST, host)
                .header(USER_AGENT, agent)
                .header("x-forwarded-for", from);
            request.send().await.map_err(Failure::Demo)?;
        }
    }
    Ok(())
}

/// What to try: each command is whole, and the last number of its comment is the status that comes.
fn text(
    process: &Process,
    desk: &Desk,
    samples: &Samples,
    password: &str,
    upstream: SocketAddr,
) -> String {
    let Samples { blocked, monitored, watched, watched_leak, closed, honest } = samples;
    let gateway = process.gateway_address();
    let api = &desk.url;
    let auth = format!("-H 'Authorization: Bearer {}'", desk.token);
    let percent: String = blocked.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let escaped: String = blocked.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    format!(
        "\
leakgate demo: nothing of it stays when you end it.

  gateway        http://{gateway}  in front of an echo upstream, http://{upstream}
  console        http://{control}/  sign in as admin, password {password}
  control plane  {api}
  sample leaks   one blocked, one monitored, one watched, one closed, one marked false; some of
                 their tokens were just used: the console's first page shows which is most urgent

Try, in another terminal:

  # an honest request passes → 200
  curl -i -H 'Authorization: Bearer {honest}' 'http://{gateway}/v1/projects'

  # a leaked token under a blocking patch is refused → 403
  curl -i -H 'Authorization: Bearer {blocked}' 'http://{gateway}/v1/projects'

  # in the query, percent-encoded → 403
  curl -i 'http://{gateway}/v1/projects?key={percent}'

  # as a Basic password, in base64 → 403
  curl -i -u 'deploy:{blocked}' 'http://{gateway}/v1/projects'

  # in a JSON body, as escapes → 403
  curl -i -H 'Content-Type: application/json' -d '{{\"auth\":{{\"token\":\"{escaped}\"}}}}' 'http://{gateway}/v1/login'

  # a patch in monitoring mode records the use and lets it pass → 200
  curl -i -H 'Cookie: key={monitored}' 'http://{gateway}/v1/projects'

  # a leak that nobody has decided about is watched → 200
  curl -i -H 'Authorization: Bearer {watched}' 'http://{gateway}/v1/builds'

  # a closed leak passes, and is watched for 30 days more → 200
  curl -i -H 'Authorization: Bearer {closed}' 'http://{gateway}/v1/packages'

  # who uses the watched leak's token, and what would a patch break? → 200
  curl {auth} '{api}/leaks/{watched_leak}/impact'

  # decide: block it; enforced when the call returns → 200
  curl -X POST {auth} -H 'Content-Type: application/json' -d '{{\"mode\":\"block\"}}' '{api}/leaks/{watched_leak}/virtual-patch'

  # and it is refused → 403
  curl -i -H 'Authorization: Bearer {watched}' 'http://{gateway}/v1/builds'

  # close the leak: the rule goes, nothing is deleted → 200
  curl -X POST {auth} -H 'Content-Type: application/json' -d '{{\"resolution\":\"revoked\"}}' '{api}/leaks/{watched_leak}/close'

  # and it passes → 200
  curl -i -H 'Authorization: Bearer {watched}' 'http://{gateway}/v1/builds'

  # every attempt is an event, newest first, without any token → 200
  curl {auth} '{api}/events?limit=5'

  # all leaks → 200
  curl {auth} '{api}/leaks'

Or with the operator's commands: LEAKGATE_URL=http://{control} LEAKGATE_TOKEN={token} leakgate leaks list

Ctrl-C ends it. Events, as they happen:",
        control = process.control_address(),
        token = desk.token,
    )
}
