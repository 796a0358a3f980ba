//! The log read from its beginning, for what is not kept elsewhere.

use tenure_core::log::{Entry, Position, decode};
use tenure_core::time::Timestamp;
use tenure_store::{Store, StoreError};

use crate::error::AppError;

/// How much of the log is read at once, in bytes.
const READ_BYTES: usize = 8 * 1024 * 1024;

/// Looks at every entry up to `end` (and those that came in the same read), in order. `told` hears after each read how far
/// it is; an error of either ends it.
pub(crate) fn each_entry(
    store: &dyn Store,
    end: Position,
    mut look: impl FnMut(&Entry<'_>) -> Result<(), AppError>,
    mut told: impl FnMut(Position) -> Result<(), AppError>,
) -> Result<(), AppError> {
    let mut from = 1;
    while from <= end {
        let chunks = store.read_log(from, READ_BYTES, None)?;
        let Some(last) = chunks.last() else { break };
        from = last.last() + 1;
        for chunk in &chunks {
            for entry in decode(chunk.first, &chunk.bytes) {
                look(&entry.map_err(|error| StoreError::Damaged(error.to_string()))?)?;
            }
        }
        told(from - 1)?;
    }
    Ok(())
}

/// Looks at entries in order, those of chunks in which something occurred after `since`; says whether all were read, or
/// `max_bytes` of them. What cannot be read is passed over.
pub(crate) fn entries_within(
    store: &dyn Store,
    since: Option<Timestamp>,
    max_bytes: usize,
    mut look: impl FnMut(&Entry<'_>),
) -> Result<bool, StoreError> {
    let (mut from, mut read_bytes) = (1, 0);
    loop {
        let chunks = store.read_log(from, READ_BYTES, since)?;
        let Some(last) = chunks.last() else {
            return Ok(true);
        };
        from = last.last() + 1;
        for chunk in &chunks {
            read_bytes += chunk.bytes.len();
            for entry in decode(chunk.first, &chunk.bytes).flatten() {
                look(&entry);
            }
        }
        if read_bytes > max_bytes {
            return Ok(false);
        }
    }
}
