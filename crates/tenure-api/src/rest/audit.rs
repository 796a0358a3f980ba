//! The audit trail.

use axum::body::{Body as HttpBody, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use tenure_app::access::audit::{Body, Verified, hex, verify};
use tenure_app::query::Listed;
use tenure_core::time::Timestamp;
use tenure_store::audit::{AuditFilter, AuditRow};
use tokio_stream::wrappers::ReceiverStream;

use super::params::{Params, one_more};
use super::{Answer, Rows, answer};
use crate::ApiState;
use crate::problem::Problem;

/// How many entries are read at once for an export.
const EXPORT_ROWS: usize = 500;
/// Blocks of an export that may wait for a slow reader.
const EXPORT_BLOCKS: usize = 4;

/// An entry of the audit trail.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EntryRow {
    /// Its number, from 1 without gaps.
    seq: u64,
    at: String,
    /// `token`, `client`, `user`, `command` or `nobody`.
    actor_kind: String,
    actor: String,
    actor_name: String,
    action: String,
    target: String,
    /// What it was; null where there was nothing, or nothing to tell.
    before: Value,
    /// What it became; null where nothing is left, or nothing to tell.
    after: Value,
    /// `address`, and what proxies and the program say.
    #[schema(value_type = Object)]
    origin: Value,
    /// BLAKE3 over the entry and the hash of the one before.
    hash: String,
}

fn row(row: &AuditRow) -> Result<EntryRow, Problem> {
    let body = Body::of(row)?;
    Ok(EntryRow {
        seq: row.seq,
        at: row.at.to_string(),
        actor_kind: body.actor_kind,
        actor: row.actor.to_string(),
        actor_name: body.actor_name,
        action: row.action.to_string(),
        target: row.target.to_string(),
        before: body.before,
        after: body.after,
        origin: serde_json::to_value(body.origin).unwrap_or_default(),
        hash: hex(&row.hash),
    })
}

fn instant(params: &Params, name: &str) -> Result<Option<Timestamp>, Problem> {
    let text = params.text(name);
    let parsed = text.map(|text| {
        Timestamp::parse(&text).ok_or_else(|| Problem::invalid(name, "must be a time in RFC 3339"))
    });
    parsed.transpose()
}

/// The audit trail, the latest first.
#[utoipa::path(get, path = "/audit", operation_id = "list_audit", params(("actor" = Option<String>, Query), ("action" = Option<String>, Query),
    ("target" = Option<String>, Query), ("since" = Option<String>, Query), ("until" = Option<String>, Query),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<EntryRow>)))]
pub(super) async fn list(State(state): State<ApiState>, params: Params) -> Answer<Rows<EntryRow>> {
    let known = [
        "actor", "action", "target", "since", "until", "cursor", "limit",
    ];
    let params = params.only(&known)?;
    let page = params.page()?;
    let filter = AuditFilter {
        actor: params.text("actor"),
        action: params.text("action"),
        target: params.text("target"),
        since: instant(&params, "since")?,
        until: instant(&params, "until")?,
    };
    answer(&state, move |node| {
        let rows = node.store().audit(&filter, &one_more(&page))?;
        let listed = Listed::cut(rows, page.limit, |row| row.seq.to_string());
        let data = listed.rows.iter().map(row).collect::<Result<_, _>>()?;
        Ok(Rows {
            data,
            next_cursor: listed.next,
        })
    })
    .await
}

/// What was found when all hashes were computed anew.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct VerifiedRow {
    entry_count: u64,
    /// Note it elsewhere: whoever has it can tell that nothing was cut off.
    last_hash: Option<String>,
    /// Number of the first entry that does not fit; null when all do.
    broken_at: Option<u64>,
}

/// Computes every hash of the audit trail anew.
#[utoipa::path(get, path = "/audit/verify", operation_id = "verify_audit", responses((status = 200, body = VerifiedRow)))]
pub(super) async fn verified(State(state): State<ApiState>, params: Params) -> Answer<VerifiedRow> {
    params.only(&[])?;
    answer(&state, |node| {
        let Verified {
            entry_count,
            last_hash,
            broken_at,
        } = verify(node.store().as_ref())?;
        Ok(VerifiedRow {
            entry_count,
            last_hash,
            broken_at,
        })
    })
    .await
}

/// The whole audit trail, oldest first, one JSON object a line.
#[utoipa::path(get, path = "/audit/export", operation_id = "export_audit", responses((status = 200, content_type = "application/x-ndjson", body = String)))]
pub(super) async fn export(
    State(state): State<ApiState>,
    params: Params,
) -> Result<Response, Problem> {
    params.only(&[])?;
    let (sender, receiver) =
        tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(EXPORT_BLOCKS);
    let node = std::sync::Arc::clone(&state.node);
    tokio::task::spawn_blocking(move || {
        let mut seq = 1;
        loop {
            let block = node.store().audit_from(seq, EXPORT_ROWS);
            let rows = block.map_err(Problem::from).and_then(|rows| {
                seq += rows.len() as u64;
                rows.iter().map(row).collect::<Result<Vec<_>, _>>()
            });
            let Ok(rows) = rows else {
                // A cut-off body tells the reader that something is missing.
                drop(sender.blocking_send(Err(std::io::Error::other("the export failed"))));
                return;
            };
            let lines = rows
                .iter()
                .filter_map(|row| serde_json::to_string(row).ok());
            let block: String = lines.map(|line| line + "\n").collect();
            if block.is_empty() || sender.blocking_send(Ok(block.into())).is_err() {
                return;
            }
        }
    });
    let body = HttpBody::from_stream(ReceiverStream::new(receiver));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}
