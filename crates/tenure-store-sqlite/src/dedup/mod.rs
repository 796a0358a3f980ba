//! Recognising repeated event ids, exactly, for a week, at any rate.
//!
//! An index over ids would be a random page write per event. Instead the ids of the latest commits
//! are in a set in memory (and, for a restart, in one small row a commit); when enough have
//! gathered they are sorted and sealed into an immutable run, and runs are merged eight at a time
//! (a log-structured merge tree). A Bloom filter per run in memory answers for nearly all fresh
//! ids; what passes is looked up in one block of the run, so no event is ever taken for another.
//! Memory: 12 bits and a half per id, 156 MB at 100 million.

mod bloom;
mod merge;
mod run;
mod upkeep;

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use tenure_core::id::EventId;
use tenure_core::time::Timestamp;
use tenure_store::StoreError;

use crate::connection::Readers;
use run::Run;
pub(crate) use upkeep::Tools;

/// The index of event ids.
#[derive(Debug)]
pub(crate) struct Dedup {
    index: RwLock<Index>,
    /// Ids gathered before they are sealed.
    run_id_count: usize,
    /// Held by whoever seals, merges or expires.
    upkeep: Mutex<()>,
}

#[derive(Debug, Default)]
struct Index {
    open: Gathered,
    /// Ids on their way into a run.
    sealing: Option<Arc<Gathered>>,
    /// Oldest first.
    runs: Vec<Arc<Run>>,
}

/// Ids of the latest commits.
#[derive(Debug, Default)]
struct Gathered {
    ids: HashSet<u128, BuildHasherDefault<IdHasher>>,
    /// The last row of `seen_recent` that holds some of them.
    until_seq: i64,
    from_at: Timestamp,
    until_at: Timestamp,
}

impl Gathered {
    fn add(&mut self, seq: i64, at: Timestamp, ids: impl Iterator<Item = u128>) {
        if self.ids.is_empty() {
            (self.from_at, self.until_at) = (at, at);
        }
        self.ids.extend(ids);
        self.until_seq = seq;
        self.from_at = self.from_at.min(at);
        self.until_at = self.until_at.max(at);
    }
}

/// Ids are hashes already; one multiplication spreads those that are not.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        let folded = (id as u64) ^ ((id >> 64) as u64);
        self.0 = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Dedup {
    /// Loads what is stored, after removing what a crash left behind.
    pub(crate) fn open(connection: &Connection, run_id_count: usize) -> rusqlite::Result<Self> {
        for run in run::dead(connection)? {
            while !run::delete_blocks(connection, run, upkeep::STEP_BLOCKS)? {}
        }
        let runs = run::load(connection)?;
        let mut index = Index {
            runs: runs.into_iter().map(Arc::new).collect(),
            ..Index::default()
        };
        let mut select =
            connection.prepare("SELECT seq, received_at, ids FROM seen_recent ORDER BY seq")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let ids = run::unpack_ids(row.get_ref(2)?.as_blob()?)?;
            index
                .open
                .add(row.get(0)?, Timestamp(row.get(1)?), ids.into_iter());
        }
        let run_id_count = run_id_count.max(1);
        index.freeze(run_id_count);
        Ok(Self {
            index: RwLock::new(index),
            run_id_count,
            upkeep: Mutex::new(()),
        })
    }

    /// For each id, whether it was committed within the retention.
    pub(crate) fn seen(&self, readers: &Readers, ids: &[EventId]) -> Result<Vec<bool>, StoreError> {
        // Held until the blocks are read: a merge deletes blocks only after it has replaced the
        // runs here, for which it waits.
        let index = self.index.read();
        let mut seen: Vec<bool> = ids.iter().map(|id| index.gathered(id.0)).collect();
        let mut candidates = Vec::new();
        for run in &index.runs {
            for (number, id) in ids.iter().enumerate() {
                if !seen[number] && run.bloom.may_contain(id.0) {
                    candidates.push((number, run));
                }
            }
        }
        if !candidates.is_empty() {
            readers.read(|connection| {
                for (number, run) in candidates {
                    seen[number] = seen[number] || run.contains(connection, ids[number].0)?;
                }
                Ok(())
            })?;
        }
        Ok(seen)
    }

    /// Takes the ids of a commit that is durable, whose row in `seen_recent` is `seq`.
    pub(crate) fn add(&self, seq: i64, at: Timestamp, ids: &[EventId]) {
        let mut index = self.index.write();
        index.open.add(seq, at, ids.iter().map(|id| id.0));
        index.freeze(self.run_id_count);
    }
}

impl Index {
    /// Sets the gathered ids apart to be sealed, if they are enough and none are yet.
    fn freeze(&mut self, run_id_count: usize) {
        if self.open.ids.len() >= run_id_count && self.sealing.is_none() {
            self.sealing = Some(Arc::new(std::mem::take(&mut self.open)));
        }
    }

    fn gathered(&self, id: u128) -> bool {
        let sealing = self.sealing.as_ref();
        self.open.ids.contains(&id) || sealing.is_some_and(|sealing| sealing.ids.contains(&id))
    }
}

/// Keeps the ids of a commit for a restart; gives the row's number.
pub(crate) fn append(
    connection: &Connection,
    at: Timestamp,
    ids: &[EventId],
) -> rusqlite::Result<i64> {
    let mut packed = Vec::with_capacity(size_of_val(ids));
    for id in ids {
        packed.extend_from_slice(&id.0.to_be_bytes());
    }
    connection
        .prepare_cached("INSERT INTO seen_recent (received_at, ids) VALUES (?1, ?2)")?
        .execute((at.0, packed))?;
    Ok(connection.last_insert_rowid())
}
