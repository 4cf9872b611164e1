//! Holding a body back until it is inspected.
//!
//! A body of a declared length within the limit is held to its end. One of undeclared length is
//! held until it ends, the limit is reached, or no more has come for a moment. A body declared
//! larger than the limit is not held at all. Where too much is held already, over all requests, less
//! is. What is not held to its end streams: see `stream.rs`.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::time::Instant;

use super::failure::Failure;
use super::held_total::Share;
use super::inspector::Inspector;
use crate::config::Hold;

/// What came of holding a body.
#[derive(Debug)]
pub(crate) enum Held {
    /// All of it, inspected to its end.
    Whole {
        /// The content.
        bytes: Bytes,
        /// The trailers.
        trailers: Option<HeaderMap>,
    },
    /// Its beginning, inspected and settled; the rest comes from the body.
    Beginning(Bytes),
}

/// Holds `body` as its declared length and the rule ask for, and inspects each piece as it comes.
/// `idle` is how long a body of declared length may pause; `share` grows by what is held.
///
/// # Errors
/// What is to be answered, where the body may not pass or does not come. Nothing of it has then
/// been forwarded.
pub(crate) async fn hold<B>(
    body: &mut B,
    declared: Option<u64>,
    rule: Hold,
    idle: Duration,
    share: &mut Share,
    inspector: &mut Inspector,
) -> Result<Held, Failure>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut kept = Kept::default();
    let mut deadline = None;
    if body.is_end_stream() {
        return whole(kept, None, inspector);
    }
    if let Some(length) = declared {
        let fits = usize::try_from(length).ok().filter(|length| *length <= rule.limit);
        if !fits.is_some_and(|length| share.grow(length)) {
            return Ok(Held::Beginning(Bytes::new()));
        }
        if rule.min_rate > 0 {
            let length = Duration::from_secs_f64(length as f64 / f64::from(rule.min_rate));
            deadline = Some(Instant::now() + idle + length);
        }
    }
    loop {
        let wait = match deadline {
            Some(deadline) => idle.min(deadline.saturating_duration_since(Instant::now())),
            None if declared.is_some() => idle,
            None => rule.pause,
        };
        let Some(piece) = piece(body, wait).await else {
            if declared.is_some() {
                return Err(Failure::SlowBody);
            }
            return beginning(kept, inspector);
        };
        let Some(frame) = piece else { return whole(kept, None, inspector) };
        match frame.map_err(|_| Failure::BrokenBody)?.into_data() {
            Ok(data) => {
                inspector.body(&data)?;
                let has_room = declared.is_some() || share.grow(data.len());
                kept.push(data, declared);
                if body.is_end_stream() {
                    return whole(kept, None, inspector);
                }
                if declared.is_none() && (kept.len() >= rule.limit || !has_room) {
                    return beginning(kept, inspector);
                }
            }
            Err(frame) => {
                // Trailers end a body.
                if let Ok(trailers) = frame.into_trailers() {
                    inspector.trailers(&trailers)?;
                    return whole(kept, Some(trailers), inspector);
                }
            }
        }
    }
}

/// The next piece; `None` where none came in time.
async fn piece<B: Body + Unpin>(
    body: &mut B,
    wait: Duration,
) -> Option<Option<Result<Frame<B::Data>, B::Error>>> {
    let next = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
    tokio::time::timeout(wait, next).await.ok()
}

fn whole(
    kept: Kept,
    trailers: Option<HeaderMap>,
    inspector: &mut Inspector,
) -> Result<Held, Failure> {
    inspector.finish()?;
    Ok(Held::Whole { bytes: kept.into_bytes(), trailers })
}

fn beginning(kept: Kept, inspector: &mut Inspector) -> Result<Held, Failure> {
    inspector.settle()?;
    Ok(Held::Beginning(kept.into_bytes()))
}

/// The pieces that came: a single one as it is, several copied together, so that a body of many
/// tiny pieces takes no more memory than its bytes.
#[derive(Default)]
struct Kept {
    first: Bytes,
    joined: BytesMut,
}

impl Kept {
    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    fn push(&mut self, piece: Bytes, declared: Option<u64>) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.joined.is_empty() {
            // A declared length is within the hold limit here.
            let expected = declared.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
            self.joined.reserve(expected.max(self.first.len() + piece.len()));
            self.joined.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.joined.extend_from_slice(&piece);
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use tokio::time::Sleep;

    use super::*;
    use crate::config;
    use crate::inspect::{self, Inspection};
    use crate::matcher::Patchset;
    use crate::model::clock;
    use crate::model::rule::FiltrationMode;
    use crate::model::tenant::RouteTenants;
    use crate::proxy::held_total::HeldTotal;

    /// A body whose pieces come after given pauses; without an end where `open`.
    struct Script {
        pieces: VecDeque<(u64, Frame<Bytes>)>,
        open: bool,
        wait: Option<Pin<Box<Sleep>>>,
    }

    impl Body for Script {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some((pause, _)) = self.pieces.front() else {
                return if self.open { Poll::Pending } else { Poll::Ready(None) };
            };
            let pause = Duration::from_millis(*pause);
            let wait = self.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            std::task::ready!(wait.as_mut().poll(cx));
            self.wait = None;
            Poll::Ready(self.pieces.pop_front().map(|(_, frame)| Ok(frame)))
        }
    }

    fn script(pieces: &[(u64, &'static str)], open: bool) -> Script {
        let pieces = pieces
            .iter()
            .map(|(pause, text)| (*pause, Frame::data(Bytes::from_static(text.as_bytes()))))
            .collect();
        Script { pieces, open, wait: None }
    }

    fn inspector() -> Inspector {
        let context = inspect::Context {
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            client_cert: None,
            host: "a".to_owned(),
            tenants: RouteTenants::default(),
            mode: FiltrationMode::Block,
            now: clock::now(),
            fail: config::Fail::default(),
        };
        Inspector::new(Inspection::new(Arc::new(Patchset::empty()), context), false)
    }

    const RULE: Hold = Hold { limit: 8, total: 16, pause: Duration::from_millis(20), min_rate: 1 };
    const IDLE: Duration = Duration::from_secs(60);

    fn total() -> HeldTotal {
        HeldTotal::new(prometheus::IntCounter::new("reached", "reached").unwrap())
    }

    async fn held(body: &mut Script, declared: Option<u64>) -> Result<(bool, String), Failure> {
        held_of(body, declared, &mut total().share(RULE.total)).await
    }

    async fn held_of(
        body: &mut Script,
        declared: Option<u64>,
        share: &mut Share,
    ) -> Result<(bool, String), Failure> {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        match hold(body, declared, RULE, IDLE, share, &mut inspector()).await? {
            Held::Whole { bytes, .. } => Ok((true, text(bytes))),
            Held::Beginning(bytes) => Ok((false, text(bytes))),
        }
    }

    fn whole_of(text: &str) -> Result<(bool, String), Failure> {
        Ok((true, text.to_owned()))
    }

    fn beginning_of(text: &str) -> Result<(bool, String), Failure> {
        Ok((false, text.to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn declared_within_the_limit_is_held_through_pauses() {
        let mut body = script(&[(0, "ab"), (5_000, "cd"), (50_000, "efgh")], false);
        assert_eq!(held(&mut body, Some(8)).await, whole_of("abcdefgh"));
    }

    #[tokio::test(start_paused = true)]
    async fn declared_that_stops_coming_is_given_up() {
        let start = Instant::now();
        let mut body = script(&[(0, "ab")], true);
        assert_eq!(held(&mut body, Some(8)).await, Err(Failure::SlowBody));
        assert_eq!(start.elapsed(), IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn declared_that_trickles_is_given_up() {
        let start = Instant::now();
        let mut body = script(&[(0, "a"), (59_000, "b"), (59_000, "c")], true);
        assert_eq!(held(&mut body, Some(8)).await, Err(Failure::SlowBody));
        assert_eq!(start.elapsed(), IDLE + Duration::from_secs(8));
    }

    #[tokio::test(start_paused = true)]
    async fn declared_past_the_limit_is_not_waited_for() {
        let mut body = script(&[(0, "ab")], true);
        assert_eq!(held(&mut body, Some(9)).await, beginning_of(""));
    }

    #[tokio::test(start_paused = true)]
    async fn undeclared_is_held_to_its_end() {
        let mut body = script(&[(0, "ab"), (19, "cd"), (19, "ef")], false);
        assert_eq!(held(&mut body, None).await, whole_of("abcdef"));
    }

    #[tokio::test(start_paused = true)]
    async fn undeclared_is_released_at_a_pause() {
        let start = Instant::now();
        let mut body = script(&[(0, "ab"), (19, "cd"), (21, "ef")], false);
        assert_eq!(held(&mut body, None).await, beginning_of("abcd"));
        assert_eq!(start.elapsed(), Duration::from_millis(39));
        let mut body = script(&[], true);
        assert_eq!(held(&mut body, None).await, beginning_of(""));
    }

    #[tokio::test(start_paused = true)]
    async fn undeclared_is_released_at_the_limit() {
        let mut body = script(&[(0, "abcd"), (0, "efgh"), (0, "ijkl")], false);
        assert_eq!(held(&mut body, None).await, beginning_of("abcdefgh"));
    }

    #[tokio::test(start_paused = true)]
    async fn less_is_held_where_too_much_is_held_already() {
        let total = total();
        let mut others = total.share(RULE.total);
        assert!(others.grow(11));
        let mut body = script(&[(0, "abcd"), (0, "ef"), (0, "gh")], false);
        let mut share = total.share(RULE.total);
        assert_eq!(held_of(&mut body, None, &mut share).await, beginning_of("abcdef"));
        let mut body = script(&[(0, "ab")], false);
        let mut share = total.share(RULE.total);
        assert_eq!(held_of(&mut body, Some(2), &mut share).await, beginning_of(""));
        drop(others);
        assert_eq!(held_of(&mut body, Some(2), &mut share).await, whole_of("ab"));
    }

    #[tokio::test(start_paused = true)]
    async fn trailers_come_with_the_whole() {
        let mut body = script(&[(0, "ab")], false);
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        body.pieces.push_back((0, Frame::trailers(trailers.clone())));
        let mut share = total().share(RULE.total);
        match hold(&mut body, None, RULE, IDLE, &mut share, &mut inspector()).await.unwrap() {
            Held::Whole { bytes, trailers: Some(found) } => {
                assert_eq!((&bytes[..], found), (&b"ab"[..], trailers));
            }
            other => panic!("{other:?}"),
        }
    }
}
