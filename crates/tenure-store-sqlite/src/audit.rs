//! The audit trail.

use rusqlite::{Connection, OptionalExtension, Row};
use tenure_core::time::Timestamp;
use tenure_store::Page;
use tenure_store::audit::{AuditFilter, AuditRow};

use crate::list::Select;

const COLUMNS: &str = "SELECT seq, at, actor, action, target, body, hash FROM audit";

/// Appends entries, which were checked to follow the last.
pub(crate) fn append(connection: &Connection, rows: &[AuditRow]) -> rusqlite::Result<()> {
    let mut append =
        connection.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for row in rows {
        append.execute((
            row.seq as i64,
            row.at.0,
            &row.actor,
            &row.action,
            &row.target,
            &row.body,
            row.hash,
        ))?;
    }
    Ok(())
}

/// The last entry.
pub(crate) fn last(connection: &Connection) -> rusqlite::Result<Option<AuditRow>> {
    connection
        .prepare_cached(&format!("{COLUMNS} ORDER BY seq DESC LIMIT 1"))?
        .query_row([], row_of)
        .optional()
}

/// Entries from one on, in order.
pub(crate) fn from(
    connection: &Connection,
    seq: u64,
    limit: usize,
) -> rusqlite::Result<Vec<AuditRow>> {
    connection
        .prepare_cached(&format!("{COLUMNS} WHERE seq >= ?1 ORDER BY seq LIMIT ?2"))?
        .query_map((seq as i64, limit as i64), row_of)?
        .collect()
}

/// Entries by filter, newest first.
pub(crate) fn list(
    connection: &Connection,
    filter: &AuditFilter,
    before: Option<u64>,
    page: &Page,
) -> rusqlite::Result<Vec<AuditRow>> {
    let mut select = Select::new(COLUMNS);
    select.equal("target", filter.target.clone());
    select.equal("actor", filter.actor.clone());
    select.equal("action", filter.action.clone());
    select.compare("at >=", filter.since.map(|at| at.0));
    select.compare("at <", filter.until.map(|at| at.0));
    select.compare("seq <", before.map(|seq| seq as i64));
    select.order(&format!("seq DESC LIMIT {}", page.row_count()));
    select.rows(connection, row_of)
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        seq: row.get::<_, i64>(0)? as u64,
        at: Timestamp(row.get(1)?),
        actor: row.get::<_, String>(2)?.into(),
        action: row.get::<_, String>(3)?.into(),
        target: row.get::<_, String>(4)?.into(),
        body: row.get(5)?,
        hash: row.get(6)?,
    })
}
