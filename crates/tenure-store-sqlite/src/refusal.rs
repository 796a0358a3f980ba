//! Addresses and choices that messages may not go against.

use rusqlite::{Connection, OptionalExtension, Row};
use tenure_core::id::SuppressionId;
use tenure_core::time::Timestamp;
use tenure_store::query::{Page, RefusalFilter};
use tenure_store::row::{Refusal, RefusalKind};

use crate::key::Bits;

const COLUMNS: &str = "key, kind, person, topic, at, reason";

fn number(kind: RefusalKind) -> i64 {
    match kind {
        RefusalKind::Address => 0,
        RefusalKind::Topic => 1,
        RefusalKind::Person => 2,
    }
}

pub(crate) fn put(
    connection: &Connection,
    changes: &[(u128, Option<Refusal>)],
) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO suppression (key, kind, person, topic, at, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut delete = connection.prepare_cached("DELETE FROM suppression WHERE key = ?1")?;
    for (key, refusal) in changes {
        match refusal {
            Some(refusal) => put.execute((
                Bits(*key),
                number(refusal.kind),
                refusal.person.map(Bits::of),
                &refusal.topic,
                refusal.at.0,
                &refusal.reason,
            ))?,
            None => delete.execute([Bits(*key)])?,
        };
    }
    Ok(())
}

pub(crate) fn get(connection: &Connection, id: SuppressionId) -> rusqlite::Result<Option<Refusal>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM suppression WHERE key = ?1"))?
        .query_row([Bits::of(id)], refusal_of)
        .optional()
        .map(|found| found.map(|(_, refusal)| refusal))
}

pub(crate) fn list(
    connection: &Connection,
    filter: &RefusalFilter,
    after: Option<(Timestamp, SuppressionId)>,
    page: &Page,
) -> rusqlite::Result<Vec<(SuppressionId, Refusal)>> {
    // Keys are 16 bytes, so 17 come after all of them.
    let (at, key) = after.map_or((i64::MAX, vec![0xff; 17]), |(at, id)| {
        (at.0, id.0.to_be_bytes().to_vec())
    });
    // With a person the index of persons is used, without one that of instants.
    let person = match filter.person {
        Some(_) => "person = ?3",
        None => "?3 IS NULL",
    };
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM suppression
             WHERE (at, key) < (?1, ?2) AND {person} AND (?4 IS NULL OR kind = ?4)
             ORDER BY at DESC, key DESC LIMIT ?5"
        ))?
        .query_map(
            (
                at,
                key,
                filter.person.map(Bits::of),
                filter.kind.map(number),
                page.row_count() as i64,
            ),
            refusal_of,
        )?
        .collect()
}

fn refusal_of(row: &Row<'_>) -> rusqlite::Result<(SuppressionId, Refusal)> {
    let refusal = Refusal {
        kind: match row.get::<_, i64>(1)? {
            0 => RefusalKind::Address,
            1 => RefusalKind::Topic,
            _ => RefusalKind::Person,
        },
        person: row.get::<_, Option<Bits>>(2)?.map(Bits::id),
        topic: row.get::<_, Option<String>>(3)?.map(Into::into),
        at: Timestamp(row.get(4)?),
        reason: row.get::<_, String>(5)?.into(),
    };
    Ok((row.get::<_, Bits>(0)?.id(), refusal))
}
