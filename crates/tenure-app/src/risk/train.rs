//! Learning and scoring as jobs.

use serde_json::{Value as Json, json};
use tenure_core::log::Entry;
use tenure_core::snapshot::Snapshots;
use tenure_store::StoreError;

use super::learn::{Learned, learn};
use super::model::{Model, Score, drift, parts};
use super::{MODELS, RiskState, SCORES, STATE, Training, key_of};
use crate::error::AppError;
use crate::jobs::{JobKind, JobRun};
use crate::log_scan::each_entry;
use crate::node::Node;

/// Of so many accounts the whole past is kept; if there are more, they stand for the others.
const LEARNED_ACCOUNTS: u64 = 4_000;
/// Scores written at once.
const SCORES_AT_ONCE: usize = 500;

/// Learns a model: the job `risk_training`.
#[derive(Debug)]
pub struct TrainRisk;

/// Scores all accounts with the model that serves: the job `risk_scoring`.
#[derive(Debug)]
pub struct RescoreRisk;

impl JobKind for TrainRisk {
    fn name(&self) -> &'static str {
        "risk_training"
    }

    fn run(&self, node: &Node, job: &JobRun<'_>) -> Result<Json, AppError> {
        let training: Training = serde_json::from_value(job.input().clone())
            .map_err(|error| StoreError::Damaged(format!("a training: {error}")))?;
        let progress = &mut |done, total| job.progress(done, Some(total));
        node.train_risk(&training, progress)
    }
}

impl JobKind for RescoreRisk {
    fn name(&self) -> &'static str {
        "risk_scoring"
    }

    fn run(&self, node: &Node, job: &JobRun<'_>) -> Result<Json, AppError> {
        let Some(model) = node.risk_model()? else {
            return Ok(json!({"scored_count": 0}));
        };
        let known = node.snapshots(&model_training(&model), 0.0, &mut |done, total| {
            job.progress(done, Some(total))
        })?;
        let mut state = node.risk_state()?.unwrap_or_default();
        node.score_risk(&model, &known, &mut state)?;
        Ok(json!({"scored_count": state.scored_count, "drift": state.drift}))
    }
}

fn model_training(model: &Model) -> Training {
    Training {
        horizon_days: model.horizon_days,
        churn: model.churn.clone(),
    }
}

/// Told how much is done of how much; an error ends the work.
type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<(), AppError>;

impl Node {
    /// Learns a model of the log so far and, if it is established and not worse than the one that serves, lets it serve.
    pub fn train_risk(
        &self,
        training: &Training,
        progress: Progress<'_>,
    ) -> Result<Json, AppError> {
        training.check()?;
        let (accounts, _) = self.store().subject_counts()?;
        let share = LEARNED_ACCOUNTS as f64 / accounts.max(1) as f64;
        let known = self.snapshots(training, share, progress)?;
        let now = self.now();
        let old = self.risk_model()?;
        let mut state = self.risk_state()?.unwrap_or_default();
        state.training = training.clone();
        state.trained_at = Some(now);
        let version = state.last_version + 1;
        match learn(&known, now, training, old.as_ref(), version)? {
            Learned::TooLittle(message) => state.message = message,
            Learned::Model(model) => self.admit_model(&model, old.as_ref(), &known, &mut state)?,
        }
        self.keep_risk(&[(STATE.0, STATE.1.to_owned(), &state)], now)?;
        Ok(
            json!({"message": state.message, "serving_version": state.serving, "scored_count": state.scored_count}),
        )
    }

    fn admit_model(
        &self,
        model: &Model,
        old: Option<&Model>,
        known: &Snapshots,
        state: &mut RiskState,
    ) -> Result<(), AppError> {
        state.last_version = model.version;
        self.keep_risk(&[(MODELS, key_of(model.version), model)], model.trained_at)?;
        let quality = model.quality();
        let (low, high) = quality.roc_auc_interval;
        let measured = format!(
            "ROC-AUC {:.3} ({low:.3} to {high:.3}) on {} unseen moments of accounts, {} of them before churn",
            quality.roc_auc, quality.row_count, quality.churned_count
        );
        let loses = model
            .compared
            .filter(|compared| old.is_some() && !compared.swapped);
        if !model.is_established() {
            state.message = format!(
                "version {} cannot be told from chance well enough ({measured}); it does not serve",
                model.version
            );
        } else if let (Some(compared), Some(old)) = (loses, old) {
            state.message = format!(
                "version {} is worse than version {} on {} moments neither has seen (log loss {:.4} against {:.4}); the old one goes on",
                model.version,
                old.version,
                compared.row_count,
                compared.new_loss,
                compared.old_loss
            );
        } else {
            state.message = format!("version {} serves: {measured}", model.version);
            state.serving = Some(model.version);
            state.summary = Some(model.summary());
            return self.score_risk(model, known, state);
        }
        match old {
            Some(old) => self.score_risk(old, known, state),
            None => Ok(()),
        }
    }

    /// Scores all accounts and notes how far what is said has moved.
    fn score_risk(
        &self,
        model: &Model,
        known: &Snapshots,
        state: &mut RiskState,
    ) -> Result<(), AppError> {
        let now = self.now();
        let rows = known.present(now);
        let scores = model.scores(&rows)?;
        let said: Vec<f64> = scores.iter().map(|(_, score)| score.probability).collect();
        for some in scores.chunks(SCORES_AT_ONCE) {
            let kept: Vec<(&str, String, &Score)> = some
                .iter()
                .map(|(account, score)| (SCORES, account.to_string(), score))
                .collect();
            self.keep_risk(&kept, now)?;
        }
        state.scored_at = Some(now);
        state.scored_count = scores.len() as u64;
        state.drift = (!said.is_empty()).then(|| drift(&model.parts, &parts(&said)));
        self.keep_risk(&[(STATE.0, STATE.1.to_owned(), &*state)], now)
    }

    /// The days of all accounts, read from the log up to now.
    fn snapshots(
        &self,
        training: &Training,
        share: f64,
        progress: Progress<'_>,
    ) -> Result<Snapshots, AppError> {
        let now = self.now();
        let end = self.store().log_end()?;
        let mut known = Snapshots::new(training.churn.clone(), share);
        let look = |entry: &Entry<'_>| {
            if entry.received_at <= now {
                known.apply(entry);
            }
            Ok(())
        };
        each_entry(self.store().as_ref(), end, look, |read| {
            progress(end.min(read), end)
        })?;
        Ok(known)
    }
}
