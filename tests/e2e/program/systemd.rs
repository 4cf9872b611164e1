//! What systemd and the program tell each other.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use crate::support::program::{PATIENCE, Program, leakgate};
use crate::support::upstream::AnsweringUpstream;

/// Binds two sockets as systemd would and starts the program with them, in its place.
const ACTIVATE: &str = r#"
import os, socket, sys
names = []
for descriptor, name in ((3, "http"), (4, "local")):
    if name == "http":
        passed = socket.socket()
        passed.bind(("127.0.0.1", 0))
    else:
        passed = socket.socket(socket.AF_UNIX)
        passed.bind("local.sock")
    passed.listen()
    if name == "http":
        print("passed 127.0.0.1:%d" % passed.getsockname()[1], file=sys.stderr, flush=True)
    # Out of the way of the numbers that are to be passed.
    high = os.dup(passed.fileno())
    while high < 10:
        high = os.dup(high)
    names.append((high, descriptor, name))
for high, descriptor, name in names:
    os.dup2(high, descriptor, inheritable=True)
environment = dict(os.environ, LISTEN_FDS="2", LISTEN_FDNAMES="http:local", LISTEN_PID=str(os.getpid()))
os.execve(sys.argv[1], sys.argv[1:], environment)
"#;

#[tokio::test]
async fn sockets_that_systemd_bound_are_served() {
    let upstream = AnsweringUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    Program::configure(
        folder.path(),
        upstream.address(),
        "listen = [\"systemd:http\", \"systemd:local\"]\nworkers = 2\n",
    );
    let mut command = leakgate(folder.path());
    let binary = command.get_program().to_owned();
    command = {
        let mut python = Command::new("python3");
        python.current_dir(folder.path()).args(["-c", ACTIVATE]).arg(binary);
        python
    };
    let program = Program::spawn(folder.path(), command, "passed ");
    let status = reqwest::get(program.url("/")).await.unwrap().status();
    assert_eq!(status, 200);
    let socket = folder.path().join("local.sock");
    let output = tokio::task::spawn_blocking(move || {
        Command::new("curl")
            .args(["--silent", "--max-time", "20", "--unix-socket"])
            .arg(socket)
            .arg("http://a/")
            .output()
            .unwrap()
    });
    assert_eq!(output.await.unwrap().stdout, b"ok");
    assert!(program.terminate());
    // It is systemd's.
    assert!(folder.path().join("local.sock").exists());
}

#[tokio::test]
async fn a_name_that_was_not_passed_says_what_to_do() {
    let upstream = AnsweringUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    Program::configure(folder.path(), upstream.address(), "listen = [\"systemd:http\"]\n");
    let output = leakgate(folder.path()).arg("serve").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("FileDescriptorName="), "{said}");
}

#[tokio::test]
async fn the_service_manager_is_told() {
    let upstream = AnsweringUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = |wanted: &str| {
        let mut buffer = [0; 4096];
        loop {
            let length = socket.recv(&mut buffer).unwrap();
            let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if said.lines().any(|line| line == wanted) {
                return said;
            }
            // The watchdog is told all the time.
            assert_eq!(said.trim(), "WATCHDOG=1");
        }
    };
    Program::configure(folder.path(), upstream.address(), "listen = [\"127.0.0.1:0\"]\n");
    let mut command = leakgate(folder.path());
    command
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .env("WATCHDOG_USEC", Duration::from_millis(40).as_micros().to_string());
    let program = Program::spawn(folder.path(), command, "gateway listening on http://");
    next("READY=1");
    next("WATCHDOG=1");
    next("WATCHDOG=1");
    program.signal("HUP");
    assert!(next("RELOADING=1").contains("MONOTONIC_USEC="));
    next("READY=1");
    assert!(program.terminate());
    next("STOPPING=1");
}

#[tokio::test]
async fn readiness_goes_off_before_the_drain_begins() {
    let upstream = AnsweringUpstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    // A second signal ends what would take an hour.
    let program =
        Program::start(folder.path(), upstream.address(), "timeouts.drain_delay = \"1h\"");
    let ready = format!("http://{}/readyz", program.control);
    assert_eq!(reqwest::get(&ready).await.unwrap().status(), 200);
    program.signal("TERM");
    program.errors.after("draining");
    assert_eq!(reqwest::get(&ready).await.unwrap().status(), 503);
    assert_eq!(reqwest::get(program.url("/")).await.unwrap().status(), 200);
    assert!(!program.terminate(), "it was cut");
}
