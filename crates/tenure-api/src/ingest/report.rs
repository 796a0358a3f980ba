//! What a sender is told about its calls.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tenure_app::writer::Ingested;

use super::parse::Rejected;

/// What became of the calls of a request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Report {
    /// Whether at least one call was good, or there was none.
    success: bool,
    /// New calls, durable now.
    accepted: usize,
    /// Calls whose message id was taken before; counted once.
    duplicates: usize,
    /// Calls that were not taken.
    rejected: Vec<Rejected>,
}

impl Report {
    pub(crate) fn new(ingested: Ingested, rejected: Vec<Rejected>) -> Self {
        crate::telemetry::rejected(rejected.len());
        let taken = ingested.accepted_count + ingested.duplicate_count;
        Self {
            success: taken > 0 || rejected.is_empty(),
            accepted: ingested.accepted_count,
            duplicates: ingested.duplicate_count,
            rejected,
        }
    }

    /// 200, or 400 when every call was bad.
    pub(crate) fn into_answer(self) -> Response {
        let status = if self.success {
            StatusCode::OK
        } else {
            StatusCode::BAD_REQUEST
        };
        (status, Json(self)).into_response()
    }
}
