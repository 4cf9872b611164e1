//! A token is planted wherever a program could trip over it, and every output is searched for it.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// The forms in which a token could show.
fn forms(token: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        ("plain", token.as_bytes().to_vec()),
        ("reversed", token.bytes().rev().collect()),
        ("hex", hex.clone().into_bytes()),
        ("HEX", hex.to_uppercase().into_bytes()),
    ];
    // Base64 of any text around it: three alignments, without the characters that the text around
    // it has a part in.
    for shift in 0..3 {
        let text = [&b"xx"[..shift], token.as_bytes()].concat();
        for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            forms.push(("base64", encoded.as_bytes()[4..encoded.len() - 4].to_vec()));
        }
    }
    forms
}

/// Fails where the output shows the token.
fn search(place: &str, output: &[u8], token: &str) {
    for (form, bytes) in forms(token) {
        if let Some(at) = memchr::memmem::find(output, &bytes) {
            let around = &output[at.saturating_sub(80)..(at + bytes.len() + 20).min(output.len())];
            panic!("{place} shows the token ({form}): {}", String::from_utf8_lossy(around));
        }
    }
}

fn percent(token: &str) -> String {
    token.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn escaped(token: &str) -> String {
    token.bytes().map(|byte| format!("\\u{byte:04x}")).collect()
}

/// Every file below the folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Requests with the token in every place that a record could repeat.
async fn use_everywhere(program: &Program, token: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let base64 = STANDARD.encode(format!("{token}:x"));
    for path in [
        format!("/a/{token}/b"),
        format!("/a/{}", percent(token)),
        format!("/a?{token}=1&b={token}"),
        format!("/a?b={}", percent(&percent(token))),
        "/a".to_owned(),
    ] {
        client.get(program.url(&path)).send().await.unwrap();
        client
            .post(program.url(&path))
            .header("authorization", format!("Bearer {token}"))
            .header("user-agent", format!("agent {token}"))
            .header("x-forwarded-for", token)
            .header("referer", format!("http://x/{}", percent(token)))
            .header("cookie", format!("{token}={token}"))
            .body(format!("{{\"{token}\":\"{}\"}}", escaped(token)))
            .send()
            .await
            .unwrap();
        let basic =
            client.get(program.url(&path)).header("authorization", format!("Basic {base64}"));
        basic.send().await.unwrap();
    }
    let method = reqwest::Method::from_bytes(token.as_bytes()).unwrap();
    client
        .request(method, program.url("/"))
        .header("host", format!("{token}.example"))
        .send()
        .await
        .unwrap();
}

/// Calls of the API that carry the token where it does not belong; gives the answers.
async fn misuse_the_api(program: &Program, leak: &str, token: &str) -> Vec<Value> {
    let bodies = [
        ("POST", "/leaks".to_owned(), json!({ "title": token, "tokens": token })),
        ("POST", "/leaks".to_owned(), json!({ "title": "x", "risk": token, "tokens": ["y"] })),
        ("POST", "/leaks".to_owned(), json!({ "title": "x", token: 1 })),
        ("POST", "/leaks".to_owned(), json!({ "title": "x", "tokens": [{ "token": token }] })),
        ("POST", "/leaks".to_owned(), json!({ "title": "x", "token_digests": [token] })),
        ("POST", format!("/leaks/{token}/close"), json!({})),
        ("POST", format!("/leaks/{leak}/virtual-patch"), json!({ "mode": token })),
        ("POST", format!("/leaks/{leak}/virtual-patch"), json!({ "scope": { token: [] } })),
        ("POST", format!("/leaks/{leak}/virtual-patch"), json!({ "scope": { "hosts": [token] } })),
        ("POST", format!("/leaks/{leak}/comments"), json!({ "text": format!("see {token}") })),
        ("PATCH", format!("/leaks/{leak}"), json!({ "title": format!("about {token}") })),
        ("PATCH", format!("/leaks/{leak}"), json!({ "owner": token, "contact": token })),
        ("POST", "/tokens/lookup".to_owned(), json!({ "token": token })),
        ("POST", "/tokens/lookup".to_owned(), json!({ "digest": token })),
        ("POST", "/leaks/bulk".to_owned(), json!({ "decision": token, "ids": [token] })),
        ("POST", "/api-tokens".to_owned(), json!({ "name": token, "role": token })),
        ("PUT", "/bypass".to_owned(), json!({ "on": false, "reason": token })),
        ("PUT", "/bypass".to_owned(), json!({ "on": token })),
    ];
    let mut answers = Vec::new();
    for (method, path, body) in bodies {
        answers.push(program.api(method, &path, Some(body)).await.1);
    }
    for path in [
        format!("/leaks?q={token}"),
        format!("/leaks?status={token}"),
        format!("/leaks?cursor={token}"),
        format!("/leaks?{token}=1"),
        format!("/events?leak={token}"),
        format!("/{token}"),
    ] {
        answers.push(program.api("GET", &path, None).await.1);
    }
    answers.push(program.api_as(token, "GET", "/leaks", None).await.1);
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_shows_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let more = "[gateway.access_log]\nfile = \"access.log\"\nsample = 1.0\n\
        [[sinks]]\nname = \"native\"\nkind = \"file\"\npath = \"sink.jsonl\"\n\
        [[sinks]]\nname = \"ecs\"\nkind = \"file\"\npath = \"sink-ecs.jsonl\"\nformat = \"ecs\"";
    let program = Program::start(folder.path(), upstream.address(), more);
    let planted = token("glpat-", 40);
    let registration = json!({
        "title": format!("Found {planted}"),
        "risk": "critical",
        "tokens": [planted],
        "comment": format!("it is {planted}"),
        "owner": planted, "contact": planted,
        "source": { "kind": "website", "url": format!("https://x.example/?t={planted}"), "path": planted },
    });
    let (status, registered) = program.api("POST", "/leaks", Some(registration)).await;
    assert_eq!(status, 201, "{registered}");
    let leak = registered["id"].as_str().unwrap().to_owned();

    let mut outputs = vec![("the registered leak".to_owned(), registered.to_string().into_bytes())];
    use_everywhere(&program, &planted).await;
    program.block(&leak).await;
    use_everywhere(&program, &planted).await;
    let refusal = reqwest::Client::new().get(program.url(&format!("/{planted}"))).send().await;
    let refusal = refusal.unwrap();
    assert_eq!(refusal.status(), 403);
    outputs.push(("a refusal's head".to_owned(), format!("{:?}", refusal.headers()).into_bytes()));
    outputs.push(("a refusal".to_owned(), refusal.bytes().await.unwrap().to_vec()));
    for answer in misuse_the_api(&program, &leak, &planted).await {
        outputs.push(("an API answer".to_owned(), answer.to_string().into_bytes()));
    }

    let report = folder.path().join("report.txt");
    std::fs::write(&report, format!("{planted}\n")).unwrap();
    let recorded = folder.path().join("recorded.http");
    std::fs::write(&recorded, format!("GET /{planted} HTTP/1.1\r\nHost: {planted}\r\n\r\n"))
        .unwrap();
    program.wait_for_event(&format!("leak={leak}&action=blocked")).await;
    for arguments in [
        &["import", "report.txt", "--format", "list", "--title", "Again"][..],
        &["import", "report.txt", "--format", "kingfisher"],
        &["leaks", "list"],
        &["leaks", "list", "--output", "json"],
        &["leaks", "show", &leak],
        &["leaks", "history", &leak],
        &["leaks", "impact", &leak],
        &["events", "list"],
        &["events", "list", "--output", "json"],
        &["explain", "recorded.http"],
        &["explain", "recorded.http", "--output", "json"],
        &["leaks", "close", &planted],
        &["leaks", &planted],
    ] {
        let output = program.command(arguments);
        let shown: Vec<&str> =
            arguments.iter().map(|a| if *a == planted { "TOKEN" } else { a }).collect();
        outputs.push((format!("leakgate {shown:?}, standard output"), output.stdout));
        // The parser of arguments repeats what it does not know; a token does not belong there.
        if !shown.contains(&"TOKEN") {
            outputs.push((format!("leakgate {shown:?}, standard error"), output.stderr));
        }
    }
    std::fs::remove_file(report).unwrap();
    std::fs::remove_file(recorded).unwrap();

    for path in [
        "/leaks",
        "/events?limit=200",
        "/events/export?format=ndjson",
        "/events/export?format=csv",
        "/stats",
        "/audit",
        "/virtual-patches",
        "/api-tokens",
        "/bypass",
        "/gateways",
        "/notifications",
        "/webhooks",
        "/dead-letters",
    ] {
        let (status, answer) = program.api("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        outputs.push((format!("GET {path}"), answer.to_string().into_bytes()));
    }
    let gateway = json!({"name": "a gateway", "role": "gateway"});
    let (status, gateway) = program.api("POST", "/api-tokens", Some(gateway)).await;
    assert_eq!(status, 201, "{gateway}");
    let url = format!("http://{}/api/v1/patchset", program.control);
    let pull = reqwest::Client::new().get(url).bearer_auth(gateway["token"].as_str().unwrap());
    let pulled = pull.send().await.unwrap().bytes().await.unwrap().to_vec();
    let patchset = leakgate::matcher::Patchset::from_records(&pulled).unwrap();
    assert_eq!(patchset.token_count(), 1);
    outputs.push(("GET /patchset".to_owned(), pulled));
    for part in ["", "/history", "/comments", "/tokens", "/impact"] {
        let (status, answer) = program.api("GET", &format!("/leaks/{leak}{part}"), None).await;
        assert_eq!(status, 200, "{part}: {answer}");
        outputs.push((format!("GET /leaks/…{part}"), answer.to_string().into_bytes()));
    }
    for path in ["metrics", "healthz", "readyz", "api/v1/openapi.json"] {
        let answer = reqwest::get(format!("http://{}/{path}", program.control)).await.unwrap();
        outputs.push((format!("GET /{path}"), answer.bytes().await.unwrap().to_vec()));
    }
    let (errors, lines) = (program.errors.clone(), program.output.clone());
    program.signal("HUP");
    assert!(program.terminate());
    assert!(lines.text().contains("\"type\":\"vpatch\""), "events are on standard output");
    outputs.push(("standard error".to_owned(), errors.text().into_bytes()));
    outputs.push(("standard output".to_owned(), lines.text().into_bytes()));
    let stored = files(folder.path());
    assert!(stored.iter().any(|path| path.ends_with("leakgate-events.db")), "{stored:?}");
    assert!(stored.iter().any(|path| path.ends_with("access.log")), "{stored:?}");
    assert!(stored.iter().any(|path| path.ends_with("sink-ecs.jsonl")), "{stored:?}");
    for path in stored {
        outputs.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    for (place, output) in &outputs {
        search(place, output, &planted);
    }
}
