//! Small things of the shell, by collection and key.

use rusqlite::{Connection, OptionalExtension, Row};
use tenure_core::time::Timestamp;
use tenure_store::Batch;
use tenure_store::query::{Page, RecordFilter};
use tenure_store::row::Record;

/// Puts, takes out and expires the records of a batch.
pub(crate) fn apply(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    let mut put =
        connection.prepare_cached("INSERT OR REPLACE INTO record VALUES (?1, ?2, ?3, ?4)")?;
    for record in &batch.records {
        put.execute((&record.collection, &record.key, record.at.0, &record.bytes))?;
    }
    let mut remove =
        connection.prepare_cached("DELETE FROM record WHERE collection = ?1 AND key = ?2")?;
    for key in &batch.records_removed {
        remove.execute((&key.0, &key.1))?;
    }
    let mut expire =
        connection.prepare_cached("DELETE FROM record WHERE collection = ?1 AND at < ?2")?;
    for (collection, before) in &batch.records_expired {
        expire.execute((collection, before.0))?;
    }
    Ok(())
}

pub(crate) fn one(
    connection: &Connection,
    collection: &str,
    key: &str,
) -> rusqlite::Result<Option<Record>> {
    connection
        .prepare_cached(
            "SELECT collection, key, at, bytes FROM record WHERE collection = ?1 AND key = ?2",
        )?
        .query_row((collection, key), record_of)
        .optional()
}

pub(crate) fn list(
    connection: &Connection,
    filter: &RecordFilter,
    page: &Page,
) -> rusqlite::Result<Vec<Record>> {
    let end = after_prefix(&filter.prefix);
    let (low, high) = match (&page.after, filter.descending) {
        (Some(after), false) => (Some(after.clone()), end),
        (Some(after), true) => (None, Some(after.clone())),
        (None, _) => (None, end),
    };
    let order = if filter.descending { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT collection, key, at, bytes FROM record
         WHERE collection = ?1 AND key >= ?2 AND key > coalesce(?3, '')
         AND (?4 IS NULL OR key < ?4) ORDER BY key {order} LIMIT ?5"
    );
    connection
        .prepare_cached(&sql)?
        .query_map(
            (
                &filter.collection,
                &filter.prefix,
                low,
                high,
                page.row_count() as i64,
            ),
            record_of,
        )?
        .collect()
}

pub(crate) fn count(connection: &Connection, collection: &str) -> rusqlite::Result<u64> {
    let count = connection
        .prepare_cached("SELECT count(*) FROM record WHERE collection = ?1")?
        .query_row([collection], |row| row.get::<_, i64>(0))?;
    Ok(count as u64)
}

/// The least text after all that begin with `prefix`; `None` when there is no bound.
fn after_prefix(prefix: &str) -> Option<String> {
    let last = prefix.chars().last()?;
    let next = char::from_u32(last as u32 + 1)?;
    let mut end = prefix[..prefix.len() - last.len_utf8()].to_owned();
    end.push(next);
    Some(end)
}

fn record_of(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        collection: row.get::<_, String>(0)?.into(),
        key: row.get::<_, String>(1)?.into(),
        at: Timestamp(row.get(2)?),
        bytes: row.get(3)?,
    })
}
