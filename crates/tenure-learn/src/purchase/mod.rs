//! Customers without a contract: are they still customers, and how much will they still buy?
//!
//! Nobody tells when such a customer leaves; one infers it from the silence after a rhythm. Two "buy till you die"
//! processes are offered. Both describe a customer by three numbers ([`Record`]) and are fitted by maximum likelihood:
//!
//! * [`ParetoNbd`] (Schmittlein, Morrison and Colombo 1987): a customer may leave at any time. The default.
//! * [`BetaNbd`]: a customer may leave after a purchase (BG/NBD, Fader, Hardie and Lee 2005), and in its modified form
//!   (MBG/NBD, Batislam, Denizel and Filiztekin 2007) after the first one, too. Fast. The plain form is sure that whoever
//!   bought only once is still there, so it must not be used to rank customers by that.

mod beta;
mod hypergeometric;
mod pareto;
mod search;

pub use beta::{BetaNbd, Leaving};
pub use pareto::ParetoNbd;

use crate::LearnError;

/// Fewer customers than this are not fitted to.
pub const MIN_CUSTOMERS: usize = 100;

/// What is known of one customer. Times are in one unit of the caller's choice (weeks, say) since its first purchase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record {
    /// Purchases after the first.
    pub repeat_count: f64,
    /// Time of the last purchase; 0 when there was but one.
    pub last_at: f64,
    /// Time until now.
    pub observed: f64,
}

/// Makes records of the times of a customer's purchases and the time of now, all in one unit. Several purchases at one
/// time count as one. `None` when nothing was bought yet.
pub fn record_of(purchases: &[f64], now: f64) -> Option<Record> {
    let mut times: Vec<f64> = purchases.iter().copied().filter(|&at| at <= now).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let first = *times.first()?;
    let last_at = times[times.len() - 1] - first;
    Some(Record {
        repeat_count: (times.len() - 1) as f64,
        last_at,
        observed: now - first,
    })
}

/// A fitted process.
pub trait Process {
    /// Probability that the customer has not left.
    fn alive(&self, customer: &Record) -> f64;

    /// Purchases to expect within `horizon` from now, in the unit of the records.
    fn expected_purchases(&self, customer: &Record, horizon: f64) -> f64;
}

fn enough(customers: &[Record]) -> Result<(), LearnError> {
    let found = customers.len();
    if found < MIN_CUSTOMERS {
        return Err(LearnError::TooLittle {
            what: "customers",
            found,
            needed: MIN_CUSTOMERS,
        });
    }
    Ok(())
}

/// Customers with the very same record are computed once and counted.
fn counted(customers: &[Record]) -> Vec<(Record, f64)> {
    let key = |record: &Record| {
        (
            record.repeat_count.to_bits(),
            record.last_at.to_bits(),
            record.observed.to_bits(),
        )
    };
    let mut counts = std::collections::BTreeMap::new();
    for record in customers {
        counts.entry(key(record)).or_insert((*record, 0.0)).1 += 1.0;
    }
    counts.into_values().collect()
}

/// ln(e^a + e^b) without overflow.
fn log_sum(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        high
    } else {
        high + (low - high).exp().ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Customers who buy every `rate`-th week on average and leave with chance `leave` after each purchase.
    pub(super) fn shop(count: usize, leave: f64, seed: u64) -> Vec<(Record, bool, f64)> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = move || rng.random::<f64>();
        let customers = (0..count).map(|_| {
            let gap = 2.0 + 6.0 * draw();
            let (mut at, mut times, mut left) = (0.0, vec![0.0], draw() < leave);
            while at < 78.0 && !left {
                at += -gap * (1.0 - draw()).ln();
                times.push(at);
                left = draw() < leave;
            }
            let alive = !left || at > 39.0;
            let later = times
                .iter()
                .filter(|&&time| time > 39.0 && time <= 78.0)
                .count() as f64;
            (
                record_of(&times, 39.0).expect("a first purchase"),
                alive,
                later,
            )
        });
        customers.collect()
    }

    pub(super) fn check_process(process: &dyn Process, customers: &[(Record, bool, f64)]) {
        let said: Vec<f64> = customers
            .iter()
            .map(|(record, ..)| process.alive(record))
            .collect();
        let alive: Vec<bool> = customers.iter().map(|(_, alive, _)| *alive).collect();
        assert!(said.iter().all(|p| (0.0..=1.0).contains(p)));
        let area = crate::measure::roc_auc(&said, &alive);
        assert!(area > 0.85, "alive ranks at {area}");
        let expected: f64 = customers
            .iter()
            .map(|(record, ..)| process.expected_purchases(record, 39.0))
            .sum();
        let bought: f64 = customers.iter().map(|(.., later)| later).sum();
        assert!(
            (expected / bought - 1.0).abs() < 0.2,
            "{expected} expected, {bought} bought"
        );
    }

    #[test]
    fn two_purchases_of_one_day_count_once_and_later_ones_not_yet() {
        let record = record_of(&[3.0, 3.0, 5.0, 50.0], 10.0).unwrap();
        assert_eq!(
            record,
            Record {
                repeat_count: 1.0,
                last_at: 2.0,
                observed: 7.0
            }
        );
        assert_eq!(record_of(&[50.0], 10.0), None);
    }

    #[test]
    fn too_few_customers_are_refused() {
        let few = vec![
            Record {
                repeat_count: 0.0,
                last_at: 0.0,
                observed: 1.0
            };
            3
        ];
        assert!(matches!(
            ParetoNbd::fit(&few),
            Err(LearnError::TooLittle { found: 3, .. })
        ));
    }

    #[test]
    fn silence_lowers_the_chance_of_being_a_customer() {
        let records: Vec<Record> = shop(400, 0.1, 2)
            .into_iter()
            .map(|(record, ..)| record)
            .collect();
        let process = ParetoNbd::fit(&records).unwrap();
        let after = |weeks: f64| {
            process.alive(&Record {
                repeat_count: 6.0,
                last_at: 20.0,
                observed: 20.0 + weeks,
            })
        };
        assert!(after(1.0) > 0.9 && after(60.0) < after(10.0) && after(200.0) < 0.05);
    }
}
