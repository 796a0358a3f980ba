//! Sealing, merging and expiring, in steps that each hold the writer for moments only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use tenure_core::time::Timestamp;
use tenure_store::StoreError;

use super::Dedup;
use super::bloom::Bloom;
use super::merge::Merge;
use super::run::{self, BLOCK_IDS, Run};
use crate::connection::Readers;
use crate::store::Writer;

/// Blocks written or deleted in one transaction: 4 MiB.
pub(super) const STEP_BLOCKS: usize = 1_024;
/// How many runs of about one size are merged into one.
const MERGE_COUNT: usize = 8;
/// Runs of so many times the sealed size are not merged further (16.8 million ids): a larger one
/// would be kept long after most of it has expired.
const LARGEST_FACTOR: usize = 64;

/// What upkeep works with.
pub(crate) struct Tools<'a> {
    pub(crate) writer: &'a Writer,
    pub(crate) readers: &'a Readers,
    /// Set when the store is closing.
    pub(crate) stop: &'a AtomicBool,
}

/// Where a run being written stands.
struct Draft {
    run: Run,
}

impl Dedup {
    /// Seals and merges what is ready. Does nothing while another thread is at it.
    pub(crate) fn tidy(&self, tools: &Tools<'_>) -> Result<(), StoreError> {
        let Some(_upkeep) = self.upkeep.try_lock() else {
            return Ok(());
        };
        self.seal(tools)?;
        while let Some(runs) = self.mergeable() {
            if tools.stop.load(Ordering::Relaxed) {
                break;
            }
            self.merge(tools, &runs)?;
            self.seal(tools)?;
        }
        Ok(())
    }

    /// Drops runs wholly older than `oldest`.
    pub(crate) fn expire(&self, tools: &Tools<'_>, oldest: Timestamp) -> Result<(), StoreError> {
        let Some(_upkeep) = self.upkeep.try_lock() else {
            return Ok(());
        };
        let runs = self.index.read().runs.clone();
        let expired: Vec<_> = runs
            .into_iter()
            .filter(|run| run.until_at < oldest)
            .collect();
        if expired.is_empty() {
            return Ok(());
        }
        tools
            .writer
            .write(|connection| retire_all(connection, &expired))?;
        self.replace(&expired, None);
        delete(tools, &expired)
    }

    fn seal(&self, tools: &Tools<'_>) -> Result<(), StoreError> {
        let Some(gathered) = self.index.read().sealing.clone() else {
            return Ok(());
        };
        let mut ids: Vec<u128> = gathered.ids.iter().copied().collect();
        ids.sort_unstable();
        let span = (gathered.from_at, gathered.until_at);
        let mut draft = Draft::begin(tools.writer, ids.len(), span)?;
        for step in ids.chunks(STEP_BLOCKS * BLOCK_IDS) {
            draft.write(tools.writer, step)?;
        }
        tools.writer.write(|connection| {
            run::publish(connection, &draft.run)?;
            connection
                .prepare_cached("DELETE FROM seen_recent WHERE seq <= ?1")?
                .execute([gathered.until_seq])
        })?;
        let mut index = self.index.write();
        index.runs.push(Arc::new(draft.run));
        index.sealing = None;
        index.freeze(self.run_id_count);
        Ok(())
    }

    /// Runs of one size, if there are enough of them.
    fn mergeable(&self) -> Option<Vec<Arc<Run>>> {
        let index = self.index.read();
        let mut least = 0;
        let mut factor = MERGE_COUNT;
        while factor <= LARGEST_FACTOR {
            // Half of the nominal size, since repeats between runs are merged away.
            let limit = self.run_id_count * factor / 2;
            let of_size = |run: &&Arc<Run>| (least..limit).contains(&run.id_count);
            let runs: Vec<_> = index.runs.iter().filter(of_size).cloned().collect();
            if runs.len() >= MERGE_COUNT {
                return Some(runs[..MERGE_COUNT].to_vec());
            }
            (least, factor) = (limit, factor * MERGE_COUNT);
        }
        None
    }

    fn merge(&self, tools: &Tools<'_>, runs: &[Arc<Run>]) -> Result<(), StoreError> {
        let id_count = runs.iter().map(|run| run.id_count).sum();
        let from_at = runs.iter().map(|run| run.from_at).min().unwrap_or_default();
        let until_at = runs.iter().map(|run| run.until_at).max();
        let span = (from_at, until_at.unwrap_or_default());
        let mut draft = Draft::begin(tools.writer, id_count, span)?;
        let mut merge = tools
            .readers
            .read(|connection| Merge::new(connection, runs))?;
        loop {
            let limit = STEP_BLOCKS * BLOCK_IDS;
            let ids = tools
                .readers
                .read(|connection| merge.take(connection, limit))?;
            if ids.is_empty() {
                break;
            }
            draft.write(tools.writer, &ids)?;
        }
        tools.writer.write(|connection| {
            run::publish(connection, &draft.run)?;
            retire_all(connection, runs)
        })?;
        self.replace(runs, Some(draft.run));
        delete(tools, runs)
    }

    fn replace(&self, old: &[Arc<Run>], new: Option<Run>) {
        let mut index = self.index.write();
        let is_old = |run: &Arc<Run>| old.iter().any(|old| old.id == run.id);
        index.runs.retain(|run| !is_old(run));
        index.runs.extend(new.map(Arc::new));
        index.runs.sort_by_key(|run| (run.until_at, run.id));
    }
}

impl Draft {
    fn begin(
        writer: &Writer,
        id_count: usize,
        (from_at, until_at): (Timestamp, Timestamp),
    ) -> Result<Self, StoreError> {
        let run = Run {
            id: writer.write(run::begin)?,
            from_at,
            until_at,
            id_count: 0,
            fences: Vec::with_capacity(id_count.div_ceil(BLOCK_IDS)),
            bloom: Bloom::new(id_count),
        };
        Ok(Self { run })
    }

    /// Writes further ids, ascending; all but the last step fill their blocks.
    fn write(&mut self, writer: &Writer, ids: &[u128]) -> Result<(), StoreError> {
        for id in ids {
            self.run.bloom.insert(*id);
        }
        let first_block = self.run.fences.len();
        let blocks = ids.chunks(BLOCK_IDS);
        self.run.fences.extend(blocks.clone().map(|block| block[0]));
        self.run.id_count += ids.len();
        writer.write(|connection| {
            for (number, block) in blocks.enumerate() {
                run::write_block(connection, self.run.id, first_block + number, block)?;
            }
            Ok(())
        })
    }
}

fn retire_all(connection: &Connection, runs: &[Arc<Run>]) -> rusqlite::Result<()> {
    for run in runs {
        run::retire(connection, run.id)?;
    }
    Ok(())
}

fn delete(tools: &Tools<'_>, runs: &[Arc<Run>]) -> Result<(), StoreError> {
    for run in runs {
        let step = |connection: &Connection| run::delete_blocks(connection, run.id, STEP_BLOCKS);
        while !tools.writer.write(step)? {}
    }
    Ok(())
}
