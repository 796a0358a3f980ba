//! Signals and templates in force.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;
use tenure_core::define::{Audience, SignalSeverity};
use tenure_core::lang::sentence;

use super::params::Params;
use super::{Answer, Rows, answer};
use crate::ApiState;

/// A signal.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SignalRow {
    name: String,
    /// The event that tells of it.
    event: String,
    about: String,
    #[schema(value_type = String)]
    audience: Audience,
    #[schema(value_type = String)]
    severity: SignalSeverity,
    /// The condition as written.
    when: String,
    /// The condition in words.
    sentence: String,
    /// During which it does not fire again.
    cooldown_ms: i64,
}

/// Signals: named conditions whose becoming true is itself an event.
#[utoipa::path(get, path = "/signals", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<SignalRow>)))]
pub(super) async fn signals(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<SignalRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        let plan = node.live().plan();
        let signals = plan.iter().flat_map(|plan| &plan.definitions.signals);
        let data = signals.map(|signal| SignalRow {
            name: signal.name.clone(),
            event: format!("signal:{}", signal.name),
            about: signal.about.clone(),
            audience: signal.audience,
            severity: signal.severity,
            when: signal.when.text.clone(),
            sentence: sentence(&signal.when.expr),
            cooldown_ms: signal.cooldown_ms,
        });
        Ok(Rows {
            data: data.collect(),
            next_cursor: None,
        })
    })
    .await
}

/// A template with its variants.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TemplateRow {
    name: String,
    /// Languages of its variants; null is the default.
    languages: Vec<Option<String>>,
    /// Its files, in the order of the languages.
    paths: Vec<String>,
}

/// Templates in force, with their languages.
#[utoipa::path(get, path = "/templates", params(("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<TemplateRow>)))]
pub(super) async fn templates(
    State(state): State<ApiState>,
    params: Params,
) -> Answer<Rows<TemplateRow>> {
    params.only(&["cursor", "limit"])?;
    answer(&state, |node| {
        let mut found: BTreeMap<String, TemplateRow> = BTreeMap::new();
        for file in node.catalog()?.templates {
            let row = found
                .entry(file.name.clone())
                .or_insert_with(|| TemplateRow {
                    name: file.name,
                    languages: Vec::new(),
                    paths: Vec::new(),
                });
            row.languages.push(file.language);
            row.paths.push(file.path);
        }
        Ok(Rows {
            data: found.into_values().collect(),
            next_cursor: None,
        })
    })
    .await
}
