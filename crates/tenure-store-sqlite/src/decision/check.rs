//! Checking that every decision is found where it must be.

use rusqlite::Connection;

use super::{block, chunk, waiting};

/// Kinds of keys, by the first byte of the column: accounts and people, programs, all.
const KINDS: [(&str, u8, u8); 3] = [
    ("by subject", 0, 1),
    ("by program", 2, 2),
    ("among all", 3, 3),
];
/// Decisions read at a time.
const READ_DECISIONS: usize = 4_096;

/// What is wrong with blocks and index; empty when sound.
pub(crate) fn findings(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let indexed = waiting::indexed(connection)?;
    let stored_count = stored_until(connection, indexed)?;
    let mut counts = [0; 256];
    let mut select = connection.prepare("SELECT key, at, entries FROM decision_index")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let kind = row.get_ref(0)?.as_blob()?.first().copied();
        let entries = chunk::decode(row.get(1)?, row.get_ref(2)?.as_blob()?)?;
        counts[usize::from(kind.unwrap_or(u8::MAX))] += entries
            .iter()
            .filter(|entry| entry.number <= indexed)
            .count();
    }
    let mut findings = Vec::new();
    for (name, from, until) in KINDS {
        let count: usize = counts[usize::from(from)..=usize::from(until)].iter().sum();
        if count != stored_count {
            findings.push(format!(
                "the index of decisions {name} has {count} of {stored_count}"
            ));
        }
    }
    Ok(findings)
}

fn stored_until(connection: &Connection, indexed: u64) -> rusqlite::Result<usize> {
    let (mut count, mut read) = (0, 0);
    loop {
        let found = block::from(connection, read, READ_DECISIONS)?;
        let Some((last, _)) = found.last() else {
            return Ok(count);
        };
        read = *last;
        count += found
            .iter()
            .filter(|(number, _)| *number <= indexed)
            .count();
        if read >= indexed {
            return Ok(count);
        }
    }
}
