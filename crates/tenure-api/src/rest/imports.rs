//! Imports of whole files, as jobs.

use std::path::Path as FilePath;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tempfile::NamedTempFile;
use tenure_app::access::Change;
use tenure_app::jobs::{Job, JobFilter};
use tenure_app::node::Node;
use tenure_app::query::Listed;
use tenure_store::row::Record;
use tenure_store::{Batch, StoreError};
use tenure_transfer::import::{Mapping, file_id};
use tokio::io::AsyncWriteExt;
use tokio_stream::StreamExt;
use tokio_util::io::ReaderStream;

use super::guard::Who;
use super::jobs::{JobRow, job_of};
use super::params::{Params, one_more};
use super::{Answer, Rows, answer, ask};
use crate::ApiState;
use crate::long_work::{IMPORT, ImportOrder, REPORT};
use crate::problem::{Code, Problem};

/// The largest file, in bytes: 2 GiB.
const FILE_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// The longest mapping, in bytes.
const MAPPING_BYTES: usize = 256 * 1024;
/// Collection of the files that were imported, by what makes a repeat.
const IMPORTED: &str = "imported_file";

/// What was uploaded.
struct Upload {
    file: NamedTempFile,
    mapping: Option<String>,
    is_json: Option<bool>,
}

/// Imports a file of any size in the background. The body is the file itself (`text/csv` or
/// `application/x-ndjson`) with the mapping as parameter, or `multipart/form-data` with the parts
/// `mapping` and `file`. The mapping is that of `tenure import`; without one, lines are calls of
/// the tracking API. What is imported is history: it never starts a program and never sends.
///
/// A row that cannot be taken does not stop the others; `…/errors` and `…/report` list them. A file
/// that was imported is not imported again unless `again` is true.
#[utoipa::path(post, path = "/imports", params(("mapping" = Option<String>, Query, description = "the mapping as YAML or JSON"),
    ("again" = Option<bool>, Query, description = "import a file that was imported already")),
    request_body(content(("text/csv"), ("application/x-ndjson"), ("multipart/form-data"))),
    responses((status = 202, body = JobRow)))]
pub(super) async fn start(
    State(state): State<ApiState>,
    Who(by): Who,
    params: Params,
    request: Request,
) -> Result<Response, Problem> {
    let params = params.only(&["mapping", "again"])?;
    let again = params.parsed::<bool>("again")?.unwrap_or(false);
    let folder = ask(&state, |node| Ok(node.jobs().folder()?.to_owned())).await?;
    let mut upload = receive(request, &folder).await?;
    upload.mapping = upload.mapping.or(params.text("mapping"));
    let job = ask(&state, move |node| {
        let (order, name) = check(&upload)?;
        queue(node, upload.file, &order, (&name, again), &by)
    })
    .await?;
    Ok((StatusCode::ACCEPTED, Json(JobRow::from(job))).into_response())
}

/// What to do, and the import's name; refuses what could only fail later.
fn check(upload: &Upload) -> Result<(ImportOrder, String), Problem> {
    let wrong = |error: anyhow::Error| Problem::invalid("mapping", format!("{error:#}"));
    let mapping = upload.mapping.as_deref().map(Mapping::parse);
    let mapping = mapping.transpose().map_err(wrong)?;
    if mapping
        .as_ref()
        .is_some_and(|mapping| !mapping.lookups.is_empty())
    {
        let reason = "has `lookups`, which are files beside the source; use `tenure import`";
        return Err(Problem::invalid("mapping", reason));
    }
    let is_json = upload.is_json.unwrap_or(mapping.is_none());
    if mapping.is_none() && !is_json {
        let reason = "is missing: it says what the columns mean";
        return Err(Problem::invalid("mapping", reason));
    }
    let file_id = file_id(upload.file.path()).map_err(wrong)?;
    let name = mapping.map_or_else(|| "calls".to_owned(), |mapping| mapping.import);
    let order = ImportOrder {
        file: file_name(upload.file.path()),
        file_id,
        mapping: upload.mapping.clone(),
        is_json,
    };
    Ok((order, name))
}

fn file_name(path: &FilePath) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn queue(
    node: &Node,
    file: NamedTempFile,
    order: &ImportOrder,
    (name, again): (&str, bool),
    by: &tenure_app::access::Actor,
) -> Result<Job, Problem> {
    let key = format!("{name}:{}", order.file_id);
    let known = node.store().record(IMPORTED, &key)?;
    if let Some(known) = known.filter(|_| !again) {
        let job = String::from_utf8_lossy(&known.bytes).into_owned();
        let is_void = node
            .jobs()
            .job(&job)
            .is_ok_and(|job| matches!(job.state.as_str(), "failed" | "cancelled"));
        if !is_void {
            return Err(Problem::new(
                Code::Conflict,
                format!("this file was imported as `{name}` by {job} already"),
            )
            .fix("add `again=true` to import it once more"));
        }
    }
    let input = serde_json::to_value(order).unwrap_or_default();
    let kept = file.keep().map_err(|error| unwritable(&error.error))?;
    let change = Change::new("job.start", IMPORT);
    let started = node
        .jobs()
        .start_with(IMPORT, input, by, change, |job| Batch {
            records: vec![Record {
                collection: IMPORTED.into(),
                key: key.into(),
                at: job.created_at,
                bytes: job.id.clone().into_bytes(),
            }],
            ..Batch::default()
        });
    if started.is_err() {
        // It is of no use; one that cannot be removed is removed at the next start.
        drop(std::fs::remove_file(kept.1));
    }
    Ok(started?)
}

fn unwritable(error: &std::io::Error) -> Problem {
    Problem::from(StoreError::Unwritable(error.to_string()))
}

async fn receive(request: Request, folder: &FilePath) -> Result<Upload, Problem> {
    let file = tempfile::Builder::new()
        .prefix("upload-")
        .tempfile_in(folder)
        .map_err(|error| unwritable(&error))?;
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_lowercase();
    let mut upload = Upload {
        file,
        mapping: None,
        is_json: match kind.as_str() {
            "text/csv" => Some(false),
            "application/x-ndjson" | "application/jsonl" | "application/json" => Some(true),
            _ => None,
        },
    };
    if kind == "multipart/form-data" {
        receive_parts(request, &mut upload).await?;
    } else {
        let mut body = request.into_body().into_data_stream();
        let mut writer = Writer::open(&upload.file)?;
        while let Some(bytes) = body.next().await {
            writer.write(&bytes.map_err(|_| cut_off())?).await?;
        }
        writer.finish().await?;
    }
    Ok(upload)
}

async fn receive_parts(request: Request, upload: &mut Upload) -> Result<(), Problem> {
    let malformed = |_| Problem::new(Code::MalformedBody, "the form cannot be read");
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|_| Problem::new(Code::MalformedBody, "the form has no boundary"))?;
    let mut has_file = false;
    while let Some(mut part) = form.next_field().await.map_err(malformed)? {
        match part.name() {
            Some("mapping") => {
                let mut text = Vec::new();
                while let Some(bytes) = part.chunk().await.map_err(malformed)? {
                    text.extend_from_slice(&bytes);
                    if text.len() > MAPPING_BYTES {
                        let reason = format!("is longer than {MAPPING_BYTES} bytes");
                        return Err(Problem::invalid("mapping", reason));
                    }
                }
                let text = String::from_utf8(text);
                upload.mapping =
                    Some(text.map_err(|_| Problem::invalid("mapping", "is not UTF-8"))?);
            }
            Some("file") => {
                let name = part.file_name().unwrap_or_default().to_lowercase();
                upload.is_json = match name.rsplit('.').next() {
                    Some("jsonl" | "ndjson" | "json") => Some(true),
                    Some("csv" | "txt") => Some(false),
                    _ => None,
                };
                has_file = true;
                let mut writer = Writer::open(&upload.file)?;
                while let Some(bytes) = part.chunk().await.map_err(malformed)? {
                    writer.write(&bytes).await?;
                }
                writer.finish().await?;
            }
            _ => {
                let reason = "has a part that is not known; known are `mapping` and `file`";
                return Err(Problem::invalid("body", reason));
            }
        }
    }
    if has_file {
        Ok(())
    } else {
        Err(Problem::invalid(
            "file",
            "is missing: add it as a part of the form",
        ))
    }
}

fn cut_off() -> Problem {
    Problem::new(Code::MalformedBody, "the upload was cut off").fix("send it again")
}

/// Streams an upload to disk, up to the limit.
struct Writer {
    file: tokio::fs::File,
    byte_count: u64,
}

impl Writer {
    fn open(file: &NamedTempFile) -> Result<Self, Problem> {
        let file = file.reopen().map_err(|error| unwritable(&error))?;
        Ok(Self {
            file: tokio::fs::File::from_std(file),
            byte_count: 0,
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.byte_count += bytes.len() as u64;
        if self.byte_count > FILE_BYTES {
            let detail = format!("the file is larger than {FILE_BYTES} bytes");
            return Err(Problem::new(Code::TooLarge, detail).fix("cut it into several files"));
        }
        self.file
            .write_all(bytes)
            .await
            .map_err(|error| unwritable(&error))
    }

    async fn finish(mut self) -> Result<(), Problem> {
        self.file.flush().await.map_err(|error| unwritable(&error))
    }
}

/// Imports, the latest first.
#[utoipa::path(get, path = "/imports", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Rows<JobRow>)))]
pub(super) async fn list(State(state): State<ApiState>, params: Params) -> Answer<Rows<JobRow>> {
    let page = params.only(&["cursor", "limit"])?.page()?;
    answer(&state, move |node| {
        let filter = JobFilter {
            kind: Some(IMPORT),
            state: None,
        };
        let more = one_more(&page);
        let rows = node
            .jobs()
            .jobs(filter, more.after.as_deref(), more.limit)?;
        let listed = Listed::cut(rows, page.limit, |job| job.id.clone());
        Ok(listed.map(JobRow::from).into())
    })
    .await
}

/// One import: its `result` counts rows, and calls taken, known already and rejected.
#[utoipa::path(get, path = "/imports/{import}", params(("import" = String, Path)), responses((status = 200, body = JobRow)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<JobRow> {
    params.only(&[])?;
    answer(&state, move |node| Ok(job_of(node, IMPORT, &id)?.into())).await
}

/// A row that was not taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ImportError {
    /// Line of the file on which the row begins, from 1.
    line: u64,
    /// Number of the row, from 1; headings do not count.
    row: u64,
    /// The field that is wrong; null when it is the row as a whole.
    field: Option<String>,
    /// What is wrong and what to do.
    problem: String,
}

/// Rows of an import that were not taken, in the order of the file; at most 100 000 are listed.
#[utoipa::path(get, path = "/imports/{import}/errors", params(("import" = String, Path),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<ImportError>)))]
pub(super) async fn errors(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<Rows<ImportError>> {
    let page = params.only(&["cursor", "limit"])?.page()?;
    let cursor = page.after.clone().unwrap_or_else(|| "0".to_owned());
    let after: u64 = cursor
        .parse()
        .map_err(|_| Problem::from(StoreError::BadCursor(cursor.chars().take(80).collect())))?;
    answer(&state, move |node| {
        let job = job_of(node, IMPORT, &id)?;
        let path = node.jobs().file(&job.id, REPORT)?;
        let Ok(mut reader) = csv::Reader::from_path(path) else {
            return Ok(Listed::cut(Vec::new(), page.limit, |_: &ImportError| String::new()).into());
        };
        let rows = reader
            .deserialize::<(u64, u64, Option<String>, String)>()
            .filter_map(Result::ok)
            .filter(|(_, row, ..)| *row > after)
            .take(page.limit + 1);
        let rows = rows.map(|(line, row, field, problem)| ImportError {
            line,
            row,
            field,
            problem,
        });
        Ok(Listed::cut(rows.collect(), page.limit, |error| error.row.to_string()).into())
    })
    .await
}

/// The same as a CSV file.
#[utoipa::path(get, path = "/imports/{import}/report", params(("import" = String, Path)),
    responses((status = 200, content_type = "text/csv", body = String)))]
pub(super) async fn report(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    params.only(&[])?;
    let file = ask(&state, move |node| {
        let job = job_of(node, IMPORT, &id)?;
        let path = node.jobs().file(&job.id, REPORT)?;
        std::fs::File::open(path).map_err(|_| Problem::not_found("report of the import", &job.id))
    })
    .await?;
    let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
    Ok(([(header::CONTENT_TYPE, "text/csv")], body).into_response())
}
