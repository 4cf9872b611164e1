//! A control plane on a store of its own, called without a socket.

pub mod receiver;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use jiff::Timestamp;
use leakgate::config::{Hook, Oidc, SinkRetry};
use leakgate::console;
use leakgate::control::{
    self, Bootstrapped, BypassControl, Control, Explain, ExplainedHit, Explanation, FirstStart,
    Hooks, MalformedRequest, Outcome, OutgoingSettings, Settings, SignInSettings,
};
use leakgate::matcher::{Patchset, PatchsetHandle, Rule};
use leakgate::model::clock;
use leakgate::model::event::{Event, EventAction, EventType};
use leakgate::model::ids::{EventId, LeakId, TokenId};
use leakgate::model::rule::Action;
use leakgate::model::secret::Secret;
use leakgate::model::tenant::Tenants;
use leakgate::store::{self, KeySource, Store};
use leakgate::telemetry::metrics::Metrics;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

pub struct Api {
    pub control: Control,
    pub store: Arc<dyn Store>,
    pub handle: PatchsetHandle,
    pub switch: Arc<Switch>,
    pub metrics: Arc<Metrics>,
    /// The administrator's API token.
    pub admin: String,
    router: Router,
    directory: TempDir,
}

/// The gateway's switch: remembers how it stands and how often it was turned.
#[derive(Default)]
pub struct Switch {
    on: AtomicBool,
    turns: AtomicUsize,
    tenants: Mutex<Vec<String>>,
}

impl Switch {
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::SeqCst)
    }

    /// The tenants for which it is held by themselves.
    pub fn tenants(&self) -> Vec<String> {
        self.tenants.lock().unwrap().clone()
    }

    pub fn turns(&self) -> usize {
        self.turns.load(Ordering::SeqCst)
    }
}

impl BypassControl for Switch {
    fn set(&self, on: bool) {
        self.on.store(on, Ordering::SeqCst);
        self.turns.fetch_add(1, Ordering::SeqCst);
    }

    fn set_tenants(&self, tenants: &[String]) {
        *self.tenants.lock().unwrap() = tenants.to_vec();
    }
}

/// Explains by searching the whole recorded request for tokens.
struct Search(PatchsetHandle);

impl Explain for Search {
    fn explain(&self, request: &[u8], of: &Tenants) -> Result<Explanation, MalformedRequest> {
        if !request.windows(4).any(|window| window == b"\r\n\r\n") {
            let why = "the head does not end: two line ends are missing";
            return Err(MalformedRequest(why.to_owned()));
        }
        let patchset = self.0.load();
        let mut hits = Vec::new();
        patchset.scan(request, &mut |hit| {
            let info = patchset.token(hit.token).unwrap();
            let rules = patchset.rules(hit.token).filter(|rule| of.include(&rule.owner.id));
            let Some(rule) = rules.max_by_key(|rule| rule.action) else { return };
            hits.push(ExplainedHit {
                token: info.id,
                fingerprint: info.fingerprint.short(),
                leak: rule.leak,
                virtual_patch: rule.patch,
                action: rule.action.into(),
                point: "body".to_owned(),
                encodings: Vec::new(),
            });
        });
        let blocked = hits.iter().any(|hit| hit.action == EventAction::Blocked);
        Ok(Explanation {
            outcome: if blocked { Outcome::Blocked } else { Outcome::Forwarded },
            status: blocked.then_some(403),
            detail: None,
            hits,
            would_refuse: Vec::new(),
            patchset_version: patchset.version(),
        })
    }
}

/// The password of users that tests make.
pub const PASSWORD: &str = "correct horse battery";

/// What a call answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The answer's JSON, where the call came out as expected.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem document, where the call was refused as expected.
    #[track_caller]
    pub fn problem(self, status: u16, name: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:leakgate:problem:{name}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        problem
    }
}

impl Api {
    pub async fn new() -> Self {
        Self::start(tempfile::tempdir().unwrap(), FirstStart::default()).await.0
    }

    /// One whose users can sign in at this provider.
    pub async fn with_oidc(oidc: Oidc) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::start_with(directory, FirstStart::default(), Some(oidc), Vec::new(), outgoing())
            .await
            .0
    }

    /// One with these hooks.
    pub async fn with_hooks(hooks: Vec<Hook>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::start_with(directory, FirstStart::default(), None, hooks, outgoing()).await.0
    }

    /// One with these hooks, and with these tenants' closed leaks opened again when one of their
    /// tokens is reported.
    pub async fn with_policies(hooks: Vec<Hook>, reopen_reported: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("leakgate.db").display());
        let settings = Settings {
            hooks,
            reopen_reported: reopen_reported.iter().map(|id| (*id).to_owned()).collect(),
            ..settings(outgoing())
        };
        Self::on_with(&url, directory, FirstStart::default(), settings).await.0
    }

    /// One that sends what happens as these settings say.
    pub async fn with_outgoing(settings: OutgoingSettings) -> Self {
        Self::start_again(tempfile::tempdir().unwrap(), settings).await
    }

    /// The same on the store in this directory.
    pub async fn start_again(directory: TempDir, settings: OutgoingSettings) -> Self {
        let start = FirstStart::default();
        Self::start_with(directory, start, None, Vec::new(), settings).await.0
    }

    /// A control plane on the store in this directory, and what its start had to tell.
    pub async fn start(directory: TempDir, environment: FirstStart) -> (Self, Bootstrapped) {
        Self::start_with(directory, environment, None, Vec::new(), outgoing()).await
    }

    async fn start_with(
        directory: TempDir,
        environment: FirstStart,
        oidc: Option<Oidc>,
        hooks: Vec<Hook>,
        outgoing: OutgoingSettings,
    ) -> (Self, Bootstrapped) {
        let url = format!("sqlite:{}", directory.path().join("leakgate.db").display());
        let settings = Settings { oidc, hooks, ..settings(outgoing) };
        Self::on_with(&url, directory, environment, settings).await
    }

    /// The same on the store of this URL.
    pub async fn on(
        url: &str,
        directory: TempDir,
        environment: FirstStart,
    ) -> (Self, Bootstrapped) {
        Self::on_with(url, directory, environment, settings(outgoing())).await
    }

    async fn on_with(
        url: &str,
        directory: TempDir,
        environment: FirstStart,
        settings: Settings,
    ) -> (Self, Bootstrapped) {
        let key = KeySource::Environment(Secret::from("a key of a store for tests only".repeat(2)));
        let store = store::open(url, key).await.unwrap().store;
        let done = control::bootstrap(&*store, environment).await.unwrap();
        let handle = PatchsetHandle::new(Arc::new(Patchset::empty()));
        let switch = Arc::new(Switch::default());
        let metrics = Arc::new(Metrics::new().unwrap());
        let control = Control::new(
            Arc::clone(&store),
            handle.clone(),
            settings,
            Hooks { bypass: switch.clone(), explain: Arc::new(Search(handle.clone())) },
            Arc::clone(&metrics),
        );
        control.publish().await.unwrap();
        let admin = done.api_token.as_ref().map(shown).unwrap_or_default();
        let router = control::router(control.clone()).merge(console::router(control.clone()));
        (Self { control, store, handle, switch, metrics, admin, router, directory }, done)
    }

    /// The same store, opened again by another process.
    pub async fn restart(self) -> Self {
        let Self { control, store, admin, directory, .. } = self;
        control.stop();
        store.close().await;
        drop((control, store));
        let (mut api, _) = Self::start(directory, FirstStart::default()).await;
        api.admin = admin;
        api
    }

    /// Ends the process; its folder and the administrator's API token stay.
    pub async fn close(self) -> (String, TempDir) {
        self.control.stop();
        self.store.close().await;
        (self.admin, self.directory)
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(parts.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(parts.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// What is answered to anybody at this path, which caches may keep.
    pub async fn asset(&self, path: &str) -> Vec<u8> {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.unwrap().to_bytes().to_vec()
    }

    /// The answer as it comes.
    pub async fn answer(&self, request: Request<Body>) -> http::Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// The answer as it comes, for streams.
    pub async fn open(&self, path: &str) -> http::Response<Body> {
        self.open_as(&self.admin, path).await
    }

    /// The same with this API token.
    pub async fn open_as(&self, token: &str, path: &str) -> http::Response<Body> {
        let request = Request::get(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// A call with this API token; a body of `Null` is none.
    pub async fn call_as(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("/api/v1{path}"));
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
        };
        self.send(request.body(body).unwrap()).await
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.call_as(&self.admin, method, path, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, body).await
    }

    /// A body that is not JSON.
    pub async fn post_text(&self, token: &str, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(body.into())
            .unwrap();
        self.send(request).await
    }

    /// The API token of a new credential with this role.
    pub async fn credential(&self, role: &str) -> String {
        let name = format!("{role} {}", EventId::new());
        let made = self.post("/api-tokens", json!({"name": name, "role": role})).await.expect(201);
        made["token"].as_str().unwrap().to_owned()
    }

    /// The API token of a new credential with this role in this tenant.
    pub async fn credential_in(&self, tenant: &str, role: &str) -> String {
        let name = format!("{role} {}", EventId::new());
        let path = format!("/api-tokens?tenant={tenant}");
        let made = self.post(&path, json!({"name": name, "role": role})).await.expect(201);
        made["token"].as_str().unwrap().to_owned()
    }

    /// A new tenant.
    pub async fn tenant(&self, id: &str) {
        self.post("/tenants", json!({"id": id})).await.expect(201);
    }

    /// A new user of this name and role in the default tenant, with [`PASSWORD`].
    pub async fn user(&self, name: &str, role: &str) -> Value {
        let body = json!({"name": name, "role": role, "password": PASSWORD});
        self.post("/users", body).await.expect(201)
    }

    /// A new leak of these tokens, by their names.
    pub async fn leak(&self, title: &str, names: &[&str]) -> Value {
        let tokens: Vec<String> = names.iter().map(|name| token(name)).collect();
        self.post("/leaks", json!({"title": title, "tokens": tokens})).await.expect(201)
    }

    pub async fn block(&self, leak: &Value) -> Value {
        self.post(&format!("/leaks/{}/virtual-patch", id(leak)), json!({})).await.expect(200)
    }

    /// The rules that the published patchset has for the token of this name.
    pub fn rules(&self, name: &str) -> Vec<Rule> {
        self.rules_of_text(&token(name))
    }

    pub fn rules_of_text(&self, text: &str) -> Vec<Rule> {
        let patchset = self.handle.load();
        let mut rules = Vec::new();
        let request = format!("Bearer {text} ");
        patchset.scan(request.as_bytes(), &mut |hit| {
            rules.extend(patchset.rules(hit.token).cloned());
        });
        rules
    }

    /// The strongest action that the published patchset has for the token of this name.
    pub fn action(&self, name: &str) -> Option<Action> {
        self.rules(name).into_iter().map(|rule| rule.action).max()
    }

    /// Makes every look at how leaks are used fail.
    pub async fn break_use(&self) {
        self.execute("leakgate-events.db", "ALTER TABLE leak_use RENAME TO lost").await;
    }

    /// Changes a database behind the store's back.
    pub async fn execute(&self, database: &str, sql: &str) {
        use sqlx::{ConnectOptions as _, Connection as _};
        let database = self.directory.path().join(database);
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Puts a use of a leak's first token into the store.
    pub async fn used(&self, leak: &Value, action: EventAction, source_ip: &str) -> Event {
        let event = event(leak, action, source_ip);
        self.store.append_events(std::slice::from_ref(&event)).await.unwrap();
        event
    }
}

fn settings(outgoing: OutgoingSettings) -> Settings {
    Settings {
        watch_closed_days: 30,
        gateway: "edge-1".to_owned(),
        sign_in: SignInSettings::default(),
        oidc: None,
        hooks: Vec::new(),
        reopen_reported: Vec::new(),
        outgoing,
    }
}

/// Settings under which webhooks may send to loopback, and are given up soon.
pub fn outgoing() -> OutgoingSettings {
    let mut settings = OutgoingSettings::default();
    settings.sinks.webhooks.networks = vec!["127.0.0.0/8".parse().unwrap()];
    settings.sinks.webhooks.retry =
        SinkRetry { attempts: 3, pause: std::time::Duration::from_millis(1) };
    settings
}

pub fn event(leak: &Value, action: EventAction, source_ip: &str) -> Event {
    let leak_id: LeakId = id(leak).parse().unwrap();
    let token_id: TokenId = id(&leak["tokens"][0]).parse().unwrap();
    Event {
        id: EventId::new(),
        at: clock::now(),
        kind: EventType::Vpatch,
        action,
        tenant: leak["tenant"].as_str().unwrap().to_owned(),
        leak: leak_id,
        virtual_patch: None,
        token: token_id,
        fingerprint: leak["tokens"][0]["fingerprint"].as_str().unwrap().to_owned(),
        point: "header:authorization".to_owned(),
        encodings: vec!["gzip".to_owned(), "json".to_owned()],
        source_ip: source_ip.to_owned(),
        peer_ip: "10.0.0.1".to_owned(),
        forwarded_for: None,
        client_cert: None,
        user_agent: Some("=curl, \"8\"".to_owned()),
        method: "GET".to_owned(),
        host: "api.example.com".to_owned(),
        path: "/v1/charges".to_owned(),
        response_status: Some(200),
        count: 1,
        gateway: "edge-1".to_owned(),
        request_id: "r1".to_owned(),
        route: 0,
    }
}

/// The token of this name: 40 letters and digits, the same for the same name. Made at run time, so
/// that no scanner of this repository takes it for a real one.
pub fn token(name: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
    let one = Secret::from(name.to_owned()).digest();
    let two = Secret::from(format!("{name}, again")).digest();
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    one.0.iter().chain(&two.0).take(40).map(letter).collect()
}

/// The digest of the token of this name, as the API takes it.
pub fn digest(name: &str) -> String {
    digest_of(&token(name))
}

pub fn digest_of(text: &str) -> String {
    let digest = Secret::from(text.to_owned()).digest();
    let hex: String = digest.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

pub fn shown(secret: &Secret) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

#[track_caller]
pub fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

/// A time in the future.
pub fn later(seconds: i64) -> Timestamp {
    clock::now() + jiff::SignedDuration::from_secs(seconds)
}
