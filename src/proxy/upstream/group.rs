//! The servers of one upstream, as one worker uses them: which of them gets the next request.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch;

use super::budget::Budget;
use super::queue::{NoSlot, Queue};
use super::roster::{Members, Roster};
use super::server::{Server, Share, Slot};
use crate::config::{Protocol, Scheme};
use crate::proxy::failure::Failure;

/// One upstream in one worker.
pub(super) struct Group {
    pub(super) roster: Arc<Roster>,
    pub(super) budget: Budget,
    share: Share,
    members: RefCell<watch::Receiver<Members>>,
    lines: RefCell<Rc<Lines>>,
    queue: Rc<Queue>,
    turn: Cell<usize>,
    random: Cell<u64>,
}

/// The servers, each as often as its weight says.
#[derive(Default)]
pub(super) struct Lines {
    first: Vec<Rc<Server>>,
    /// Those that get requests while none of the first can take them.
    standby: Vec<Rc<Server>>,
    /// Servers in all.
    count: usize,
}

/// Servers that a request is not to be sent to again, if there are others.
#[derive(Default)]
pub(super) struct Tried(Vec<Rc<Server>>);

impl Tried {
    pub(super) fn add(&mut self, server: &Rc<Server>) {
        if !self.has(server) {
            self.0.push(Rc::clone(server));
        }
    }

    fn has(&self, server: &Rc<Server>) -> bool {
        self.0.iter().any(|tried| Rc::ptr_eq(tried, server))
    }
}

impl Group {
    /// `before` is the same upstream under the configuration before: its connections are taken over.
    pub(super) fn new(roster: &Arc<Roster>, workers: usize, before: Option<&Self>) -> Self {
        let connections = &roster.settings.connections;
        let workers = workers.max(1);
        let share = Share {
            connections: (connections.max / workers).max(1),
            streams: connections.max_streams,
            idle: connections.max_idle,
            idle_time: connections.idle_time,
        };
        let queue = before.map(|before| Rc::clone(&before.queue)).unwrap_or_default();
        queue.set_room(connections.max_waiting.div_ceil(workers));
        let lines = before.map(|before| before.lines.borrow().clone()).unwrap_or_default();
        let mut members = roster.subscribe();
        members.mark_changed();
        Self {
            budget: Budget::new(roster.settings.retry.budget),
            roster: Arc::clone(roster),
            share,
            members: RefCell::new(members),
            lines: RefCell::new(lines),
            queue,
            turn: Cell::new(0),
            random: Cell::new(RandomState::new().hash_one(0_u8) | 1),
        }
    }

    /// Whether at least one server may speak HTTP/1.1.
    pub(super) fn speaks_http1(&self) -> bool {
        let settings = &self.roster.settings;
        settings.protocol != Protocol::Http2
            && settings.servers.iter().any(|server| server.scheme != Scheme::H2c)
    }

    /// The servers at present.
    pub(super) fn lines(&self) -> Rc<Lines> {
        // Of every request: one load where nothing has changed.
        if self.members.borrow().has_changed().unwrap_or(false) {
            self.take_over();
        }
        Rc::clone(&self.lines.borrow())
    }

    fn take_over(&self) {
        let members = self.members.borrow_mut().borrow_and_update().clone();
        let before = Rc::clone(&self.lines.borrow());
        let mut lines = Lines { count: members.list.len(), ..Lines::default() };
        for member in members.list.iter() {
            let known = before.all().find(|known| Arc::ptr_eq(&known.target, &member.target));
            let server = known.map_or_else(
                || {
                    let (target, roster) = (Arc::clone(&member.target), Arc::clone(&self.roster));
                    Rc::new(Server::new(target, roster, self.share, Rc::clone(&self.queue)))
                },
                Rc::clone,
            );
            server.adopt(&self.roster, self.share, member.weight);
            let line = if member.is_standby { &mut lines.standby } else { &mut lines.first };
            // Spread over the line, rather than side by side.
            for place in 1..=member.weight as usize {
                let at = line.len() * place / member.weight as usize;
                line.insert(at.min(line.len()), Rc::clone(&server));
            }
        }
        let lines = Rc::new(lines);
        *self.lines.borrow_mut() = Rc::clone(&lines);
        for server in lines.all() {
            self.queue.serve(server);
        }
    }

    /// A slot at the server that is to get the request.
    ///
    /// # Errors
    /// [`Failure::Busy`] where none has come free in time, [`Failure::Connect`] where there is no
    /// server: its name was never resolved.
    pub(super) async fn slot(&self, tried: &Tried) -> Result<Slot, Failure> {
        let mut lines = self.lines();
        if lines.count == 0 {
            self.wait_for_members().await;
            lines = self.lines();
            if lines.count == 0 {
                let upstream = &self.roster.settings.name;
                tracing::warn!(upstream, "no server's name is resolved, so no request can be sent");
                return Err(Failure::Connect);
            }
        }
        // Nobody passes those who wait.
        if self.queue.is_empty()
            && let Some(slot) = self.pick(&lines, tried)
        {
            return Ok(slot);
        }
        let waits = &self.roster.metrics.upstream_waits;
        let limit = self.roster.settings.connections.wait;
        let (outcome, result) = match self.queue.wait(limit, &self.roster.waiting).await {
            Ok(slot) => ("served", Ok(slot)),
            Err(NoSlot::Full) => ("full", Err(Failure::Busy)),
            Err(NoSlot::Late) => ("late", Err(Failure::Busy)),
        };
        waits.with_label_values(&[outcome]).inc();
        result
    }

    async fn wait_for_members(&self) {
        let mut members = self.roster.subscribe();
        let known = members.wait_for(|members| !members.list.is_empty() || members.are_settled);
        let limit = self.roster.timeouts.connect.unwrap_or_default();
        // What is not resolved by then is found missing.
        let _ = tokio::time::timeout(limit, known).await;
    }

    /// A slot at another server than those tried, where one can be had at once.
    pub(super) fn other(&self, tried: &Tried) -> Option<Slot> {
        let lines = self.lines();
        let fits = |server: &Rc<Server>| !tried.has(server) && server.is_available();
        let server =
            self.choose(&lines.first, fits).or_else(|| self.choose(&lines.standby, fits))?;
        Slot::at(server)
    }

    fn pick(&self, lines: &Lines, tried: &Tried) -> Option<Slot> {
        if let (1, Some(only)) = (lines.count, lines.first.first()) {
            return Slot::at(only);
        }
        let in_either = |fits: &dyn Fn(&Rc<Server>) -> bool| {
            self.choose(&lines.first, fits).or_else(|| self.choose(&lines.standby, fits))
        };
        let untried = |server: &Rc<Server>| !tried.has(server);
        let server = in_either(&|server| server.is_available() && untried(server))
            // A full server is waited for, but for one that is not available nobody waits.
            .or_else(|| {
                let others = lines.all().any(|s| s.is_available() && untried(s));
                if others { None } else { in_either(&untried).or_else(|| in_either(&|_| true)) }
            })?;
        Slot::at(server)
    }

    /// Of two servers, the next in turn and a random one, that with fewer requests under way.
    fn choose<'a>(
        &self,
        line: &'a [Rc<Server>],
        fits: impl Fn(&Rc<Server>) -> bool,
    ) -> Option<&'a Rc<Server>> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let fits = |server: &Rc<Server>| server.has_room() && fits(server);
        let start = turn.checked_rem(line.len())?;
        let in_turn = (start..line.len()).chain(0..start);
        let (at, next) =
            in_turn.filter_map(|at| Some((at, line.get(at)?))).find(|(_, server)| fits(server))?;
        let others = line.len() - 1;
        let random = if others == 0 { 0 } else { 1 + self.random() as usize % others };
        let random = line.get((at + random) % line.len()).filter(|server| fits(server));
        Some(match random {
            Some(random) if random.is_less_busy_than(next) => random,
            _ => next,
        })
    }

    /// A number that clients cannot foresee to their advantage (xorshift).
    fn random(&self) -> u64 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        x >> 11
    }
}

impl Lines {
    /// The servers; one with a weight several times.
    pub(super) fn all(&self) -> impl Iterator<Item = &Rc<Server>> {
        self.first.iter().chain(&self.standby)
    }

    /// Servers in all.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}
