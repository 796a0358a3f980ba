//! Making a score mean what it says: of those given 20%, one in five.

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::LearnError;
use crate::logistic::{Logistic, sigmoid};

/// Pulls the slope toward what was measured, but never far on few rows.
const PENALTY: f64 = 1.0;

/// Platt's scaling: a line through the log-odds (Platt 1999).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// What the log-odds are multiplied by; never negative, so that the order stays.
    pub slope: f64,
    /// What is added then.
    pub shift: f64,
}

impl Calibration {
    /// Leaves log-odds as they are.
    pub const NONE: Self = Self {
        slope: 1.0,
        shift: 0.0,
    };

    /// Fits to log-odds of rows that the score was not learned from.
    ///
    /// # Errors
    /// As [`Logistic::fit`].
    pub fn fit(log_odds: &[f64], labels: &[bool]) -> Result<Self, LearnError> {
        let inputs = DMatrix::from_column_slice(log_odds.len(), 1, log_odds);
        let line = Logistic::fit(&inputs, labels, PENALTY)?;
        let slope = line.coefficients[0].max(0.0);
        Ok(Self {
            slope,
            shift: line.intercept,
        })
    }

    /// The probability that belongs to a score's log-odds.
    pub fn probability(&self, log_odds: f64) -> f64 {
        sigmoid(self.log_odds(log_odds))
    }

    /// The log-odds of that probability.
    pub fn log_odds(&self, log_odds: f64) -> f64 {
        self.slope * log_odds + self.shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::calibration_error;

    #[test]
    fn a_score_that_exaggerates_is_brought_back() {
        // Says 88% and 12% where 70% and 30% happen.
        let log_odds: Vec<f64> = (0..1000)
            .map(|row| if row < 500 { 2.0 } else { -2.0 })
            .collect();
        let labels: Vec<bool> = (0..1000)
            .map(|row| row % 500 < if row < 500 { 350 } else { 150 })
            .collect();
        let fit = Calibration::fit(&log_odds, &labels).unwrap();
        let said: Vec<f64> = log_odds
            .iter()
            .map(|&value| fit.probability(value))
            .collect();
        assert!((said[0] - 0.7).abs() < 0.01, "{fit:?}");
        assert!(calibration_error(&said, &labels) < 0.01);
    }

    #[test]
    fn a_score_that_points_the_wrong_way_is_not_turned_around() {
        let log_odds: Vec<f64> = (0..100)
            .map(|row| if row < 50 { 1.0 } else { -1.0 })
            .collect();
        let labels: Vec<bool> = (0..100).map(|row| row >= 50).collect();
        assert!(Calibration::fit(&log_odds, &labels).unwrap().slope.abs() < 1e-12);
    }
}
