//! The difference that a program makes, with an interval that stays valid however often one looks.
//!
//! Each subject adds one unbiased guess of the effect: the difference of what was predicted for it in both arms, and the
//! error of the prediction in its own arm, weighed by one over the probability of that arm ("augmented inverse
//! probability weighting"; Robins, Rotnitzky and Zhao 1994). Predictions use only subjects before it, so the guesses are
//! a martingale around the true effect, and looking at them early, daily or until one likes them does no harm. The
//! prediction uses what was known of the subject before the program (CUPED; Deng, Xu, Kohavi and Walker 2013): the better
//! the past foretells the outcome, the narrower the interval.
//!
//! The interval is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform
//! central limit theory and asymptotic confidence sequences" (Annals of Statistics 2024), theorem 2.2.

use serde::{Deserialize, Serialize};

/// No interval is given before each arm has this many subjects: the sequence is asymptotic.
pub const MIN_OF_EACH_ARM: u64 = 25;

/// The number of subjects for which the interval is made narrowest. It is valid for every other, too.
const TUNED_FOR: f64 = 1_000.0;

/// One eligible subject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// False for a subject of the hold-out.
    pub treated: bool,
    /// Goal reached (0 or 1), money kept, change of health: whatever is measured.
    pub outcome: f64,
    /// The same or something like it from before the subject was eligible; 0 for all where nothing is known.
    pub before: f64,
}

/// Sums over one arm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Arm {
    count: u64,
    outcome_mean: f64,
    before_mean: f64,
    before_squares: f64,
    products: f64,
}

impl Arm {
    fn add(&mut self, outcome: f64, before: f64) {
        self.count += 1;
        let count = self.count as f64;
        let change = before - self.before_mean;
        self.outcome_mean += (outcome - self.outcome_mean) / count;
        self.before_mean += change / count;
        self.before_squares += change * (before - self.before_mean);
        self.products += change * (outcome - self.outcome_mean);
    }
}

/// The running effect of one program on one outcome. A few numbers, whatever the number of subjects.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    treated_share: f64,
    treated: Arm,
    held_out: Arm,
    guess_count: u64,
    guess_mean: f64,
    guess_squares: f64,
}

/// A difference and what it may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The effect on one subject.
    pub effect: f64,
    /// Smallest effect that the data do not exclude.
    pub low: f64,
    /// Greatest effect that the data do not exclude.
    pub high: f64,
}

impl Effect {
    /// Begins with nothing observed. `treated_share` is the probability of not being held out, strictly between 0 and 1.
    pub fn new(treated_share: f64) -> Self {
        Self {
            treated_share,
            treated: Arm::default(),
            held_out: Arm::default(),
            guess_count: 0,
            guess_mean: 0.0,
            guess_squares: 0.0,
        }
    }

    /// Counts one more subject, in the order of eligibility. A number that is not finite is left out.
    pub fn add(&mut self, seen: Observation) {
        if !seen.outcome.is_finite() || !seen.before.is_finite() {
            return;
        }
        if self.treated.count > 0 && self.held_out.count > 0 {
            self.guess(&seen);
        }
        let arm = if seen.treated {
            &mut self.treated
        } else {
            &mut self.held_out
        };
        arm.add(seen.outcome, seen.before);
    }

    /// Subjects of both arms: treated, held out.
    pub fn counts(&self) -> (u64, u64) {
        (self.treated.count, self.held_out.count)
    }

    /// Mean outcome of both arms as it is, without any adjustment: treated, held out.
    pub fn means(&self) -> (f64, f64) {
        (self.treated.outcome_mean, self.held_out.outcome_mean)
    }

    /// The effect at a confidence (0.95, say); `None` while an arm has fewer than [`MIN_OF_EACH_ARM`] subjects.
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        if self.treated.count.min(self.held_out.count) < MIN_OF_EACH_ARM {
            return None;
        }
        let half = self.deviation() * boundary(self.guess_count as f64, confidence);
        Some(Interval {
            effect: self.guess_mean,
            low: self.guess_mean - half,
            high: self.guess_mean + half,
        })
    }

    /// The smallest effect that would be told from zero by now. `None` as for [`Effect::interval`].
    pub fn detectable(&self, confidence: f64) -> Option<f64> {
        self.interval(confidence)
            .map(|interval| interval.high - interval.effect)
    }

    /// How many more subjects it takes until an effect of this size can be told from zero, if what varies goes on
    /// varying as it did. `None` while nothing is known of that, or for an effect of 0.
    pub fn subjects_still_needed(&self, effect: f64, confidence: f64) -> Option<u64> {
        self.interval(confidence)?;
        let wanted = effect.abs() / self.deviation();
        if !wanted.is_finite() || wanted <= 0.0 {
            return None;
        }
        let (mut low, mut high) = (self.guess_count, self.guess_count.max(2));
        while boundary(high as f64, confidence) > wanted {
            low = high;
            high = high.checked_mul(2)?;
        }
        while high - low > 1 {
            let middle = low.midpoint(high);
            if boundary(middle as f64, confidence) > wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(high - self.guess_count)
    }

    fn guess(&mut self, seen: &Observation) {
        let pooled = self.treated.before_squares + self.held_out.before_squares;
        let slope = if pooled > 0.0 {
            (self.treated.products + self.held_out.products) / pooled
        } else {
            0.0
        };
        let center = self.center_of_before();
        let said = |arm: &Arm| {
            // The arm's mean, moved to where the arm's past would have been that of everybody.
            arm.outcome_mean + slope * (seen.before - center) - slope * (arm.before_mean - center)
        };
        let (with, without) = (said(&self.treated), said(&self.held_out));
        let error = if seen.treated {
            (seen.outcome - with) / self.treated_share
        } else {
            -(seen.outcome - without) / (1.0 - self.treated_share)
        };
        self.guess_count += 1;
        let guess = with - without + error;
        let change = guess - self.guess_mean;
        self.guess_mean += change / self.guess_count as f64;
        self.guess_squares += change * (guess - self.guess_mean);
    }

    fn center_of_before(&self) -> f64 {
        let (a, b) = (self.treated.count as f64, self.held_out.count as f64);
        (a * self.treated.before_mean + b * self.held_out.before_mean) / (a + b)
    }

    fn deviation(&self) -> f64 {
        (self.guess_squares / self.guess_count.max(1) as f64).sqrt()
    }
}

/// Half the width of the interval after `count` subjects, in standard deviations of a guess.
fn boundary(count: f64, confidence: f64) -> f64 {
    let error = 1.0 - confidence;
    // Equation 9 of the source: the mixture that is narrowest at TUNED_FOR.
    let log = -2.0 * error.ln();
    let mixture = (log + (log + 1.0).ln()) / TUNED_FOR;
    let spread = count * mixture + 1.0;
    (2.0 * spread / (count * count * mixture) * (spread.sqrt() / error).ln()).sqrt()
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const PROGRAMS: u64 = 2_000;
    const SUBJECTS: usize = 1_500;

    /// One subject of a program with a hold-out of a fifth, whose goal depends on its past and on the program.
    fn subject(rng: &mut ChaCha8Rng, base: f64, help: f64, past_weight: f64) -> Observation {
        let treated = rng.random_bool(0.8);
        let before = f64::from(u8::from(rng.random_bool(0.5)));
        let rate = base + past_weight * (before - 0.5) + if treated { help } else { 0.0 };
        Observation {
            treated,
            outcome: f64::from(u8::from(rng.random_bool(rate))),
            before,
        }
    }

    /// Share of programs whose interval excluded the true effect at any look, looking after each subject.
    fn missed(base: f64, help: f64, past_weight: f64) -> f64 {
        let missed = (0..PROGRAMS).filter(|&program| {
            let mut rng = ChaCha8Rng::seed_from_u64(program);
            let mut effect = Effect::new(0.8);
            (0..SUBJECTS).any(|_| {
                effect.add(subject(&mut rng, base, help, past_weight));
                effect
                    .interval(0.95)
                    .is_some_and(|said| said.low > help || said.high < help)
            })
        });
        missed.count() as f64 / PROGRAMS as f64
    }

    #[test]
    fn programs_without_effect_are_called_effective_no_more_often_than_stated_however_often_one_looks()
     {
        let share = missed(0.3, 0.0, 0.0);
        assert!(share <= 0.05, "{share} of the programs");
    }

    #[test]
    fn the_true_effect_stays_inside_the_interval_under_continuous_looking() {
        let share = missed(0.3, 0.1, 0.3);
        assert!(share <= 0.05, "{share} of the programs");
    }

    #[test]
    fn the_past_narrows_the_interval_and_does_not_shift_it() {
        let mut sums = [0.0; 2];
        let mut widths = [0.0; 2];
        for program in 0..400 {
            let mut rng = ChaCha8Rng::seed_from_u64(program);
            let (mut with, mut without) = (Effect::new(0.8), Effect::new(0.8));
            for _ in 0..800 {
                let seen = subject(&mut rng, 0.5, 0.05, 0.8);
                with.add(seen);
                without.add(Observation {
                    before: 0.0,
                    ..seen
                });
            }
            for (place, effect) in [with, without].into_iter().enumerate() {
                let said = effect.interval(0.95).unwrap();
                sums[place] += said.effect / 400.0;
                widths[place] += said.high - said.low;
            }
        }
        assert!(
            (sums[0] - 0.05).abs() < 0.006 && (sums[1] - 0.05).abs() < 0.006,
            "{sums:?}"
        );
        assert!(widths[0] < 0.75 * widths[1], "{widths:?}");
    }

    #[test]
    fn a_real_effect_is_found_after_about_as_many_subjects_as_foretold() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let mut effect = Effect::new(0.8);
        for _ in 0..400 {
            effect.add(subject(&mut rng, 0.3, 0.12, 0.0));
        }
        let still = effect.subjects_still_needed(0.12, 0.95).unwrap();
        for _ in 0..still {
            effect.add(subject(&mut rng, 0.3, 0.12, 0.0));
        }
        let half = effect.detectable(0.95).unwrap();
        assert!((half / 0.12 - 1.0).abs() < 0.1, "{half} after {still} more");
    }

    #[test]
    fn no_interval_is_given_of_a_handful() {
        let mut effect = Effect::new(0.5);
        for place in 0..49 {
            effect.add(Observation {
                treated: place % 2 == 0,
                outcome: 1.0,
                before: 0.0,
            });
        }
        assert_eq!(effect.counts(), (25, 24));
        assert_eq!(effect.interval(0.95), None);
    }
}
