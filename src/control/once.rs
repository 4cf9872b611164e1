//! Calls that are done once, however often they are sent with the same key.

use aws_lc_rs::digest::{Context, SHA256};

use super::problem::Problem;
use super::{Control, Visitor};
use crate::model::clock;
use crate::model::ids::LeakId;
use crate::model::token::TokenDigest;
use crate::store::types::{DoneOnce, Once};

/// What became of a call.
pub(super) enum Outcome<T> {
    /// It was done now.
    Done(T),
    /// It had been done before: what is kept of that.
    Before(DoneOnce),
}

impl Control {
    /// The call that a caller makes with a key. Of key and body only keyed digests are kept: the body
    /// has tokens in it.
    pub(super) fn once(&self, caller: &Visitor, key: &str, call: &str, body: &[u8]) -> Once {
        let actor = &caller.actor;
        let user = actor.user.map(|id| id.to_string()).unwrap_or_default();
        let token = actor.api_token.map(|id| id.to_string()).unwrap_or_default();
        // Whoever else sends the same key means another call, and is not told of this one.
        let whose = [user.as_str(), token.as_str(), actor.name.as_str(), actor.role.name()];
        let whose = whose.map(str::as_bytes);
        let [one, two, three, four] = whose;
        Once {
            key: self.keyed(&[b"key", one, two, three, four, key.as_bytes()]),
            request: self.keyed(&[b"call", call.as_bytes(), body]),
            part_of: None,
        }
    }

    /// The part of a call that is about one leak.
    pub(super) fn part_of(&self, once: Once, leak: LeakId) -> Once {
        Once {
            key: self.keyed(&[b"part", &once.key, leak.0.as_bytes()]),
            request: once.request,
            part_of: Some(once.key),
        }
    }

    fn keyed(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut context = Context::new(&SHA256);
        context.update(b"leakgate idempotency");
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        self.inner.store.fingerprint_key().fingerprint(&TokenDigest(digest)).0
    }

    /// Does what `run` does, where it was not done before with the same key. What was refused is
    /// not kept: nothing was done then.
    pub(super) async fn do_once<T>(
        &self,
        tenant: &str,
        once: Option<Once>,
        run: impl Future<Output = Result<T, Problem>>,
    ) -> Result<Outcome<T>, Problem> {
        let Some(once) = once else { return Ok(Outcome::Done(run.await?)) };
        if let Some(done) = self.done_before(tenant, &once).await? {
            return Ok(Outcome::Before(done));
        }
        match run.await {
            Ok(value) => Ok(Outcome::Done(value)),
            Err(problem) if problem.is_repeated() => {
                // The same call came twice at once, and the other one was first.
                let done = self.done_before(tenant, &once).await?;
                done.map(Outcome::Before).ok_or(problem)
            }
            Err(problem) => {
                if problem.is_too_many_keys() {
                    self.hit("idempotency_keys");
                }
                Err(problem)
            }
        }
    }

    /// What is kept of the call; in force when this returns.
    pub(super) async fn done_before(
        &self,
        tenant: &str,
        once: &Once,
    ) -> Result<Option<DoneOnce>, Problem> {
        let Some(done) = self.inner.store.done_once(tenant, &once.key).await? else {
            return Ok(None);
        };
        if done.request != once.request {
            return Err(Problem::other_call());
        }
        self.inner.publisher.settle(clock::now()).await?;
        Ok(Some(done))
    }
}
