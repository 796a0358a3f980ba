//! Webhook endpoints: where topics are pushed to.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use tenure_app::topics::{Source, Topic};
use tenure_app::webhooks::{
    Cursor, Delivery, DeliveryOutcome, Endpoint, EndpointSpec, EndpointState, Filter, Start,
    TestAnswer,
};

use super::params::{Input, Nothing, Params};
use super::{Answer, Done, Rows, answer};
use crate::ApiState;

/// Deliveries a second of an endpoint that does not say.
const DEFAULT_RATE_PER_SECOND: u32 = 20;
/// Hours for which the secret before a new one goes on signing, unless told otherwise.
const DEFAULT_OVERLAP_HOURS: u32 = 24;

/// What an endpoint is to be.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointInput {
    /// Where to post.
    url: String,
    /// What it is told: names of topics.
    #[schema(value_type = Vec<String>)]
    topics: Vec<Topic>,
    /// What it is for, in words.
    #[serde(default)]
    about: String,
    /// Only records that fit.
    #[serde(default)]
    filter: FilterBody,
    /// At most so many deliveries a second; 20 without.
    rate_per_second: Option<u32>,
    /// `latest` (without) begins with what comes from now on, `earliest` with all there is.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    start: Start,
}

/// Which records an endpoint wants; an empty list wants all.
#[derive(Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FilterBody {
    /// Types, such as `tenure.message_sent`.
    types: Vec<String>,
    /// Customers, by the id their senders use.
    customer_ids: Vec<String>,
}

/// An endpoint.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EndpointRow {
    id: String,
    url: String,
    about: String,
    #[schema(value_type = Vec<String>)]
    topics: Vec<Topic>,
    filter: FilterBody,
    rate_per_second: u32,
    /// `enabled` or `disabled`.
    state: &'static str,
    /// Why it is disabled.
    disabled_reason: Option<String>,
    disabled_at: Option<String>,
    created_at: String,
    /// Of the log, all up to here is delivered or not wanted.
    log_position: u64,
    /// Of the decisions, likewise.
    decision_position: u64,
    /// Attempts at the record that is first in line, if one failed.
    attempt_count: u32,
    /// When that is tried next.
    next_attempt_at: Option<String>,
    /// Signs; shown only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

fn row(endpoint: &Endpoint, cursor: &Cursor) -> EndpointRow {
    let (disabled_reason, disabled_at) = match &endpoint.state {
        EndpointState::Enabled => (None, None),
        EndpointState::Disabled { reason, at } => (Some(reason.clone()), Some(at.to_string())),
    };
    let spec = &endpoint.spec;
    let head = cursor.head.as_ref();
    EndpointRow {
        id: endpoint.id.clone(),
        url: spec.url.clone(),
        about: spec.about.clone(),
        topics: spec.topics.clone(),
        filter: FilterBody {
            types: spec.filter.types.clone(),
            customer_ids: spec.filter.customer_ids.clone(),
        },
        rate_per_second: spec.rate_per_second,
        state: if endpoint.is_enabled() {
            "enabled"
        } else {
            "disabled"
        },
        disabled_reason,
        disabled_at,
        created_at: endpoint.created_at.to_string(),
        log_position: cursor.log,
        decision_position: cursor.decisions,
        attempt_count: head.map_or(0, |head| head.attempt_count),
        next_attempt_at: head
            .filter(|_| endpoint.is_enabled())
            .map(|head| head.due_at.to_string()),
        secret: None,
    }
}

/// With the secret, which is shown when it is made and never again.
fn row_with_secret(endpoint: &Endpoint) -> EndpointRow {
    let secret = endpoint.secrets.first().map(|secret| secret.text.clone());
    EndpointRow {
        secret,
        ..row(endpoint, &Cursor::default())
    }
}

impl EndpointInput {
    fn spec(self) -> (EndpointSpec, Start) {
        let mut topics = self.topics;
        topics.sort_unstable();
        topics.dedup();
        let spec = EndpointSpec {
            url: self.url,
            about: self.about,
            topics,
            filter: Filter {
                types: self.filter.types,
                customer_ids: self.filter.customer_ids,
            },
            rate_per_second: self.rate_per_second.unwrap_or(DEFAULT_RATE_PER_SECOND),
        };
        (spec, self.start)
    }
}

/// Every endpoint.
#[utoipa::path(get, path = "/webhooks", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Rows<EndpointRow>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<EndpointRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        let found = node.webhooks().endpoints();
        let data = found.iter().map(|(endpoint, cursor)| row(endpoint, cursor));
        Ok(Rows {
            data: data.collect(),
            next_cursor: None,
        })
    })
    .await
}

/// Makes an endpoint. The answer holds its secret, which is shown only here.
#[utoipa::path(post, path = "/webhooks", request_body = EndpointInput, responses((status = 200, body = EndpointRow)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Input(body): Input<EndpointInput>,
) -> Answer<EndpointRow> {
    answer(&state, move |node| {
        let (spec, start) = body.spec();
        Ok(row_with_secret(&*node.webhooks().create(spec, start)?))
    })
    .await
}

/// An endpoint.
#[utoipa::path(get, path = "/webhooks/{webhook}", params(("webhook" = String, Path)), responses((status = 200, body = EndpointRow)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<EndpointRow> {
    params.only(&[])?;
    answer(&state, move |node| {
        let (endpoint, cursor) = node.webhooks().endpoint(&id)?;
        Ok(row(&endpoint, &cursor))
    })
    .await
}

/// Changes an endpoint: the body says all that it is to be. It goes on where it is.
#[utoipa::path(put, path = "/webhooks/{webhook}", params(("webhook" = String, Path)), request_body = EndpointInput, responses((status = 200, body = EndpointRow)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(body): Input<EndpointInput>,
) -> Answer<EndpointRow> {
    answer(&state, move |node| {
        node.webhooks().update(&id, body.spec().0)?;
        let (endpoint, cursor) = node.webhooks().endpoint(&id)?;
        Ok(row(&endpoint, &cursor))
    })
    .await
}

/// Takes an endpoint out.
#[utoipa::path(delete, path = "/webhooks/{webhook}", params(("webhook" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn remove(State(state): State<ApiState>, Path(id): Path<String>) -> Answer<Done> {
    answer(&state, move |node| {
        node.webhooks().remove(&id)?;
        Ok(Done {})
    })
    .await
}

/// Lets an endpoint be pushed to (again); what failed is tried anew at once.
#[utoipa::path(post, path = "/webhooks/{webhook}/enable", params(("webhook" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn enable(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<Done> {
    answer(&state, move |node| {
        node.webhooks().enable(&id)?;
        Ok(Done {})
    })
    .await
}

/// Stops pushing to an endpoint; it keeps its place.
#[utoipa::path(post, path = "/webhooks/{webhook}/disable", params(("webhook" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn disable(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<Done> {
    answer(&state, move |node| {
        node.webhooks().disable(&id, "disabled by hand")?;
        Ok(Done {})
    })
    .await
}

/// How long the secret before goes on signing.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rotation {
    /// Hours, at most 168; 24 without.
    overlap_hours: Option<u32>,
}

/// Gives an endpoint a new secret, shown only here. The one before signs too until the overlap is
/// over.
#[utoipa::path(post, path = "/webhooks/{webhook}/rotate-secret", params(("webhook" = String, Path)), request_body = Rotation, responses((status = 200, body = EndpointRow)))]
pub(super) async fn rotate(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(body): Input<Rotation>,
) -> Answer<EndpointRow> {
    answer(&state, move |node| {
        let hours = body.overlap_hours.unwrap_or(DEFAULT_OVERLAP_HOURS);
        Ok(row_with_secret(
            &*node.webhooks().rotate_secret(&id, hours)?,
        ))
    })
    .await
}

/// What a receiver answered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Answered {
    delivered: bool,
    /// Status of the answer, if one came.
    status: Option<u16>,
    /// Why it was not delivered.
    reason: Option<String>,
}

impl From<TestAnswer> for Answered {
    fn from(answer: TestAnswer) -> Self {
        Self {
            delivered: answer.is_delivered,
            status: answer.status,
            reason: answer.reason,
        }
    }
}

/// Posts an event of the type `tenure.test` now.
#[utoipa::path(post, path = "/webhooks/{webhook}/test", params(("webhook" = String, Path)), responses((status = 200, body = Answered)))]
pub(super) async fn test(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<Answered> {
    answer(&state, move |node| Ok(node.webhooks().test(&id)?.into())).await
}

/// What to push once more.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayInput {
    /// The topic.
    #[schema(value_type = String)]
    topic: Topic,
    /// One record, now, apart from the order.
    position: Option<u64>,
    /// All after this position, in order. It moves every topic of the endpoint that has the same
    /// source (`decisions` has one of its own).
    after: Option<u64>,
}

/// Pushes one record once more, or goes back to a position.
#[utoipa::path(post, path = "/webhooks/{webhook}/replay", params(("webhook" = String, Path)), request_body = ReplayInput, responses((status = 200, body = Answered)))]
pub(super) async fn replay(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(body): Input<ReplayInput>,
) -> Answer<Answered> {
    answer(&state, move |node| match (body.position, body.after) {
        (Some(position), None) => Ok(node.webhooks().redeliver(&id, body.topic, position)?.into()),
        (None, Some(after)) => {
            let source: Source = body.topic.source();
            node.webhooks().seek(&id, source, after)?;
            Ok(Answered {
                delivered: false,
                status: None,
                reason: Some("pushed in order from there".into()),
            })
        }
        _ => Err(crate::problem::Problem::invalid(
            "position",
            "give either `position` or `after`",
        )),
    })
    .await
}

/// Leaves out the record that is first in line and was not taken.
#[utoipa::path(post, path = "/webhooks/{webhook}/skip", params(("webhook" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn skip(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<Done> {
    answer(&state, move |node| {
        node.webhooks().skip(&id)?;
        Ok(Done {})
    })
    .await
}

/// An attempt. What was sent is in the topic, at the position.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DeliveryRow {
    id: String,
    /// The `webhook-id`.
    event: String,
    #[serde(rename = "type")]
    kind: String,
    #[schema(value_type = String)]
    topic: Topic,
    position: u64,
    attempt: u32,
    at: String,
    duration_ms: u64,
    /// Status of the answer, if one came.
    status: Option<u16>,
    /// `delivered`, `failed` (tried again) or `given_up`.
    #[schema(value_type = String)]
    outcome: DeliveryOutcome,
    reason: Option<String>,
}

impl From<Delivery> for DeliveryRow {
    fn from(line: Delivery) -> Self {
        Self {
            id: line.id,
            event: line.event,
            kind: line.kind,
            topic: line.topic,
            position: line.position,
            attempt: line.attempt,
            at: line.at.to_string(),
            duration_ms: line.duration_ms,
            status: line.status,
            outcome: line.outcome,
            reason: line.reason,
        }
    }
}

/// Attempts of the last seven days, the latest first.
#[utoipa::path(get, path = "/webhooks/{webhook}/deliveries", params(("webhook" = String, Path), ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Rows<DeliveryRow>)))]
pub(super) async fn deliveries(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<Rows<DeliveryRow>> {
    let page = params.only(&["cursor", "limit"])?.page()?;
    answer(&state, move |node| {
        let listed = node.webhooks().deliveries(&id, &page)?;
        Ok(listed.map(DeliveryRow::from).into())
    })
    .await
}
