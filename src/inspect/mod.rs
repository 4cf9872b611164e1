//! Inspection: a request's points, decoded and matched, decided by rules and the decision table.
//! Does no I/O.

mod body;
pub mod decide;
pub mod explain;
mod head;
mod message;
mod place;
mod redact;
mod scope;
mod search;
#[cfg(test)]
mod tests;
mod text;

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;
use jiff::Timestamp;

pub use message::{InForce, Messages, Opening};
pub use redact::redact;

use self::body::{About, Body, Group, Place};
use self::decide::{Cause, Outcome};
use self::scope::Asked;
use crate::config::{Fail, limits};
use crate::decode::{Budget, Layer, MAX_DEPTH, Relevant};
use crate::matcher::{Patchset, TokenIndex};
use crate::model::rule::{Action, FiltrationMode};
use crate::model::tenant::RouteTenants;
use crate::model::verdict::{Hit, Point, Refusal, Verdict};

const _: () = assert!(limits::DECODE_DEPTH <= MAX_DEPTH);

/// What a request's inspection depends on beside the request.
#[derive(Clone, Debug)]
pub struct Context {
    /// The client, past trusted proxies.
    pub client: IpAddr,
    /// The identity in the client's certificate.
    pub client_cert: Option<String>,
    /// The host asked for, in lower case and without port.
    pub host: String,
    /// Whose rules act: those of the route's tenant.
    pub tenants: RouteTenants,
    /// The filtration mode in force: the route's, weakened to `Monitoring` by the bypass switch.
    pub mode: FiltrationMode,
    /// When the request arrived.
    pub now: Timestamp,
    /// What happens where inspection is incomplete.
    pub fail: Fail,
}

impl Context {
    /// A client without a certificate on a route of the default tenant; what happens where inspection is incomplete is the default.
    pub fn new(
        client: IpAddr,
        host: impl Into<String>,
        mode: FiltrationMode,
        now: Timestamp,
    ) -> Self {
        Self {
            client,
            client_cert: None,
            host: host.into(),
            tenants: RouteTenants::default(),
            mode,
            now,
            fail: Fail::default(),
        }
    }
}

/// One request's inspection, from its head to its end, against one patchset.
pub struct Inspection {
    patchset: Arc<Patchset>,
    context: Context,
    /// Whether there is anything to look for and anything would follow.
    awake: bool,
    relevant: Relevant,
    budget: Budget,
    /// What looking for the places of tokens that were found in a head may ask for, beside.
    places: Option<Budget>,
    asked: Option<Asked>,
    /// What the head says of the body, where that matters.
    about: Option<Box<About>>,
    body: Option<Box<Body>>,
    hits: Vec<Hit>,
    hits_beyond: u64,
    refusal: Option<Refusal>,
    incomplete: Vec<&'static str>,
    would_refuse: Vec<&'static str>,
    undecided_pauses: u64,
}

impl Inspection {
    /// An inspection that has seen nothing yet. Allocates nothing.
    pub fn new(patchset: Arc<Patchset>, context: Context) -> Self {
        let relevant = search::relevant(&patchset);
        Self::under(patchset, relevant, context)
    }

    /// The same, where it is known what this patchset makes worth undoing.
    fn under(patchset: Arc<Patchset>, relevant: Relevant, context: Context) -> Self {
        Self {
            awake: context.mode != FiltrationMode::Off && patchset.token_count() > 0,
            relevant,
            budget: search::budget(),
            places: None,
            patchset,
            context,
            asked: None,
            about: None,
            body: None,
            hits: Vec::new(),
            hits_beyond: 0,
            refusal: None,
            incomplete: Vec::new(),
            would_refuse: Vec::new(),
            undecided_pauses: 0,
        }
    }

    /// Inspects method, target and header fields.
    pub fn head(&mut self, parts: &Parts) -> Verdict {
        if self.goes_on() {
            self.asked = Some(Asked::new(&parts.method, &parts.uri, &parts.headers));
            self.points(parts);
            self.about = About::of_head(&parts.headers);
        }
        self.verdict()
    }

    /// Inspects the next bytes of the body. Where the verdict passes, all bytes handed in so far
    /// may be forwarded, but for a candidate that is undecided: see [`Self::settle`].
    pub fn body(&mut self, chunk: &[u8]) -> Verdict {
        if self.goes_on() && !chunk.is_empty() {
            let mut body = self.take_body();
            let first = body.length() == 0;
            body.push(chunk, &mut self.budget);
            self.found_in_body(&mut body, if first { Some(chunk) } else { None });
            self.body = Some(body);
        }
        self.verdict()
    }

    /// Decides what is undecided as if the body ended here. Called before bytes that were handed in
    /// are forwarded while the body goes on.
    pub fn settle(&mut self) -> Verdict {
        if self.goes_on()
            && let Some(mut body) = self.body.take()
        {
            self.undecided_pauses += u64::from(!body.settle(&mut self.budget));
            self.found_in_body(&mut body, None);
            self.body = Some(body);
        }
        self.verdict()
    }

    /// Inspects the trailers.
    pub fn trailers(&mut self, trailers: &HeaderMap) -> Verdict {
        if self.goes_on() {
            self.trailer_points(trailers);
        }
        self.verdict()
    }

    /// Inspects the body's end.
    pub fn finish(&mut self) -> Verdict {
        if self.goes_on()
            && let Some(mut body) = self.body.take()
        {
            body.finish(&mut self.budget);
            self.found_in_body(&mut body, None);
        }
        self.verdict()
    }

    /// What was found so far, each token once a point; no more than
    /// [`limits::HITS_PER_REQUEST`].
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// How many hits were found beyond those that are kept.
    pub fn hits_beyond(&self) -> u64 {
        self.hits_beyond
    }

    /// Causes of incomplete inspection that were met, whatever followed.
    pub fn incomplete(&self) -> &[&'static str] {
        &self.incomplete
    }

    /// Causes of incomplete inspection that would have refused the request, had a blocking patch
    /// been in scope and the mode been `block`.
    pub fn would_refuse(&self) -> &[&'static str] {
        &self.would_refuse
    }

    /// How often the body paused, or a message of a WebSocket, with more undecided than there was room to
    /// decide as if it had ended there. What is found of it later ends the request then.
    pub fn undecided_pauses(&self) -> u64 {
        self.undecided_pauses
    }

    /// How many bytes were inspected, raw and decoded.
    pub fn inspected_bytes(&self) -> u64 {
        self.budget.inspected()
    }

    /// The text with every token of the patchset, in whatever encoding it stands there, replaced by
    /// its fingerprint, cut to `limit` bytes: for records.
    pub fn redact(&self, text: &[u8], limit: usize) -> String {
        redact(&self.patchset, text, limit)
    }

    /// Whether looking further can change anything.
    fn goes_on(&self) -> bool {
        self.awake && self.refusal.is_none()
    }

    fn verdict(&mut self) -> Verdict {
        if self.refusal.is_none() && self.budget.is_spent() {
            self.incompletely(&decide::BUDGET);
        }
        match &self.refusal {
            Some(refusal) => Verdict::Refuse(refusal.clone()),
            None => Verdict::Pass,
        }
    }

    fn incompletely(&mut self, cause: &Cause) {
        if self.incomplete.contains(&cause.name) {
            return;
        }
        self.incomplete.push(cause.name);
        match decide::decide(cause, &self.context.fail, self.blocks()) {
            Outcome::Pass => {}
            Outcome::WouldRefuse => self.would_refuse.push(cause.name),
            Outcome::Refuse(refusal) => self.refusal = Some(refusal),
        }
    }

    /// Records a token that was found at a point, once.
    fn hit(&mut self, token: TokenIndex, point: Point, layers: &[Layer]) {
        let Some(info) = self.patchset.token(token) else { return };
        if self.hits.iter().any(|hit| hit.token == info.id && hit.point == point) {
            return;
        }
        let rules = self.patchset.rules(token);
        let Some(acting) = scope::strongest(rules, self.asked.as_ref(), &self.context) else {
            return;
        };
        if acting.action == Action::Block {
            self.refusal = Some(Refusal::Leaked);
        }
        if self.hits.len() >= limits::HITS_PER_REQUEST {
            self.hits_beyond += 1;
            return;
        }
        self.hits.push(Hit {
            token: info.id,
            fingerprint: info.fingerprint,
            leak: acting.leak,
            tenant: Arc::clone(acting.tenant),
            patch: acting.patch,
            action: acting.action,
            point,
            encodings: layers.iter().map(|layer| layer.name()).collect(),
        });
    }

    fn take_body(&mut self) -> Box<Body> {
        self.body.take().unwrap_or_else(|| {
            Box::new(Body::new(&self.patchset, self.relevant, self.about.take()))
        })
    }

    /// Records what a body has found; `whole` is the text from the body's beginning, where at hand.
    fn found_in_body(&mut self, body: &mut Body, whole: Option<&[u8]>) {
        for Group { place, found } in body.take_found() {
            let tokens: Vec<TokenIndex> = found.iter().map(|(token, _)| *token).collect();
            let places = match place {
                Place::Raw => whole.map(|text| self.places_in_body(text, &tokens)),
                Place::Decoded(held) => held.map(|text| self.places_in_body(&text, &tokens)),
                Place::Part(named) => {
                    let name = named.name.as_ref();
                    let name = name.map(|name| self.name_or_position(name, named.position));
                    let name = name.unwrap_or_else(|| format!("[{}]", named.position));
                    Some(vec![Some(format!("multipart:{name}")); tokens.len()])
                }
                Place::Message(number) => {
                    Some(vec![Some(format!("grpc:[{number}]")); tokens.len()])
                }
            };
            let places = places.unwrap_or_default().into_iter().chain(std::iter::repeat(None));
            for ((token, layers), place) in found.into_iter().zip(places) {
                self.hit(token, Point::Body(place), &layers);
            }
        }
        for cause in body.take_causes() {
            self.incompletely(cause);
        }
    }
}
