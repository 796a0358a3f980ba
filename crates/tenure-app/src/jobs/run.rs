//! Running jobs.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde_json::Value as Json;
use tenure_core::time::Timestamp;
use tenure_store::Batch;
use tenure_store::query::MAX_PAGE_ROWS;

use super::{Active, Job, JobKind, JobState, Jobs, REST};
use crate::error::AppError;
use crate::node::Node;
use crate::telemetry;

/// How often progress is made durable, in milliseconds.
const SAVED_EVERY_MS: i64 = 1_000;
/// The most bytes of a result.
const RESULT_BYTES: usize = 4 * 1024 * 1024;

/// A job under way, as its kind sees it.
pub struct JobRun<'a> {
    jobs: &'a Jobs,
    id: String,
    input: Json,
    mark: Json,
    is_cancelled: Arc<AtomicBool>,
    saved_at: Mutex<Timestamp>,
}

impl JobRun<'_> {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What to do.
    pub fn input(&self) -> &Json {
        &self.input
    }

    /// Where an interrupted run before this one had come to; null at first.
    pub fn mark(&self) -> &Json {
        &self.mark
    }

    /// Whether it goes on after the next start: it ends because the process stops.
    pub fn goes_on(&self) -> bool {
        !self.is_cancelled.load(Ordering::Acquire)
    }

    /// Ends the job when it was cancelled or the process stops: pass the error on.
    pub fn check(&self) -> Result<(), AppError> {
        if self.jobs.stopping.load(Ordering::Acquire) || self.is_cancelled.load(Ordering::Acquire) {
            return Err(AppError::Stopping);
        }
        Ok(())
    }

    /// Tells how far it is, and checks. Cheap: it is made durable once a second.
    pub fn progress(&self, done_count: u64, total_count: Option<u64>) -> Result<(), AppError> {
        self.change(|job| {
            job.done_count = done_count;
            job.total_count = total_count;
        });
        self.save_sometimes()?;
        self.check()
    }

    /// Shows what is known so far.
    pub fn show(&self, result: Json) {
        self.change(|job| job.result = result);
    }

    /// Sets where to go on after an interruption; durable when it returns.
    pub fn set_mark(&self, mark: Json) -> Result<(), AppError> {
        self.change(|job| job.mark = mark);
        self.save()
    }

    fn change(&self, change: impl FnOnce(&mut Job)) {
        if let Some(active) = self.jobs.active.lock().get_mut(&self.id) {
            change(&mut active.job);
        }
    }

    fn save_sometimes(&self) -> Result<(), AppError> {
        let now = self.jobs.clock.now();
        if now.since_ms(*self.saved_at.lock()) < SAVED_EVERY_MS {
            return Ok(());
        }
        self.save()
    }

    fn save(&self) -> Result<(), AppError> {
        let now = self.jobs.clock.now();
        *self.saved_at.lock() = now;
        let row = self
            .jobs
            .active
            .lock()
            .get(&self.id)
            .map(|active| active.job.row(now));
        let batch = Batch {
            records: row.into_iter().collect(),
            ..Batch::default()
        };
        self.jobs.writer.commit(batch, Vec::new())
    }
}

impl Jobs {
    /// Takes over what an earlier process left.
    pub(crate) fn recover(&self) -> Result<(), AppError> {
        let (mut after, mut left) = (None, Vec::new());
        loop {
            let rows = self.rows(after, MAX_PAGE_ROWS)?;
            let is_last = rows.len() < MAX_PAGE_ROWS;
            after = rows.last().map(|job| job.id.clone());
            left.extend(rows.into_iter().filter(|job| !job.state.is_final()));
            if is_last {
                break;
            }
        }
        let mut active = self.active.lock();
        for mut job in left {
            job.state = JobState::Queued;
            active.insert(job.id.clone(), Active::new(job));
        }
        Ok(())
    }

    /// Runs jobs until the node stops.
    pub(crate) fn run(&self, node: &Node) {
        while !self.stopping.load(Ordering::Acquire) {
            match self.run_next(node) {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => telemetry::jobs_failed(&error),
            }
            let mut active = self.active.lock();
            if !self.stopping.load(Ordering::Acquire) && self.next(&active).is_none() {
                self.queued.wait_for(&mut active, REST);
            }
        }
    }

    /// Runs the next job that is queued, on the caller's thread; false if there is none.
    pub(crate) fn run_next(&self, node: &Node) -> Result<bool, AppError> {
        let Some((run, work)) = self.take()? else {
            return Ok(false);
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            run.check()?;
            work.run(node, &run)
        }));
        let outcome = outcome.unwrap_or_else(|_| {
            Err(AppError::Conflict(
                "the job panicked; see the server's log".into(),
            ))
        });
        self.settle(&run, outcome)?;
        Ok(true)
    }

    /// The oldest queued job of whose kind none runs. A kind that nobody has added yet waits.
    fn next(&self, active: &BTreeMap<String, Active>) -> Option<(String, Arc<dyn JobKind>)> {
        let running: Vec<&str> = active
            .values()
            .filter(|entry| entry.job.state == JobState::Running)
            .map(|entry| entry.job.kind.as_str())
            .collect();
        active
            .values()
            .filter(|entry| entry.job.state == JobState::Queued)
            .filter(|entry| !running.contains(&entry.job.kind.as_str()))
            .find_map(|entry| Some((entry.job.id.clone(), self.kind(&entry.job.kind)?)))
    }

    fn take(&self) -> Result<Option<Taken<'_>>, AppError> {
        let now = self.clock.now();
        let mut active = self.active.lock();
        let Some((id, work)) = self.next(&active) else {
            return Ok(None);
        };
        let Some(entry) = active.get_mut(&id) else {
            return Ok(None);
        };
        if entry.job.started_at.is_some() && !work.is_resumable() {
            let why = "interrupted: the server stopped meanwhile; start it again";
            let mut job = entry.job.clone();
            job.finish(JobState::Failed, Some(why.to_owned()), now);
            self.writer.commit(put(&job, now), Vec::new())?;
            active.remove(&id);
            return Ok(None);
        }
        entry.job.state = JobState::Running;
        entry.job.started_at = Some(now);
        let batch = put(&entry.job, now);
        let run = JobRun {
            jobs: self,
            id,
            input: entry.job.input.clone(),
            mark: entry.job.mark.clone(),
            is_cancelled: Arc::clone(&entry.is_cancelled),
            saved_at: Mutex::new(now),
        };
        if let Err(error) = self.writer.commit(batch, Vec::new()) {
            entry.job.state = JobState::Queued;
            return Err(error);
        }
        Ok(Some((run, work)))
    }

    fn settle(&self, run: &JobRun<'_>, outcome: Result<Json, AppError>) -> Result<(), AppError> {
        let now = self.clock.now();
        let is_cancelled = run.is_cancelled.load(Ordering::Acquire);
        let Some(mut job) = self
            .active
            .lock()
            .get(&run.id)
            .map(|active| active.job.clone())
        else {
            return Ok(());
        };
        match outcome {
            Ok(result) if result.to_string().len() > RESULT_BYTES => {
                let why = format!("the result is larger than {RESULT_BYTES} bytes; ask for less");
                job.finish(JobState::Failed, Some(why), now);
            }
            Ok(result) => {
                job.result = result;
                job.finish(JobState::Succeeded, None, now);
            }
            Err(AppError::Stopping) if is_cancelled => job.finish(JobState::Cancelled, None, now),
            // It stays as it is in the store, for the next process.
            Err(AppError::Stopping) => return Ok(()),
            Err(error) => job.finish(JobState::Failed, Some(error.to_string()), now),
        }
        telemetry::job_ended(&job.kind, job.state.as_str());
        let mut active = self.active.lock();
        let written = self.writer.commit(put(&job, now), Vec::new());
        active.remove(&run.id);
        drop(active);
        // Another of this kind may have waited for it.
        self.queued.notify_all();
        written
    }
}

type Taken<'a> = (JobRun<'a>, Arc<dyn JobKind>);

fn put(job: &Job, now: Timestamp) -> Batch {
    Batch {
        records: vec![job.row(now)],
        ..Batch::default()
    }
}
