//! `/session` and `/sessions`.

use axum::body::Body;
use http::{Request, header};
use leakgate::config::limits;
use leakgate::control::FirstStart;
use serde_json::{Value, json};

use super::support::{Answer, Api, PASSWORD, id, later};

/// A browser: keeps the cookie, and sends what its page knows.
struct Browser<'a> {
    api: &'a Api,
    cookie: String,
    csrf: String,
}

async fn sign_in(api: &Api, name: &str, password: &str) -> Answer {
    sign_in_with(api, name, password, &[]).await
}

async fn sign_in_with(api: &Api, name: &str, password: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = Request::post("/api/v1/session")
        .header(header::HOST, "console.example")
        .header(header::CONTENT_TYPE, "application/json");
    for (field, value) in fields {
        request = request.header(*field, *value);
    }
    let body = json!({"name": name, "password": password}).to_string();
    api.send(request.body(Body::from(body)).unwrap()).await
}

/// The cookie that an answer sets, as it is sent back.
fn cookie(answer: &Answer) -> String {
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

impl<'a> Browser<'a> {
    async fn sign_in(api: &'a Api, name: &str) -> Self {
        let answer = sign_in(api, name, PASSWORD).await;
        let cookie = cookie(&answer);
        let csrf = answer.expect(200)["csrf_token"].as_str().unwrap().to_owned();
        Self { api, cookie, csrf }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.call_with(method, path, body, &[("x-csrf-token", &self.csrf)]).await
    }

    async fn call_with(
        &self,
        method: &str,
        path: &str,
        body: Value,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::HOST, "console.example")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, &self.cookie);
        for (field, value) in fields {
            request = request.header(*field, *value);
        }
        self.api.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn is_signed_in(&self) -> bool {
        self.call("GET", "/session", Value::Null).await.status == 200
    }
}

#[tokio::test]
async fn begins_with_a_password_and_ends() {
    let api = Api::new().await;
    let ada = api.user("ada", "analyst").await;
    let answer = sign_in(&api, " ADA", PASSWORD).await;
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    let id_of = |set: &str| set.split(['=', ';']).nth(1).unwrap().to_owned();
    assert_eq!(id_of(&set).len(), 43);
    let longest = limits::SESSION_LONGEST.as_secs();
    let attributes = set.split_once("; ").unwrap().1;
    assert_eq!(attributes, format!("HttpOnly; SameSite=Strict; Path=/; Max-Age={longest}"));
    let said = answer.expect(200);
    assert_eq!((&said["user"], &said["role"]), (&ada["id"], &json!("analyst")));
    assert!(!said.to_string().contains(&id_of(&set)), "only the cookie has it");

    let csrf = said["csrf_token"].as_str().unwrap().to_owned();
    let browser = Browser { api: &api, cookie: format!("leakgate_session={}", id_of(&set)), csrf };
    let who = browser.call("GET", "/session", Value::Null).await.expect(200);
    assert_eq!((&who["name"], &who["csrf_token"]), (&json!("ada"), &json!(browser.csrf)));
    browser.call("GET", "/leaks", Value::Null).await.expect(200);
    let leak = api.leak("x", &["one"]).await;
    let path = format!("/leaks/{}/comments", id(&leak));
    let said = browser.call("POST", &path, json!({"text": "seen"})).await.expect(201);
    assert_eq!(said["author"], "ada");
    browser.call("POST", "/leaks", json!({})).await.problem(403, "forbidden");
    let user = api.get(&format!("/users/{}", id(&ada))).await.expect(200);
    assert!(user["last_sign_in_at"].is_string());

    let out = browser.call("DELETE", "/session", Value::Null).await;
    assert!(out.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(out.status, 204);
    let over = browser.call("GET", "/session", Value::Null).await;
    assert!(over.problem(401, "unauthenticated")["detail"].as_str().unwrap().contains("over"));
}

#[tokio::test]
async fn the_first_administrator_signs_in() {
    let environment =
        FirstStart { admin_password: Some(PASSWORD.to_owned().into()), ..FirstStart::default() };
    let (api, _) = Api::start(tempfile::tempdir().unwrap(), environment).await;
    let browser = Browser::sign_in(&api, "admin").await;
    let who = browser.call("GET", "/session", Value::Null).await.expect(200);
    assert_eq!(who["role"], "global_administrator");
}

#[tokio::test]
async fn what_is_wrong_is_not_told() {
    let api = Api::new().await;
    let ada = api.user("ada", "analyst").await;
    let wrong = sign_in(&api, "ada", "correct horse batterx").await.problem(401, "unauthenticated");
    let unknown = sign_in(&api, "nobody", PASSWORD).await.problem(401, "unauthenticated");
    assert_eq!(wrong, unknown);
    let long = sign_in(&api, "ada", &"x".repeat(5_000)).await.problem(401, "unauthenticated");
    assert_eq!(wrong, long);
    let path = format!("/users/{}", id(&ada));
    api.call("PATCH", &path, json!({"disabled": true})).await.expect(200);
    let disabled = sign_in(&api, "ada", PASSWORD).await.problem(401, "unauthenticated");
    assert_eq!(wrong, disabled);
    assert_eq!(api.metrics.sign_ins.with_label_values(&["refused"]).get(), 4);
}

#[tokio::test]
async fn a_new_one_takes_the_place_of_the_old() {
    let api = Api::new().await;
    api.user("ada", "analyst").await;
    let first = Browser::sign_in(&api, "ada").await;
    let answer = sign_in_with(&api, "ada", PASSWORD, &[("cookie", &first.cookie)]).await;
    let second = cookie(&answer);
    assert_ne!(first.cookie, second);
    assert!(!first.is_signed_in().await, "its id is of no use any more");
    let csrf = answer.expect(200)["csrf_token"].as_str().unwrap().to_owned();
    assert_ne!(csrf, first.csrf);
    assert!(Browser { api: &api, cookie: second, csrf }.is_signed_in().await);
}

#[tokio::test]
async fn changes_need_the_sessions_token_and_its_own_site() {
    let api = Api::new().await;
    api.user("boss", "administrator").await;
    let browser = Browser::sign_in(&api, "boss").await;
    let other = Browser::sign_in(&api, "boss").await;
    let body = || json!({"name": "made", "role": "intake"});
    let own = browser.csrf.as_str();
    for fields in [
        &[][..],
        &[("x-csrf-token", "")],
        &[("x-csrf-token", "nonsense")],
        &[("x-csrf-token", other.csrf.as_str())],
        &[("x-csrf-token", own), ("sec-fetch-site", "cross-site")],
        &[("x-csrf-token", own), ("origin", "https://evil.example")],
    ] {
        let answer = browser.call_with("POST", "/api-tokens", body(), fields).await;
        answer.problem(403, "cross-site");
    }
    let fields = [("x-csrf-token", own), ("origin", "https://console.example")];
    browser.call_with("POST", "/api-tokens", body(), &fields).await.expect(201);
    browser.call_with("GET", "/leaks", Value::Null, &[]).await.expect(200);
    let fields = [("sec-fetch-site", "cross-site")];
    sign_in_with(&api, "boss", PASSWORD, &fields).await.problem(403, "cross-site");
}

#[tokio::test]
async fn cookies_are_for_tls_where_there_is_tls() {
    let api = Api::new().await;
    api.user("ada", "analyst").await;
    let fields = [("x-forwarded-proto", "https")];
    let answer = sign_in_with(&api, "ada", PASSWORD, &fields).await;
    assert!(answer.headers[header::SET_COOKIE].to_str().unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn ends_at_once_when_the_user_changes() {
    let api = Api::new().await;
    let ada = api.user("ada", "analyst").await;
    let path = format!("/users/{}", id(&ada));
    let browser = Browser::sign_in(&api, "ada").await;
    api.call("PATCH", &path, json!({"role": "administrator"})).await.expect(200);
    let who = browser.call("GET", "/session", Value::Null).await.expect(200);
    assert_eq!(who["role"], "administrator", "a role acts at once");
    api.call("PATCH", &path, json!({"password": "another long one"})).await.expect(200);
    assert!(!browser.is_signed_in().await);
    api.call("PATCH", &path, json!({"password": PASSWORD})).await.expect(200);

    let browser = Browser::sign_in(&api, "ada").await;
    api.call("PATCH", &path, json!({"disabled": true})).await.expect(200);
    assert!(!browser.is_signed_in().await);
    api.call("PATCH", &path, json!({"disabled": false})).await.expect(200);
    assert!(!browser.is_signed_in().await, "it does not come back");

    let browser = Browser::sign_in(&api, "ada").await;
    api.call("DELETE", &path, Value::Null).await.expect(204);
    assert!(!browser.is_signed_in().await);
}

#[tokio::test]
async fn everywhere_means_all_sessions_of_the_user() {
    let api = Api::new().await;
    let ada = api.user("ada", "analyst").await;
    let bob = api.user("bob", "analyst").await;
    let (one, two) = (Browser::sign_in(&api, "ada").await, Browser::sign_in(&api, "ada").await);
    let other = Browser::sign_in(&api, "bob").await;
    one.call("DELETE", "/sessions", Value::Null).await.expect(204);
    assert!(!one.is_signed_in().await && !two.is_signed_in().await);
    assert!(other.is_signed_in().await);

    let again = Browser::sign_in(&api, "ada").await;
    let path = format!("/sessions?user={}", id(&ada));
    other.call("DELETE", &path, Value::Null).await.problem(403, "forbidden");
    assert!(again.is_signed_in().await);
    api.call("DELETE", &path, Value::Null).await.expect(204);
    assert!(!again.is_signed_in().await);
    let own = format!("/sessions?user={}", id(&bob));
    other.call("DELETE", &own, Value::Null).await.expect(204);
    api.call("DELETE", "/sessions", Value::Null).await.problem(404, "not-found");
}

#[tokio::test]
async fn guessing_is_slowed_for_the_account_alone() {
    let api = Api::new().await;
    api.user("ada", "analyst").await;
    api.user("bob", "analyst").await;
    // On a machine that is slow enough, some are forgotten meanwhile.
    let mut tries = 0;
    let limited = loop {
        let answer = sign_in(&api, "ada", "a wrong password").await;
        if answer.status == 429 {
            break answer;
        }
        answer.problem(401, "unauthenticated");
        tries += 1;
        assert!(tries < 100);
    };
    assert!(tries >= limits::SIGN_IN_ACCOUNT_BURST);
    let wait: u64 = limited.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=7).contains(&wait), "{wait}");
    limited.problem(429, "too-many");
    assert_eq!(api.metrics.sign_ins.with_label_values(&["limited"]).get(), 1);
    assert_eq!(api.metrics.api_limits_hit.with_label_values(&["sign_in_account"]).get(), 1);
    // Those who know their password are not slowed, however often.
    for _ in 0..=limits::SIGN_IN_ACCOUNT_BURST {
        sign_in(&api, "bob", PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn guessing_is_slowed_for_the_address() {
    let api = Api::new().await;
    api.user("ada", "analyst").await;
    let from = async |address: &str, name: &str| {
        let body = json!({"name": name, "password": PASSWORD}).to_string();
        let mut request = Request::post("/api/v1/session")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap();
        let address: std::net::SocketAddr = address.parse().unwrap();
        request.extensions_mut().insert(axum::extract::ConnectInfo(address));
        api.send(request).await
    };
    // Two of one network; hashing takes less time than a try needs to be forgotten.
    let mut limited = 0;
    for number in 0..2 * limits::SIGN_IN_ADDRESS_BURST {
        let address = format!("[2001:db8::{}]:1", number % 2);
        match from(&address, &format!("guess-{number}")).await.status.as_u16() {
            401 => {}
            429 => limited += 1,
            other => panic!("{other}"),
        }
    }
    assert!(limited > 0);
    let hit = api.metrics.api_limits_hit.with_label_values(&["sign_in_address"]).get();
    assert_eq!(hit, limited);
    from("[2001:db8:1::1]:1", "ada").await.expect(200);
}

#[tokio::test]
async fn a_flood_is_refused_and_slows_nothing_else() {
    let api = Api::new().await;
    let count = limits::PASSWORDS_WAITING + 28;
    let names: Vec<String> = (0..count).map(|number| format!("flood-{number}")).collect();
    let flood = names.iter().map(|name| sign_in(&api, name, PASSWORD));
    let flood = futures_util::future::join_all(flood);
    let (answers, leaks) = tokio::join!(flood, api.get("/leaks"));
    leaks.expect(200);
    let limited = answers.iter().filter(|answer| answer.status == 429).count();
    let refused = answers.iter().filter(|answer| answer.status == 401).count();
    assert!(limited > 0 && refused >= limits::PASSWORDS_WAITING, "{limited} {refused}");
    assert_eq!(limited + refused, count);
    let hit = api.metrics.api_limits_hit.with_label_values(&["passwords"]).get();
    assert_eq!(hit, limited as u64);
    let answer = answers.into_iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(answer.headers[header::RETRY_AFTER], "2");
}

#[tokio::test]
async fn sessions_that_are_over_are_nobodys() {
    let api = Api::new().await;
    api.user("ada", "analyst").await;
    let browser = Browser::sign_in(&api, "ada").await;
    let idle = jiff::SignedDuration::from_hours(12);
    assert_eq!(api.store.remove_ended_sessions(later(60), idle).await.unwrap(), 0);
    assert!(browser.is_signed_in().await);
    assert_eq!(api.store.remove_ended_sessions(later(13 * 3_600), idle).await.unwrap(), 1);
    assert!(!browser.is_signed_in().await);
}

/// Neither the log of changes nor what the API shows carries a password.
#[tokio::test]
async fn passwords_stand_nowhere() {
    let api = Api::new().await;
    let ada = api.user("ada", "analyst").await;
    let path = format!("/users/{}", id(&ada));
    api.call("PATCH", &path, json!({"password": "another long one"})).await.expect(200);
    for path in ["/users", "/audit", path.as_str()] {
        let text = api.get(path).await.text;
        assert!(!text.contains(PASSWORD) && !text.contains("another long one"), "{text}");
        assert!(!text.contains("argon2"), "{text}");
    }
}
