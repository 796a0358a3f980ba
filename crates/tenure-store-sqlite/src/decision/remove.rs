//! Taking the decisions about subjects out.

use std::collections::BTreeSet;

use rusqlite::Connection;
use tenure_core::id::SubjectId;

use super::block::{self, Block};
use super::{Entry, Key, Place, Waiting, chunk};

/// Takes out all decisions about subjects; gives their places. Their numbers stay taken.
pub(crate) fn remove(
    connection: &Connection,
    waiting: &Waiting,
    subjects: &[SubjectId],
) -> rusqlite::Result<BTreeSet<Place>> {
    let mut entries = Vec::new();
    for subject in subjects {
        let key = Key::Subject(*subject);
        entries.extend(entries_of(connection, waiting, &key)?);
        chunk::clear(connection, &key)?;
    }
    // In the order of the blocks, so that each is written once.
    entries.sort_unstable_by_key(|entry| entry.number);
    let mut held: Option<Block> = None;
    for entry in &entries {
        if !held.as_ref().is_some_and(|block| block.holds(entry.number)) {
            let next = block::holder(connection, entry.number)?;
            if let Some(block) = std::mem::replace(&mut held, next) {
                block.write(connection)?;
            }
        }
        let Some(block) = &mut held else { continue };
        if let Some(decision) = block.decision(entry.number)? {
            block.clear(entry.number);
            chunk::remove(connection, &Key::Program(decision.program), entry.place)?;
            chunk::remove(connection, &Key::All, entry.place)?;
        }
    }
    if let Some(block) = held {
        block.write(connection)?;
    }
    Ok(entries.iter().map(|entry| entry.place).collect())
}

fn entries_of(
    connection: &Connection,
    waiting: &Waiting,
    key: &Key,
) -> rusqlite::Result<Vec<Entry>> {
    let mut entries = waiting.entries(key, &BTreeSet::new());
    let mut walk = chunk::Walk::new(key, None);
    while walk.peek(connection)?.is_some() {
        entries.extend(walk.pop());
    }
    Ok(entries)
}
