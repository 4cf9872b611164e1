//! Keys are rotated and stores are backed up under a running program, which goes on refusing.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use crate::support::program::{PATIENCE, Program, leakgate};
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// So many that sealing them anew takes some batches.
const TOKENS: usize = 3_000;

/// Imports tokens under a blocking patch.
fn import(program: &Program, tokens: &[String]) {
    std::fs::write(program.folder.join("tokens.txt"), tokens.join("\n")).unwrap();
    let output =
        program.command(&["import", "tokens.txt", "--format", "list", "--decision", "block"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn are_refused(program: &Program, tokens: &[String]) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for token in tokens.iter().step_by(97) {
        let request = client.get(program.url("/")).bearer_auth(token);
        assert_eq!(request.send().await.unwrap().status(), 403);
    }
}

fn keys(folder: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("leakgate.key")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_killed_goes_on_with_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let tokens: Vec<String> = (0..TOKENS).map(|_| token("rot_", 36)).collect();
    import(&program, &tokens);
    let before = std::fs::read(folder.path().join("leakgate.key")).unwrap();
    let (status, state) = program.api("POST", "/keys/rotate", None).await;
    assert_eq!(status, 202, "{state}");
    assert_eq!((&state["generation"], &state["tokens"]), (&2.into(), &TOKENS.into()));
    are_refused(&program, &tokens[..100]).await;
    program.signal("KILL");
    drop(program);

    // It goes on by itself.
    let program = Program::start_configured(folder.path());
    are_refused(&program, &tokens).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, state) = program.api("GET", "/keys", None).await;
        assert_eq!(status, 200, "{state}");
        if state["rotating"] == false {
            assert_eq!(state["generation"], 2);
            break;
        }
        assert!(Instant::now() < deadline, "{state}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(keys(folder.path()), ["leakgate.key".to_owned()].into(), "the old key is gone");
    assert_ne!(std::fs::read(folder.path().join("leakgate.key")).unwrap(), before);

    // Once more, by the command, which waits for the end.
    let output = program.command(&["keys", "rotate"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("not needed"), "{said}");
    let (_, audit) = program.api("GET", "/audit?limit=200", None).await;
    let deeds = audit["items"].as_array().unwrap().iter();
    assert_eq!(deeds.filter(|entry| entry["action"] == "rotate-keys").count(), 4, "{audit}");
    assert!(program.terminate());
    let program = Program::start_configured(folder.path());
    are_refused(&program, &tokens).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_refuses_what_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let tokens: Vec<String> = (0..200).map(|_| token("bak_", 36)).collect();
    import(&program, &tokens);
    // Beside the running program.
    let output = leakgate(folder.path()).args(["backup", "leakgate.backup"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("the key is not in it"), "{output:?}");
    let refused = leakgate(folder.path()).args(["restore", "leakgate.backup"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("in use"), "{said}");

    let place = tempfile::tempdir().unwrap();
    Program::configure(place.path(), upstream.address(), "listen = [\"127.0.0.1:0\"]");
    let backup = folder.path().join("leakgate.backup");
    let restored = leakgate(place.path()).arg("restore").arg(&backup).output().unwrap();
    let said = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(restored.status.success() && said.contains("put the key file"), "{restored:?}");
    std::fs::copy(folder.path().join("leakgate.key"), place.path().join("leakgate.key")).unwrap();
    drop(program);
    let again = Program::start_configured(place.path());
    are_refused(&again, &tokens).await;
}
