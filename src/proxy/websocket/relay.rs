//! The bytes of a WebSocket in both directions, from its opening until either side or the gateway
//! ends it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::pin;
use std::rc::Rc;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use super::frame::{self, CLOSE, Step, Walker};
use super::gate::{Gate, Look};
use super::record::Record;
use crate::config::limits;
use crate::inspect::InForce;
use crate::model::clock;
use crate::model::verdict::{Refusal, Verdict};
use crate::proxy::route::Policy;
use crate::proxy::worker::Worker;

/// The process ends (RFC 6455, 7.4.1).
const GOING_AWAY: u16 = 1001;
/// A message may not pass.
const POLICY_VIOLATION: u16 = 1008;
const PROTOCOL_ERROR: u16 = 1002;
const TOO_BIG: u16 = 1009;

/// What decides about the client's messages.
pub(crate) struct Judge {
    pub(crate) gate: Gate,
    pub(crate) record: Record,
    pub(crate) worker: Rc<Worker>,
    /// What the route says about inspection.
    pub(crate) policy: Policy,
}

impl Judge {
    /// Looks at the next bytes, where `waiting` before them have not gone on yet.
    fn look(&mut self, bytes: &[u8], waiting: usize) -> Look {
        let Self { gate, record, worker, policy } = self;
        let in_force = InForce {
            patchset: worker.patchset.load(),
            mode: worker.in_force(*policy),
            now: clock::now(),
        };
        gate.look(bytes, waiting, &in_force, &mut |report| record.note(&report))
    }

    /// Decides about what waits where nothing more will come.
    fn end(&mut self) -> Verdict {
        let Self { gate, record, .. } = self;
        gate.end(&mut |report| record.note(&report))
    }
}

/// Joins both sides until they have ended, or a message may not pass.
pub(crate) async fn relay<C, U>(client: C, upstream: U, judge: Judge)
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_upstream, to_upstream) = tokio::io::split(upstream);
    let mut up = Up { from_client, to_upstream, held: BytesMut::new(), writing: false, judge };
    let mut down = Down {
        from_upstream,
        to_client,
        waiting: BytesMut::new(),
        walker: Walker::default(),
        has_closed: false,
    };
    let exchange = Rc::clone(up.judge.record.exchange());
    let cut = up.judge.worker.cut.clone();
    let ended = tokio::select! {
        biased;
        () = exchange.ended() => Some(End::Refused(Refusal::Leaked)),
        refused = both(&mut up, &mut down) => refused.map(End::Refused),
        () = cut.cancelled() => Some(End::Cut),
    };
    if let Some(end) = ended {
        // Whoever does not take the close frame is cut off without one.
        let _ = tokio::time::timeout(limits::LINGER_TIME, close(up, down, &end)).await;
    }
}

/// Why the gateway ends the connection.
enum End {
    Refused(Refusal),
    /// The drain's time is over.
    Cut,
}

impl End {
    fn to_client(&self) -> u16 {
        match self {
            Self::Refused(refusal) => code(refusal),
            Self::Cut => GOING_AWAY,
        }
    }

    fn to_upstream(&self) -> u16 {
        match self {
            Self::Refused(_) => POLICY_VIOLATION,
            Self::Cut => GOING_AWAY,
        }
    }
}

/// Both directions to their ends; each may go on without the other. Gives why a message may not
/// pass.
async fn both<C, U>(up: &mut Up<C, U>, down: &mut Down<C, U>) -> Option<Refusal>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (mut up, mut down) = (pin!(up.run()), pin!(down.run()));
    let (mut up_ended, mut down_ended) = (false, false);
    while !(up_ended && down_ended) {
        tokio::select! {
            result = &mut up, if !up_ended => match result {
                Ok(()) => up_ended = true,
                Err(Stop::Refused(refusal)) => return Some(refusal),
                Err(Stop::Broken) => return None,
            },
            result = &mut down, if !down_ended => match result {
                Ok(()) => down_ended = true,
                Err(_) => return None,
            },
        }
    }
    None
}

/// Why the client's direction ends before its end.
enum Stop {
    Refused(Refusal),
    Broken,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// From the client to the upstream.
struct Up<C, U> {
    from_client: ReadHalf<C>,
    to_upstream: WriteHalf<U>,
    /// What has come and may not go on yet.
    held: BytesMut,
    /// Whether some of it has gone on in part.
    writing: bool,
    judge: Judge,
}

impl<C, U> Up<C, U>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    async fn run(&mut self) -> Result<(), Stop> {
        let Self { from_client, to_upstream, held, writing, judge } = self;
        loop {
            let waiting = held.len();
            held.reserve(limits::WEBSOCKET_READ_BYTES);
            let mut room = (&mut *held).limit(limits::WEBSOCKET_READ_BYTES);
            if from_client.read_buf(&mut room).await? == 0 {
                break;
            }
            let bytes = held.get(waiting..).unwrap_or_default();
            let look = judge.look(bytes, waiting);
            if look.release > 0 {
                *writing = true;
                to_upstream.write_all(held.get(..look.release).unwrap_or_default()).await?;
                *writing = false;
                to_upstream.flush().await?;
                held.advance(look.release);
            }
            if let Some(refusal) = look.refused {
                return Err(Stop::Refused(refusal));
            }
            if held.is_empty() && held.capacity() > 2 * limits::WEBSOCKET_READ_BYTES {
                *held = BytesMut::new();
            }
        }
        if let Verdict::Refuse(refusal) = judge.end() {
            return Err(Stop::Refused(refusal));
        }
        *writing = true;
        to_upstream.write_all(held).await?;
        *writing = false;
        held.clear();
        to_upstream.shutdown().await?;
        Ok(())
    }
}

/// From the upstream to the client: as it comes. Frames are followed, so that it is known where one
/// of the gateway's own can stand.
struct Down<C, U> {
    from_upstream: ReadHalf<U>,
    to_client: WriteHalf<C>,
    /// What has come and has not been written yet.
    waiting: BytesMut,
    /// Where the client stands.
    walker: Walker,
    /// Whether the client was sent a close frame.
    has_closed: bool,
}

impl<C, U> Down<C, U>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    /// May be dropped at any time and be gone on with.
    async fn run(&mut self) -> io::Result<()> {
        loop {
            self.write().await?;
            if self.read().await? == 0 {
                return self.to_client.shutdown().await;
            }
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.waiting.reserve(limits::WEBSOCKET_READ_BYTES);
        self.from_upstream.read_buf(&mut self.waiting).await
    }

    async fn write(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            let written = self.to_client.write(&self.waiting).await?;
            let mut bytes = self.waiting.get(..written).unwrap_or_default();
            if bytes.is_empty() {
                return Err(io::ErrorKind::WriteZero.into());
            }
            while let Some(step) = self.walker.step(&mut bytes) {
                self.has_closed |= matches!(step, Step::Header(header) if header.opcode == CLOSE);
            }
            self.waiting.advance(written);
        }
        self.to_client.flush().await
    }

    /// Goes on to the end of the frame under way.
    async fn finish_frame(&mut self) -> io::Result<()> {
        loop {
            let mut walker = self.walker;
            let mut rest = &*self.waiting;
            while !walker.is_between() && walker.step(&mut rest).is_some() {}
            let (left, ends) = (rest.len(), walker.is_between());
            if ends {
                self.waiting.truncate(self.waiting.len() - left);
            }
            self.write().await?;
            if ends {
                return Ok(());
            }
            if self.read().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Tells both sides that the gateway ends the connection, as far as each can be told, and waits until
/// they have ended as well: a socket closed with unread bytes in it would be reset, and the reset
/// might overtake the close frame.
async fn close<C, U>(up: Up<C, U>, mut down: Down<C, U>, end: &End)
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let Up { mut from_client, mut to_upstream, writing, judge, .. } = up;
    let reason = match end {
        End::Refused(_) => judge.record.exchange().reason(),
        End::Cut => String::new(),
    };
    let to_upstream = async {
        // Within a frame, a frame of ours would be taken for its payload.
        if judge.gate.is_between() && !writing {
            let key = RandomState::new().hash_one(()) as u32;
            let frame = frame::close(end.to_upstream(), "", Some(key.to_ne_bytes()));
            to_upstream.write_all(&frame).await?;
        }
        to_upstream.shutdown().await
    };
    let to_client = async {
        down.finish_frame().await?;
        if !down.has_closed {
            let frame = frame::close(end.to_client(), &reason, None);
            down.to_client.write_all(&frame).await?;
        }
        down.to_client.shutdown().await
    };
    let (_, told) = tokio::join!(to_upstream, to_client);
    if told.is_ok() {
        tokio::join!(drain(&mut from_client), drain(&mut down.from_upstream));
    }
}

/// Reads what comes, up to a limit, and throws it away.
async fn drain(from: &mut (impl AsyncRead + Unpin)) {
    let mut scratch = vec![0; limits::WEBSOCKET_READ_BYTES];
    let mut left = limits::LINGER_BYTES;
    while left > 0
        && let Ok(count @ 1..) = from.read(&mut scratch).await
    {
        left = left.saturating_sub(count);
    }
}

fn code(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::Leaked => POLICY_VIOLATION,
        Refusal::Incomplete { status: 413, .. } => TOO_BIG,
        Refusal::Incomplete { .. } => PROTOCOL_ERROR,
    }
}
