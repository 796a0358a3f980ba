//! Backtests.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use tenure_app::backtest::BacktestRequest;
use tenure_core::backtest::{HealthReport, Report, TargetReport};
use tenure_core::define::SourceFile;

use super::guard::Who;
use super::jobs::JobRow;
use super::params::Input;
use super::{Answer, answer};
use crate::ApiState;

/// What is to be tested on the past.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// Definition files; what they define is tested, beside what is in force otherwise.
    #[schema(value_type = Vec<Object>)]
    files: Vec<SourceFile>,
    /// The period begins so many days ago; 365 if not given.
    #[serde(default = "year")]
    since_days: u32,
    /// The outcome counts for a trigger within so many days; 90 if not given.
    #[serde(default = "quarter")]
    horizon_days: u32,
    /// The condition whose becoming true is the outcome; `status == "churned"` if not given.
    #[serde(default = "churned")]
    outcome: String,
}

fn year() -> u32 {
    365
}

fn quarter() -> u32 {
    90
}

fn churned() -> String {
    "status == \"churned\"".to_owned()
}

/// What came of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ReportRow {
    entry_count: u64,
    /// One for each segment, signal, program and health that the files define.
    targets: Vec<TargetRow>,
    /// How well the health of accounts tells, if the files define it.
    #[schema(value_type = Option<Object>)]
    health: Option<HealthReport>,
}

/// How one of them did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TargetRow {
    target: String,
    /// Counts, precision, recall, lead time and false alarms per week.
    #[schema(value_type = Object)]
    announcement: tenure_core::backtest::Announcement,
    /// Who would have been triggered and when, oldest first; at most 1 000.
    triggers: Vec<TriggerRow>,
}

/// One trigger.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = BacktestTriggerRow)]
pub(super) struct TriggerRow {
    subject: String,
    at: String,
}

impl From<TargetReport> for TargetRow {
    fn from(report: TargetReport) -> Self {
        let triggers = report.triggers.into_iter();
        Self {
            target: report.target,
            announcement: report.announcement,
            triggers: triggers
                .map(|(subject, at)| TriggerRow {
                    subject: subject.to_string(),
                    at: at.to_string(),
                })
                .collect(),
        }
    }
}

impl From<Report> for ReportRow {
    fn from(report: Report) -> Self {
        Self {
            entry_count: report.entry_count,
            targets: report.targets.into_iter().map(Into::into).collect(),
            health: report.health,
        }
    }
}

impl From<Question> for BacktestRequest {
    fn from(question: Question) -> Self {
        Self {
            files: question.files,
            since_days: question.since_days,
            horizon_days: question.horizon_days,
            outcome: question.outcome,
        }
    }
}

/// Queues a backtest: the job's result is what `POST /api/v1/backtest` answers. One runs at a time; progress and
/// cancelling are those of jobs.
#[utoipa::path(post, path = "/backtests", request_body = Question, responses((status = 200, body = JobRow), (status = 422, body = crate::problem::ProblemDocument)))]
pub(super) async fn start(
    State(state): State<ApiState>,
    Who(by): Who,
    Input(question): Input<Question>,
) -> Answer<JobRow> {
    answer(&state, move |node| {
        Ok(node.start_backtest(&question.into(), &by)?.into())
    })
    .await
}

/// Replays the log under the given definitions and says how well they would have announced the outcome. Nothing is
/// published or sent.
#[utoipa::path(post, path = "/backtest", request_body = Question, responses((status = 200, body = ReportRow), (status = 422, body = crate::problem::ProblemDocument)))]
pub(super) async fn run(
    State(state): State<ApiState>,
    Input(question): Input<Question>,
) -> Answer<ReportRow> {
    answer(&state, move |node| {
        let request = question.into();
        Ok(node.backtest(&request)?.into())
    })
    .await
}
