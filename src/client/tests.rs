//! The commands against a stub: what is asked, what is shown, how it ends.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::stub::{Done, Stub, do_it, understood};
use super::*;
use crate::model::secret::Secret;

const ID: &str = "01935c2e-7f00-7000-8000-000000000001";
const TOKEN_ID: &str = "01935c2e-7f00-7000-8000-000000000002";

fn leak() -> Value {
    json!({
        "id": ID, "tenant": "default", "title": "Key in a gist", "risk": "high", "status": "open",
        "resolution": null, "remediation": "virtual_patch", "source": {"kind": "gist"},
        "sources": [{"kind": "gist", "url": "https://gist.example/1", "line": 3}],
        "detected_by": "manual", "kind": "github_pat", "owner": "Team A", "contact": null,
        "tokens": [
            {"id": TOKEN_ID, "fingerprint": "3f2a9c01be77", "masked": "ab…yz", "length": 40,
             "kind": "github_pat", "validity": "unknown", "last_used_at": null,
             "not_applicable": null},
            {"id": TOKEN_ID, "fingerprint": "aaaaaaaaaaaa", "masked": "p…d", "length": 8,
             "kind": "unknown", "validity": "unknown", "last_used_at": null,
             "not_applicable": "it is a word"}
        ],
        "token_count": 2,
        "virtual_patch": {
            "mode": "block", "expires_at": null, "created_by": "admin",
            "scope": {"hosts": ["api.example.com"], "path_prefixes": [], "methods": [],
                      "except_clients": [{"client": "10.0.0.0/8", "until": null}]}
        },
        "created_at": "2026-11-24T20:42:34.261Z", "updated_at": "2026-11-24T20:42:34.261Z",
        "last_event_at": null, "events_24h": 0, "events_by_hour": []
    })
}

fn ended(done: &Done, exit: Exit) {
    assert_eq!(done.exit, exit, "{done:?}");
}

#[tokio::test]
async fn leaks_are_listed_for_people_and_for_programs() {
    let page = json!({"items": [leak()], "next_cursor": "abc", "total": 7}).to_string();
    let stub = Stub::start(&[(200, &page), (200, &page)]).await;
    let list = ["leaks", "list", "--status", "open,closed", "--risk", "high", "-q", "a b"];
    let shown = stub.run(&[&list[..], &["--sort", "-risk", "--limit", "1"]].concat(), "").await;
    ended(&shown, Exit::Done);
    let mut lines = shown.out.lines();
    assert!(lines.next().unwrap().starts_with("ID "), "{}", shown.out);
    let row = lines.next().unwrap();
    assert!(row.starts_with(ID) && row.ends_with("Key in a gist"), "{row}");
    assert!(row.contains("block") && row.contains("2026-11-24 20:42:34Z"), "{row}");
    assert_eq!(lines.next(), Some("1 of 7"));
    assert!(shown.err.contains("--cursor abc"), "{}", shown.err);

    let json = stub.run(&["leaks", "list", "--output", "json"], "").await;
    assert_eq!(json.out.trim_end(), page);
    let asked = stub.asked();
    assert_eq!(
        asked[0].line,
        "GET /api/v1/leaks?status=open%2Cclosed&risk=high&q=a+b&sort=-risk&limit=1"
    );
    assert_eq!(asked[0].authorization, "Bearer lgt_of-the-tests");
    assert_eq!(asked[1].line, "GET /api/v1/leaks");
}

#[tokio::test]
async fn a_leak_is_shown_whole() {
    let stub = Stub::start(&[(200, &leak().to_string())]).await;
    let shown = stub.run(&["leaks", "show", ID], "").await;
    ended(&shown, Exit::Done);
    for part in [
        "Team A",
        "https://gist.example/1",
        "3f2a9c01be77",
        "it is a word",
        "api.example.com, except 10.0.0.0/8",
    ] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    assert!(!shown.out.contains("contact"), "no value, no line: {}", shown.out);
}

#[tokio::test]
async fn tokens_to_add_are_read_and_never_repeated() {
    let made = json!({"id": ID, "token_count": 2, "merged": [{"leak": TOKEN_ID, "tokens": 1}]});
    let stub = Stub::start(&[(201, &made.to_string())]).await;
    let digest = format!("sha256:{}", "0f".repeat(32));
    let input = format!("first-{0}\n\n  second-{0}\r\n{digest}\n", "zq7Kx9");
    let add = ["leaks", "add", "--title", "T", "--source-kind", "gist", "--url", "https://g/1"];
    let done = stub.run(&add, &input).await;
    ended(&done, Exit::Done);
    assert!(done.out.contains(&format!("leakgate leaks patch {ID}")), "{}", done.out);
    assert!(done.out.contains(&format!("1 token of leak {TOKEN_ID}")), "{}", done.out);
    assert!(!format!("{done:?}").contains("zq7Kx9"));
    let asked = stub.asked();
    assert_eq!(asked[0].line, "POST /api/v1/leaks");
    let expected = json!({
        "title": "T", "source": {"kind": "gist", "url": "https://g/1"},
        "tokens": ["first-zq7Kx9", "second-zq7Kx9"], "token_digests": [digest]
    });
    assert_eq!(asked[0].json(), expected);

    let planted = "a-token-given-by-mistake";
    for arguments in [
        &["leaks", "add", planted, "--title", "T"][..],
        &["leaks", "edit", ID, "--add-tokens", planted],
        &["leaks", "close", planted],
        &["leaks", "edit", ID, "--remove-token", planted],
        &["lookup", planted],
        &["fingerprint", planted],
        &["events", "list", "--leak", planted],
        &["api-tokens", "revoke", planted],
    ] {
        let done = stub.run(arguments, "").await;
        ended(&done, Exit::Usage);
        assert!(!format!("{done:?}").contains(planted), "{done:?}");
    }
    let none = stub.run(&["leaks", "add", "--title", "T"], "\n").await;
    ended(&none, Exit::Failed);
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn a_patch_is_sent_with_its_scope() {
    let stub = Stub::start(&[(200, &leak().to_string())]).await;
    let done = stub
        .run(
            &[
                "leaks",
                "patch",
                ID,
                "--mode",
                "monitoring",
                "--host",
                "a.example,b.example",
                "--method",
                "post",
                "--path-prefix",
                "/v1",
                "--except",
                "10.0.0.1",
                "--except",
                "10.0.0.2=2030-01-01T00:00:00Z",
                "--except",
                "cert:CN=partner",
                "--except",
                "cert:CN=partner=2030-01-01T00:00:00Z",
                "--force",
                "--expires",
                "2031-01-01T00:00:00Z",
                "--comment",
                "c",
            ],
            "",
        )
        .await;
    ended(&done, Exit::Done);
    assert!(done.out.contains("Key in a gist: open, block api.example.com"), "{}", done.out);
    assert!(done.out.contains("No rule is made of p…d (aaaaaaaaaaaa): it is a word"));
    let asked = stub.asked();
    assert_eq!(asked[0].line, format!("POST /api/v1/leaks/{ID}/virtual-patch"));
    let until = "2030-01-01T00:00:00Z";
    let expected = json!({
        "mode": "monitoring", "force": true, "comment": "c",
        "expires_at": "2031-01-01T00:00:00Z",
        "scope": {
            "hosts": ["a.example", "b.example"], "path_prefixes": ["/v1"], "methods": ["POST"],
            "boundary": "auto",
                "except_clients": [
                {"client": "10.0.0.1", "until": null},
                {"client": "10.0.0.2", "until": until},
                {"client": "cert:CN=partner", "until": null},
                {"client": "cert:CN=partner", "until": until},
            ]
        }
    });
    assert_eq!(asked[0].json(), expected);
    let wrong = stub.run(&["leaks", "patch", ID, "--except", "10.0.0.1=soon"], "").await;
    ended(&wrong, Exit::Usage);
}

#[tokio::test]
async fn each_decision_goes_to_its_call() {
    let answer = leak().to_string();
    let stub = Stub::start(&[(200, answer.as_str()); 5]).await;
    for (arguments, line, body) in [
        (&["leaks", "unpatch", ID][..], "DELETE /api/v1/leaks/ID/virtual-patch", json!({})),
        (
            &["leaks", "close", ID, "--resolution", "revoked", "--comment", "c"],
            "POST /api/v1/leaks/ID/close",
            json!({"resolution": "revoked", "comment": "c"}),
        ),
        (&["leaks", "reopen", ID], "POST /api/v1/leaks/ID/reopen", json!({})),
        (
            &["leaks", "mark-false", ID, "--resolution", "not_a_secret"],
            "POST /api/v1/leaks/ID/mark-false",
            json!({"resolution": "not_a_secret"}),
        ),
        (
            &[
                "leaks",
                "edit",
                ID,
                "--title",
                "N",
                "--clear",
                "owner,contact",
                "--remove-token",
                TOKEN_ID,
            ],
            "PATCH /api/v1/leaks/ID",
            json!({"title": "N", "owner": null, "contact": null, "remove_tokens": [TOKEN_ID]}),
        ),
    ] {
        ended(&stub.run(arguments, "").await, Exit::Done);
        let asked = stub.asked().pop().unwrap();
        assert_eq!(asked.line, line.replace("ID", ID));
        assert_eq!(asked.json(), body);
    }
    ended(&stub.run(&["leaks", "edit", ID], "").await, Exit::Usage);
}

#[tokio::test]
async fn what_belongs_to_a_leak_is_shown() {
    let history = json!({"items": [{
        "at": "2026-11-24T20:42:34Z", "actor": "admin", "action": "close", "detail": null,
        "comment": "done"
    }]});
    let comments = json!({"items": [{
        "at": "2026-11-24T20:42:34Z", "author": "ana", "text": "two\nlines\u{1b}[2J"
    }]});
    let impact = json!({
        "uses_1h": 1, "uses_24h": 2, "uses_7d": 3, "watched_since": null, "not_watched": 1,
        "clients": [{"source_ip": "203.0.113.7", "host": "h", "response_status": 200, "count": 3,
            "first_at": "2026-11-24T20:42:34Z", "last_at": "2026-11-24T20:42:34Z",
            "new_since_exposure": true}]
    });
    let tokens = json!({"items": leak()["tokens"], "next_cursor": null});
    let answers = [history, comments, impact, tokens].map(|answer| answer.to_string());
    let answers: Vec<(u16, &str)> = answers.iter().map(|answer| (200, answer.as_str())).collect();
    let stub = Stub::start(&answers).await;
    let history = stub.run(&["leaks", "history", ID], "").await.out;
    assert!(history.contains("admin") && history.contains("close"), "{history}");
    let comments = stub.run(&["leaks", "comments", ID], "").await.out;
    assert_eq!(comments, "2026-11-24 20:42:34Z  ana\n  two\n  lines?[2J\n");
    let impact = stub.run(&["leaks", "impact", ID], "").await.out;
    assert!(impact.contains("not watched") && impact.contains("203.0.113.7"), "{impact}");
    let tokens = stub.run(&["leaks", "tokens", ID, "--limit", "5"], "").await.out;
    assert!(tokens.contains("3f2a9c01be77"), "{tokens}");
    assert_eq!(stub.asked()[3].line, format!("GET /api/v1/leaks/{ID}/tokens?limit=5"));
}

fn imported(status: &str, taken: u64, refused: u64) -> String {
    json!({
        "id": ID, "status": status, "leaks": taken, "tokens": taken, "merged": 1,
        "refused": [{"line": 4, "reason": "not valid JSON"}], "refused_count": refused,
        "unpatched": []
    })
    .to_string()
}

#[tokio::test]
async fn a_report_is_streamed_and_its_outcome_shown() {
    let stub = Stub::start(&[(200, &imported("finished", 2, 3))]).await;
    let report = "x".repeat(300_000);
    let import = ["import", "-", "--format", "list", "--title", "Old ones", "--risk", "low"];
    let done = stub.run(&[&import[..], &["--decision", "block"]].concat(), &report).await;
    ended(&done, Exit::Done);
    assert_eq!(
        done.out,
        "Registered 2 leaks with 2 new tokens.\n\
         Known already: 1 token; the leaks that have them got an occurrence.\n\
         Not taken: 3 items\n  line or item 4: not valid JSON\n  and 2 more\n\
         See them with: leakgate leaks list --status open\n"
    );
    let asked = stub.asked();
    assert_eq!(
        asked[0].line,
        "POST /api/v1/imports?format=list&decision=block&title=Old+ones&risk=low"
    );
    assert_eq!(asked[0].body, report);
}

#[tokio::test]
async fn a_large_import_is_followed_to_its_end() {
    let stub = Stub::start(&[
        (202, &imported("running", 0, 0)),
        (200, &imported("running", 5, 0)),
        (200, &imported("finished", 9, 0)),
    ])
    .await;
    let done = stub.run(&["import", "-", "--output", "json"], "tokens").await;
    ended(&done, Exit::Done);
    assert_eq!(done.out.trim_end(), imported("finished", 9, 0));
    let lines: Vec<String> = stub.asked().into_iter().map(|asked| asked.line).collect();
    let follow = format!("GET /api/v1/imports/{ID}");
    assert_eq!(lines[1..], [follow.clone(), follow]);
}

#[tokio::test]
async fn an_import_ends_with_0_unless_all_was_refused() {
    let outcome = |leaks: u64, merged: u64, refused: u64| {
        json!({"status": "finished", "leaks": leaks, "tokens": leaks, "merged": merged,
            "refused": [], "refused_count": refused, "unpatched": []})
        .to_string()
    };
    for (leaks, merged, refused, exit) in [
        (0, 0, 0, Exit::Done),
        (0, 0, 2, Exit::Failed),
        (0, 1, 2, Exit::Done),
        (1, 0, 2, Exit::Done),
    ] {
        let stub = Stub::start(&[(200, &outcome(leaks, merged, refused))]).await;
        ended(&stub.run(&["import", "-"], "x").await, exit);
    }
    let broken = json!({"status": "failed", "leaks": 1, "tokens": 1, "merged": 0, "refused": [],
        "refused_count": 0, "unpatched": [], "problem": {"detail": "the store failed"}});
    let stub = Stub::start(&[(202, &imported("running", 0, 0)), (200, &broken.to_string())]).await;
    let done = stub.run(&["import", "-"], "x").await;
    ended(&done, Exit::Failed);
    assert!(done.err.contains("the store failed"), "{}", done.err);
    let done = stub.run(&["import", "no-such-report.json"], "").await;
    ended(&done, Exit::Failed);
    assert!(done.err.contains("cannot read no-such-report.json"), "{}", done.err);
}

#[tokio::test]
async fn the_bypass_switch_is_turned() {
    let on =
        json!({"on": true, "reason": "r", "expires_at": null, "changed_by": "admin"}).to_string();
    let stub = Stub::start(&[(200, &on), (200, r#"{"on":false}"#), (200, &on)]).await;
    let turned = stub.run(&["bypass", "on", "--reason", "r", "--for", "1h"], "").await;
    assert!(turned.out.contains("ON: nothing is blocked"), "{}", turned.out);
    let off = stub.run(&["bypass", "off"], "").await;
    assert!(off.out.contains("off: rules act"), "{}", off.out);
    let status = stub.run(&["bypass", "status", "--output", "json"], "").await;
    assert_eq!(status.out.trim_end(), on);
    let asked = stub.asked();
    assert_eq!(asked[0].line, "PUT /api/v1/bypass");
    let body = asked[0].json();
    assert_eq!((&body["on"], &body["reason"]), (&json!(true), &json!("r")));
    let until: jiff::Timestamp = body["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(until > jiff::Timestamp::now());
    assert_eq!(asked[1].json(), json!({"on": false, "reason": null}));
    assert_eq!(asked[2].line, "GET /api/v1/bypass");
    assert!(understood(&["bypass", "on"]).is_err(), "a reason is needed");
}

#[tokio::test]
async fn one_token_is_looked_up() {
    let known = json!({
        "known": true, "fingerprint": "3f2a9c01be77", "validity": "active", "last_used_at": null,
        "leaks": [{"id": ID, "title": "T", "status": "open", "remediation": "none", "mode": null}]
    })
    .to_string();
    let stub = Stub::start(&[(200, &known), (200, &known), (200, &known)]).await;
    let found = stub.run(&["lookup", "-"], " a-\"token\" \n").await;
    assert!(found.out.contains("yes") && found.out.contains(ID), "{}", found.out);
    let only = stub.run(&["fingerprint", "-"], "another").await;
    assert_eq!(only.out, "3f2a9c01be77\n");
    let digest = format!("sha256:{}", "0f".repeat(32));
    ended(&stub.run(&["lookup", "-"], &digest).await, Exit::Done);
    let bodies: Vec<Value> = stub.asked().iter().map(stub::Asked::json).collect();
    let expected =
        [json!({"token": "a-\"token\""}), json!({"token": "another"}), json!({"digest": digest})];
    assert_eq!(bodies, expected);
    ended(&stub.run(&["lookup", "-"], "two\nlines").await, Exit::Failed);
    ended(&stub.run(&["lookup", "-"], "").await, Exit::Failed);
}

#[tokio::test]
async fn a_request_is_explained() {
    let explained = json!({
        "outcome": "blocked", "status": 403, "detail": null, "would_refuse": [],
        "patchset_version": 12,
        "hits": [{"token": TOKEN_ID, "fingerprint": "3f2a9c01be77", "leak": ID,
            "virtual_patch": null, "action": "blocked", "point": "header:authorization",
            "encodings": ["base64", "json"]}]
    });
    let stub = Stub::start(&[(200, &explained.to_string())]).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let done = stub.run(&["explain", "-"], request).await;
    ended(&done, Exit::Done);
    for part in ["blocked", "403", "header:authorization", "base64 json", ID] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    assert_eq!(stub.asked()[0].body, request);
    let mut out = Vec::new();
    show_explanation(&explained, Output::Table, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), done.out);
}

#[tokio::test]
async fn api_tokens_are_made_and_shown_once() {
    let made =
        json!({"id": ID, "name": "ci", "role": "intake", "token": "lgt_new", "expires_at": null});
    let listed = json!({"items": [{"id": ID, "name": "ci", "role": "intake", "created_at": "x"}]});
    let stub =
        Stub::start(&[(201, &made.to_string()), (200, &listed.to_string()), (204, "")]).await;
    let done = stub.run(&["api-tokens", "create", "ci", "--role", "intake"], "").await;
    assert_eq!(done.out, "lgt_new\n");
    assert!(done.err.contains("only time") && !done.err.contains("lgt_new"), "{}", done.err);
    let list = stub.run(&["api-tokens", "list"], "").await;
    assert!(list.out.contains("intake"), "{}", list.out);
    ended(&stub.run(&["api-tokens", "revoke", ID], "").await, Exit::Done);
    let asked = stub.asked();
    assert_eq!(asked[0].json(), json!({"name": "ci", "role": "intake", "expires_at": null}));
    assert_eq!(asked[2].line, format!("DELETE /api/v1/api-tokens/{ID}"));
}

#[tokio::test]
async fn events_are_listed_exported_and_followed() {
    let event = json!({
        "id": ID, "at": "2026-11-24T20:42:34Z", "type": "vpatch", "action": "blocked", "leak": ID,
        "token": TOKEN_ID, "fingerprint": "3f2a9c01be77", "point": "query:key", "encodings": [],
        "source_ip": "203.0.113.7", "method": "GET", "host": "api.example.com",
        "path": "/x?key=3f2a9c01be77", "response_status": 403, "count": 1
    })
    .to_string();
    let page = format!("{{\"items\":[{event}],\"next_cursor\":null}}");
    let stream = format!(
        ": beat\n\nevent: vpatch\nid: 1\ndata: {event}\n\nevent: missed\ndata: {{\"missed\":3}}\n\n"
    );
    let export = "id,at\r\n1,2\r\n";
    let stub = Stub::start(&[(200, &page), (200, export), (200, &stream), (200, &stream)]).await;
    let list = ["events", "list", "--action", "blocked", "--leak", ID];
    let listed = stub.run(&[&list[..], &["--from", "2026-01-01T00:00:00Z"]].concat(), "").await;
    assert!(listed.out.contains("query:key") && listed.out.contains("403"), "{}", listed.out);
    let exported = stub.run(&["events", "export", "--format", "csv", "--host", "h"], "").await;
    assert_eq!(exported.out, export);
    let followed = stub.run(&["events", "follow"], "").await;
    ended(&followed, Exit::Failed);
    assert_eq!(
        followed.out.trim_end(),
        format!(
            "2026-11-24 20:42:34Z  blocked    3f2a9c01be77  203.0.113.7 GET \
             api.example.com/x?key=3f2a9c01be77  query:key  leak {ID}"
        )
    );
    assert!(followed.err.contains("3 events") && followed.err.contains("ended the stream"));
    let json = stub.run(&["events", "follow", "--output", "json"], "").await;
    assert_eq!(json.out.trim_end(), event);
    let asked = stub.asked();
    assert_eq!(
        asked[0].line,
        format!("GET /api/v1/events?leak={ID}&action=blocked&from=2026-01-01T00%3A00%3A00Z")
    );
    assert_eq!(asked[1].line, "GET /api/v1/events/export?host=h&format=csv");
}

#[tokio::test]
async fn refusals_are_told_in_the_control_planes_words() {
    let problem =
        |status: u16, detail: &str| json!({"status": status, "detail": detail}).to_string();
    let stub = Stub::start(&[
        (409, &problem(409, "the leak is closed: allowed: reopen\u{1b}[2J")),
        (401, &problem(401, "the API token is not known")),
        (404, "<html>not here</html>"),
        (302, ""),
        (200, "<html>a page</html>"),
    ])
    .await;
    for part in [
        "leakgate: the leak is closed: allowed: reopen?[2J\n",
        "LEAKGATE_TOKEN holds the API token",
        "answered 404",
        "answered 302",
        "look at LEAKGATE_URL",
    ] {
        let done = stub.run(&["leaks", "close", ID], "").await;
        ended(&done, Exit::Failed);
        assert!(done.err.contains(part), "{part}: {}", done.err);
        assert_eq!(done.out, "");
    }
}

#[tokio::test]
async fn a_control_plane_that_is_not_there_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = |url: &str, token: &str| Settings::new(Some(url.into()), Some(token.into()));
    let gone = do_it(&["bypass", "status"], "", &settings(&format!("http://{port}"), "t")).await;
    ended(&gone, Exit::Failed);
    assert!(gone.err.contains(&format!("http://{port}")), "{}", gone.err);
    assert!(gone.err.contains("Connection refused"), "{}", gone.err);
    assert!(gone.err.contains("leakgate serve"), "{}", gone.err);
    for (url, token, says) in [
        ("localhost:9090", "t", "LEAKGATE_URL"),
        ("ftp://a", "t", "LEAKGATE_URL"),
        ("http://a:b@c", "t", "LEAKGATE_TOKEN"),
        ("http://a", "", "LEAKGATE_TOKEN is not set"),
        ("http://a", "t\nu", "LEAKGATE_TOKEN"),
    ] {
        let done = do_it(&["bypass", "status"], "", &settings(url, token)).await;
        ended(&done, Exit::Usage);
        assert!(done.err.contains(says), "{}", done.err);
    }
}

/// A reader that went away.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn users_are_made_with_a_password_that_is_read() {
    let ada = json!({"id": ID, "name": "ada", "role": "analyst", "tenant": "acme",
        "disabled": false, "created_at": "2026-11-24T20:42:34.261Z", "last_sign_in_at": null});
    let page = json!({"items": [ada], "next_cursor": null}).to_string();
    let ada = ada.to_string();
    let answers = [(201, ada.as_str()), (200, &page), (200, &ada), (200, &page), (204, "")];
    let stub = Stub::start(&answers).await;
    let create = ["users", "create", "ada", "--role", "analyst", "--tenant", "acme"];
    let made = stub.run(&create, "correct \"horse\" battery \r\nignored\n").await;
    ended(&made, Exit::Done);
    assert!(made.out.contains("ada") && !made.out.contains("horse"), "{}", made.out);
    ended(&stub.run(&["users", "password", "Ada"], "another long one\n").await, Exit::Done);
    ended(&stub.run(&["users", "remove", "ada"], "").await, Exit::Done);
    let asked = stub.asked();
    assert_eq!(asked[0].line, "POST /api/v1/users?tenant=acme");
    let body = json!({"name": "ada", "role": "analyst", "password": "correct \"horse\" battery "});
    assert_eq!(asked[0].json(), body);
    assert_eq!(asked[1].line, "GET /api/v1/users?limit=200");
    assert_eq!(asked[2].line, format!("PATCH /api/v1/users/{ID}"));
    assert_eq!(asked[2].json(), json!({"password": "another long one"}));
    assert_eq!(asked[4].line, format!("DELETE /api/v1/users/{ID}"));
    for (password, says) in [("", "no password"), (&"x".repeat(2_000), "longer than")] {
        let done = stub.run(&create, password).await;
        ended(&done, Exit::Failed);
        assert!(done.err.contains(says), "{}", done.err);
    }
    assert!(understood(&["users", "create", "ada", "--role", "root"]).is_err());
}

#[tokio::test]
async fn every_command_can_keep_to_a_tenant() {
    let acme = json!({"id": "acme", "title": "Acme Inc", "created_at": "2026-11-24T20:42:34Z"});
    let list = json!({"items": [acme]}).to_string();
    let acme = acme.to_string();
    let answers = [(201, acme.as_str()), (200, &list), (204, ""), (200, "{\"items\":[]}")];
    let stub = Stub::start(&answers).await;
    let create = ["tenants", "create", "acme", "--title", "Acme Inc"];
    ended(&stub.run(&create, "").await, Exit::Done);
    let listed = stub.run(&["tenants", "list"], "").await;
    assert!(listed.out.contains("acme  Acme Inc"), "{}", listed.out);
    ended(&stub.run(&["tenants", "remove", "acme"], "").await, Exit::Done);
    ended(&stub.run(&["leaks", "list", "--tenant", "acme"], "").await, Exit::Done);
    let asked = stub.asked();
    assert_eq!(asked[0].json(), json!({"id": "acme", "title": "Acme Inc"}));
    assert_eq!(asked[2].line, "DELETE /api/v1/tenants/acme");
    assert_eq!(asked[3].line, "GET /api/v1/leaks?tenant=acme");
    assert!(understood(&["leaks", "list", "--tenant", "Acme Inc"]).is_err());
    ended(&stub.run(&["tenants", "remove", "a/b"], "").await, Exit::Usage);
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_failure() {
    let stub = Stub::start(&[(200, "{\"on\":false}")]).await;
    let mut err = Vec::new();
    let mut io = Io { input: None, typed: false, out: &mut Gone, err: &mut err, draws: false };
    let command =
        Command::Bypass(Bypass { form: OutputArgument::default(), action: bypass::Turn::Status });
    assert_eq!(perform(command, &stub.settings(), &mut io).await, Exit::Done);
    assert_eq!(err, b"");
}

#[test]
fn settings_have_a_default_and_show_no_token() {
    let settings = Settings::new(None, Some("lgt_secret".into()));
    assert_eq!(settings.url, "http://127.0.0.1:9090");
    assert_eq!(settings.token, Some(Secret::from("lgt_secret".to_owned())));
    assert!(!format!("{settings:?}").contains("lgt_secret"));
    assert_eq!(Settings::new(Some("".into()), Some("".into())).token, None);
}
