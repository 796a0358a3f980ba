//! The job that imports a file.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenure_app::error::AppError;
use tenure_app::jobs::{JobKind, JobRun};
use tenure_app::node::Node;
use tenure_transfer::import::{Cells, Format, Mapper, Mapping, Row, Rows};

use super::failed;
use crate::ingest::{Ingest, IngestLimits, Rejected};

/// Name of the kind.
pub(crate) const IMPORT: &str = "import";
/// Ending of the list of rows that were not taken.
pub(crate) const REPORT: &str = "rejected.csv";
/// The most rows of that list; the rest is only counted.
const REPORT_ROWS: u64 = 100_000;
/// Most calls handed over at once.
const BATCH_CALLS: usize = 1_000;
/// About the most bytes handed over at once.
const BATCH_BYTES: usize = 1024 * 1024;

/// What to import.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ImportOrder {
    /// Name of the uploaded file, in the folder of the jobs.
    pub(crate) file: String,
    /// Hash of its content.
    pub(crate) file_id: String,
    /// The mapping's text; without it, lines are calls of the tracking API.
    pub(crate) mapping: Option<String>,
    /// Whether lines are JSON.
    pub(crate) is_json: bool,
}

/// How far an import is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct ImportCounts {
    /// Rows read.
    row_count: u64,
    /// Calls that were new.
    accepted_count: u64,
    /// Calls that were known already, and not counted again.
    duplicate_count: u64,
    /// Rows that were not taken; the report lists them.
    rejected_count: u64,
    /// Length of the report that goes with these counts.
    #[serde(default)]
    report_bytes: u64,
}

/// Imports files.
pub(crate) struct ImportKind {
    ingest: Ingest,
}

impl ImportKind {
    pub(crate) fn new(ingest: Ingest) -> Self {
        Self { ingest }
    }
}

impl JobKind for ImportKind {
    fn name(&self) -> &'static str {
        IMPORT
    }

    fn run(&self, node: &Node, job: &JobRun<'_>) -> Result<Value, AppError> {
        let order: ImportOrder = serde_json::from_value(job.input().clone())
            .map_err(|error| AppError::Conflict(format!("the job's input: {error}")))?;
        let source = node.jobs().folder()?.join(&order.file);
        let report = node.jobs().file(job.id(), REPORT)?;
        let imported = self.import(node, job, &order, (&source, &report));
        match &imported {
            // It goes on after the next start, and needs its file for that.
            Err(error)
                if matches!(error.downcast_ref(), Some(AppError::Stopping)) && job.goes_on() => {}
            // Nothing can be done about a file that cannot be removed; it is removed in time.
            _ => drop(std::fs::remove_file(&source)),
        }
        imported.map_err(failed)
    }
}

/// Reads rows as calls.
enum Reading {
    Mapped(Box<Mapper>),
    Calls { file_id: String },
}

impl Reading {
    fn calls(&self, row: &Row) -> Result<Vec<Value>, String> {
        match self {
            Self::Mapped(mapper) => mapper.calls(row),
            Self::Calls { file_id } => match row.cells.as_ref().map_err(Clone::clone)? {
                Cells::Json(call) => {
                    let mut call = call.clone();
                    if call.get("messageId").is_none_or(Value::is_null) {
                        call["messageId"] = format!("import:{file_id}:{}", row.number).into();
                    }
                    Ok(vec![call])
                }
                Cells::Csv(..) => Err("is not a call; give a mapping".to_owned()),
            },
        }
    }
}

/// Rows whose calls are handed over together.
#[derive(Default)]
struct Batch {
    /// Calls as JSON, with a comma after each.
    text: String,
    call_count: usize,
    /// Place of each row, with the index of its first call.
    rows: Vec<(usize, (u64, u64))>,
    rejected: Vec<Refused>,
    last_row: u64,
}

/// A row that is not taken.
struct Refused {
    line: u64,
    row: u64,
    field: String,
    problem: String,
}

impl Batch {
    fn add(&mut self, row: &Row, calls: Result<Vec<Value>, String>) {
        self.last_row = row.number;
        match calls {
            Ok(calls) => {
                self.rows.push((self.call_count, (row.line, row.number)));
                for call in calls {
                    self.text.push_str(&call.to_string());
                    self.text.push(',');
                    self.call_count += 1;
                }
            }
            Err(reason) => self.rejected.push(refused((row.line, row.number), &reason)),
        }
    }

    fn is_full(&self) -> bool {
        self.call_count >= BATCH_CALLS
            || self.text.len() >= BATCH_BYTES
            || self.rejected.len() >= BATCH_CALLS
    }

    /// Notes the rows whose calls were not taken, each once.
    fn reject(&mut self, faults: Vec<Rejected>) {
        let mut last = None;
        for fault in faults {
            let place = self
                .rows
                .partition_point(|(first, _)| *first <= fault.index);
            let Some(index) = place.checked_sub(1).filter(|index| last != Some(*index)) else {
                continue;
            };
            last = Some(index);
            let (line, row) = self.rows[index].1;
            self.rejected.push(Refused {
                line,
                row,
                field: fault.field,
                problem: fault.reason,
            });
        }
        self.rejected.sort_by_key(|refused| refused.row);
    }
}

/// Reasons of the mapping begin with the field in backticks.
fn refused((line, row): (u64, u64), reason: &str) -> Refused {
    let named = reason
        .strip_prefix('`')
        .and_then(|rest| rest.split_once('`'));
    let (field, problem) = match named {
        Some((field, rest)) => (field, rest.trim_start_matches(':').trim_start()),
        None => ("", reason),
    };
    Refused {
        line,
        row,
        field: field.to_owned(),
        problem: problem.to_owned(),
    }
}

impl ImportKind {
    fn import(
        &self,
        node: &Node,
        job: &JobRun<'_>,
        order: &ImportOrder,
        (source, report): (&Path, &Path),
    ) -> Result<Value> {
        let mut counts: ImportCounts =
            serde_json::from_value(job.mark().clone()).unwrap_or_default();
        let (rows, reading) = open(order, source)?;
        let size = std::fs::metadata(source)
            .context("cannot read the file")?
            .len();
        let mut report = Report::open(report, &counts)?;
        let read_bytes = rows.read_bytes();
        let done = counts.row_count;
        let mut batch = Batch::default();
        for row in rows {
            let row = row?;
            if row.number <= done {
                continue;
            }
            let calls = reading.calls(&row);
            batch.add(&row, calls);
            if batch.is_full() {
                let full = std::mem::take(&mut batch);
                self.settle(node, job, full, (&mut counts, &mut report))?;
                job.progress(read_bytes.load(Ordering::Relaxed), Some(size))?;
            }
        }
        self.settle(node, job, batch, (&mut counts, &mut report))?;
        job.progress(size, Some(size))?;
        Ok(shown(&counts))
    }

    /// Hands a batch over, and only then counts it and lists what was not taken.
    fn settle(
        &self,
        node: &Node,
        job: &JobRun<'_>,
        mut batch: Batch,
        (counts, report): (&mut ImportCounts, &mut Report),
    ) -> Result<()> {
        if batch.last_row == 0 {
            return Ok(());
        }
        batch.text.pop();
        let text = format!("{{\"batch\":[{}]}}", batch.text);
        let limits = IngestLimits {
            batch_bytes: usize::MAX,
            batch_events: usize::MAX,
            ..self.ingest.limits()
        };
        let parsed = self.ingest.batch(&text, &limits, true);
        let parsed =
            parsed.map_err(|_| AppError::Conflict("rows cannot be read as calls".into()))?;
        batch.reject(parsed.rejected);
        if !parsed.calls.is_empty() {
            let ingested = node.writer().ingest_and_wait(parsed.calls)?;
            counts.accepted_count += ingested.accepted_count as u64;
            counts.duplicate_count += ingested.duplicate_count as u64;
        }
        report.add(&batch.rejected, counts.rejected_count)?;
        counts.rejected_count += batch.rejected.len() as u64;
        counts.row_count = batch.last_row;
        counts.report_bytes = report.finish()?;
        job.show(shown(counts));
        job.set_mark(json!(counts))?;
        Ok(())
    }
}

/// Counts as they are told.
fn shown(counts: &ImportCounts) -> Value {
    json!({
        "row_count": counts.row_count,
        "accepted_count": counts.accepted_count,
        "duplicate_count": counts.duplicate_count,
        "rejected_count": counts.rejected_count,
    })
}

fn open(order: &ImportOrder, source: &Path) -> Result<(Rows, Reading)> {
    let form = if order.is_json {
        Format::Jsonl
    } else {
        Format::Csv
    };
    let Some(text) = &order.mapping else {
        let reading = Reading::Calls {
            file_id: order.file_id.clone(),
        };
        return Ok((Rows::open_any(source, Some(Format::Jsonl), None)?, reading));
    };
    let mut mapping = Mapping::parse(text)?;
    mapping.format = mapping.format.or(Some(form));
    let rows = Rows::open(source, &mapping)?;
    let mapper = Mapper::new(mapping, source, &order.file_id)?;
    Ok((rows, Reading::Mapped(Box::new(mapper))))
}

/// The list of rows that were not taken.
struct Report {
    writer: csv::Writer<File>,
}

impl Report {
    /// Goes on where the counts stand; what is beyond is written again.
    fn open(path: &Path, counts: &ImportCounts) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .append(true)
            .open(path)
            .context("cannot write the report")?;
        file.set_len(counts.report_bytes)
            .context("cannot write the report")?;
        let mut writer = csv::Writer::from_writer(file);
        if counts.report_bytes == 0 {
            writer.write_record(["line", "row", "field", "problem"])?;
        }
        Ok(Self { writer })
    }

    fn add(&mut self, rows: &[Refused], listed: u64) -> Result<()> {
        let room = usize::try_from(REPORT_ROWS.saturating_sub(listed)).unwrap_or(0);
        for refused in rows.iter().take(room) {
            self.writer.write_record([
                &refused.line.to_string(),
                &refused.row.to_string(),
                &refused.field,
                &refused.problem,
            ])?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<u64> {
        self.writer.flush().context("cannot write the report")?;
        Ok(self.writer.get_ref().metadata()?.len())
    }
}
