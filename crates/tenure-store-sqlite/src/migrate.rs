//! The schema and its number.
//!
//! A migration is a file `migrations/NNNN_name.sql`, applied in a transaction of its own together
//! with its number (`user_version`). Released files never change; a new file is added here.

use rusqlite::{Connection, TransactionBehavior};
use tenure_store::StoreError;

use crate::decision::convert::convert;
use crate::error::store_error;

/// The migrations, in order; the first brings the schema to number 1.
const MIGRATIONS: [&str; 8] = [
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_records_and_decision_order.sql"),
    include_str!("../migrations/0003_audit.sql"),
    include_str!("../migrations/0004_health_history.sql"),
    include_str!("../migrations/0005_held_out.sql"),
    include_str!("../migrations/0006_refusals_and_tasks.sql"),
    include_str!("../migrations/0007_message_channel.sql"),
    include_str!("../migrations/0008_decision_blocks.sql"),
];
/// The number at which decisions move into blocks, which takes more than SQL.
const DECISION_BLOCKS: u32 = 8;

/// Brings the schema up to date.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as u32;
    let found = schema_number(connection).map_err(store_error)?;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for number in found..known {
        apply(connection, number).map_err(store_error)?;
    }
    Ok(())
}

/// The schema's number; 0 for an empty database.
pub(crate) fn schema_number(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn apply(connection: &mut Connection, number: u32) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(MIGRATIONS[number as usize])?;
    if number + 1 == DECISION_BLOCKS {
        convert(&transaction)?;
    }
    transaction.pragma_update(None, "user_version", number + 1)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use rusqlite::params;
    use tenure_core::decision::{Decision, Outcome};
    use tenure_core::id::{DecisionId, PersonId, SubjectId};
    use tenure_core::time::Timestamp;
    use tenure_store::query::DecisionFilter;
    use tenure_store::{Page, Store};

    use super::*;
    use crate::key::{Bits, Subject, pack};
    use crate::{DATABASE_FILE, Options, SqliteStore};

    fn decision(number: u64) -> Decision {
        Decision {
            id: DecisionId(u128::from(number * 7_919 % 1_000)),
            at: Timestamp(number as i64 / 5),
            subject: SubjectId::Person(PersonId(u128::from(number % 9))),
            program: "welcome".into(),
            version: 1,
            enrollment: None,
            step: None,
            outcome: Outcome::NotAgain,
            reason: "it was in the program before".into(),
            message: None,
        }
    }

    /// Writes a decision as it was before there were blocks of them.
    fn insert_old(connection: &Connection, decision: &Decision) {
        connection
            .execute(
                "INSERT INTO decision VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    decision.at.0,
                    Bits::of(decision.id),
                    Subject(decision.subject),
                    decision.program,
                    decision.outcome.as_str(),
                    pack(decision).unwrap(),
                ],
            )
            .unwrap();
    }

    #[test]
    fn decisions_of_rows_move_into_blocks_under_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
        for number in 0..DECISION_BLOCKS - 1 {
            apply(&mut connection, number).unwrap();
        }
        for first in (1..=600).step_by(200) {
            let mut keys = Vec::new();
            for decision in (first..first + 200).map(decision) {
                insert_old(&connection, &decision);
                keys.extend_from_slice(&decision.at.0.to_be_bytes());
                keys.extend_from_slice(&decision.id.0.to_be_bytes());
            }
            let block = params![first as i64, keys];
            connection
                .execute("INSERT INTO decision_block VALUES (?1, ?2)", block)
                .unwrap();
        }
        // One of before there were numbers.
        insert_old(&connection, &decision(0));
        drop(connection);
        let small = Options {
            run_decision_count: 100,
            ..Options::default()
        };
        let store = SqliteStore::open(folder.path(), small).unwrap();
        let wanted: Vec<_> = (1..=600).chain([0]).map(decision).collect();
        let found = store.decisions_from(0, 1_000).unwrap();
        assert!(found.iter().map(|(number, _)| *number).eq(1..=601));
        assert!(found.iter().map(|(_, decision)| decision).eq(&wanted));
        let filter = DecisionFilter {
            subject: Some(SubjectId::Person(PersonId(4))),
            ..DecisionFilter::default()
        };
        let page = Page {
            after: None,
            limit: 1_000,
        };
        let mut of_subject = store.decisions(&filter, &page).unwrap();
        of_subject.reverse();
        assert!(
            of_subject
                .iter()
                .eq(wanted.iter().filter(|row| filter.admits(row)))
        );
        assert_eq!(store.check().unwrap(), [""; 0]);
    }
}
