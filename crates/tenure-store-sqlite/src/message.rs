//! The outbox.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row};
use tenure_core::effect::MessageIntent;
use tenure_core::id::MessageId;
use tenure_core::time::Timestamp;
use tenure_store::batch::MessageUpdate;
use tenure_store::query::{MessageFilter, Page};
use tenure_store::row::{Message, MessageState};

use crate::key::{Bits, Subject, message_state, message_state_number, pack, unpack};
use crate::list::{Cursor, Select};
use crate::tally::{Counted, Tally};

const COLUMNS: &str = "state, state_at, due_at, attempt_count, reason, intent, sent_to";

pub(crate) fn insert(
    connection: &Connection,
    intents: &[MessageIntent],
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO message (id, state, state_at, decided_at, due_at, attempt_count, person,
         subject, program, reason, intent, channel)
         VALUES (?1, 0, ?2, ?2, ?2, 0, ?3, ?4, ?5, NULL, ?6, ?7) ON CONFLICT (id) DO NOTHING",
    )?;
    for intent in intents {
        let inserted_count = insert.execute((
            Bits::of(intent.id),
            intent.decided_at.0,
            intent.person.map(Bits::of),
            Subject(intent.subject),
            &intent.program,
            pack(intent)?,
            &intent.channel,
        ))?;
        tally.add(
            Counted::Messages(MessageState::Pending),
            inserted_count as i64,
        );
    }
    Ok(())
}

pub(crate) fn update(
    connection: &Connection,
    update: &MessageUpdate,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let Some(mut message) = get(connection, update.id)? else {
        return Ok(());
    };
    tally.add(Counted::Messages(message.state), -1);
    message.update(update);
    tally.add(Counted::Messages(message.state), 1);
    let intent = if update.forget {
        Some(pack(&message.intent)?)
    } else {
        None
    };
    connection
        .prepare_cached(
            "UPDATE message SET state = ?2, state_at = ?3, due_at = ?4, attempt_count = ?5,
             reason = ?6, intent = coalesce(?7, intent), sent_to = ?8 WHERE id = ?1",
        )?
        .execute((
            Bits::of(update.id),
            message_state_number(message.state),
            message.state_at.0,
            message.due_at.0,
            message.attempt_count,
            &message.reason,
            intent,
            message.sent_to.map(Bits),
        ))?;
    Ok(())
}

pub(crate) fn get(connection: &Connection, id: MessageId) -> rusqlite::Result<Option<Message>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE id = ?1"))?
        .query_row([Bits::of(id)], message_of)
        .optional()
}

pub(crate) fn due(
    connection: &Connection,
    channel: &str,
    now: Timestamp,
    except: &[MessageId],
    limit: usize,
) -> rusqlite::Result<Vec<Message>> {
    let except: BTreeSet<_> = except.iter().copied().collect();
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, id FROM message
         WHERE state = 0 AND channel = ?1 AND due_at <= ?2 ORDER BY due_at, id"
    ))?;
    let mut rows = select.query((channel, now.0))?;
    let mut due = Vec::new();
    while due.len() < limit {
        let Some(row) = rows.next()? else { break };
        if !except.contains(&row.get::<_, Bits>(7)?.id()) {
            due.push(message_of(row)?);
        }
    }
    Ok(due)
}

pub(crate) fn next_due(
    connection: &Connection,
    channel: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<Timestamp>> {
    connection
        .prepare_cached(
            "SELECT due_at FROM message WHERE state = 0 AND channel = ?1 AND due_at > ?2
             ORDER BY due_at LIMIT 1",
        )?
        .query_row((channel, now.0), |row| row.get(0).map(Timestamp))
        .optional()
}

pub(crate) fn list(
    connection: &Connection,
    filter: &MessageFilter,
    after: Option<Cursor>,
    page: &Page,
) -> rusqlite::Result<Vec<Message>> {
    let mut select = Select::new(&format!("SELECT {COLUMNS} FROM message"));
    select.equal("subject", filter.subject.map(Subject));
    select.equal("person", filter.person.map(Bits::of));
    select.equal("state", filter.state.map(message_state_number));
    let rare = |state| !matches!(state, MessageState::Sent | MessageState::Delivered);
    if filter.state.is_some_and(rare) {
        // The condition of the index of states, by which SQLite recognises it.
        select.condition("state NOT IN (2, 3)");
    }
    select.equal("program", filter.program.clone());
    select.newest_first("decided_at", after, page);
    select.rows(connection, message_of)
}

fn message_of(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        state: message_state(row.get(0)?)?,
        state_at: Timestamp(row.get(1)?),
        due_at: Timestamp(row.get(2)?),
        attempt_count: row.get(3)?,
        reason: row.get::<_, Option<String>>(4)?.map(Into::into),
        intent: unpack(row.get_ref(5)?.as_blob()?)?,
        sent_to: row.get::<_, Option<Bits>>(6)?.map(|bits| bits.0),
    })
}
