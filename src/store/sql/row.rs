//! Values out of rows, and errors out of the databases'.

use jiff::Timestamp;
use sqlx::error::DatabaseError as _;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;
use uuid::Uuid;

use super::database::Row;
use crate::model::fingerprint::Fingerprint;
use crate::model::token::Validity;
use crate::store::StoreError;

/// Primary result codes of SQLite that call for an answer of their own.
const BUSY: i32 = 5;
const READONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NOT_A_DATABASE: i32 = 26;

/// The same of PostgreSQL.
const PG_READ_ONLY: &str = "25006";
const PG_FULL: &str = "53100";
const PG_TOO_MANY_CONNECTIONS: &str = "53300";
const PG_LOCK_NOT_AVAILABLE: &str = "55P03";
/// The beginning of those that tell that the server ends or begins, or that the connection broke.
const PG_GONE: [&str; 2] = ["57P", "08"];

/// The primary result code of an error that SQLite itself reported.
pub(super) fn code(error: &sqlx::Error) -> Option<i32> {
    let error = error.as_database_error()?.try_downcast_ref::<SqliteError>()?;
    let code: i32 = error.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// The code of an error that PostgreSQL itself reported.
pub(super) fn postgres_code(error: &sqlx::Error) -> Option<&str> {
    Some(error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?.code())
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        const DISK_FULL: &str = "the disk is full: make room on it";
        const READ_ONLY: &str = "the database can only be read, not written";
        match code(&error) {
            Some(CORRUPT | NOT_A_DATABASE) => {
                return Self::Unusable(
                    "the database is damaged: stop leakgate and put back a backup of it".to_owned(),
                );
            }
            Some(BUSY) => {
                return Self::Failed(
                    "another program holds the database: end it, then ask again".to_owned(),
                );
            }
            Some(FULL) => return Self::Failed(DISK_FULL.to_owned()),
            Some(READONLY) => return Self::Failed(READ_ONLY.to_owned()),
            _ => {}
        }
        let text = match postgres_code(&error) {
            Some(PG_FULL) => DISK_FULL.to_owned(),
            Some(PG_READ_ONLY) => READ_ONLY.to_owned(),
            Some(PG_TOO_MANY_CONNECTIONS) => {
                "PostgreSQL takes no more connections: raise its max_connections".to_owned()
            }
            Some(PG_LOCK_NOT_AVAILABLE) => {
                "another process holds what is to be written: ask again".to_owned()
            }
            Some(code) if PG_GONE.iter().any(|gone| code.starts_with(gone)) => {
                format!("PostgreSQL does not answer: {error}")
            }
            // The texts of SQLite, PostgreSQL and sqlx name tables and columns, never a value.
            _ => error.to_string(),
        };
        Self::Failed(text)
    }
}

/// Whether the database holds itself to be damaged, or not a database at all.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    matches!(code(error), Some(CORRUPT | NOT_A_DATABASE))
}

/// The error of a value that this program did not write.
fn strange(column: &str) -> StoreError {
    StoreError::Failed(format!("the column {column} holds what this version does not know"))
}

pub(super) fn uuid(row: &Row, column: &str) -> Result<Uuid, StoreError> {
    Uuid::from_slice(row.try_get(column)?).map_err(|_| strange(column))
}

pub(super) fn uuid_or_none(row: &Row, column: &str) -> Result<Option<Uuid>, StoreError> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    bytes.map(Uuid::from_slice).transpose().map_err(|_| strange(column))
}

pub(super) fn text(row: &Row, column: &str) -> Result<String, StoreError> {
    row.try_get(column)
}

pub(super) fn text_or_none(row: &Row, column: &str) -> Result<Option<String>, StoreError> {
    row.try_get(column)
}

pub(super) fn number(row: &Row, column: &str) -> Result<i64, StoreError> {
    row.try_get(column)
}

pub(super) fn number_or_none(row: &Row, column: &str) -> Result<Option<i64>, StoreError> {
    row.try_get(column)
}

/// A number that is never negative.
pub(super) fn count(row: &Row, column: &str) -> Result<u64, StoreError> {
    u64::try_from(number(row, column)?).map_err(|_| strange(column))
}

/// A smaller number, such as a status or a length.
pub(super) fn small<T: TryFrom<i64>>(row: &Row, column: &str) -> Result<T, StoreError> {
    T::try_from(number(row, column)?).map_err(|_| strange(column))
}

pub(super) fn small_or_none<T: TryFrom<i64>>(
    row: &Row,
    column: &str,
) -> Result<Option<T>, StoreError> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(T::try_from).transpose().map_err(|_| strange(column))
}

pub(super) fn flag(row: &Row, column: &str) -> Result<bool, StoreError> {
    row.try_get(column)
}

pub(super) fn time(row: &Row, column: &str) -> Result<Timestamp, StoreError> {
    timestamp(number(row, column)?, column)
}

/// The time of a value that was read from the column.
pub(super) fn timestamp(millisecond: i64, column: &str) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(millisecond).map_err(|_| strange(column))
}

pub(super) fn time_or_none(row: &Row, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let millisecond: Option<i64> = row.try_get(column)?;
    millisecond.map(Timestamp::from_millisecond).transpose().map_err(|_| strange(column))
}

/// A value that is kept by its name.
pub(super) fn named<T>(
    row: &Row,
    column: &str,
    from_name: fn(&str) -> Option<T>,
) -> Result<T, StoreError> {
    from_name(row.try_get(column)?).ok_or_else(|| strange(column))
}

pub(super) fn named_or_none<T>(
    row: &Row,
    column: &str,
    from_name: fn(&str) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let name: Option<&str> = row.try_get(column)?;
    name.map(|name| from_name(name).ok_or_else(|| strange(column))).transpose()
}

/// A value that is kept by its place in the order of all values, so that it can be sorted by.
pub(super) fn ranked<T: Copy>(row: &Row, column: &str, all: &[T]) -> Result<T, StoreError> {
    usize::try_from(number(row, column)?)
        .ok()
        .and_then(|rank| all.get(rank).copied())
        .ok_or_else(|| strange(column))
}

/// The place of a value in the order of all values.
pub(super) fn rank<T: PartialEq>(value: T, all: &[T]) -> i64 {
    all.iter()
        .position(|other| *other == value)
        .and_then(|rank| i64::try_from(rank).ok())
        .unwrap_or(-1)
}

pub(super) fn fingerprint(row: &Row, column: &str) -> Result<Fingerprint, StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map(Fingerprint).map_err(|_| strange(column))
}

/// A value that is kept as JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(
    row: &Row,
    column: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(row.try_get(column)?).map_err(|_| strange(column))
}

/// A value as it is kept in JSON.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Failed(format!("a value cannot be written: {error}")))
}

/// A count as SQL has it.
pub(super) fn signed(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

pub(super) fn validity_name(validity: Validity) -> &'static str {
    match validity {
        Validity::Active => "active",
        Validity::Inactive => "inactive",
        Validity::Unknown => "unknown",
    }
}

pub(super) fn validity_from_name(name: &str) -> Option<Validity> {
    [Validity::Active, Validity::Inactive, Validity::Unknown]
        .into_iter()
        .find(|validity| validity_name(*validity) == name)
}
