//! Health on one inline node: what it is, why, and what it was.

mod world;

use tenure_app::dispatch::DispatchSettings;
use tenure_app::query::Query;
use tenure_core::effect::HealthRecordKind;
use tenure_core::health::{HealthReading, Zone};
use tenure_core::id::SubjectId;
use tenure_core::log::IdentifierKind;
use tenure_core::time::DAY_MS;
use tenure_store::{Page, Store};
use world::World;

const DEFINITIONS: &str = r#"
health: people
audience: person
components:
  - { name: logins, weight: 3, value: count("login", 7d), curve: [[0, 0], [4, 100]] }
  - { name: rating, weight: 1, value: last("sentiment_rated", rating), curve: [[1, 0], [5, 100]] }
"#;

fn noor(world: &World) -> SubjectId {
    let query = Query::new(world.store.as_ref(), world.node.salt());
    let found = query.person_named(IdentifierKind::UserId, "noor").unwrap();
    SubjectId::Person(found.expect("she was told of"))
}

fn health(world: &World) -> HealthReading {
    let query = Query::new(world.store.as_ref(), world.node.salt());
    let plan = world.node.live().plan().expect("definitions are published");
    let found = query.health(&plan, noor(world), world.node.now()).unwrap();
    found.expect("the definition applies to her")
}

#[test]
fn health_is_explained_kept_and_told_when_its_zone_changes() {
    let world = World::new(DispatchSettings::default());
    world.publish(&[("health.yaml", DEFINITIONS)]);
    for at in 0..4 {
        world.track(&format!("login {at}"), "noor", "login", "{}");
    }
    world.node.flush().unwrap();
    let now = health(&world);
    assert_eq!((now.score, now.zone), (Some(100.0), Some(Zone::Healthy)));
    assert!((now.coverage - 0.75).abs() < 1e-9, "{now:?}");

    world
        .node
        .rate(noor(&world), 2, Some("wavering"), None)
        .unwrap();
    world.run();
    world.node.flush().unwrap();
    let now = health(&world);
    let given: Vec<Option<f64>> = now.components.iter().map(|one| one.contribution).collect();
    assert_eq!(
        (now.score, given),
        (Some(81.3), vec![Some(75.0), Some(6.3)])
    );

    world.pass(8 * DAY_MS);
    world.node.flush().unwrap();
    let now = health(&world);
    assert_eq!((now.score, now.zone), (Some(6.3), Some(Zone::AtRisk)));
    assert_eq!(now.trend_7d, Some(-75.0));

    let query = Query::new(world.store.as_ref(), world.node.salt());
    let history = query
        .health_history(noor(&world), &Page::default())
        .unwrap();
    let zones: Vec<Option<Zone>> = history
        .rows
        .iter()
        .filter(|record| record.kind == HealthRecordKind::Zone)
        .map(|record| record.zone)
        .collect();
    assert_eq!(zones[0], Some(Zone::AtRisk));
    assert_eq!(zones[1], Some(Zone::Healthy));
    let daily = history
        .rows
        .iter()
        .filter(|record| record.kind == HealthRecordKind::Daily);
    assert_eq!(daily.count(), 2, "the score changed before two midnights");
    let told = query.timeline(noor(&world), None, 50).unwrap();
    let text = format!("{told:?}");
    assert!(text.contains("health_zone_changed"), "{text}");
}

#[test]
fn a_rating_out_of_range_is_refused() {
    let world = World::new(DispatchSettings::default());
    world.publish(&[("health.yaml", DEFINITIONS)]);
    world.track("login", "noor", "login", "{}");
    let before = world.store.log_end().unwrap();
    for rating in [0, 6] {
        let error = world.node.rate(noor(&world), rating, None, None);
        assert!(error.unwrap_err().to_string().contains("from 1"));
    }
    assert_eq!(world.store.log_end().unwrap(), before);
}
