//! The health of accounts and people.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use tenure_core::effect::HealthRecord;
use tenure_core::health::{ComponentReading, HealthReading};
use tenure_core::id::SubjectId;

use super::params::{Input, Params};
use super::subjects::{account_id, known, person_id};
use super::{Answer, Done, Rows, answer, query};
use crate::ApiState;

/// Health now, with its reasons.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct HealthRow {
    /// Account or person.
    subject: String,
    /// The definition that applies; null when none does, or its history is still being read.
    definition: Option<String>,
    /// 0 to 100; null when no component has data.
    score: Option<f64>,
    /// `healthy`, `watch` or `at_risk`.
    zone: Option<String>,
    /// The share of the weight that has data, 0 to 1.
    coverage: Option<f64>,
    /// The score less that of the midnight (UTC) that began the day a week ago.
    trend_7d: Option<f64>,
    /// The same for 30 days ago.
    trend_30d: Option<f64>,
    /// What the score is made of; the contributions add up to it.
    components: Vec<ComponentRow>,
}

/// One component of health.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ComponentRow {
    name: String,
    about: String,
    /// How the number is found, in words.
    measure: String,
    weight: f64,
    /// The number; durations in milliseconds; null without data.
    value: Option<f64>,
    /// What the curve makes of it, 0 to 100.
    score: Option<f64>,
    /// Its points of the whole score.
    contribution: Option<f64>,
    /// All of it in a sentence.
    sentence: String,
}

impl From<ComponentReading> for ComponentRow {
    fn from(reading: ComponentReading) -> Self {
        Self {
            name: reading.name,
            about: reading.about,
            measure: reading.measure,
            weight: reading.weight,
            value: reading.value,
            score: reading.score,
            contribution: reading.contribution,
            sentence: reading.sentence,
        }
    }
}

impl HealthRow {
    fn new(subject: SubjectId, reading: Option<HealthReading>) -> Self {
        let subject = subject.to_string();
        let Some(reading) = reading else {
            return Self {
                subject,
                definition: None,
                score: None,
                zone: None,
                coverage: None,
                trend_7d: None,
                trend_30d: None,
                components: Vec::new(),
            };
        };
        Self {
            subject,
            definition: Some(reading.definition),
            score: reading.score,
            zone: reading.zone.map(|zone| zone.as_str().to_owned()),
            coverage: Some(reading.coverage),
            trend_7d: reading.trend_7d,
            trend_30d: reading.trend_30d,
            components: reading.components.into_iter().map(Into::into).collect(),
        }
    }
}

/// Health at a midnight (UTC) or at a change of zone.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct HealthRecordRow {
    at: String,
    /// `daily` or `zone`.
    kind: String,
    definition: Option<String>,
    score: Option<f64>,
    zone: Option<String>,
    coverage: f64,
}

impl From<HealthRecord> for HealthRecordRow {
    fn from(record: HealthRecord) -> Self {
        let kind = serde_json::to_value(record.kind).unwrap_or_default();
        Self {
            at: record.at.to_string(),
            kind: kind.as_str().unwrap_or_default().to_owned(),
            definition: record.definition.map(Into::into),
            score: record.score.map(|score| (score * 10.0).round() / 10.0),
            zone: record.zone.map(|zone| zone.as_str().to_owned()),
            coverage: record.coverage,
        }
    }
}

/// A rating by the one who looks after the account.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sentiment {
    /// From 1 (lost) to 5 (delighted).
    rating: u8,
    /// Why, at most 2 000 characters.
    note: Option<String>,
    /// Who rates.
    by: Option<String>,
}

/// Notes the rating of an account by the one who looks after it: the event `sentiment_rated`, kept apart from the score.
#[utoipa::path(post, path = "/accounts/{account}/sentiment", params(("account" = String, Path)), request_body = Sentiment, responses((status = 200, body = Done)))]
pub(super) async fn rate(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Input(told): Input<Sentiment>,
) -> Answer<Done> {
    let subject = SubjectId::Account(account_id(&id)?);
    answer(&state, move |node| {
        known(node, subject)?;
        node.rate(
            subject,
            told.rating,
            told.note.as_deref(),
            told.by.as_deref(),
        )?;
        Ok(Done {})
    })
    .await
}

async fn health(state: &ApiState, subject: SubjectId, params: Params) -> Answer<HealthRow> {
    params.only(&[])?;
    answer(state, move |node| {
        let subject = known(node, subject)?.id;
        let reading = match node.live().plan() {
            Some(plan) => query(node).health(&plan, subject, node.now())?,
            None => None,
        };
        Ok(HealthRow::new(subject, reading))
    })
    .await
}

async fn history(
    state: &ApiState,
    subject: SubjectId,
    params: Params,
) -> Answer<Rows<HealthRecordRow>> {
    let page = params.only(&["cursor", "limit"])?.page()?;
    answer(state, move |node| {
        let subject = known(node, subject)?.id;
        let listed = query(node).health_history(subject, &page)?;
        Ok(listed.map(HealthRecordRow::from).into())
    })
    .await
}

/// The health of an account now, with what each component contributes.
#[utoipa::path(get, path = "/accounts/{account}/health", params(("account" = String, Path)), responses((status = 200, body = HealthRow)))]
pub(super) async fn account_health(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<HealthRow> {
    health(&state, SubjectId::Account(account_id(&id)?), params).await
}

/// The health of an account at midnights (UTC) and at changes of zone, the latest first. A midnight that is not listed
/// had the score of the one before it.
#[utoipa::path(get, path = "/accounts/{account}/health/history", params(("account" = String, Path),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<HealthRecordRow>)))]
pub(super) async fn account_health_history(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<Rows<HealthRecordRow>> {
    history(&state, SubjectId::Account(account_id(&id)?), params).await
}

/// The health of a person now, with what each component contributes.
#[utoipa::path(get, path = "/people/{person}/health", params(("person" = String, Path)), responses((status = 200, body = HealthRow)))]
pub(super) async fn person_health(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<HealthRow> {
    health(&state, SubjectId::Person(person_id(&id)?), params).await
}

/// The health of a person at midnights (UTC) and at changes of zone, the latest first.
#[utoipa::path(get, path = "/people/{person}/health/history", params(("person" = String, Path),
    ("cursor" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Rows<HealthRecordRow>)))]
pub(super) async fn person_health_history(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<Rows<HealthRecordRow>> {
    history(&state, SubjectId::Person(person_id(&id)?), params).await
}
