//! What the engine decided besides messages: tasks, decisions, memberships, enrollments, and
//! what could not be processed.

use rusqlite::{Connection, OptionalExtension, Row};
use tenure_core::decision::Decision;
use tenure_core::define::Audience;
use tenure_core::effect::{EnrollmentChange, EnrollmentStatus, MembershipChange, TaskIntent};
use tenure_core::id::{AccountId, PersonId, SubjectId};
use tenure_core::time::Timestamp;
use tenure_store::query::{DecisionFilter, EnrollmentFilter, Page, TaskFilter};
use tenure_store::row::{DeadLetter, Member, Task};

use crate::key::{Bits, Subject, pack, status, status_number, unpack};
use crate::list::{Cursor, Select};
use crate::tally::{Counted, Tally};

/// Bytes of one key in a block: instant and id.
const DECISION_KEY_BYTES: usize = 24;

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
    let mut select = Select::new("SELECT completed_at, outcome, intent FROM task");
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
    select.rows(connection, |row| {
        Ok(Task {
            completed_at: row.get::<_, Option<i64>>(0)?.map(Timestamp),
            outcome: row.get::<_, Option<String>>(1)?.map(Into::into),
            intent: unpack(row.get_ref(2)?.as_blob()?)?,
        })
    })
}

pub(crate) fn insert_decisions(
    connection: &Connection,
    decisions: &[Decision],
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO decision (at, id, subject, program, outcome, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    let mut keys = Vec::new();
    for decision in decisions {
        let inserted_count = insert.execute((
            decision.at.0,
            Bits::of(decision.id),
            Subject(decision.subject),
            &decision.program,
            decision.outcome.as_str(),
            pack(decision)?,
        ))?;
        if inserted_count > 0 {
            keys.extend_from_slice(&decision.at.0.to_be_bytes());
            keys.extend_from_slice(&decision.id.0.to_be_bytes());
        }
    }
    if keys.is_empty() {
        return Ok(());
    }
    let first = decision_end(connection)? + 1;
    connection
        .prepare_cached("INSERT INTO decision_block VALUES (?1, ?2)")?
        .execute((first as i64, keys))?;
    Ok(())
}

/// The number of the decision committed last.
pub(crate) fn decision_end(connection: &Connection) -> rusqlite::Result<u64> {
    let last = connection
        .prepare_cached(
            "SELECT first + length(keys) / 24 - 1 FROM decision_block ORDER BY first DESC LIMIT 1",
        )?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(last.unwrap_or(0) as u64)
}

/// Decisions in the order of their commits, with their numbers.
pub(crate) fn decisions_from(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<(u64, Decision)>> {
    let mut blocks = connection.prepare_cached(
        "SELECT first, keys FROM decision_block WHERE first >= coalesce(
             (SELECT first FROM decision_block WHERE first <= ?1 ORDER BY first DESC LIMIT 1), 0)
         ORDER BY first",
    )?;
    let mut body =
        connection.prepare_cached("SELECT body FROM decision WHERE at = ?1 AND id = ?2")?;
    let mut found = Vec::new();
    let mut rows = blocks.query([after as i64 + 1])?;
    while let Some(row) = rows.next()? {
        let first = row.get::<_, i64>(0)? as u64;
        let keys = row.get_ref(1)?.as_blob()?;
        for (number, key) in (first..).zip(keys.chunks_exact(DECISION_KEY_BYTES)) {
            if number <= after {
                continue;
            }
            if found.len() >= limit {
                return Ok(found);
            }
            let (at, id) = key.split_at(8);
            let at = i64::from_be_bytes(at.try_into().unwrap_or_default());
            let decision = body.query_row((at, id), |row| unpack(row.get_ref(0)?.as_blob()?))?;
            found.push((number, decision));
        }
    }
    Ok(found)
}

pub(crate) fn decisions(
    connection: &Connection,
    filter: &DecisionFilter,
    after: Option<Cursor>,
    page: &Page,
) -> rusqlite::Result<Vec<Decision>> {
    let mut select = Select::new("SELECT body FROM decision");
    select.equal("subject", filter.subject.map(Subject));
    select.equal("program", filter.program.clone());
    select.equal("outcome", filter.outcome.clone());
    select.newest_first("at", after, page);
    select.rows(connection, |row| unpack(row.get_ref(0)?.as_blob()?))
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
