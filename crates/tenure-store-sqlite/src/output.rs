//! What came out of the engine besides messages and decisions: tasks, memberships, enrollments,
//! and what could not be processed.

use rusqlite::{Connection, OptionalExtension, Row};
use tenure_core::define::Audience;
use tenure_core::effect::{EnrollmentChange, EnrollmentStatus, MembershipChange, TaskIntent};
use tenure_core::id::{AccountId, PersonId, SubjectId, TaskId};
use tenure_core::time::Timestamp;
use tenure_store::query::{EnrollmentFilter, Page, TaskFilter};
use tenure_store::row::{DeadLetter, Member, Task};

use crate::key::{Bits, Subject, pack, status, status_number, unpack};
use crate::list::{Cursor, Select};
use crate::tally::{Counted, Tally};

const TASKS: &str =
    "SELECT completed_at, outcome, intent, changed, owner, due_at, snoozed_until FROM task";

pub(crate) fn insert_tasks(connection: &Connection, tasks: &[TaskIntent]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO task (id, created_at, subject, owner, intent) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?;
    for intent in tasks {
        insert.execute((
            Bits::of(intent.id),
            intent.created_at.0,
            Subject(intent.subject),
            &intent.owner,
            pack(intent)?,
        ))?;
    }
    Ok(())
}

pub(crate) fn tasks(
    connection: &Connection,
    filter: &TaskFilter,
    after: Option<Cursor>,
    page: &Page,
) -> rusqlite::Result<Vec<Task>> {
    let mut select = Select::new(TASKS);
    select.equal("subject", filter.subject.map(Subject));
    select.equal("owner", filter.owner.clone());
    match filter.open {
        Some(true) => select.condition("completed_at IS NULL"),
        Some(false) => select.condition("completed_at IS NOT NULL"),
        None => {}
    }
    match filter.audience {
        Some(Audience::Account) => select.condition("+subject < x'01'"),
        Some(Audience::Person) => select.condition("+subject >= x'01'"),
        None => {}
    }
    select.newest_first("created_at", after, page);
    select.rows(connection, task_of)
}

pub(crate) fn task(connection: &Connection, id: TaskId) -> rusqlite::Result<Option<Task>> {
    connection
        .prepare_cached(&format!("{TASKS} WHERE id = ?1"))?
        .query_row([Bits::of(id)], task_of)
        .optional()
}

fn task_of(row: &Row<'_>) -> rusqlite::Result<Task> {
    let mut task = Task::new(unpack(row.get_ref(2)?.as_blob()?)?);
    task.completed_at = row.get::<_, Option<i64>>(0)?.map(Timestamp);
    task.outcome = row.get::<_, Option<String>>(1)?.map(Into::into);
    if row.get(3)? {
        task.owner = row.get::<_, Option<String>>(4)?.map(Into::into);
        task.due_at = row.get::<_, Option<i64>>(5)?.map(Timestamp);
        task.snoozed_until = row.get::<_, Option<i64>>(6)?.map(Timestamp);
    }
    Ok(task)
}

pub(crate) fn change_members(
    connection: &Connection,
    changes: &[MembershipChange],
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let mut update = connection
        .prepare_cached("UPDATE membership SET since = ?3 WHERE segment = ?1 AND subject = ?2")?;
    let mut insert = connection.prepare_cached("INSERT INTO membership VALUES (?1, ?2, ?3)")?;
    let mut delete =
        connection.prepare_cached("DELETE FROM membership WHERE segment = ?1 AND subject = ?2")?;
    for change in changes {
        let subject = Subject(change.subject);
        let counted = Counted::Members(change.segment.clone());
        if !change.entered {
            let deleted_count = delete.execute((&change.segment, subject))?;
            tally.add(counted, -(deleted_count as i64));
        } else if update.execute((&change.segment, subject, change.at.0))? == 0 {
            insert.execute((&change.segment, subject, change.at.0))?;
            tally.add(counted, 1);
        }
    }
    Ok(())
}

pub(crate) fn members(
    connection: &Connection,
    segment: &str,
    after: Option<SubjectId>,
    page: &Page,
) -> rusqlite::Result<Vec<Member>> {
    connection
        .prepare_cached(
            "SELECT subject, since FROM membership
             WHERE segment = ?1 AND subject > coalesce(?2, x'') ORDER BY subject LIMIT ?3",
        )?
        .query_map(
            (segment, after.map(Subject), page.row_count() as i64),
            |row| {
                Ok(Member {
                    subject: row.get::<_, Subject>(0)?.0,
                    since: Timestamp(row.get(1)?),
                })
            },
        )?
        .collect()
}

struct OldEnrollment {
    is_moved: bool,
    place: Counted,
}

pub(crate) fn change_enrollments(
    connection: &Connection,
    changes: &[EnrollmentChange],
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    for change in changes {
        if let Some(old) = old_enrollment(connection, change)? {
            tally.add(old.place, -1);
            if old.is_moved {
                connection
                    .prepare_cached("DELETE FROM enrollment WHERE id = ?1")?
                    .execute([Bits::of(change.id)])?;
            }
        }
        tally.add(
            place(
                &change.program,
                change.version,
                change.status,
                change.step.clone(),
            ),
            1,
        );
        put_enrollment(connection, change)?;
    }
    Ok(())
}

fn place(program: &str, version: u32, status: EnrollmentStatus, step: Option<Box<str>>) -> Counted {
    Counted::Enrollments(program.into(), version, status, step)
}

fn old_enrollment(
    connection: &Connection,
    change: &EnrollmentChange,
) -> rusqlite::Result<Option<OldEnrollment>> {
    connection
        .prepare_cached(
            "SELECT program, version, status, step, entered_at, subject
             FROM enrollment WHERE id = ?1",
        )?
        .query_row([Bits::of(change.id)], |row| {
            let program = row.get::<_, String>(0)?;
            Ok(OldEnrollment {
                is_moved: *program != *change.program
                    || row.get::<_, i64>(4)? != change.entered_at.0
                    || row.get::<_, Subject>(5)?.0 != change.subject,
                place: place(
                    &program,
                    row.get(1)?,
                    status(row.get(2)?)?,
                    row.get::<_, Option<String>>(3)?.map(Into::into),
                ),
            })
        })
        .optional()
}

fn put_enrollment(connection: &Connection, change: &EnrollmentChange) -> rusqlite::Result<()> {
    // The columns of the indexes are not set again: that would rewrite their entries.
    connection
        .prepare_cached(
            "INSERT INTO enrollment
             (id, entered_at, at, subject, program, version, status, step, key, held_out)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT DO UPDATE SET at = excluded.at, version = excluded.version,
             status = excluded.status, step = excluded.step, key = excluded.key,
             held_out = excluded.held_out",
        )?
        .execute((
            Bits::of(change.id),
            change.entered_at.0,
            change.at.0,
            Subject(change.subject),
            &change.program,
            change.version,
            status_number(change.status),
            &change.step,
            &change.key,
            change.held_out,
        ))?;
    Ok(())
}

pub(crate) fn enrollments(
    connection: &Connection,
    filter: &EnrollmentFilter,
    after: Option<Cursor>,
    page: &Page,
) -> rusqlite::Result<Vec<EnrollmentChange>> {
    let mut select = Select::new(
        "SELECT id, subject, program, version, key, entered_at, step, status, at, held_out
         FROM enrollment",
    );
    select.equal("subject", filter.subject.map(Subject));
    select.equal("program", filter.program.clone());
    select.equal("status", filter.status.map(status_number));
    select.equal("step", filter.step.clone());
    select.equal("held_out", filter.held_out.map(i64::from));
    select.newest_first("entered_at", after, page);
    select.rows(connection, enrollment_of)
}

fn enrollment_of(row: &Row<'_>) -> rusqlite::Result<EnrollmentChange> {
    Ok(EnrollmentChange {
        id: row.get::<_, Bits>(0)?.id(),
        subject: row.get::<_, Subject>(1)?.0,
        program: row.get::<_, String>(2)?.into(),
        version: row.get(3)?,
        key: row.get::<_, Option<String>>(4)?.map(Into::into),
        entered_at: Timestamp(row.get(5)?),
        step: row.get::<_, Option<String>>(6)?.map(Into::into),
        status: status(row.get(7)?)?,
        at: Timestamp(row.get(8)?),
        held_out: row.get(9)?,
    })
}

pub(crate) fn insert_dead_letters(
    connection: &Connection,
    letters: &[DeadLetter],
) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT INTO dead_letter (position, at, reason) VALUES (?1, ?2, ?3)")?;
    for letter in letters {
        insert.execute((letter.position as i64, letter.at.0, &letter.reason))?;
    }
    Ok(())
}

pub(crate) fn dead_letters(
    connection: &Connection,
    after: Option<(Timestamp, u64)>,
    page: &Page,
) -> rusqlite::Result<Vec<DeadLetter>> {
    let (at, id) = after.map_or((i64::MAX, i64::MAX), |(at, id)| (at.0, id as i64));
    connection
        .prepare_cached(
            "SELECT id, position, at, reason FROM dead_letter WHERE (at, id) < (?1, ?2)
             ORDER BY at DESC, id DESC LIMIT ?3",
        )?
        .query_map((at, id, page.row_count() as i64), |row| {
            Ok(DeadLetter {
                id: row.get::<_, i64>(0)? as u64,
                position: row.get::<_, i64>(1)? as u64,
                at: Timestamp(row.get(2)?),
                reason: row.get::<_, String>(3)?.into(),
            })
        })?
        .collect()
}

pub(crate) fn people_of(
    connection: &Connection,
    account: AccountId,
    after: Option<PersonId>,
    page: &Page,
) -> rusqlite::Result<Vec<PersonId>> {
    connection
        .prepare_cached(
            "SELECT id FROM person
             WHERE account = ?1 AND merged_into IS NULL AND id > coalesce(?2, x'')
             ORDER BY id LIMIT ?3",
        )?
        .query_map(
            (
                Bits::of(account),
                after.map(Bits::of),
                page.row_count() as i64,
            ),
            |row| row.get::<_, Bits>(0).map(Bits::id),
        )?
        .collect()
}
