//! Much at once: imports, exports, bounce reports.

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tenure_app::node::Node;
use tenure_app::query::Item;
use tenure_core::define::Audience;
use tenure_core::log::{Body as Entry, decode};
use tenure_store::query::MAX_PAGE_ROWS;
use tenure_store::{Page, StoreError};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::ReaderStream;

use super::guard::Note;
use super::params::Params;
use super::rows::{AccountRow, PersonRow, TimelineRow};
use super::{Answer, answer, ask, query};
use crate::ApiState;
use crate::ingest::{IngestLimits, Report, body_text, read_body, says_historical};
use crate::problem::Problem;

/// The most bytes of an import request, decompressed.
const IMPORT_BYTES: usize = 8 * 1024 * 1024;
/// The most calls of an import request.
const IMPORT_CALLS: usize = 20_000;
/// The most bytes read from the log at once for an export.
const EXPORT_READ_BYTES: usize = 4 * 1024 * 1024;
/// Blocks of an export that may wait for a slow reader.
const EXPORT_BLOCKS: usize = 4;
/// About so many bytes go into one block of an export.
const EXPORT_BLOCK_BYTES: usize = 64 * 1024;

/// Takes many calls of the tracking API's shape; as history, unless it says `"historical": false`.
#[utoipa::path(post, path = "/import", request_body = Object, responses((status = 200, body = Report), (status = 400, body = Report)))]
pub(super) async fn import(
    State(state): State<ApiState>,
    note: Note,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = read_body(&parts.headers, body, IMPORT_BYTES).await?;
    let text = body_text(&bytes)?;
    let limits = IngestLimits {
        batch_bytes: IMPORT_BYTES,
        batch_events: IMPORT_CALLS,
        ..state.ingest.limits()
    };
    let historical = says_historical(text).map_err(crate::ingest::problem)?;
    let parsed = state.ingest.batch(text, &limits, historical)?;
    let ingested = state.ingest.take(parsed.calls).await?;
    note.change(
        (),
        json!({"accepted_count": ingested.accepted_count, "rejected_count": parsed.rejected.len()}),
    );
    Ok(Report::new(ingested, parsed.rejected).into_answer())
}

/// What is exported.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Events,
    People,
    Accounts,
}

/// Everything of one kind, one JSON object a line.
#[utoipa::path(get, path = "/export", params(("what" = Option<String>, Query, description = "`events` (default), `people` or `accounts`")),
    responses((status = 200, content_type = "application/x-ndjson", body = String)))]
pub(super) async fn export(
    State(state): State<ApiState>,
    params: Params,
) -> Result<Response, Problem> {
    let what = params
        .only(&["what"])?
        .word("what")?
        .unwrap_or(What::Events);
    Ok(stream(&state, move |node, lines| match what {
        What::Events => events(node, lines),
        What::People => subjects(node, Audience::Person, lines),
        What::Accounts => subjects(node, Audience::Account, lines),
    }))
}

/// A member as it is streamed.
#[derive(Serialize)]
struct MemberLine {
    subject: String,
    since: String,
}

/// Every member of a segment, one JSON object a line, in id order.
#[utoipa::path(get, path = "/segments/{segment}/members/stream", params(("segment" = String, Path)),
    responses((status = 200, content_type = "application/x-ndjson", body = String)))]
pub(super) async fn member_stream(
    State(state): State<ApiState>,
    Path(segment): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    params.only(&[])?;
    let plan = state.node.live().plan();
    if plan
        .and_then(|plan| plan.segment(&segment).map(drop))
        .is_none()
    {
        return Err(Problem::not_found("segment", &segment));
    }
    Ok(stream(&state, move |node, lines| {
        members(node, &segment, lines)
    }))
}

fn members(node: &Node, segment: &str, lines: &mut Lines) -> Result<(), Problem> {
    let mut page = Page {
        after: None,
        limit: MAX_PAGE_ROWS,
    };
    loop {
        let rows = node.store().members(segment, &page)?;
        for row in &rows {
            lines.put(&MemberLine {
                subject: row.subject.to_string(),
                since: row.since.to_string(),
            })?;
        }
        match rows.last() {
            Some(last) if rows.len() == MAX_PAGE_ROWS => {
                page.after = Some(last.subject.to_string());
            }
            _ => return Ok(()),
        }
    }
}

/// Streams what `write` puts, a line each.
fn stream(
    state: &ApiState,
    write: impl FnOnce(&Arc<Node>, &mut Lines) -> Result<(), Problem> + Send + 'static,
) -> Response {
    let (sender, receiver) = channel::<Result<Bytes, std::io::Error>>(EXPORT_BLOCKS);
    let node = Arc::clone(&state.node);
    tokio::task::spawn_blocking(move || {
        let mut lines = Lines {
            sender,
            block: Vec::new(),
        };
        // A cut-off body tells the reader that something is missing.
        match write(&node, &mut lines) {
            Ok(()) => drop(lines.flush()),
            Err(_) => drop(
                lines
                    .sender
                    .blocking_send(Err(std::io::Error::other("the export failed"))),
            ),
        }
    });
    let body = Body::from_stream(ReceiverStream::new(receiver));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

struct Lines {
    sender: Sender<Result<Bytes, std::io::Error>>,
    block: Vec<u8>,
}

impl Lines {
    fn put(&mut self, row: &impl Serialize) -> Result<(), Problem> {
        let wrong = |_| Problem::new(crate::problem::Code::Internal, "a row cannot be written");
        serde_json::to_writer(&mut self.block, row).map_err(wrong)?;
        self.block.push(b'\n');
        if self.block.len() < EXPORT_BLOCK_BYTES {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Problem> {
        let block = Bytes::from(std::mem::take(&mut self.block));
        let gone = |_| Problem::new(crate::problem::Code::Unavailable, "the reader is gone");
        self.sender.blocking_send(Ok(block)).map_err(gone)
    }
}

fn subjects(node: &Node, audience: Audience, lines: &mut Lines) -> Result<(), Problem> {
    let mut page = Page {
        after: None,
        limit: 500,
    };
    loop {
        let listed = query(node).subjects(audience, &page)?;
        for state in listed.rows {
            match audience {
                Audience::Person => lines.put(&PersonRow::from(state))?,
                Audience::Account => lines.put(&AccountRow::from(state))?,
            }
        }
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return Ok(()),
        }
    }
}

fn events(node: &Node, lines: &mut Lines) -> Result<(), Problem> {
    let (mut from, end) = (1, node.store().log_end()?);
    while from <= end {
        let chunks = node.store().read_log(from, EXPORT_READ_BYTES, None)?;
        let Some(last) = chunks.last() else { break };
        from = last.last() + 1;
        for chunk in &chunks {
            for entry in decode(chunk.first, &chunk.bytes).flatten() {
                let account = match &entry.body {
                    Entry::Event(event) => event.account,
                    _ => continue,
                };
                let Some(item) = Item::from_entry(entry) else {
                    continue;
                };
                let row = serde_json::to_value(TimelineRow::from(item)).unwrap_or_default();
                let mut row: Map<String, Value> = row.as_object().cloned().unwrap_or_default();
                row.insert("account".into(), json!(account.map(|id| id.to_string())));
                lines.put(&row)?;
            }
        }
    }
    Ok(())
}

/// A consistent copy of all data as one SQLite file, made while work goes on.
#[utoipa::path(get, path = "/backup", responses((status = 200, content_type = "application/vnd.sqlite3", body = String)))]
pub(super) async fn backup(
    State(state): State<ApiState>,
    params: Params,
) -> Result<Response, Problem> {
    params.only(&[])?;
    let folder = Arc::clone(&state.scratch);
    let file = ask(&state, move |node| copy(node, &folder)).await?;
    let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
    Ok(([(header::CONTENT_TYPE, "application/vnd.sqlite3")], body).into_response())
}

/// Makes the copy and opens it. Its name is gone before it is read, so it vanishes with the
/// request.
fn copy(node: &Node, folder: &FilePath) -> Result<std::fs::File, Problem> {
    let fail = |error: std::io::Error| Problem::from(StoreError::Unwritable(error.to_string()));
    let folder = tempfile::Builder::new()
        .prefix(".backup-")
        .tempdir_in(folder)
        .map_err(fail)?;
    let path = folder.path().join("copy.db");
    node.store().backup(&path, &mut |_, _| {})?;
    std::fs::File::open(path).map_err(fail)
}

/// What a report was.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = BounceReportRow)]
pub(super) struct ReportRow {
    /// `hard bounce`, `soft bounce`, `delivered`, `complaint`, `in progress`; null when it was not
    /// about a message of ours.
    recorded: Option<String>,
}

/// Takes a delivery report or complaint as it came: a raw message (`message/rfc822`).
#[utoipa::path(post, path = "/bounces", request_body(content = String, content_type = "message/rfc822"), responses((status = 200, body = ReportRow)))]
pub(super) async fn bounces(State(state): State<ApiState>, raw: Bytes) -> Answer<ReportRow> {
    answer(&state, move |node| {
        Ok(ReportRow {
            recorded: node.record_report(&raw)?.map(str::to_owned),
        })
    })
    .await
}
