//! Drafts: what a person has handed in and is to look at before anything is registered. Kept in the
//! memory of this process only, for a while, and shown to nobody but by its masks.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::api::{LIMITS, hand_over};
use super::auth::Visitor;
use super::decisions::{self, PatchRequest};
use super::imports::{Import, LineReason};
use super::intake::{self, Answer, NewLeak, RegisteredLeak};
use super::problem::Problem;
use super::{Control, guard};
use crate::config::limits;
use crate::model::fingerprint::Fingerprint;
use crate::model::ids::{DraftId, UserId};
use crate::model::kind;
use crate::model::leak::{DetectedBy, Risk, SourceKind};
use crate::model::role::{Actor, Permission};
use crate::model::rule::PatchMode;
use crate::model::secret::Secret;
use crate::model::tenant::Tenants;
use crate::model::token::TokenMaterial;
use crate::reports::{Format, Hints, Item, Parser};
use crate::store::types::{LookupLeak, Registration};

/// Another scanner's report to look at.
#[derive(Clone, Debug)]
pub struct NewReport {
    /// The report itself.
    pub text: Secret,
    /// The name of its format; absent: told from its beginning.
    pub format: Option<String>,
    /// What stands before the title of each leak, and is that of a list.
    pub title: Option<String>,
    /// The risk of all leaks; absent: as the report says.
    pub risk: Option<Risk>,
    /// The kind of all sources; absent: as the report says.
    pub source_kind: Option<SourceKind>,
    /// The virtual patch that all leaks get; absent: they are watched.
    pub patch: Option<PatchMode>,
}

/// A token that would be registered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reviewed {
    /// The line or item of the report.
    pub line: Option<u64>,
    /// How it is shown.
    pub masked: String,
    /// Its length in bytes; absent where only a digest is known.
    pub length: Option<usize>,
    /// What it is.
    pub kind: String,
    /// The risk that was said of its leak; absent: it follows from what is known.
    pub risk: Option<Risk>,
    /// Why no rule would be made of it.
    pub warning: Option<String>,
    /// The leak that has it already.
    pub known: Option<LookupLeak>,
}

/// What a draft would register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Review {
    /// The draft.
    pub id: DraftId,
    /// The title of the one leak that it would make; absent for reports of several.
    pub title: Option<String>,
    /// The report's format; absent for a leak that is typed in.
    pub format: Option<&'static str>,
    /// Leaks that it would make, if no token were known.
    pub leaks: u64,
    /// Tokens in all.
    pub tokens: u64,
    /// The first of them.
    pub shown: Vec<Reviewed>,
    /// The first parts that cannot be taken.
    pub refused: Vec<LineReason>,
    /// How many parts cannot be taken.
    pub refused_count: u64,
    /// The virtual patch that all leaks get.
    pub patch: Option<PatchMode>,
}

/// What a draft came to.
#[derive(Clone, Debug)]
pub enum Drafted {
    /// A leak; absent where the visitor may not see whose its tokens are.
    Leak(Option<Box<RegisteredLeak>>),
    /// An import under way.
    Import(Box<Import>),
}

#[derive(Clone)]
enum Draft {
    Leak(Box<Registration>),
    Report(Box<NewReport>),
}

struct Kept {
    user: UserId,
    tenant: String,
    until: Instant,
    bytes: usize,
    draft: Draft,
    review: Arc<Review>,
}

/// The drafts of this process.
#[derive(Default)]
pub(super) struct Drafts(Mutex<Vec<Kept>>);

impl Drafts {
    /// Forgets those whose time is over.
    pub(super) fn forget(&self, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|kept| kept.until > now);
    }

    /// Keeps one, in place of another of the same user; says whether there was room.
    fn keep(&self, new: Kept) -> bool {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|kept| kept.until > now && kept.user != new.user);
        let taken: usize = all.iter().map(|kept| kept.bytes).sum();
        let fits = taken.saturating_add(new.bytes) <= limits::DRAFTS_BYTES;
        if fits {
            all.push(new);
        }
        fits
    }

    /// Keeps one that was taken, unless its user has handed in another meanwhile.
    fn put_back(&self, kept: Kept) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: usize = all.iter().map(|kept| kept.bytes).sum();
        let fits = taken.saturating_add(kept.bytes) <= limits::DRAFTS_BYTES;
        if fits && !all.iter().any(|other| other.user == kept.user) {
            all.push(kept);
        }
    }

    fn review(&self, user: UserId, id: DraftId) -> Option<Arc<Review>> {
        self.forget(Instant::now());
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|kept| kept.user == user && kept.review.id == id);
        found.map(|kept| Arc::clone(&kept.review))
    }

    fn take(&self, user: UserId, id: DraftId) -> Option<Kept> {
        self.forget(Instant::now());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|kept| kept.user == user && kept.review.id == id)?;
        Some(all.swap_remove(at))
    }
}

/// Nobody but the user who made it reaches a draft, and it is gone after a while.
fn gone() -> Problem {
    Problem::not_found("draft any more: enter it again")
}

fn user(visitor: &Visitor) -> Result<UserId, Problem> {
    visitor.actor.user.ok_or_else(gone)
}

impl Control {
    /// Keeps a leak to be looked at before it is registered.
    pub(super) async fn draft_leak(
        &self,
        visitor: &Visitor,
        new: NewLeak,
    ) -> Result<DraftId, Problem> {
        let actor = &visitor.actor;
        let made = self.registration(&actor.tenant, new, DetectedBy::Manual).await?;
        let mut shown: Vec<Reviewed> = Vec::new();
        let mut prints = Vec::new();
        let mut bytes = 0_usize;
        for token in &made.tokens {
            bytes = bytes.saturating_add(token.material.length().unwrap_or(64));
            if shown.len() < limits::DRAFT_SHOWN {
                prints.push(token.fingerprint);
                shown.push(Reviewed {
                    line: None,
                    masked: token.material.masked(),
                    length: token.material.length(),
                    kind: token.kind.clone(),
                    risk: made.risk,
                    warning: token.not_applicable.clone(),
                    known: None,
                });
            }
        }
        self.tell_known(&actor.tenant, &prints, &mut shown).await?;
        let review = Review {
            id: DraftId::new(),
            title: Some(made.title.clone()),
            format: None,
            leaks: 1,
            tokens: made.tokens.len() as u64,
            shown,
            refused: Vec::new(),
            refused_count: 0,
            patch: None,
        };
        self.keep(visitor, bytes, Draft::Leak(Box::new(made)), review)
    }

    /// Keeps a report to be looked at before it is imported.
    pub(super) async fn draft_report(
        &self,
        visitor: &Visitor,
        report: NewReport,
    ) -> Result<DraftId, Problem> {
        if report.text.expose().trim_ascii().is_empty() {
            return Err(Problem::invalid("report", "it is empty: paste it or choose a file"));
        }
        let title = report.title.as_deref().map(intake::one_line);
        let title = title.filter(|title| !title.is_empty());
        intake::fits("title", title.as_deref().unwrap_or_default(), limits::TITLE_BYTES)?;
        let report = NewReport { title, ..report };
        parser(&report)?;
        let bytes = report.text.len();
        let store = Arc::clone(&self.inner.store);
        let looked_at = tokio::task::spawn_blocking(move || {
            let found =
                look(&report, |secret| store.fingerprint_key().fingerprint(&secret.digest()));
            found.map(|found| (report, found))
        });
        let (report, (mut review, prints)) = looked_at.await.map_err(|_| Problem::failed())??;
        let tenant = &visitor.actor.tenant;
        self.tell_known(tenant, &prints, &mut review.shown).await?;
        self.keep(visitor, bytes, Draft::Report(Box::new(report)), review)
    }

    /// What the visitor's own draft would register.
    pub(super) fn review(&self, visitor: &Visitor, id: DraftId) -> Result<Arc<Review>, Problem> {
        self.inner.drafts.review(user(visitor)?, id).ok_or_else(gone)
    }

    /// Throws the visitor's own draft away.
    pub(super) fn discard(&self, visitor: &Visitor, id: DraftId) -> Result<(), Problem> {
        self.inner.drafts.take(user(visitor)?, id).map(drop).ok_or_else(gone)
    }

    /// Registers what the visitor's own draft holds, once.
    pub(super) async fn register_draft(
        &self,
        visitor: &Visitor,
        id: DraftId,
    ) -> Result<Drafted, Problem> {
        let kept = self.inner.drafts.take(user(visitor)?, id).ok_or_else(gone)?;
        let actor = Actor { tenant: kept.tenant.clone(), ..visitor.actor.clone() };
        match kept.draft.clone() {
            Draft::Leak(made) => match self.register_checked(&actor, *made).await {
                Ok(Answer::Leak(leak)) => Ok(Drafted::Leak(Some(leak))),
                Ok(Answer::Known(_)) => Ok(Drafted::Leak(None)),
                Err(problem) => Err(self.put_back(kept, problem)),
            },
            Draft::Report(report) => match self.import_report(&actor, *report) {
                Ok(import) => Ok(Drafted::Import(Box::new(import))),
                Err(problem) => Err(self.put_back(kept, problem)),
            },
        }
    }

    /// A draft that could not be registered can be tried again.
    fn put_back(&self, kept: Kept, problem: Problem) -> Problem {
        self.inner.drafts.put_back(kept);
        problem
    }

    fn import_report(&self, actor: &Actor, report: NewReport) -> Result<Import, Problem> {
        if report.patch.is_some() && !actor.role.may(Permission::Decide) {
            return Err(Problem::forbidden(actor.role, Permission::Decide));
        }
        let patch = report
            .patch
            .map(|mode| decisions::apply(PatchRequest { mode: Some(mode), ..Default::default() }))
            .transpose()?;
        let mut parser = parser(&report)?;
        let intake = self.begin_import(actor, patch)?;
        let import = intake.progress.borrow().clone();
        self.inner.tasks.spawn(async move {
            let mut parsed = Vec::new();
            for piece in report.text.expose().chunks(limits::REPORT_PIECE_BYTES) {
                parser.feed(piece, &mut parsed);
                hand_over(&parser, &mut parsed, &intake).await;
            }
            parser.finish(&mut parsed);
            hand_over(&parser, &mut parsed, &intake).await;
        });
        Ok(import)
    }

    fn keep(
        &self,
        visitor: &Visitor,
        bytes: usize,
        draft: Draft,
        review: Review,
    ) -> Result<DraftId, Problem> {
        let id = review.id;
        let kept = Kept {
            user: user(visitor)?,
            tenant: visitor.actor.tenant.clone(),
            until: Instant::now() + limits::DRAFT_TIME,
            bytes,
            draft,
            review: Arc::new(review),
        };
        if !self.inner.drafts.keep(kept) {
            self.hit("drafts");
            return Err(Problem::busy("drafts"));
        }
        Ok(id)
    }

    /// Adds to each token the leak that has it already.
    async fn tell_known(
        &self,
        tenant: &str,
        prints: &[Fingerprint],
        shown: &mut [Reviewed],
    ) -> Result<(), Problem> {
        let store = &self.inner.store;
        let known = store.known(tenant, prints).await?;
        let of = Tenants::One(tenant.to_owned());
        for (print, token) in prints.iter().zip(shown) {
            if known.contains(print) {
                token.known = store.lookup(&of, print).await?.leaks.into_iter().next();
            }
        }
        Ok(())
    }
}

fn parser(report: &NewReport) -> Result<Parser, Problem> {
    let format = match report.format.as_deref() {
        None | Some("auto" | "") => None,
        Some(name) => Some(
            Format::from_name(name)
                .ok_or_else(|| Problem::invalid("format", "choose one of the list"))?,
        ),
    };
    let hints =
        Hints { title: report.title.clone(), risk: report.risk, source_kind: report.source_kind };
    Ok(Parser::new(format, hints, LIMITS))
}

/// Reads the whole report, and keeps of it what is shown.
fn look(
    report: &NewReport,
    print: impl Fn(&Secret) -> Fingerprint,
) -> Result<(Review, Vec<Fingerprint>), Problem> {
    let mut parser = parser(report)?;
    let mut review = Review {
        id: DraftId::new(),
        title: None,
        format: None,
        leaks: 0,
        tokens: 0,
        shown: Vec::new(),
        refused: Vec::new(),
        refused_count: 0,
        patch: report.patch,
    };
    let mut prints = Vec::new();
    let mut take = |review: &mut Review, parsed: &mut Vec<Item>| {
        for item in parsed.drain(..) {
            match item {
                Item::Refused(refused) => {
                    review.refused_count += 1;
                    if review.refused.len() < limits::DRAFT_SHOWN {
                        let (line, reason) = (refused.line, refused.reason);
                        review.refused.push(LineReason { line, reason });
                    }
                }
                Item::Finding(finding) => {
                    review.leaks += 1;
                    review.tokens += finding.tokens.len() as u64;
                    let room = limits::DRAFT_SHOWN.saturating_sub(review.shown.len());
                    for secret in finding.tokens.iter().take(room) {
                        prints.push(print(secret));
                        review.shown.push(Reviewed {
                            line: Some(finding.line),
                            masked: secret.masked(),
                            length: Some(secret.len()),
                            kind: kind::of(secret.expose()).to_owned(),
                            risk: finding.risk,
                            warning: guard::check(&TokenMaterial::Text(secret.clone())),
                            known: None,
                        });
                    }
                }
            }
        }
    };
    let mut parsed = Vec::new();
    for piece in report.text.expose().chunks(limits::REPORT_PIECE_BYTES) {
        parser.feed(piece, &mut parsed);
        take(&mut review, &mut parsed);
    }
    parser.finish(&mut parsed);
    take(&mut review, &mut parsed);
    let format = parser.format();
    if format.is_some_and(Format::is_one_leak) {
        review.leaks = review.leaks.min(1);
    }
    review.format = format.map(Format::name);
    Ok((review, prints))
}
