//! Pareto/NBD: purchases at a gamma-distributed rate, leaving at any time at a gamma-distributed rate.

use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

use super::hypergeometric::ln_2f1_next;
use super::{Process, Record, counted, enough, log_sum, search};
use crate::LearnError;

/// A fitted Pareto/NBD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ParetoNbd {
    /// Shape of the purchase rates.
    pub r: f64,
    /// Scale of the purchase rates, in the unit of time.
    pub alpha: f64,
    /// Shape of the rates of leaving.
    pub s: f64,
    /// Scale of the rates of leaving, in the unit of time.
    pub beta: f64,
    /// Log likelihood of the customers it was fitted to.
    pub log_likelihood: f64,
}

impl ParetoNbd {
    /// Fits to customers.
    ///
    /// # Errors
    /// [`LearnError::TooLittle`] below [`super::MIN_CUSTOMERS`], [`LearnError::Diverged`] when no fit is found.
    pub fn fit(customers: &[Record]) -> Result<Self, LearnError> {
        enough(customers)?;
        let counted = counted(customers);
        let unit =
            customers.iter().map(|record| record.observed).sum::<f64>() / customers.len() as f64;
        let of = |p: &[f64]| Self {
            r: p[0],
            alpha: p[1],
            s: p[2],
            beta: p[3],
            log_likelihood: 0.0,
        };
        let likelihood = |p: &[f64]| {
            let process = of(p);
            counted
                .iter()
                .map(|(record, count)| count * process.ln_likelihood(record))
                .sum()
        };
        let starts: [&[f64]; 2] = [&[0.5, unit / 3.0, 0.5, unit / 3.0], &[1.0, unit, 1.0, unit]];
        let (best, log_likelihood) = search::maximise(likelihood, &starts)?;
        Ok(Self {
            log_likelihood,
            ..of(&best)
        })
    }

    fn ln_likelihood(&self, customer: &Record) -> f64 {
        let rate = self.r + customer.repeat_count;
        let rates =
            ln_gamma(rate) - ln_gamma(self.r) + self.r * self.alpha.ln() + self.s * self.beta.ln();
        rates + log_sum(self.ln_alive(customer), self.ln_gone(customer))
    }

    /// ln of the part of the likelihood in which the customer is still there.
    fn ln_alive(&self, customer: &Record) -> f64 {
        let rate = self.r + customer.repeat_count;
        -rate * (self.alpha + customer.observed).ln()
            - self.s * (self.beta + customer.observed).ln()
    }

    /// ln of the part in which it left between its last purchase and now (Fader and Hardie 2005, equations 18 to 20).
    fn ln_gone(&self, customer: &Record) -> f64 {
        let total = self.r + self.s + customer.repeat_count;
        let wide = self.alpha.max(self.beta);
        let second = if self.alpha >= self.beta {
            self.s + 1.0
        } else {
            self.r + customer.repeat_count
        };
        let part = |time: f64| {
            let reach = wide + time;
            ln_2f1_next(total, second, (self.alpha - self.beta).abs() / reach) - total * reach.ln()
        };
        let (from, until) = (part(customer.last_at), part(customer.observed));
        let difference = -(until - from).exp_m1();
        if difference <= 0.0 {
            return f64::NEG_INFINITY;
        }
        (self.s / total).ln() + from + difference.ln()
    }
}

impl Process for ParetoNbd {
    fn alive(&self, customer: &Record) -> f64 {
        1.0 / (1.0 + (self.ln_gone(customer) - self.ln_alive(customer)).exp())
    }

    fn expected_purchases(&self, customer: &Record, horizon: f64) -> f64 {
        let rate = (self.r + customer.repeat_count) / (self.alpha + customer.observed);
        let until = self.beta + customer.observed;
        let shape = self.s - 1.0;
        // Time as a customer to expect within the horizon; its limit where the shape is 1 is a logarithm.
        let ratio = (until / (until + horizon)).ln();
        let stay = if shape.abs() < 1e-9 {
            -until * ratio
        } else {
            until / shape * -(shape * ratio).exp_m1()
        };
        rate * stay * self.alive(customer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check_process, shop};
    use super::*;

    #[test]
    fn who_has_left_and_what_will_be_bought_are_recovered() {
        let customers = shop(600, 0.1, 1);
        let records: Vec<Record> = customers.iter().map(|(record, ..)| *record).collect();
        check_process(&ParetoNbd::fit(&records).unwrap(), &customers);
    }

    #[test]
    fn the_expectation_is_continuous_where_the_shape_is_one() {
        let process = |s| ParetoNbd {
            r: 0.5,
            alpha: 10.0,
            s,
            beta: 11.0,
            log_likelihood: 0.0,
        };
        let customer = Record {
            repeat_count: 3.0,
            last_at: 20.0,
            observed: 30.0,
        };
        let at = process(1.0).expected_purchases(&customer, 39.0);
        let beside = process(1.0 + 1e-6).expected_purchases(&customer, 39.0);
        assert!((at - beside).abs() < 1e-5);
    }
}
