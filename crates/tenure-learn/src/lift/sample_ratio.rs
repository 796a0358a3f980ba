//! Are the arms as large as they should be? If not, subjects are lost on one side, and no result can be trusted.

use serde::{Deserialize, Serialize};
use statrs::function::beta::ln_beta;

/// How strongly the alternative is drawn to the right share; the larger, the smaller a deviation it looks for.
const CONCENTRATION: f64 = 100.0;

/// Counts of both arms, checked by a test that stays valid however often one looks: a Bayes factor of "some other share"
/// against the right one (Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SampleRatio {
    /// Probability of not being held out.
    pub treated_share: f64,
    /// Subjects that were not held out.
    pub treated_count: u64,
    /// Subjects that were held out.
    pub held_out_count: u64,
}

impl SampleRatio {
    /// Whether the counts cannot be by chance, wrong with at most the given probability over all looks.
    pub fn is_off(&self, error: f64) -> bool {
        self.ln_evidence() > -error.ln()
    }

    fn ln_evidence(&self) -> f64 {
        let (a, b) = (
            CONCENTRATION * self.treated_share,
            CONCENTRATION * (1.0 - self.treated_share),
        );
        let (treated, held_out) = (self.treated_count as f64, self.held_out_count as f64);
        let right = treated * self.treated_share.ln() + held_out * (1.0 - self.treated_share).ln();
        ln_beta(a + treated, b + held_out) - ln_beta(a, b) - right
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn of(treated_count: u64, held_out_count: u64) -> SampleRatio {
        SampleRatio {
            treated_share: 0.9,
            treated_count,
            held_out_count,
        }
    }

    #[test]
    fn the_right_share_is_left_in_peace_and_a_lost_tenth_is_seen() {
        assert!(!of(900, 100).is_off(0.01));
        assert!(!of(0, 0).is_off(0.01));
        assert!(of(9_000, 800).is_off(0.01));
    }

    #[test]
    fn looking_after_every_subject_raises_no_more_alarms_than_stated() {
        let alarms = (0..500).filter(|&program| {
            let mut rng = ChaCha8Rng::seed_from_u64(program);
            let mut ratio = of(0, 0);
            (0..1_000).any(|_| {
                if rng.random_bool(0.9) {
                    ratio.treated_count += 1;
                } else {
                    ratio.held_out_count += 1;
                }
                ratio.is_off(0.05)
            })
        });
        assert!(alarms.count() <= 25);
    }
}
