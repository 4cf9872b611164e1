//! `/oidc/sign-in` and `/oidc/callback`, against a provider that keeps to the standard: discovery,
//! keys, authorization code with PKCE (S256), ID tokens signed with ES256.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use leakgate::config::{Oidc, OidcRole};
use leakgate::model::role::Role;
use leakgate::model::secret::Secret;
use serde_json::{Value, json};

use super::support::{Answer, Api, PASSWORD};

const SECRET: &str = "the client's secret";
const REDIRECT: &str = "https://leakgate.example/api/v1/oidc/callback";

#[derive(Clone)]
struct Provider(Arc<Inner>);

struct Inner {
    issuer: String,
    key: Mutex<EcdsaKeyPair>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What each code was given for.
    codes: HashMap<String, HashMap<String, String>>,
    /// What is said of the user.
    claims: Value,
    /// Claims that stand in the ID token in place of the right ones.
    wrong: Value,
    /// Whether ID tokens are signed with a key that is not shown.
    forges: bool,
}

fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn pairs(text: &str) -> HashMap<String, String> {
    let uri = format!("/?{text}").parse().unwrap();
    Query::<HashMap<String, String>>::try_from_uri(&uri).unwrap().0
}

impl Provider {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let provider = Self(Arc::new(Inner {
            issuer: format!("http://{address}"),
            key: Mutex::new(new_key()),
            state: Mutex::default(),
        }));
        let answering = provider.clone();
        let router =
            Router::new().fallback(move |request: Request| answering.clone().answer(request));
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    fn says(&self, claims: Value) {
        self.0.state.lock().unwrap().claims = claims;
    }

    fn errs(&self, wrong: Value) {
        self.0.state.lock().unwrap().wrong = wrong;
    }

    async fn answer(self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let issuer = &self.0.issuer;
        match parts.uri.path() {
            "/.well-known/openid-configuration" => axum::Json(json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/keys"),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            }))
            .into_response(),
            "/keys" => {
                let key = self.0.key.lock().unwrap();
                let point = key.public_key().as_ref();
                axum::Json(json!({"keys": [{
                    "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
                    "x": base64(&point[1..33]), "y": base64(&point[33..65]),
                }]}))
                .into_response()
            }
            "/authorize" => {
                let asked = pairs(parts.uri.query().unwrap());
                assert_eq!(asked["response_type"], "code");
                assert_eq!(asked["code_challenge_method"], "S256");
                assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
                let code = base64(Secret::from(asked["state"].clone()).digest().0);
                let back = format!("{REDIRECT}?code={code}&state={}", asked["state"]);
                self.0.state.lock().unwrap().codes.insert(code, asked);
                (StatusCode::FOUND, [(header::LOCATION, back)]).into_response()
            }
            "/token" => {
                let body = axum::body::to_bytes(body, 10_000).await.unwrap();
                self.token(&parts.headers, &pairs(std::str::from_utf8(&body).unwrap()))
            }
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn token(&self, headers: &http::HeaderMap, sent: &HashMap<String, String>) -> Response {
        let refused = |error| (StatusCode::BAD_REQUEST, axum::Json(json!({"error": error})));
        let client = headers[header::AUTHORIZATION].to_str().unwrap();
        let client = STANDARD.decode(client.strip_prefix("Basic ").unwrap()).unwrap();
        let client = String::from_utf8(client).unwrap();
        if client != "leakgate:the+client%27s+secret" {
            return refused("invalid_client").into_response();
        }
        let mut state = self.0.state.lock().unwrap();
        // A code is good once.
        let Some(asked) = state.codes.remove(&sent["code"]) else {
            return refused("invalid_grant").into_response();
        };
        let challenge = base64(Secret::from(sent["code_verifier"].clone()).digest().0);
        if challenge != asked["code_challenge"] || sent["redirect_uri"] != REDIRECT {
            return refused("invalid_grant").into_response();
        }
        let now = leakgate::model::clock::now().as_second();
        let mut claims = json!({
            "iss": self.0.issuer, "aud": "leakgate", "iat": now, "exp": now + 300,
            "nonce": asked["nonce"],
        });
        for more in [&state.claims, &state.wrong] {
            for (name, value) in more.as_object().into_iter().flatten() {
                claims[name] = value.clone();
            }
        }
        let head = base64(json!({"alg": "ES256", "typ": "JWT"}).to_string());
        let signed = format!("{head}.{}", base64(claims.to_string()));
        let key = self.0.key.lock().unwrap();
        let other = new_key();
        let key = if state.forges { &other } else { &*key };
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        let token = format!("{signed}.{}", base64(signature));
        axum::Json(json!({"access_token": "a", "token_type": "Bearer", "id_token": token}))
            .into_response()
    }
}

fn settings(provider: &Provider) -> Oidc {
    let role = |value: &str, role, tenant: &str| OidcRole {
        value: value.to_owned(),
        role,
        tenant: tenant.to_owned(),
    };
    Oidc {
        issuer: provider.0.issuer.clone(),
        client_id: "leakgate".to_owned(),
        client_secret: Some(Secret::from(SECRET.to_owned())),
        redirect_url: REDIRECT.to_owned(),
        scopes: vec!["email".to_owned()],
        name_claim: "email".to_owned(),
        role_claim: "groups".to_owned(),
        roles: vec![
            role("admins", Role::Administrator, "acme"),
            role("watchers", Role::Analyst, "default"),
        ],
    }
}

async fn api(provider: &Provider) -> Api {
    let api = Api::with_oidc(settings(provider)).await;
    api.tenant("acme").await;
    api
}

async fn get(api: &Api, path: &str, cookie: &str) -> Answer {
    let request = http::Request::get(format!("/api/v1{path}")).header(header::COOKIE, cookie);
    api.send(request.body(Body::empty()).unwrap()).await
}

fn cookie(answer: &Answer) -> String {
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

/// Goes to the provider and gives the browser's cookie and the query with which it is sent back.
async fn depart(api: &Api) -> (String, String) {
    let answer = get(api, "/oidc/sign-in", "").await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(set.contains("; HttpOnly; SameSite=Lax; Path=/api/v1/oidc; Max-Age="), "{set}");
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let location = answer.headers[header::LOCATION].to_str().unwrap();
    let back = browser.get(location).send().await.unwrap();
    let back = back.headers()["location"].to_str().unwrap().to_owned();
    (cookie(&answer), back.strip_prefix(REDIRECT).unwrap().to_owned())
}

async fn sign_in(api: &Api) -> Answer {
    let (cookie, query) = depart(api).await;
    get(api, &format!("/oidc/callback{query}"), &cookie).await
}

/// Who is signed in by what this answer set.
async fn who(api: &Api, answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.text.contains("url=/"), "{}", answer.text);
    get(api, "/session", &cookie(answer)).await.expect(200)
}

#[tokio::test]
async fn a_user_comes_with_the_role_that_follows_from_the_claim() {
    let provider = Provider::start().await;
    let api = api(&provider).await;
    provider.says(json!({"sub": "1", "email": "Ada@example.com", "groups": ["x", "admins"]}));
    let first = sign_in(&api).await;
    let ada = who(&api, &first).await;
    assert_eq!((&ada["name"], &ada["role"]), (&json!("ada@example.com"), &json!("administrator")));
    assert_eq!(ada["tenant"], "acme");
    let path = format!("/users/{}", ada["user"].as_str().unwrap());
    assert_eq!(api.get(&path).await.expect(200)["external"], true);

    // Another role there is another role here, and a renamed user is the same one.
    provider.says(json!({"sub": "1", "email": "ada@other.example", "groups": "watchers"}));
    let again = who(&api, &sign_in(&api).await).await;
    assert_eq!(again["user"], ada["user"]);
    assert_eq!((&again["role"], &again["tenant"]), (&json!("analyst"), &json!("default")));
    let before = get(&api, "/session", &cookie(&first)).await.expect(200);
    assert_eq!(before["role"], "analyst", "also in the session of before");

    // Nobody has a password of theirs.
    let body = json!({"name": "ada@example.com", "password": ""});
    api.call_as("", "POST", "/session", body).await.problem(401, "unauthenticated");
    let change = json!({"password": PASSWORD});
    api.call("PATCH", &path, change).await.problem(422, "invalid-value");
    api.call("PATCH", &path, json!({"disabled": true})).await.expect(200);
    sign_in(&api).await.problem(403, "may-not-sign-in");
}

#[tokio::test]
async fn who_has_no_role_there_has_none_here() {
    let provider = Provider::start().await;
    let api = api(&provider).await;
    for groups in [json!([]), json!("strangers"), json!(null), json!({"admins": true})] {
        provider.says(json!({"sub": "1", "email": "eve", "groups": groups}));
        sign_in(&api).await.problem(403, "may-not-sign-in");
    }
    assert_eq!(api.get("/users").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_is_taken_is_not_taken_over() {
    let provider = Provider::start().await;
    let api = api(&provider).await;
    provider.says(json!({"sub": "1", "email": "ADMIN", "groups": ["watchers"]}));
    sign_in(&api).await.problem(409, "exists");
}

#[tokio::test]
async fn only_the_browser_that_began_it_ends_it_and_once() {
    let provider = Provider::start().await;
    let api = api(&provider).await;
    provider.says(json!({"sub": "1", "email": "ada", "groups": ["watchers"]}));
    let (mine, query) = depart(&api).await;
    let (other, _) = depart(&api).await;
    let path = format!("/oidc/callback{query}");
    for wrong in ["", &other, "leakgate_oidc=a.b.c", "leakgate_oidc=nonsense"] {
        get(&api, &path, wrong).await.problem(403, "sign-in-not-begun");
    }
    // Another's code, with the state and verifier of one's own: the provider knows the challenge.
    let state = mine.split(['=', '.']).nth(1).unwrap();
    let (_, others_query) = depart(&api).await;
    let others_code = pairs(&others_query[1..])["code"].clone();
    let mixed = format!("/oidc/callback?code={others_code}&state={state}");
    get(&api, &mixed, &mine).await.problem(502, "provider-failed");

    who(&api, &get(&api, &path, &mine).await).await;
    get(&api, &path, &mine).await.problem(502, "provider-failed");
    let refused = format!("/oidc/callback?error=access_denied&state={state}");
    get(&api, &refused, &mine).await.problem(403, "provider-refused");
}

#[tokio::test]
async fn an_id_token_that_is_not_right_is_none() {
    let provider = Provider::start().await;
    let api = api(&provider).await;
    provider.says(json!({"sub": "1", "email": "ada", "groups": ["watchers"]}));
    let past = leakgate::model::clock::now().as_second() - 3_600;
    for wrong in [
        json!({"nonce": "another"}),
        json!({"aud": "another"}),
        json!({"iss": "http://another.example"}),
        json!({"iat": past - 300, "exp": past}),
    ] {
        provider.errs(wrong);
        sign_in(&api).await.problem(502, "provider-failed");
    }
    provider.errs(Value::Null);
    provider.0.state.lock().unwrap().forges = true;
    sign_in(&api).await.problem(502, "provider-failed");
    provider.0.state.lock().unwrap().forges = false;
    who(&api, &sign_in(&api).await).await;
}

#[tokio::test]
async fn new_keys_of_the_provider_are_asked_for() {
    let provider = Provider::start().await;
    let api = api(&provider).await;
    provider.says(json!({"sub": "1", "email": "ada", "groups": ["watchers"]}));
    who(&api, &sign_in(&api).await).await;
    *provider.0.key.lock().unwrap() = new_key();
    who(&api, &sign_in(&api).await).await;
}

#[tokio::test]
async fn without_a_provider_there_is_no_such_call() {
    let api = Api::new().await;
    get(&api, "/oidc/sign-in", "").await.problem(404, "not-found");
    get(&api, "/oidc/callback?code=a&state=b", "").await.problem(404, "not-found");
    let provider = Provider::start().await;
    let mut gone = settings(&provider);
    gone.issuer.push_str("/elsewhere");
    let api = Api::with_oidc(gone).await;
    get(&api, "/oidc/sign-in", "").await.problem(502, "provider-failed");
}
