//! A run: sorted ids in blocks of one page each, with a filter and the first id of each block in
//! memory.

use rusqlite::{Connection, OptionalExtension, Row};
use tenure_core::time::Timestamp;

use super::bloom::Bloom;
use crate::error::damaged;
use crate::key::Bits;

/// Ids of a block: 3 840 bytes, so that a row fills a page of 4 KiB and needs no other.
pub(super) const BLOCK_IDS: usize = 240;
/// A block's key is its run's id shifted by so much, plus its number.
const BLOCK_KEY_SHIFT: u32 = 24;

/// What is in memory of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(super) id: i64,
    pub(super) from_at: Timestamp,
    pub(super) until_at: Timestamp,
    pub(super) id_count: usize,
    pub(super) fences: Vec<u128>,
    pub(super) bloom: Bloom,
}

impl Run {
    /// Whether an id that passed the filter is there.
    pub(super) fn contains(&self, connection: &Connection, id: u128) -> rusqlite::Result<bool> {
        let after = self.fences.partition_point(|first| *first <= id);
        let Some(number) = after.checked_sub(1) else {
            return Ok(false);
        };
        let block = read_block(connection, self.id, number)?;
        Ok(block.binary_search(&id).is_ok())
    }

    pub(super) fn block_count(&self) -> usize {
        self.fences.len()
    }

    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            from_at: Timestamp(row.get(1)?),
            until_at: Timestamp(row.get(2)?),
            id_count: row.get::<_, i64>(3)? as usize,
            fences: unpack_ids(row.get_ref(4)?.as_blob()?)?,
            bloom: Bloom::from_bytes(row.get_ref(5)?.as_blob()?)
                .ok_or_else(|| damaged("a filter of event ids cannot be read"))?,
        })
    }
}

/// The live runs, oldest first.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<Run>> {
    connection
        .prepare(
            "SELECT id, from_at, until_at, id_count, fences, bloom FROM seen_run
             WHERE live = 1 ORDER BY until_at, id",
        )?
        .query_map([], Run::of)?
        .collect()
}

/// Ids of runs that a crash left half written or half deleted.
pub(super) fn dead(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare("SELECT id FROM seen_run WHERE live = 0")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// Registers a run that is about to be written; gives its id.
pub(super) fn begin(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("INSERT INTO seen_run VALUES (NULL, 0, 0, 0, 0, x'', x'')")?
        .execute([])?;
    Ok(connection.last_insert_rowid())
}

/// Makes a run that was written count.
pub(super) fn publish(connection: &Connection, run: &Run) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE seen_run SET live = 1, from_at = ?2, until_at = ?3, id_count = ?4,
             fences = ?5, bloom = ?6 WHERE id = ?1",
        )?
        .execute((
            run.id,
            run.from_at.0,
            run.until_at.0,
            run.id_count as i64,
            pack_ids(&run.fences),
            run.bloom.to_bytes(),
        ))?;
    Ok(())
}

/// Makes a run count no more; its blocks are deleted later.
pub(super) fn retire(connection: &Connection, run: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE seen_run SET live = 0, fences = x'', bloom = x'' WHERE id = ?1")?
        .execute([run])?;
    Ok(())
}

/// Deletes at most `limit` blocks of a retired run; true once it is gone.
pub(super) fn delete_blocks(
    connection: &Connection,
    run: i64,
    limit: usize,
) -> rusqlite::Result<bool> {
    let from = run << BLOCK_KEY_SHIFT;
    let until = (run + 1) << BLOCK_KEY_SHIFT;
    let deleted_count = connection
        .prepare_cached(
            "DELETE FROM seen_block WHERE key IN
             (SELECT key FROM seen_block WHERE key >= ?1 AND key < ?2 LIMIT ?3)",
        )?
        .execute((from, until, limit as i64))?;
    if deleted_count == limit {
        return Ok(false);
    }
    connection
        .prepare_cached("DELETE FROM seen_run WHERE id = ?1")?
        .execute([run])?;
    Ok(true)
}

pub(super) fn write_block(
    connection: &Connection,
    run: i64,
    number: usize,
    ids: &[u128],
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO seen_block VALUES (?1, ?2)")?
        .execute(((run << BLOCK_KEY_SHIFT) + number as i64, pack_ids(ids)))?;
    Ok(())
}

pub(super) fn read_block(
    connection: &Connection,
    run: i64,
    number: usize,
) -> rusqlite::Result<Vec<u128>> {
    connection
        .prepare_cached("SELECT ids FROM seen_block WHERE key = ?1")?
        .query_row([(run << BLOCK_KEY_SHIFT) + number as i64], |row| {
            unpack_ids(row.get_ref(0)?.as_blob()?)
        })
        .optional()?
        .ok_or_else(|| damaged("a block of event ids is missing"))
}

pub(super) fn pack_ids(ids: &[u128]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of_val(ids));
    for id in ids {
        bytes.extend_from_slice(&id.to_be_bytes());
    }
    bytes
}

pub(super) fn unpack_ids(bytes: &[u8]) -> rusqlite::Result<Vec<u128>> {
    let (ids, rest) = bytes.as_chunks::<{ size_of::<Bits>() }>();
    if !rest.is_empty() {
        return Err(damaged("a list of event ids is cut short"));
    }
    Ok(ids.iter().map(|id| u128::from_be_bytes(*id)).collect())
}
