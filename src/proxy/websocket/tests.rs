//! What a client sends in a WebSocket, in pieces of any size: what goes on of it, and what does not.

use std::sync::Arc;

use http::Request;
use proptest::prelude::*;

use super::frame::{CLOSE, RSV1, unmask};
use super::gate::{Gate, Outcome};
use crate::config::limits;
use crate::inspect::{Context, InForce, Messages, Opening};
use crate::matcher::{Patchset, PatchsetWriter, Rule};
use crate::model::clock;
use crate::model::fingerprint::FingerprintKey;
use crate::model::ids::{LeakId, PatchId, TokenId};
use crate::model::rule::{Action, FiltrationMode, Scope};
use crate::model::secret::Secret;
use crate::model::token::TokenMaterial;
use crate::model::verdict::{Refusal, Verdict};

/// A token that looks like one and is none.
const TOKEN: &str = "tok_0123456789abcdefXYZ";

fn patchset(action: Action) -> Arc<Patchset> {
    patchset_of(TOKEN, action)
}

fn patchset_of(token: &str, action: Action) -> Arc<Patchset> {
    let mut writer = PatchsetWriter::new();
    let leak = LeakId::new();
    let patch = Some(PatchId::new());
    let scope = Scope { path_prefixes: vec!["/s".to_owned()], ..Scope::default() };
    writer.set_rule(Rule { patch, scope, ..Rule::new(leak, action) });
    let material = TokenMaterial::Text(Secret::from(token.to_owned()));
    let fingerprint = FingerprintKey::new(&[7; 32]).fingerprint(&material.digest());
    writer.add_token(leak, TokenId::new(), fingerprint, &material);
    writer.build()
}

fn opening(path: &str) -> Arc<Opening> {
    let parts = Request::get(path).body(()).unwrap().into_parts().0;
    let client = "203.0.113.7".parse().unwrap();
    let context = Context::new(client, "a", FiltrationMode::Off, clock::now());
    Arc::new(Opening::new(&parts, context))
}

fn in_force(action: Action, mode: FiltrationMode) -> InForce {
    InForce { patchset: patchset(action), mode, now: clock::now() }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0xa7, 0x31, 0x5c, 0x0e];
    let mut frame = vec![first, 0x80 | payload.len() as u8];
    if payload.len() > 125 {
        frame[1] = 0x80 | 127;
        frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    frame.extend_from_slice(&key);
    let start = frame.len();
    frame.resize(start + payload.len(), 0);
    unmask(payload, key, &mut frame[start..]);
    frame
}

/// What comes of these bytes, in pieces of these sizes: what goes on, the most that waits, how
/// messages end, and where what is found was found.
struct Passed {
    released: Vec<u8>,
    waited: usize,
    refused: Option<Refusal>,
    outcomes: Vec<Outcome>,
    found: Vec<String>,
}

fn pass(gate: &mut Gate, bytes: &[u8], sizes: &[usize], in_force: &InForce) -> Passed {
    let mut passed = Passed {
        released: Vec::new(),
        waited: 0,
        refused: None,
        outcomes: Vec::new(),
        found: Vec::new(),
    };
    let (mut waiting, mut rest) = (Vec::new(), bytes);
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() && passed.refused.is_none() {
        let size = (*sizes.next().unwrap()).min(rest.len());
        let (piece, more) = rest.split_at(size);
        rest = more;
        let look = gate.look(piece, waiting.len(), in_force, &mut |report| {
            passed.outcomes.extend(report.ended);
            for hit in report.hits {
                passed.found.push(format!("{} {}", hit.point, hit.encodings.join(",")));
            }
        });
        waiting.extend_from_slice(piece);
        passed.released.extend(waiting.drain(..look.release));
        passed.waited = passed.waited.max(waiting.len());
        passed.refused = look.refused;
    }
    passed
}

/// A message in fragments of these sizes, with a ping after each but the last.
fn fragments(first: u8, text: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let (mut rest, mut first) = (text, first);
    let mut sizes = sizes.iter().cycle();
    loop {
        let size = (*sizes.next().unwrap()).min(rest.len());
        let (piece, more) = rest.split_at(size);
        rest = more;
        let fin = if rest.is_empty() { 0x80 } else { 0 };
        frames.push(frame(fin | first, piece));
        if rest.is_empty() {
            return frames;
        }
        frames.push(frame(0x89, &[b'p'; 3]));
        first = 0;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_frame_in_which_a_token_completes_does_not_go_on(
        before in "[ -~]{0,300}",
        after in "[ -~]{0,60}",
        compressed: bool,
        fragment in prop::collection::vec(1_usize..120, 1..6),
        reads in prop::collection::vec(1_usize..200, 1..6),
    ) {
        for leaks in [true, false] {
            let inside = if leaks { TOKEN.to_owned() } else { TOKEN.replace("XYZ", "XYY") };
            let text = format!("{before} {inside} {after}").into_bytes();
            let (message, first) = if compressed {
                let mut out = Vec::with_capacity(text.len() + 1024);
                let mut stream = flate2::Compress::new(flate2::Compression::fast(), false);
                stream.compress_vec(&text, &mut out, flate2::FlushCompress::Sync).unwrap();
                (out[..out.len() - 4].to_vec(), RSV1 | 1)
            } else {
                (text.clone(), 1)
            };
            let frames = fragments(first, &message, &fragment);
            let bytes = frames.concat();
            let mut gate = Gate::new(&opening("/s"), Some(true));
            let in_force = in_force(Action::Block, FiltrationMode::Block);
            let passed = pass(&mut gate, &bytes, &reads, &in_force);
            prop_assert!(bytes.starts_with(&passed.released));
            prop_assert!(gate.is_between(), "each frame is short enough to be held whole");
            if !leaks {
                prop_assert_eq!(passed.refused, None);
                prop_assert_eq!(passed.released, bytes);
                prop_assert!(passed.found.is_empty());
                continue;
            }
            prop_assert_eq!(passed.refused, Some(Refusal::Leaked));
            let layers = if compressed { "websocket deflate" } else { "websocket " };
            prop_assert_eq!(passed.found, [layers]);
            prop_assert_eq!(passed.outcomes.last(), Some(&Outcome::Blocked));
            if !compressed {
                // All frames before that in which the token completes have gone on.
                let complete = before.len() + 1 + TOKEN.len();
                let (mut seen, mut expected) = (0, 0);
                for frame in &frames {
                    let payload = if frame[0] & 8 == 0 { frame.len() - 6 } else { 0 };
                    seen += payload;
                    if seen >= complete {
                        break;
                    }
                    expected += frame.len();
                }
                prop_assert_eq!(passed.released.len(), expected);
            }
        }
    }

    #[test]
    fn anything_may_come(bytes: Vec<u8>, size in 1_usize..50, deflates: Option<bool>) {
        for (action, mode) in [
            (Action::Block, FiltrationMode::Block),
            (Action::Monitor, FiltrationMode::Block),
            (Action::Block, FiltrationMode::Monitoring),
        ] {
            let mut gate = Gate::new(&opening("/s"), deflates);
            let passed = pass(&mut gate, &bytes, &[size], &in_force(action, mode));
            prop_assert!(bytes.starts_with(&passed.released));
            if (action, mode) != (Action::Block, FiltrationMode::Block) {
                prop_assert_eq!(passed.refused, None);
                prop_assert_eq!(passed.released, bytes.clone(), "nothing is held back");
            }
        }
    }
}

#[test]
fn little_of_a_long_frame_waits() {
    let bytes = frame(0x82, &vec![b'x'; 1_000_000]);
    let mut gate = Gate::new(&opening("/s"), None);
    let in_force = in_force(Action::Block, FiltrationMode::Block);
    let passed = pass(&mut gate, &bytes, &[8_192], &in_force);
    assert!(passed.waited < limits::WEBSOCKET_HELD_BYTES, "{}", passed.waited);
    assert_eq!((passed.refused, passed.released == bytes), (None, true));
    assert_eq!(passed.outcomes, [Outcome::Passed]);
}

#[test]
fn only_where_a_patch_is_in_scope() {
    let bytes = frame(0x81, TOKEN.as_bytes());
    let malformed = frame(0x8f, b"");
    let in_force = in_force(Action::Block, FiltrationMode::Block);
    for (path, refused, outcome) in
        [("/s", true, Outcome::Blocked), ("/other", false, Outcome::Passed)]
    {
        let mut gate = Gate::new(&opening(path), None);
        let passed = pass(&mut gate, &bytes, &[9], &in_force);
        assert_eq!((passed.refused.is_some(), passed.outcomes), (refused, vec![outcome]));
        assert_eq!(passed.found, ["websocket "]);
        let mut gate = Gate::new(&opening(path), None);
        let passed = pass(&mut gate, &malformed, &[9], &in_force);
        assert_eq!(passed.refused.is_some(), refused);
    }
}

#[test]
fn a_context_that_is_lost_is_lost_for_later_messages() {
    for (keeps_context, outcomes) in [
        (true, [Outcome::Uninspected, Outcome::Passed, Outcome::Uninspected]),
        (false, [Outcome::Uninspected, Outcome::Passed, Outcome::Passed]),
    ] {
        let bytes = [
            frame(0x80 | RSV1 | 1, &[0xff; 5]),
            frame(0x81, b"plain"),
            frame(0x80 | RSV1 | 1, &[0x02, 0x00]),
        ]
        .concat();
        let mut gate = Gate::new(&opening("/s"), Some(keeps_context));
        let monitoring = in_force(Action::Monitor, FiltrationMode::Block);
        let passed = pass(&mut gate, &bytes, &[4], &monitoring);
        assert_eq!((passed.released, passed.outcomes), (bytes, outcomes.to_vec()));
        let mut gate = Gate::new(&opening("/s"), Some(keeps_context));
        pass(&mut gate, &frame(0x80 | RSV1 | 1, &[0xff; 5]), &[4], &monitoring);
        let blocking = in_force(Action::Block, FiltrationMode::Block);
        let next = frame(0x80 | RSV1 | 1, &[0x02, 0x00]);
        let passed = pass(&mut gate, &next, &[4], &blocking);
        assert_eq!(passed.refused.is_some(), keeps_context);
    }
}

#[test]
fn a_message_too_large_to_inflate_is_the_last_that_can_be_read() {
    let mut stream = flate2::Compress::new(flate2::Compression::best(), false);
    let mut message = |text: &[u8]| {
        let mut out = Vec::with_capacity(100_000);
        stream.compress_vec(text, &mut out, flate2::FlushCompress::Sync).unwrap();
        frame(0x80 | RSV1 | 1, &out[..out.len() - 4])
    };
    let (bomb, next) = (message(&vec![b'x'; 10_000_000]), message(b"next"));
    for (keeps_context, cause) in [(true, Some("budget")), (false, None)] {
        let mut gate = Gate::new(&opening("/s"), Some(keeps_context));
        let monitoring = in_force(Action::Monitor, FiltrationMode::Block);
        let passed = pass(&mut gate, &bomb, &[8_192], &monitoring);
        assert_eq!((passed.released == bomb, passed.outcomes), (true, vec![Outcome::Uninspected]));
        let blocking = in_force(Action::Block, FiltrationMode::Block);
        let refused = pass(&mut gate, &next, &[8_192], &blocking).refused;
        let refused = refused.map(|refusal| match refusal {
            Refusal::Incomplete { cause, .. } => cause,
            Refusal::Leaked => "leaked",
        });
        assert_eq!(refused, cause);
    }
}

#[test]
fn what_a_fragment_ends_with_is_decided_before_it_goes_on() {
    let in_force = InForce {
        patchset: patchset_of("tk_12345ab", Action::Block),
        mode: FiltrationMode::Block,
        now: clock::now(),
    };
    let message = [frame(0x01, b"a tk_12345ab"), frame(0x80, b" b")].concat();
    let mut gate = Gate::new(&opening("/s"), None);
    let passed = pass(&mut gate, &message, &[7], &in_force);
    assert_eq!((passed.released.len(), passed.refused), (0, Some(Refusal::Leaked)));
    // In a piece of a long frame as well.
    let long = [vec![b' '; limits::WEBSOCKET_HELD_BYTES - 24], b"tk_12345ab".to_vec()].concat();
    let message = frame(0x82, &[&long[..], b" and so on"].concat());
    let mut gate = Gate::new(&opening("/s"), None);
    let first = limits::WEBSOCKET_HELD_BYTES;
    let passed = pass(&mut gate, &message[..first], &[first], &in_force);
    assert_eq!((passed.released.len(), passed.refused), (0, Some(Refusal::Leaked)));
    // And where no more will come.
    let mut gate = Gate::new(&opening("/s"), None);
    let whole = frame(0x82, b"a tk_12345ab b");
    let passed = pass(&mut gate, &whole[..whole.len() - 2], &[50], &in_force);
    assert_eq!((passed.released.len(), passed.refused), (0, None));
    assert_eq!(gate.end(&mut |_| {}), Verdict::Refuse(Refusal::Leaked));
}

#[test]
fn an_idle_socket_keeps_no_patchset() {
    let mut gate = Gate::new(&opening("/s"), None);
    let in_force = in_force(Action::Block, FiltrationMode::Block);
    let bytes = [frame(0x81, b"text"), frame(0x89, b"ping")].concat();
    assert_eq!(pass(&mut gate, &bytes, &[9], &in_force).released, bytes);
    assert_eq!(Arc::strong_count(&in_force.patchset), 1);
}

#[test]
fn a_frame_that_breaks_off_is_decided() {
    let bytes = frame(0x80 | CLOSE, b"12345");
    let mut gate = Gate::new(&opening("/s"), None);
    let in_force = in_force(Action::Block, FiltrationMode::Block);
    let passed = pass(&mut gate, &bytes[..6], &[6], &in_force);
    assert_eq!((passed.released.len(), passed.waited), (0, 6));
    assert_eq!(gate.end(&mut |_| {}), Verdict::Pass);
}

/// What is inflated of these messages, one at each of these times, until one is refused.
fn inflated(messages: &[Vec<u8>], step: jiff::SignedDuration) -> usize {
    let mut now = clock::now();
    let mut read = Messages::new(opening("/s"), Some(true));
    messages
        .iter()
        .take_while(|message| {
            now += step;
            let in_force = InForce { now, ..in_force(Action::Block, FiltrationMode::Block) };
            read.begin(&in_force, true);
            read.push(message) == Verdict::Pass && read.finish() == Verdict::Pass
        })
        .count()
}

/// Messages as permessage-deflate has them, each of which may refer to those before it.
fn deflated(texts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut deflater = flate2::Compress::new(flate2::Compression::best(), false);
    texts
        .iter()
        .map(|text| {
            let mut out = Vec::with_capacity(text.len() + 64);
            deflater.compress_vec(text, &mut out, flate2::FlushCompress::Sync).unwrap();
            out.truncate(out.len() - 4);
            out
        })
        .collect()
}

#[test]
fn many_messages_together_inflate_to_no_more_than_one_may() {
    let bombs = deflated(&vec![vec![b' '; 200_000]; 100]);
    assert!(bombs.iter().all(|bomb| bomb.len() < 400));
    let at_once = inflated(&bombs, jiff::SignedDuration::ZERO);
    assert!((15..40).contains(&at_once), "{at_once}");
    // With time, each has its own.
    assert_eq!(inflated(&bombs, jiff::SignedDuration::from_secs(1)), bombs.len());
}

#[test]
fn the_same_honest_message_over_and_over_passes() {
    let text = br#"{"type":"heartbeat","channel":"orders","sequence":17,"status":"ok"}"#.repeat(6);
    let messages = deflated(&vec![text; 5_000]);
    assert_eq!(inflated(&messages, jiff::SignedDuration::from_millis(10)), messages.len());
}
