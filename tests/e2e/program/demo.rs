//! `leakgate demo`, and the lines that it prints: each works as printed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::program::leakgate;

/// One thing to try: what it says will come, and the command.
#[derive(Debug)]
struct Line {
    expected: String,
    command: String,
}

#[test]
fn every_printed_line_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = leakgate(folder.path())
        .arg("demo")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = Vec::new();
    let mut expected = None;
    for line in output.lines().map_while(Result::ok) {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("# ") {
            expected = Some(text.to_owned());
        } else if line.starts_with("curl ") {
            let expected = expected.take().expect("each command says what will come");
            lines.push(Line { expected, command: line.to_owned() });
        } else if line.starts_with("Ctrl-C") {
            break;
        }
    }
    assert!(lines.len() >= 10, "{lines:?}");
    for line in &lines {
        // The last `→ NNN` says the status.
        let status = line.expected.rsplit("→ ").next().unwrap().get(..3).unwrap();
        let command = format!("{} -sS -o answer -w '%{{http_code}}'", line.command);
        let got =
            Command::new("sh").arg("-c").arg(&command).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&got.stderr);
        assert_eq!(String::from_utf8_lossy(&got.stdout), status, "{line:?}: {said}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "it leaves nothing behind");
}
