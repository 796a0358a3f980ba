//! Jobs: work that takes longer than a request.

use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;
use tenure_app::jobs::{Job, JobFilter, JobState};
use tenure_app::node::Node;
use tenure_app::query::Listed;

use super::guard::Who;
use super::params::{Input, Nothing, Params, one_more};
use super::{Answer, Rows, answer};
use crate::ApiState;
use crate::problem::Problem;

/// A job.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct JobRow {
    id: String,
    /// What is done: `import`, `export`, ….
    kind: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    state: JobState,
    /// How much is done, in the unit of the kind.
    done_count: u64,
    /// How much there is to do; null while that is not known.
    total_count: Option<u64>,
    created_at: String,
    /// When it began; after an interruption, when it began again.
    started_at: Option<String>,
    finished_at: Option<String>,
    /// Why it failed, and what to do.
    error: Option<String>,
    /// What came of it, or is known so far; its form depends on the kind.
    #[schema(value_type = Object, nullable)]
    result: Value,
    /// Who asked for it.
    asked_by: String,
    asked_by_name: String,
}

impl From<Job> for JobRow {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            state: job.state,
            done_count: job.done_count,
            total_count: job.total_count,
            created_at: job.created_at.to_string(),
            started_at: job.started_at.map(|at| at.to_string()),
            finished_at: job.finished_at.map(|at| at.to_string()),
            error: job.error,
            result: job.result,
            asked_by: job.asked_by,
            asked_by_name: job.asked_by_name,
        }
    }
}

/// The job of a kind that has this id.
pub(super) fn job_of(node: &Node, kind: &'static str, id: &str) -> Result<Job, Problem> {
    let job = node.jobs().job(id).ok().filter(|job| job.kind == kind);
    job.ok_or_else(|| Problem::not_found(kind, id))
}

/// Jobs, the latest first. Finished ones are kept for 30 days.
#[utoipa::path(get, path = "/jobs", params(("kind" = Option<String>, Query), ("state" = Option<String>, Query),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<JobRow>)))]
pub(super) async fn list(State(state): State<ApiState>, params: Params) -> Answer<Rows<JobRow>> {
    let params = params.only(&["kind", "state", "cursor", "limit"])?;
    let page = params.page()?;
    let (kind, wanted) = (params.text("kind"), params.word::<JobState>("state")?);
    answer(&state, move |node| {
        let filter = JobFilter {
            kind: kind.as_deref(),
            state: wanted,
        };
        let more = one_more(&page);
        let rows = node
            .jobs()
            .jobs(filter, more.after.as_deref(), more.limit)?;
        Ok(Listed::cut(rows, page.limit, |job| job.id.clone())
            .map(JobRow::from)
            .into())
    })
    .await
}

/// One job.
#[utoipa::path(get, path = "/jobs/{job}", params(("job" = String, Path)), responses((status = 200, body = JobRow)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<JobRow> {
    params.only(&[])?;
    answer(&state, move |node| Ok(node.jobs().job(&id)?.into())).await
}

/// Cancels a job. One that is under way ends at the next place where it looks; what it did until
/// then stays.
#[utoipa::path(post, path = "/jobs/{job}/cancel", params(("job" = String, Path)), responses((status = 200, body = JobRow)))]
pub(super) async fn cancel(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Who(by): Who,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<JobRow> {
    answer(&state, move |node| Ok(node.jobs().cancel(&id, &by)?.into())).await
}
