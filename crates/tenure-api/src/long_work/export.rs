//! The job that writes an export.

use std::fs::File;
use std::io::BufWriter;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenure_app::error::AppError;
use tenure_app::jobs::{JobKind, JobRun};
use tenure_app::node::Node;
use tenure_store::StoreError;
use tenure_transfer::export::{Sink, Wanted, write};

use super::failed;

/// Name of the kind.
pub(crate) const EXPORT: &str = "export";

/// Forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileFormat {
    /// One JSON object a line.
    #[default]
    Jsonl,
    /// Comma-separated values; what is nested is JSON in its cell.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl FileFormat {
    /// The ending of such a file.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// What to export.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ExportOrder {
    /// Which rows.
    pub(crate) wanted: Wanted,
    /// In which form.
    pub(crate) format: FileFormat,
}

/// Writes exports.
pub(crate) struct ExportKind;

impl JobKind for ExportKind {
    fn name(&self) -> &'static str {
        EXPORT
    }

    fn run(&self, node: &Node, job: &JobRun<'_>) -> Result<Value, AppError> {
        let order: ExportOrder = serde_json::from_value(job.input().clone())
            .map_err(|error| AppError::Conflict(format!("the job's input: {error}")))?;
        let path = node.jobs().file(job.id(), order.format.ending())?;
        let file =
            File::create(&path).map_err(|error| StoreError::Unwritable(error.to_string()))?;
        let out = BufWriter::new(file);
        let what = order.wanted.what;
        let written = match order.format {
            FileFormat::Jsonl => Ok(Sink::jsonl(out)),
            FileFormat::Csv => Sink::csv(what, out),
            FileFormat::Parquet => Sink::parquet(what, out),
        }
        .and_then(|mut sink| {
            let mut progress = |count| Ok(job.progress(count, None)?);
            let count = write(
                node.store().as_ref(),
                &order.wanted,
                &mut sink,
                &mut progress,
            )?;
            sink.finish()?;
            Ok(count)
        });
        match written {
            Ok(count) => {
                job.progress(count, Some(count))?;
                Ok(json!({"row_count": count, "what": what, "format": order.format}))
            }
            Err(error) => {
                // Half a file is of no use; one that cannot be removed is removed in time.
                drop(std::fs::remove_file(&path));
                Err(failed(error))
            }
        }
    }
}
