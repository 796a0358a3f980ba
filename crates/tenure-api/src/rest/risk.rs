//! The learned risk: learning it, and where it stands.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use tenure_app::risk::{Compared, DRIFT_MUCH, RiskState, Summary, Training};

use super::guard::Who;
use super::jobs::JobRow;
use super::params::{Input, Params};
use super::{Answer, answer};
use crate::ApiState;
use crate::problem::Problem;

/// The longest name of an event or trait, in bytes.
const NAME_BYTES: usize = 200;

/// How the model is learned; what is not given stays as usual.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainingBody {
    /// Within how many days an account churns or not; 60 if not given.
    horizon_days: Option<u32>,
    /// Events of an account that mean it left; `subscription_cancelled` and `subscription_ended` if not given.
    events: Option<Vec<String>>,
    /// A trait and the text that means it left; `status` is `churned` if not given.
    status: Option<StatusBody>,
}

/// A trait and a text.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusBody {
    #[serde(rename = "trait")]
    name: String,
    is: String,
}

impl TrainingBody {
    fn training(self) -> Result<Training, Problem> {
        let mut training = Training::default();
        if let Some(days) = self.horizon_days {
            training.horizon_days = days;
        }
        if let Some(events) = self.events {
            training.churn.events = events;
        }
        if let Some(status) = self.status {
            training.churn.status = Some((status.name, status.is));
        }
        let churn = &training.churn;
        let status = churn.status.iter().flat_map(|(name, text)| [name, text]);
        if churn
            .events
            .iter()
            .chain(status)
            .any(|name| name.len() > NAME_BYTES)
        {
            return Err(Problem::invalid(
                "events",
                format!("holds a name of more than {NAME_BYTES} bytes"),
            ));
        }
        Ok(training)
    }
}

/// A model, and how good it was on moments it was not learned from.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ModelRow {
    version: u32,
    trained_at: String,
    horizon_days: u32,
    /// How many moments, a horizon apart, it was learned from.
    moment_count: usize,
    recipe: String,
    roc_auc: f64,
    /// 95% interval.
    roc_auc_interval: (f64, f64),
    average_precision: f64,
    brier: f64,
    /// Brier score of saying the rate to everybody.
    brier_of_the_rate: f64,
    top_decile_lift: f64,
    calibration_error: f64,
    measured_on_count: usize,
    churned_count: usize,
    compared: Option<ModelComparedRow>,
}

/// A model against the one before it, on moments neither had seen.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ModelComparedRow {
    new_log_loss: f64,
    old_log_loss: f64,
    row_count: usize,
}

impl From<Compared> for ModelComparedRow {
    fn from(compared: Compared) -> Self {
        Self {
            new_log_loss: compared.new_loss,
            old_log_loss: compared.old_loss,
            row_count: compared.row_count,
        }
    }
}

impl From<Summary> for ModelRow {
    fn from(model: Summary) -> Self {
        let quality = model.quality;
        Self {
            version: model.version,
            trained_at: model.trained_at.to_string(),
            horizon_days: model.horizon_days,
            moment_count: model.moment_count,
            recipe: model.recipe,
            roc_auc: quality.roc_auc,
            roc_auc_interval: quality.roc_auc_interval,
            average_precision: quality.average_precision,
            brier: quality.brier,
            brier_of_the_rate: quality.brier_of_the_rate,
            top_decile_lift: quality.top_decile_lift,
            calibration_error: quality.calibration_error,
            measured_on_count: quality.row_count,
            churned_count: quality.churned_count,
            compared: model.compared.map(Into::into),
        }
    }
}

/// Where the learned risk stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RiskStateRow {
    /// The model that serves; null while none does, and health serves in its place.
    model: Option<ModelRow>,
    /// What came of the last training, in words.
    message: String,
    trained_at: Option<String>,
    scored_at: Option<String>,
    scored_count: u64,
    /// Population stability index of what is said of present accounts since the model was learned; above 0.25 much moved.
    drift: Option<f64>,
    /// What to do about it, if it is much.
    drift_warning: Option<String>,
}

impl From<RiskState> for RiskStateRow {
    fn from(state: RiskState) -> Self {
        let moved = state.drift.filter(|drift| *drift > DRIFT_MUCH);
        Self {
            model: state.summary.map(Into::into),
            message: state.message,
            trained_at: state.trained_at.map(|at| at.to_string()),
            scored_at: state.scored_at.map(|at| at.to_string()),
            scored_count: state.scored_count,
            drift: state.drift,
            drift_warning: moved.map(|drift| {
                format!("what is said of accounts has moved by {drift:.2} since the model was learned; train it anew, and look at what is sent")
            }),
        }
    }
}

/// Learns a model of the log so far, as a job; afterwards it is learned anew every week, and accounts are scored every
/// day. It serves only if its quality on unseen moments is beyond doubt and it is not worse than the one before.
#[utoipa::path(post, path = "/risk/train", request_body = TrainingBody, responses((status = 200, body = JobRow)))]
pub(super) async fn train(
    State(state): State<ApiState>,
    Who(by): Who,
    Input(body): Input<TrainingBody>,
) -> Answer<JobRow> {
    let training = body.training()?;
    answer(&state, move |node| {
        Ok(node.start_training(&training, &by)?.into())
    })
    .await
}

/// Where the learned risk stands: the model that serves, its measured quality, drift.
#[utoipa::path(get, path = "/risk", responses((status = 200, body = RiskStateRow)))]
pub(super) async fn show(State(state): State<ApiState>, params: Params) -> Answer<RiskStateRow> {
    params.only(&[])?;
    answer(&state, move |node| {
        let untrained = || RiskState {
            message: "no model was learned yet; `tenure risk train` learns one".to_owned(),
            ..RiskState::default()
        };
        Ok(node.risk_state()?.unwrap_or_else(untrained).into())
    })
    .await
}
