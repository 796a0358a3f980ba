//! Delivery reports and complaints from a folder: a maildir, or plain files that a mail server or
//! a fetching program puts there.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::AppError;
use crate::node::Node;
use crate::telemetry;

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Most files taken in one look.
const FILES_MAX: usize = 1_000;
/// How much of a file is read, in bytes; reports are small, and their essence comes first.
const FILE_MAX_BYTES: u64 = 1024 * 1024;
/// Where files go that were a report about a message of ours.
const PROCESSED: &str = "processed";
/// Where all others go.
const IGNORED: &str = "ignored";

/// What one look at the folder found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportsRead {
    /// Reports that were recorded.
    pub recorded_count: usize,
    /// Files that were no report, or not about a message of ours.
    pub ignored_count: usize,
}

impl Node {
    /// Reads the reports of a folder once: those of its `new` if it is a maildir, else its own
    /// files. Hidden files are left alone, so a writer puts a file there by renaming it.
    ///
    /// Files are moved to `processed` or `ignored` of the folder after their facts are stored. A
    /// stop in between repeats a report, which is harmless: its facts have derived ids.
    pub fn read_reports(&self, folder: &Path) -> Result<ReportsRead, AppError> {
        let mut read = ReportsRead::default();
        for file in waiting(folder)? {
            let raw = match contents(&file) {
                Ok(raw) => raw,
                // One file must not keep the others waiting.
                Err(error) => {
                    telemetry::reports_failed(&unusable(&file, &error));
                    continue;
                }
            };
            let kept_in = if self.record_report(&raw)?.is_some() {
                read.recorded_count += 1;
                PROCESSED
            } else {
                read.ignored_count += 1;
                IGNORED
            };
            put_away(folder, &file, kept_in).map_err(|error| unusable(&file, &error))?;
        }
        telemetry::reports_read(read.recorded_count, read.ignored_count);
        Ok(read)
    }

    /// Starts a thread that reads the reports of a folder every few seconds until the node stops.
    pub fn watch_reports(&self, folder: PathBuf) -> Result<JoinHandle<()>, AppError> {
        fs::create_dir_all(&folder).map_err(|error| unusable(&folder, &error))?;
        let node = self.handle()?;
        let watch = move || {
            while !node.stopping() {
                if let Err(error) = node.read_reports(&folder) {
                    telemetry::reports_failed(&error);
                }
                node.dispatcher().rest(LOOK_EVERY);
            }
        };
        std::thread::Builder::new()
            .name("reports".into())
            .spawn(watch)
            .map_err(|error| AppError::Conflict(format!("no thread to read reports: {error}")))
    }
}

/// Files that wait, by name.
fn waiting(folder: &Path) -> Result<Vec<PathBuf>, AppError> {
    let new = folder.join("new");
    let source = if new.is_dir() { &new } else { folder };
    let entries = fs::read_dir(source).map_err(|error| unusable(source, &error))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unusable(source, &error))?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            files.push(entry.path());
        }
    }
    files.sort();
    files.truncate(FILES_MAX);
    Ok(files)
}

fn contents(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    fs::File::open(file)?
        .take(FILE_MAX_BYTES)
        .read_to_end(&mut raw)?;
    Ok(raw)
}

fn put_away(folder: &Path, file: &Path, kept_in: &str) -> std::io::Result<()> {
    let target = folder.join(kept_in);
    fs::create_dir_all(&target)?;
    fs::rename(file, target.join(file.file_name().unwrap_or_default()))
}

fn unusable(path: &Path, error: &std::io::Error) -> AppError {
    AppError::Conflict(format!(
        "cannot use {}: {error}; the server must be able to read and move files there",
        path.display()
    ))
}
