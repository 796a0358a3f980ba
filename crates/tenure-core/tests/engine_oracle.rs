//! The engine against the oracle: generated plans and histories, compared at every event and at
//! every instant at which an answer could flip.
//!
//! `PROPTEST_CASES` sets the number of cases.

#[path = "support/generate.rs"]
mod generate;
#[path = "support/world.rs"]
mod world;

use generate::{Case, START, case, entries};
use proptest::prelude::*;
use tenure_core::effect::MembershipChange;
use tenure_core::oracle::Oracle;
use tenure_core::plan::Backfill;
use tenure_core::time::{DAY_MS, Timestamp};
use world::{World, definitions, plan};

/// Cases by default; more with `PROPTEST_CASES`.
const CASES: u32 = 48;

fn config() -> ProptestConfig {
    let given = ProptestConfig::default();
    // Without the variable the library's own default is 256.
    let cases = if given.cases == 256 {
        CASES
    } else {
        given.cases
    };
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..given
    }
}

fn end_of(last: Timestamp) -> Timestamp {
    last.plus_ms(12 * DAY_MS)
}

fn sorted(mut changes: Vec<MembershipChange>) -> Vec<MembershipChange> {
    // Within one subject and segment the order stays.
    changes.sort_by(|a, b| (a.subject, &a.segment).cmp(&(b.subject, &b.segment)));
    changes
}

fn check_against_oracle(case: &Case) -> Result<(), TestCaseError> {
    let entries = entries(&case.history);
    let Some(last) = entries.last() else {
        return Ok(());
    };
    let end = end_of(last.received_at);
    let definitions = definitions(&case.segments);
    let plan = plan(1, &case.segments);
    let oracle = Oracle::new(&definitions, &entries, &[], end);
    let mut eager = World::new(&plan);
    let mut applied = 0;
    for &moment in oracle.moments() {
        if moment.known > applied {
            eager.apply(&entries[applied]);
            applied += 1;
        }
        eager.wake(moment.at);
        let differences = eager.differences(&oracle, moment);
        prop_assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
    let mut lazy = World::new(&plan);
    for entry in &entries {
        lazy.apply(entry);
    }
    lazy.wake(end);
    prop_assert_eq!(sorted(eager.memberships.clone()), sorted(lazy.memberships));
    prop_assert_eq!(
        eager.roots,
        lazy.roots,
        "it matters how often the engine is woken"
    );
    Ok(())
}

fn check_backfill(
    case: &Case,
    kept: usize,
    publish: usize,
    ready: usize,
) -> Result<(), TestCaseError> {
    let entries = entries(&case.history);
    let Some(last) = entries.last() else {
        return Ok(());
    };
    let publish = publish % entries.len();
    let ready = (publish + ready).min(entries.len() - 1);
    let old = plan(1, &case.segments[..kept]);
    let new = plan(2, &case.segments);
    let mut always = World::new(&new);
    let mut switched = World::new(&old);
    let missing = new.missing_series(&old);
    let mut backfill = Some(Backfill::new(&new, &missing, publish as u64 + 1));
    for (at, entry) in entries.iter().enumerate() {
        always.apply(entry);
        switched.apply(entry);
        if let Some(backfill) = &mut backfill {
            backfill.fold(entry);
        }
        if at == publish {
            switched.adopt(&new, entry.received_at);
        }
        if at == ready {
            let ready = backfill.take();
            switched.complete(ready.expect("it is ready once"), entry.received_at);
        }
        if at >= ready {
            always.wake(entry.received_at);
            switched.wake(entry.received_at);
            compare(&always, &switched, entry.received_at)?;
        }
    }
    for hour in (0..12 * 24).step_by(3) {
        let now = last.received_at.plus_ms(hour * DAY_MS / 24);
        always.wake(now);
        switched.wake(now);
        compare(&always, &switched, now)?;
    }
    Ok(())
}

fn compare(always: &World<'_>, switched: &World<'_>, now: Timestamp) -> Result<(), TestCaseError> {
    for (left, right) in always.subjects().zip(switched.subjects()) {
        prop_assert_eq!(left.id, right.id);
        let values = |state: &tenure_core::subject::SubjectState| {
            let values = state.conditions.iter().map(|(key, kept)| (key, kept.value));
            values.collect::<Vec<_>>()
        };
        prop_assert_eq!(values(left), values(right), "{} at {}", left.id, now);
        let sorted = |names: &[Box<str>]| {
            let mut names = names.to_vec();
            names.sort();
            names
        };
        prop_assert_eq!(sorted(&left.segments), sorted(&right.segments));
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_answer_and_its_time_equal_those_of_the_oracle(case in case(14, true)) {
        check_against_oracle(&case)?;
    }

    #[test]
    fn a_plan_published_later_ends_where_one_from_the_start_is(
        case in case(20, false),
        kept in 0..4_usize,
        publish in 0..20_usize,
        ready in 0..6_usize,
    ) {
        check_backfill(&case, kept, publish, ready)?;
    }
}

#[test]
fn the_start_of_generated_histories_is_a_midnight() {
    assert_eq!(START.to_string(), "2026-01-01T00:00:00.000Z");
}
