//! What happens is sent by the real program, also where it is killed in between.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::receiver::{Receiver, until};
use crate::support::program::Program;
use crate::support::tokens::token;
use crate::support::upstream::AnsweringUpstream;

/// Counts by event, out of all that came; one that came twice says the same twice.
#[derive(Default)]
struct Counted(BTreeMap<String, u64>);

impl Counted {
    fn take(&mut self, entry: &Value) {
        if entry["type"] == "vpatch" {
            let id = entry["id"].as_str().unwrap().to_owned();
            let count = entry["count"].as_u64().unwrap();
            let before = self.0.insert(id, count);
            assert!(before.is_none_or(|before| before == count), "{entry}");
        }
    }

    fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}

/// All events that are stored, by id.
async fn stored(program: &Program) -> BTreeMap<String, u64> {
    let (status, page) = program.api("GET", "/events?limit=200", None).await;
    assert_eq!(status, 200, "{page}");
    let mut all = Counted::default();
    page["items"].as_array().unwrap().iter().for_each(|event| all.take(event));
    all.0
}

async fn use_it(program: &Program, used: &str, times: usize) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..times {
        let request = client.get(program.url("/")).bearer_auth(used);
        assert_eq!(request.send().await.unwrap().status(), 403);
    }
}

/// An attack is counted exactly and sent whole, though the process is killed in the middle of it,
/// and its receiver fails at first.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_kill_interrupts_is_sent_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let mut receiver = Receiver::start().await;
    receiver.answer(&[500, 500]);
    Program::configure(folder.path(), upstream.address(), "listen = [\"127.0.0.1:0\"]");
    let path = folder.path().join("leakgate.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let sinks = format!(
        "[[sinks]]\nname = \"lines\"\nkind = \"file\"\npath = \"lines.jsonl\"\n\
         [[sinks]]\nname = \"siem\"\nkind = \"webhook\"\nurl = \"{}\"\n\
         secret = \"a key of tests only\"\npause = \"20ms\"\n",
        receiver.url("/in")
    );
    std::fs::write(&path, format!("{config}{sinks}")).unwrap();

    let program = Program::start_configured(folder.path());
    let used = token("used_", 32);
    let leak = program.register("In use", &[&used]).await;
    program.block(&leak).await;
    use_it(&program, &used, 120).await;
    // The first ones are stored, the others are being counted.
    program.wait_for_event(&format!("leak={leak}")).await;
    program.signal("KILL");
    drop(program);

    let program = Program::start_configured(folder.path());
    use_it(&program, &used, 40).await;
    assert!(program.terminate(), "what is counted then is stored at the end");

    let program = Program::start_configured(folder.path());
    let all = stored(&program).await;
    let sum: u64 = all.values().sum();
    // Nobody was promised the uses of the last moment before the kill.
    assert!((41..=160).contains(&sum), "{sum}");
    let mut sent = Counted::default();
    while sent.sum() < sum {
        let received = receiver.next().await;
        if received.status == 200 {
            received.json()["entries"].as_array().unwrap().iter().for_each(|it| sent.take(it));
        }
    }
    assert_eq!(sent.0, all);
    let lines = until("all lines", async || {
        let mut lines = Counted::default();
        let text = std::fs::read_to_string(folder.path().join("lines.jsonl")).unwrap();
        // The last line may be half there.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().for_each(|line| lines.take(&serde_json::from_str(line).unwrap()));
        (lines.sum() >= sum).then_some(lines)
    });
    let lines = lines.await;
    assert_eq!(lines.0, all);
    let shown = std::fs::read_to_string(folder.path().join("lines.jsonl")).unwrap();
    assert!(!shown.contains(&used));
}

/// The command in docs/events.md that tells whether a delivery is genuine, on a real one.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_docs_say_of_signatures_is_so() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = AnsweringUpstream::start().await;
    let mut receiver = Receiver::start().await;
    Program::configure(folder.path(), upstream.address(), "listen = [\"127.0.0.1:0\"]");
    let path = folder.path().join("leakgate.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let networks = "[control.webhooks]\nnetworks = [\"127.0.0.1\"]\n";
    std::fs::write(&path, format!("{config}{networks}")).unwrap();
    let program = Program::start_configured(folder.path());

    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events.md"))
            .unwrap();
    let blocks: Vec<&str> =
        text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [make, verify] = blocks[..] else { panic!("{} blocks", blocks.len()) };
    let run = |script: &str, variables: &[(&str, &str)]| {
        let output = Command::new("bash")
            .args(["-c", &format!("set -euo pipefail\n{script}")])
            .current_dir(folder.path())
            .env("LEAKGATE_URL", format!("http://{}", program.control))
            .env("LEAKGATE_TOKEN", &program.token)
            .env("no_proxy", "*")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), errors)
    };
    let (done, _, errors) = run(make, &[("RECEIVER", &receiver.url("/in"))]);
    assert!(done, "{errors}");
    let made = std::fs::read(folder.path().join("webhook.json")).unwrap();
    let made: Value = serde_json::from_slice(&made).unwrap();

    program.register("Leaked", &[&token("one_", 32)]).await;
    let received = receiver.next().await;
    assert_eq!(received.json()["entries"][0]["kind"], "new_leak");
    std::fs::write(folder.path().join("body.json"), &received.body).unwrap();
    let variables = |signature| {
        [
            ("SECRET", made["secret"].as_str().unwrap().to_owned()),
            ("WEBHOOK_ID", received.header("webhook-id").to_owned()),
            ("WEBHOOK_TIMESTAMP", received.header("webhook-timestamp").to_owned()),
            ("WEBHOOK_SIGNATURE", signature),
        ]
    };
    let check = |signature: String| {
        let variables = variables(signature);
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        run(verify, &variables)
    };
    let (genuine, said, errors) = check(received.header("webhook-signature").to_owned());
    assert!(genuine && said == "genuine\n", "{said}{errors}");
    let (genuine, said, _) = check(format!("v1,{}", "A".repeat(44)));
    assert!(!genuine && said.is_empty(), "{said}");
    let (status, list) = program.api("GET", "/webhooks", Some(json!(null))).await;
    assert_eq!(status, 200, "{list}");
}
