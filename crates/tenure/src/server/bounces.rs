//! Delivery reports and complaints from a folder, as a mail server or a fetcher leaves them there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tenure_app::node::Node;

/// How often the folder is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Reports longer than this are none, in bytes.
const REPORT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The thread that reads the folder. It ends when this is dropped.
pub(crate) struct Reader {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Begins to read `folder`, which must exist.
    pub(crate) fn start(folder: &Path, node: &Arc<Node>) -> Result<Self> {
        std::fs::read_dir(folder)
            .with_context(|| format!("`bounces_dir`: cannot list {}", folder.display()))?;
        let (stop, stopped) = channel();
        let (folder, node) = (folder.to_owned(), Arc::clone(node));
        let thread = std::thread::Builder::new()
            .name("bounces".to_owned())
            .spawn(move || {
                run(&folder, &stopped, |raw| {
                    node.record_report(raw)
                        .map(|known| known.is_some())
                        .map_err(Into::into)
                })
            })
            .context("cannot start the thread that reads bounces")?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A reader that panicked has nothing left to finish.
            let _ = thread.join();
        }
    }
}

fn run(folder: &Path, stopped: &Receiver<()>, record: impl Fn(&[u8]) -> Result<bool>) {
    loop {
        match look(folder, &record) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "delivery reports were read"),
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "delivery reports cannot be read; trying again"
            ),
        }
        if stopped.recv_timeout(LOOK_INTERVAL) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// Reads what lies in the folder (and in `new`, if it is a maildir) and puts each file away: into `read`, or into
/// `unrecognised` if it is no report about a message of ours. Answers how many there were.
fn look(folder: &Path, record: &impl Fn(&[u8]) -> Result<bool>) -> Result<u64> {
    let mut count = 0;
    for place in [folder.to_owned(), folder.join("new")] {
        let Ok(entries) = std::fs::read_dir(&place) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            let is_hidden = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_file() && !is_hidden {
                let is_known = std::fs::metadata(&path)?.len() <= REPORT_BYTES_MAX
                    && record(&std::fs::read(&path)?)?;
                put_away(
                    folder,
                    &path,
                    if is_known { "read" } else { "unrecognised" },
                )?;
                count += 1;
            }
        }
    }
    Ok(count)
}

fn put_away(folder: &Path, path: &Path, place: &str) -> Result<()> {
    let place = folder.join(place);
    std::fs::create_dir_all(&place)
        .with_context(|| format!("cannot create {}", place.display()))?;
    let target: PathBuf = place.join(path.file_name().unwrap_or_default());
    std::fs::rename(path, &target).with_context(|| format!("cannot move {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_recorded_once_and_put_away() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("new")).unwrap();
        std::fs::write(folder.path().join("a.eml"), "ours").unwrap();
        std::fs::write(folder.path().join("new/b"), "somebody's").unwrap();
        let record = |raw: &[u8]| Ok(raw == b"ours");
        assert_eq!(look(folder.path(), &record).unwrap(), 2);
        assert_eq!(look(folder.path(), &record).unwrap(), 0);
        assert!(folder.path().join("read/a.eml").exists());
        assert!(folder.path().join("unrecognised/b").exists());
    }

    #[test]
    fn a_file_that_could_not_be_recorded_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.eml"), "ours").unwrap();
        assert!(look(folder.path(), &|_: &[u8]| anyhow::bail!("busy")).is_err());
        assert!(folder.path().join("a.eml").exists());
    }
}
