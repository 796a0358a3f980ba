//! The part of the index that waits in memory.
//!
//! Entries gather in a young generation. Once it is full, the old one is written, a range of keys
//! with each commit; when nothing of it is left, the young one becomes the old. Only then moves
//! the mark up to which the index is whole (`progress.decisions_indexed`), so a crash loses
//! nothing: what may be missing is read back from the blocks, and writing it again changes
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::RwLock;
use rusqlite::Connection;
use tenure_store::StoreError;

use super::redact::Erasures;
use super::{Entry, Key, Place, block, chunk};
use crate::error::store_error;

/// Keys of the old generation that a commit writes, at least.
const KEYS_PER_COMMIT: usize = 2_000;
/// Keys of the old generation that a commit writes for each decision in it: each brings three
/// entries, of which two are of few keys, so the old generation is written before the young one
/// has grown far beyond its size.
const KEYS_PER_DECISION: usize = 2;
/// Entries of a program, or of all, that are written at once. Those of one instant (a broadcast)
/// are in no order and touch every row of that instant, so few and large writes cost least.
const LONG_ENTRIES: usize = 8_192;
/// Decisions read back at a time when the store opens.
const READ_DECISIONS: usize = 4_096;

/// What waits, shared by the writer and readers.
#[derive(Debug)]
pub(crate) struct Decisions {
    waiting: RwLock<Waiting>,
}

impl Decisions {
    /// Reads back what waited when the store was closed.
    pub(crate) fn load(connection: &mut Connection, run_count: usize) -> Result<Self, StoreError> {
        let waiting = Waiting::load(connection, run_count).map_err(store_error)?;
        Ok(Self {
            waiting: RwLock::new(waiting),
        })
    }

    /// For the writer, which alone changes it.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Waiting) -> T) -> T {
        read(&self.waiting.read())
    }

    /// Entries of a key, in order. Ask before a read begins: it then sees the rest written.
    pub(crate) fn entries(&self, key: &Key) -> Vec<Entry> {
        self.waiting.read().entries(key, &Erasures::default())
    }

    /// Does what a commit, which is durable now, made of it.
    pub(crate) fn apply(&self, change: Change) {
        self.waiting.write().apply(change);
    }
}

/// Entries that gathered together.
#[derive(Debug, Default)]
struct Generation {
    /// The number of the first decision.
    first: u64,
    count: usize,
    keys: BTreeMap<Key, Vec<Entry>>,
}

/// What waits to be written.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Decisions of a full generation.
    run_count: usize,
    old: Generation,
    young: Generation,
    newest_at: i64,
}

/// What a commit does to what waits.
#[derive(Debug)]
pub(crate) struct Change {
    erasures: Erasures,
    pub(super) added: BTreeMap<Key, Vec<Entry>>,
    written: BTreeSet<Key>,
    turns: bool,
    pub(super) first: u64,
    pub(super) count: usize,
    pub(super) newest_at: i64,
}

impl Change {
    pub(super) fn new(erasures: Erasures) -> Self {
        Self {
            erasures,
            added: BTreeMap::new(),
            written: BTreeSet::new(),
            turns: false,
            first: 0,
            count: 0,
            newest_at: i64::MIN,
        }
    }
}

impl Waiting {
    fn load(connection: &mut Connection, run_count: usize) -> rusqlite::Result<Self> {
        let mut read = indexed(connection)?;
        let mut waiting = Self::after(read, run_count);
        loop {
            let found = block::from(connection, read, READ_DECISIONS)?;
            let Some((last, _)) = found.last() else { break };
            read = *last;
            for (number, decision) in &found {
                let place = Place::of(decision);
                for key in Key::all_of(decision) {
                    let entries = waiting.young.keys.entry(key).or_default();
                    entries.push(Entry {
                        place,
                        number: *number,
                    });
                }
            }
            waiting.young.count += found.len();
            if waiting.young.count > run_count.saturating_mul(2) {
                waiting.write_all(connection, read)?;
                waiting = Self::after(read, run_count);
            }
        }
        let newest = chunk::Walk::new(&Key::All, None).peek(connection)?;
        let young = waiting.entries(&Key::All, &Erasures::default());
        let newest = newest.max(young.last().copied());
        waiting.newest_at = newest.map_or(i64::MIN, |entry| entry.place.at);
        Ok(waiting)
    }

    /// Nothing waits up to this number.
    fn after(number: u64, run_count: usize) -> Self {
        Self {
            run_count,
            old: Generation::default(),
            young: Generation {
                first: number + 1,
                ..Generation::default()
            },
            newest_at: i64::MIN,
        }
    }

    /// Writes all there is at once: after the schema changed, or when a writer died far behind.
    fn write_all(&self, connection: &mut Connection, until: u64) -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        for key in self.young.keys.keys() {
            chunk::put(&transaction, key, &self.entries(key, &Erasures::default()))?;
        }
        set_indexed(&transaction, until)?;
        transaction.commit()
    }

    /// The latest instant of all decisions.
    pub(super) fn newest_at(&self) -> i64 {
        self.newest_at
    }

    /// Entries of a key, in order, without those that are erased.
    pub(super) fn entries(&self, key: &Key, erasures: &Erasures) -> Vec<Entry> {
        let both = [&self.old, &self.young];
        let found = both.into_iter().filter_map(|part| part.keys.get(key));
        let mut entries: Vec<Entry> = found.flatten().copied().collect();
        entries.retain(|entry| !erasures.takes(key, entry));
        entries.sort_unstable();
        entries
    }

    fn entry_count(&self, key: &Key) -> usize {
        let both = [&self.old, &self.young];
        let found = both.into_iter().filter_map(|part| part.keys.get(key));
        found.map(Vec::len).sum()
    }

    /// Writes the entries of those long keys that have gathered enough; they leave `added`.
    pub(super) fn write_long(
        &self,
        connection: &Connection,
        added: &mut BTreeMap<Key, Vec<Entry>>,
        change: &mut Change,
    ) -> rusqlite::Result<()> {
        let most = LONG_ENTRIES.min(self.run_count);
        let long = added.extract_if(.., |key, entries| {
            !matches!(key, Key::Subject(_)) && self.entry_count(key) + entries.len() >= most
        });
        for (key, new) in long {
            let mut entries = self.entries(&key, &change.erasures);
            entries.extend(new);
            entries.sort_unstable();
            chunk::put(connection, &key, &entries)?;
            change.written.insert(key);
        }
        Ok(())
    }

    /// Writes a range of the old generation, if the young one is full.
    pub(super) fn write_old(
        &self,
        connection: &Connection,
        change: &mut Change,
    ) -> rusqlite::Result<()> {
        if self.young.count + change.count < self.run_count {
            return Ok(());
        }
        let most = KEYS_PER_COMMIT.max(change.count.saturating_mul(KEYS_PER_DECISION));
        let mut left = self
            .old
            .keys
            .keys()
            .filter(|key| !change.written.contains(*key));
        let due: Vec<Key> = left.by_ref().take(most).cloned().collect();
        let is_last = left.next().is_none();
        for key in due {
            let entries = self.entries(&key, &change.erasures);
            chunk::put(connection, &key, &entries)?;
            change.written.insert(key);
        }
        if is_last {
            set_indexed(connection, self.young.first - 1)?;
            change.turns = true;
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) {
        for key in &change.written {
            self.old.keys.remove(key);
            self.young.keys.remove(key);
        }
        if !change.erasures.is_empty() {
            for part in [&mut self.old, &mut self.young] {
                part.keys.retain(|key, entries| {
                    entries.retain(|entry| !change.erasures.takes(key, entry));
                    !entries.is_empty()
                });
            }
        }
        if change.turns {
            self.old = std::mem::take(&mut self.young);
            self.young.first = change.first;
        }
        for (key, entries) in change.added {
            self.young.keys.entry(key).or_default().extend(entries);
        }
        self.young.count += change.count;
        self.newest_at = self.newest_at.max(change.newest_at);
    }
}

/// The number up to which the written index is whole.
pub(super) fn indexed(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT decisions_indexed FROM progress")?
        .query_row([], |row| row.get::<_, i64>(0).map(|number| number as u64))
}

fn set_indexed(connection: &Connection, number: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE progress SET decisions_indexed = ?1")?
        .execute([number as i64])?;
    Ok(())
}
