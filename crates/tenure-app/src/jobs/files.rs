//! Files of jobs: what was uploaded, what can be downloaded. They hold personal data, so they live
//! in one folder, briefly, and an erasure takes them all.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tenure_core::time::{DAY_MS, Timestamp};
use tenure_store::StoreError;

use super::{Job, Jobs};
use crate::error::AppError;

/// For how long files are kept after their job ended, in milliseconds.
const FILES_KEPT_MS: i64 = 7 * DAY_MS;

impl Jobs {
    /// Keeps files of jobs in `folder`; the first one counts. What an earlier process uploaded
    /// without a job is removed.
    pub fn keep_files_in(&self, folder: &Path) {
        drop(self.folder.set(folder.into()));
        self.remove_files(|name, jobs| {
            is_upload(name) && !jobs.iter().any(|job| mentions(job, name))
        });
    }

    /// Where files of jobs are kept; made if it is not there.
    pub fn folder(&self) -> Result<&Path, AppError> {
        let folder = self.folder.get().ok_or_else(|| {
            AppError::Conflict("this server has no folder for files; start it with one".into())
        })?;
        std::fs::create_dir_all(folder)
            .map_err(|error| StoreError::Unwritable(error.to_string()))?;
        Ok(folder)
    }

    /// The file of a job, by its ending.
    pub fn file(&self, job: &str, ending: &str) -> Result<PathBuf, AppError> {
        Ok(self.folder()?.join(format!("{job}.{ending}")))
    }

    /// Removes every file, because somebody in it is to be forgotten; jobs under way lose theirs
    /// and fail.
    pub fn discard_files(&self) {
        self.remove_files(|_, _| true);
    }

    /// Removes files of jobs that ended a while ago, and of those that are not known any more.
    pub(super) fn expire_files(&self, now: Timestamp) {
        let is_over = |name: &str| -> bool {
            let id = name.split('.').next().unwrap_or(name);
            match self.job(id) {
                Ok(job) => job
                    .finished_at
                    .is_some_and(|at| now.since_ms(at) > FILES_KEPT_MS),
                Err(AppError::NotFound { .. }) => true,
                Err(_) => false,
            }
        };
        self.remove_files(|name, _| !is_upload(name) && is_over(name));
    }

    /// A job that never runs does not need what was uploaded for it.
    pub(super) fn remove_upload(&self, job: &Job) {
        let name = job.input["file"].as_str();
        if let (Some(folder), Some(name)) = (self.folder.get(), name.filter(|name| is_upload(name)))
        {
            // One that cannot be removed is removed at the next start.
            drop(std::fs::remove_file(folder.join(name)));
        }
    }

    fn remove_files(&self, is_wanted: impl Fn(&str, &[Job]) -> bool) {
        let Some(folder) = self.folder.get() else {
            return;
        };
        let active: Vec<Job> = {
            let active = self.active.lock();
            active.values().map(|entry| entry.job.clone()).collect()
        };
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_wanted(&name, &active) {
                match std::fs::remove_file(entry.path()) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        crate::telemetry::jobs_failed(&AppError::from(StoreError::Unwritable(
                            error.to_string(),
                        )));
                    }
                    _ => {}
                }
            }
        }
    }
}

fn is_upload(name: &str) -> bool {
    name.starts_with("upload-")
}

fn mentions(job: &Job, name: &str) -> bool {
    job.input["file"].as_str() == Some(name)
}
