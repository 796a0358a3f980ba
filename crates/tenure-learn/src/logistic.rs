//! Logistic regression with a quadratic penalty, by Newton's method.
//!
//! Minimises `sum of log loss + penalty / 2 * |coefficients|^2`; the intercept is free. Source: Hastie, Tibshirani and
//! Friedman, The Elements of Statistical Learning, 4.4 and 3.4.1.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::{LearnError, same_length};

/// Newton steps at most; a penalised fit takes fewer than ten.
const MAX_STEPS: usize = 60;

/// A fit is done when no coefficient moves by more than this.
const TOLERANCE: f64 = 1e-8;

/// Weights of a row below this count as this, so that the system stays solvable when rows are separable.
const MIN_ROW_WEIGHT: f64 = 1e-9;

/// A fitted linear log-odds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// Log-odds where all inputs are 0.
    pub intercept: f64,
    /// Log-odds for each unit of an input.
    pub coefficients: Vec<f64>,
}

impl Logistic {
    /// Fits to rows and labels.
    ///
    /// # Errors
    /// [`LearnError::Length`] when they differ in number, [`LearnError::Diverged`] when no fit is found.
    pub fn fit(inputs: &DMatrix<f64>, labels: &[bool], penalty: f64) -> Result<Self, LearnError> {
        same_length("the labels", labels.len(), inputs.nrows())?;
        let design = inputs.clone().insert_column(0, 1.0);
        let target = DVector::from_iterator(
            labels.len(),
            labels.iter().map(|&label| f64::from(u8::from(label))),
        );
        let mut weights = DVector::zeros(design.ncols());
        weights[0] = prior_log_odds(&target);
        for _ in 0..MAX_STEPS {
            let step = newton_step(&design, &target, &weights, penalty)
                .ok_or(LearnError::Diverged("the regression"))?;
            // Early steps of a nearly separable fit can overshoot; a bounded step always comes back.
            let scale = (5.0 / step.amax()).min(1.0);
            weights += &step * scale;
            if step.amax() < TOLERANCE {
                break;
            }
        }
        let coefficients = weights.iter().skip(1).copied().collect();
        Ok(Self {
            intercept: weights[0],
            coefficients,
        })
    }

    /// Log-odds of each row.
    pub fn log_odds(&self, inputs: &DMatrix<f64>) -> Vec<f64> {
        let weights = DVector::from_column_slice(&self.coefficients);
        (inputs * weights)
            .iter()
            .map(|value| value + self.intercept)
            .collect()
    }
}

/// The probability that has these log-odds.
pub fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// The log-odds of a probability, finite for 0 and 1.
pub fn logit(probability: f64) -> f64 {
    let p = probability.clamp(1e-9, 1.0 - 1e-9);
    (p / (1.0 - p)).ln()
}

fn prior_log_odds(target: &DVector<f64>) -> f64 {
    let count = target.len() as f64;
    logit((target.sum() + 0.5) / (count + 1.0))
}

fn newton_step(
    design: &DMatrix<f64>,
    target: &DVector<f64>,
    weights: &DVector<f64>,
    penalty: f64,
) -> Option<DVector<f64>> {
    let said = (design * weights).map(sigmoid);
    let mut slope = design.tr_mul(&(target - &said));
    let mut scaled = design.clone();
    for (mut row, p) in scaled.row_iter_mut().zip(said.iter()) {
        row *= (p * (1.0 - p)).max(MIN_ROW_WEIGHT);
    }
    let mut curvature = design.tr_mul(&scaled);
    for place in 1..weights.len() {
        slope[place] -= penalty * weights[place];
        curvature[(place, place)] += penalty;
    }
    let step = curvature.cholesky()?.solve(&slope);
    step.iter().all(|value| value.is_finite()).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_inputs_the_answer_is_the_rate() {
        let labels = [true, false, false, false];
        let fit = Logistic::fit(&DMatrix::zeros(4, 1), &labels, 1.0).unwrap();
        assert!((sigmoid(fit.intercept) - 0.25).abs() < 1e-6);
    }

    #[test]
    fn a_two_by_two_table_gives_its_log_odds_ratio() {
        // 10 of 40 without and 30 of 40 with the mark: the ratio of odds is 9.
        let marks = DMatrix::from_fn(80, 1, |row, _| if row < 40 { 0.0 } else { 1.0 });
        let labels: Vec<bool> = (0..80)
            .map(|row| row % 40 < if row < 40 { 10 } else { 30 })
            .collect();
        let fit = Logistic::fit(&marks, &labels, 1e-9).unwrap();
        assert!(
            (fit.coefficients[0] - 9.0_f64.ln()).abs() < 1e-5,
            "{:?}",
            fit.coefficients
        );
    }

    #[test]
    fn separable_rows_and_a_penalty_still_have_an_answer() {
        let inputs = DMatrix::from_fn(20, 1, |row, _| if row < 10 { -1.0 } else { 1.0 });
        let labels: Vec<bool> = (0..20).map(|row| row >= 10).collect();
        let fit = Logistic::fit(&inputs, &labels, 0.1).unwrap();
        assert!(fit.coefficients[0] > 1.0 && fit.coefficients[0].is_finite());
    }

    #[test]
    fn a_large_penalty_leaves_only_the_rate() {
        let inputs = DMatrix::from_fn(20, 1, |row, _| row as f64);
        let labels: Vec<bool> = (0..20).map(|row| row >= 10).collect();
        let fit = Logistic::fit(&inputs, &labels, 1e9).unwrap();
        assert!(fit.coefficients[0].abs() < 1e-6);
    }
}
