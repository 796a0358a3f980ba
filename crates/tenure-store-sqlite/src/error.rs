//! From SQLite's errors to the port's.

use rusqlite::ErrorCode;
use rusqlite::types::Type;
use tenure_store::StoreError;

/// What the caller can do about it decides which error it is.
#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
pub(crate) fn store_error(error: rusqlite::Error) -> StoreError {
    let text = error.to_string();
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => StoreError::Damaged(text),
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::CannotOpen => StoreError::Unwritable(text),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Damaged(text),
            _ => StoreError::Other(text),
        },
        _ => StoreError::Other(text),
    }
}

pub(crate) fn io_error(error: &std::io::Error) -> StoreError {
    StoreError::Unwritable(error.to_string())
}

/// Stored bytes that are not what this version writes.
pub(crate) fn damaged(what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, what.into())
}
