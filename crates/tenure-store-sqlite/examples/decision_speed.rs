//! Measures what a decision costs the store on this machine: `cargo run --release --example
//! decision_speed [THOUSAND_DECISIONS] [THOUSAND_PEOPLE]`.
//!
//! Commits of 500 decisions about people in no order by ten programs, as the benchmark (b) makes
//! them; then lists of a person and of a program.

use std::time::{Duration, Instant};

use tenure_core::decision::{Decision, Outcome};
use tenure_core::id::{DecisionId, EnrollmentId, PersonId, SubjectId};
use tenure_core::time::Timestamp;
use tenure_store::query::DecisionFilter;
use tenure_store::{Batch, Page, Store};
use tenure_store_sqlite::{Options, SqliteStore};

type Failure = Box<dyn std::error::Error>;

const DECISIONS_PER_COMMIT: u64 = 500;
/// Clock ticks of `/proc/self/stat` in a second, on every Linux we know.
const TICKS_PER_SECOND: u64 = 100;

/// SplitMix64: the same number for the same place on every run.
fn scrambled(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn bits(number: u64) -> u128 {
    u128::from(scrambled(number)) << 64 | u128::from(scrambled(!number))
}

fn decision(number: u64, people: u64) -> Decision {
    let person = scrambled(number) % people;
    let program = scrambled(number + 1) % 10;
    Decision {
        id: DecisionId::in_order(0, bits(number)),
        at: Timestamp(1_700_000_000_000 + (number / DECISIONS_PER_COMMIT) as i64 * 15),
        subject: SubjectId::Person(PersonId(bits(person))),
        program: format!("program_{program}").into(),
        version: 3,
        enrollment: Some(EnrollmentId(bits(person ^ program << 40))),
        step: None,
        outcome: Outcome::NotAgain,
        reason: "it is in the program already".into(),
        message: None,
    }
}

/// CPU this process used, in user and kernel.
fn cpu_used() -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// Bytes that this process wrote.
fn bytes_written() -> Result<u64, Failure> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    Ok(line.ok_or("no count of bytes in /proc/self/io")?.parse()?)
}

fn argument(index: usize, default: u64) -> Result<u64, Failure> {
    let given = std::env::args().nth(index);
    Ok(given.map_or(Ok(default), |text| text.parse())? * 1_000)
}

fn main() -> Result<(), Failure> {
    let (count, people) = (argument(1, 1_000)?, argument(2, 100)?);
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::create(folder.path(), Options::default())?;
    let started = (Instant::now(), cpu_used()?, bytes_written()?);
    for first in (0..count).step_by(DECISIONS_PER_COMMIT as usize) {
        let numbers = first..first + DECISIONS_PER_COMMIT;
        store.commit(&Batch {
            decisions: numbers.map(|number| decision(number, people)).collect(),
            ..Batch::default()
        })?;
    }
    println!(
        "{count} decisions about {people} people: {:?}; each {:.1} us of CPU, {} bytes written",
        started.0.elapsed(),
        cpu_used()?.saturating_sub(started.1).as_secs_f64() * 1e6 / count as f64,
        (bytes_written()? - started.2) / count,
    );
    let size = std::fs::metadata(folder.path().join("tenure.db"))?.len();
    println!("the file has {} bytes for each", size / count);
    measure_lists(&store, people)?;
    drop(store);
    let opening = Instant::now();
    let store = SqliteStore::open(folder.path(), Options::default())?;
    println!("opening again: {:?}", opening.elapsed());
    println!("decisions: {}", store.decision_end()?);
    Ok(())
}

fn measure_lists(store: &SqliteStore, people: u64) -> Result<(), Failure> {
    let page = Page::default();
    let started = Instant::now();
    for number in 0..100 {
        let person = PersonId(bits(scrambled(number) % people));
        let filter = DecisionFilter {
            subject: Some(SubjectId::Person(person)),
            ..DecisionFilter::default()
        };
        store.decisions(&filter, &page)?;
    }
    println!("a person's decisions: {:?}", started.elapsed() / 100);
    let started = Instant::now();
    for number in 0..10 {
        let filter = DecisionFilter {
            program: Some(format!("program_{number}")),
            ..DecisionFilter::default()
        };
        store.decisions(&filter, &page)?;
    }
    println!("50 of a program: {:?}", started.elapsed() / 10);
    Ok(())
}
