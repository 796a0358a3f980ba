//! The effect of a program on one inline node: a hold-out by hash, goals in both arms, and what is told of it.

mod world;

use std::collections::BTreeSet;

use tenure_app::dispatch::DispatchSettings;
use tenure_app::lift::Costs;
use tenure_app::query::Query;
use tenure_core::id::SubjectId;
use tenure_core::log::IdentifierKind;
use tenure_core::time::DAY_MS;
use tenure_store::{Page, Store};
use world::World;

const PROGRAM: &str = "program: save
audience: person
enter:
  event: dropped
goal: { when: count(\"came_back\") >= 1, within: 10d }
holdout: 50%
steps:
  - emit: nudged
";
const PEOPLE: u32 = 160;

/// Everybody drops; of the treated, whom the program nudges, three of four come back.
fn told() -> World {
    let world = World::new(DispatchSettings::default());
    world.publish(&[
        ("save.yaml", PROGRAM),
        (
            "segment.yaml",
            "segment: nudged\nwhen: count(\"nudged\") >= 1\n",
        ),
    ]);
    for number in 0..PEOPLE {
        world.track(
            &format!("d{number}"),
            &format!("user-{number}"),
            "dropped",
            "{}",
        );
    }
    world.pass(DAY_MS);
    let page = Page {
        after: None,
        limit: 1_000,
    };
    let members = world.store.members("nudged", &page).unwrap();
    let nudged: BTreeSet<SubjectId> = members.iter().map(|row| row.subject).collect();
    let query = Query::new(world.store.as_ref(), world.node.salt());
    for number in (0..PEOPLE).filter(|number| number % 4 != 0) {
        let user = format!("user-{number}");
        let person = query.person_named(IdentifierKind::UserId, &user).unwrap();
        if nudged.contains(&SubjectId::Person(person.unwrap())) {
            world.track(&format!("c{number}"), &user, "came_back", "{}");
        }
    }
    world
}

#[test]
fn a_program_that_helps_is_measured_only_once_the_time_of_both_arms_is_over() {
    let world = told();
    let lift = |world: &World| {
        let counted = Query::new(world.node.store().as_ref(), world.node.salt())
            .performance("save")
            .unwrap();
        world
            .node
            .lift("save", &counted, &Costs::default())
            .unwrap()
    };
    let early = lift(&world);
    assert_eq!(early.pending_count, u64::from(PEOPLE));
    assert!(early.goal.difference.value.is_none());
    world.pass(10 * DAY_MS);
    let found = lift(&world);
    assert_eq!(found.pending_count, 0);
    assert_eq!(
        found.goal.treated_count + found.goal.held_out_count,
        u64::from(PEOPLE)
    );
    assert_eq!(found.arms.warning, None);
    assert_eq!(found.goal.held_out_mean, Some(0.0));
    let effect = found.goal.difference.value.unwrap();
    assert!(effect.low > 0.0 && effect.high < 1.2, "{effect:?}");
    assert!((effect.effect - 0.75).abs() < 0.15, "{effect:?}");
    assert!(found.revenue.reason.unwrap().contains("for people"));
    let reached = found.goal.treated_mean.unwrap() * found.goal.treated_count as f64;
    assert!((found.attribution.goal_count as f64 - reached).abs() < 1e-6);
}
