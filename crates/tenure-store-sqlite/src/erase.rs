//! Forgetting a person, and leaving no byte of what was forgotten.

use rusqlite::{Connection, DEFAULT_NAME, wal::CheckpointMode};
use tenure_core::id::SubjectId;
use tenure_store::StoreError;
use tenure_store::batch::Erased;

use crate::error::store_error;
use crate::key::{Bits, Subject, message_state, status};
use crate::tally::{Counted, Tally};
use crate::timeline;

/// How often the WAL is tried to be cut while others read from it; each try waits for them as long
/// as a connection waits for a lock.
const CUT_ATTEMPTS: usize = 6;

/// Deletes what is about a person, up to the instant of the erasure; for decisions see
/// [`crate::decision`].
pub(crate) fn erase(
    connection: &Connection,
    erased: Erased,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let person = Bits::of(erased.person);
    let id = SubjectId::Person(erased.person);
    let (subject, until) = (Subject(id), erased.until.0);
    let run = |sql: &str| connection.prepare_cached(sql)?.execute([person]);
    run("DELETE FROM identity WHERE person = ?1")?;
    run("DELETE FROM person WHERE id = ?1")?;
    run("DELETE FROM suppression WHERE person = ?1 AND kind <> 0")?;
    run("UPDATE suppression SET person = NULL WHERE person = ?1")?;
    forget_messages(connection, erased, tally)?;
    forget_members(connection, erased, tally)?;
    forget_enrollments(connection, erased, tally)?;
    for sql in [
        "DELETE FROM task WHERE subject = ?1 AND created_at <= ?2",
        "DELETE FROM health WHERE subject = ?1 AND at <= ?2",
    ] {
        connection.prepare_cached(sql)?.execute((subject, until))?;
    }
    timeline::forget(connection, id, erased.until_position)
}

fn forget_messages(
    connection: &Connection,
    erased: Erased,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let subject = Subject(SubjectId::Person(erased.person));
    let mut delete = connection.prepare_cached(
        "DELETE FROM message WHERE (person = ?1 OR subject = ?2) AND decided_at <= ?3
         RETURNING state",
    )?;
    let whose = (Bits::of(erased.person), subject, erased.until.0);
    let mut rows = delete.query(whose)?;
    while let Some(row) = rows.next()? {
        tally.add(Counted::Messages(message_state(row.get(0)?)?), -1);
    }
    Ok(())
}

fn forget_members(
    connection: &Connection,
    erased: Erased,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let subject = Subject(SubjectId::Person(erased.person));
    // By segment, since the key begins with it.
    let mut segments = connection.prepare_cached("SELECT DISTINCT segment FROM membership")?;
    let mut delete = connection.prepare_cached(
        "DELETE FROM membership WHERE segment = ?1 AND subject = ?2 AND since <= ?3",
    )?;
    let names: Vec<String> = segments
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for name in names {
        let deleted_count = delete.execute((&name, subject, erased.until.0))?;
        tally.add(Counted::Members(name.into()), -(deleted_count as i64));
    }
    Ok(())
}

fn forget_enrollments(
    connection: &Connection,
    erased: Erased,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let subject = Subject(SubjectId::Person(erased.person));
    let mut delete = connection.prepare_cached(
        "DELETE FROM enrollment WHERE subject = ?1 AND entered_at <= ?2
         RETURNING program, version, status, step",
    )?;
    let mut rows = delete.query((subject, erased.until.0))?;
    while let Some(row) = rows.next()? {
        let place = Counted::Enrollments(
            row.get::<_, String>(0)?.into(),
            row.get(1)?,
            status(row.get(2)?)?,
            row.get::<_, Option<String>>(3)?.map(Into::into),
        );
        tally.add(place, -1);
    }
    Ok(())
}

/// Writes the whole database anew and cuts the WAL to nothing. What was deleted before is in
/// neither then.
pub(crate) fn compact(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("VACUUM").map_err(store_error)?;
    for _ in 0..CUT_ATTEMPTS {
        let cut = connection.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::TRUNCATE);
        match cut {
            Ok((0, _)) => return Ok(()),
            Ok(_) => {}
            Err(error) if is_busy(&error) => {}
            Err(error) => return Err(store_error(error)),
        }
    }
    Err(StoreError::Other(
        "others read from the store without a pause, so its WAL cannot be cut; try again".into(),
    ))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}
