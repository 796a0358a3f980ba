//! Mail into a folder, for development: one `.eml` file a message.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::EmailTransport;
use crate::email::PreparedEmail;
use crate::outcome::Outcome;

/// Writes each message to `<folder>/<message id>.eml`, whole or not at all. A repeat overwrites its file with itself.
#[derive(Debug)]
pub struct FileTransport {
    folder: PathBuf,
    attempts_count: AtomicU64,
}

impl FileTransport {
    /// Opens the folder, creating it if it is missing.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            attempts_count: AtomicU64::new(0),
        })
    }

    fn write(&self, mail: &PreparedEmail) -> io::Result<String> {
        let name = format!("{}.eml", mail.message_id());
        let attempt = self.attempts_count.fetch_add(1, Ordering::Relaxed);
        // The process id keeps two servers on one folder apart; readers look for `.eml` only.
        let draft = self
            .folder
            .join(format!(".{name}.{}.{attempt}.part", std::process::id()));
        let written = File::create(&draft)
            .and_then(|mut file| file.write_all(mail.bytes()))
            .and_then(|()| fs::rename(&draft, self.folder.join(&name)));
        if written.is_err() {
            // The first error matters; a draft that cannot be removed is hidden and harmless.
            let _ = fs::remove_file(&draft);
        }
        written.map(|()| name)
    }
}

impl EmailTransport for FileTransport {
    fn send(&self, mail: &PreparedEmail) -> Outcome {
        match self.write(mail) {
            Ok(name) => Outcome::Accepted {
                response: format!("written to {name}"),
                queue_id: Some(name),
            },
            Err(error) => Outcome::NotSent {
                reason: format!("writing to {}: {error}", self.folder.display()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::tests::welcome;

    #[test]
    fn a_message_sent_twice_is_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let transport = FileTransport::open(&folder.path().join("outbox")).unwrap();
        let mail = welcome().prepare(0, None).unwrap();
        for _ in 0..2 {
            assert!(matches!(transport.send(&mail), Outcome::Accepted { .. }));
        }
        let files: Vec<_> = fs::read_dir(folder.path().join("outbox"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1);
        assert_eq!(fs::read(&files[0]).unwrap(), mail.bytes());
        assert!(files[0].ends_with("msg_1.eml"));
    }

    #[test]
    fn a_folder_that_vanished_leaves_the_message_safe_to_retry() {
        let folder = tempfile::tempdir().unwrap();
        let transport = FileTransport::open(&folder.path().join("outbox")).unwrap();
        fs::remove_dir(folder.path().join("outbox")).unwrap();
        let outcome = transport.send(&welcome().prepare(0, None).unwrap());
        assert!(outcome.may_retry(), "{outcome:?}");
    }
}
