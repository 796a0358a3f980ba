//! Runs seeds: `simulate --seed 7 --ticks 60`, or `simulate --from 0 --count 1000`.

use std::process::ExitCode;

use tenure_sim::world::simulate;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut from, mut count, mut ticks) = (0, 1, 60);
    while let Some(name) = arguments.next() {
        let value: Option<u64> = arguments.next().and_then(|value| value.parse().ok());
        match (name.as_str(), value) {
            ("--seed" | "--from", Some(value)) => from = value,
            ("--count", Some(value)) => count = value,
            ("--ticks", Some(value)) => ticks = value,
            _ => {
                eprintln!("use: simulate [--seed N | --from N --count M] [--ticks T]");
                return ExitCode::from(2);
            }
        }
    }
    let mut failure_count = 0;
    for seed in from..from + count {
        match simulate(seed, ticks as usize) {
            Ok(report) => println!("seed {seed}: {report:?}"),
            Err(failure) => {
                failure_count += 1;
                println!("{failure}\n");
            }
        }
    }
    println!("{failure_count} of {count} seeds failed");
    ExitCode::from(u8::from(failure_count > 0))
}
