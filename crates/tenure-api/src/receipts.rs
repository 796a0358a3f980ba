//! What providers of text messages report. Each report is signed; there is no token.

use axum::Router;
use axum::extract::{OriginalUri, Path, RawForm, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tenure_app::error::AppError;
use tenure_app::receipts::{TextReport, TextReportFault};

use crate::ApiState;
use crate::caller::text;
use crate::problem::{Code, Problem};
use crate::rest::ask;

/// The most fields of a report.
const FIELDS_MAX: usize = 100;

/// The routes that providers call.
pub(crate) fn routes(state: ApiState) -> Router {
    Router::new()
        .route("/v1/receipts/twilio/{connector}", post(twilio))
        .with_state(state)
}

/// What became of a message, or what somebody answered. The signature covers the whole address as
/// Twilio called it, so `public_url` must be that.
async fn twilio(
    State(state): State<ApiState>,
    Path(connector): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    RawForm(body): RawForm,
) -> Result<StatusCode, Problem> {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let mut named = query.into_owned().filter(|(name, _)| name == "message");
    let fields = form_urlencoded::parse(&body).into_owned();
    let report = TextReport {
        url: format!("{}{path}", state.issuer(&headers)),
        signature: text(&headers, "x-twilio-signature")
            .unwrap_or_default()
            .to_owned(),
        fields: fields.take(FIELDS_MAX).collect(),
        message: named.next().map(|(_, id)| id),
    };
    ask(&state, move |node| {
        node.record_text_report(&connector, &report)
            .map_err(refused)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(fault: TextReportFault) -> Problem {
    match fault {
        TextReportFault::Refused(error) => Problem::new(Code::Unauthorized, error.to_string()),
        // Whoever has no signature learns nothing about the connectors there are.
        TextReportFault::Server(AppError::NotFound { .. }) => {
            Problem::new(Code::NotFound, "there is nothing at this path")
        }
        TextReportFault::Server(error) => error.into(),
    }
}
