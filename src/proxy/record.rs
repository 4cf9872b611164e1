//! What is kept of a request: its outcome, counted once, and an event for each leaked token in it.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri, Version};
use jiff::Timestamp;
use tokio::time::Instant;

use super::access_log::Entry;
use super::admit;
use super::client::Client;
use super::ending::{Ending, Side};
use super::failure::Failure;
use super::forwarded::X_FORWARDED_FOR;
use super::inspector::Inspector;
use super::kept_head::KeptHead;
use super::route::Policy;
use super::timing::Timing;
use super::websocket;
use crate::config::limits;
use crate::inspect::{Context, Inspection};
use crate::model::clock;
use crate::model::event::{Event, EventType};
use crate::model::ids::EventId;
use crate::model::rule::{Action, FiltrationMode};
use crate::model::verdict::{Hit, Refusal, Verdict};
use crate::telemetry::metrics::Metrics;

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Forwarded,
    Blocked,
    Refused,
    NoRoute,
    UpstreamError,
    ClientGone,
}

impl From<&Failure> for Outcome {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Leaked => Self::Blocked,
            Failure::Framing { .. } | Failure::Incomplete { .. } => Self::Refused,
            Failure::SlowBody | Failure::BrokenBody => Self::ClientGone,
            Failure::NoRoute => Self::NoRoute,
            Failure::Connect
            | Failure::Busy
            | Failure::NoResponse
            | Failure::Broken
            | Failure::BadResponse(_) => Self::UpstreamError,
        }
    }
}

impl Outcome {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Blocked => "blocked",
            Self::Refused => "refused",
            Self::NoRoute => "no_route",
            Self::UpstreamError => "upstream_error",
            Self::ClientGone => "client_gone",
        }
    }
}

/// The fields of a request that its events tell of.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    method: Method,
    target: Uri,
    host: String,
    user_agent: Option<HeaderValue>,
    forwarded_for: Option<HeaderValue>,
}

impl Facts {
    pub(crate) fn of(parts: &Parts, host: &str) -> Self {
        Self {
            method: parts.method.clone(),
            target: parts.uri.clone(),
            host: host.to_owned(),
            user_agent: parts.headers.get(USER_AGENT).cloned(),
            forwarded_for: parts.headers.get(X_FORWARDED_FOR).cloned(),
        }
    }
}

/// The same as an event shows them: without any token.
pub(crate) struct Shown {
    method: String,
    target: String,
    host: String,
    user_agent: Option<String>,
    forwarded_for: Option<String>,
    client_cert: Option<String>,
    request_id: String,
}

/// One exchange of a request and its response, from when it is accepted until both have ended.
/// What is known of it is recorded when it is dropped, however it ended.
pub(crate) struct Exchange {
    client: Rc<Client>,
    at: Timestamp,
    source: IpAddr,
    request_id: RefCell<HeaderValue>,
    outcome: Cell<Outcome>,
    /// Whether the outcome was counted.
    is_counted: Cell<bool>,
    status: Cell<Option<u16>>,
    /// Why the body's stream was ended, for whoever answers.
    ended: RefCell<Option<Failure>>,
    /// How many of the inspection's hits have become events.
    noted: Cell<usize>,
    waiting: RefCell<Vec<Event>>,
    /// What all events of the request show of it.
    shown: OnceCell<Shown>,
    /// When a piece of a streaming body last came.
    moved: Cell<Option<Instant>>,
    /// Whether it goes to the upstream by HTTP/2, which takes every trailer.
    is_sent_by_http2: Cell<bool>,
    /// When the last piece of the response was given that was not taken yet.
    given: Cell<Option<Instant>>,
    version: Version,
    /// The request's head.
    head: RefCell<Option<KeptHead>>,
    /// What its route says about inspection, once there is one.
    policy: Cell<Policy>,
    /// What it was decided under.
    generation: Cell<u64>,
    /// Where it is among those under way.
    place: Cell<usize>,
    pub(crate) ending: Ending,
    pub(crate) timing: Timing,
}

impl Exchange {
    /// Begins one, among those under way.
    pub(crate) fn begin(
        client: Rc<Client>,
        version: Version,
        at: Timestamp,
        source: IpAddr,
        request_id: HeaderValue,
    ) -> Rc<Self> {
        let worker = Rc::clone(client.worker());
        let timing = match &worker.access_log {
            Some(_) => {
                let sample = worker.settings().config.access_log.sample;
                Timing::begin(worker.counters.is_logged(sample))
            }
            None => Timing::default(),
        };
        let exchange = Rc::new(Self {
            given: Cell::new(None),
            version,
            head: RefCell::new(None),
            policy: Cell::new(Policy::none()),
            generation: Cell::new(worker.exchanges.generation()),
            place: Cell::new(usize::MAX),
            ending: Ending::default(),
            timing,
            client,
            at,
            source,
            request_id: RefCell::new(request_id),
            // What is dropped before an answer was left by its client.
            outcome: Cell::new(Outcome::ClientGone),
            is_counted: Cell::new(false),
            status: Cell::new(None),
            ended: RefCell::new(None),
            noted: Cell::new(0),
            waiting: RefCell::new(Vec::new()),
            shown: OnceCell::new(),
            moved: Cell::new(None),
            is_sent_by_http2: Cell::new(false),
        });
        exchange.place.set(worker.exchanges.enter(Rc::downgrade(&exchange)));
        exchange
    }

    /// Keeps the request's head for as long as the exchange lasts.
    pub(crate) fn keep(&self, parts: &Parts) {
        *self.head.borrow_mut() = Some(KeptHead::of(parts));
    }

    /// The request's head as it came, where all of it is kept.
    pub(crate) fn whole_head(&self) -> Option<Parts> {
        self.head.borrow().as_ref().filter(|head| head.is_whole())?.parse()
    }

    /// Whether all of the request's head is kept.
    pub(crate) fn keeps_whole_head(&self) -> bool {
        self.head.borrow().as_ref().is_some_and(KeptHead::is_whole)
    }

    /// It goes to a route with this policy.
    pub(crate) fn routed(&self, policy: Policy) {
        self.policy.set(policy);
    }

    /// What its inspection depends on beside the request, where a route has this policy.
    pub(crate) fn context(&self, host: &str, policy: Policy, now: Timestamp) -> Context {
        Context {
            client: self.source,
            client_cert: self.client.certificate().map(str::to_owned),
            host: host.to_owned(),
            tenants: policy.tenants,
            mode: self.client.worker().in_force(policy),
            now,
            fail: self.client.worker().settings().config.fail,
        }
    }

    /// Decides again about its head, under what is in force now, and ends it where a token in it is
    /// blocked. Says whether that took any time.
    pub(crate) fn decide_again(&self) -> bool {
        let worker = self.client.worker();
        let generation = worker.exchanges.generation();
        let is_decided = self.generation.replace(generation) == generation;
        if is_decided || self.ending.is_ended() || self.policy.get().mode == FiltrationMode::Off {
            return false;
        }
        let Some(mut parts) = self.head.borrow().as_ref().and_then(KeptHead::parse) else {
            return false;
        };
        let host = admit::admit(&mut parts).map(|admitted| admitted.host).unwrap_or_default();
        let context = self.context(&host, self.policy.get(), clock::now());
        let mut inspection = Inspection::new(worker.patchset.load(), context);
        if inspection.head(&parts) == Verdict::Refuse(Refusal::Leaked) {
            let shown = self.shown(&Facts::of(&parts, &host), &inspection);
            let blocking = inspection.hits().iter().filter(|hit| hit.action == Action::Block);
            for hit in blocking.take(limits::EVENTS_PER_REQUEST) {
                let event = self.event(hit, &shown, clock::now());
                self.waiting.borrow_mut().push(event);
            }
            if self.status.get().is_some() {
                self.record_waiting();
            }
            self.outcome.set(Outcome::Blocked);
            self.metrics().exchanges_ended.inc();
            self.ending.end();
        }
        true
    }

    /// Until it is ended while it is under way.
    pub(crate) async fn ended(&self) {
        std::future::poll_fn(|cx| self.ending.poll_ended(Side::Response, cx)).await;
    }

    /// A piece of the response was given to the client's connection.
    pub(crate) fn gave(&self, bytes: usize) {
        self.timing.gave(bytes);
        if self.version == Version::HTTP_2 {
            self.given.set(Some(Instant::now()));
        }
    }

    /// All that was given was taken, and more is waited for.
    pub(crate) fn waits_for_upstream(&self) {
        self.given.set(None);
    }

    /// When the last piece was given that was not taken yet, of an HTTP/2 response.
    pub(crate) fn given(&self) -> Option<Instant> {
        self.given.get()
    }

    /// The client's connection.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A piece of a streaming body came.
    pub(crate) fn body_moved(&self) {
        self.moved.set(Some(Instant::now()));
    }

    /// The version of the connection on which it is sent is known.
    pub(crate) fn is_sent_by_http2(&self, is_http2: bool) {
        self.is_sent_by_http2.set(is_http2);
    }

    /// Whether every trailer of the request reaches the upstream.
    pub(crate) fn passes_all_trailers(&self) -> bool {
        self.is_sent_by_http2.get()
    }

    /// The body was read to its end.
    pub(crate) fn body_ended(&self) {
        self.client.pulse().body_ended();
    }

    /// Fields came behind it.
    pub(crate) fn trailers_came(&self) {
        self.client.trailers_came();
    }

    /// When a piece of a streaming body last came.
    pub(crate) fn last_moved(&self) -> Option<Instant> {
        self.moved.get()
    }

    /// The request's id.
    pub(crate) fn request_id(&self) -> HeaderValue {
        self.request_id.borrow().clone()
    }

    /// The client got this status.
    pub(crate) fn answered(&self, status: StatusCode, outcome: Outcome) {
        self.status.set(Some(status.as_u16()));
        self.outcome.set(outcome);
        self.record_waiting();
    }

    /// The body's stream was ended for this reason.
    pub(crate) fn end_stream(&self, failure: Failure) {
        self.outcome.set(Outcome::from(&failure));
        *self.ended.borrow_mut() = Some(failure);
    }

    /// Why the body's stream was ended, if it was.
    pub(crate) fn stream_failure(&self) -> Option<Failure> {
        self.ended.borrow_mut().take()
    }

    /// Makes events of the hits that are new since the last call. They wait for the status, if it
    /// is not known yet.
    pub(crate) fn note(&self, inspection: &Inspection, facts: &Facts) {
        let hits = inspection.hits();
        for (index, hit) in hits.iter().enumerate().skip(self.noted.get()) {
            if index >= limits::EVENTS_PER_REQUEST {
                self.too_many((hits.len() - index) as u64);
                break;
            }
            let shown = self.shown.get_or_init(|| self.shown(facts, inspection));
            self.waiting.borrow_mut().push(self.event(hit, shown, self.at));
        }
        self.noted.set(hits.len());
        if self.status.get().is_some() {
            self.record_waiting();
        }
    }

    /// What events show of the request: taking tokens out costs as much as inspecting it.
    pub(crate) fn shown(&self, facts: &Facts, inspection: &Inspection) -> Shown {
        let redact = |text: &[u8], limit| inspection.redact(text, limit);
        let field = |value: &Option<HeaderValue>, limit| {
            value.as_ref().map(|value| redact(value.as_bytes(), limit))
        };
        let target = facts.target.path_and_query().map_or("/", |target| target.as_str());
        Shown {
            method: redact(facts.method.as_str().as_bytes(), limits::RECORDED_METHOD),
            target: redact(target.as_bytes(), limits::RECORDED_PATH),
            host: redact(facts.host.as_bytes(), limits::RECORDED_HOST),
            user_agent: field(&facts.user_agent, limits::RECORDED_USER_AGENT),
            forwarded_for: field(&facts.forwarded_for, limits::RECORDED_FORWARDED_FOR),
            client_cert: self
                .client
                .certificate()
                .map(|name| redact(name.as_bytes(), limits::NAME_BYTES)),
            request_id: self.presentable_id(inspection),
        }
    }

    /// The event of one use, at this time.
    pub(crate) fn event(&self, hit: &Hit, shown: &Shown, at: Timestamp) -> Event {
        Event {
            id: EventId::new(),
            at,
            kind: EventType::Vpatch,
            action: hit.action.into(),
            tenant: hit.tenant.to_string(),
            leak: hit.leak,
            virtual_patch: hit.patch,
            token: hit.token,
            fingerprint: hit.fingerprint.short(),
            point: hit.point.to_string(),
            encodings: hit.encodings.iter().map(|name| (*name).to_owned()).collect(),
            source_ip: self.source.to_string(),
            peer_ip: self.client.peer().to_string(),
            forwarded_for: shown.forwarded_for.clone(),
            client_cert: shown.client_cert.clone(),
            user_agent: shown.user_agent.clone(),
            method: shown.method.clone(),
            host: shown.host.clone(),
            path: shown.target.clone(),
            response_status: self.status.get(),
            count: 1,
            gateway: self.client.worker().settings().config.name.clone(),
            request_id: shown.request_id.clone(),
            route: self.policy.get().route,
        }
    }

    /// Records an event of a WebSocket's message.
    pub(crate) fn record(&self, event: Event) {
        self.client.worker().recorder.record(event);
    }

    /// What a client is told whose message was refused: the id to quote.
    pub(crate) fn reason(&self) -> String {
        format!("refused; request id {}", String::from_utf8_lossy(self.request_id().as_bytes()))
    }

    /// The exchange has become a WebSocket, which may last: its outcome is counted now.
    pub(crate) fn becomes_websocket(&self) {
        self.client.worker().counters.outcome(self.outcome.get());
        self.is_counted.set(true);
    }

    /// The id as text. One that a trusted proxy set, and that has a token in it, is replaced: it
    /// stands in events and in answers.
    fn presentable_id(&self, inspection: &Inspection) -> String {
        let mut id = self.request_id.borrow_mut();
        let text = inspection.redact(id.as_bytes(), limits::REQUEST_ID_BYTES);
        if text.as_bytes() != id.as_bytes() {
            *id = self.client.worker().ids.make(self.at);
        }
        String::from_utf8_lossy(id.as_bytes()).into_owned()
    }

    /// Counts what inspection came to, at its end.
    pub(crate) fn inspected(&self, inspector: &Inspector) {
        let inspection = inspector.inspection();
        if let Some(spent) = inspector.spent() {
            self.metrics().inspection.observe(spent.as_secs_f64());
        }
        self.timing.inspected(inspector.spent(), inspector.received());
        self.counted(inspection);
    }

    /// Counts what a WebSocket's message came to, at its end.
    pub(crate) fn message_ended(&self, outcome: websocket::Outcome, inspection: &Inspection) {
        self.client.worker().counters.message(outcome);
        if outcome == websocket::Outcome::Refused
            && let Some(cause) = inspection.incomplete().last()
        {
            self.metrics().refused.with_label_values(&[cause]).inc();
        }
        self.counted(inspection);
    }

    fn counted(&self, inspection: &Inspection) {
        self.client.worker().counters.inspected_bytes.inc_by(inspection.inspected_bytes());
        self.too_many(inspection.hits_beyond());
        if inspection.undecided_pauses() > 0 {
            self.metrics().undecided_pauses.inc_by(inspection.undecided_pauses());
        }
        for cause in inspection.would_refuse() {
            self.metrics().would_refuse.with_label_values(&[cause]).inc();
        }
    }

    /// Counts trailers that come too late to be passed on.
    pub(crate) fn trailers_lost(&self, direction: &'static str, count: u64) {
        if count > 0 {
            self.metrics().trailers_dropped.with_label_values(&[direction]).inc_by(count);
        }
    }

    /// Counts uses that no event tells of.
    pub(crate) fn too_many(&self, uses: u64) {
        if uses > 0 {
            let dropped = &self.metrics().events_dropped;
            dropped.with_label_values(&["too_many_in_request"]).inc_by(uses);
        }
    }

    /// Puts a line into the access log, where there is to be one.
    fn log(&self) {
        let worker = self.client.worker();
        let (Some(log), Some(duration)) = (&worker.access_log, self.timing.elapsed()) else {
            return;
        };
        let outcome = self.outcome.get();
        let (status, timing) = (self.status.get(), &self.timing);
        let has_failed = matches!(outcome, Outcome::Blocked | Outcome::Refused)
            || outcome == Outcome::UpstreamError
            || status.is_some_and(|status| status >= 500);
        if !(has_failed || timing.is_sampled()) {
            return;
        }
        log.put(Entry {
            at: self.at,
            request_id: self.request_id(),
            client: self.source,
            peer: self.client.peer(),
            secure: self.client.is_secure(),
            certificate: self.client.certificate().map(str::to_owned),
            protocol: match self.version {
                Version::HTTP_2 => "HTTP/2",
                Version::HTTP_10 => "HTTP/1.0",
                _ => "HTTP/1.1",
            },
            head: self.head.take(),
            credentials: Arc::clone(&worker.settings().config.access_log.credentials),
            upstream: timing.upstream(),
            status,
            outcome: outcome.label(),
            bytes_in: timing.bytes_in(),
            bytes_out: timing.bytes_out(),
            duration,
            upstream_time: timing.upstream_time(),
            inspection_time: timing.inspection_time(),
        });
    }

    fn metrics(&self) -> &Metrics {
        &self.client.worker().metrics
    }

    fn record_waiting(&self) {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        for mut event in waiting {
            event.response_status = self.status.get();
            self.client.worker().recorder.record(event);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.client.worker().exchanges.leave(self.place.get());
        self.client.waited(self.status.get().is_some());
        self.record_waiting();
        self.log();
        if !self.is_counted.get() {
            self.client.worker().counters.outcome(self.outcome.get());
        }
    }
}
