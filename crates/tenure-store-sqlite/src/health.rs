//! The history of health.

use rusqlite::Connection;
use tenure_core::effect::HealthRecord;
use tenure_core::id::SubjectId;
use tenure_core::time::Timestamp;
use tenure_store::query::{Page, health_kind_number};

use crate::key::{Subject, pack, unpack};

pub(crate) fn insert(connection: &Connection, records: &[HealthRecord]) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO health VALUES (?1, ?2, ?3, ?4)")?;
    for record in records {
        insert.execute((
            Subject(record.subject),
            record.at.0,
            health_kind_number(record.kind),
            pack(record)?,
        ))?;
    }
    Ok(())
}

pub(crate) fn history(
    connection: &Connection,
    subject: SubjectId,
    after: Option<(Timestamp, u8)>,
    page: &Page,
) -> rusqlite::Result<Vec<HealthRecord>> {
    let (at, kind) = after.map_or((i64::MAX, u8::MAX), |(at, kind)| (at.0, kind));
    connection
        .prepare_cached(
            "SELECT record FROM health WHERE subject = ?1 AND (at, kind) < (?2, ?3)
             ORDER BY at DESC, kind DESC LIMIT ?4",
        )?
        .query_map(
            (Subject(subject), at, kind, page.row_count() as i64),
            |row| unpack(row.get_ref(0)?.as_blob()?),
        )?
        .collect()
}
