//! What a client sends in a WebSocket, looked at before it goes on: frame by frame, and a long frame
//! piece by piece. Does no I/O.

use std::sync::{Arc, Weak};

use super::frame::{Order, Part, Step, Walker, unmask};
use crate::config::limits;
use crate::inspect::{InForce, Inspection, Messages, Opening};
use crate::matcher::Patchset;
use crate::model::rule::FiltrationMode;
use crate::model::verdict::{Hit, Refusal, Verdict};

/// Bytes that are unmasked at once.
const PIECE: usize = 4096;

/// How a message ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It passed.
    Passed,
    /// It carried a token under a blocking patch.
    Blocked,
    /// It could not be inspected whole, and was refused.
    Refused,
    /// It, or all that follows, could not be inspected whole, and passed.
    Uninspected,
}

/// What became known of a message.
pub(crate) struct Report<'a> {
    /// Hits that are new since the last report of this message.
    pub(crate) hits: &'a [Hit],
    /// Its inspection so far.
    pub(crate) inspection: &'a Inspection,
    /// How it ended, if it did.
    pub(crate) ended: Option<Outcome>,
}

/// What follows from looking at some bytes.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Look {
    /// How many of the bytes that wait may go on now, from the first of them.
    pub(crate) release: usize,
    /// Why nothing after them may.
    pub(crate) refused: Option<Refusal>,
}

/// Which messages a frame is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Data,
    Control,
}

/// The client's side of a WebSocket, from its opening on.
pub(crate) struct Gate {
    walker: Walker,
    order: Order,
    data: Messages,
    control: Messages,
    kind: Kind,
    /// Whether the frame under way is its message's last.
    last: bool,
    /// Bytes of the payload of the frame under way, where that is a message by itself.
    alone: Option<u64>,
    /// Whether the frame under way has gone on in part.
    cut: bool,
    /// Under what the frames, which cannot be read any more, were let pass.
    blind: Option<(Weak<Patchset>, FiltrationMode)>,
    unreadable: bool,
    scratch: Box<[u8; PIECE]>,
}

impl Gate {
    /// A WebSocket that this request opened; `keeps_context` as [`Messages::new`] has it.
    pub(crate) fn new(opening: &Arc<Opening>, keeps_context: Option<bool>) -> Self {
        Self {
            walker: Walker::default(),
            order: Order::new(keeps_context.is_some()),
            data: Messages::new(Arc::clone(opening), keeps_context),
            control: Messages::new(Arc::clone(opening), None),
            kind: Kind::Data,
            last: false,
            alone: None,
            cut: false,
            blind: None,
            unreadable: false,
            scratch: Box::new([0; PIECE]),
        }
    }

    /// A WebSocket whose frames cannot be read at all.
    pub(crate) fn unreadable(opening: &Arc<Opening>) -> Self {
        Self { unreadable: true, ..Self::new(opening, None) }
    }

    /// Whether what has gone on ends with a whole frame.
    pub(crate) fn is_between(&self) -> bool {
        !self.cut
    }

    /// Looks at the next bytes, where `waiting` before them have not gone on yet.
    pub(crate) fn look(
        &mut self,
        bytes: &[u8],
        waiting: usize,
        in_force: &InForce,
        tell: &mut dyn FnMut(Report<'_>),
    ) -> Look {
        let all = waiting + bytes.len();
        let mut rest = bytes;
        let mut release = 0;
        while !self.unreadable
            && let Some(step) = self.walker.step(&mut rest)
        {
            let verdict = match step {
                Step::Header(header) => match self.order.next(&header) {
                    None => {
                        self.unreadable = true;
                        break;
                    }
                    Some(part) => {
                        self.last = header.fin;
                        let alone = header.fin && part != Part::Continues;
                        self.alone = alone.then_some(header.length);
                        self.begin(part, in_force)
                    }
                },
                Step::Payload(payload, key) => self.payload(payload, key),
            };
            let ends = self.walker.is_between();
            let verdict = if verdict.passes() && ends { self.frame_ends(tell) } else { verdict };
            if let Verdict::Refuse(refusal) = verdict {
                self.refused(&refusal, tell);
                return Look { release, refused: Some(refusal) };
            }
            if ends {
                release = all - rest.len();
                self.cut = false;
            }
        }
        if self.unreadable {
            return self.unread(release, all, in_force, tell);
        }
        let holds = in_force.may_block();
        if all > release && (!holds || all - release >= limits::WEBSOCKET_HELD_BYTES) {
            if holds && let Verdict::Refuse(refusal) = self.data.settle() {
                self.refused(&refusal, tell);
                return Look { release, refused: Some(refusal) };
            }
            release = all;
            self.cut = !self.walker.is_between();
        }
        report(&mut self.data, None, tell);
        Look { release, refused: None }
    }

    /// Decides about a frame that will not be whole, since the client has ended: what of it waits
    /// may go on where this passes.
    pub(crate) fn end(&mut self, tell: &mut dyn FnMut(Report<'_>)) -> Verdict {
        for kind in [Kind::Data, Kind::Control] {
            self.kind = kind;
            let verdict = self.messages().settle();
            if let Verdict::Refuse(refusal) = &verdict {
                self.refused(refusal, tell);
                return verdict;
            }
            report(self.messages(), None, tell);
        }
        Verdict::Pass
    }

    /// Those that the frame under way is of.
    fn messages(&mut self) -> &mut Messages {
        match self.kind {
            Kind::Data => &mut self.data,
            Kind::Control => &mut self.control,
        }
    }

    fn begin(&mut self, part: Part, in_force: &InForce) -> Verdict {
        match part {
            Part::Begins { compressed } => {
                self.kind = Kind::Data;
                self.data.begin(in_force, compressed)
            }
            Part::Continues => {
                self.kind = Kind::Data;
                Verdict::Pass
            }
            Part::Control => {
                self.kind = Kind::Control;
                self.control.begin(in_force, false)
            }
        }
    }

    fn payload(&mut self, payload: &[u8], key: [u8; 4]) -> Verdict {
        let whole = payload.len() <= PIECE && self.alone == Some(payload.len() as u64);
        // Pieces are of whole keys.
        for piece in payload.chunks(PIECE) {
            let Some(plain) = self.scratch.get_mut(..piece.len()) else { continue };
            unmask(piece, key, plain);
            let messages = match self.kind {
                Kind::Data => &mut self.data,
                Kind::Control => &mut self.control,
            };
            let verdict = if whole { messages.whole(plain) } else { messages.push(plain) };
            if !verdict.passes() {
                return verdict;
            }
        }
        Verdict::Pass
    }

    fn frame_ends(&mut self, tell: &mut dyn FnMut(Report<'_>)) -> Verdict {
        let last = self.last;
        let messages = self.messages();
        if !last {
            return messages.settle();
        }
        let verdict = messages.finish();
        if verdict.passes() {
            report(messages, Some(Outcome::Passed), tell);
            messages.end();
        }
        verdict
    }

    /// Ends the message under way, and what it was interleaved with, at a refusal.
    fn refused(&mut self, refusal: &Refusal, tell: &mut dyn FnMut(Report<'_>)) {
        let (refused, other) = match self.kind {
            Kind::Data => (&mut self.data, &mut self.control),
            Kind::Control => (&mut self.control, &mut self.data),
        };
        let outcome = match refusal {
            Refusal::Leaked => Outcome::Blocked,
            Refusal::Incomplete { .. } => Outcome::Refused,
        };
        report(refused, Some(outcome), tell);
        report(other, None, tell);
    }

    /// Frames that cannot be read: whether they pass is decided again where something else is in
    /// force.
    fn unread(
        &mut self,
        release: usize,
        all: usize,
        in_force: &InForce,
        tell: &mut dyn FnMut(Report<'_>),
    ) -> Look {
        let mode = in_force.mode;
        let is_decided = self.blind.as_ref().is_some_and(|(patchset, under)| {
            *under == mode && patchset.as_ptr() == Arc::as_ptr(&in_force.patchset)
        });
        if !is_decided {
            report(&mut self.data, None, tell);
            self.data.end();
            self.kind = Kind::Control;
            if let Verdict::Refuse(refusal) = self.control.begin_malformed(in_force) {
                self.refused(&refusal, tell);
                return Look { release, refused: Some(refusal) };
            }
            report(&mut self.control, Some(Outcome::Uninspected), tell);
            self.control.end();
            self.blind = Some((Arc::downgrade(&in_force.patchset), mode));
        }
        self.cut = true;
        Look { release: all, refused: None }
    }
}

fn report(messages: &mut Messages, ended: Option<Outcome>, tell: &mut dyn FnMut(Report<'_>)) {
    if let Some((hits, inspection)) = messages.news()
        && (ended.is_some() || !hits.is_empty())
    {
        let ended = match ended {
            Some(Outcome::Passed) if !inspection.incomplete().is_empty() => {
                Some(Outcome::Uninspected)
            }
            ended => ended,
        };
        tell(Report { hits, inspection, ended });
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;
    use crate::inspect::Context;
    use crate::matcher::{PatchsetWriter, Rule};
    use crate::model::clock;
    use crate::model::fingerprint::FingerprintKey;
    use crate::model::ids::{LeakId, PatchId, TokenId};
    use crate::model::rule::{Action, Scope};
    use crate::model::secret::Secret;
    use crate::model::token::TokenMaterial;
    use crate::proxy::websocket::frame::{CLOSE, RSV1};

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
        writer.set_rule(Rule { leak, patch, action, scope, expires_at: None, watch_until: None });
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
            assert_eq!(
                (passed.released == bomb, passed.outcomes),
                (true, vec![Outcome::Uninspected])
            );
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
}
