use crate::define::{Definitions, SourceFile};
use crate::id::Salt;
use crate::lang::parse_definitions;
use crate::plan::{Plan, PlanSources};

use super::*;

fn plan_of(definitions: Definitions) -> Plan {
    let sources = PlanSources {
        version: 1,
        salt: Salt([3; 32]),
        current: definitions,
        program_versions: std::collections::BTreeMap::new(),
        retired: Vec::new(),
        paused: std::collections::BTreeSet::new(),
    };
    Plan::compile(sources).unwrap_or_else(|found| panic!("{found:#?}"))
}

/// Runs the tests of a text and gives what failed, with the last trace.
fn run_all(text: &str) -> (Vec<String>, Vec<String>) {
    let file = SourceFile {
        path: "test.yaml".into(),
        text: text.into(),
    };
    let (definitions, _) =
        parse_definitions(vec![file], &[]).unwrap_or_else(|found| panic!("{found:#?}"));
    let plan = plan_of(definitions);
    let results: Vec<TestResult> = plan
        .definitions
        .tests
        .iter()
        .map(|test| run(&plan, test))
        .collect();
    let failures = results.iter().flat_map(|result| &result.failures);
    let messages = failures.map(|failure| failure.message.clone()).collect();
    let trace = results.last().map(|result| result.trace.clone());
    (messages, trace.unwrap_or_default())
}

const SAVE: &str = r#"
program: usage-drop-save
audience: account
enter:
  when: drop(count("session_started"), 7d) >= 30% and plan in ["pro", "enterprise"]
  again: after 60d
goal: { when: count("session_started", 7d) >= 10, within: 30d }
holdout: 10%
steps:
  - task: call
    to: owner
    title: "Call {{ account.name }}"
    due: 2d
    if: mrr >= 1000
  - wait: { for: goal, at_most: 7d }
---
test: the sequence stops when the customer comes back
given: { account: { plan: pro, mrr: 2000, owner: dana } }
history:
  - { at: 0d, event: session_started, times: 20 }
then:
"#;

#[test]
fn a_story_that_goes_as_expected_passes_with_a_readable_trace() {
    let expected = r"
  - { at: 10d, expect: entered }
  - { at: 10d, expect: { task: call, to: dana } }
  - { at: 12d, event: session_started, times: 15 }
  - { at: 12d, expect: { exited: goal } }
  - { at: 12d, expect: nothing_sent }
";
    let (failures, trace) = run_all(&format!("{SAVE}{expected}"));
    assert_eq!(failures, Vec::<String>::new(), "{trace:#?}");
    let entered = trace.iter().find(|line| line.contains("entered"));
    assert!(
        entered.is_some_and(|line| line.starts_with("7d ")),
        "{trace:#?}"
    );
    assert!(
        trace
            .last()
            .is_some_and(|line| line.contains("goal_reached")),
        "{trace:#?}"
    );
}

#[test]
fn each_failed_expectation_says_what_happened_instead() {
    for (expected, words) in [
        (
            "{ at: 1d, expect: entered }",
            "nothing has started the program",
        ),
        ("{ at: 10d, expect: not_entered }", "but it did at 7d"),
        (
            "{ at: 10d, expect: { task: call, to: kim } }",
            "but it is for `dana`",
        ),
        ("{ at: 10d, expect: { task: visit } }", "what happened last"),
        (
            "{ at: 10d, expect: { message: hello } }",
            "expected the message `hello`",
        ),
        (
            "{ at: 10d, expect: { exited: goal } }",
            "expected to have left by `goal`",
        ),
        (
            "{ at: 10d, expect: { decision: capped } }",
            "expected a step to be `capped`",
        ),
    ] {
        let (failures, trace) = run_all(&format!("{SAVE}  - {expected}\n"));
        assert_eq!(failures.len(), 1, "{expected}: {failures:?} {trace:#?}");
        assert!(failures[0].contains(words), "{expected}: {}", failures[0]);
    }
}

#[test]
fn a_second_task_of_a_kind_is_expected_anew() {
    let twice =
        "  - { at: 10d, expect: { task: call } }\n  - { at: 11d, expect: { task: call } }\n";
    let (failures, _) = run_all(&format!("{SAVE}{twice}"));
    assert_eq!(failures.len(), 1);
    assert!(
        failures[0].starts_with("at 11d: expected a task `call`"),
        "{failures:?}"
    );
}

#[test]
fn elapsed_time_is_written_as_people_write_it() {
    assert_eq!(elapsed(0), "0d");
    assert_eq!(elapsed(10 * DAY_MS), "10d");
    assert_eq!(elapsed(DAY_MS + 2 * HOUR_MS + 30 * MINUTE_MS), "1d 2h 30m");
}
