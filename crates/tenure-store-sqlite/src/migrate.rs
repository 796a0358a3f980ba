//! The schema and its number.
//!
//! A migration is a file `migrations/NNNN_name.sql`, applied in a transaction of its own together
//! with its number (`user_version`). Released files never change; a new file is added here.

use rusqlite::{Connection, TransactionBehavior};
use tenure_store::StoreError;

use crate::error::store_error;

/// The migrations, in order; the first brings the schema to number 1.
const MIGRATIONS: [&str; 7] = [
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_records_and_decision_order.sql"),
    include_str!("../migrations/0003_audit.sql"),
    include_str!("../migrations/0004_health_history.sql"),
    include_str!("../migrations/0005_held_out.sql"),
    include_str!("../migrations/0006_refusals_and_tasks.sql"),
    include_str!("../migrations/0007_message_channel.sql"),
];

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
    transaction.pragma_update(None, "user_version", number + 1)?;
    transaction.commit()
}
