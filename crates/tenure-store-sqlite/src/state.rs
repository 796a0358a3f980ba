//! Subject states and checkpoints.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rusqlite::{Connection, OptionalExtension, Row};
use tenure_core::id::{RootId, SubjectId};
use tenure_core::log::Position;
use tenure_core::time::Timestamp;
use tenure_store::batch::Checkpoint;
use tenure_store::query::audience_of;
use tenure_store::row::State;

use crate::key::{Root, Subject};
use crate::tally::{Counted, Tally};
use crate::{log, timeline};

/// Writes the states that changed, with their timelines.
pub(crate) fn checkpoint(
    connection: &Connection,
    checkpoint: &Checkpoint,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    log::set_checkpoint(connection, checkpoint.mark)?;
    let mut added: BTreeMap<SubjectId, Vec<Position>> = BTreeMap::new();
    for (subject, positions) in &checkpoint.timelines {
        added.entry(*subject).or_default().extend(positions);
    }
    // In the order of the index, so that neighbours share its pages.
    let mut states: Vec<&State> = checkpoint.states.iter().collect();
    states.sort_by_key(|state| state.subject);
    for state in states {
        let positions = added.remove(&state.subject).unwrap_or_default();
        put(connection, state, &positions, tally)?;
    }
    for subject in &checkpoint.removed {
        remove(connection, *subject, tally)?;
    }
    for (subject, positions) in added {
        extend_timeline(connection, subject, &positions)?;
    }
    for (from, into) in &checkpoint.timelines_joined {
        timeline::join(connection, *from, *into)?;
    }
    Ok(())
}

struct Stored {
    id: i64,
    root: Root,
    wake_at: Option<i64>,
    tail: Vec<u8>,
}

fn stored(connection: &Connection, subject: SubjectId) -> rusqlite::Result<Option<Stored>> {
    connection
        .prepare_cached("SELECT id, root, wake_at, tail FROM state WHERE subject = ?1")?
        .query_row([Subject(subject)], |row| {
            Ok(Stored {
                id: row.get(0)?,
                root: row.get(1)?,
                wake_at: row.get(2)?,
                tail: row.get(3)?,
            })
        })
        .optional()
}

fn put(
    connection: &Connection,
    state: &State,
    added: &[Position],
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let Some(stored) = stored(connection, state.subject)? else {
        return insert(connection, state, added, tally);
    };
    let tail = timeline::extend(connection, state.subject, &stored.tail, added)?;
    let wake_at = state.wake_at.map(|at| at.0);
    // A column that is set rewrites its index entry even when its value stays.
    if stored.root.0 != state.root {
        connection
            .prepare_cached("UPDATE state SET root = ?2, wake_at = ?3 WHERE id = ?1")?
            .execute((stored.id, Root(state.root), wake_at))?;
    } else if stored.wake_at != wake_at {
        return connection
            .prepare_cached("UPDATE state SET tail = ?2, bytes = ?3, wake_at = ?4 WHERE id = ?1")?
            .execute((stored.id, tail, &state.bytes, wake_at))
            .map(drop);
    }
    connection
        .prepare_cached("UPDATE state SET tail = ?2, bytes = ?3 WHERE id = ?1")?
        .execute((stored.id, tail, &state.bytes))
        .map(drop)
}

fn insert(
    connection: &Connection,
    state: &State,
    added: &[Position],
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let tail = timeline::extend(connection, state.subject, &[], added)?;
    tally.add(Counted::Subjects(audience_of(state.subject)), 1);
    connection
        .prepare_cached(
            "INSERT INTO state (wake_at, subject, root, tail, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            state.wake_at.map(|at| at.0),
            Subject(state.subject),
            Root(state.root),
            tail,
            &state.bytes,
        ))?;
    Ok(())
}

fn remove(connection: &Connection, subject: SubjectId, tally: &mut Tally) -> rusqlite::Result<()> {
    let Some(stored) = stored(connection, subject)? else {
        return Ok(());
    };
    timeline::write_rows(connection, subject, &timeline::decode(&stored.tail)?)?;
    tally.add(Counted::Subjects(audience_of(subject)), -1);
    connection
        .prepare_cached("DELETE FROM state WHERE id = ?1")?
        .execute([stored.id])?;
    Ok(())
}

/// Takes out the state of an erased person, if it is kept under this root, with all its traces.
pub(crate) fn erase(
    connection: &Connection,
    subject: SubjectId,
    root: RootId,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let deleted_count = connection
        .prepare_cached("DELETE FROM state WHERE subject = ?1 AND root = ?2")?
        .execute((Subject(subject), Root(root)))?;
    tally.add(
        Counted::Subjects(audience_of(subject)),
        -(deleted_count as i64),
    );
    Ok(())
}

fn extend_timeline(
    connection: &Connection,
    subject: SubjectId,
    added: &[Position],
) -> rusqlite::Result<()> {
    let Some(stored) = stored(connection, subject)? else {
        return timeline::write_rows(connection, subject, added);
    };
    let tail = timeline::extend(connection, subject, &stored.tail, added)?;
    connection
        .prepare_cached("UPDATE state SET tail = ?2 WHERE id = ?1")?
        .execute((stored.id, tail))?;
    Ok(())
}

pub(crate) fn of_roots(connection: &Connection, roots: &[RootId]) -> rusqlite::Result<Vec<State>> {
    let wanted: BTreeSet<_> = roots.iter().copied().collect();
    let mut select = connection.prepare_cached(
        "SELECT subject, root, wake_at, bytes FROM state WHERE root = ?1 ORDER BY subject",
    )?;
    let mut states = Vec::with_capacity(wanted.len());
    for root in wanted {
        let mut rows = select.query([Root(root)])?;
        while let Some(row) = rows.next()? {
            states.push(state_of(row)?);
        }
    }
    Ok(states)
}

pub(crate) fn of_subject(
    connection: &Connection,
    subject: SubjectId,
) -> rusqlite::Result<Option<State>> {
    connection
        .prepare_cached("SELECT subject, root, wake_at, bytes FROM state WHERE subject = ?1")?
        .query_row([Subject(subject)], state_of)
        .optional()
}

/// Subjects after `after` up to and including `last`, in id order.
pub(crate) fn range(
    connection: &Connection,
    (after, last): (Option<SubjectId>, SubjectId),
    limit: usize,
) -> rusqlite::Result<Vec<State>> {
    connection
        .prepare_cached(
            "SELECT subject, root, wake_at, bytes FROM state
             WHERE subject > coalesce(?1, x'') AND subject <= ?2 ORDER BY subject LIMIT ?3",
        )?
        .query_map((after.map(Subject), Subject(last), limit as i64), state_of)?
        .collect()
}

fn state_of(row: &Row<'_>) -> rusqlite::Result<State> {
    Ok(State {
        subject: row.get::<_, Subject>(0)?.0,
        root: row.get::<_, Root>(1)?.0,
        wake_at: row.get::<_, Option<i64>>(2)?.map(Timestamp),
        bytes: row.get(3)?,
    })
}

pub(crate) fn waking(
    connection: &Connection,
    until: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<(Timestamp, RootId)>> {
    let mut select = connection.prepare_cached(
        "SELECT wake_at, root FROM state WHERE wake_at <= ?1 ORDER BY wake_at, root",
    )?;
    let mut rows = select.query([until.0])?;
    // At a start this is every root there is.
    let mut known = HashSet::new();
    let mut waking = Vec::new();
    while waking.len() < limit {
        let Some(row) = rows.next()? else { break };
        let root = row.get::<_, Root>(1)?.0;
        if known.insert(root) {
            waking.push((Timestamp(row.get(0)?), root));
        }
    }
    Ok(waking)
}

pub(crate) fn roots(
    connection: &Connection,
    from_bits: u128,
    limit: usize,
) -> rusqlite::Result<Vec<RootId>> {
    connection
        .prepare_cached("SELECT DISTINCT root FROM state WHERE root >= ?1 ORDER BY root LIMIT ?2")?
        .query_map((from_bits.to_be_bytes(), limit as i64), |row| {
            row.get::<_, Root>(0).map(|root| root.0)
        })?
        .collect()
}
