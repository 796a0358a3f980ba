//! Gradient boosting for a yes-or-no question, by the crate `perpetual`.
//!
//! It grows trees until they stop helping on held-back rows, so there is one knob: the budget. One thread and a fixed
//! seed make the same trees of the same rows.

use std::collections::HashSet;

use perpetual::objective::Objective;
use perpetual::{ContributionsMethod, Matrix, PerpetualBooster};
use serde::{Deserialize, Serialize};

use crate::table::{Kind, Table};
use crate::{LearnError, same_length};

/// Trees at most; a small booster generalises better on a few thousand subjects.
const MAX_TREES: usize = 500;

/// Fitted trees.
#[derive(Clone, Serialize, Deserialize)]
pub struct Boost {
    trees: PerpetualBooster,
    width: usize,
}

impl std::fmt::Debug for Boost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Boost")
            .field("columns", &self.width)
            .finish_non_exhaustive()
    }
}

impl Boost {
    /// Fits to a table and labels with a budget (0.1 is coarse, 1.0 thorough).
    ///
    /// # Errors
    /// [`LearnError::Length`] when they differ in number, [`LearnError::Diverged`] when no trees can be grown.
    pub fn fit(table: &Table, labels: &[bool], budget: f32, seed: u64) -> Result<Self, LearnError> {
        same_length("the labels", labels.len(), table.row_count())?;
        let values = column_major(table);
        let target: Vec<f64> = labels
            .iter()
            .map(|&label| f64::from(u8::from(label)))
            .collect();
        let mut trees = PerpetualBooster::default()
            .set_objective(Objective::LogLoss)
            .set_budget(budget)
            .set_num_threads(Some(1))
            .set_iteration_limit(Some(MAX_TREES))
            .set_categorical_features(Some(categories(table)))
            .set_seed(seed);
        let width = table.columns().len();
        let matrix = Matrix::new(&values, table.row_count(), width);
        trees
            .fit(&matrix, &target, None, None)
            .map_err(|_| LearnError::Diverged("the booster"))?;
        Ok(Self { trees, width })
    }

    /// Log-odds of each row.
    pub fn log_odds(&self, table: &Table) -> Vec<f64> {
        let values = column_major(table);
        self.trees
            .predict(&Matrix::new(&values, table.row_count(), self.width), false)
    }

    /// For each row: what each column adds to the log-odds, and last what holds without any. They add up to
    /// [`Boost::log_odds`].
    pub fn contributions(&self, table: &Table) -> Vec<Vec<f64>> {
        let values = column_major(table);
        let matrix = Matrix::new(&values, table.row_count(), self.width);
        let flat = self
            .trees
            .predict_contributions(&matrix, ContributionsMethod::Average, false);
        flat.chunks(self.width + 1).map(<[f64]>::to_vec).collect()
    }
}

fn column_major(table: &Table) -> Vec<f64> {
    table
        .columns()
        .iter()
        .flat_map(|column| column.values.iter().copied())
        .collect()
}

fn categories(table: &Table) -> HashSet<usize> {
    let columns = table.columns().iter().enumerate();
    columns
        .filter(|(_, column)| matches!(column.kind, Kind::Category(_)))
        .map(|(place, _)| place)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    /// Positive where exactly one of two marks is set, which no sum of the two can say.
    fn either_or() -> (Table, Vec<bool>) {
        let a: Vec<f64> = (0..400).map(|row| f64::from(row % 2)).collect();
        let b: Vec<f64> = (0..400).map(|row| f64::from(row / 2 % 2)).collect();
        let noise: Vec<f64> = (0..400).map(|row| f64::from(row * 7919 % 401)).collect();
        let labels = a
            .iter()
            .zip(&b)
            .zip(&noise)
            .map(|((a, b), n)| ((a + b) == 1.0) == (*n > 40.0))
            .collect();
        let columns = vec![
            Column::number("a", a),
            Column::number("b", b),
            Column::number("noise", noise),
        ];
        (Table::new(columns).unwrap(), labels)
    }

    #[test]
    fn trees_learn_what_no_sum_can_say_and_their_contributions_add_up() {
        let (table, labels) = either_or();
        let boost = Boost::fit(&table, &labels, 0.5, 1).unwrap();
        let log_odds = boost.log_odds(&table);
        assert!(crate::measure::roc_auc(&log_odds, &labels) > 0.85);
        for (parts, whole) in boost.contributions(&table).iter().zip(&log_odds) {
            assert!((parts.iter().sum::<f64>() - whole).abs() < 1e-6);
        }
    }

    #[test]
    fn the_same_rows_and_seed_grow_the_same_trees() {
        let (table, labels) = either_or();
        let once = Boost::fit(&table, &labels, 0.3, 5)
            .unwrap()
            .log_odds(&table);
        assert_eq!(
            once,
            Boost::fit(&table, &labels, 0.3, 5)
                .unwrap()
                .log_odds(&table)
        );
    }
}
