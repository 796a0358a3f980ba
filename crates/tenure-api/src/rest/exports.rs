//! Exports as files, made by jobs.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tenure_app::access::{Change, Principal, Scope};
use tenure_app::jobs::JobState;
use tenure_app::node::Node;
use tenure_store::Batch;
use tenure_transfer::export::{Wanted, What};
use tokio_util::io::ReaderStream;

use super::guard::Who;
use super::jobs::{JobRow, job_of};
use super::params::{Input, Params};
use super::{Answer, answer, ask};
use crate::ApiState;
use crate::long_work::{EXPORT, ExportOrder, FileFormat};
use crate::problem::{Code, Problem};

/// What is exported, and how.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportRequest {
    /// `events`, `people`, `accounts`, `members`, `messages` or `decisions`.
    #[schema(value_type = String)]
    what: What,
    /// The segment, with `members`.
    segment: Option<String>,
    /// `jsonl` (without it), `csv` or `parquet`.
    #[serde(default)]
    format: FileFormat,
}

/// The scope without which nobody gets rows of a kind.
fn scope_of(what: What) -> Scope {
    match what {
        What::Messages | What::Decisions => Scope::MessagesRead,
        What::Events | What::People | What::Accounts | What::Members => Scope::ProfilesRead,
    }
}

fn demand(principal: &Principal, what: What) -> Result<(), Problem> {
    let scope = scope_of(what);
    if principal.may(scope) {
        Ok(())
    } else {
        Err(Problem::missing_scope(scope))
    }
}

/// Writes everything of one kind into a file, in the background. The file can be downloaded for
/// seven days. Messages and decisions want the scope `messages:read`, too.
#[utoipa::path(post, path = "/exports", request_body = ExportRequest, responses((status = 202, body = JobRow)))]
pub(super) async fn start(
    State(state): State<ApiState>,
    Who(by): Who,
    Extension(principal): Extension<Principal>,
    Input(body): Input<ExportRequest>,
) -> Result<Response, Problem> {
    demand(&principal, body.what)?;
    let job = ask(&state, move |node| {
        check_segment(node, &body)?;
        let change = Change::new("job.start", EXPORT);
        let wanted = Wanted {
            what: body.what,
            segment: body.segment,
        };
        let order = ExportOrder {
            wanted,
            format: body.format,
        };
        let input = serde_json::to_value(order).unwrap_or_default();
        let jobs = node.jobs();
        Ok(jobs.start_with(EXPORT, input, &by, change, |_| Batch::default())?)
    })
    .await?;
    Ok((StatusCode::ACCEPTED, Json(JobRow::from(job))).into_response())
}

fn check_segment(node: &Node, body: &ExportRequest) -> Result<(), Problem> {
    match (&body.segment, body.what) {
        (None, What::Members) => Err(Problem::invalid("segment", "is missing: whose members?")),
        (Some(_), what) if what != What::Members => Err(Problem::invalid(
            "segment",
            "goes with `members` only; leave it out",
        )),
        (Some(segment), _) => {
            let plan = node.live().plan();
            match plan.and_then(|plan| plan.segment(segment).map(drop)) {
                Some(()) => Ok(()),
                None => Err(Problem::not_found("segment", segment)),
            }
        }
        (None, _) => Ok(()),
    }
}

/// One export; once it has `succeeded`, its file can be downloaded.
#[utoipa::path(get, path = "/exports/{export}", params(("export" = String, Path)), responses((status = 200, body = JobRow)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<JobRow> {
    params.only(&[])?;
    answer(&state, move |node| Ok(job_of(node, EXPORT, &id)?.into())).await
}

/// The file of an export.
#[utoipa::path(get, path = "/exports/{export}/file", params(("export" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = String)))]
pub(super) async fn download(
    State(state): State<ApiState>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    params.only(&[])?;
    let (file, name, format) = ask(&state, move |node| open(node, &principal, &id)).await?;
    let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.{}\"", format.ending()),
        ),
    ];
    Ok((headers, body).into_response())
}

fn open(
    node: &Node,
    principal: &Principal,
    id: &str,
) -> Result<(std::fs::File, &'static str, FileFormat), Problem> {
    let job = job_of(node, EXPORT, id)?;
    let order: ExportOrder = serde_json::from_value(job.input.clone())
        .map_err(|_| Problem::not_found("file of the export", id))?;
    demand(principal, order.wanted.what)?;
    if job.state != JobState::Succeeded {
        let detail = format!("the export is {}", job.state.as_str());
        return Err(Problem::new(Code::Conflict, detail).fix("wait until it has succeeded"));
    }
    let path = node.jobs().file(&job.id, order.format.ending())?;
    let file = std::fs::File::open(path).map_err(|_| {
        Problem::not_found("file of the export", id)
            .fix("files are kept for seven days, and go when somebody is erased; export again")
    })?;
    Ok((file, order.wanted.what.name(), order.format))
}
