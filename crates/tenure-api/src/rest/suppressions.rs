//! What may not be written to: suppressed addresses, and topics people do not want.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use tenure_app::query::Listed;
use tenure_core::id::SuppressionId;
use tenure_store::query::{RefusalFilter, instant_cursor};
use tenure_store::row::{Refusal, RefusalKind};

use super::params::{Input, Params, one_more};
use super::programs::act;
use super::{Answer, Done, Rows, answer};
use crate::ApiState;
use crate::problem::Problem;

/// The longest reason, in bytes.
const REASON_BYTES: usize = 200;

/// A suppressed address. The address itself is not kept, only its hash.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SuppressionRow {
    id: String,
    /// Whose address it is, where that is known.
    person: Option<String>,
    reason: String,
    /// Since when; null for those of before times were kept.
    at: Option<String>,
}

impl From<(SuppressionId, Refusal)> for SuppressionRow {
    fn from((id, refusal): (SuppressionId, Refusal)) -> Self {
        Self {
            id: id.to_string(),
            person: refusal.person.map(|id| id.to_string()),
            reason: refusal.reason.into(),
            at: (refusal.at.0 > 0).then(|| refusal.at.to_string()),
        }
    }
}

/// A choice against a topic.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RefusedTopicRow {
    person: Option<String>,
    /// Null is all marketing.
    topic: Option<String>,
    reason: String,
    at: Option<String>,
}

fn filter(params: &Params, kind: RefusalKind) -> Result<RefusalFilter, Problem> {
    Ok(RefusalFilter {
        kind: Some(kind),
        person: params.parsed("person")?,
    })
}

/// Suppressed addresses, the latest first.
#[utoipa::path(get, path = "/suppressions", params(("person" = Option<String>, Query),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<SuppressionRow>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<SuppressionRow>> {
    let params = params.only(&["person", "cursor", "limit"])?;
    let page = params.page()?;
    let filter = filter(&params, RefusalKind::Address)?;
    answer(&state, move |node| {
        let rows = node.store().refusals(&filter, &one_more(&page))?;
        let listed = Listed::cut(rows, page.limit, |(id, row)| instant_cursor(row.at, id));
        Ok(listed.map(SuppressionRow::from).into())
    })
    .await
}

/// An address nothing may go to.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Suppress {
    /// The e-mail address.
    email: String,
    /// Why; `by hand` unless told.
    reason: Option<String>,
}

/// Puts an address on the suppression list, whether or not anybody is known by it.
#[utoipa::path(post, path = "/suppressions", request_body = Suppress, responses((status = 200, body = SuppressionRow)))]
pub(super) async fn add(
    State(state): State<ApiState>,
    Input(body): Input<Suppress>,
) -> Answer<SuppressionRow> {
    let reason = body.reason.unwrap_or_else(|| "by hand".to_owned());
    if reason.len() > REASON_BYTES || reason.contains('@') {
        let message = format!("must be at most {REASON_BYTES} bytes and hold no address");
        return Err(Problem::invalid("reason", message));
    }
    answer(&state, move |node| {
        Ok(node.suppress_address(&body.email, &reason)?.into())
    })
    .await
}

/// Takes an address off the suppression list.
#[utoipa::path(delete, path = "/suppressions/{suppression}", params(("suppression" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn remove(State(state): State<ApiState>, Path(id): Path<String>) -> Answer<Done> {
    let parsed = id.parse();
    let id: SuppressionId = parsed.map_err(|_| Problem::not_found("suppression", &id))?;
    act(&state, move |node| Ok(node.lift_suppression(id)?)).await
}

/// Topics that people do not want, the latest choice first.
#[utoipa::path(get, path = "/consents/refused", params(("person" = Option<String>, Query),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<RefusedTopicRow>)))]
pub(super) async fn refused_topics(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<RefusedTopicRow>> {
    let params = params.only(&["person", "cursor", "limit"])?;
    let page = params.page()?;
    let filter = filter(&params, RefusalKind::Topic)?;
    answer(&state, move |node| {
        let rows = node.store().refusals(&filter, &one_more(&page))?;
        let listed = Listed::cut(rows, page.limit, |(id, row)| instant_cursor(row.at, id));
        let row = |(_, refusal): (SuppressionId, Refusal)| RefusedTopicRow {
            person: refusal.person.map(|id| id.to_string()),
            topic: refusal.topic.map(Into::into),
            reason: refusal.reason.into(),
            at: (refusal.at.0 > 0).then(|| refusal.at.to_string()),
        };
        Ok(listed.map(row).into())
    })
    .await
}
