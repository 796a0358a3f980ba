//! What programs did: enrollments, decisions, messages.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Value, json};
use tenure_app::commands::Rendered;
use tenure_app::node::Node;
use tenure_app::query::Listed;
use tenure_core::id::{MessageId, SubjectId};
use tenure_store::query::{DecisionFilter, EnrollmentFilter, MessageFilter, instant_cursor};

use super::guard::Note;
use super::params::{Params, one_more};
use super::programs::act;
use super::rows::{DecisionRow, EnrollmentRow, MessageRow};
use super::{Answer, Done, Rows, answer, query};
use crate::ApiState;
use crate::problem::Problem;

/// Passages through programs, the latest first.
#[utoipa::path(get, path = "/enrollments", params(("program" = Option<String>, Query), ("subject" = Option<String>, Query),
    ("status" = Option<String>, Query), ("step" = Option<String>, Query), ("held_out" = Option<bool>, Query),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<EnrollmentRow>)))]
pub(super) async fn enrollments(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<EnrollmentRow>> {
    let params = params.only(&[
        "program", "subject", "status", "step", "held_out", "cursor", "limit",
    ])?;
    let page = params.page()?;
    let filter = EnrollmentFilter {
        subject: params.parsed("subject")?,
        program: params.text("program"),
        status: params.word("status")?,
        step: params.text("step"),
        held_out: params.parsed("held_out")?,
    };
    answer(&state, move |node| {
        let rows = node.store().enrollments(&filter, &one_more(&page))?;
        let listed = Listed::cut(rows, page.limit, |row| {
            instant_cursor(row.entered_at, row.id)
        });
        Ok(listed.map(EnrollmentRow::from).into())
    })
    .await
}

/// Decisions, the latest first.
#[utoipa::path(get, path = "/decisions", params(("subject" = Option<String>, Query), ("program" = Option<String>, Query),
    ("outcome" = Option<String>, Query),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<DecisionRow>)))]
pub(super) async fn decisions(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<DecisionRow>> {
    let params = params.only(&["subject", "program", "outcome", "cursor", "limit"])?;
    let page = params.page()?;
    let outcome: Option<tenure_core::decision::Outcome> = params.word("outcome")?;
    let filter = DecisionFilter {
        subject: params.parsed("subject")?,
        program: params.text("program"),
        outcome: outcome.map(|outcome| outcome.as_str().to_owned()),
    };
    answer(&state, move |node| {
        let rows = node.store().decisions(&filter, &one_more(&page))?;
        let listed = Listed::cut(rows, page.limit, |row| instant_cursor(row.at, row.id));
        Ok(listed.map(DecisionRow::from).into())
    })
    .await
}

/// Why a program did, or did not do, something for a subject.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct WhyRow {
    subject: String,
    program: String,
    /// In words.
    summary: String,
    /// The latest first.
    enrollments: Vec<EnrollmentRow>,
    /// The oldest first.
    decisions: Vec<DecisionRow>,
}

/// Why a program did, or did not do, something for a subject.
#[utoipa::path(get, path = "/why", params(("subject" = String, Query), ("program" = String, Query)), responses((status = 200, body = WhyRow)))]
pub(super) async fn why(State(state): State<ApiState>, params: Params) -> Answer<WhyRow> {
    let params = params.only(&["subject", "program"])?;
    let required = |name: &str| Problem::invalid(name, "is required");
    let subject: SubjectId = params
        .parsed("subject")?
        .ok_or_else(|| required("subject"))?;
    let program = params.text("program").ok_or_else(|| required("program"))?;
    answer(&state, move |node| {
        let why = query(node).why(subject, &program)?;
        if why.decisions.is_empty() {
            node.program(&program)?;
        }
        Ok(WhyRow {
            subject: subject.to_string(),
            program,
            summary: why.summary,
            enrollments: why
                .enrollments
                .into_iter()
                .map(EnrollmentRow::from)
                .collect(),
            decisions: why.decisions.into_iter().map(DecisionRow::from).collect(),
        })
    })
    .await
}

/// Messages, the latest first, without addresses.
#[utoipa::path(get, path = "/messages", params(("state" = Option<String>, Query), ("program" = Option<String>, Query),
    ("person" = Option<String>, Query), ("subject" = Option<String>, Query),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<MessageRow>)))]
pub(super) async fn messages(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<MessageRow>> {
    let params = params.only(&["state", "program", "person", "subject", "cursor", "limit"])?;
    let page = params.page()?;
    let filter = MessageFilter {
        state: params.word("state")?,
        program: params.text("program"),
        person: params.parsed("person")?,
        subject: params.parsed("subject")?,
    };
    answer(&state, move |node| {
        let rows = node.store().messages(&filter, &one_more(&page))?;
        let listed = Listed::cut(rows, page.limit, |row| {
            instant_cursor(row.intent.decided_at, row.intent.id)
        });
        Ok(listed.map(MessageRow::from).into())
    })
    .await
}

/// How many messages are in each state.
#[utoipa::path(get, path = "/messages/counts", responses((status = 200, body = BTreeMap<String, u64>)))]
pub(super) async fn message_counts(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<BTreeMap<String, u64>> {
    params.only(&[])?;
    answer(&state, |node| {
        let counts = node.store().message_counts()?.into_iter();
        let named = counts.filter_map(|(state, count)| match serde_json::to_value(state) {
            Ok(Value::String(name)) => Some((name, count)),
            _ => None,
        });
        Ok(named.collect())
    })
    .await
}

/// A message with its address, while that is kept.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MessageDetail {
    #[serde(flatten)]
    row: MessageRow,
    /// Address or URL; null once forgotten.
    to: Option<String>,
}

fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found("message", text))
}

/// One message.
#[utoipa::path(get, path = "/messages/{message}", params(("message" = String, Path)), responses((status = 200, body = MessageDetail)))]
pub(super) async fn message(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<MessageDetail> {
    params.only(&[])?;
    let id = message_id(&id)?;
    answer(&state, move |node| {
        let found = node.store().message(id)?;
        let message = found.ok_or_else(|| Problem::not_found("message", &id.to_string()))?;
        let to = Some(message.intent.to.to_string()).filter(|to| !to.is_empty());
        Ok(MessageDetail {
            to,
            row: message.into(),
        })
    })
    .await
}

/// What the recipient of a message sees; until it is sent, then its data is forgotten.
#[utoipa::path(get, path = "/messages/{message}/preview", params(("message" = String, Path)), responses((status = 200, body = Object)))]
pub(super) async fn message_preview(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Answer<Rendered> {
    let id = message_id(&id)?;
    answer(&state, move |node| Ok(node.preview_message(id)?)).await
}

/// Sends a message again whose outcome is unknown, or that was given up.
#[utoipa::path(post, path = "/messages/{message}/resend", params(("message" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn resend(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    note: Note,
) -> Answer<Done> {
    let id = message_id(&id)?;
    act(&state, move |node| {
        let before = message_state(node, id)?;
        node.resend(id)?;
        note.change(before, message_state(node, id)?);
        Ok(())
    })
    .await
}

/// What the audit trail says of a message.
fn message_state(node: &Node, id: MessageId) -> Result<Value, Problem> {
    let message = node.store().message(id)?;
    Ok(json!({"state": message.map(|message| message.state)}))
}

/// Cancels a message that has not gone out.
#[utoipa::path(post, path = "/messages/{message}/cancel", params(("message" = String, Path)), responses((status = 200, body = Done)))]
pub(super) async fn cancel(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    note: Note,
) -> Answer<Done> {
    let id = message_id(&id)?;
    act(&state, move |node| {
        let before = message_state(node, id)?;
        node.cancel(id)?;
        note.change(before, message_state(node, id)?);
        Ok(())
    })
    .await
}
