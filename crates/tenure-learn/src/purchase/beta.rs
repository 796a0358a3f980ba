//! BG/NBD and its modified form: purchases at a gamma-distributed rate, leaving with a beta-distributed chance after a
//! purchase.

use serde::{Deserialize, Serialize};
use statrs::function::{beta::ln_beta, gamma::ln_gamma};

use super::hypergeometric::ln_2f1;
use super::{Process, Record, counted, enough, log_sum, search};
use crate::LearnError;

/// After which purchases a customer may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leaving {
    /// After each but the first: BG/NBD.
    AfterRepeats,
    /// After each: MBG/NBD.
    AfterEach,
}

/// A fitted BG/NBD or MBG/NBD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BetaNbd {
    /// Which of the two.
    pub leaving: Leaving,
    /// Shape of the purchase rates.
    pub r: f64,
    /// Scale of the purchase rates, in the unit of time.
    pub alpha: f64,
    /// First shape of the chances to leave.
    pub a: f64,
    /// Second shape of the chances to leave.
    pub b: f64,
    /// Log likelihood of the customers it was fitted to.
    pub log_likelihood: f64,
}

impl BetaNbd {
    /// Fits to customers.
    ///
    /// # Errors
    /// [`LearnError::TooLittle`] below [`super::MIN_CUSTOMERS`], [`LearnError::Diverged`] when no fit is found.
    pub fn fit(customers: &[Record], leaving: Leaving) -> Result<Self, LearnError> {
        enough(customers)?;
        let counted = counted(customers);
        let unit =
            customers.iter().map(|record| record.observed).sum::<f64>() / customers.len() as f64;
        let of = |p: &[f64]| Self {
            leaving,
            r: p[0],
            alpha: p[1],
            a: p[2],
            b: p[3],
            log_likelihood: 0.0,
        };
        let likelihood = |p: &[f64]| {
            let process = of(p);
            counted
                .iter()
                .map(|(record, count)| count * process.ln_likelihood(record))
                .sum()
        };
        let starts: [&[f64]; 2] = [&[0.5, unit / 5.0, 0.8, 2.0], &[1.0, unit, 1.0, 1.0]];
        let (best, log_likelihood) = search::maximise(likelihood, &starts)?;
        Ok(Self {
            log_likelihood,
            ..of(&best)
        })
    }

    /// How many of a customer's purchases gave it a chance to leave and to stay.
    fn stays(&self, customer: &Record) -> f64 {
        match self.leaving {
            Leaving::AfterRepeats => customer.repeat_count,
            Leaving::AfterEach => customer.repeat_count + 1.0,
        }
    }

    fn ln_likelihood(&self, customer: &Record) -> f64 {
        let Record {
            repeat_count: x,
            last_at,
            observed,
        } = *customer;
        let stays = self.stays(customer);
        let rates = ln_gamma(self.r + x) - ln_gamma(self.r) + self.r * self.alpha.ln();
        let chances = ln_beta(self.a, self.b);
        let alive =
            ln_beta(self.a, self.b + stays) - chances - (self.r + x) * (self.alpha + observed).ln();
        if stays == 0.0 {
            return rates + alive;
        }
        let gone = ln_beta(self.a + 1.0, self.b + stays - 1.0)
            - chances
            - (self.r + x) * (self.alpha + last_at).ln();
        rates + log_sum(alive, gone)
    }
}

impl Process for BetaNbd {
    fn alive(&self, customer: &Record) -> f64 {
        let stays = self.stays(customer);
        if stays == 0.0 {
            return 1.0;
        }
        let silence = ((self.alpha + customer.observed) / (self.alpha + customer.last_at)).ln();
        let odds =
            (self.r + customer.repeat_count) * silence + (self.a / (self.b + stays - 1.0)).ln();
        1.0 / (1.0 + odds.exp())
    }

    fn expected_purchases(&self, customer: &Record, horizon: f64) -> f64 {
        let stays = self.stays(customer);
        let rate = self.r + customer.repeat_count;
        let until = self.alpha + customer.observed;
        let ends = self.a + self.b + stays - 1.0;
        let series = ln_2f1(rate, self.b + stays, ends, horizon / (until + horizon));
        let left = 1.0 - (rate * (until / (until + horizon)).ln() + series).exp();
        ends / (self.a - 1.0) * left * self.alive(customer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check_process, shop};
    use super::*;

    #[test]
    fn the_modified_form_recovers_a_shop_where_one_may_leave_at_once() {
        let customers = shop(600, 0.15, 1);
        let records: Vec<Record> = customers.iter().map(|(record, ..)| *record).collect();
        check_process(
            &BetaNbd::fit(&records, Leaving::AfterEach).unwrap(),
            &customers,
        );
    }

    #[test]
    fn the_plain_form_never_doubts_a_customer_of_one_purchase() {
        let records: Vec<Record> = shop(200, 0.15, 1)
            .into_iter()
            .map(|(record, ..)| record)
            .collect();
        let process = BetaNbd::fit(&records, Leaving::AfterRepeats).unwrap();
        let once = Record {
            repeat_count: 0.0,
            last_at: 0.0,
            observed: 500.0,
        };
        assert!((process.alive(&once) - 1.0).abs() < 1e-12);
    }
}
