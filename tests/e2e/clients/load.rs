//! wrk and h2load: many connections at once, every request answered, every body as it should be.

use std::process::Command;

use leakgate::config::Listener;
use leakgate::model::rule::Action;

use crate::support::certificates::{Authority, tls};
use crate::support::gateway::{patchset, start, start_with};
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// What a command prints that must succeed.
async fn said(program: &'static str, arguments: Vec<String>) -> String {
    let run = move || Command::new(program).args(arguments).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {text}{errors}");
    text
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs h2load"]
async fn h2load_is_answered_over_every_protocol() {
    let authority = Authority::new();
    let upstream = AnsweringUpstream::start().await;
    let plain = start(upstream.address());
    let secure = start_with(&[upstream.address()], |config| {
        let address = config.listen[0].address().unwrap();
        config.listen = vec![Listener { tls: true, ..Listener::plain(address) }];
        config.tls = tls(&[&authority.issue("a", &["localhost"])]);
    });
    let leaked = token("tok_", 36);
    for gateway in [&plain, &secure] {
        gateway.patchset.store(patchset(&[(&leaked, Action::Block)]));
    }
    let (http, https) = (plain.address, secure.address);
    for target in [
        format!("--h1 http://{http}/x"),
        format!("http://{http}/x"),
        format!("https://{https}/x"),
        format!("--npn-list=http/1.1 https://{https}/x"),
    ] {
        let all = said("h2load", words(&format!("-n 2000 -c 20 -m 10 {target}"))).await;
        let succeeded =
            "2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout";
        assert!(all.contains(succeeded), "{target}: {all}");
        let mut leaking = words("-n 200 -c 5 -m 10");
        leaking.extend([format!("-Hauthorization: Bearer {leaked}")]);
        leaking.extend(words(&target));
        let none = said("h2load", leaking).await;
        assert!(none.contains("0 2xx, 0 3xx, 200 4xx, 0 5xx"), "{target}: {none}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs wrk"]
async fn wrk_is_answered() {
    let upstream = AnsweringUpstream::start().await;
    let gateway = start(upstream.address());
    let before = gateway.metric("requests_total{outcome=\"forwarded\"}");
    let all = said("wrk", words(&format!("-t1 -c32 -d1s http://{}/x", gateway.address))).await;
    assert!(!all.contains("Non-2xx") && !all.contains("Socket errors"), "{all}");
    assert!(gateway.metric("requests_total{outcome=\"forwarded\"}") > before, "{all}");
}
