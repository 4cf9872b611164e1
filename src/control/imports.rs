//! Imports: another scanner's report, read as it arrives and registered finding by finding.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use utoipa::ToSchema;

use super::Control;
use super::intake;
use super::problem::{Problem, ProblemDocument};
use super::publish::Touched;
use crate::config::limits;
use crate::model::clock;
use crate::model::finding::{Finding, RefusedItem};
use crate::model::ids::{ImportId, LeakId, TokenId};
use crate::model::leak::{Leak, named};
use crate::model::role::Actor;
use crate::model::secret::Secret;
use crate::model::tenant::Tenants;
use crate::store::types::{Decide, Registration};
use crate::store::{Store, StoreError};

named! {
    /// How far an import is.
    ImportStatus {
        /// It is being read or registered.
        Running = "running",
        /// All of it that is valid is registered.
        Finished = "finished",
        /// It broke off; what was registered until then stays.
        Failed = "failed",
    }
}

/// A part of a report that was not taken, or not wholly.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct LineReason {
    /// The line (from 1) or item of the report.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// An import: what it came to, or how far it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// How far it is.
    pub status: ImportStatus,
    /// Leaks that were made.
    pub leaks: u64,
    /// Tokens that were new.
    pub tokens: u64,
    /// Tokens that were known: their leaks got an occurrence.
    pub merged: u64,
    /// Parts that were not taken, the first 1,000.
    pub refused: Vec<LineReason>,
    /// How many parts were not taken in all.
    pub refused_count: u64,
    /// Leaks that were made, but no virtual patch could be applied to them; the first 1,000.
    pub unpatched: Vec<LineReason>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it broke off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemDocument>)]
    pub problem: Option<Problem>,
}

/// The imports of this process: those under way and the last that ended.
#[derive(Default)]
pub(super) struct Imports(Mutex<VecDeque<(String, watch::Receiver<Import>)>>);

/// Where the handler puts what it reads, and learns what became of it.
pub(super) struct Intake {
    pub(super) items: mpsc::Sender<Item>,
    pub(super) progress: watch::Receiver<Import>,
    memory: Arc<Semaphore>,
}

impl Intake {
    /// Hands a finding over, once there is room for it. An import that failed takes nothing more,
    /// and says why at its end.
    pub(super) async fn find(&self, finding: Finding, belongs: Belongs) {
        let bytes: usize = finding.tokens.iter().map(Secret::len).sum();
        let share = bytes.clamp(1, limits::IMPORT_QUEUE_BYTES) as u32;
        if let Ok(share) = Arc::clone(&self.memory).acquire_many_owned(share).await {
            let _ = self.items.send(Item::Finding(Box::new(finding), belongs, share)).await;
        }
    }
}

/// What is taken from a report.
pub(super) enum Item {
    /// A finding, which leak it goes to, and its share of the memory that an import may take.
    Finding(Box<Finding>, Belongs, OwnedSemaphorePermit),
    /// A part that could not be read.
    Refused(RefusedItem),
    /// The report broke off.
    Broken(Problem),
}

/// Which leak a finding's tokens go to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Belongs {
    /// One of its own.
    Alone,
    /// The one leak of the whole report.
    Together,
}

/// One import at work.
struct Job {
    control: Control,
    actor: Actor,
    patch: Option<Decide>,
    import: Import,
    progress: watch::Sender<Import>,
    /// The leak of a report that is one leak.
    leak: Option<LeakId>,
    /// The line at which that leak was made, where no virtual patch could be applied to what it had
    /// then.
    unpatched: Option<u64>,
}

/// What became of one finding.
#[derive(Default)]
struct Taken {
    line: u64,
    made: bool,
    new: u64,
    known: u64,
    refused: Option<String>,
    unpatched: Option<String>,
    /// Whether more of the report is to come to its leak.
    grows: bool,
}

/// A finding made ready for the store.
struct Ready {
    line: u64,
    belongs: Belongs,
    registration: Registration,
}

impl Control {
    /// Begins an import. It goes on, and what it registers is published, until its sender is
    /// dropped, whether or not anybody waits for it.
    pub(super) fn begin_import(
        &self,
        actor: &Actor,
        patch: Option<Decide>,
    ) -> Result<Intake, Problem> {
        let Ok(permit) = Arc::clone(&self.inner.import_permits).try_acquire_owned() else {
            self.hit("imports");
            return Err(Problem::busy("imports"));
        };
        let import = Import {
            id: ImportId::new(),
            status: ImportStatus::Running,
            leaks: 0,
            tokens: 0,
            merged: 0,
            refused: Vec::new(),
            refused_count: 0,
            unpatched: Vec::new(),
            started_at: clock::now(),
            finished_at: None,
            problem: None,
        };
        let (progress, seen) = watch::channel(import.clone());
        self.inner.imports.keep(actor.tenant.clone(), seen.clone());
        let (items, received) = mpsc::channel(limits::IMPORT_QUEUE);
        let job = Job {
            control: self.clone(),
            actor: actor.clone(),
            patch,
            import,
            progress,
            leak: None,
            unpatched: None,
        };
        self.inner.tasks.spawn(async move {
            job.run(received).await;
            drop(permit);
        });
        let memory = Arc::new(Semaphore::new(limits::IMPORT_QUEUE_BYTES));
        Ok(Intake { items, progress: seen, memory })
    }

    /// The imports of this process that belong to these tenants, newest first.
    pub(super) fn imports(&self, of: &Tenants) -> Vec<Import> {
        self.inner.imports.all(of)
    }

    /// How far an import is.
    pub(super) fn import(&self, of: &Tenants, id: ImportId) -> Result<Import, Problem> {
        self.inner.imports.find(of, id).ok_or_else(|| Problem::not_found("import"))
    }
}

impl Imports {
    fn keep(&self, tenant: String, import: watch::Receiver<Import>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= limits::IMPORTS_KEPT {
            // Those under way are fewer than are kept, so there is one that ended.
            let ended = kept
                .iter()
                .position(|(_, import)| import.borrow().status != ImportStatus::Running)
                .unwrap_or(0);
            kept.remove(ended);
        }
        kept.push_back((tenant, import));
    }

    /// Those under way.
    pub(super) fn running(&self) -> Vec<Import> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = kept.iter().map(|(_, import)| import.borrow().clone());
        all.filter(|import| import.status == ImportStatus::Running).collect()
    }

    fn all(&self, of: &Tenants) -> Vec<Import> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = kept.iter().rev().filter(|(tenant, _)| of.include(tenant));
        own.map(|(_, import)| import.borrow().clone()).collect()
    }

    fn find(&self, of: &Tenants, id: ImportId) -> Option<Import> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .filter(|(tenant, _)| of.include(tenant))
            .map(|(_, import)| import.borrow())
            .find(|import| import.id == id)
            .map(|import| import.clone())
    }
}

impl Job {
    async fn run(mut self, mut items: mpsc::Receiver<Item>) {
        self.import.status = ImportStatus::Finished;
        let mut group = Vec::with_capacity(limits::IMPORT_GROUP);
        while items.recv_many(&mut group, limits::IMPORT_GROUP).await > 0 {
            if let Err(problem) = self.take(std::mem::take(&mut group)).await {
                self.fail(problem);
                break;
            }
            self.tell(ImportStatus::Running);
        }
        self.patch_whole().await;
        // All of it is in force before anybody is told that it has ended.
        if let Err(problem) = self.control.inner.publisher.settle(clock::now()).await {
            self.fail(problem);
        }
        self.import.finished_at = Some(clock::now());
        self.tell(self.import.status);
    }

    /// Applies the virtual patch to the leak of the whole report, where none could be applied to the
    /// part with which it began.
    async fn patch_whole(&mut self) {
        let (Some(line), Some(leak), Some(patch)) =
            (self.unpatched.take(), self.leak, self.patch.clone())
        else {
            return;
        };
        let store = Arc::clone(&self.control.inner.store);
        let actor = self.actor.clone();
        let change = async move {
            let leak = store.decide(&actor.tenant, leak, patch, &actor).await?;
            Ok(((), vec![Touched::Rule(Box::new(leak))]))
        };
        match self.control.inner.publisher.change(Touched::Leak(leak), change).await {
            Ok(()) => self.import.unpatched.retain(|reason| reason.line != line),
            Err(problem) => tracing::warn!(
                %leak,
                detail = problem.detail(),
                "no virtual patch could be applied to an imported leak"
            ),
        }
    }

    fn fail(&mut self, problem: Problem) {
        self.import.status = ImportStatus::Failed;
        self.import.problem = Some(problem);
    }

    fn tell(&self, status: ImportStatus) {
        self.progress.send_replace(Import { status, ..self.import.clone() });
    }

    /// Takes what has been read until now.
    async fn take(&mut self, group: Vec<Item>) -> Result<(), Problem> {
        let mut findings = Vec::with_capacity(group.len());
        let mut shares = Vec::with_capacity(group.len());
        let mut broken = None;
        for item in group {
            match item {
                Item::Finding(finding, belongs, share) => {
                    findings.push((*finding, belongs));
                    shares.push(share);
                }
                Item::Refused(item) => self.refuse(item.line, item.reason),
                Item::Broken(problem) => broken = Some(problem),
            }
        }
        let (findings, belongs): (Vec<_>, Vec<_>) = findings.into_iter().unzip();
        let lines: Vec<u64> = findings.iter().map(|finding| finding.line).collect();
        let registrations = self.control.prepared(&self.actor.tenant, findings).await?;
        let ready = lines.into_iter().zip(belongs).zip(registrations);
        let mut ready = ready
            .map(|((line, belongs), registration)| Ready { line, belongs, registration })
            .peekable();
        while ready.peek().is_some() {
            // The lock is held for no more tokens than take some ten milliseconds to store.
            let mut room = limits::IMPORT_PART_TOKENS;
            let mut part = Vec::new();
            while let Some(next) =
                ready.next_if(|next| part.is_empty() || next.registration.tokens.len() <= room)
            {
                room = room.saturating_sub(next.registration.tokens.len());
                part.push(next);
            }
            self.register(part).await?;
        }
        drop(shares);
        broken.map_or(Ok(()), Err)
    }

    /// Registers some findings; they are in force at the next tick.
    async fn register(&mut self, findings: Vec<Ready>) -> Result<(), Problem> {
        let store = Arc::clone(&self.control.inner.store);
        let (actor, patch, leak) = (self.actor.clone(), self.patch.clone(), self.leak);
        let change = async move {
            let mut group = Group { store: &*store, actor: &actor, patch, leak, touched: vec![] };
            let mut taken = Vec::with_capacity(findings.len());
            for ready in findings {
                taken.push(group.take(ready).await);
            }
            Ok(((taken, group.leak), group.touched))
        };
        let (taken, leak) = self.control.inner.publisher.change_soon(change).await?;
        self.leak = leak;
        for taken in taken {
            self.count(taken);
        }
        Ok(())
    }

    fn refuse(&mut self, line: u64, reason: String) {
        self.import.refused_count += 1;
        if self.import.refused.len() < limits::IMPORT_REFUSALS {
            self.import.refused.push(LineReason { line, reason });
        }
    }

    fn count(&mut self, taken: Taken) {
        self.import.leaks += u64::from(taken.made);
        self.import.tokens += taken.new;
        self.import.merged += taken.known;
        if let Some(reason) = taken.refused {
            self.refuse(taken.line, reason);
        }
        if taken.unpatched.is_some() && taken.grows {
            self.unpatched = Some(taken.line);
        }
        if let Some(reason) = taken.unpatched
            && self.import.unpatched.len() < limits::IMPORT_REFUSALS
        {
            self.import.unpatched.push(LineReason { line: taken.line, reason });
        }
    }
}

/// The changes of some findings, inside the publisher's lock.
struct Group<'a> {
    store: &'a dyn Store,
    actor: &'a Actor,
    patch: Option<Decide>,
    leak: Option<LeakId>,
    touched: Vec<Touched>,
}

impl Group<'_> {
    async fn take(&mut self, ready: Ready) -> Taken {
        let line = ready.line;
        match self.register(ready.belongs, ready.registration).await {
            Ok(taken) => Taken { line, ..taken },
            Err(error) => {
                tracing::error!(%error, "a finding could not be registered");
                // It may be there all the same, with more tokens for the leak of the whole report.
                self.touched.extend(self.leak.map(Touched::Leak));
                self.touched.push(Touched::Any);
                let refused = Some("the store failed: import it again".to_owned());
                Taken { line, refused, ..Taken::default() }
            }
        }
    }

    async fn register(
        &mut self,
        belongs: Belongs,
        mut registration: Registration,
    ) -> Result<Taken, StoreError> {
        let continues = self.leak.filter(|_| belongs == Belongs::Together);
        registration.continues = continues;
        let (before, texts) = (TokenId::new(), registration.tokens.clone());
        let count = texts.len() as u64;
        let mut registered = self.store.register(registration, self.actor).await?;
        let mut taken = Taken {
            new: registered.new_tokens,
            known: count.saturating_sub(registered.new_tokens),
            made: registered.leak.is_some() && continues.is_none(),
            grows: belongs == Belongs::Together,
            ..Taken::default()
        };
        if let Some(leak) = registered.leak.as_mut().filter(|_| taken.made) {
            if belongs == Belongs::Together {
                self.leak = Some(leak.id);
            }
            taken.unpatched = self.patch(leak).await;
        }
        self.touched.extend(intake::touched(&registered, &self.actor.tenant, before, texts));
        Ok(taken)
    }

    /// Applies the virtual patch that was asked for; answers with why that could not be done.
    async fn patch(&mut self, leak: &mut Leak) -> Option<String> {
        let patch = self.patch.clone()?;
        match self.store.decide(&self.actor.tenant, leak.id, patch, self.actor).await {
            Ok(patched) => {
                *leak = patched;
                None
            }
            Err(StoreError::NothingApplicable(reasons)) => Some(reasons.join("; ")),
            Err(StoreError::NeedsTwo) => {
                Some("a block takes two persons here: propose it for the leak".to_owned())
            }
            Err(error) => {
                tracing::error!(%error, "a virtual patch could not be applied");
                self.touched.push(Touched::Leak(leak.id));
                Some("the store failed: apply it again".to_owned())
            }
        }
    }
}
