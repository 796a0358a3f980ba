//! How far an import is: kept beside the source, so that it can go on after an interruption.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use tenure_transfer::import::Row;

/// How far it is. Everything up to `rows_count` is durable on the server or in the list of rejected rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Hash of the source.
    pub(crate) file_id: String,
    /// Name of the import.
    pub(crate) import: String,
    /// Rows done.
    pub(crate) rows_count: u64,
    /// Calls the server took.
    pub(crate) accepted_count: u64,
    /// Calls the server knew already.
    pub(crate) duplicate_count: u64,
    /// Rows that were rejected.
    pub(crate) rejected_count: u64,
    /// Length of the list of rejected rows, in bytes; what is beyond it is written again.
    pub(crate) rejected_bytes: u64,
    /// The whole source is done.
    pub(crate) is_done: bool,
}

impl Progress {
    /// The progress kept in `path`, or a fresh one.
    pub(crate) fn read(path: &Path, file_id: &str, import: &str) -> Result<Self> {
        let fresh = Self {
            file_id: file_id.to_owned(),
            import: import.to_owned(),
            ..Self::default()
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(fresh),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let kept: Self = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is not the progress of an import; delete it to begin anew",
                path.display()
            )
        })?;
        if kept.import != import {
            bail!(
                "{} belongs to import `{}`; name another file with --state, or delete it to begin anew",
                path.display(),
                kept.import
            );
        }
        // Another content under the same name is another import.
        Ok(if kept.file_id == file_id { kept } else { fresh })
    }

    /// Writes it, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let draft = path.with_extension("part");
        let text = serde_json::to_string(self)?;
        std::fs::write(&draft, text)
            .and_then(|()| std::fs::rename(&draft, path))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The list of rejected rows, a CSV file made when the first row is rejected.
#[derive(Debug)]
pub(crate) struct Rejected {
    path: PathBuf,
    headings: Vec<String>,
    file: Option<File>,
}

impl Rejected {
    /// Goes on with the list after its first `keep_bytes` bytes.
    pub(crate) fn open(path: PathBuf, headings: Vec<String>, keep_bytes: u64) -> Result<Self> {
        if keep_bytes == 0 {
            let _ = std::fs::remove_file(&path);
            return Ok(Self {
                path,
                headings,
                file: None,
            });
        }
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot go on with {}", path.display()))?;
        file.set_len(keep_bytes)?;
        Ok(Self {
            path,
            headings,
            file: Some(file),
        })
    }

    /// Adds rows and answers the length of the list in bytes.
    pub(crate) fn add(&mut self, rows: &[(Row, String)]) -> Result<u64> {
        if rows.is_empty() {
            return self.bytes();
        }
        let mut writer = csv::WriterBuilder::new()
            .flexible(true)
            .from_writer(Vec::new());
        if self.file.is_none() {
            let file = File::create(&self.path)
                .with_context(|| format!("cannot write {}", self.path.display()))?;
            self.file = Some(file);
            writer.write_record(
                ["row", "line", "reason"]
                    .into_iter()
                    .map(str::to_owned)
                    .chain(self.headings.clone()),
            )?;
        }
        for (row, reason) in rows {
            let start = [row.number.to_string(), row.line.to_string(), reason.clone()];
            writer.write_record(start.iter().chain(&row.original))?;
        }
        let bytes = writer
            .into_inner()
            .context("cannot write the list of rejected rows")?;
        if let Some(file) = &mut self.file {
            file.write_all(&bytes)?;
            file.sync_data()?;
        }
        self.bytes()
    }

    fn bytes(&self) -> Result<u64> {
        Ok(match &self.file {
            Some(file) => file.metadata()?.len(),
            None => 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64) -> Row {
        Row {
            number,
            line: number + 1,
            cells: Err(String::new()),
            original: vec![format!("v{number}")],
        }
    }

    #[test]
    fn progress_is_kept_for_the_same_content_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let progress = Progress {
            rows_count: 5,
            ..Progress::read(&path, "f1", "usage").unwrap()
        };
        progress.write(&path).unwrap();
        assert_eq!(Progress::read(&path, "f1", "usage").unwrap(), progress);
        assert_eq!(Progress::read(&path, "f2", "usage").unwrap().rows_count, 0);
        assert!(
            Progress::read(&path, "f1", "other")
                .unwrap_err()
                .to_string()
                .contains("--state")
        );
    }

    #[test]
    fn rows_rejected_after_the_last_kept_progress_are_listed_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejected.csv");
        let mut list = Rejected::open(path.clone(), vec!["column".to_owned()], 0).unwrap();
        let kept = list.add(&[(row(1), "bad".to_owned())]).unwrap();
        list.add(&[(row(2), "bad".to_owned())]).unwrap();
        drop(list);
        let mut list = Rejected::open(path.clone(), vec!["column".to_owned()], kept).unwrap();
        list.add(&[(row(2), "worse, much".to_owned())]).unwrap();
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "row,line,reason,column\n1,2,bad,v1\n2,3,\"worse, much\",v2\n"
        );
    }
}
