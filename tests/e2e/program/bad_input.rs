//! Bad input gets a clear answer, and nothing is lost.

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;

use crate::support::program::{Program, leakgate};
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// Starts `serve` where it cannot start; gives what it said.
fn refused(folder: &Path, variables: &[(&str, &str)]) -> String {
    let output = leakgate(folder)
        .arg("serve")
        .env("LEAKGATE_GATEWAY__LISTEN", "127.0.0.1:0")
        .env("LEAKGATE_CONTROL__LISTEN", "127.0.0.1:0")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(!output.status.success(), "it started");
    String::from_utf8(output.stderr).unwrap()
}

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_right_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("leakgate.toml"), "[gateway]\nlisen = []\n").unwrap();
    let said = refused(folder.path(), &[]);
    assert_says(&said, &["gateway.lisen", "did you mean listen?"]);
    let output = leakgate(folder.path()).arg("check-config").output().unwrap();
    assert!(!output.status.success());
    assert_says(&String::from_utf8_lossy(&output.stderr), &["did you mean listen?"]);
    std::fs::write(folder.path().join("leakgate.toml"), "[gateway]\nmode = \"off\"\n").unwrap();
    assert!(leakgate(folder.path()).arg("check-config").status().unwrap().success());
}

#[test]
fn certificates_that_cannot_be_used_are_all_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    let config = "[gateway]\nlisten = [\"tls://127.0.0.1:0\"]\n\
        [[gateway.tls.certificates]]\ncert = \"nowhere.pem\"\nkey = \"nowhere.key\"\n\
        [[gateway.tls.certificates]]\ncert = \"empty.pem\"\nkey = \"empty.pem\"\n";
    std::fs::write(folder.path().join("leakgate.toml"), config).unwrap();
    for command in ["serve", "check-config"] {
        let output = leakgate(folder.path()).arg(command).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_says(
            &said,
            &[
                "gateway.tls.certificates[0]: cannot read nowhere.pem: No such file",
                "gateway.tls.certificates[1]: empty.pem holds no certificate",
            ],
        );
    }
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["LEAKGATE_GATEWAY__LISTEN", "LEAKGATE_CONTROL__LISTEN"] {
        let said = refused(folder.path(), &[(key, &address)]);
        assert_says(&said, &[&address, "in use"]);
    }
}

#[test]
fn a_database_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let said = refused(folder.path(), &[("LEAKGATE_STORE__URL", "sqlite:nowhere/leakgate.db")]);
    assert_says(&said, &["nowhere"]);
    let noise: Vec<u8> =
        (0..8_192_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(folder.path().join("broken.db"), noise).unwrap();
    let said = refused(
        folder.path(),
        &[("LEAKGATE_STORE__URL", "sqlite:broken.db"), ("LEAKGATE_KEY", &"k".repeat(32))],
    );
    assert_says(&said, &["broken.db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_does_not_open_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    assert!(program.errors.text().contains("leakgate.key"), "the key file is told of");
    let leak = program.register("Kept", &[&token("kept_", 32)]).await;
    assert!(program.terminate());
    let said = refused(folder.path(), &[("LEAKGATE_KEY", &"another key ".repeat(4))]);
    assert_says(&said, &["LEAKGATE_KEY"]);
    let key = folder.path().join("leakgate.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert_says(&refused(folder.path(), &[]), &["key"]);
    assert!(!key.exists(), "no new key is made over an existing database");
    std::fs::write(&key, kept).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, mode).unwrap();
    let again = Program::start_configured(folder.path());
    let (status, shown) = again.api("GET", &format!("/leaks/{leak}"), None).await;
    assert_eq!(status, 200, "nothing is lost: {shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_one_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let _program = Program::start(folder.path(), upstream.address(), "");
    assert_says(&refused(folder.path(), &[]), &["leakgate.db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_valid_report_is_half_imported_and_a_known_token_is_an_occurrence() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let known = token("glpat-", 20);
    let finding = |secret: &str| {
        json!({ "RuleID": "gitlab-pat", "Description": "a token", "File": "a.py", "StartLine": 7,
            "Commit": "0123456789abcdef0123456789abcdef01234567", "Secret": secret })
    };
    let report =
        json!([finding(&known), finding(""), finding(&token("glpat-", 20)), { "RuleID": 1 }]);
    std::fs::write(folder.path().join("report.json"), report.to_string()).unwrap();
    let import = || {
        let output = program.command(&["import", "report.json", "--output", "json"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let first = import();
    assert_eq!(first["tokens"], 2, "{first}");
    assert_eq!(first["refused"].as_array().unwrap().len(), 2, "{first}");
    let second = import();
    assert_eq!(second["tokens"], 0, "{second}");
    assert_eq!(second["merged"], 2, "{second}");
    let (_, page) = program.api("GET", "/leaks", None).await;
    assert_eq!(page["total"], 2, "no leak was made twice: {page}");

    let body = json!({ "title": "Reported again", "tokens": [known] });
    let (status, answer) = program.api("POST", "/leaks", Some(body)).await;
    assert_eq!(status, 200, "no new leak: {answer}");
    assert!(!answer["merged"].as_array().unwrap().is_empty(), "and it is said: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_and_oversized_bodies_get_problems() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let client = reqwest::Client::new();
    let url = format!("http://{}/api/v1/leaks", program.control);
    let post = |body: Vec<u8>| {
        let request = client.post(&url).bearer_auth(&program.token).body(body);
        request.header("content-type", "application/json").send()
    };
    for (body, status) in [
        (b"{".to_vec(), 400),
        (b"[]".to_vec(), 422),
        (b"\xff\xfe".to_vec(), 400),
        (vec![b' '; 5 * 1024 * 1024], 413),
    ] {
        let response = post(body).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind, "application/problem+json");
        let problem: serde_json::Value = response.json().await.unwrap();
        for member in ["type", "title", "status", "detail"] {
            assert!(!problem[member].is_null(), "{member} in {problem}");
        }
    }
    let (_, page) = program.api("GET", "/leaks", None).await;
    assert_eq!(page["total"], 0);
}
