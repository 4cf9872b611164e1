//! Active health checks: each server is asked for a path at an interval, on a connection of its own.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Uri, Version};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use super::connect::{self, ConnectError, Stream};
use super::roster::Roster;
use super::target::{Speaks, Target};
use crate::config::{Health, limits};

/// Why a server is not well.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error("no answer in time")]
    Slow,
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("status {0}")]
    Status(u16),
    #[error("the check's request cannot be made: {0}")]
    Request(#[from] http::Error),
}

/// How often in a row a server answered well, or not.
struct Streak {
    target: Arc<Target>,
    well: u32,
    unwell: u32,
}

/// Checks the roster's servers until it is dropped.
pub(super) async fn run(roster: Arc<Roster>, health: Health) {
    let mut streaks: Vec<Streak> = Vec::new();
    let random = RandomState::new();
    for round in 0_u64.. {
        let targets = roster.targets();
        streaks.retain(|streak| targets.iter().any(|target| Arc::ptr_eq(target, &streak.target)));
        let checks = targets.into_iter().map(|target| async {
            let found = check(&target, &health).await;
            (target, found)
        });
        let mut checks = stream::iter(checks).buffer_unordered(limits::HEALTH_CHECKS);
        while let Some((target, found)) = checks.next().await {
            note(&roster, &health, &mut streaks, target, found);
        }
        drop(checks);
        tokio::time::sleep(jittered(health.interval, &random, round)).await;
    }
}

/// Give or take a tenth, so that many gateways do not ask at the same time.
fn jittered(interval: Duration, random: &RandomState, round: u64) -> Duration {
    let mut hasher = random.build_hasher();
    hasher.write_u64(round);
    interval.mul_f64(0.9 + (hasher.finish() % 2_001) as f64 / 10_000.0)
}

fn note(
    roster: &Roster,
    health: &Health,
    streaks: &mut Vec<Streak>,
    target: Arc<Target>,
    found: Result<(), Unwell>,
) {
    let result = if found.is_ok() { "ok" } else { "failed" };
    roster.metrics.upstream_health_checks.with_label_values(&[result]).inc();
    let streak = match streaks.iter_mut().find(|streak| Arc::ptr_eq(&streak.target, &target)) {
        Some(streak) => streak,
        None => streaks.push_mut(Streak { target, well: 0, unwell: 0 }),
    };
    match found {
        Ok(()) => {
            (streak.well, streak.unwell) = (streak.well.saturating_add(1), 0);
            if streak.well >= health.healthy {
                roster.found(&streak.target, true, "");
            }
        }
        Err(problem) => {
            (streak.well, streak.unwell) = (0, streak.unwell.saturating_add(1));
            if streak.unwell >= health.unhealthy {
                roster.found(&streak.target, false, &problem.to_string());
            }
        }
    }
}

async fn check(target: &Target, health: &Health) -> Result<(), Unwell> {
    let asking = async {
        match connect::open(target, target.speaks).await? {
            (Stream::Tcp(io), speaks) => ask(io, speaks, target, health).await,
            (Stream::Tls(io), speaks) => ask(io, speaks, target, health).await,
            (Stream::Unix(io), speaks) => ask(io, speaks, target, health).await,
        }
    };
    match tokio::time::timeout(health.timeout, asking).await {
        Ok(Ok(200..=399)) => Ok(()),
        Ok(Ok(status)) => Err(Unwell::Status(status)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Unwell::Slow),
    }
}

/// Ends a connection's task with the check.
struct Driven(AbortHandle);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn ask<T>(io: T, speaks: Speaks, target: &Target, health: &Health) -> Result<u16, Unwell>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(io);
    let request = request(speaks, target, health)?;
    let response = if speaks == Speaks::Http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        let _driven = Driven(tokio::spawn(connection).abort_handle());
        sender.send_request(request).await?
    } else {
        let (mut sender, connection) = http1::handshake(io).await?;
        let _driven = Driven(tokio::spawn(connection).abort_handle());
        sender.send_request(request).await?
    };
    Ok(response.status().as_u16())
}

fn request(
    speaks: Speaks,
    target: &Target,
    health: &Health,
) -> Result<Request<Empty<Bytes>>, http::Error> {
    let host = health.host.as_deref().unwrap_or(&target.authority);
    let request = Request::get(&health.path)
        .header(USER_AGENT, concat!("leakgate/", env!("CARGO_PKG_VERSION"), " (health check)"));
    let Ok(path) = health.path.parse::<http::uri::PathAndQuery>() else {
        return request.body(Empty::new());
    };
    if speaks != Speaks::Http2 {
        return request
            .header(HOST, HeaderValue::from_str(host)?)
            .header(CONNECTION, "close")
            .body(Empty::new());
    }
    let scheme = if target.tls.is_some() { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(path).build()?;
    request.uri(uri).version(Version::HTTP_2).body(Empty::new())
}
