//! Maximum likelihood over a few positive parameters.

use argmin::core::{CostFunction, Error, Executor};
use argmin::solver::neldermead::NelderMead;

use crate::LearnError;

/// Steps at most of one search.
const MAX_STEPS: u64 = 2_000;

/// A search ends when the corners of the simplex differ by less than this (in log likelihood).
const TOLERANCE: f64 = 1e-7;

/// No parameter leaves e^-15 to e^15, where the likelihood is flat and means nothing.
const MAX_LOG: f64 = 15.0;

struct Cost<F>(F);

impl<F: Fn(&[f64]) -> f64> CostFunction for Cost<F> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, logs: &Self::Param) -> Result<f64, Error> {
        if logs.iter().any(|log| log.abs() > MAX_LOG) {
            return Ok(f64::MAX);
        }
        let positive: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
        let likelihood = (self.0)(&positive);
        Ok(if likelihood.is_finite() {
            -likelihood
        } else {
            f64::MAX
        })
    }
}

/// The parameters with the greatest likelihood, searched from each start by the simplex method (Nelder and Mead 1965)
/// over their logarithms, and that likelihood.
pub(super) fn maximise(
    likelihood: impl Fn(&[f64]) -> f64 + Copy,
    starts: &[&[f64]],
) -> Result<(Vec<f64>, f64), LearnError> {
    let found = starts.iter().filter_map(|start| climb(likelihood, start));
    found
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .ok_or(LearnError::Diverged("the purchase process"))
}

fn climb(likelihood: impl Fn(&[f64]) -> f64, start: &[f64]) -> Option<(Vec<f64>, f64)> {
    let origin: Vec<f64> = start.iter().map(|value| value.ln()).collect();
    let corners = (0..=origin.len()).map(|corner| {
        let mut place = origin.clone();
        if let Some(value) = corner.checked_sub(1) {
            place[value] += 0.7;
        }
        place
    });
    let solver = NelderMead::new(corners.collect())
        .with_sd_tolerance(TOLERANCE)
        .ok()?;
    let result = Executor::new(Cost(likelihood), solver)
        .configure(|state| state.max_iters(MAX_STEPS))
        .run()
        .ok()?;
    let state = result.state;
    let best: Vec<f64> = state.best_param?.iter().map(|log| log.exp()).collect();
    (state.best_cost < f64::MAX).then_some((best, -state.best_cost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_a_hill_is_found_from_afar() {
        let hill = |p: &[f64]| -(p[0].ln() - 1.0).powi(2) - (p[1].ln() + 2.0).powi(2);
        let (top, height) = maximise(hill, &[&[1.0, 1.0]]).unwrap();
        assert!((top[0].ln() - 1.0).abs() < 1e-3 && (top[1].ln() + 2.0).abs() < 1e-3);
        assert!(height > -1e-5);
    }

    #[test]
    fn a_likelihood_that_is_nowhere_a_number_is_an_error() {
        assert_eq!(
            maximise(|_| f64::NAN, &[&[1.0]]),
            Err(LearnError::Diverged("the purchase process"))
        );
    }
}
