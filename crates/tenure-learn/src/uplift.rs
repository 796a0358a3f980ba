//! Whom a program helps, which is not who is at risk: some leave whatever one does, and some leave because of it.

use crate::design::Design;
use crate::logistic::{Logistic, sigmoid};
use crate::measure::by_score;
use crate::table::{Table, pick};
use crate::{LearnError, same_length};

/// Fewer subjects than this in either arm are not learned from.
pub const MIN_OF_EACH_ARM: usize = 200;

/// Strength of the penalty of both regressions: differences of two fits are noisier than either.
const PENALTY: f64 = 10.0;

/// Two regressions, one for each arm of a randomised program (the "T-learner"; Künzel and others 2019).
#[derive(Debug, Clone)]
pub struct Uplift {
    design: Design,
    treated: Logistic,
    left_alone: Logistic,
}

impl Uplift {
    /// Learns from subjects of whom some, drawn by chance, were treated, and who reached the goal.
    ///
    /// # Errors
    /// [`LearnError::TooLittle`] below [`MIN_OF_EACH_ARM`], [`LearnError::Length`], [`LearnError::Diverged`].
    pub fn learn(table: &Table, treated: &[bool], reached: &[bool]) -> Result<Self, LearnError> {
        same_length("the arms", treated.len(), table.row_count())?;
        same_length("the outcomes", reached.len(), table.row_count())?;
        let design = Design::fit(table);
        let arm = |wanted: bool| {
            let rows: Vec<usize> = (0..treated.len())
                .filter(|&row| treated[row] == wanted)
                .collect();
            if rows.len() < MIN_OF_EACH_ARM {
                let what = if wanted {
                    "treated subjects"
                } else {
                    "held-out subjects"
                };
                return Err(LearnError::TooLittle {
                    what,
                    found: rows.len(),
                    needed: MIN_OF_EACH_ARM,
                });
            }
            Logistic::fit(
                &design.matrix(&table.rows(&rows)),
                &pick(reached, &rows),
                PENALTY,
            )
        };
        Ok(Self {
            treated: arm(true)?,
            left_alone: arm(false)?,
            design,
        })
    }

    /// For each row, by how much treatment changes the probability of reaching the goal.
    pub fn effects(&self, table: &Table) -> Vec<f64> {
        let inputs = self.design.matrix(table);
        let with = self.treated.log_odds(&inputs);
        let without = self.left_alone.log_odds(&inputs);
        with.iter()
            .zip(&without)
            .map(|(a, b)| sigmoid(*a) - sigmoid(*b))
            .collect()
    }
}

/// Normalised Qini coefficient: the area between the ranking's gain curve and that of a random order, over the same area
/// of the best order there is (Radcliffe 2007; ties of a score are one step). 0 is chance, 1 cannot be beaten.
pub fn qini(scores: &[f64], treated: &[bool], reached: &[bool]) -> f64 {
    let best: Vec<f64> = treated
        .iter()
        .zip(reached)
        .map(|(&treated, &reached)| perfect(treated, reached))
        .collect();
    let perfect = gain_curve(&best, treated, reached);
    let &(last_x, last_y) = perfect.last().expect("a curve begins at zero");
    let random = last_x * last_y / 2.0;
    (area(&gain_curve(scores, treated, reached)) - random) / (area(&perfect) - random)
}

fn perfect(treated: bool, reached: bool) -> f64 {
    match (treated, reached) {
        (true, true) => 1.0,
        (false, true) => -1.0,
        _ => 0.0,
    }
}

/// Subjects taken so far, and goals gained over what the held-out ones would have given.
fn gain_curve(scores: &[f64], treated: &[bool], reached: &[bool]) -> Vec<(f64, f64)> {
    let order = by_score(scores);
    let mut curve = vec![(0.0, 0.0)];
    let (mut with, mut with_goal, mut without, mut without_goal) = (0.0, 0.0, 0.0, 0.0);
    for (place, &row) in order.iter().enumerate() {
        let goal = f64::from(u8::from(reached[row]));
        if treated[row] {
            with += 1.0;
            with_goal += goal;
        } else {
            without += 1.0;
            without_goal += goal;
        }
        let tied = order
            .get(place + 1)
            .is_some_and(|&next| scores[next] == scores[row]);
        if !tied {
            let scaled = if without > 0.0 {
                without_goal * with / without
            } else {
                0.0
            };
            curve.push(((place + 1) as f64, with_goal - scaled));
        }
    }
    curve
}

fn area(curve: &[(f64, f64)]) -> f64 {
    curve
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0) * f64::midpoint(pair[0].1, pair[1].1))
        .sum()
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::table::Column;

    /// Subjects whom treatment helps only when they are new, and who come back the more often the older they are.
    fn program(count: usize, seed: u64) -> (Table, Vec<bool>, Vec<bool>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let age: Vec<f64> = (0..count).map(|_| rng.random_range(0.0..10.0)).collect();
        let treated: Vec<bool> = (0..count).map(|_| rng.random_bool(0.5)).collect();
        let reached = age.iter().zip(&treated).map(|(age, treated)| {
            let help = if *treated && *age < 3.0 { 0.3 } else { 0.0 };
            rng.random_bool(0.1 + 0.04 * age + help)
        });
        let reached = reached.collect();
        (
            Table::new(vec![Column::number("age", age)]).unwrap(),
            treated,
            reached,
        )
    }

    #[test]
    fn those_who_are_helped_come_first_though_they_return_least() {
        let (table, treated, reached) = program(4000, 1);
        let effects = Uplift::learn(&table, &treated, &reached)
            .unwrap()
            .effects(&table);
        let (fresh, fresh_treated, fresh_reached) = program(4000, 2);
        let seen = Uplift::learn(&table, &treated, &reached)
            .unwrap()
            .effects(&fresh);
        assert!(effects.len() == 4000 && qini(&seen, &fresh_treated, &fresh_reached) > 0.1);
        let by_age: Vec<f64> = fresh.columns()[0].values.clone();
        assert!(qini(&by_age, &fresh_treated, &fresh_reached) < 0.0);
    }

    #[test]
    fn the_best_order_scores_one_and_no_order_zero() {
        let (_, treated, reached) = program(1000, 3);
        let best: Vec<f64> = treated
            .iter()
            .zip(&reached)
            .map(|(&t, &r)| perfect(t, r))
            .collect();
        assert!((qini(&best, &treated, &reached) - 1.0).abs() < 1e-12);
        assert!(qini(&vec![0.0; 1000], &treated, &reached).abs() < 1e-12);
    }

    #[test]
    fn an_arm_that_is_too_small_is_named() {
        let (table, mut treated, reached) = program(400, 4);
        treated.fill(true);
        let refused = Uplift::learn(&table, &treated, &reached).unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("held-out subjects: 0 found"),
            "{refused}"
        );
    }
}
