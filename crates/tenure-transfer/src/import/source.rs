//! Rows of a CSV or JSONL file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::mapping::{Format, Mapping};

/// Longest line of a JSONL file, in bytes.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// One row with its place.
#[derive(Debug)]
pub struct Row {
    /// Number of the row, from 1; the headings do not count.
    pub number: u64,
    /// Line of the file on which it begins, from 1.
    pub line: u64,
    /// What it holds, or why it cannot be read.
    pub cells: Result<Cells, String>,
    /// The fields as they stand in the file, for the list of rejected rows.
    pub original: Vec<String>,
}

/// What a row holds.
#[derive(Debug)]
pub enum Cells {
    /// Columns by place.
    Csv(Arc<HashMap<String, usize>>, csv::StringRecord),
    /// A JSON object.
    Json(Value),
}

impl Cells {
    /// The value of a column; `None` if there is none, it is empty or null. In a JSON row, `a.b` is field `b` of `a`.
    pub fn get(&self, column: &str) -> Option<Value> {
        match self {
            Self::Csv(columns, record) => {
                let text = record.get(*columns.get(column)?)?.trim();
                (!text.is_empty()).then(|| Value::from(text))
            }
            Self::Json(object) => {
                let found = object.get(column).or_else(|| {
                    column
                        .split('.')
                        .try_fold(object, |object, part| object.get(part))
                })?;
                (!found.is_null() && found.as_str() != Some("")).then(|| found.clone())
            }
        }
    }
}

/// The rows of a file, in order.
pub struct Rows {
    reader: Reader,
    number: u64,
    read_bytes: Arc<AtomicU64>,
}

enum Reader {
    Csv {
        columns: Arc<HashMap<String, usize>>,
        headings: Vec<String>,
        reader: Box<csv::Reader<Counted>>,
    },
    Jsonl {
        reader: BufReader<Counted>,
        line: u64,
    },
}

/// A file that counts what was read of it.
pub(super) struct Counted {
    file: File,
    read_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Rows {
    /// Opens a file and checks that it has the columns that the mapping names.
    pub fn open(path: &Path, mapping: &Mapping) -> Result<Self> {
        let rows = Self::open_any(path, mapping.format, mapping.delimiter)?;
        if let Reader::Csv { columns, .. } = &rows.reader
            && let Some(column) = mapping
                .columns()
                .iter()
                .find(|column| !columns.contains_key(*column))
        {
            let mut known: Vec<&str> = columns.keys().map(String::as_str).collect();
            known.sort_unstable();
            bail!(
                "{} has no column `{column}`, which the mapping names; it has {}",
                path.file_name().unwrap_or_default().display(),
                known.join(", ")
            );
        }
        Ok(rows)
    }

    /// Opens a file of either form.
    pub fn open_any(path: &Path, format: Option<Format>, delimiter: Option<char>) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let read_bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            file,
            read_bytes: Arc::clone(&read_bytes),
        };
        let reader = match format.unwrap_or_else(|| format_of(path)) {
            Format::Jsonl => Reader::Jsonl {
                reader: BufReader::new(counted),
                line: 0,
            },
            Format::Csv => {
                let delimiter = u8::try_from(delimiter.unwrap_or(','))
                    .context("`delimiter` must be an ASCII character")?;
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(delimiter)
                    .flexible(true)
                    .from_reader(counted);
                let headings = reader
                    .headers()
                    .with_context(|| format!("cannot read the headings of {}", path.display()))?;
                let headings: Vec<String> = headings
                    .iter()
                    .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
                    .collect();
                let columns = headings
                    .iter()
                    .cloned()
                    .enumerate()
                    .map(|(index, name)| (name, index))
                    .collect();
                Reader::Csv {
                    columns: Arc::new(columns),
                    headings,
                    reader: Box::new(reader),
                }
            }
        };
        Ok(Self {
            reader,
            number: 0,
            read_bytes,
        })
    }

    /// Names of the original fields, for the headings of the list of rejected rows.
    pub fn headings(&self) -> Vec<String> {
        match &self.reader {
            Reader::Csv { headings, .. } => headings.clone(),
            Reader::Jsonl { .. } => vec!["text".to_owned()],
        }
    }

    /// Bytes read so far, shared with a progress bar.
    pub fn read_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read_bytes)
    }

    fn next_csv(
        columns: &Arc<HashMap<String, usize>>,
        reader: &mut csv::Reader<Counted>,
    ) -> Result<Option<Found>> {
        let mut record = csv::StringRecord::new();
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => Ok(None),
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                let original = record.iter().map(str::to_owned).collect();
                let cells = if record.len() > columns.len() {
                    Err(format!(
                        "has {} fields, the headings are {}",
                        record.len(),
                        columns.len()
                    ))
                } else {
                    Ok(Cells::Csv(Arc::clone(columns), record))
                };
                Ok(Some(Found {
                    line,
                    cells,
                    original,
                }))
            }
            Err(error) => match error.into_kind() {
                csv::ErrorKind::Io(error) => Err(error).context("cannot read the source"),
                csv::ErrorKind::Utf8 { pos, .. } => {
                    let line = pos.map_or(line, |pos| pos.line());
                    let reason = "is not UTF-8; convert the file, for example with iconv";
                    Ok(Some(Found {
                        line,
                        cells: Err(reason.to_owned()),
                        original: Vec::new(),
                    }))
                }
                other => Ok(Some(Found {
                    line,
                    cells: Err(format!("cannot be read: {other:?}")),
                    original: Vec::new(),
                })),
            },
        }
    }

    fn next_jsonl(reader: &mut BufReader<Counted>, line: &mut u64) -> Result<Option<Found>> {
        loop {
            let mut bytes = Vec::new();
            let count = reader
                .by_ref()
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut bytes)
                .context("cannot read the source")?;
            if count == 0 {
                return Ok(None);
            }
            if count as u64 == LINE_BYTES_MAX {
                bail!(
                    "line {} is longer than {LINE_BYTES_MAX} bytes; is this one JSON object a line?",
                    *line + 1
                );
            }
            *line += 1;
            let text = String::from_utf8_lossy(&bytes);
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let cells = match serde_json::from_str::<Value>(text) {
                Ok(object) if object.is_object() => Ok(Cells::Json(object)),
                Ok(_) => Err("is not a JSON object".to_owned()),
                Err(error) => Err(format!("is not valid JSON (column {})", error.column())),
            };
            return Ok(Some(Found {
                line: *line,
                cells,
                original: vec![text.to_owned()],
            }));
        }
    }
}

struct Found {
    line: u64,
    cells: Result<Cells, String>,
    original: Vec<String>,
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = match &mut self.reader {
            Reader::Csv {
                columns, reader, ..
            } => Self::next_csv(columns, reader),
            Reader::Jsonl { reader, line } => Self::next_jsonl(reader, line),
        };
        let Found {
            line,
            cells,
            original,
        } = match found {
            Ok(Some(found)) => found,
            Ok(None) => return None,
            Err(error) => return Some(Err(error)),
        };
        self.number += 1;
        Some(Ok(Row {
            number: self.number,
            line,
            cells,
            original,
        }))
    }
}

fn format_of(path: &Path) -> Format {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("jsonl" | "ndjson" | "json") => Format::Jsonl,
        _ => Format::Csv,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_of(name: &str, text: &str) -> Vec<Row> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Rows::open_any(&path, None, None)
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn rows_know_their_number_and_line_also_after_quoted_line_breaks() {
        let rows = rows_of("a.csv", "\u{feff}id,note\n1,\"two\nlines\"\n2,\n");
        assert_eq!(
            rows.iter()
                .map(|row| (row.number, row.line))
                .collect::<Vec<_>>(),
            [(1, 2), (2, 4)]
        );
        let cells = rows[1].cells.as_ref().unwrap();
        assert_eq!(cells.get("id"), Some(Value::from("2")));
        assert_eq!(cells.get("note"), None);
    }

    #[test]
    fn json_rows_reach_into_objects_and_report_what_is_not_json() {
        let rows = rows_of("a.jsonl", "{\"a\":{\"b\":3},\"x.y\":1}\n\n{oops\n[1]\n");
        let cells = rows[0].cells.as_ref().unwrap();
        assert_eq!(
            (cells.get("a.b"), cells.get("x.y")),
            (Some(Value::from(3)), Some(Value::from(1)))
        );
        assert_eq!(rows[1].line, 3);
        assert!(
            rows[1]
                .cells
                .as_ref()
                .unwrap_err()
                .contains("not valid JSON")
        );
        assert_eq!(rows[2].cells.as_ref().unwrap_err(), "is not a JSON object");
    }

    #[test]
    fn a_row_with_more_fields_than_headings_is_reported_and_the_next_is_read() {
        let rows = rows_of("a.csv", "a,b\n1,2,3\n4,5\n");
        assert!(rows[0].cells.is_err());
        assert!(rows[1].cells.is_ok());
    }
}
