//! Churn risk learned from the workspace's own log, and kept with its measured quality.
//!
//! A model is learned on request and then every week; accounts are scored every day. A new model serves only if it is
//! not worse than the old one on moments neither has seen. Below a minimum of history, or when nothing can be told from
//! chance, no model serves, and health is used in its place.

mod learn;
mod model;
mod train;

use serde::{Deserialize, Serialize};
use tenure_core::id::AccountId;
use tenure_core::snapshot::Churn;
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_learn::risk::Quality;
use tenure_store::row::Record;
use tenure_store::{Batch, StoreError};

use crate::access::Actor;
use crate::error::AppError;
use crate::jobs::{Job, JobFilter, JobKind, JobState};
use crate::node::Node;
use crate::records::value;

pub use learn::{Learned, churned, learn, moments};
pub use model::{Compared, Inputs, Model, Score, Weighed, drift};
pub use train::{RescoreRisk, TrainRisk};

/// Collection of the models, by version.
const MODELS: &str = "risk_model";
/// Collection of the scores, by account.
const SCORES: &str = "risk_score";
/// Collection and key of where risk stands.
const STATE: (&str, &str) = ("risk_state", "now");
/// A model is learned anew after so long, in milliseconds.
const RETRAIN_MS: i64 = 7 * DAY_MS;
/// Accounts are scored anew after so long, in milliseconds.
const RESCORE_MS: i64 = DAY_MS;
/// Horizons there are, in days.
const HORIZONS: std::ops::RangeInclusive<u32> = 7..=366;
/// The most names of events that mean churn.
const MAX_CHURN_EVENTS: usize = 20;

/// How a model is learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Training {
    /// Within how many days an account churns or not.
    pub horizon_days: u32,
    /// What churn is.
    pub churn: Churn,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            horizon_days: 60,
            churn: Churn::default(),
        }
    }
}

impl Training {
    /// Refuses what makes no sense.
    pub fn check(&self) -> Result<(), AppError> {
        let invalid = |field: &str, message: String| {
            Err(AppError::Invalid {
                field: field.into(),
                message,
            })
        };
        if !HORIZONS.contains(&self.horizon_days) {
            let (low, high) = (HORIZONS.start(), HORIZONS.end());
            let message = format!(
                "{} is out of range; it goes from {low} to {high}",
                self.horizon_days
            );
            return invalid("horizon_days", message);
        }
        if self.churn.events.is_empty() && self.churn.status.is_none() {
            return invalid(
                "churn",
                "names neither an event nor a trait; nobody could churn".into(),
            );
        }
        if self.churn.events.len() > MAX_CHURN_EVENTS {
            return invalid("events", format!("are more than {MAX_CHURN_EVENTS}"));
        }
        Ok(())
    }
}

/// Where risk stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskState {
    /// How the next model is learned.
    pub training: Training,
    /// The version that serves.
    pub serving: Option<u32>,
    /// What is to be told of the model that serves.
    pub summary: Option<Summary>,
    /// Highest version there ever was.
    pub last_version: u32,
    /// When a model was learned last, whether or not it serves.
    pub trained_at: Option<Timestamp>,
    /// When accounts were scored last.
    pub scored_at: Option<Timestamp>,
    /// How many accounts have a score.
    pub scored_count: u64,
    /// By how much what is said of present accounts has moved since the model was learned; see [`drift`].
    pub drift: Option<f64>,
    /// What came of the last training, in words.
    pub message: String,
}

/// A model without what it learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Its version.
    pub version: u32,
    /// When it was learned.
    pub trained_at: Timestamp,
    /// Within how many days an account churns or not.
    pub horizon_days: u32,
    /// How many moments it was learned from.
    pub moment_count: usize,
    /// The kind of learner that was chosen, in words.
    pub recipe: String,
    /// Quality on moments that it was not learned from.
    pub quality: Quality,
    /// Against the one before; `None` for the first.
    pub compared: Option<Compared>,
}

/// Moved by more than this, a model ought to be looked at.
pub const DRIFT_MUCH: f64 = 0.25;

impl Node {
    /// Where risk stands; `None` before anybody asked for a model.
    pub fn risk_state(&self) -> Result<Option<RiskState>, AppError> {
        self.kept(STATE.0, STATE.1)
    }

    /// The model that serves.
    pub fn risk_model(&self) -> Result<Option<Model>, AppError> {
        let serving = self.risk_state()?.and_then(|state| state.serving);
        let Some(version) = serving else {
            return Ok(None);
        };
        self.kept(MODELS, &key_of(version))
    }

    /// What is to be told of the model that serves.
    pub(crate) fn risk_summary(&self) -> Result<Option<Summary>, AppError> {
        Ok(self.risk_state()?.and_then(|state| state.summary))
    }

    /// What the serving model said of an account last.
    pub fn risk_score(&self, account: AccountId) -> Result<Option<Score>, AppError> {
        self.kept(SCORES, &account.to_string())
    }

    fn kept<T: serde::de::DeserializeOwned>(
        &self,
        collection: &str,
        key: &str,
    ) -> Result<Option<T>, AppError> {
        let row = self.store().record(collection, key)?;
        Ok(row.map(|row| value(&row)).transpose()?)
    }

    fn keep_risk<T: Serialize>(
        &self,
        kept: &[(&str, String, &T)],
        at: Timestamp,
    ) -> Result<(), AppError> {
        let mut batch = Batch::default();
        for (collection, key, value) in kept {
            let bytes = serde_json::to_vec(value).map_err(|error| {
                StoreError::Other(format!("{collection} cannot be kept: {error}"))
            })?;
            batch.records.push(Record {
                collection: (*collection).into(),
                key: key.as_str().into(),
                at,
                bytes,
            });
        }
        self.writer().commit(batch, Vec::new())
    }

    /// Starts what is due of risk, unless such a job is under way or waits.
    pub(crate) fn start_risk_jobs(&self) -> Result<(), AppError> {
        let Some(due) = self.risk_due()? else {
            return Ok(());
        };
        for kind in [&TrainRisk as &dyn JobKind, &RescoreRisk] {
            for state in [JobState::Queued, JobState::Running] {
                let filter = JobFilter {
                    kind: Some(kind.name()),
                    state: Some(state),
                };
                if !self.jobs().jobs(filter, None, 1)?.is_empty() {
                    return Ok(());
                }
            }
        }
        let by = Actor::schedule();
        match due {
            RiskDue::Train(training) => self.start_training(&training, &by).map(drop),
            RiskDue::Score => self
                .jobs()
                .start(&RescoreRisk, serde_json::Value::Null, &by)
                .map(drop),
        }
    }

    /// Queues the learning of a model.
    pub fn start_training(&self, training: &Training, by: &Actor) -> Result<Job, AppError> {
        training.check()?;
        let input = serde_json::to_value(training)
            .map_err(|error| StoreError::Other(format!("a training cannot be kept: {error}")))?;
        self.jobs().start(&TrainRisk, input, by)
    }

    /// What is due of risk now: learning anew, or scoring anew; nothing before a first training was asked for.
    pub(crate) fn risk_due(&self) -> Result<Option<RiskDue>, AppError> {
        let Some(state) = self.risk_state()? else {
            return Ok(None);
        };
        let now = self.now();
        let is_old = |at: Option<Timestamp>, ms: i64| at.is_some_and(|at| now.since_ms(at) >= ms);
        if is_old(state.trained_at, RETRAIN_MS) {
            return Ok(Some(RiskDue::Train(state.training)));
        }
        let scores = state.serving.is_some() && is_old(state.scored_at, RESCORE_MS);
        Ok(scores.then_some(RiskDue::Score))
    }
}

/// See [`Node::risk_due`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RiskDue {
    /// Learn anew.
    Train(Training),
    /// Score anew.
    Score,
}

fn key_of(version: u32) -> String {
    format!("{version:08}")
}
