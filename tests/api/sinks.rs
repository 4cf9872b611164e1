//! What happens is sent to real receivers, on loopback.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use leakgate::config::{Destination, Sink, SinkRetry};
use leakgate::control::OutgoingSettings;
use leakgate::model::event::EventAction;
use leakgate::model::secret::Secret;
use leakgate::model::sink::{FeedKind, Format};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

use super::support::receiver::{PATIENCE, Received, Receiver, until};
use super::support::{Api, id, outgoing, token};

/// Has the control plane send what happens.
fn runs(api: &Api) -> JoinHandle<()> {
    let control = api.control.clone();
    tokio::spawn(async move { control.run().await })
}

async fn webhook(api: &Api, receiver: &Receiver, more: Value) -> Value {
    let mut body = json!({"name": "siem", "url": receiver.url("/in?key=hidden")});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    api.post("/webhooks", body).await.expect(201)
}

fn entries(received: &Received) -> Vec<Value> {
    received.json()["entries"].as_array().unwrap().clone()
}

/// Everything that comes until an entry fits.
async fn entries_until(receiver: &mut Receiver, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let came = entries(&receiver.next().await);
        let found = came.iter().any(&fits);
        all.extend(came);
        if found {
            return all;
        }
    }
}

fn is_event(entry: &Value) -> bool {
    entry["type"] == "vpatch"
}

#[tokio::test]
async fn a_webhook_gets_what_happens_and_can_tell_who_sent_it() {
    let api = Api::new().await;
    let mut receiver = Receiver::start().await;
    let running = runs(&api);
    let made = webhook(&api, &receiver, json!({})).await;
    assert_eq!(made["url"], format!("http://{}", receiver.address), "the path may be a secret");
    let secret = made["secret"].as_str().unwrap();
    let leak = api.leak("Leaked", &["used"]).await;
    api.block(&leak).await;
    let event = api.used(&leak, EventAction::Blocked, "192.0.2.1").await;

    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut all = Vec::new();
    while !all.iter().any(is_event) {
        let received = receiver.next().await;
        let (id, time) = (received.header("webhook-id"), received.header("webhook-timestamp"));
        let signature = received.header("webhook-signature").strip_prefix("v1,").unwrap();
        let signed = [format!("{id}.{time}.").as_bytes(), &received.body].concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        hmac::verify(&key, &signed, &STANDARD.decode(signature).unwrap()).unwrap();
        assert_eq!(received.json()["id"], id);
        all.extend(entries(&received));
    }
    let sent = all.iter().find(|entry| is_event(entry)).unwrap();
    assert_eq!(sent["id"], event.id.to_string());
    let actions: Vec<_> =
        all.iter().filter(|it| it["type"] == "audit").map(|it| it["action"].clone()).collect();
    assert!(actions.contains(&json!("register")), "{actions:?}");
    assert!(actions.contains(&json!("apply_virtual_patch")), "{actions:?}");

    // The key is not shown again, and a new one takes its place.
    let path = format!("/webhooks/{}", id(&made));
    let shown = until("a delivery", async || {
        let shown = api.get(&path).await.expect(200);
        shown["deliveries"]["delivered_at"].is_string().then_some(shown)
    });
    let shown = shown.await;
    assert!(shown.get("secret").is_none() && !shown.to_string().contains("hidden"), "{shown}");
    let changed = api.call("PATCH", &path, json!({"new_secret": true})).await.expect(200);
    assert_ne!(changed["secret"], made["secret"]);
    api.call("DELETE", &path, Value::Null).await.expect(204);
    api.get(&path).await.problem(404, "not-found");
    api.control.stop();
    running.await.unwrap();
}

#[tokio::test]
async fn a_receiver_that_fails_gets_the_same_again_until_it_takes_it() {
    let api = Api::new().await;
    let mut receiver = Receiver::start().await;
    receiver.answer(&[500, 503]);
    let running = runs(&api);
    webhook(&api, &receiver, json!({"feeds": ["events"]})).await;
    let leak = api.leak("Leaked", &["used"]).await;
    let event = api.used(&leak, EventAction::Blocked, "192.0.2.1").await;
    let (first, second, third) =
        (receiver.next().await, receiver.next().await, receiver.next().await);
    assert_eq!([first.status, second.status, third.status], [500, 503, 200]);
    assert_eq!(first.header("webhook-id"), third.header("webhook-id"));
    assert_eq!(first.body, third.body);
    assert_eq!(entries(&third)[0]["id"], event.id.to_string());
    let next = api.used(&leak, EventAction::Blocked, "192.0.2.2").await;
    let got = entries(&receiver.next().await);
    assert_eq!((got.len(), &got[0]["id"]), (1, &json!(next.id.to_string())), "nothing twice");
    api.control.stop();
    running.await.unwrap();
}

#[tokio::test]
async fn what_is_given_up_is_kept_and_delivered_on_request() {
    let api = Api::new().await;
    let mut receiver = Receiver::start().await;
    // Not followed: the other place is one that nobody has checked.
    receiver.answer(&[302, 302, 302]);
    let running = runs(&api);
    let made = webhook(&api, &receiver, json!({"feeds": ["events"]})).await;
    let leak = api.leak("Leaked", &["used"]).await;
    let event = api.used(&leak, EventAction::Blocked, "192.0.2.1").await;
    let given_up = receiver.next().await;
    assert_eq!(given_up.path, "/in");
    for _ in 0..2 {
        receiver.next().await;
    }
    let letter = until("a dead letter", async || {
        api.get("/dead-letters").await.expect(200)["items"].get(0).cloned()
    });
    let letter = letter.await;
    assert_eq!(letter["sink"], format!("webhook:{}", id(&made)));
    assert_eq!((&letter["attempts"], &letter["count"]), (&json!(3), &json!(1)));
    assert!(letter["error"].as_str().unwrap().contains("302"), "{letter}");

    // What comes after it is delivered all the same.
    let next = api.used(&leak, EventAction::Blocked, "192.0.2.2").await;
    assert_eq!(entries(&receiver.next().await)[0]["id"], next.id.to_string());

    receiver.answer(&[500]);
    let path = format!("/dead-letters/{}/redeliver", id(&letter));
    api.post(&path, Value::Null).await.problem(502, "undelivered");
    receiver.next().await;
    api.post(&path, Value::Null).await.expect(204);
    let again = receiver.next().await;
    assert_eq!(entries(&again)[0]["id"], event.id.to_string());
    assert_eq!(again.header("webhook-id"), given_up.header("webhook-id"));
    assert_eq!(again.body, given_up.body);
    assert_eq!(api.get("/dead-letters").await.expect(200)["items"], json!([]));
    api.post(&path, Value::Null).await.problem(404, "not-found");
    api.control.stop();
    running.await.unwrap();
}

/// A dead letter is one delivery, also where it has more entries than one feed gives to a delivery.
#[tokio::test]
async fn a_dead_letter_is_sent_as_the_one_delivery_that_it_was() {
    let api = Api::new().await;
    let mut receiver = Receiver::start().await;
    receiver.answer(&[500, 500, 500]);
    webhook(&api, &receiver, json!({"feeds": ["events", "audit"]})).await;
    let leak = api.leak("Leaked", &["used"]).await;
    for number in 0..110 {
        api.used(&leak, EventAction::Blocked, &format!("192.0.2.{number}")).await;
    }
    let running = runs(&api);
    let given_up = receiver.next().await;
    assert!(entries(&given_up).len() > 100, "of both feeds: {}", entries(&given_up).len());
    for _ in 0..2 {
        receiver.next().await;
    }
    // What comes after it is taken.
    let rest = entries(&receiver.next().await);
    assert_eq!(rest.iter().filter(|entry| is_event(entry)).count(), 10);

    let letters = api.get("/dead-letters").await.expect(200);
    let path = format!("/dead-letters/{}/redeliver", id(&letters["items"][0]));
    api.post(&path, Value::Null).await.expect(204);
    let again = receiver.next().await;
    assert_eq!(again.header("webhook-id"), given_up.header("webhook-id"));
    assert_eq!(again.body, given_up.body);
    // Nothing else of it comes.
    let next = api.used(&leak, EventAction::Blocked, "192.0.2.200").await;
    let came = entries_until(&mut receiver, |entry| entry["id"] == next.id.to_string()).await;
    assert_eq!(came.iter().filter(|entry| is_event(entry)).count(), 1, "{came:?}");
    api.control.stop();
    running.await.unwrap();
}

#[tokio::test]
async fn a_webhook_reaches_no_place_that_only_this_machine_reaches() {
    let api = Api::with_outgoing(OutgoingSettings::default()).await;
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://127.0.0.1:9090/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "ftp://a.example/",
        "http://user:password@a.example/",
        "nowhere",
    ] {
        let body = json!({"name": "x", "url": url});
        let problem = api.post("/webhooks", body).await.problem(422, "invalid-value");
        assert_eq!(problem["field"], "url", "{url}");
    }
    // A name is looked at when it is resolved, each time.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let made = api.post("/webhooks", json!({"name": "x", "url": url})).await.expect(201);
    let running = runs(&api);
    api.leak("Leaked", &["used"]).await;
    let path = format!("/webhooks/{}", id(&made));
    let error = until("a refusal", async || {
        let shown = api.get(&path).await.expect(200);
        shown["deliveries"]["error"].as_str().map(str::to_owned)
    });
    let error = error.await;
    assert!(error.contains("none that may be sent to"), "{error}");
    api.control.stop();
    running.await.unwrap();
}

#[tokio::test]
async fn a_webhook_gets_what_is_of_its_tenant() {
    let api = Api::new().await;
    let mut receiver = Receiver::start().await;
    let running = runs(&api);
    api.tenant("acme").await;
    let admin = api.credential_in("acme", "administrator").await;
    let body = json!({"name": "own", "url": receiver.url("/"), "feeds": ["audit"]});
    api.call_as(&admin, "POST", "/webhooks", body).await.expect(201);
    api.leak("Of the default tenant", &["one"]).await;
    let new = json!({"title": "Of acme", "tokens": [token("two")]});
    let leak = api.call_as(&admin, "POST", "/leaks", new).await.expect(201);
    let all = entries_until(&mut receiver, |entry| entry["object"] == leak["id"]).await;
    let tenants: BTreeSet<&str> = all.iter().map(|it| it["tenant"].as_str().unwrap()).collect();
    assert_eq!(tenants, BTreeSet::from(["acme"]));
    api.control.stop();
    running.await.unwrap();
}

fn sink(name: &str, to: Destination, format: Format) -> Sink {
    Sink {
        name: name.to_owned(),
        to,
        format,
        feeds: FeedKind::ALL.to_vec(),
        tenants: Vec::new(),
        retry: SinkRetry::default(),
    }
}

fn of_http(url: String) -> Secret {
    Secret::from(url)
}

/// Every kind of sink gets a notification, an event and a row of the audit log; and no output of any
/// of them shows a token that was planted everywhere.
#[tokio::test]
async fn every_sink_tells_and_none_shows_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start().await;
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let of = |listener: std::net::SocketAddr| listener.to_string();
    let tcp_address = of(tcp.local_addr().unwrap());
    let udp_address = of(udp.local_addr().unwrap());
    let file = |name: &str| Destination::File(folder.path().join(name));
    let webhook = |path: &str| Destination::Webhook {
        url: of_http(receiver.url(path)),
        secret: Secret::from("a key of tests only".to_owned()),
    };
    let key = || Secret::from("a routing key".to_owned());
    let mut settings = outgoing();
    settings.sinks.public_url = Some("https://leakgate.example".to_owned());
    settings.sinks.sinks = vec![
        sink("lines", file("native.jsonl"), Format::Native),
        sink("ecs", file("ecs.jsonl"), Format::Ecs),
        sink("ocsf", file("ocsf.jsonl"), Format::Ocsf),
        sink("siem", webhook("/native"), Format::Native),
        sink("siem-ecs", webhook("/ecs"), Format::Ecs),
        sink("siem-ocsf", webhook("/ocsf"), Format::Ocsf),
        sink("chat", Destination::Slack { url: of_http(receiver.url("/slack")) }, Format::Native),
        sink(
            "page",
            Destination::Pagerduty { url: of_http(receiver.url("/page")), routing_key: key() },
            Format::Native,
        ),
        sink(
            "otel",
            Destination::Otlp {
                url: of_http(receiver.url("/v1/logs")),
                authorization: Some(Secret::from("Bearer of tests".to_owned())),
            },
            Format::Native,
        ),
        sink("tcp", Destination::SyslogTcp { address: tcp_address }, Format::Native),
        sink("udp", Destination::SyslogUdp { address: udp_address }, Format::Native),
    ];
    let api = Api::with_outgoing(settings).await;
    let running = runs(&api);

    let planted = token("planted");
    let everywhere = |text: &str| format!("{text} {planted} end");
    let body = json!({"title": everywhere("title"), "risk": "critical", "tokens": [planted],
        "kind": everywhere("kind"), "owner": everywhere("owner"), "comment": everywhere("comment"),
        "source": {"kind": "pastebin", "url": format!("https://paste.example/?k={planted}"),
            "path": everywhere("path")}});
    let leak = api.post("/leaks", body).await.expect(201);
    let path = format!("/leaks/{}", id(&leak));
    api.post(&format!("{path}/comments"), json!({"text": everywhere("said")})).await.expect(201);
    api.call("PATCH", &path, json!({"title": everywhere("changed")})).await.expect(200);
    api.used(&leak, EventAction::Monitored, "192.0.2.1").await;

    // The notification of the first use comes last, out of the event.
    let is_last = |text: &str| text.contains("First use of a leaked token");
    let mut seen = String::new();
    let mut done: BTreeSet<String> = BTreeSet::new();
    while done.len() < 6 {
        let received = receiver.next().await;
        let text = String::from_utf8(received.body.to_vec()).unwrap();
        if is_last(&text) {
            done.insert(received.path.clone());
        }
        if received.path == "/v1/logs" {
            assert_eq!(received.header("authorization"), "Bearer of tests");
        }
        seen.push_str(&text);
    }
    let mut connection = tcp.accept().await.unwrap().0;
    let mut framed = Vec::new();
    while !is_last(&String::from_utf8_lossy(&framed)) {
        let read = tokio::time::timeout(PATIENCE, connection.read_buf(&mut framed)).await;
        assert_ne!(read.unwrap().unwrap(), 0);
    }
    // Each message stands behind its length.
    let mut rest = std::str::from_utf8(&framed).unwrap();
    let mut messages = 0;
    while let Some((length, message)) = rest.split_once(' ') {
        let length: usize = length.parse().unwrap();
        if message.len() < length {
            break;
        }
        assert!(message.starts_with('<') && message.is_char_boundary(length), "{message}");
        rest = &message[length..];
        messages += 1;
    }
    assert!(messages >= 3, "{messages}");
    seen.push_str(&String::from_utf8_lossy(&framed));
    let mut datagram = vec![0; 65_536];
    loop {
        let read = tokio::time::timeout(PATIENCE, udp.recv(&mut datagram)).await;
        let text = String::from_utf8_lossy(&datagram[..read.unwrap().unwrap()]).into_owned();
        seen.push_str(&text);
        if is_last(&text) {
            break;
        }
    }
    api.control.stop();
    running.await.unwrap();
    for name in ["native.jsonl", "ecs.jsonl", "ocsf.jsonl"] {
        let lines = std::fs::read_to_string(folder.path().join(name)).unwrap();
        let parsed: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(parsed.len() >= 5, "{name}: {lines}");
        seen.push_str(&lines);
    }
    assert!(seen.contains("https://leakgate.example/leaks/"));
    assert!(seen.contains(&format!("\"dedup_key\":\"leakgate-{}\"", id(&leak))));
    assert!(!seen.contains(&planted), "a sink shows the token");
    let listed = api.get("/notifications").await.text;
    assert!(!listed.contains(&planted), "{listed}");
}

#[tokio::test]
async fn what_happened_while_nothing_was_sent_is_sent_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut settings = outgoing();
    let mut lines = sink("lines", Destination::File(path.clone()), Format::Native);
    lines.feeds = vec![FeedKind::Events];
    settings.sinks.sinks = vec![lines];
    let api = Api::with_outgoing(settings.clone()).await;
    let leak = api.leak("Leaked", &["used"]).await;
    let mut expected = BTreeSet::new();
    for number in 0..250 {
        let event = api.used(&leak, EventAction::Blocked, &format!("192.0.2.{number}")).await;
        expected.insert(event.id.to_string());
    }
    // The process ended without having sent anything; the next one, under the same names, does.
    let (_, directory) = api.close().await;
    let api = Api::start_again(directory, settings).await;
    let running = runs(&api);
    let read = || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // The last line may be half there.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let ids = whole.lines().map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap();
            entry["id"].as_str().unwrap().to_owned()
        });
        ids.collect::<Vec<String>>()
    };
    let got = until("all events", async || Some(read()).filter(|it| it.len() >= expected.len()));
    let got = got.await;
    assert_eq!(got.len(), expected.len(), "each once, since nothing was killed");
    assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), expected);

    // A file that was moved away is made anew when that is asked for.
    std::fs::rename(&path, folder.path().join("old.jsonl")).unwrap();
    api.control.reopen_sinks();
    let last = api.used(&leak, EventAction::Blocked, "192.0.2.1").await;
    let got = until("the last event", async || Some(read()).filter(|it| !it.is_empty())).await;
    assert_eq!(got, [last.id.to_string()]);
    api.control.stop();
    running.await.unwrap();
}
