//! The life of a request, in phases. Here they stand in the order in which they happen:
//!
//! 1. **accept**: the client, the time and the request's id are fixed.
//! 2. **admit**: a request that can be read in two ways, or in none, is refused.
//! 3. **route**: host and path choose an upstream and the filtration mode.
//! 4. **inspect head**: method, target and header fields, against one patchset for all phases.
//! 5. **hold body**: what fits the hold limit is inspected before the upstream sees a byte.
//! 6. **forward**: fields of the hop go, those that tell of the client come; a body that was not
//!    held to its end is inspected as it streams.
//! 7. **respond**: the upstream's response is passed on, or a failure is answered.
//! 8. **record**: events, and the outcome, once both directions have ended.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, TE, TRAILER, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body, Incoming};
use jiff::Timestamp;

use super::admit::{self, Admitted};
use super::answer::{self, X_REQUEST_ID};
use super::body::{ClientBody, UnderWay, UpstreamBody};
use super::client::{Client, Standing};
use super::failure::Failure;
use super::held_total::Share;
use super::hold::{self, Held};
use super::inspector::Inspector;
use super::record::{Exchange, Facts, Outcome};
use super::settings::Settings;
use super::stream::StreamingBody;
use super::trailers::{self, Passing};
use super::upstream::Lease;
use super::watched::Watched;
use super::websocket::{Opening, extensions};
use super::{forwarded, hop, request_id, route, trace, upgrade};
use crate::inspect::{Context, Inspection};
use crate::model::clock;
use crate::model::rule::FiltrationMode;

/// Serves one request, from its head to the head of its response.
pub(crate) async fn serve(
    client: Rc<Client>,
    under_way: UnderWay,
    request: Request<Incoming>,
) -> Response<ClientBody> {
    let (parts, body) = request.into_parts();
    let mut life = Life::accept(client, under_way, &parts, &body);
    match life.pass(parts, body).await {
        Ok(response) => response.map(|passed| life.passed_body(passed)),
        Err(failure) => life.refuse(&failure),
    }
}

/// A request under way.
struct Life {
    client: Rc<Client>,
    settings: Rc<Settings>,
    standing: Rc<Standing>,
    exchange: Rc<Exchange>,
    under_way: UnderWay,
    at: Timestamp,
    version: Version,
    wants_html: bool,
    /// Whether the client takes trailers.
    takes_trailers: bool,
    /// Whether there may be more of the request's body to read.
    body_open: bool,
    /// Whether fields stood behind it.
    had_trailers: bool,
}

/// A response's body on its way to the client.
struct Passed {
    body: Incoming,
    passing: Passing,
    bare_length: bool,
    lease: Lease,
}

impl Life {
    /// Phase 1.
    fn accept(client: Rc<Client>, under_way: UnderWay, parts: &Parts, body: &Incoming) -> Self {
        let at = clock::now();
        let worker = client.worker();
        let settings = worker.settings();
        let standing = client.standing(&settings);
        let trusted = &settings.config.trusted_proxies;
        let source = forwarded::source(&parts.headers, client.peer(), trusted);
        let set_before = parts.headers.get(X_REQUEST_ID);
        let request_id = match set_before.filter(|_| standing.trusted) {
            Some(id) if request_id::is_sane(id) => id.clone(),
            _ => worker.ids.make(at),
        };
        let exchange = Exchange::begin(Rc::clone(&client), parts.version, at, source, request_id);
        Self {
            under_way,
            client,
            settings,
            standing,
            exchange,
            at,
            version: parts.version,
            wants_html: answer::wants_html(&parts.headers),
            takes_trailers: hop::takes_trailers(&parts.headers),
            body_open: !body.is_end_stream(),
            had_trailers: false,
        }
    }

    /// Phases 2 to 7, where all goes well.
    async fn pass(
        &mut self,
        mut parts: Parts,
        mut body: Incoming,
    ) -> Result<Response<Passed>, Failure> {
        let worker = Rc::clone(self.client.worker());
        let config = &self.settings.config;
        if config.begin_traces {
            trace::begin(&mut parts.headers, || worker.ids.random());
        }
        self.exchange.keep(&parts);
        // admit
        let admitted = admit::admit(&mut parts)?;
        // route
        let destination = route::find(config, &admitted.host, parts.uri.path());
        let destination = destination.ok_or(Failure::NoRoute)?;
        self.exchange.routed(destination.policy);
        // inspect head, hold body
        let context = self.exchange.context(&admitted.host, destination.policy, self.at);
        let mode = context.mode;
        let upgraded = upgrade::take(&mut parts, self.body_open)
            .filter(|_| self.settings.upstreams.speaks_http1(destination.upstream));
        let asked = upgraded.map(|on_client| {
            let exchange = Rc::clone(&self.exchange);
            let opening = Opening::new(&parts, context.clone(), destination.policy, exchange);
            upgrade::Asked { on_client, opening }
        });
        let mut inspector = self.inspector(context);
        // Given back once the response has begun.
        let mut share = worker.held.share(self.settings.config.hold.total);
        let held =
            self.inspect(&mut inspector, &parts, &mut body, &admitted, mode, &mut share).await;
        if !inspector.inspection().hits().is_empty() {
            self.exchange.note(inspector.inspection(), &Facts::of(&parts, &admitted.host));
        }
        if !matches!(held, Ok(Held::Beginning(_))) {
            self.exchange.inspected(&inspector);
        }
        // forward
        let held = held?;
        if asked.is_some() && inspector.inspection().blocks() {
            extensions::keep_known(&mut parts.headers);
        }
        let (body, framing) = match held {
            Held::Whole { bytes, mut trailers } => {
                if let Some(trailers) = &mut trailers {
                    self.exchange.trailers_lost("request", trailers::keep_allowed(trailers));
                }
                let framing = Framing::of_whole(&parts, &bytes, trailers.as_ref());
                (UpstreamBody::Held { bytes, trailers }, framing)
            }
            Held::Beginning(beginning) => {
                let facts = Facts::of(&parts, &admitted.host);
                let exchange = Rc::clone(&self.exchange);
                let idle = self.settings.config.timeouts.body_idle;
                let framing = Framing::of_stream(admitted.declared);
                let passing = match framing {
                    Framing::Chunked => Passing::named_by(&parts.headers),
                    _ => Passing::none(),
                };
                let body =
                    StreamingBody::new(beginning, body, inspector, idle, exchange, facts, passing);
                (UpstreamBody::Streaming(Box::new(body)), framing)
            }
        };
        let upgrades = asked.is_some();
        self.dress(&mut parts, &admitted, &framing, upgrades);
        let remake = || self.remade(&framing);
        let can_remake = !upgrades && self.exchange.keeps_whole_head();
        let again = can_remake.then_some(&remake as &dyn Fn() -> Option<Request<()>>);
        let request = Request::from_parts(parts, body);
        let Settings { config, upstreams, .. } = &*self.settings;
        if let Some(upstream) = config.upstreams.get(destination.upstream) {
            self.exchange.timing.sent(&upstream.name);
        }
        let sent = upstreams.send(destination.upstream, request, &self.exchange, upgrades, again);
        let (response, lease) = tokio::select! {
            biased;
            sent = sent => sent?,
            () = self.exchange.ended() => return Err(Failure::Leaked),
        };
        self.exchange.timing.answered();
        // respond
        self.respond(response, lease, asked)
    }

    /// Phases 4 and 5.
    async fn inspect(
        &mut self,
        inspector: &mut Inspector,
        parts: &Parts,
        body: &mut Incoming,
        admitted: &Admitted,
        mode: FiltrationMode,
        share: &mut Share,
    ) -> Result<Held, Failure> {
        let mut body = Watched::new(body);
        let held = self.hold(inspector, parts, &mut body, admitted, mode, share).await;
        let refused = matches!(held, Err(Failure::Leaked | Failure::Incomplete { .. }));
        // Whoever waits for a 100 before the body is not to get one now.
        if refused && self.body_open && !parts.headers.contains_key(EXPECT) {
            body.look_ahead().await;
        }
        self.body_open = self.body_open && !body.is_end_stream();
        if !self.body_open {
            self.exchange.body_ended();
        }
        self.had_trailers = body.had_trailers();
        if self.had_trailers {
            self.client.trailers_came();
        }
        held
    }

    async fn hold(
        &self,
        inspector: &mut Inspector,
        parts: &Parts,
        body: &mut Watched<'_>,
        admitted: &Admitted,
        mode: FiltrationMode,
        share: &mut Share,
    ) -> Result<Held, Failure> {
        inspector.head(parts)?;
        if mode == FiltrationMode::Off && !body.is_end_stream() {
            // Nothing can be refused, so nothing is gained by waiting.
            return Ok(Held::Beginning(Bytes::new()));
        }
        let config = &self.settings.config;
        let idle = config.timeouts.body_idle;
        hold::hold(body, admitted.declared, config.hold, idle, share, inspector).await
    }

    fn inspector(&self, context: Context) -> Inspector {
        let worker = self.client.worker();
        let inspection = Inspection::new(worker.patchset.load(), context);
        let is_timed = worker.counters.is_sampled() || self.exchange.timing.is_sampled();
        Inspector::new(inspection, is_timed)
    }

    /// The head that the upstream gets.
    fn dress(&self, parts: &mut Parts, admitted: &Admitted, framing: &Framing, upgrades: bool) {
        let headers = &mut parts.headers;
        // The gateway itself asks for the body, or has it already.
        hop::strip(headers, Some(&EXPECT), &mut self.client.worker().spare.borrow_mut());
        if parts.uri.authority().is_some() || !headers.contains_key(HOST) {
            headers.insert(HOST, admitted.host_field.clone());
        }
        self.standing.introduction.apply(headers, &admitted.host_field);
        headers.insert(X_REQUEST_ID, self.exchange.request_id());
        framing.apply(headers);
        if upgrades {
            upgrade::set(headers);
        } else if self.takes_trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
            headers.insert(CONNECTION, HeaderValue::from_static("TE"));
        }
        if parts.uri.authority().is_some() {
            let target = parts.uri.path_and_query().cloned();
            parts.uri = Uri::from(target.unwrap_or(PathAndQuery::from_static("/")));
        }
        parts.version = Version::HTTP_11;
    }

    /// The same head once more, from what is kept of it.
    fn remade(&self, framing: &Framing) -> Option<Request<()>> {
        let mut parts = self.exchange.whole_head()?;
        parts.version = self.version;
        let admitted = admit::admit(&mut parts).ok()?;
        self.dress(&mut parts, &admitted, framing, false);
        Some(Request::from_parts(parts, ()))
    }

    /// Phase 7, with what the upstream answered.
    fn respond(
        &self,
        mut response: Response<Incoming>,
        mut lease: Lease,
        asked: Option<upgrade::Asked>,
    ) -> Result<Response<Passed>, Failure> {
        let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if switches {
            upgrade::switch(asked, &mut response, &self.client, lease.take_slot())?;
        }
        let (mut parts, body) = response.into_parts();
        one_framing(&mut parts.headers)?;
        hop::strip(&mut parts.headers, None, &mut self.client.worker().spare.borrow_mut());
        if switches {
            upgrade::set(&mut parts.headers);
        }
        parts.version = Version::HTTP_11;
        self.exchange.answered(parts.status, Outcome::Forwarded);
        if switches {
            self.exchange.becomes_websocket();
        }
        let passing = match self.version {
            Version::HTTP_2 => Passing::All,
            Version::HTTP_11 if self.takes_trailers => Passing::named_by(&parts.headers),
            _ => Passing::none(),
        };
        let bare_length = parts.status == StatusCode::NOT_MODIFIED
            && self.version != Version::HTTP_2
            && parts.headers.contains_key(CONTENT_LENGTH);
        Ok(Response::from_parts(parts, Passed { body, passing, bare_length, lease }))
    }

    fn passed_body(self, passed: Passed) -> ClientBody {
        let Passed { body, passing, bare_length, lease } = passed;
        ClientBody::upstream(body, lease, self.exchange, passing, bare_length, self.under_way)
    }

    /// Phase 7, with an answer of our own.
    fn refuse(self, failure: &Failure) -> Response<ClientBody> {
        let worker = self.client.worker();
        match failure {
            Failure::Framing { cause, .. } | Failure::Incomplete { cause, .. } => {
                worker.metrics.refused.with_label_values(&[cause]).inc();
            }
            Failure::SlowBody => {
                worker.metrics.client_timeouts.with_label_values(&["body"]).inc();
            }
            _ => {}
        }
        let never_again = matches!(failure, Failure::Framing { .. });
        let asked = answer::Asked {
            block: &self.settings.config.block,
            request_id: &self.exchange.request_id(),
            wants_html: self.wants_html,
            at: self.at,
            close: self.version != Version::HTTP_2
                && (never_again || self.body_open || self.had_trailers),
        };
        let response = answer::answer(failure, &asked);
        self.exchange.timing.gave(response.body().len());
        self.exchange.answered(response.status(), Outcome::from(failure));
        response.map(|bytes| ClientBody::own(bytes, self.under_way))
    }
}

/// How the body's end is told to the upstream.
enum Framing {
    /// As the fields say that stand there: a length, or no body.
    AsItIs,
    /// By chunks.
    Chunked,
    /// By chunks, with these trailers after them.
    Trailers(Vec<HeaderName>),
}

impl Framing {
    fn of_stream(declared: Option<u64>) -> Self {
        if declared.is_some() { Self::AsItIs } else { Self::Chunked }
    }

    fn of_whole(parts: &Parts, bytes: &Bytes, trailers: Option<&HeaderMap>) -> Self {
        match trailers {
            Some(trailers) => Self::Trailers(trailers.keys().cloned().collect()),
            None if !bytes.is_empty() && !parts.headers.contains_key(CONTENT_LENGTH) => {
                Self::Chunked
            }
            None => Self::AsItIs,
        }
    }

    fn apply(&self, headers: &mut HeaderMap) {
        match self {
            Self::AsItIs => return,
            Self::Chunked => trailers::announce_allowed(headers),
            Self::Trailers(names) => {
                headers.remove(CONTENT_LENGTH);
                trailers::announce_allowed(headers);
                // hyper sends the trailers that are named here.
                for name in names {
                    if !hop::has_token(headers, &TRAILER, name.as_str()) {
                        headers.append(TRAILER, HeaderValue::from(name.clone()));
                    }
                }
            }
        }
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Makes a response's framing read in one way: chunked, or one length, or neither.
fn one_framing(headers: &mut HeaderMap) -> Result<(), Failure> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(Failure::BadResponse(
                "The service behind the gateway used a transfer coding that cannot be passed on.",
            ));
        }
        headers.remove(CONTENT_LENGTH);
        trailers::announce_allowed(headers);
    } else if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some()
        && let Some(length) = headers.get(CONTENT_LENGTH).cloned()
    {
        // hyper has checked that they are equal.
        headers.insert(CONTENT_LENGTH, length);
    }
    admit::plain_length(headers);
    Ok(())
}
