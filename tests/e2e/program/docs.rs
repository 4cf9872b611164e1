//! What the docs tell a reader to run, run.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use leakgate::config::{self, Config};
use leakgate::model::secret::Secret;
use leakgate::store::{self, KeySource};

use crate::databases;

use crate::support::program::Program;
use crate::support::upstream::AnsweringUpstream;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The fenced blocks of one language in a document.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_quickstart_does_what_it_says() {
    assert!(runs(&read("docs/quickstart.md")) >= 4);
}

#[test]
fn the_readme_makes_a_second_user_who_looks_but_does_not_decide() {
    let text = read("README.md");
    let section = text.split("\n## ").find(|section| section.starts_with("A second user"));
    assert_eq!(runs(section.unwrap()), 3);
}

/// Runs the shell's blocks of a document as one script, and compares the statuses that it prints
/// with those that stand beside. Gives how many.
fn runs(text: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut script = blocks(text, "sh").concat();
    // The documented ports may be taken on this machine.
    let free: Vec<TcpListener> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    for (port, listener) in ["3000", "8080", "9090"].iter().zip(&free) {
        script = script.replace(port, &listener.local_addr().unwrap().port().to_string());
    }
    let ports: Vec<u16> = free.iter().map(|l| l.local_addr().unwrap().port()).collect();
    drop(free);
    let statuses: Vec<&str> = text
        .lines()
        .filter_map(|line| line.rsplit_once("   # "))
        .map(|(_, status)| status)
        .filter(|status| status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    let binary = Path::new(env!("CARGO_BIN_EXE_leakgate"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    // What is started in the background ends with the script.
    let script = format!("set -euo pipefail\ntrap 'kill $(jobs -p)' EXIT\n{script}");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("LEAKGATE_GATEWAY__LISTEN", format!("127.0.0.1:{}", ports[1]))
        .env("LEAKGATE_CONTROL__LISTEN", format!("127.0.0.1:{}", ports[2]))
        .env("LEAKGATE_GATEWAY__UPSTREAMS__0__NAME", "app")
        .env("LEAKGATE_GATEWAY__UPSTREAMS__0__SERVERS", format!("http://127.0.0.1:{}", ports[0]))
        .env("LEAKGATE_URL", format!("http://127.0.0.1:{}", ports[2]))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let log = std::fs::read_to_string(folder.path().join("leakgate.log")).unwrap_or_default();
    assert!(output.status.success(), "{said}\n{errors}\n{log}");
    let got: Vec<&str> = said
        .lines()
        .filter(|line| line.len() == 3 && line.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    assert_eq!(got, statuses, "{said}\n{errors}\n{log}");
    statuses.len()
}

#[test]
fn the_documented_configuration_is_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leakgate.toml");
    let documented = blocks(&read("docs/configuration.md"), "toml").concat();
    std::fs::write(&path, &documented).unwrap();
    let config = config::load(Some(&path), std::iter::empty()).unwrap();
    assert_eq!(config, Config::default());
    // What is commented out is right as well.
    let uncommented: String = documented
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n")
        .collect();
    std::fs::write(&path, uncommented).unwrap();
    config::load(Some(&path), std::iter::empty()).unwrap();
}

/// What docs/access.md has the operator type, on a control plane of its own.
#[tokio::test(flavor = "multi_thread")]
async fn what_access_says_runs() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    std::fs::write(folder.path().join("password"), "correct horse battery\n").unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_leakgate"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let script = blocks(&read("docs/access.md"), "sh").concat();
    assert!(script.matches("leakgate ").count() > 10, "{script}");
    let output = Command::new("bash")
        .args(["-c", &format!("set -euo pipefail\n{script}")])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("LEAKGATE_URL", format!("http://{}", program.control))
        .env("LEAKGATE_TOKEN", &program.token)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{errors}", String::from_utf8_lossy(&output.stdout));

    let config = folder.path().join("access.toml");
    std::fs::write(&config, blocks(&read("docs/access.md"), "toml").concat()).unwrap();
    let config = config::load(Some(&config), std::iter::empty()).unwrap();
    assert_eq!(&*config.gateway.routes[0].tenant.id, "acme");
}

/// What docs/operations.md has the operator type about backups and keys.
#[tokio::test(flavor = "multi_thread")]
async fn what_operations_says_of_backups_and_keys_runs() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let program = Program::start(folder.path(), upstream.address(), "");
    let text = read("docs/operations.md");
    let section = text.split("\n## ").find(|part| part.starts_with("Backup, restore, keys"));
    let script = blocks(section.unwrap(), "sh").concat();
    let binary = Path::new(env!("CARGO_BIN_EXE_leakgate"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &format!("set -euo pipefail\n{script}")])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("LEAKGATE_URL", format!("http://{}", program.control))
        .env("LEAKGATE_TOKEN", &program.token)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("not needed"), "{said}");
    let restored = format!("sqlite:{}", folder.path().join("restored/leakgate.db").display());
    store::open(&restored, KeySource::File).await.unwrap().store.close().await;
}

#[test]
fn every_metric_is_documented() {
    let source = read("src/telemetry/metrics.rs");
    let names: Vec<&str> = source
        .split("/// `leakgate_")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap())
        .collect();
    assert!(names.len() > 10, "{names:?}");
    let text = read("docs/operations.md");
    for name in names {
        assert!(text.contains(name), "leakgate_{name} is not in docs/operations.md");
    }
}

/// Moving to PostgreSQL as docs/deploy.md says, with the real program: what it was sealed
/// with is what it is opened with.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_store_moves_to_postgresql_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let database = databases::Database::new().await;
    let key = KeySource::Environment(Secret::from("k".repeat(64)));
    let file = format!("sqlite:{}", folder.path().join("leakgate.db").display());
    let made = store::open(&file, key.clone()).await.unwrap().store;
    let fingerprint = made.fingerprint_key().fingerprint(&Secret::from("a".repeat(32)).digest());
    made.close().await;

    let moving = blocks(&read("docs/deploy.md"), "sh")
        .into_iter()
        .find(|block| block.starts_with("leakgate store copy"))
        .unwrap();
    let url = "postgres://leakgate@localhost/leakgate";
    assert!(moving.contains(url));
    let script = moving.replace(url, &format!("'{}'", database.url()));
    let binary = Path::new(env!("CARGO_BIN_EXE_leakgate"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let run = || {
        Command::new("bash")
            .args(["-c", &format!("set -euo pipefail\n{script}")])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("LEAKGATE_KEY", "k".repeat(64))
            .output()
            .unwrap()
    };
    let done = run();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("all of it was copied") && said.contains("same LEAKGATE_KEY"), "{said}");
    let again = run();
    let errors = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(1), "{errors}");
    assert!(errors.contains("there is a store in the PostgreSQL database"), "{errors}");

    let moved = store::open(database.url(), key).await.unwrap().store;
    let now = moved.fingerprint_key().fingerprint(&Secret::from("a".repeat(32)).digest());
    assert_eq!(now, fingerprint);
    moved.close().await;
    database.end().await;
}
