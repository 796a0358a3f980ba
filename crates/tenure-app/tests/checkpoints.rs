//! Checkpoints in parts: what a stop in between must not lose.

mod world;

use tenure_app::call::{Call, CallKind, Name, event_id};
use tenure_app::dispatch::DispatchSettings;
use tenure_core::log::IdentifierKind;
use tenure_store::Store as _;
use world::World;

/// More than go into one part.
const PEOPLE: u64 = 1_500;

fn identify(world: &World, number: u64) -> Call {
    let salt = world.node.salt();
    let user = format!("user-{number}");
    Call {
        event_id: event_id(salt, &user),
        kind: CallKind::Identify {
            traits: vec![("plan".into(), Some("pro".into()))],
        },
        user: Some(Name::new(salt, IdentifierKind::UserId, &user)),
        anonymous: None,
        email: None,
        account: None,
        occurred_at: None,
        historical: false,
    }
}

#[test]
fn a_stop_in_the_middle_of_a_checkpoint_stores_every_state() {
    let world = World::new(DispatchSettings::default());
    let calls = (0..PEOPLE).map(|number| identify(&world, number)).collect();
    world.node.writer().ingest_and_wait(calls).unwrap();
    world.node.step_worker().unwrap();
    let (_, stored) = world.store.subject_counts().unwrap();
    assert!((1..PEOPLE).contains(&stored), "{stored} are stored");
    world.node.flush().unwrap();
    assert_eq!(world.store.subject_counts().unwrap(), (0, PEOPLE));
}
