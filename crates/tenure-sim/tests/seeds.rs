//! Whole nodes under faults, seed by seed; see `tenure_sim::world`. The seeds are parted so that two
//! cores share them. More seeds and ticks: `cargo run -p tenure-sim --example simulate`.

use std::ops::Range;

use tenure_sim::world::simulate;

/// Ticks of most seeds: about a week, and twelve days of peace.
const TICKS: usize = 20;
/// Ticks of a few seeds: about three weeks, in which people merge and versions pile up.
const MANY_TICKS: usize = 60;

fn check_seeds(seeds: Range<u64>, ticks: usize) {
    for seed in seeds {
        if let Err(failure) = simulate(seed, ticks) {
            panic!("{failure}");
        }
    }
}

#[test]
fn the_first_seeds_hold() {
    check_seeds(0..70, TICKS);
}

#[test]
fn the_next_seeds_hold() {
    check_seeds(70..140, TICKS);
}

#[test]
fn the_last_seeds_hold() {
    check_seeds(140..200, TICKS);
}

#[test]
fn seeds_hold_for_longer() {
    check_seeds(0..25, MANY_TICKS);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [30, 45] {
        let (once, again) = (simulate(seed, TICKS), simulate(seed, TICKS));
        assert_eq!(once.unwrap(), again.unwrap(), "seed {seed}");
    }
}
