//! Erasing a person.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tenure_core::id::SubjectId;

use super::ask;
use super::guard::Who;
use super::jobs::JobRow;
use super::params::Params;
use super::subjects::{known, person_id};
use crate::ApiState;
use crate::problem::Problem;

/// Erases a person, in the background: names, addresses, traits, events, messages, tasks,
/// memberships and choices, also from the log and from the bytes of the store's files. Their
/// addresses stay suppressed, as keyed hashes. There is no way back.
///
/// The last step writes the whole store anew and holds up writing meanwhile; with `compact=false`
/// it is left to a later erasure, and deleted bytes stay in the files until then.
#[utoipa::path(delete, path = "/people/{person}", params(("person" = String, Path), ("compact" = Option<bool>, Query)),
    responses((status = 202, body = JobRow)))]
pub(super) async fn erase(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Who(by): Who,
    params: Params,
) -> Result<Response, Problem> {
    let compacts = params.only(&["compact"])?.parsed::<bool>("compact")?;
    let id = person_id(&id)?;
    let job = ask(&state, move |node| {
        known(node, SubjectId::Person(id))?;
        Ok(node.erase(id, compacts.unwrap_or(true), &by)?)
    })
    .await?;
    Ok((StatusCode::ACCEPTED, Json(JobRow::from(job))).into_response())
}
