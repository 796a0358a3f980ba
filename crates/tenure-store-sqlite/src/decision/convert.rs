//! From a row for each decision, with two indexes, to blocks.

use rusqlite::Connection;
use tenure_core::decision::Decision;

use super::block;
use crate::error::damaged;
use crate::key::unpack;

/// Bytes of one key in an old block: instant (8) and id (16).
const OLD_KEY_BYTES: usize = 24;

/// Moves all decisions into blocks, under the numbers they have. The index is made from the
/// blocks when the store opens, as it always is.
pub(crate) fn convert(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DROP INDEX decision_subject; DROP INDEX decision_program;")?;
    let mut select =
        connection.prepare("SELECT first, keys FROM decision_block_old ORDER BY first")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let first = row.get::<_, i64>(0)? as u64;
        let keys = row.get_ref(1)?.as_blob()?.chunks_exact(OLD_KEY_BYTES);
        let decisions: Vec<Decision> = keys
            .map(|key| take(connection, key))
            .collect::<rusqlite::Result<_>>()?;
        block::append(connection, first, decisions.iter())?;
    }
    drop(rows);
    drop(select);
    append_unnumbered(connection)?;
    connection.execute_batch("DROP TABLE decision; DROP TABLE decision_block_old;")
}

fn take(connection: &Connection, key: &[u8]) -> rusqlite::Result<Decision> {
    let (at, id) = key.split_at(8);
    let at = i64::from_be_bytes(
        at.try_into()
            .map_err(|_| damaged("a key of a decision is cut short"))?,
    );
    let decision = connection
        .prepare_cached("SELECT body FROM decision WHERE at = ?1 AND id = ?2")?
        .query_row((at, id), |row| unpack(row.get_ref(0)?.as_blob()?))?;
    connection
        .prepare_cached("DELETE FROM decision WHERE at = ?1 AND id = ?2")?
        .execute((at, id))?;
    Ok(decision)
}

/// Decisions of before there were numbers come last: the numbers given must stay.
fn append_unnumbered(connection: &Connection) -> rusqlite::Result<()> {
    let mut select = connection.prepare("SELECT body FROM decision ORDER BY at, id")?;
    let mut rows = select.query([])?;
    let mut part: Vec<Decision> = Vec::with_capacity(block::BLOCK_DECISIONS);
    loop {
        let row = rows.next()?;
        let is_over = row.is_none();
        if let Some(row) = row {
            part.push(unpack(row.get_ref(0)?.as_blob()?)?);
        }
        if part.len() == block::BLOCK_DECISIONS || is_over {
            let first = block::end(connection)? + 1;
            block::append(connection, first, part.iter())?;
            part.clear();
        }
        if is_over {
            return Ok(());
        }
    }
}
