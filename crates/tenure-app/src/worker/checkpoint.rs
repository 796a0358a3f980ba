//! Checkpoints: changed states are written a part at a time between micro-batches, so that
//! neither the worker nor the log writer stops for long.
//!
//! A cycle begins with the list of everything that changed since the cycle before, and the place
//! the worker stood at then. Its last part moves the checkpoint to that place: by then every
//! state is stored as of that place or a later one, and carries the place it stands at.

use tenure_core::id::{RootId, SubjectId};
use tenure_core::time::Timestamp;
use tenure_store::batch::Checkpoint;
use tenure_store::row::Mark;

use super::{Globals, Worker};
use crate::error::AppError;

/// How often a cycle begins, in milliseconds. Each changed state is written once a cycle however
/// often it changed, so rare cycles save most of the cost; a crash costs a replay of about as long.
const CYCLE_EVERY_MS: i64 = 10_000;
/// With few changes a cycle costs little and begins sooner, so that lists follow closely.
const SMALL_CYCLE_EVERY_MS: i64 = 500;
/// How many changed roots are few.
const SMALL_CYCLE_ROOTS: usize = 1_000;
/// How many states go into one part, so that a commit with one takes milliseconds.
const STATES_PER_PART: usize = 1_000;
/// The same while the engine waits for memory.
const STATES_PER_CROWDED_PART: usize = 4_000;

/// A checkpoint under way.
#[derive(Debug)]
pub(super) struct Cycle {
    mark: Mark,
    globals: Globals,
    roots: Vec<RootId>,
    next: usize,
    removed: Vec<SubjectId>,
    joined: Vec<(SubjectId, SubjectId)>,
}

impl Worker {
    pub(super) fn next_cycle_at(&self) -> Timestamp {
        let small = self.roots.dirty_count() <= SMALL_CYCLE_ROOTS;
        let every_ms = if small {
            SMALL_CYCLE_EVERY_MS
        } else {
            CYCLE_EVERY_MS
        };
        self.cycle_begun_at.plus_ms(every_ms)
    }

    pub(super) fn begin_cycle(&mut self, now: Timestamp) {
        self.cycle_begun_at = now;
        let roots = self.roots.take_dirty();
        self.cycle = Some(Cycle {
            mark: self.at,
            globals: self.globals.clone(),
            roots,
            next: 0,
            removed: std::mem::take(&mut self.removed),
            joined: std::mem::take(&mut self.joined),
        });
    }

    pub(super) fn cycle_globals(&self) -> Globals {
        self.cycle
            .as_ref()
            .map_or_else(|| self.globals.clone(), |cycle| cycle.globals.clone())
    }

    /// The next part of a checkpoint, if one is under way or due, and whether it is the last.
    pub(super) fn checkpoint_part(
        &mut self,
        now: Timestamp,
    ) -> Result<Option<(Checkpoint, bool)>, AppError> {
        // States of a replay contain what is committed only once the replay is over.
        if self.replaying() && self.cycle.is_none() {
            return Ok(None);
        }
        let dirty_count = self.roots.dirty_count();
        let crowded = self.roots.is_crowded();
        let due = crowded || self.roots.is_mostly_dirty() || now >= self.next_cycle_at();
        if self.cycle.is_none() {
            if dirty_count == 0 || !due {
                return Ok(None);
            }
            self.begin_cycle(now);
        }
        let Some(cycle) = &mut self.cycle else {
            return Ok(None);
        };
        let most = if crowded {
            STATES_PER_CROWDED_PART
        } else {
            STATES_PER_PART
        };
        self.roots.begin_part();
        let mut part = Checkpoint {
            mark: self.checkpoint,
            ..Checkpoint::default()
        };
        while cycle.next < cycle.roots.len() && part.states.len() < most {
            self.roots.encode(
                cycle.roots[cycle.next],
                &mut part.states,
                &mut part.timelines,
            )?;
            cycle.next += 1;
        }
        let last = cycle.next == cycle.roots.len();
        if last {
            part.mark = cycle.mark;
            part.removed = std::mem::take(&mut cycle.removed);
            part.timelines_joined = std::mem::take(&mut cycle.joined);
        }
        Ok(Some((part, last)))
    }

    /// To be called after a part was handed to the writer.
    pub(super) fn end_part(&mut self, mark: Mark, last: bool) {
        if last {
            self.checkpoint = mark;
            self.cycle = None;
        }
    }
}
