//! `/hooks/{tenant}/…`: partners that report tokens.

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use leakgate::config::{Hook, Policy, Proof, PublicKey, limits, public_key};
use leakgate::model::clock;
use leakgate::model::event::EventAction;
use leakgate::model::partner::Partner;
use leakgate::model::rule::{Action, PatchMode, Scope};
use leakgate::model::secret::Secret;
use serde_json::{Value, json};

use super::support::{Answer, Api, id, token};

const SECRET: &str = "a secret of the tests";

/// GitHub, as far as it signs.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        let body = STANDARD.encode(der.as_ref());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    fn key(&self) -> PublicKey {
        PublicKey { identifier: "k1".to_owned(), der: public_key(&self.pem()).unwrap() }
    }

    fn headers(&self, identifier: &str, body: &str) -> Vec<(&'static str, String)> {
        let signature = self.0.sign(&SystemRandom::new(), body.as_bytes()).unwrap();
        vec![
            ("GITHUB-PUBLIC-KEY-IDENTIFIER", identifier.to_owned()),
            ("GITHUB-PUBLIC-KEY-SIGNATURE", STANDARD.encode(signature.as_ref())),
        ]
    }
}

fn hook(partner: Partner, mode: Option<PatchMode>) -> Hook {
    Hook {
        partner,
        tenants: vec!["default".to_owned(), "gone".to_owned()],
        proof: Proof::Secret(Secret::from(SECRET.to_owned())),
        policy: Policy { mode, ..Policy::default() },
    }
}

fn github(signer: &Signer, mode: Option<PatchMode>) -> Hook {
    Hook {
        proof: Proof::Keys { keys: vec![signer.key()], url: None },
        ..hook(Partner::Github, mode)
    }
}

async fn post(api: &Api, path: &str, headers: &[(&'static str, String)], body: &str) -> Answer {
    let mut request = Request::post(format!("/api/v1/hooks/{path}"));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    api.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn matches(names: &[&str]) -> String {
    let one = |name: &&str| {
        json!({"token": token(name), "type": "acme_key", "source": "commit",
            "url": "https://github.com/acme/app/blob/1/config.yml"})
    };
    Value::Array(names.iter().map(one).collect()).to_string()
}

const GITHUB: &str = "default/github-secret-scanning";

#[tokio::test]
async fn a_signed_report_becomes_leaks_and_its_policy_decides() {
    let signer = Signer::new();
    let mut hook = github(&signer, Some(PatchMode::Block));
    hook.policy.scope = Scope { hosts: vec!["API.example".to_owned()], ..Scope::default() };
    hook.policy.expires_after = Some(Duration::from_secs(3_600));
    let api = Api::with_hooks(vec![hook]).await;
    let body = matches(&["one", "two"]);
    let headers = signer.headers("k1", &body);
    assert_eq!(post(&api, GITHUB, &headers, &body).await.expect(200), json!([]));
    assert_eq!(api.action("one"), Some(Action::Block));
    let rule = api.rules("two").remove(0);
    assert!(rule.patch.is_some());
    let leaks = api.get("/leaks").await.expect(200);
    let leak = &leaks["items"][0];
    assert_eq!(leaks["items"].as_array().unwrap().len(), 2);
    assert_eq!(leak["detected_by"], "automatic");
    assert_eq!(leak["kind"], "acme_key");
    assert_eq!(leak["source"]["kind"], "github");
    assert_eq!(leak["source"]["url"], "https://github.com/acme/app/blob/1/config.yml");
    assert_eq!(leak["virtual_patch"]["created_by"], "policy:github");
    assert_eq!(leak["virtual_patch"]["scope"]["hosts"], json!(["api.example"]));
    assert!(leak["virtual_patch"]["expires_at"].is_string());
    let path = format!("/leaks/{}", id(leak));
    let history = api.get(&format!("{path}/history")).await.expect(200);
    let told = |entry: &Value| format!("{} {}", entry["actor"], entry["action"]).replace('"', "");
    let told: Vec<String> = history["items"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(told, ["hook:github register", "policy:github apply_virtual_patch"]);
    let audit = api.get("/audit").await.expect(200).to_string();
    assert!(audit.contains("hook:github") && audit.contains("policy:github"), "{audit}");

    // The same again is an occurrence; what a person has decided stays.
    api.call("DELETE", &format!("{path}/virtual-patch"), Value::Null).await.expect(200);
    post(&api, GITHUB, &headers, &body).await.expect(200);
    let again = api.get(&path).await.expect(200);
    assert_eq!(again["virtual_patch"], Value::Null);
    assert_eq!(api.get("/leaks").await.expect(200)["items"].as_array().unwrap().len(), 2);
    // GitHub is told what is known, by the token's hash.
    api.post(&format!("{path}/mark-false"), json!({})).await.expect(200);
    let other = leaks["items"][1].clone();
    api.used(&other, EventAction::Observed, "192.0.2.1").await;
    let labels = post(&api, GITHUB, &headers, &body).await.expect(200);
    let mut told: Vec<&str> =
        labels.as_array().unwrap().iter().map(|l| l["label"].as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, ["false_positive", "true_positive"]);
    let hashes = ["one", "two"].map(|name| STANDARD.encode(Secret::from(token(name)).digest().0));
    for label in labels.as_array().unwrap() {
        assert!(hashes.iter().any(|hash| label["token_hash"] == *hash), "{label}");
        assert_eq!(label["token_type"], "acme_key");
    }
}

#[tokio::test]
async fn a_report_that_is_not_proved_leaves_nothing() {
    let (signer, other) = (Signer::new(), Signer::new());
    let partners = [Partner::Gitlab, Partner::Gitguardian, Partner::Trufflehog];
    let mut hooks: Vec<Hook> = partners.map(|partner| hook(partner, None)).into();
    hooks.push(github(&signer, None));
    let api = Api::with_hooks(hooks).await;
    let body = matches(&["kept out"]);
    let changed = matches(&["another"]);
    let no_signature = signer.headers("k1", &body).remove(0);
    for headers in [
        Vec::new(),
        vec![no_signature],
        signer.headers("k1", &changed),
        other.headers("k1", &body),
        signer.headers("k2", &body),
        vec![
            ("github-public-key-identifier", "k1".to_owned()),
            ("github-public-key-signature", "!".to_owned()),
        ],
    ] {
        post(&api, GITHUB, &headers, &body).await.problem(401, "unproven-report");
    }
    for name in ["gitlab-token-revocation", "gitguardian", "trufflehog"] {
        for value in ["", "Bearer", "Bearer a secret of the test", "Basic YTpi"] {
            let headers = [("authorization", value.to_owned())];
            let answer = post(&api, &format!("default/{name}"), &headers, &body).await;
            answer.problem(401, "unproven-report");
        }
    }
    let now = clock::now().as_second();
    let old = now - i64::try_from(limits::HOOK_SKEW.as_secs()).unwrap() - 60;
    let (right, wrong) = (signed(now, SECRET, &body), signed(now, "another secret text", &body));
    let mut other_time = right.clone();
    other_time[0].1 = (now - 1).to_string();
    for headers in [wrong, signed(old, SECRET, &body), signed(now, SECRET, "{}"), other_time] {
        let answer = post(&api, "default/gitguardian", &headers, &body).await;
        answer.problem(401, "unproven-report");
    }
    assert_eq!(api.get("/leaks").await.expect(200)["items"], json!([]));
    assert_eq!(api.action("kept out"), None);
    let metrics = api.metrics.text().unwrap();
    assert!(metrics.contains("leakgate_hook_reports_total{outcome=\"unproven\"} 22"), "{metrics}");
}

fn signed(at: i64, secret: &str, body: &str) -> Vec<(&'static str, String)> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, format!("{at}{secret}").as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    vec![("Timestamp", at.to_string()), ("Gitguardian-Signature", format!("sha256={hex}"))]
}

#[tokio::test]
async fn gitlab_gitguardian_and_trufflehog_report() {
    let partners = [
        hook(Partner::Gitlab, Some(PatchMode::Monitoring)),
        hook(Partner::Gitguardian, None),
        hook(Partner::Trufflehog, Some(PatchMode::Block)),
    ];
    let api = Api::with_hooks(partners.into()).await;
    let bearer = [("authorization", format!("Bearer {SECRET}"))];
    let plain = [("authorization", SECRET.to_owned())];
    let body = json!([{"type": "acme", "token": token("a"), "location": "https://gitlab.com/a/b"},
        {"type": "acme", "token": "password", "location": "https://gitlab.com/a/b"},
        {"type": "acme", "token": "***"}, {"type": "acme", "token": token("a")}]);
    let answer = post(&api, "default/gitlab-token-revocation", &plain, &body.to_string()).await;
    let answer = answer.expect(200);
    assert_eq!((&answer["leaks"], &answer["merged"]), (&json!(2), &json!(1)), "{answer}");
    assert_eq!(answer["refused"][0]["line"], 3);
    // The guard's word is told, token by token, and kept beside the leak.
    assert_eq!(answer["not_applicable"][0]["line"], 2);
    assert_eq!(answer["patched"], 1);
    assert_eq!(api.action("a"), Some(Action::Monitor));
    let refused = api.get("/leaks?remediation=not_applicable").await.expect(200);
    let path = format!("/leaks/{}/comments", id(&refused["items"][0]));
    let comments = api.get(&path).await.expect(200);
    assert_eq!(comments["items"][0]["author"], "policy:gitlab", "{comments}");

    let body = json!({"matches": [{"name": "acme", "match": token("b")}]}).to_string();
    let headers = signed(clock::now().as_second(), SECRET, &body);
    let answer = post(&api, "default/gitguardian", &headers, &body).await.expect(200);
    assert_eq!(answer["leaks"], 1);
    assert_eq!(api.action("b"), Some(Action::Observe));

    let body = json!({"DetectorName": "Acme", "Raw": token("c"), "SourceMetadata": {"Data":
        {"Github": {"link": "https://github.com/a/b"}}}});
    let answer = post(&api, "default/trufflehog", &bearer, &body.to_string()).await.expect(200);
    assert_eq!((&answer["leaks"], &answer["patched"]), (&json!(1), &json!(1)));
    assert_eq!(api.action("c"), Some(Action::Block));
    // What was registered without a decision is caught up with; what has other tokens is not.
    api.leak("by hand", &["d", "e"]).await;
    for name in ["b", "d"] {
        let body = json!({"DetectorName": "Acme", "Raw": token(name)}).to_string();
        post(&api, "default/trufflehog", &bearer, &body).await.expect(200);
    }
    assert_eq!(api.action("b"), Some(Action::Block));
    assert_eq!(api.action("d"), Some(Action::Observe));
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_too_much_is_refused() {
    let api = Api::with_hooks(vec![hook(Partner::Gitlab, None)]).await;
    api.tenant("acme").await;
    let bearer = [("authorization", format!("Bearer {SECRET}"))];
    for path in ["default/trufflehog", "acme/gitlab-token-revocation", "x/gitlab-token-revocation"]
    {
        post(&api, path, &bearer, "[]").await.problem(404, "not-found");
    }
    // Configured, but there is no such tenant.
    let path = "gone/gitlab-token-revocation";
    post(&api, path, &bearer, "[]").await.problem(404, "not-found");
    let path = "default/gitlab-token-revocation";
    let answer = post(&api, path, &bearer, &" ".repeat(limits::HOOK_BODY_BYTES + 1)).await;
    answer.problem(413, "too-large");
    post(&api, path, &bearer, "nothing").await.problem(400, "malformed");
    post(&api, path, &bearer, "{}").await.problem(422, "invalid-value");
    let many = format!("[{}{{}}]", "{},".repeat(limits::HOOK_MATCHES));
    post(&api, path, &bearer, &many).await.problem(422, "invalid-value");
    let mut slowed = None;
    for _ in 0..=limits::HOOK_BURST * 50 {
        let answer = post(&api, path, &[], "[]").await;
        if answer.status == 429 {
            slowed = Some(answer);
            break;
        }
    }
    let slowed = slowed.unwrap();
    assert!(slowed.headers.contains_key("retry-after"));
    slowed.problem(429, "too-many");
    let metrics = api.metrics.text().unwrap();
    for limit in ["hook_calls", "hook_matches"] {
        assert!(metrics.contains(&format!("limit=\"{limit}\"")), "{metrics}");
    }
}

#[tokio::test]
async fn keys_are_asked_for_once_where_one_is_unknown() {
    let signer = Signer::new();
    let shown = json!({"public_keys": [{"key_identifier": "new", "key": signer.pem(),
        "is_current": true}, {"key_identifier": "odd", "key": "no key", "is_current": false}]});
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&asked);
    let router = Router::new().route(
        "/keys",
        get(move || {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let shown = shown.clone();
            async move { axum::Json(shown) }
        }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    let proof = Proof::Keys { keys: Vec::new(), url: Some(url) };
    let api = Api::with_hooks(vec![Hook { proof, ..hook(Partner::Github, None) }]).await;
    let body = matches(&["asked for"]);
    post(&api, GITHUB, &signer.headers("new", &body), &body).await.expect(200);
    for identifier in ["odd", "unknown", "unknown too"] {
        let answer = post(&api, GITHUB, &signer.headers(identifier, &body), &body).await;
        answer.problem(401, "unproven-report");
    }
    post(&api, GITHUB, &signer.headers("new", &body), &body).await.expect(200);
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!(api.action("asked for"), Some(Action::Observe));
}

#[tokio::test]
async fn no_answer_of_a_hook_carries_a_token() {
    let signer = Signer::new();
    let partners = [Partner::Gitlab, Partner::Trufflehog].map(|partner| hook(partner, None));
    let mut hooks: Vec<Hook> = partners.into();
    hooks.push(github(&signer, Some(PatchMode::Block)));
    let api = Api::with_hooks(hooks).await;
    let (first, second) = (token("planted"), token("planted beside"));
    // One match's texts carry the other's token too.
    let body = json!([
        {"token": first, "type": second, "url": format!("https://x.example/?k={second}")},
        {"token": second, "type": format!("t {first}"), "url": format!("https://{first}@x.example/"),
            "source": first},
        {"token": first, "type": first},
    ])
    .to_string();
    let mut outputs = Vec::new();
    let bearer = [("authorization", format!("Bearer {SECRET}"))];
    for _ in 0..2 {
        outputs.push(post(&api, GITHUB, &signer.headers("k1", &body), &body).await);
        outputs.push(post(&api, "default/gitlab-token-revocation", &bearer, &body).await);
    }
    for body in [format!("[{first}"), json!({&first: &second}).to_string(), first.clone()] {
        outputs.push(post(&api, "default/gitlab-token-revocation", &bearer, &body).await);
        outputs.push(post(&api, "default/trufflehog", &bearer, &body).await);
        outputs.push(post(&api, GITHUB, &signer.headers(&first, &body), &body).await);
    }
    outputs.push(post(&api, &format!("{first}/trufflehog"), &bearer, &body).await);
    let leaks = api.get("/leaks").await;
    for leak in leaks.json()["items"].as_array().unwrap() {
        for part in ["", "/history", "/comments", "/tokens"] {
            outputs.push(api.get(&format!("/leaks/{}{part}", id(leak))).await);
        }
    }
    outputs.push(leaks);
    outputs.push(api.get("/audit").await);
    let metrics = api.metrics.text().unwrap();
    for text in outputs.iter().map(|answer| &answer.text).chain([&metrics]) {
        for secret in [&first, &second] {
            assert!(!text.contains(secret.as_str()), "{text}");
            assert!(!text.contains(&secret.to_lowercase()), "{text}");
        }
    }
}
