//! Applying a batch within a transaction.

use rusqlite::Connection;
use tenure_core::id::PersonId;
use tenure_store::batch::{Batch, TaskUpdate};
use tenure_store::row::{Person, PlanRow};

use crate::key::Bits;
use crate::tally::Tally;
use crate::{audit, decision, dedup, erase, health, log, message, output, record, refusal, state};

/// What is to be done in memory once a batch is durable.
pub(crate) struct Applied {
    /// The row that holds its event ids.
    pub(crate) seen_row: Option<i64>,
    pub(crate) decisions: decision::Change,
}

/// Writes all of a batch, in the order of its fields.
pub(crate) fn apply(
    connection: &Connection,
    waiting: &decision::Waiting,
    batch: &Batch,
) -> rusqlite::Result<Applied> {
    let mut tally = Tally::default();
    put_settings(connection, &batch.settings)?;
    let seen_row = append(connection, batch)?;
    put_identities(connection, &batch.identities)?;
    put_persons(connection, &batch.persons)?;
    if let Some(mark) = batch.applied {
        log::set_applied(connection, mark)?;
    }
    message::insert(connection, &batch.messages, &mut tally)?;
    output::insert_tasks(connection, &batch.tasks)?;
    let decisions = decision::put(connection, waiting, &batch.decisions, &batch.erased)?;
    output::change_members(connection, &batch.memberships, &mut tally)?;
    output::change_enrollments(connection, &batch.enrollments, &mut tally)?;
    health::insert(connection, &batch.health)?;
    output::insert_dead_letters(connection, &batch.dead_letters)?;
    for (subject, root) in &batch.states_erased {
        state::erase(connection, *subject, *root, &mut tally)?;
    }
    if let Some(checkpoint) = &batch.checkpoint {
        state::checkpoint(connection, checkpoint, &mut tally)?;
    }
    for update in &batch.dispatched {
        message::update(connection, update, &mut tally)?;
    }
    refusal::put(connection, &batch.suppressions)?;
    update_tasks(connection, &batch.task_updates)?;
    if let Some(plan) = &batch.plan {
        insert_plan(connection, plan)?;
    }
    remove_dead_letters(connection, &batch.dead_letters_removed)?;
    record::apply(connection, batch)?;
    for chunk in &batch.chunks_redacted {
        log::replace(connection, chunk)?;
    }
    for erased in &batch.erased {
        erase::erase(connection, *erased, &mut tally)?;
    }
    audit::append(connection, &batch.audit)?;
    tally.store(connection)?;
    Ok(Applied {
        seen_row,
        decisions,
    })
}

fn append(connection: &Connection, batch: &Batch) -> rusqlite::Result<Option<i64>> {
    let Some(chunk) = &batch.chunk else {
        return Ok(None);
    };
    log::append(connection, chunk)?;
    if batch.seen.is_empty() {
        return Ok(None);
    }
    dedup::append(connection, chunk.received_at, &batch.seen).map(Some)
}

fn put_settings(connection: &Connection, settings: &[(Box<str>, Vec<u8>)]) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO setting VALUES (?1, ?2)")?;
    for setting in settings {
        put.execute((&setting.0, &setting.1))?;
    }
    Ok(())
}

fn put_identities(
    connection: &Connection,
    identities: &[(u128, PersonId)],
) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO identity VALUES (?1, ?2)")?;
    for (key, person) in identities {
        put.execute((Bits(*key), Bits::of(*person)))?;
    }
    Ok(())
}

fn put_persons(connection: &Connection, persons: &[(PersonId, Person)]) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO person VALUES (?1, ?2, ?3)")?;
    for (id, person) in persons {
        put.execute((
            Bits::of(*id),
            person.account.map(Bits::of),
            person.merged_into.map(Bits::of),
        ))?;
    }
    Ok(())
}

fn update_tasks(connection: &Connection, updates: &[TaskUpdate]) -> rusqlite::Result<()> {
    let mut set = connection.prepare_cached(
        "UPDATE task SET completed_at = ?2, outcome = ?3, owner = ?4, due_at = ?5,
         snoozed_until = ?6, changed = 1 WHERE id = ?1",
    )?;
    for update in updates {
        set.execute((
            Bits::of(update.id),
            update.completed_at.map(|at| at.0),
            &update.outcome,
            &update.owner,
            update.due_at.map(|at| at.0),
            update.snoozed_until.map(|at| at.0),
        ))?;
    }
    Ok(())
}

fn insert_plan(connection: &Connection, plan: &PlanRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO plan VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
        .execute((
            plan.version,
            plan.published_at.0,
            &plan.author,
            &plan.sources,
        ))?;
    Ok(())
}

fn remove_dead_letters(connection: &Connection, ids: &[u64]) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM dead_letter WHERE id = ?1")?;
    for id in ids {
        delete.execute([*id as i64])?;
    }
    Ok(())
}
