//! Circuit breakers: which are open, and closing one by hand.

use axum::extract::{Path, State};
use serde::Serialize;
use tenure_app::breakers::BreakerState;

use super::params::{Input, Nothing, Params};
use super::{Answer, Done, Rows, answer};
use crate::ApiState;
use crate::problem::Problem;

/// A circuit breaker.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct BreakerRow {
    /// `email`, or `webhook:` and the host.
    name: String,
    /// `closed`: attempts are made. `open`: none is. `half_open`: one is, to find out.
    #[schema(value_type = String)]
    state: BreakerState,
    /// Failures in a row.
    failure_count: u32,
    /// No attempt before this instant.
    until: Option<String>,
}

/// The breaker of e-mail, and those of all destinations that fail.
#[utoipa::path(get, path = "/breakers", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Rows<BreakerRow>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<BreakerRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        let views = node.breakers().into_iter().map(|view| BreakerRow {
            name: view.name,
            state: view.state,
            failure_count: view.failure_count,
            until: view.until.map(|until| until.to_string()),
        });
        Ok(Rows {
            data: views.collect(),
            next_cursor: None,
        })
    })
    .await
}

/// Closes a breaker: the next attempt is made at once.
#[utoipa::path(post, path = "/breakers/{breaker}/reset", params(("breaker" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn reset(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<Done> {
    answer(&state, move |node| {
        if node.reset_breaker(&name)? {
            Ok(Done {})
        } else {
            Err(Problem::not_found("breaker that has seen a failure", &name))
        }
    })
    .await
}
