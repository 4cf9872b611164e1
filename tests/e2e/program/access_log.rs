//! The access log of the whole program: what it tells, what it hides, and that it can be rotated.

use std::path::Path;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::program::{PATIENCE, Program, leakgate};
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// The lines of the file, once there are so many.
fn lines(path: &Path, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<Value> = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if lines.len() >= count {
            assert_eq!(lines.len(), count, "{text}");
            return lines;
        }
        assert!(Instant::now() < deadline, "{} of {count} lines: {text}", lines.len());
        std::thread::yield_now();
    }
}

/// What `leakgate fingerprint -` prints for a text.
fn fingerprint(program: &Program, text: &str) -> String {
    let file = program.folder.join("token.txt");
    std::fs::write(&file, text).unwrap();
    let output = leakgate(&program.folder)
        .args(["fingerprint", "-"])
        .stdin(std::fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    std::fs::remove_file(file).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_tell_of_requests_and_of_credentials_by_their_fingerprints() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let more = "begin_traces = true\n[gateway.access_log]\nfile = \"access.log\"\nsample = 1.0";
    let program = Program::start(folder.path(), upstream.address(), more);
    let file = folder.path().join("access.log");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let (bearer, password) = (token("tok_", 36), token("", 20));
    let trace = "0af7651916cd43dd8448eb211c80319c";
    client
        .post(program.url("/a/b?secret=hidden"))
        .bearer_auth(&bearer)
        .header("user-agent", "test")
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .body("hello")
        .send()
        .await
        .unwrap();
    let line = lines(&file, 1).remove(0);
    for (name, expected) in [
        ("method", json!("POST")),
        ("path", json!("/a/b")),
        ("host", json!(program.gateway.to_string())),
        ("protocol", json!("HTTP/1.1")),
        ("client", json!("127.0.0.1")),
        ("peer", json!("127.0.0.1")),
        ("tls", json!(false)),
        ("user_agent", json!("test")),
        ("status", json!(200)),
        ("outcome", json!("forwarded")),
        ("upstream", json!("app")),
        ("bytes_in", json!(5)),
        ("bytes_out", json!(2)),
        ("trace_id", json!(trace)),
        (
            "credentials",
            json!([{ "field": "authorization", "fingerprint": fingerprint(&program, &bearer) }]),
        ),
    ] {
        assert_eq!(line[name], expected, "{name}: {line}");
    }
    for name in ["duration_ms", "upstream_ms", "inspection_ms"] {
        assert!(line[name].as_f64().unwrap() > 0.0, "{name}: {line}");
    }
    let seen = String::from_utf8(upstream.take()).unwrap();
    assert!(seen.contains(&format!("traceparent: 00-{trace}-b7ad6b7169203331-01\r\n")), "{seen}");

    let pair = STANDARD.encode(format!("me:{password}"));
    let request = client.get(program.url("/")).header("authorization", format!("Basic {pair}"));
    request.send().await.unwrap();
    let line = lines(&file, 2).remove(1);
    let expected = json!([
        { "field": "authorization.user", "fingerprint": fingerprint(&program, "me") },
        { "field": "authorization.password", "fingerprint": fingerprint(&program, &password) },
    ]);
    assert_eq!(line["credentials"], expected);
    let begun = line["trace_id"].as_str().unwrap();
    let seen = String::from_utf8(upstream.take()).unwrap();
    assert!(seen.contains(&format!("traceparent: 00-{begun}-")), "{seen}");

    let moved = folder.path().join("access.log.1");
    std::fs::rename(&file, &moved).unwrap();
    program.signal("HUP");
    program.errors.after("SIGHUP: the configuration is in force");
    client.get(program.url("/after")).send().await.unwrap();
    assert_eq!(lines(&file, 1)[0]["path"], "/after");
    lines(&moved, 2);
    assert!(program.terminate());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_or_failed_is_told_whatever_the_sample_and_no_token_shows() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let more = "[gateway.access_log]\nfile = \"access.log\"\nsample = 0";
    let program = Program::start(folder.path(), upstream.address(), more);
    let file = folder.path().join("access.log");
    let leaked = token("tok_", 36);
    let registration = json!({ "title": "x", "risk": "high", "tokens": [leaked] });
    let (_, leak) = program.api("POST", "/leaks", Some(registration)).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(program.url("/fine")).send().await.unwrap();
    program.block(leak["id"].as_str().unwrap()).await;
    client.get(program.url(&format!("/x/{leaked}"))).send().await.unwrap();
    client.get(program.url("/y")).header("expect", "x").send().await.unwrap();
    assert!(program.terminate());
    let lines = lines(&file, 2);
    let shown: Vec<_> = lines
        .iter()
        .map(|line| (line["outcome"].as_str().unwrap(), line["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(shown, [("blocked", 403), ("refused", 417)]);
    let path = lines[0]["path"].as_str().unwrap();
    assert!(path.starts_with("/x/[token:") && path.ends_with(']'), "{path}");
    assert_eq!(lines[1]["path"], "/y");
}
