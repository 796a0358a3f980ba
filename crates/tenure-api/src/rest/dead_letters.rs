//! What was given up: list, inspect, replay, discard.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenure_app::dead_letters::{Letter, LetterAct, LetterFilter, LetterKind};
use tenure_core::time::Timestamp;

use super::params::{Input, Nothing, Params};
use super::{Answer, Done, Rows, answer};
use crate::ApiState;
use crate::problem::Problem;

/// Something that was given up.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DeadLetterRow {
    id: String,
    /// `ingest`, `message` or `webhook`.
    #[schema(value_type = String)]
    kind: LetterKind,
    at: String,
    reason: String,
    /// Its place in the log, or in its topic.
    position: Option<u64>,
    /// The program, or the webhook endpoint.
    of: Option<String>,
    /// What it holds; only when asked for alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    content: Option<Value>,
}

impl From<Letter> for DeadLetterRow {
    fn from(letter: Letter) -> Self {
        Self {
            id: letter.id,
            kind: letter.kind,
            at: letter.at.to_string(),
            reason: letter.reason,
            position: letter.position,
            of: letter.of,
            content: None,
        }
    }
}

/// What was given up: entries that could not be processed, messages that could not be sent,
/// records of topics that an endpoint refused. In each kind the latest first.
#[utoipa::path(get, path = "/dead-letters", params(
    ("kind" = Option<String>, Query, description = "`ingest`, `message` or `webhook`"),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Rows<DeadLetterRow>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<DeadLetterRow>> {
    let params = params.only(&["kind", "cursor", "limit"])?;
    let (kind, page) = (params.parsed::<LetterKind>("kind")?, params.page()?);
    answer(&state, move |node| {
        let listed = node.dead_letters(kind, &page)?;
        Ok(listed.map(DeadLetterRow::from).into())
    })
    .await
}

/// One dead letter, with what it holds.
#[utoipa::path(get, path = "/dead-letters/{id}", params(("id" = String, Path)), responses((status = 200, body = DeadLetterRow)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<DeadLetterRow> {
    params.only(&[])?;
    answer(&state, move |node| {
        let (letter, content) = node.dead_letter(&id)?;
        Ok(DeadLetterRow {
            content: Some(content),
            ..letter.into()
        })
    })
    .await
}

/// Tries a dead letter again: an entry is appended anew at the end of the log, a message is sent,
/// a record of a topic is pushed.
#[utoipa::path(post, path = "/dead-letters/{id}/replay", params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn replay(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<Done> {
    act_on(state, id, LetterAct::Replay).await
}

/// Takes a dead letter out.
#[utoipa::path(post, path = "/dead-letters/{id}/discard", params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn discard(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<Done> {
    act_on(state, id, LetterAct::Discard).await
}

async fn act_on(state: ApiState, id: String, act: LetterAct) -> Answer<Done> {
    answer(&state, move |node| {
        node.act_on_dead_letter(&id, act)?;
        Ok(Done {})
    })
    .await
}

/// Which dead letters.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LetterQuery {
    /// `ingest`, `message` or `webhook`.
    #[schema(value_type = Option<String>)]
    kind: Option<LetterKind>,
    /// Of this program or endpoint.
    of: Option<String>,
    /// Whose reason contains this.
    reason: Option<String>,
    /// Given up before this instant (RFC 3339).
    before: Option<String>,
}

/// What became of them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct LetterOutcome {
    done_count: usize,
    /// Those that could not be; they stay.
    failed_count: usize,
}

/// Tries up to 1 000 dead letters that fit again.
#[utoipa::path(post, path = "/dead-letters/replay", request_body = LetterQuery, responses((status = 200, body = LetterOutcome)))]
pub(super) async fn replay_all(
    State(state): State<ApiState>,
    Input(body): Input<LetterQuery>,
) -> Answer<LetterOutcome> {
    act_on_all(state, body, LetterAct::Replay).await
}

/// Takes up to 1 000 dead letters that fit out.
#[utoipa::path(post, path = "/dead-letters/discard", request_body = LetterQuery, responses((status = 200, body = LetterOutcome)))]
pub(super) async fn discard_all(
    State(state): State<ApiState>,
    Input(body): Input<LetterQuery>,
) -> Answer<LetterOutcome> {
    act_on_all(state, body, LetterAct::Discard).await
}

async fn act_on_all(state: ApiState, body: LetterQuery, act: LetterAct) -> Answer<LetterOutcome> {
    let before = body.before.as_deref().map(Timestamp::parse);
    let before = match before {
        Some(None) => return Err(Problem::invalid("before", "must be a time (RFC 3339)")),
        Some(found) => found,
        None => None,
    };
    let filter = LetterFilter {
        kind: body.kind,
        of: body.of,
        reason: body.reason,
        before,
    };
    answer(&state, move |node| {
        let counts = node.act_on_dead_letters(&filter, act)?;
        Ok(LetterOutcome {
            done_count: counts.done_count,
            failed_count: counts.failed_count,
        })
    })
    .await
}
