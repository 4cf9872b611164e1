//! Calls that are done once, however often they are sent: what is written down of each in the very
//! transaction that does it. So whoever finds it knows that it was done, and how it was answered,
//! whichever process did it and whether or not that one lives.

use jiff::Timestamp;

use super::database::{Connection, query};
use super::{SqlStore, row};
use crate::config::limits;
use crate::model::clock;
use crate::model::ids::LeakId;
use crate::store::StoreError;
use crate::store::types::{DoneOnce, Once};

/// Takes the call's key, where nobody has it yet, before anything else is done.
pub(super) async fn claim(
    connection: &mut dyn Connection,
    tenant: &str,
    once: Option<Once>,
    at: i64,
) -> Result<(), StoreError> {
    let Some(once) = once else { return Ok(()) };
    if once.part_of.is_none() {
        // Its turn is over, though it was not swept yet.
        query("DELETE FROM repeatable_calls WHERE tenant = $1 AND key = $2 AND at < $3")
            .bind(tenant)
            .bind(once.key.as_slice())
            .bind(at.saturating_sub(row::signed(limits::IDEMPOTENCY_TIME.as_millis())))
            .execute(&mut *connection)
            .await?;
        let kept = query(
            "SELECT COUNT(*) AS count FROM repeatable_calls WHERE tenant = $1 AND part_of IS NULL",
        )
        .bind(tenant)
        .fetch_one(&mut *connection)
        .await?;
        if row::number(&kept, "count")? >= limits::IDEMPOTENCY_KEYS {
            return Err(StoreError::TooManyKeys);
        }
    }
    let taken = query(
        "INSERT INTO repeatable_calls (tenant, key, request, at, part_of, is_done)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, key) DO NOTHING",
    )
    .bind(tenant)
    .bind(once.key.as_slice())
    .bind(once.request.as_slice())
    .bind(at)
    .bind(once.part_of.map(|key| key.to_vec()))
    .bind(false)
    .execute(connection)
    .await?;
    if taken == 0 { Err(StoreError::Repeated) } else { Ok(()) }
}

/// Writes the answer down. One that is too long is not kept: then the leak is shown as it is when
/// the call is sent again.
pub(super) async fn answer(
    connection: &mut dyn Connection,
    tenant: &str,
    once: Option<Once>,
    leak: Option<LeakId>,
    answer: &str,
) -> Result<(), StoreError> {
    let Some(once) = once else { return Ok(()) };
    let kept = (answer.len() <= limits::IDEMPOTENCY_ANSWER_BYTES).then_some(answer);
    query(
        "UPDATE repeatable_calls SET is_done = $3, leak = $4, answer = $5
         WHERE tenant = $1 AND key = $2",
    )
    .bind(tenant)
    .bind(once.key.as_slice())
    .bind(true)
    .bind(leak.map(|leak| leak.0.as_bytes().to_vec()))
    .bind(kept)
    .execute(connection)
    .await?;
    Ok(())
}

impl SqlStore {
    pub(super) async fn find_call(
        &self,
        tenant: &str,
        key: &[u8; 16],
    ) -> Result<Option<DoneOnce>, StoreError> {
        let oldest = clock::now().as_millisecond();
        let oldest = oldest.saturating_sub(row::signed(limits::IDEMPOTENCY_TIME.as_millis()));
        let found = query(
            "SELECT request, is_done, leak, answer FROM repeatable_calls
             WHERE tenant = $1 AND key = $2 AND at >= $3",
        )
        .bind(tenant)
        .bind(key.as_slice())
        .bind(oldest)
        .fetch_optional(&self.reserved_readers)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let request: &[u8] = found.try_get("request")?;
        Ok(Some(DoneOnce {
            request: request.first_chunk().copied().unwrap_or_default(),
            is_done: row::flag(&found, "is_done")?,
            leak: row::uuid_or_none(&found, "leak")?.map(LeakId),
            answer: row::text_or_none(&found, "answer")?,
        }))
    }

    pub(super) async fn begin_call(
        &self,
        tenant: &str,
        once: Once,
        leaks: &[LeakId],
    ) -> Result<(), StoreError> {
        let at = clock::now().as_millisecond();
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        claim(&mut transaction, tenant, Some(once), at).await?;
        query("UPDATE repeatable_calls SET answer = $3 WHERE tenant = $1 AND key = $2")
            .bind(tenant)
            .bind(once.key.as_slice())
            .bind(row::to_json(&leaks)?)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await
    }

    pub(super) async fn end_call(
        &self,
        tenant: &str,
        once: Once,
        text: &str,
    ) -> Result<(), StoreError> {
        if text.len() > limits::IDEMPOTENCY_ANSWER_BYTES {
            // Its parts stay, and answer for it.
            return Ok(());
        }
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        answer(&mut transaction, tenant, Some(once), None, text).await?;
        // Its parts may be in other tenants.
        query("DELETE FROM repeatable_calls WHERE part_of = $1")
            .bind(once.key.as_slice())
            .execute(&mut transaction)
            .await?;
        transaction.commit().await
    }

    pub(super) async fn remove_calls(&self, before: Timestamp) -> Result<u64, StoreError> {
        let before = before.as_millisecond();
        let old = "SELECT 1 FROM repeatable_calls WHERE at < $1 LIMIT 1";
        if query(old).bind(before).fetch_optional(&self.reserved_readers).await?.is_none() {
            return Ok(0);
        }
        let mut writer = self.decisions.lock().await?;
        let mut transaction = writer.begin().await?;
        let removed = query("DELETE FROM repeatable_calls WHERE at < $1")
            .bind(before)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(removed)
    }
}
