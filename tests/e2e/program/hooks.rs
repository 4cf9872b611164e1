//! From a code host that saw a token to the gateway that refuses it, without a person.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_token_is_refused_when_the_report_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let signer = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der: PublicKeyX509Der<'_> = signer.public_key().as_der().unwrap();
    let pem = STANDARD.encode(der.as_ref());
    Program::configure(folder.path(), upstream.address(), "listen = [\"127.0.0.1:0\"]");
    let path = folder.path().join("leakgate.toml");
    let more = format!(
        "[control.hooks.github]\npolicy = \"block\"\n[[control.hooks.github.keys]]\n\
         identifier = \"k1\"\n\
         pem = \"\"\"-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\"\"\"\n"
    );
    let config = std::fs::read_to_string(&path).unwrap() + more.as_str();
    std::fs::write(&path, config).unwrap();
    let program = Program::start_configured(folder.path());
    let leaked = token("acme_", 40);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let used = async || {
        let request = client.get(program.url("/")).bearer_auth(&leaked);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(used().await, 200);

    let url = format!("https://github.com/acme/app?{leaked}");
    let body = json!([{"token": leaked, "type": "acme_key", "url": url, "source": "content"}]);
    let body = body.to_string();
    let hook = format!("http://{}/api/v1/hooks/default/github-secret-scanning", program.control);
    let post = async |signed: &str, identifier: &str| {
        let signature = signer.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        let request = client
            .post(&hook)
            .header("Github-Public-Key-Identifier", identifier)
            .header("Github-Public-Key-Signature", STANDARD.encode(signature.as_ref()));
        let answer = request.body(body.clone()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, refused) = post("something else", "k1").await;
    assert_eq!(status, 401, "{refused}");
    assert_eq!(used().await, 200);
    // Whoever floods the hook is slowed, and the gateway is not.
    let mut slowed = 0;
    while slowed == 0 {
        slowed += u32::from(post("something else", &leaked).await.0 == 429);
        assert_eq!(used().await, 200);
    }
    // The partner is let in again once calls are forgotten.
    let answer = loop {
        let (status, answer) = post(&body, "k1").await;
        if status != 429 {
            assert_eq!(status, 200, "{answer}");
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(used().await, 403);
    let (errors, output) = (program.errors.clone(), program.output.clone());
    let metrics = format!("http://{}/metrics", program.control);
    let metrics = client.get(metrics).send().await.unwrap().text().await.unwrap();
    assert!(program.terminate());
    for text in [refused, answer, metrics, errors.text(), output.text()] {
        assert!(!text.contains(&leaked), "{text}");
    }
    assert!(errors.text().contains("a partner's report was registered"), "{}", errors.text());
}
