//! A backtest on one inline node: the log so far under definitions that are not published.

mod world;

use tenure_app::backtest::BacktestRequest;
use tenure_app::dispatch::DispatchSettings;
use tenure_core::define::SourceFile;
use tenure_core::time::DAY_MS;
use tenure_store::Store;
use world::World;

fn request(text: &str, outcome: &str) -> BacktestRequest {
    BacktestRequest {
        files: vec![SourceFile {
            path: "new.yaml".into(),
            text: text.into(),
        }],
        since_days: 30,
        horizon_days: 10,
        outcome: outcome.into(),
    }
}

const QUIET: &str = "signal: quiet\nwhen: since(last(\"login\")) >= 3d\n";
const LEFT: &str = "count(\"left\") >= 1";

fn told() -> World {
    let world = World::new(DispatchSettings::default());
    world.publish(&[("all.yaml", "segment: any\nwhen: count(\"login\") >= 1\n")]);
    for (id, user) in [("1", "noor"), ("2", "ida"), ("3", "sam")] {
        world.track(id, user, "login", "{}");
    }
    world.pass(2 * DAY_MS);
    world.track("4", "sam", "login", "{}");
    world.pass(4 * DAY_MS);
    world.track("5", "noor", "left", "{}");
    world.pass(20 * DAY_MS);
    world
}

#[test]
fn a_definition_that_is_not_published_is_judged_by_what_came() {
    let world = told();
    let end = world.store.log_end().unwrap();
    let report = world.node.backtest(&request(QUIET, LEFT)).unwrap();
    let found = &report.targets[0].announcement;
    assert_eq!((found.trigger_count, found.right_count), (3, 1));
    assert_eq!((found.outcome_count, found.announced_count), (1, 1));
    assert_eq!(found.lead_days, Some([3.0, 3.0, 3.0]));
    assert_eq!(world.store.log_end().unwrap(), end, "nothing is published");
}

#[test]
fn what_cannot_be_tested_is_said() {
    let world = told();
    let refused = |text: &str, outcome: &str| {
        let error = world.node.backtest(&request(text, outcome)).unwrap_err();
        format!("{error}: {error:?}")
    };
    assert!(refused("policy: default\n", LEFT).contains("no segment, signal"));
    assert!(refused(QUIET, "count(").contains("problem"));
    let both = format!("{QUIET}---\nsegment: a\naudience: account\nwhen: plan == \"pro\"\n");
    assert!(refused(&both, LEFT).contains("test them apart"));
}

#[test]
fn imported_history_is_replayed_when_it_occurred_and_a_cancelled_replay_ends() {
    let world = World::new(DispatchSettings::default());
    world.publish(&[("all.yaml", "segment: any\nwhen: count(\"login\") >= 1\n")]);
    let now = world.node.now();
    for (id, event, days_ago) in [("2", "left", 10), ("1", "login", 15)] {
        world.import(id, "noor", event, now.plus_ms(-days_ago * DAY_MS));
    }
    let report = world.node.backtest(&request(QUIET, LEFT)).unwrap();
    let found = &report.targets[0].announcement;
    assert_eq!((found.trigger_count, found.outcome_count), (1, 1));
    assert_eq!(found.lead_days, Some([2.0, 2.0, 2.0]));
    let stopped = world
        .node
        .backtest_with(&request(QUIET, LEFT), &mut |_, _| {
            Err(tenure_app::error::AppError::Stopping)
        });
    assert!(matches!(
        stopped,
        Err(tenure_app::error::AppError::Stopping)
    ));
}
