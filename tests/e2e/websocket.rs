//! WebSocket messages after an upgrade: honest ones pass as they came, the frame in which a leaked
//! token completes never arrives.

use futures_util::{SinkExt, StreamExt};
use leakgate::config::FailMode;
use leakgate::model::event::{Event, EventAction};
use leakgate::model::rule::{Action, FiltrationMode};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::gateway::{Running, patchset, start, start_blocking, start_with};
use crate::support::socket::{
    ASK, BINARY, CLOSE, Deflate, FIN, PING, RSV1, TEXT, answer, bare, closed, frames, masked, open,
};
use crate::support::soon;
use crate::support::tokens::token;
use crate::support::wire::{Upstream, Wire};

const DEFLATE: &str = "permessage-deflate";
const FORGETS: &str = "permessage-deflate; client_no_context_takeover";

/// The client is told 1008 and the connection ends; the upstream has got exactly `passed` and a
/// close frame of a client.
async fn refused(client: &mut Wire, server: &mut Wire, passed: &[u8]) {
    let (code, reason) = closed(&client.rest_bytes().await);
    assert_eq!(code, 1008);
    assert!(reason.starts_with("refused; request id "), "{reason}");
    let seen = server.rest_bytes().await;
    let close = seen.strip_prefix(passed).unwrap_or_else(|| panic!("{seen:?} after {passed:?}"));
    assert_eq!(close[1], 0x82, "masked, two bytes");
    assert_eq!(closed(close), (1008, String::new()));
}

async fn blocked(gateway: &Running) -> Event {
    let event = gateway.events.next().await;
    assert_eq!(event.action, EventAction::Blocked);
    assert_eq!((event.point.as_str(), event.count), ("websocket", 1));
    assert_eq!((event.response_status, event.path.as_str()), (Some(101), "/s?x=1"));
    assert_eq!((event.method.as_str(), event.host.as_str()), ("GET", "a"));
    assert_eq!(event.user_agent.as_deref(), Some("test"));
    event
}

fn outcome(gateway: &Running, outcome: &str) -> u64 {
    gateway.metric(&format!("websocket_messages_total{{outcome=\"{outcome}\"}}"))
}

#[tokio::test]
async fn honest_messages_pass_as_they_came() {
    let upstream = Upstream::bind().await;
    let gateway = start_blocking(upstream.address(), &token("tok_", 36));
    let (mut client, mut server) = open(&gateway, &upstream, DEFLATE).await;
    let mut deflate = Deflate::new(true);
    let long: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let sent = [
        masked(FIN | TEXT, b"hello"),
        masked(FIN | BINARY, &long),
        masked(FIN | TEXT, b""),
        masked(TEXT, b"{\"a\": \"%41\\u00"),
        masked(FIN | PING, b"ping"),
        masked(0, b""),
        masked(FIN, b"41\"}"),
        masked(FIN | RSV1 | TEXT, &deflate.message(b"one and one and one")),
        masked(RSV1 | TEXT, &deflate.message(b"one and two")[..4]),
    ];
    for frame in &sent {
        client.send(frame).await;
        assert_eq!(&server.bytes(frame.len()).await, frame);
        // And the other way, whatever it is.
        server.send(frame).await;
        assert_eq!(&client.bytes(frame.len()).await, frame);
    }
    client.send(masked(FIN | CLOSE, &[0x03, 0xe8])).await;
    server.bytes(8).await;
    server.send(bare(FIN | CLOSE, &[0x03, 0xe8])).await;
    assert_eq!(client.bytes(4).await, [0x88, 2, 0x03, 0xe8]);
    drop((client, server));
    assert_eq!(outcome(&gateway, "blocked") + outcome(&gateway, "refused"), 0);
    // The last message was never whole.
    assert_eq!(outcome(&gateway, "passed"), 7);
    assert_eq!(gateway.metric("requests_total{outcome=\"forwarded\"}"), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_frame_with_a_token_does_not_arrive() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let mut data = masked(TEXT, &token.as_bytes()[..20]);
    data.extend(masked(FIN | PING, b"in between"));
    let passed = data.len();
    data.extend(masked(FIN, &token.as_bytes()[20..]));
    data.extend(masked(FIN | TEXT, b"after it"));
    let percent: String = token.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let json: String = token.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let in_close = [&[0x03, 0xe8], token.as_bytes()].concat();
    for (sent, passed, encodings) in [
        (masked(FIN | TEXT, token.as_bytes()), 0, &[][..]),
        (masked(FIN | BINARY, format!("\0\u{1}{token}\u{2}").as_bytes()), 0, &[]),
        (data, passed, &[]),
        (masked(FIN | PING, token.as_bytes()), 0, &[]),
        (masked(FIN | CLOSE, &in_close), 0, &[]),
        (masked(FIN | TEXT, percent.as_bytes()), 0, &["percent"]),
        (masked(FIN | TEXT, format!("{{\"a\": \"{json}\"}}").as_bytes()), 0, &["json"]),
    ] {
        let (mut client, mut server) = open(&gateway, &upstream, "").await;
        client.send(&sent).await;
        refused(&mut client, &mut server, &sent[..passed]).await;
        assert_eq!(blocked(&gateway).await.encodings, encodings);
    }
    assert_eq!(outcome(&gateway, "blocked"), 7);
}

#[tokio::test]
async fn a_compressed_token_does_not_arrive() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let json: String = token.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    for agreed in [DEFLATE, FORGETS] {
        let mut deflate = Deflate::new(agreed == DEFLATE);
        let (mut client, mut server) = open(&gateway, &upstream, agreed).await;
        let first = deflate.message(json.as_bytes().split_at(200).0);
        let message = deflate.message(json.as_bytes());
        // The second message refers to the first, where it may; only the first of its fragments
        // says that it is compressed.
        let (begin, end) = message.split_at(message.len() / 2);
        let passed = [masked(FIN | RSV1 | TEXT, &first), masked(RSV1 | TEXT, begin)].concat();
        client.send(&passed).await;
        assert_eq!(server.bytes(passed.len()).await, passed);
        client.send(masked(FIN, end)).await;
        refused(&mut client, &mut server, &[]).await;
        assert_eq!(blocked(&gateway).await.encodings, ["deflate", "json"]);
    }
}

#[tokio::test]
async fn a_long_frame_is_cut_off_before_the_token() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let mut payload = vec![b'.'; 1_000_000];
    payload[700_000..700_000 + token.len()].copy_from_slice(token.as_bytes());
    let (mut client, mut server) = open(&gateway, &upstream, "").await;
    let frame = masked(FIN | BINARY, &payload);
    let (mut sender, whole) = (client, frame.clone());
    let sending = tokio::spawn(async move {
        // The gateway may close before all of it is sent.
        let _ = sender.try_send(&whole).await;
        sender
    });
    let seen = server.rest_bytes().await;
    assert!(frame.starts_with(&seen), "nothing but what was sent, and no frame of ours inside");
    assert!(seen.len() > 500_000 && seen.len() < 700_000 + 14 + token.len(), "{}", seen.len());
    client = soon("the sender", sending).await.unwrap();
    let (code, _) = closed(&client.rest_bytes().await);
    assert_eq!(code, 1008);
    blocked(&gateway).await;
}

#[tokio::test]
async fn a_long_frame_passes_as_it_comes() {
    let upstream = Upstream::bind().await;
    let gateway = start_blocking(upstream.address(), &token("tok_", 36));
    let (mut client, mut server) = open(&gateway, &upstream, "").await;
    let frame = masked(FIN | BINARY, &vec![b'.'; 400_000]);
    // The upstream gets the beginning before the client has sent the end.
    client.send(&frame[..200_000]).await;
    assert_eq!(server.bytes(100_000).await, frame[..100_000]);
    client.send(&frame[200_000..]).await;
    assert_eq!(server.bytes(frame.len() - 100_000).await, frame[100_000..]);
}

#[tokio::test]
async fn what_is_sent_before_the_answer_is_inspected() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let mut client = gateway.connect().await;
    let honest = masked(FIN | TEXT, b"early");
    let head = format!("GET /s?x=1 HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\n{ASK}\r\n");
    let leaked = masked(FIN | TEXT, token.as_bytes());
    client.send([head.as_bytes(), &honest, &leaked].concat()).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.send(answer("")).await;
    assert_eq!(client.head().await.status(), 101);
    refused(&mut client, &mut server, &honest).await;
    blocked(&gateway).await;
}

#[tokio::test]
async fn each_message_is_under_what_is_in_force_when_it_begins() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start(upstream.address());
    let (mut client, mut server) = open(&gateway, &upstream, DEFLATE).await;
    let mut deflate = Deflate::new(true);
    // Not known yet; the second message refers to the first.
    for text in [format!("a {token}"), "b".to_owned()] {
        let frame = masked(FIN | RSV1 | TEXT, &deflate.message(text.as_bytes()));
        client.send(&frame).await;
        assert_eq!(server.bytes(frame.len()).await, frame);
    }
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    gateway.bypass.set(true);
    let frame = masked(FIN | RSV1 | TEXT, &deflate.message(token.as_bytes()));
    client.send(&frame).await;
    assert_eq!(server.bytes(frame.len()).await, frame);
    assert_eq!(gateway.events.next().await.action, EventAction::Monitored);
    gateway.bypass.set(false);
    client.send(masked(FIN | RSV1 | TEXT, &deflate.message(token.as_bytes()))).await;
    refused(&mut client, &mut server, &[]).await;
    assert_eq!(blocked(&gateway).await.encodings, ["deflate"]);
}

#[tokio::test]
async fn uses_that_pass_are_counted_exactly() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start(upstream.address());
    gateway.patchset.store(patchset(&[(&token, Action::Monitor)]));
    let (mut client, mut server) = open(&gateway, &upstream, "").await;
    let frame = masked(FIN | TEXT, token.as_bytes());
    for _ in 0..5 {
        client.send(&frame).await;
        assert_eq!(server.bytes(frame.len()).await, frame);
    }
    let first = gateway.events.next().await;
    drop((client, server));
    let more = gateway.events.next().await;
    assert_eq!((first.action, first.count), (EventAction::Monitored, 1));
    assert_eq!((more.action, more.count), (EventAction::Monitored, 4));
    assert!(first.id != more.id && first.token == more.token && first.at <= more.at);
}

#[tokio::test]
async fn malformed_frames_are_refused_where_something_is_blocked() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let deflated = Deflate::new(true).message(token.as_bytes());
    let too_long = [0x80 | FIN | TEXT, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4].to_vec();
    let malformed = [
        (bare(FIN | TEXT, b"unmasked"), ""),
        (masked(FIN | RSV1 | TEXT, &deflated), ""),
        (masked(FIN | RSV1 | PING, b"x"), DEFLATE),
        (masked(FIN | 0x20 | TEXT, b"x"), DEFLATE),
        (masked(FIN | 0x10 | TEXT, b"x"), DEFLATE),
        (masked(FIN | 3, b"x"), ""),
        (masked(FIN | 11, b"x"), ""),
        (masked(PING, b"x"), ""),
        (masked(FIN | PING, &[b'x'; 126]), ""),
        (masked(FIN, b"x"), ""),
        ([masked(TEXT, b"x"), masked(FIN | TEXT, b"y")].concat(), ""),
        (too_long, ""),
        (masked(FIN | RSV1 | TEXT, &[0xff; 9]), DEFLATE),
        (masked(FIN | TEXT, b"x"), "x-other"),
    ];
    let gateway = start_blocking(upstream.address(), &token);
    for (sent, agreed) in &malformed {
        let (mut client, mut server) = open(&gateway, &upstream, agreed).await;
        client.send(sent).await;
        assert_eq!(closed(&client.rest_bytes().await).0, 1002, "{sent:?}");
        let (seen, []) = frames(&server.rest_bytes().await) else { panic!("not whole") };
        assert_eq!(seen.last().unwrap().0, FIN | CLOSE);
        assert!(seen.iter().all(|(_, payload)| payload.len() <= 2), "{seen:?}");
    }
    assert_eq!(outcome(&gateway, "refused"), malformed.len() as u64);
    let refused = gateway.metric("refused_total{cause=\"websocket\"}");
    assert_eq!(refused, malformed.len() as u64);

    // Where nothing is blocked, or the operator says so, it passes; so does what follows.
    let open_one = start_with(&[upstream.address()], |config| {
        config.fail.websocket = FailMode::Open;
    });
    open_one.patchset.store(patchset(&[(&token, Action::Block)]));
    let monitoring = start(upstream.address());
    monitoring.patchset.store(patchset(&[(&token, Action::Monitor)]));
    for (gateway, would_refuse) in [(&open_one, 0), (&monitoring, malformed.len() as u64)] {
        for (sent, agreed) in &malformed {
            let (mut client, mut server) = open(gateway, &upstream, agreed).await;
            let sent = [&sent[..], b"whatever follows"].concat();
            client.send(&sent).await;
            assert_eq!(server.bytes(sent.len()).await, sent);
        }
        let metric = gateway.metric("would_refuse_total{cause=\"websocket\"}");
        assert!(metric >= would_refuse && (would_refuse > 0 || metric == 0), "{metric}");
        assert!(outcome(gateway, "uninspected") >= malformed.len() as u64);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_once_something_is_blocked() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start(upstream.address());
    let (mut client, mut server) = open(&gateway, &upstream, "").await;
    client.send(b"no frames").await;
    assert_eq!(server.bytes(9).await, b"no frames");
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    client.send(&token).await;
    assert_eq!(closed(&client.rest_bytes().await).0, 1002);
    assert_eq!(server.rest_bytes().await, b"");
}

#[tokio::test]
async fn a_bomb_is_refused() {
    let upstream = Upstream::bind().await;
    let gateway = start_blocking(upstream.address(), &token("tok_", 36));
    let (mut client, mut server) = open(&gateway, &upstream, DEFLATE).await;
    let bomb = Deflate::new(true).message(&vec![b'x'; 10_000_000]);
    client.send(masked(FIN | RSV1 | TEXT, &bomb)).await;
    assert_eq!(closed(&client.rest_bytes().await).0, 1009);
    assert_eq!(closed(&server.rest_bytes().await).0, 1008);
    assert_eq!(gateway.metric("refused_total{cause=\"budget\"}"), 1);
}

#[tokio::test]
async fn a_close_frame_never_stands_inside_another() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let (mut client, mut server) = open(&gateway, &upstream, "").await;
    let frame = bare(FIN | TEXT, b"from the upstream");
    server.send(&frame[..9]).await;
    assert_eq!(client.bytes(9).await, frame[..9]);
    client.send(masked(FIN | TEXT, token.as_bytes())).await;
    assert_eq!(closed(&server.bytes(8).await), (1008, String::new()));
    server.send([&frame[9..], &bare(FIN | TEXT, b"too late")].concat()).await;
    let rest = client.rest_bytes().await;
    let close = rest.strip_prefix(&frame[9..]).unwrap();
    assert_eq!(closed(close).0, 1008);
}

#[tokio::test]
async fn only_extensions_that_can_be_undone_are_offered() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let offers = "x-other; a=\"b, c\", permessage-deflate; client_max_window_bits";
    let monitoring = start(upstream.address());
    monitoring.patchset.store(patchset(&[(&token, Action::Monitor)]));
    for (gateway, expected) in [
        (start_blocking(upstream.address(), &token), "permessage-deflate; client_max_window_bits"),
        (monitoring, offers),
    ] {
        let mut client = gateway.connect().await;
        client
            .send(format!(
                "GET /s HTTP/1.1\r\nHost: a\r\n{ASK}Sec-WebSocket-Extensions: {offers}\r\n\r\n"
            ))
            .await;
        let mut server = upstream.accept().await;
        assert_eq!(server.head().await.field("sec-websocket-extensions"), expected);
    }
}

#[tokio::test]
async fn clients_and_servers_of_a_library_understand() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_blocking(upstream.address(), &token);
    let url = format!("ws://{}/socket", gateway.address);
    let leaked = token.clone();
    let client = tokio::spawn(async move {
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        for message in [
            Message::text("one"),
            Message::binary(vec![0; 200_000]),
            Message::text("two".repeat(1_000)),
        ] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.send(Message::text(format!("{{\"key\": \"{leaked}\"}}"))).await.unwrap();
        match socket.next().await.unwrap().unwrap() {
            Message::Close(Some(frame)) => assert_eq!(frame.code, CloseCode::Policy),
            other => panic!("{other:?}"),
        }
        assert!(socket.next().await.is_none());
    });
    let mut socket = tokio_tungstenite::accept_async(upstream.accept().await.tcp).await.unwrap();
    let mut seen = 0;
    loop {
        match soon("a message", socket.next()).await.unwrap().unwrap() {
            Message::Close(Some(frame)) => {
                assert_eq!(frame.code, CloseCode::Policy);
                break;
            }
            message => {
                assert!(
                    !message
                        .clone()
                        .into_data()
                        .windows(token.len())
                        .any(|w| w == token.as_bytes())
                );
                seen += 1;
                socket.send(message).await.unwrap();
            }
        }
    }
    assert_eq!(seen, 3);
    drop(socket);
    soon("the client's end", client).await.unwrap();
    gateway.stop().await;
}

#[tokio::test]
async fn where_the_mode_is_off_everything_passes() {
    let upstream = Upstream::bind().await;
    let token = token("tok_", 36);
    let gateway = start_with(&[upstream.address()], |config| config.mode = FiltrationMode::Off);
    gateway.patchset.store(patchset(&[(&token, Action::Block)]));
    let (mut client, mut server) = open(&gateway, &upstream, "x-other").await;
    let sent = [&masked(FIN | TEXT, token.as_bytes())[..], b"and no frame"].concat();
    client.send(&sent).await;
    assert_eq!(server.bytes(sent.len()).await, sent);
    assert_eq!(outcome(&gateway, "uninspected"), 0);
}

#[tokio::test]
async fn at_the_drains_end_both_sides_are_told() {
    let upstream = Upstream::bind().await;
    let gateway = start_with(&[upstream.address()], |config| {
        config.timeouts.drain = std::time::Duration::from_millis(50);
    });
    let (mut client, mut server) = open(&gateway, &upstream, "").await;
    let hello = masked(FIN | TEXT, b"hello");
    client.send(&hello).await;
    assert_eq!(server.bytes(hello.len()).await, hello);
    gateway.shutdown.cancel();
    assert_eq!(closed(&client.rest_bytes().await), (1001, String::new()));
    assert_eq!(closed(&server.rest_bytes().await), (1001, String::new()));
    drop((client, server));
    soon("the end", gateway.ended).await.unwrap().unwrap();
}
