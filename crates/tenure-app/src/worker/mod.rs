//! The engine's worker: reads the log in order, applies it to states in memory, runs wake-ups at
//! their due time, and hands what comes out to the log writer.
//!
//! What it does depends on the log alone. Output is committed with the place it came from; states
//! are written lazily, at checkpoints, each with the place it stands at. After a crash the worker
//! starts at the checkpoint and applies the tail again; output that is committed already is left
//! out (and would be ignored anyway, since every id is derived).

mod apply;
mod checkpoint;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use serde::{Deserialize, Serialize};
use tenure_core::effect::Output;
use tenure_core::id::{PersonId, RootId, Salt, SubjectId};
use tenure_core::log::{PlanVersion, Position, Published};
use tenure_core::plan::Plan;
use tenure_core::time::{MAX_TIMESTAMP, Timestamp};
use tenure_store::row::{DeadLetter, Mark};
use tenure_store::{Batch, Store, StoreError};

use crate::backfill::Overlay;
use crate::catalog::Catalog;
use crate::error::AppError;
use crate::journal::Journal;
use crate::live::Live;
use crate::roots::{Roots, Written};
use crate::writer::{Job, WriterHandle, answer_slot};

use checkpoint::Cycle;
pub use sweep::slices_for;

/// How many commits may be under way before the worker waits.
const COMMITS_UNDER_WAY: usize = 3;
/// How many due roots are woken in one step.
const WAKES_PER_STEP: usize = 4_096;
/// Name of the setting that keeps [`Globals`].
const GLOBALS: &str = "engine";

/// What the engine knows beside the subjects, as of the checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Globals {
    plan: PlanVersion,
    /// The plan whose backfill every root has taken.
    swept: PlanVersion,
    paused: BTreeSet<String>,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something; call again at once.
    Worked,
    /// Nothing to do until the log grows or this instant comes.
    Idle(Option<Timestamp>),
    /// Too many commits are under way; wait for one.
    Blocked,
}

/// The worker.
pub struct Worker {
    store: Arc<dyn Store>,
    journal: Arc<Journal>,
    writer: WriterHandle,
    live: Arc<Live>,
    salt: Salt,
    plan: Arc<Plan>,
    globals: Globals,
    /// The newest plan's publication, for roots that have yet to adopt it.
    published: Option<(Published, Timestamp)>,
    overlay: Option<Overlay>,
    /// Merges since the plan was published; an overlay scanned meanwhile does not know them.
    merges: Vec<(PersonId, PersonId)>,
    roots: Roots,
    /// Last entry applied, and the time up to which wake-ups ran.
    at: Mark,
    /// What the store has of our output.
    replay_until: Mark,
    out: Output,
    under_way: VecDeque<Commit>,
    checkpoint: Mark,
    cycle: Option<Cycle>,
    cycle_begun_at: Timestamp,
    removed: Vec<SubjectId>,
    joined: Vec<(SubjectId, SubjectId)>,
    /// States of persons who were erased since the last commit.
    erased: Vec<(SubjectId, RootId)>,
    /// The entry being applied, to know the culprit when the engine panics.
    current: Option<Position>,
    failures: BTreeMap<Position, u32>,
    skip: BTreeSet<Position>,
    cached_subjects: usize,
}

/// A commit under way.
struct Commit {
    answer: Receiver<Result<(), AppError>>,
    /// The part of a checkpoint in it.
    written: Option<Written>,
}

impl Worker {
    /// A worker that stands at the store's checkpoint; the following steps apply the tail.
    pub fn open(
        store: Arc<dyn Store>,
        journal: Arc<Journal>,
        writer: WriterHandle,
        live: Arc<Live>,
        salt: Salt,
        cached_subjects: usize,
    ) -> Result<Self, AppError> {
        let plan = Arc::new(empty_plan(salt)?);
        let mut worker = Self {
            store,
            journal,
            writer,
            live,
            salt,
            plan,
            globals: Globals::default(),
            published: None,
            overlay: None,
            merges: Vec::new(),
            roots: Roots::new(cached_subjects),
            at: Mark::default(),
            replay_until: Mark::default(),
            out: Output::default(),
            under_way: VecDeque::new(),
            checkpoint: Mark::default(),
            cycle: None,
            cycle_begun_at: Timestamp(0),
            removed: Vec::new(),
            joined: Vec::new(),
            erased: Vec::new(),
            current: None,
            failures: BTreeMap::new(),
            skip: BTreeSet::new(),
            cached_subjects,
        };
        worker.recover()?;
        Ok(worker)
    }

    /// Drops everything in memory and goes back to the checkpoint.
    pub fn recover(&mut self) -> Result<(), AppError> {
        // Wait for commits under way: the store must not move while it is read.
        while let Some(commit) = self.under_way.pop_front() {
            drop(commit.answer.recv());
        }
        let progress = self.store.progress()?;
        self.globals = match self.store.setting(GLOBALS)? {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| StoreError::Damaged(format!("engine settings: {error}")))?,
            None => Globals::default(),
        };
        self.at = progress.checkpoint;
        self.checkpoint = progress.checkpoint;
        self.replay_until = progress.applied;
        self.out.clear();
        self.cycle = None;
        self.overlay = None;
        self.merges.clear();
        self.removed.clear();
        self.joined.clear();
        self.erased.clear();
        self.roots = Roots::new(self.cached_subjects);
        for (at, root) in self.store.waking(MAX_TIMESTAMP, usize::MAX)? {
            self.roots.schedule(at, root);
        }
        for letter in self.store.dead_letters(&tenure_store::Page {
            after: None,
            limit: 1_000,
        })? {
            self.skip.insert(letter.position);
        }
        self.published = None;
        let plan = self.globals.plan;
        self.adopt_plan(plan, None)?;
        self.live.set_applied(self.at.position);
        self.live.set_durable(progress.applied.position);
        Ok(())
    }

    /// One micro-batch: entries if there are any, else wake-ups; then a part of the checkpoint.
    pub fn step(&mut self, now: Timestamp) -> Result<Step, AppError> {
        self.settle()?;
        if self.under_way.len() >= COMMITS_UNDER_WAY {
            return Ok(Step::Blocked);
        }
        let horizon = self.journal.horizon(now);
        let mut worked = false;
        // With too much in memory, what is dirty is written before more becomes so.
        let waits = self.cycle.is_some() && self.roots.is_crowded();
        if self.at.position < horizon.end && !waits {
            self.apply_some(horizon.end)?;
            worked = true;
        }
        if self.at.position >= horizon.end && !waits {
            worked |= self.wake_some(horizon.safe_at)?;
        }
        let part = self.checkpoint_part(now)?;
        worked |= part.is_some();
        if worked {
            self.submit(part)?;
        }
        if worked || self.at.position < horizon.end {
            return Ok(Step::Worked);
        }
        Ok(Step::Idle(self.next_due()))
    }

    /// Waits for the oldest commit under way.
    pub fn wait_for_commit(&mut self) -> Result<(), AppError> {
        match self.under_way.pop_front() {
            Some(commit) => {
                commit.answer.recv().map_err(|_| AppError::Stopping)??;
                self.committed(&commit);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Writes all changed states, so that the next start has nothing to replay. For a graceful
    /// stop and for backups.
    pub fn flush(&mut self, now: Timestamp) -> Result<(), AppError> {
        while !self.under_way.is_empty() {
            self.wait_for_commit()?;
        }
        // What a cycle under way has taken is in no other list: it goes first.
        self.finish_cycle(now)?;
        self.begin_cycle(now);
        self.finish_cycle(now)
    }

    fn finish_cycle(&mut self, now: Timestamp) -> Result<(), AppError> {
        while self.cycle.is_some() {
            let part = self.checkpoint_part(now)?;
            self.submit(part)?;
            while !self.under_way.is_empty() {
                self.wait_for_commit()?;
            }
        }
        Ok(())
    }

    /// Called when the engine panicked: goes back to the checkpoint; the third time the same
    /// entry is at fault it is set aside as a dead letter.
    pub fn after_panic(&mut self, now: Timestamp, message: &str) -> Result<(), AppError> {
        if let Some(position) = self.current.take() {
            let failures = self.failures.entry(position).or_insert(0);
            *failures += 1;
            if *failures >= 3 {
                self.skip.insert(position);
                let letter = DeadLetter {
                    id: 0,
                    position,
                    at: now,
                    reason: message.into(),
                };
                let batch = Batch {
                    dead_letters: vec![letter],
                    ..Batch::default()
                };
                self.writer.commit(batch, Vec::new())?;
                crate::telemetry::set_aside(position);
            }
        }
        self.recover()
    }

    /// Whether a backfill of the plan in force still has to be taken over.
    pub fn awaits_backfill(&self) -> bool {
        self.globals.swept < self.globals.plan && self.at.position >= self.replay_until.position
    }

    /// The plan in force at the worker's place.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How many subjects are in memory.
    pub fn cached_subject_count(&self) -> usize {
        self.roots.subject_count()
    }

    /// Where the worker stands.
    pub fn place(&self) -> Mark {
        self.at
    }

    fn next_due(&self) -> Option<Timestamp> {
        let checkpoint = (self.roots.dirty_count() > 0).then(|| self.next_cycle_at());
        self.roots.next_wake().into_iter().chain(checkpoint).min()
    }

    fn replaying(&self) -> bool {
        self.at.position < self.replay_until.position || self.at.at < self.replay_until.at
    }

    fn settle(&mut self) -> Result<(), AppError> {
        while let Some(commit) = self.under_way.pop_front() {
            match commit.answer.try_recv() {
                Ok(result) => result?,
                Err(TryRecvError::Empty) => {
                    self.under_way.push_front(commit);
                    break;
                }
                Err(TryRecvError::Disconnected) => return Err(AppError::Stopping),
            }
            self.committed(&commit);
        }
        Ok(())
    }

    /// A commit is through: what the store has now may be forgotten.
    fn committed(&mut self, commit: &Commit) {
        if let Some(written) = commit.written {
            self.roots.committed(written);
            self.roots.evict();
        }
    }

    fn submit(
        &mut self,
        part: Option<(tenure_store::batch::Checkpoint, bool)>,
    ) -> Result<(), AppError> {
        self.live.set_applied(self.at.position);
        let out = std::mem::take(&mut self.out);
        let moved =
            self.at.position > self.replay_until.position || self.at.at > self.replay_until.at;
        let mut batch = Batch {
            applied: moved.then_some(self.at),
            messages: out.messages,
            tasks: out.tasks,
            decisions: out.decisions,
            records: self.live.followed().records(&out.memberships, self.at),
            memberships: out.memberships,
            health: out.health,
            states_erased: std::mem::take(&mut self.erased),
            enrollments: out.enrollments,
            ..Batch::default()
        };
        let mut written = None;
        if let Some((checkpoint, last)) = part {
            written = Some(self.roots.written(last));
            if last {
                let globals = serde_json::to_vec(&self.cycle_globals()).unwrap_or_default();
                batch.settings.push((GLOBALS.into(), globals));
            }
            self.end_part(checkpoint.mark, last);
            batch.checkpoint = Some(checkpoint);
        }
        let silent = batch.messages.is_empty()
            && batch.tasks.is_empty()
            && batch.decisions.is_empty()
            && batch.memberships.is_empty()
            && batch.health.is_empty()
            && batch.enrollments.is_empty()
            && batch.states_erased.is_empty()
            && out.events.is_empty();
        let still = batch
            .applied
            .is_none_or(|mark| mark.position == self.live.committed_position());
        // Time alone passed and nothing came of it: not worth a commit.
        if silent && still && batch.checkpoint.is_none() {
            return Ok(());
        }
        self.live.set_committed(self.at.position);
        let messages = !batch.messages.is_empty();
        let (reply, answer) = answer_slot();
        let live = Arc::clone(&self.live);
        let position = self.at.position;
        let reply = Box::new(move |result: Result<(), AppError>| {
            if result.is_ok() {
                live.set_durable(position);
                if messages {
                    live.outbox_grew();
                }
            }
            reply(result);
        });
        self.writer.submit(Job::Commit {
            batch: Box::new(batch),
            events: out.events,
            reply,
        })?;
        self.under_way.push_back(Commit { answer, written });
        Ok(())
    }

    /// Discards output that the store has already.
    fn forget_replayed(&mut self) {
        if self.replaying() {
            self.out.clear();
        }
    }

    fn adopt_plan(
        &mut self,
        version: PlanVersion,
        published: Option<(Published, Timestamp)>,
    ) -> Result<(), AppError> {
        let rows = self.store.plans()?;
        let plan = match rows.iter().find(|row| row.version == version) {
            Some(row) => {
                let catalog = Catalog::from_row(row)?;
                self.published = published.or_else(|| {
                    let programs = catalog.on_publish.clone();
                    Some((
                        Published {
                            plan: version,
                            programs,
                        },
                        row.published_at,
                    ))
                });
                catalog
                    .compile(version, self.salt, &self.globals.paused, &rows)
                    .map_err(AppError::Definitions)?
            }
            None => empty_plan(self.salt)?,
        };
        self.globals.plan = version;
        self.plan = Arc::new(plan);
        self.live.set_plan(Arc::clone(&self.plan));
        Ok(())
    }

    fn set_paused(&mut self, program: &str, paused: bool) {
        if paused {
            self.globals.paused.insert(program.to_owned());
        } else {
            self.globals.paused.remove(program);
        }
        Arc::make_mut(&mut self.plan)
            .paused
            .clone_from(&self.globals.paused);
        self.live.set_plan(Arc::clone(&self.plan));
    }
}

/// The plan of a workspace that has published nothing.
pub fn empty_plan(salt: Salt) -> Result<Plan, AppError> {
    Catalog::default()
        .compile(0, salt, &BTreeSet::new(), &[])
        .map_err(AppError::Definitions)
}
