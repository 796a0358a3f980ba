//! Jobs: work that takes longer than a request. A job is a durable record; a few threads run what
//! is queued, the oldest first, and never two of one kind at once.
//!
//! A job whose process ended in the midst of it is queued again if its kind can begin anew without
//! doing anything twice, and fails as interrupted if not.

mod files;
mod kinds;
mod record;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock};
use serde_json::Value as Json;
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_store::query::{MAX_PAGE_ROWS, RecordFilter};
use tenure_store::{Batch, Page, Store};

use crate::access::{Actor, Change};
use crate::clock::Clock;
use crate::error::AppError;
use crate::writer::WriterHandle;

pub use kinds::JobKind;
pub use record::{Job, JobState};
pub use run::JobRun;

/// How many jobs run at once.
pub(crate) const SLOTS: usize = 2;
/// How many jobs may wait.
const MAX_WAITING: usize = 100;
/// For how long finished jobs are kept, in milliseconds.
pub const KEPT_MS: i64 = 30 * DAY_MS;
/// How long a thread rests when nothing is queued.
const REST: Duration = Duration::from_mins(1);

/// Collection of the jobs.
const COLLECTION: &str = "job";

/// The jobs of a workspace.
pub struct Jobs {
    store: Arc<dyn Store>,
    writer: WriterHandle,
    clock: Arc<dyn Clock>,
    /// Jobs that are queued or run, in the order of their ids, which is that of their creation.
    active: Mutex<BTreeMap<String, Active>>,
    kinds: RwLock<Vec<Arc<dyn JobKind>>>,
    /// Where files of jobs are kept.
    folder: OnceLock<Box<Path>>,
    queued: Condvar,
    stopping: AtomicBool,
}

/// A job in memory.
struct Active {
    job: Job,
    is_cancelled: Arc<AtomicBool>,
}

/// Which jobs.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobFilter<'a> {
    /// Of this kind.
    pub kind: Option<&'a str>,
    /// In this state.
    pub state: Option<JobState>,
}

impl Jobs {
    /// The jobs of a store; nothing runs yet.
    pub fn new(store: Arc<dyn Store>, writer: WriterHandle, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            writer,
            clock,
            active: Mutex::new(BTreeMap::new()),
            kinds: RwLock::new(kinds::all()),
            folder: OnceLock::new(),
            queued: Condvar::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Adds a kind of job that the shell does not know by itself; jobs of it that wait begin.
    pub fn add_kind(&self, kind: Arc<dyn JobKind>) {
        let mut kinds = self.kinds.write();
        kinds.retain(|known| known.name() != kind.name());
        kinds.push(kind);
        drop(kinds);
        let _held = self.active.lock();
        self.queued.notify_all();
    }

    fn kind(&self, name: &str) -> Option<Arc<dyn JobKind>> {
        let kinds = self.kinds.read();
        kinds.iter().find(|kind| kind.name() == name).cloned()
    }

    /// Queues a job; durable, with its entry of the audit trail, when it returns. What `input`
    /// holds is the kind's own, and is shown to nobody.
    pub fn start(&self, kind: &dyn JobKind, input: Json, by: &Actor) -> Result<Job, AppError> {
        let change = Change::new("job.start", kind.name());
        self.start_with(kind.name(), input, by, change, |_| Batch::default())
    }

    /// Like [`Self::start`], with what the audit trail says (its target is the job's kind unless
    /// the change names another) and whatever is to be written in the same commit.
    pub fn start_with(
        &self,
        kind: &'static str,
        input: Json,
        by: &Actor,
        change: Change,
        besides: impl FnOnce(&Job) -> Batch,
    ) -> Result<Job, AppError> {
        let mut active = self.active.lock();
        if active.len() >= MAX_WAITING {
            return Err(AppError::Conflict(format!(
                "{MAX_WAITING} jobs wait already; cancel some, or try again when they are through"
            )));
        }
        let now = self.clock.now();
        let job = Job::queued(self.next_id(&active, now)?, kind, input, by, now);
        let mut batch = besides(&job);
        batch.records.push(job.row(now));
        batch.audit.push(change.after(job.summary()).by(by));
        self.writer.commit(batch, Vec::new())?;
        active.insert(job.id.clone(), Active::new(job.clone()));
        drop(active);
        self.queued.notify_one();
        Ok(job)
    }

    /// Ids are instants of creation in milliseconds, each later than the one before: so they sort
    /// by age, and none is used again after its job was forgotten.
    fn next_id(
        &self,
        active: &BTreeMap<String, Active>,
        now: Timestamp,
    ) -> Result<String, AppError> {
        let youngest = match active.keys().next_back() {
            Some(id) => Some(id.clone()),
            None => self.rows(None, 1)?.pop().map(|job| job.id),
        };
        let last = youngest.and_then(|id| id.strip_prefix("job_")?.parse().ok());
        let number = last.map_or(now.0, |last: i64| now.0.max(last + 1));
        Ok(format!("job_{number:015}"))
    }

    /// One job, as it stands now.
    pub fn job(&self, id: &str) -> Result<Job, AppError> {
        if let Some(active) = self.active.lock().get(id) {
            return Ok(active.job.clone());
        }
        let row = self.store.record(COLLECTION, id)?;
        let row = row.ok_or_else(|| AppError::NotFound {
            what: "job",
            name: id.chars().take(80).collect(),
        })?;
        Ok(Job::of(&row)?)
    }

    /// Jobs, the latest first: at most `limit` after the one called `after`.
    pub fn jobs(
        &self,
        filter: JobFilter<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Job>, AppError> {
        let (mut found, mut after) = (Vec::new(), after.map(str::to_owned));
        loop {
            let rows = self.rows(after, MAX_PAGE_ROWS)?;
            let is_last = rows.len() < MAX_PAGE_ROWS;
            after = rows.last().map(|job| job.id.clone());
            for job in rows {
                let job = self
                    .active
                    .lock()
                    .get(&job.id)
                    .map_or(job, |active| active.job.clone());
                if filter.admits(&job) {
                    found.push(job);
                }
                if found.len() == limit {
                    return Ok(found);
                }
            }
            if is_last {
                return Ok(found);
            }
        }
    }

    fn rows(&self, after: Option<String>, limit: usize) -> Result<Vec<Job>, AppError> {
        let filter = RecordFilter {
            collection: COLLECTION.into(),
            descending: true,
            ..RecordFilter::default()
        };
        let rows = self.store.records(&filter, &Page { after, limit })?;
        Ok(rows.iter().map(Job::of).collect::<Result<_, _>>()?)
    }

    /// Cancels a job: a queued one never runs, a running one ends at the next place where it
    /// looks. What it did until then stays.
    pub fn cancel(&self, id: &str, by: &Actor) -> Result<Job, AppError> {
        let now = self.clock.now();
        let mut active = self.active.lock();
        let Some(entry) = active.get_mut(id) else {
            drop(active);
            let job = self.job(id)?;
            return Err(AppError::Conflict(format!(
                "the job is {} already; there is nothing to cancel",
                job.state.as_str()
            )));
        };
        let mut batch = Batch::default();
        let before = entry.job.summary();
        entry.is_cancelled.store(true, Ordering::Release);
        if entry.job.state == JobState::Queued {
            entry.job.finish(JobState::Cancelled, None, now);
        }
        let job = entry.job.clone();
        batch.records.push(job.row(now));
        let change = Change::new("job.cancel", id).before(before);
        batch.audit.push(change.after(job.summary()).by(by));
        // Under the lock: what is durable changes in the order of what is in memory.
        self.writer.commit(batch, Vec::new())?;
        if job.state == JobState::Cancelled {
            active.remove(id);
            self.remove_upload(&job);
        }
        Ok(job)
    }

    /// Asks the threads to end; jobs under way are cut off at the next place where they look.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let _held = self.active.lock();
        self.queued.notify_all();
    }

    /// Lets go of jobs that finished long ago.
    pub(crate) fn expire(&self, now: Timestamp) -> Result<(), AppError> {
        let batch = Batch {
            records_expired: vec![(COLLECTION.into(), now.plus_ms(-KEPT_MS))],
            ..Batch::default()
        };
        self.writer.commit(batch, Vec::new())?;
        self.expire_files(now);
        Ok(())
    }
}

impl JobFilter<'_> {
    fn admits(&self, job: &Job) -> bool {
        self.kind.is_none_or(|kind| kind == job.kind)
            && self.state.is_none_or(|state| state == job.state)
    }
}

impl Active {
    fn new(job: Job) -> Self {
        Self {
            job,
            is_cancelled: Arc::default(),
        }
    }
}
