//! Tasks: work for humans.

use axum::extract::{Path, State};
use serde::Deserialize;
use tenure_app::node::Node;
use tenure_app::query::Listed;
use tenure_app::tasks::TaskAct;
use tenure_core::define::Audience;
use tenure_core::id::TaskId;
use tenure_core::time::Timestamp;
use tenure_store::query::{TaskFilter, instant_cursor};

use super::params::{Input, Nothing, Params, one_more};
use super::rows::TaskRow;
use super::{Answer, Rows, answer};
use crate::ApiState;
use crate::problem::Problem;

/// The longest owner's name, in bytes.
const OWNER_BYTES: usize = 512;
/// The longest outcome, in bytes.
const OUTCOME_BYTES: usize = 4_096;

/// Tasks, the latest first.
#[utoipa::path(get, path = "/tasks", params(("owner" = Option<String>, Query), ("subject" = Option<String>, Query),
    ("open" = Option<bool>, Query), ("audience" = Option<String>, Query),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<TaskRow>)))]
pub(super) async fn tasks(State(state): State<ApiState>, params: Params) -> Answer<Rows<TaskRow>> {
    let params = params.only(&["owner", "subject", "open", "audience", "cursor", "limit"])?;
    let page = params.page()?;
    let filter = TaskFilter {
        owner: params.text("owner"),
        subject: params.parsed("subject")?,
        open: params.parsed("open")?,
        audience: params.word::<Audience>("audience")?,
    };
    answer(&state, move |node| {
        let rows = node.store().tasks(&filter, &one_more(&page))?;
        let listed = Listed::cut(rows, page.limit, |row| {
            instant_cursor(row.intent.created_at, row.intent.id)
        });
        Ok(listed.map(TaskRow::from).into())
    })
    .await
}

fn task_id(text: &str) -> Result<TaskId, Problem> {
    text.parse().map_err(|_| Problem::not_found("task", text))
}

fn short(
    field: &str,
    text: Option<String>,
    most_bytes: usize,
) -> Result<Option<Box<str>>, Problem> {
    match text {
        Some(text) if text.len() > most_bytes => Err(Problem::invalid(
            field,
            format!("is longer than {most_bytes} bytes; shorten it"),
        )),
        text => Ok(text.filter(|text| !text.is_empty()).map(Into::into)),
    }
}

fn instant(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let parse = |text| {
        Timestamp::parse(text).ok_or_else(|| Problem::invalid(field, "is not an RFC 3339 time"))
    };
    text.map(parse).transpose()
}

async fn act(state: &ApiState, id: String, acts: Vec<TaskAct>) -> Answer<TaskRow> {
    let id = task_id(&id)?;
    answer(state, move |node: &std::sync::Arc<Node>| {
        Ok(node.act_on_task(id, &acts)?.into())
    })
    .await
}

/// One task.
#[utoipa::path(get, path = "/tasks/{task}", params(("task" = String, Path)), responses((status = 200, body = TaskRow)))]
pub(super) async fn task(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<TaskRow> {
    params.only(&[])?;
    show(&state, id).await
}

async fn show(state: &ApiState, id: String) -> Answer<TaskRow> {
    let id = task_id(&id)?;
    answer(state, move |node| Ok(node.task(id)?.into())).await
}

/// Whose a task is from now on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Assignment {
    /// The owner as accounts name them; without one it is nobody's.
    owner: Option<String>,
}

/// Gives a task to somebody.
#[utoipa::path(post, path = "/tasks/{task}/assign", params(("task" = String, Path)), request_body = Assignment, responses((status = 200, body = TaskRow)))]
pub(super) async fn assign(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(body): Input<Assignment>,
) -> Answer<TaskRow> {
    let owner = short("owner", body.owner, OWNER_BYTES)?;
    act(&state, id, vec![TaskAct::Assign(owner)]).await
}

/// When a task comes back, and when it is due.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Snooze {
    /// It rests until then (RFC 3339); null ends the rest.
    until: Option<String>,
    /// It is due then (RFC 3339); left out it stays due when it was.
    due_at: Option<String>,
}

/// Lets a task rest.
#[utoipa::path(post, path = "/tasks/{task}/snooze", params(("task" = String, Path)), request_body = Snooze, responses((status = 200, body = TaskRow)))]
pub(super) async fn snooze(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(body): Input<Snooze>,
) -> Answer<TaskRow> {
    let mut acts = vec![TaskAct::Snooze(instant("until", body.until.as_deref())?)];
    let due_at = instant("due_at", body.due_at.as_deref())?;
    acts.extend(due_at.map(|at| TaskAct::Due(Some(at))));
    act(&state, id, acts).await
}

/// What came of a task.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Completion {
    /// In a few words.
    outcome: Option<String>,
}

/// Completes a task.
#[utoipa::path(post, path = "/tasks/{task}/complete", params(("task" = String, Path)), request_body = Completion, responses((status = 200, body = TaskRow)))]
pub(super) async fn complete(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(body): Input<Completion>,
) -> Answer<TaskRow> {
    let outcome = short("outcome", body.outcome, OUTCOME_BYTES)?;
    act(&state, id, vec![TaskAct::Complete(outcome)]).await
}

/// Opens a completed task again.
#[utoipa::path(post, path = "/tasks/{task}/reopen", params(("task" = String, Path)), responses((status = 200, body = TaskRow)))]
pub(super) async fn reopen(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<TaskRow> {
    act(&state, id, vec![TaskAct::Reopen]).await
}
