//! Whole nodes under faults, seed by seed; see `tenure_sim::world`.

use tenure_sim::world::simulate;

/// Ticks of a seed. More seeds and ticks: `cargo run -p tenure-sim --example simulate`.
const TICKS: usize = 20;

fn check_seeds(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        if let Err(failure) = simulate(seed, TICKS) {
            panic!("{failure}");
        }
    }
}

#[test]
fn the_first_seeds_hold() {
    check_seeds(30..33);
}

#[test]
fn the_next_seeds_hold() {
    check_seeds(45..48);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [30, 45] {
        let (once, again) = (simulate(seed, TICKS), simulate(seed, TICKS));
        assert_eq!(once.unwrap(), again.unwrap(), "seed {seed}");
    }
}
