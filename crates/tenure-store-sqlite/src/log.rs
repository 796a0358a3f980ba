//! The log's chunks.

use rusqlite::{Connection, OptionalExtension, Row};
use tenure_core::log::Position;
use tenure_core::time::{MIN_TIMESTAMP, Timestamp};
use tenure_store::row::{Chunk, Mark, Progress};

use crate::error::damaged;

pub(crate) fn end(connection: &Connection) -> rusqlite::Result<Position> {
    let last = connection
        .prepare_cached("SELECT first + count - 1 FROM chunk ORDER BY first DESC LIMIT 1")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(last.unwrap_or(0) as u64)
}

/// What is stored of a chunk: packed, or plain when packing does not help; the lengths tell which
/// it is.
fn packed(chunk: &Chunk) -> std::borrow::Cow<'_, [u8]> {
    let packed = lz4_flex::block::compress(&chunk.bytes);
    if packed.len() < chunk.bytes.len() {
        packed.into()
    } else {
        chunk.bytes.as_slice().into()
    }
}

/// Puts a chunk in the place of the one with its first position and count.
pub(crate) fn replace(connection: &Connection, chunk: &Chunk) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE chunk SET plain_len = ?3, bytes = ?4 WHERE first = ?1 AND count = ?2",
        )?
        .execute((
            chunk.first as i64,
            chunk.count,
            chunk.bytes.len() as i64,
            packed(chunk),
        ))?;
    Ok(())
}

pub(crate) fn append(connection: &Connection, chunk: &Chunk) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO chunk VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute((
            chunk.first as i64,
            chunk.count,
            chunk.received_at.0,
            chunk.occurred_until.0,
            chunk.bytes.len() as i64,
            packed(chunk),
        ))?;
    Ok(())
}

pub(crate) fn read(
    connection: &Connection,
    from: Position,
    max_bytes: usize,
    occurred_after: Option<Timestamp>,
) -> rusqlite::Result<Vec<Chunk>> {
    // The chunk that holds `from` is the last that begins at or before it.
    let mut select = connection.prepare_cached(
        "SELECT first, count, received_at, occurred_until, plain_len, bytes FROM chunk
         WHERE first >= coalesce((SELECT max(first) FROM chunk WHERE first <= ?1), 0)
         AND first + count > ?1 AND occurred_until >= ?2 ORDER BY first",
    )?;
    let after = occurred_after.map_or(i64::MIN, |at| at.0.max(MIN_TIMESTAMP.0));
    let mut rows = select.query((i64::try_from(from).unwrap_or(i64::MAX), after))?;
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut byte_count = 0;
    while let Some(row) = rows.next()? {
        byte_count += row.get::<_, i64>(4)? as usize;
        if byte_count > max_bytes && !chunks.is_empty() {
            break;
        }
        chunks.push(chunk_of(row)?);
    }
    Ok(chunks)
}

fn chunk_of(row: &Row<'_>) -> rusqlite::Result<Chunk> {
    let plain_len = row.get::<_, i64>(4)? as usize;
    let stored = row.get_ref(5)?.as_blob()?;
    let bytes = if stored.len() == plain_len {
        stored.to_vec()
    } else {
        lz4_flex::block::decompress(stored, plain_len)
            .map_err(|_| damaged("a chunk of the log cannot be unpacked"))?
    };
    Ok(Chunk {
        first: row.get::<_, i64>(0)? as u64,
        count: row.get(1)?,
        received_at: Timestamp(row.get(2)?),
        occurred_until: Timestamp(row.get(3)?),
        bytes,
    })
}

pub(crate) fn progress(connection: &Connection) -> rusqlite::Result<Progress> {
    connection
        .prepare_cached(
            "SELECT applied_position, applied_at, checkpoint_position, checkpoint_at FROM progress",
        )?
        .query_row([], |row| {
            Ok(Progress {
                applied: mark_of(row, 0)?,
                checkpoint: mark_of(row, 2)?,
            })
        })
}

fn mark_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Mark> {
    Ok(Mark {
        position: row.get::<_, i64>(column)? as u64,
        at: Timestamp(row.get(column + 1)?),
    })
}

pub(crate) fn set_applied(connection: &Connection, mark: Mark) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE progress SET applied_position = ?1, applied_at = ?2")?
        .execute((mark.position as i64, mark.at.0))?;
    Ok(())
}

pub(crate) fn set_checkpoint(connection: &Connection, mark: Mark) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE progress SET checkpoint_position = ?1, checkpoint_at = ?2")?
        .execute((mark.position as i64, mark.at.0))?;
    Ok(())
}
