//! Seeded random numbers and the few distributions the demo company needs.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for; streams of different purposes are independent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The book of accounts: order of names and sign-ups.
    Book,
    /// One account: what it is and its story.
    Account,
    /// The people of one account.
    People,
    /// The planned facts of one account.
    Facts,
    /// The activity of one account on one day.
    Activity,
}

/// The stream for one account and day. The generator and its seeding are the same on every
/// platform and in every version.
pub(crate) fn stream(seed: u64, purpose: Purpose, account: u32, day: i32) -> ChaCha8Rng {
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&(purpose as u32).to_le_bytes());
    key[12..16].copy_from_slice(&account.to_le_bytes());
    key[16..20].copy_from_slice(&day.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// True with probability `p`.
pub(crate) fn chance(rng: &mut impl Rng, p: f64) -> bool {
    rng.random::<f64>() < p
}

/// Exponentially distributed with this mean.
pub(crate) fn exponential(rng: &mut impl Rng, mean: f64) -> f64 {
    -(1.0 - rng.random::<f64>()).ln() * mean
}

/// Number of independent happenings at this mean rate (Knuth's method; for small rates).
pub(crate) fn poisson(rng: &mut impl Rng, rate: f64) -> u32 {
    let limit = (-rate).exp();
    let mut product = rng.random::<f64>();
    let mut count = 0;
    while product > limit && count < 40 {
        product *= rng.random::<f64>();
        count += 1;
    }
    count
}

/// Roughly normal: the sum of four uniform numbers, scaled.
pub(crate) fn bell(rng: &mut impl Rng, mean: f64, deviation: f64) -> f64 {
    let sum: f64 = (0..4).map(|_| rng.random::<f64>()).sum();
    mean + (sum - 2.0) * deviation * 3.0_f64.sqrt()
}

/// Between `low` and `high`, each factor equally likely.
pub(crate) fn log_uniform(rng: &mut impl Rng, low: f64, high: f64) -> f64 {
    low * (high / low).powf(rng.random::<f64>())
}

/// Index drawn in proportion to the weights, of which at least one is positive.
pub(crate) fn weighted(rng: &mut impl Rng, weights: &[f64]) -> usize {
    let mut rest = rng.random::<f64>() * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        if rest < *weight {
            return index;
        }
        rest -= weight;
    }
    weights.len() - 1
}

/// One of the items.
pub(crate) fn pick<'a, T>(rng: &mut impl Rng, items: &'a [T]) -> &'a T {
    &items[rng.random_range(0..items.len() as u32) as usize]
}

/// Puts the items into random order (Fisher and Yates).
pub(crate) fn shuffle<T>(rng: &mut impl Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.random_range(0..=last as u32) as usize);
    }
}
