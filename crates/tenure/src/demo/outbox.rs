//! Shows e-mails as they appear in the outbox folder: subject only, never an address.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::output;

/// A folder of `.eml` files and which of them were shown.
pub(crate) struct Outbox {
    folder: PathBuf,
    shown: HashSet<OsString>,
}

impl Outbox {
    /// Watches a folder; what is there already is shown as well.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            shown: HashSet::new(),
        }
    }

    /// Shows what came since the last time.
    pub(crate) fn show_new(&mut self) {
        for subject in self.new_subjects() {
            output::line(format!("  ✉ {subject}"));
        }
    }

    fn new_subjects(&mut self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut subjects = Vec::new();
        for entry in entries.flatten() {
            let is_mail = Path::new(&entry.file_name())
                .extension()
                .is_some_and(|ending| ending == "eml");
            if is_mail && self.shown.insert(entry.file_name()) {
                let bytes = std::fs::read(entry.path()).unwrap_or_default();
                subjects.extend(subject(&String::from_utf8_lossy(&bytes)));
            }
        }
        subjects
    }
}

/// The subject line of a raw message, unfolded. What is encoded stays encoded.
fn subject(mail: &str) -> Option<String> {
    let mut lines = mail
        .lines()
        .take_while(|line| !line.is_empty())
        .skip_while(|line| !line.starts_with("Subject: "));
    let mut subject = lines.next()?.strip_prefix("Subject: ")?.to_owned();
    for more in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        subject.push(' ');
        subject.push_str(more.trim());
    }
    Some(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mail_is_shown_once_with_its_unfolded_subject() {
        let folder = tempfile::tempdir().unwrap();
        let mail = "To: noor@example.com\r\nSubject: Your first\r\n board\r\nDate: x\r\n\r\nSubject: not this\r\n";
        std::fs::write(folder.path().join("msg_1.eml"), mail).unwrap();
        std::fs::write(folder.path().join(".msg_2.eml.1.part"), mail).unwrap();
        let mut outbox = Outbox::new(folder.path().to_owned());
        assert_eq!(outbox.new_subjects(), ["Your first board"]);
        assert!(outbox.new_subjects().is_empty());
    }
}
