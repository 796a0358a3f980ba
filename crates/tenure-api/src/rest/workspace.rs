//! The workspace, its plans, and how far a backfill is.

use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};

use super::params::Params;
use super::{Answer, Rows, answer};
use crate::ApiState;

/// The workspace.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct WorkspaceRow {
    id: String,
    name: String,
    now: String,
    account_count: u64,
    person_count: u64,
    /// Position of the last log entry.
    log_end: u64,
    /// Log entries not yet applied.
    lag: u64,
    /// The plan in force.
    plan: Option<u32>,
}

/// The workspace.
#[utoipa::path(get, path = "/workspace", responses((status = 200, body = WorkspaceRow)))]
pub(super) async fn show(State(state): State<ApiState>, params: Params) -> Answer<WorkspaceRow> {
    params.only(&[])?;
    answer(&state, |node| {
        let (account_count, person_count) = node.store().subject_counts()?;
        Ok(WorkspaceRow {
            id: node.workspace_id().to_string(),
            name: node.workspace_name().to_owned(),
            now: node.now().to_string(),
            account_count,
            person_count,
            log_end: node.log_end(),
            lag: node.lag(),
            plan: node.live().plan().map(|plan| plan.version),
        })
    })
    .await
}

/// How far the last backfill is; `done` when there is none.
#[utoipa::path(get, path = "/backfill", responses((status = 200, body = Object)))]
pub(super) async fn backfill(State(state): State<ApiState>, params: Params) -> Answer<Value> {
    params.only(&[])?;
    answer(&state, |node| {
        let progress = node.live().backfill();
        Ok(progress.map_or_else(
            || json!({ "done": true }),
            |progress| {
                json!({
                    "plan": progress.plan,
                    "read_count": progress.read_count,
                    "total_count": progress.total_count,
                    "switched_slices": progress.switched_slices,
                    "total_slices": progress.total_slices,
                    "done": progress.done,
                })
            },
        ))
    })
    .await
}

/// A published plan.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PlanVersionRow {
    version: u32,
    published_at: String,
    author: String,
}

/// All published plans, the latest first.
#[utoipa::path(get, path = "/plans", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Rows<PlanVersionRow>)))]
pub(super) async fn plans(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<PlanVersionRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        let rows = node.store().plans()?.into_iter().rev();
        let data = rows.map(|row| PlanVersionRow {
            version: row.version,
            published_at: row.published_at.to_string(),
            author: row.author.into(),
        });
        Ok(Rows {
            data: data.collect(),
            next_cursor: None,
        })
    })
    .await
}
