//! The document of the API against the running API, by a generator of calls that is not ours
//! (Schemathesis).

use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// The call that is left out: its answer has no end that could be waited for.
const ENDLESS: &str = "followEvents";

/// What is not asked: that all is taken that fits the document. It cannot say everything: lengths in
/// bytes, times that are still to come, what goes together, a password that cannot be guessed.
const NOT_ASKED: &str = "positive_data_acceptance";

/// Calls of random data for each operation, beside those that its parts suggest one by one.
const EXAMPLES: &str = "40";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Schemathesis, which ./scripts/test installs"]
async fn the_api_does_what_its_document_says() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let leaked = token("tok_", 36);
    let leak = program.register("something to find", &[&leaked]).await;
    program.block(&leak).await;
    let (status, _) = program
        .api("POST", &format!("/leaks/{leak}/comments"), Some(json!({"text": "a comment"})))
        .await;
    assert_eq!(status, 201);
    let request = reqwest::Client::new().get(program.url("/")).bearer_auth(&leaked);
    assert_eq!(request.send().await.unwrap().status(), 403);
    program.wait_for_event(&format!("leak={leak}")).await;

    let generator =
        std::env::var("LEAKGATE_TEST_SCHEMATHESIS").unwrap_or("schemathesis".to_owned());
    let run = Command::new(&generator)
        .current_dir(folder.path())
        .arg("run")
        .arg(format!("http://{}/api/v1/openapi.json", program.control))
        .args(["--header", &format!("Authorization: Bearer {}", program.token)])
        .args(["--exclude-operation-id", ENDLESS])
        .args(["--checks", "all", "--exclude-checks", NOT_ASKED, "--mode", "all"])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", EXAMPLES, "--seed", "1", "--no-color"])
        .args(["--generation-database", "none", "--continue-on-failure"])
        .args(["--suppress-health-check", "all"])
        .stdin(Stdio::null())
        .output();
    let output = run.unwrap_or_else(|error| {
        panic!("{generator} cannot be run ({error}): set LEAKGATE_TEST_SCHEMATHESIS")
    });
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        program.errors.text()
    );
    // All but that one and the call for the document itself.
    let made = leakgate::control::calls().len() - 2;
    assert!(said.contains(&format!("Selected: {made}/")), "not all calls were made: {said}");
}
