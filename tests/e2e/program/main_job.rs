//! The main job, on real input: a scanner's report through import, patch, refusal and event, and
//! every turn that a decision can take after that.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// Runs a command that must succeed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn git(repository: &Path, arguments: &[&str]) -> String {
    run(Command::new("git")
        .args(["-c", "user.name=test", "-c", "user.email=test@example.com"])
        .args(["-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"])
        .arg("-C")
        .arg(repository)
        .args(arguments))
}

/// A repository with one token in its present and one only in its past, scanned.
fn kingfisher_report(folder: &Path, present: &str, past: &str) -> Value {
    let repository = folder.join("repository");
    std::fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "--quiet"]);
    std::fs::write(repository.join("billing.env"), format!("STRIPE_KEY={present}\n")).unwrap();
    std::fs::write(repository.join("old.py"), format!("GITLAB_TOKEN=\"{past}\"\n")).unwrap();
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "--quiet", "-m", "Add settings"]);
    git(&repository, &["rm", "--quiet", "old.py"]);
    git(&repository, &["commit", "--quiet", "-m", "Remove the old script"]);
    let scanner = std::env::var("LEAKGATE_TEST_KINGFISHER").unwrap_or("kingfisher".to_owned());
    // The scanner exits non-zero where it finds something.
    let output = Command::new(scanner)
        .args(["scan", "--no-validate", "--no-update-check", "--format", "json"])
        .arg(&repository)
        .output()
        .unwrap();
    std::fs::write(folder.join("report.json"), &output.stdout).unwrap();
    let first = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>().next();
    first.unwrap().unwrap()
}

/// What one client gets for a request that carries the token.
struct Client(reqwest::Client);

impl Client {
    fn from(address: [u8; 4]) -> Self {
        let address = IpAddr::V4(Ipv4Addr::from(address));
        let client = reqwest::Client::builder().local_address(address).no_proxy();
        Self(client.build().unwrap())
    }

    async fn status(&self, program: &Program, token: &str) -> u16 {
        let request = self.0.get(program.url("/v1/charges?limit=3")).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Kingfisher scanner: run by ./scripts/test"]
async fn a_scanners_report_becomes_a_refusal_and_every_decision_acts_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (stripe, gitlab) = (token("sk_live_", 99), token("glpat-", 20));
    let report = kingfisher_report(folder.path(), &stripe, &gitlab);
    assert!(report["findings"].as_array().is_some_and(|all| all.len() >= 2), "{report}");

    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let output = program.command(&["import", "report.json", "--output", "json"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let imported: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(imported["tokens"].as_u64() >= Some(2), "{imported}");

    let (_, found) = program.api("POST", "/tokens/lookup", Some(json!({ "token": gitlab }))).await;
    let leak = found["leaks"][0]["id"].as_str().unwrap().to_owned();
    let (_, shown) = program.api("GET", &format!("/leaks/{leak}"), None).await;
    assert!(shown["source"]["commit"].is_string(), "deleted in a later commit: {shown}");
    assert_eq!(shown["detected_by"], "automatic");

    let one = Client::from([127, 0, 0, 1]);
    let two = Client::from([127, 0, 0, 2]);
    let decide = |call: &'static str, body: Value| {
        let path = format!("/leaks/{leak}/{call}");
        let program = &program;
        async move {
            let (status, answer) = program.api("POST", &path, Some(body)).await;
            assert_eq!(status, 200, "{call}: {answer}");
        }
    };
    let carried = |upstream: &AnsweringUpstream| {
        let bytes = upstream.take();
        memchr::memmem::find(&bytes, gitlab.as_bytes()).is_some()
    };

    assert_eq!(one.status(&program, &gitlab).await, 200, "watched only");
    assert!(carried(&upstream));

    decide("virtual-patch", json!({ "mode": "block" })).await;
    assert_eq!(one.status(&program, &gitlab).await, 403);
    assert_eq!(one.status(&program, &token("glpat-", 20)).await, 200, "another token passes");
    assert!(!carried(&upstream));
    let event = program.wait_for_event(&format!("leak={leak}&action=blocked")).await;
    assert_eq!(event["type"], "vpatch");
    assert_eq!(event["point"], "header:authorization");
    assert_eq!(event["response_status"], 403);
    assert_eq!(event["source_ip"], "127.0.0.1");

    decide("close", json!({ "resolution": "revoked", "comment": "it is gone" })).await;
    assert_eq!(one.status(&program, &gitlab).await, 200);
    decide("reopen", json!({})).await;
    assert_eq!(one.status(&program, &gitlab).await, 200);
    assert!(carried(&upstream));

    decide("virtual-patch", json!({ "mode": "block" })).await;
    assert_eq!(one.status(&program, &gitlab).await, 403);
    assert!(!carried(&upstream));

    let scope = json!({ "except_clients": [{ "client": "127.0.0.1", "until": null }] });
    decide("virtual-patch", json!({ "mode": "block", "scope": scope })).await;
    assert_eq!(one.status(&program, &gitlab).await, 200, "exempt");
    assert!(carried(&upstream));
    assert_eq!(two.status(&program, &gitlab).await, 403, "not exempt");
    assert!(!carried(&upstream));

    let output = program.command(&["bypass", "on", "--reason", "a test"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(two.status(&program, &gitlab).await, 200, "bypassed");
    assert!(carried(&upstream));
    let output = program.command(&["bypass", "off"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(two.status(&program, &gitlab).await, 403);
    assert!(!carried(&upstream));
    assert!(program.terminate(), "it drains and ends well");
}
