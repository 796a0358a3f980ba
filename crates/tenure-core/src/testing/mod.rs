//! Program tests with time travel: a customer's story is played to the real engine, and what
//! was expected is compared with what it did.
//!
//! The subjects of a test are chosen so that no hold-out applies to them, and a person without an
//! `email` gets one, so that a test says only what it is about. Traits given become known at the
//! start; emitted events come back at once.

mod expect;
mod world;

use crate::define::{Moment, MomentKind, Place, TestDef};
use crate::log::Body;
use crate::plan::Plan;
use crate::program::Program;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};

use expect::Expectations;
use world::World;

/// Instant of `0d` when a test names none: 2026-01-05T09:00:00Z, a Monday.
pub const DEFAULT_START: Timestamp = Timestamp(1_767_603_600_000);

/// What came of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestResult {
    /// The test's sentence.
    pub name: String,
    /// Program under test.
    pub program: String,
    /// What was not as expected; empty is a success.
    pub failures: Vec<TestFailure>,
    /// Everything that happened, one readable line each, in order of time.
    pub trace: Vec<String>,
}

impl TestResult {
    /// Whether all was as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Something that was not as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct TestFailure {
    /// The line of the test.
    pub place: Place,
    /// What was expected and what happened instead.
    pub message: String,
}

/// Runs a test against the programs of a plan.
pub fn run(plan: &Plan, test: &TestDef) -> TestResult {
    let mut result = TestResult {
        name: test.name.clone(),
        program: test.program.clone().unwrap_or_default(),
        failures: Vec::new(),
        trace: Vec::new(),
    };
    let program = match program_of(plan, test) {
        Ok(program) => program,
        Err(message) => {
            let place = test.place.clone();
            result.failures.push(TestFailure { place, message });
            return result;
        }
    };
    result.program = program.name.to_string();
    let start = test.start.unwrap_or(DEFAULT_START);
    let mut world = World::new(plan, test, program, start);
    let mut expectations = Expectations::new(program, start);
    let mut moments: Vec<&Moment> = test.moments.iter().collect();
    moments.sort_by_key(|moment| moment.at_ms);
    for moment in moments {
        world.advance(start.plus_ms(moment.at_ms));
        if let Err(message) = play(&mut world, &mut expectations, &moment.what) {
            let at = elapsed(moment.at_ms);
            result.failures.push(TestFailure {
                place: moment.place.clone(),
                message: format!("at {at}: {message}"),
            });
        }
    }
    result.trace = world.trace(start);
    result
}

/// Does what a moment says, or checks what it expects.
fn play(
    world: &mut World<'_>,
    expectations: &mut Expectations<'_>,
    what: &MomentKind,
) -> Result<(), String> {
    match what {
        MomentKind::Event {
            event,
            properties,
            times,
        } => {
            for _ in 0..*times {
                let body = Body::Event(world.event(event, properties));
                world.tell(body);
            }
            Ok(())
        }
        MomentKind::Set { audience, traits } => {
            let body = world.profile(*audience, traits)?;
            world.tell(body);
            Ok(())
        }
        expected => expectations.check(world, expected),
    }
}

/// The program a test is about.
fn program_of<'a>(plan: &'a Plan, test: &TestDef) -> Result<&'a Program, String> {
    let current = || plan.programs.iter().filter(|program| program.current);
    if let Some(name) = &test.program {
        let mut found = current().filter(|program| *program.name == **name);
        return found
            .next()
            .ok_or_else(|| format!("there is no program `{name}`"));
    }
    let same_file = |program: &&Program| {
        let mut defs = plan.definitions.programs.iter();
        defs.any(|def| *def.name == *program.name && def.place.file == test.place.file)
    };
    let mut found = current().filter(same_file);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        _ => Err("say which program the test is about: `program: NAME`".into()),
    }
}

/// A time since the start as people write it: `10d`, `1d 2h 30m`.
fn elapsed(ms: i64) -> String {
    let units = [
        (DAY_MS, "d"),
        (HOUR_MS, "h"),
        (MINUTE_MS, "m"),
        (1_000, "s"),
    ];
    let mut left = ms.abs();
    let mut parts = Vec::new();
    for (unit_ms, unit) in units {
        if left >= unit_ms {
            parts.push(format!("{}{unit}", left / unit_ms));
            left %= unit_ms;
        }
    }
    let sign = if ms < 0 { "-" } else { "" };
    if parts.is_empty() {
        return "0d".into();
    }
    format!("{sign}{}", parts.join(" "))
}

#[cfg(test)]
mod tests;
