//! From the days of all accounts to a model.

use tenure_core::snapshot::{Row, Snapshots, WINDOW_DAYS};
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_learn::LearnError;
use tenure_learn::measure::log_loss;
use tenure_learn::risk::{Past, Risk};

use super::Training;
use super::model::{Compared, Inputs, Model, parts};
use crate::error::AppError;

/// Chance is the same in every training, so one log gives one model.
const SEED: u64 = 42;
/// The most moments that are learned from; the latest count.
const MAX_MOMENTS: i64 = 24;
/// A new model replaces the old one unless its log loss is greater by this part.
const SWAP_TOLERANCE: f64 = 0.01;
/// Days of history before the first moment.
const FIRST_AFTER_DAYS: i64 = WINDOW_DAYS / 2;

/// What came of a training.
#[derive(Debug)]
pub enum Learned {
    /// There is not enough to learn from; in words.
    TooLittle(String),
    /// A model, which may not be established.
    Model(Box<Model>),
}

/// The moments that can be learned from: the horizon of each is over, and none begins before that of the one before is
/// over, so a label never tells anything about a later row.
pub fn moments(first_at: Timestamp, now: Timestamp, horizon_days: u32) -> Vec<Timestamp> {
    let horizon_ms = i64::from(horizon_days) * DAY_MS;
    let earliest = first_at.plus_ms(FIRST_AFTER_DAYS * DAY_MS);
    let latest = (1..=MAX_MOMENTS).map(|back| now.plus_ms(-back * horizon_ms));
    let mut moments: Vec<Timestamp> = latest.take_while(|at| *at >= earliest).collect();
    moments.reverse();
    moments
}

/// Whether accounts churned within the horizon after their moment.
pub fn churned(rows: &[Row], horizon_days: u32) -> Vec<bool> {
    let horizon_ms = i64::from(horizon_days) * DAY_MS;
    rows.iter()
        .map(|row| row.left_after_ms.is_some_and(|after| after <= horizon_ms))
        .collect()
}

/// Learns a model and compares it with the one that serves.
pub fn learn(
    known: &Snapshots,
    now: Timestamp,
    training: &Training,
    old: Option<&Model>,
    version: u32,
) -> Result<Learned, AppError> {
    let moments = known
        .first_at()
        .map(|first_at| moments(first_at, now, training.horizon_days))
        .unwrap_or_default();
    let mut rows = Vec::new();
    let mut periods = Vec::new();
    for (period, at) in (0_u32..).zip(&moments) {
        let found = known.rows(*at);
        periods.extend(std::iter::repeat_n(period, found.len()));
        rows.extend(found);
    }
    let labels = churned(&rows, training.horizon_days);
    let inputs = Inputs::of(&rows);
    let risk = match fit(&inputs, &rows, &labels, &periods) {
        Ok(risk) => risk,
        Err(LearnError::TooLittle { .. }) => {
            return Ok(Learned::TooLittle(too_little(&rows, &labels)));
        }
        Err(error) => return Err(AppError::Conflict(error.to_string())),
    };
    let compared = old
        .map(|old| compare(old, training.horizon_days, (&rows, &labels, &periods)))
        .transpose()?
        .flatten();
    let mut model = Model {
        version,
        trained_at: now,
        horizon_days: training.horizon_days,
        churn: training.churn.clone(),
        moment_count: moments.len(),
        compared,
        parts: Vec::new(),
        inputs,
        risk,
    };
    let present = known.present(now);
    model.parts = parts(&model.probabilities(&present)?);
    Ok(Learned::Model(Box::new(model)))
}

fn fit(
    inputs: &Inputs,
    rows: &[Row],
    labels: &[bool],
    periods: &[u32],
) -> Result<Risk, LearnError> {
    let Ok(table) = inputs.table(rows) else {
        return Err(LearnError::Diverged("the table"));
    };
    let past = Past {
        table: &table,
        churned: labels,
        periods,
    };
    Risk::learn(&past, SEED)
}

fn too_little(rows: &[Row], labels: &[bool]) -> String {
    let gone = labels.iter().filter(|gone| **gone).count();
    format!(
        "{} moments of accounts are known, {gone} of them before churn; {} and {} are needed, so health serves until then",
        rows.len(),
        tenure_learn::risk::MIN_ROWS,
        tenure_learn::risk::MIN_OF_EACH_OUTCOME
    )
}

/// Rows, whether they churned, and the number of their moment.
type Known<'a> = (&'a [Row], &'a [bool], &'a [u32]);

/// The old model against a new one, on the last moment, which the new one has not seen for this.
fn compare(
    old: &Model,
    horizon_days: u32,
    (rows, labels, periods): Known<'_>,
) -> Result<Option<Compared>, AppError> {
    let Some(last) = periods
        .last()
        .copied()
        .filter(|_| old.horizon_days == horizon_days)
    else {
        return Ok(None);
    };
    let cut = periods.partition_point(|period| *period < last);
    let (learned, unseen) = rows.split_at(cut);
    let inputs = Inputs::of(learned);
    let Ok(new) = fit(&inputs, learned, &labels[..cut], &periods[..cut]) else {
        return Ok(None);
    };
    let new_loss = log_loss(&new.probabilities(&inputs.table(unseen)?), &labels[cut..]);
    let old_loss = log_loss(&old.probabilities(unseen)?, &labels[cut..]);
    Ok(Some(Compared {
        new_loss,
        old_loss,
        row_count: unseen.len(),
        swapped: new_loss <= old_loss * (1.0 + SWAP_TOLERANCE),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_lie_a_horizon_apart_and_the_last_one_is_over() {
        let day = |days: i64| Timestamp(days * DAY_MS);
        let found = moments(day(0), day(365), 60);
        assert_eq!(found, [65, 125, 185, 245, 305].map(day));
        assert!(moments(day(0), day(100), 60).is_empty());
    }
}
