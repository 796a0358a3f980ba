//! What the threads of one node tell each other: the plan in force, how far the engine is, the
//! progress of a backfill.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock};
use tenure_core::log::{PlanVersion, Position};
use tenure_core::plan::Plan;

use crate::backfill::Overlay;
use crate::connectors::Followed;

/// Shared state of a node.
#[derive(Debug, Default)]
pub struct Live {
    plan: RwLock<Option<Arc<Plan>>>,
    applied: AtomicU64,
    committed: AtomicU64,
    overlay: Mutex<Option<Overlay>>,
    backfill: Mutex<Option<BackfillProgress>>,
    backfill_changed: Condvar,
    outbox: Mutex<u64>,
    outbox_changed: Condvar,
    followed: RwLock<Followed>,
}

/// How far a backfill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct BackfillProgress {
    /// Of which plan.
    pub plan: PlanVersion,
    /// Log entries read.
    pub read_count: u64,
    /// Log entries to read.
    pub total_count: u64,
    /// Slices of the subjects switched over.
    pub switched_slices: u16,
    /// Slices there are; 0 until reading is done.
    pub total_slices: u16,
    /// Everything is switched over.
    pub done: bool,
    /// Where the plan was published.
    pub published_position: Position,
}

impl Live {
    /// Which segments are followed by lists at providers.
    pub fn follow(&self, followed: Followed) {
        *self.followed.write() = followed;
    }

    /// Which segments are followed by lists at providers.
    pub fn followed(&self) -> Followed {
        self.followed.read().clone()
    }

    /// Sets the plan in force.
    pub fn set_plan(&self, plan: Arc<Plan>) {
        *self.plan.write() = Some(plan);
    }

    /// The plan in force, once the worker has opened.
    pub fn plan(&self) -> Option<Arc<Plan>> {
        self.plan.read().clone()
    }

    /// Notes how far the engine has applied the log.
    pub fn set_applied(&self, position: Position) {
        self.applied.store(position, Ordering::Release);
    }

    /// How far the engine has applied the log.
    pub fn applied(&self) -> Position {
        self.applied.load(Ordering::Acquire)
    }

    /// Notes how far output was handed to the writer.
    pub fn set_committed(&self, position: Position) {
        self.committed.store(position, Ordering::Release);
    }

    /// How far output was handed to the writer.
    pub fn committed_position(&self) -> Position {
        self.committed.load(Ordering::Acquire)
    }

    /// A backfill begins.
    pub fn begin_backfill(&self, plan: PlanVersion, published_position: Position) {
        *self.backfill.lock() = Some(BackfillProgress {
            plan,
            read_count: 0,
            total_count: published_position,
            switched_slices: 0,
            total_slices: 0,
            done: false,
            published_position,
        });
    }

    /// Log entries were read.
    pub fn backfill_read(&self, position: Position) {
        if let Some(progress) = self.backfill.lock().as_mut() {
            progress.read_count = position;
        }
    }

    /// A slice was switched over.
    pub fn backfill_slice(&self, plan: PlanVersion, switched: u16, total: u16) {
        if let Some(progress) = self
            .backfill
            .lock()
            .as_mut()
            .filter(|progress| progress.plan == plan)
        {
            progress.switched_slices = switched;
            progress.total_slices = total;
        }
    }

    /// All slices were switched over.
    pub fn backfill_done(&self, plan: PlanVersion) {
        if let Some(progress) = self
            .backfill
            .lock()
            .as_mut()
            .filter(|progress| progress.plan == plan)
        {
            progress.done = true;
            progress.switched_slices = progress.total_slices;
        }
        self.backfill_changed.notify_all();
    }

    /// The last backfill.
    pub fn backfill(&self) -> Option<BackfillProgress> {
        *self.backfill.lock()
    }

    /// Where a plan was published, if its backfill began on this node.
    pub fn published_position(&self, plan: PlanVersion) -> Option<Position> {
        self.backfill()
            .filter(|progress| progress.plan == plan)
            .map(|progress| progress.published_position)
    }

    /// Waits until no backfill is under way, at most so long; false if one still is.
    pub fn wait_for_backfill(&self, at_most: Duration) -> bool {
        let mut backfill = self.backfill.lock();
        let under_way = |progress: &mut Option<BackfillProgress>| {
            progress.is_some_and(|progress| !progress.done)
        };
        !self
            .backfill_changed
            .wait_while_for(&mut backfill, under_way, at_most)
            .timed_out()
    }

    /// Leaves a scanned overlay for the worker.
    pub fn put_overlay(&self, overlay: Overlay) {
        *self.overlay.lock() = Some(overlay);
    }

    /// Takes the overlay of a plan.
    pub fn take_overlay(&self, plan: PlanVersion) -> Option<Overlay> {
        self.overlay.lock().take_if(|overlay| overlay.plan == plan)
    }

    /// There are new messages to dispatch.
    pub fn outbox_grew(&self) {
        *self.outbox.lock() += 1;
        self.outbox_changed.notify_all();
    }

    /// Waits until the outbox grew since `seen`, at most so long; answers the new count.
    pub fn wait_for_outbox(&self, seen: u64, at_most: Duration) -> u64 {
        let mut count = self.outbox.lock();
        self.outbox_changed
            .wait_while_for(&mut count, |count| *count == seen, at_most);
        *count
    }
}
