//! Churn risk, learned from a company's own past, with the proof that it is worth anything.
//!
//! A plain penalised regression beats a large booster on most histories of a few thousand subjects, but not on all. So
//! several learners are fitted and compared on rows that they have not seen: rows of a later period where there are
//! periods, else a fold of rows. The one with the smallest log loss is calibrated on the same unseen rows and fitted
//! once more to everything. Its measured quality goes with it, and a score that cannot be told from chance says so.

use serde::{Deserialize, Serialize};

use crate::boost::Boost;
use crate::calibration::Calibration;
use crate::design::Design;
use crate::logistic::Logistic;
use crate::measure;
use crate::table::{Table, pick, stratified_folds};
use crate::{LearnError, same_length};

/// Fewer rows than this are no history.
pub const MIN_ROWS: usize = 200;

/// Fewer rows of either outcome than this are no history.
pub const MIN_OF_EACH_OUTCOME: usize = 25;

/// Folds where there are no periods.
const FOLDS: usize = 5;

/// Resamples behind the interval of the area under the curve.
const RESAMPLES: usize = 500;

/// A score is established only when even the lower end of its area's interval is above this. It is more than the 0.5
/// of chance: several learners are tried on the rows that the area is measured on, and the best of several is lucky; and
/// a score that puts 55 of 100 pairs right helps nobody to choose whom to call.
const ESTABLISHED_AREA_MIN: f64 = 0.55;

/// And only when its probabilities leave at least this part less of the Brier score than saying the base rate to
/// everybody: what never says anything else than about the rate says nothing.
const ESTABLISHED_SKILL_MIN: f64 = 0.01;

/// Penalties that are tried, from the loosest.
const PENALTIES: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

/// Budgets of the booster that are tried.
const BUDGETS: [f32; 2] = [0.3, 0.6];

/// The past: features as they were at a moment, and what happened within the horizon after it.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// One row a subject and moment; nothing in it may be known only later.
    pub table: &'a Table,
    /// Whether the subject left within the horizon.
    pub churned: &'a [bool],
    /// The number of the moment, rising with time; the same everywhere if there is but one.
    pub periods: &'a [u32],
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Recipe {
    /// Penalised logistic regression.
    Regression {
        /// Its penalty.
        penalty: f64,
    },
    /// Gradient boosting.
    Booster {
        /// Its budget.
        budget: f32,
    },
    /// The mean of the log-odds of both.
    Both {
        /// Penalty of the regression.
        penalty: f64,
        /// Budget of the booster.
        budget: f32,
    },
}

/// Figures measured on rows that were not learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Rows measured on.
    pub row_count: usize,
    /// How many of them churned.
    pub churned_count: usize,
    /// Area under the receiver operating characteristic.
    pub roc_auc: f64,
    /// Its 95% interval by bootstrap.
    pub roc_auc_interval: (f64, f64),
    /// Average precision.
    pub average_precision: f64,
    /// Brier score of the calibrated probabilities.
    pub brier: f64,
    /// Brier score of saying the base rate to everybody.
    pub brier_of_the_rate: f64,
    /// Rate of churn in the riskiest tenth over that of all.
    pub top_decile_lift: f64,
    /// Expected calibration error.
    pub calibration_error: f64,
}

impl Quality {
    /// Whether the score is better than chance beyond doubt, and by enough to act on it. If not, nobody should.
    pub fn is_established(&self) -> bool {
        self.roc_auc_interval.0 > ESTABLISHED_AREA_MIN && self.skill() > ESTABLISHED_SKILL_MIN
    }

    /// By which part the Brier score is below that of saying the base rate to everybody; negative if it is above.
    pub fn skill(&self) -> f64 {
        1.0 - self.brier / self.brier_of_the_rate
    }

    /// Measures log-odds of unseen rows.
    pub fn of(log_odds: &[f64], churned: &[bool], calibration: Calibration, seed: u64) -> Self {
        let said: Vec<f64> = log_odds
            .iter()
            .map(|&value| calibration.probability(value))
            .collect();
        let churned_count = churned.iter().filter(|&&gone| gone).count();
        let rate = churned_count as f64 / churned.len() as f64;
        Self {
            row_count: churned.len(),
            churned_count,
            roc_auc: measure::roc_auc(log_odds, churned),
            roc_auc_interval: measure::roc_auc_interval(log_odds, churned, RESAMPLES, seed),
            average_precision: measure::average_precision(log_odds, churned),
            brier: measure::brier(&said, churned),
            brier_of_the_rate: rate * (1.0 - rate),
            top_decile_lift: measure::top_decile_lift(log_odds, churned),
            calibration_error: measure::calibration_error(&said, churned),
        }
    }
}

/// A learned risk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Risk {
    /// What was chosen.
    pub recipe: Recipe,
    /// How good it was on rows that it had not seen.
    pub quality: Quality,
    fitted: Fitted,
    calibration: Calibration,
    columns: Vec<String>,
}

/// Why a risk is what it is: the column, and what it adds to the log-odds.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The feature.
    pub column: String,
    /// Positive raises the risk.
    pub log_odds: f64,
}

/// A probability and what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Probability of churn within the horizon.
    pub probability: f64,
    /// Log-odds before any reason is counted.
    pub base_log_odds: f64,
    /// One a column, the weightiest first. With the base they add up to the log-odds of the probability.
    pub reasons: Vec<Reason>,
}

impl Risk {
    /// Learns from the past.
    ///
    /// # Errors
    /// [`LearnError::TooLittle`] below [`MIN_ROWS`] or [`MIN_OF_EACH_OUTCOME`], [`LearnError::Length`] when parts
    /// differ in length, [`LearnError::Diverged`] when no learner finds a fit.
    pub fn learn(past: &Past<'_>, seed: u64) -> Result<Self, LearnError> {
        check(past)?;
        let splits = splits(past, seed);
        let trial = Trial::run(past, &splits, seed)?;
        let (recipe, log_odds) = trial.best();
        let unseen = pick(past.churned, &trial.rows);
        let calibration = Calibration::fit(&log_odds, &unseen)?;
        Ok(Self {
            recipe,
            quality: Quality::of(&log_odds, &unseen, calibration, seed),
            fitted: Fitted::fit(recipe, past.table, past.churned, seed)?,
            calibration,
            columns: past
                .table
                .columns()
                .iter()
                .map(|column| column.name.clone())
                .collect(),
        })
    }

    /// Probability of churn of each row.
    pub fn probabilities(&self, table: &Table) -> Vec<f64> {
        let log_odds = self.fitted.log_odds(table);
        log_odds
            .into_iter()
            .map(|value| self.calibration.probability(value))
            .collect()
    }

    /// Probability and reasons of each row.
    pub fn explain(&self, table: &Table) -> Vec<Answer> {
        let parts = self.fitted.contributions(table);
        parts.into_iter().map(|parts| self.answer(&parts)).collect()
    }

    fn answer(&self, parts: &[f64]) -> Answer {
        let scaled: Vec<f64> = parts
            .iter()
            .map(|part| part * self.calibration.slope)
            .collect();
        let base_log_odds = scaled[self.columns.len()] + self.calibration.shift;
        let named = self.columns.iter().zip(&scaled);
        let mut reasons: Vec<Reason> = named
            .map(|(column, &log_odds)| Reason {
                column: column.clone(),
                log_odds,
            })
            .collect();
        reasons.sort_by(|a, b| b.log_odds.abs().total_cmp(&a.log_odds.abs()));
        let total = base_log_odds + reasons.iter().map(|reason| reason.log_odds).sum::<f64>();
        Answer {
            probability: crate::logistic::sigmoid(total),
            base_log_odds,
            reasons,
        }
    }
}

fn check(past: &Past<'_>) -> Result<(), LearnError> {
    let rows = past.table.row_count();
    same_length("the outcomes", past.churned.len(), rows)?;
    same_length("the periods", past.periods.len(), rows)?;
    let churned = past.churned.iter().filter(|&&gone| gone).count();
    let enough = |what, found, needed| {
        if found < needed {
            Err(LearnError::TooLittle {
                what,
                found,
                needed,
            })
        } else {
            Ok(())
        }
    };
    enough("moments of subjects in the past", rows, MIN_ROWS)?;
    enough("subjects that churned", churned, MIN_OF_EACH_OUTCOME)?;
    enough("subjects that stayed", rows - churned, MIN_OF_EACH_OUTCOME)
}

/// Rows to learn from and rows to try on.
type Split = (Vec<usize>, Vec<usize>);

/// Forward in time where there are periods, so that nothing later is learned from; else folds.
fn splits(past: &Past<'_>, seed: u64) -> Vec<Split> {
    let rows_where = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
        (0..past.churned.len()).filter(|&row| wanted(row)).collect()
    };
    let mut periods: Vec<u32> = past.periods.to_vec();
    periods.sort_unstable();
    periods.dedup();
    let forward = periods.iter().skip(1).map(|&period| {
        (
            rows_where(&|row| past.periods[row] < period),
            rows_where(&|row| past.periods[row] == period),
        )
    });
    let forward: Vec<Split> = forward.filter(|(learn, _)| usable(past, learn)).collect();
    if !forward.is_empty() {
        return forward;
    }
    let folds = stratified_folds(past.churned, FOLDS, seed);
    let fold = |fold| {
        (
            rows_where(&|row| folds[row] != fold),
            rows_where(&|row| folds[row] == fold),
        )
    };
    (0..FOLDS).map(fold).collect()
}

fn usable(past: &Past<'_>, rows: &[usize]) -> bool {
    let churned = rows.iter().filter(|&&row| past.churned[row]).count();
    rows.len() >= MIN_ROWS
        && churned >= MIN_OF_EACH_OUTCOME
        && rows.len() - churned >= MIN_OF_EACH_OUTCOME
}

/// Log-odds of every learner on the rows that it had not seen.
struct Trial {
    rows: Vec<usize>,
    tried: Vec<(Recipe, Vec<f64>, f64)>,
}

impl Trial {
    fn run(past: &Past<'_>, splits: &[Split], seed: u64) -> Result<Self, LearnError> {
        let rows: Vec<usize> = splits
            .iter()
            .flat_map(|(_, test)| test.iter().copied())
            .collect();
        let unseen = pick(past.churned, &rows);
        let mut singles = Vec::new();
        for recipe in single_recipes() {
            let mut log_odds = Vec::with_capacity(rows.len());
            for (learn, test) in splits {
                let fitted = Fitted::fit(
                    recipe,
                    &past.table.rows(learn),
                    &pick(past.churned, learn),
                    seed,
                )?;
                log_odds.extend(fitted.log_odds(&past.table.rows(test)));
            }
            let loss = calibrated_loss(&log_odds, &unseen)?;
            singles.push((recipe, log_odds, loss));
        }
        let mut tried = singles.clone();
        if let Some(both) = blend(&singles) {
            let loss = calibrated_loss(&both.1, &unseen)?;
            tried.push((both.0, both.1, loss));
        }
        Ok(Self { rows, tried })
    }

    fn best(&self) -> (Recipe, Vec<f64>) {
        let best = self.tried.iter().min_by(|a, b| a.2.total_cmp(&b.2));
        let (recipe, log_odds, _) = best.expect("several recipes are tried");
        (*recipe, log_odds.clone())
    }
}

fn single_recipes() -> impl Iterator<Item = Recipe> {
    let regressions = PENALTIES
        .into_iter()
        .map(|penalty| Recipe::Regression { penalty });
    regressions.chain(BUDGETS.into_iter().map(|budget| Recipe::Booster { budget }))
}

/// The best regression and the best booster together.
fn blend(singles: &[(Recipe, Vec<f64>, f64)]) -> Option<(Recipe, Vec<f64>)> {
    let best = |wanted: fn(&Recipe) -> bool| {
        let some = singles.iter().filter(|(recipe, ..)| wanted(recipe));
        some.min_by(|a, b| a.2.total_cmp(&b.2))
    };
    let (regression, a, _) = best(|recipe| matches!(recipe, Recipe::Regression { .. }))?;
    let (booster, b, _) = best(|recipe| matches!(recipe, Recipe::Booster { .. }))?;
    let (Recipe::Regression { penalty }, Recipe::Booster { budget }) = (*regression, *booster)
    else {
        return None;
    };
    Some((Recipe::Both { penalty, budget }, mean_of(a, b)))
}

fn mean_of(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::midpoint(*a, *b))
        .collect()
}

/// Log loss after calibration, so that a learner is judged by what it knows and not by how loudly it says it.
fn calibrated_loss(log_odds: &[f64], labels: &[bool]) -> Result<f64, LearnError> {
    let line = Calibration::fit(log_odds, labels)?;
    let said: Vec<f64> = log_odds
        .iter()
        .map(|&value| line.probability(value))
        .collect();
    Ok(measure::log_loss(&said, labels))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Fitted {
    regression: Option<(Design, Logistic, Vec<f64>)>,
    booster: Option<Boost>,
}

impl Fitted {
    fn fit(recipe: Recipe, table: &Table, churned: &[bool], seed: u64) -> Result<Self, LearnError> {
        let (penalty, budget) = match recipe {
            Recipe::Regression { penalty } => (Some(penalty), None),
            Recipe::Booster { budget } => (None, Some(budget)),
            Recipe::Both { penalty, budget } => (Some(penalty), Some(budget)),
        };
        let regression = penalty
            .map(|penalty| regress(table, churned, penalty))
            .transpose()?;
        let booster = budget
            .map(|budget| Boost::fit(table, churned, budget, seed))
            .transpose()?;
        Ok(Self {
            regression,
            booster,
        })
    }

    fn log_odds(&self, table: &Table) -> Vec<f64> {
        let line = self
            .regression
            .as_ref()
            .map(|(design, line, _)| line.log_odds(&design.matrix(table)));
        let trees = self.booster.as_ref().map(|booster| booster.log_odds(table));
        match (line, trees) {
            (Some(a), Some(b)) => mean_of(&a, &b),
            (a, b) => a.or(b).unwrap_or_default(),
        }
    }

    /// For each row what each column adds, and last the base.
    fn contributions(&self, table: &Table) -> Vec<Vec<f64>> {
        let line = self
            .regression
            .as_ref()
            .map(|fit| line_contributions(fit, table));
        let trees = self
            .booster
            .as_ref()
            .map(|booster| booster.contributions(table));
        match (line, trees) {
            (Some(a), Some(b)) => a.iter().zip(&b).map(|(a, b)| mean_of(a, b)).collect(),
            (a, b) => a.or(b).unwrap_or_default(),
        }
    }
}

/// The design, the line, and the mean of every input: a reason is counted from the usual subject, not from zero.
fn regress(
    table: &Table,
    churned: &[bool],
    penalty: f64,
) -> Result<(Design, Logistic, Vec<f64>), LearnError> {
    let design = Design::fit(table);
    let inputs = design.matrix(table);
    let line = Logistic::fit(&inputs, churned, penalty)?;
    let means = inputs.row_mean().iter().copied().collect();
    Ok((design, line, means))
}

fn line_contributions(
    (design, line, means): &(Design, Logistic, Vec<f64>),
    table: &Table,
) -> Vec<Vec<f64>> {
    let inputs = design.matrix(table);
    let width = table.columns().len();
    let usual: f64 = line
        .coefficients
        .iter()
        .zip(means)
        .map(|(weight, mean)| weight * mean)
        .sum();
    let rows = inputs.row_iter().map(|row| {
        let mut parts = vec![0.0; width + 1];
        parts[width] = line.intercept + usual;
        for (place, source) in design.sources().enumerate() {
            parts[source] += line.coefficients[place] * (row[place] - means[place]);
        }
        parts
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::table::Column;

    /// Customers whose churn depends on their sessions by `strength`, in four periods.
    fn customers(count: usize, strength: f64, seed: u64) -> (Table, Vec<bool>, Vec<u32>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let sessions: Vec<f64> = (0..count)
            .map(|_| rng.random_range(0.0_f64..40.0).floor())
            .collect();
        let plan: Vec<&str> = (0..count)
            .map(|_| if rng.random_bool(0.3) { "free" } else { "pro" })
            .collect();
        let churned = sessions.iter().zip(&plan).map(|(sessions, plan)| {
            let log_odds = -1.0 - strength * (sessions - 20.0) / 10.0
                + if *plan == "free" { strength } else { 0.0 };
            rng.random_bool(crate::logistic::sigmoid(log_odds))
        });
        let churned = churned.collect();
        let columns = vec![
            Column::number("sessions", sessions),
            Column::category("plan", plan),
        ];
        let periods = (0..count).map(|row| (row * 4 / count) as u32).collect();
        (Table::new(columns).unwrap(), churned, periods)
    }

    #[test]
    fn a_real_cause_is_found_calibrated_and_named_first() {
        let (table, churned, periods) = customers(1600, 1.5, 3);
        let risk = Risk::learn(
            &Past {
                table: &table,
                churned: &churned,
                periods: &periods,
            },
            42,
        )
        .unwrap();
        assert!(risk.quality.is_established(), "{:?}", risk.quality);
        assert!(
            risk.quality.roc_auc > 0.8 && risk.quality.calibration_error < 0.06,
            "{:?}",
            risk.quality
        );
        let silent = Table::new(vec![
            Column::number("sessions", vec![0.0]),
            Column::number("plan", vec![0.0]),
        ]);
        let answer = risk.explain(&silent.unwrap()).remove(0);
        assert_eq!(answer.reasons[0].column, "sessions");
        assert!(answer.reasons[0].log_odds > 0.0);
    }

    #[test]
    fn reasons_and_base_add_up_to_the_probability() {
        let (table, churned, periods) = customers(800, 1.0, 5);
        let risk = Risk::learn(
            &Past {
                table: &table,
                churned: &churned,
                periods: &periods,
            },
            42,
        )
        .unwrap();
        let said = risk.probabilities(&table);
        for (answer, said) in risk.explain(&table).iter().zip(said) {
            assert!((answer.probability - said).abs() < 1e-6);
        }
    }

    #[test]
    fn chance_is_not_sold_as_a_score() {
        let established = (0..5).filter(|&seed| {
            let (table, churned, periods) = customers(800, 0.0, 100 + seed);
            let risk = Risk::learn(
                &Past {
                    table: &table,
                    churned: &churned,
                    periods: &periods,
                },
                42,
            )
            .unwrap();
            risk.quality.is_established()
        });
        assert_eq!(established.count(), 0);
    }

    #[test]
    fn a_thin_margin_over_chance_is_not_established() {
        let thin = Quality {
            row_count: 3_194,
            churned_count: 96,
            roc_auc: 0.59,
            roc_auc_interval: (0.53, 0.65),
            average_precision: 0.04,
            brier: 0.0291,
            brier_of_the_rate: 0.0292,
            top_decile_lift: 1.3,
            calibration_error: 0.01,
        };
        assert!(!thin.is_established());
        let timid = Quality {
            roc_auc_interval: (0.6, 0.7),
            ..thin.clone()
        };
        assert!(!timid.is_established(), "it says the rate to everybody");
        let good = Quality {
            roc_auc_interval: (0.6, 0.7),
            brier: 0.028,
            ..thin
        };
        assert!(good.is_established());
    }

    #[test]
    fn too_little_history_is_said_and_not_learned_from() {
        let (table, churned, periods) = customers(100, 1.0, 1);
        let refused = Risk::learn(
            &Past {
                table: &table,
                churned: &churned,
                periods: &periods,
            },
            42,
        )
        .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "moments of subjects in the past: 100 found, at least 200 are needed; gather more history first"
        );
    }

    #[test]
    fn later_periods_are_never_learned_from_to_judge_earlier_ones() {
        let (table, churned, periods) = customers(1600, 1.0, 9);
        let past = Past {
            table: &table,
            churned: &churned,
            periods: &periods,
        };
        for (learn, test) in splits(&past, 42) {
            let newest = learn.iter().map(|&row| periods[row]).max().unwrap();
            assert!(test.iter().all(|&row| periods[row] > newest));
        }
    }
}
