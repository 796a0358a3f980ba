//! A refusal that is durable before the first byte goes out stops the attempt.

use std::sync::Arc;

use tenure_app::call::{Call, CallKind, Name, event_id};
use tenure_app::dispatch::DispatchSettings;
use tenure_app::node::{Node, Parts};
use tenure_app::publish::PublishRequest;
use tenure_app::refusals::person_key;
use tenure_app::worker::Step;
use tenure_app::workspace::Workspace;
use tenure_core::log::IdentifierKind;
use tenure_core::time::Timestamp;
use tenure_sim::world::clock::VirtualClock;
use tenure_sim::world::definitions::version;
use tenure_sim::world::mail::FaultyMail;
use tenure_sim::world::run::ENTROPY;
use tenure_sim::world::store::FaultyStore;
use tenure_store::Batch;

struct World {
    store: Arc<FaultyStore>,
    mail: Arc<FaultyMail>,
    node: Arc<Node>,
}

/// A world in which all works, with a published plan.
fn world() -> World {
    let store = Arc::new(FaultyStore::new());
    Workspace::create(store.as_ref(), "race", &ENTROPY).unwrap();
    let noon = Timestamp::parse("2026-03-03T12:00:00Z").unwrap();
    let clock = Arc::new(VirtualClock::at(noon));
    let mail = Arc::new(FaultyMail::new(Arc::clone(&store), Arc::clone(&clock), 0));
    mail.behave();
    let node = Node::open_inline(Parts {
        store: Arc::clone(&store) as _,
        clock,
        email: Arc::clone(&mail) as _,
        dispatch: DispatchSettings::default(),
        cached_subjects: 0,
    });
    let node = node.unwrap();
    let request = PublishRequest {
        files: version(0),
        author: "test".into(),
        ..PublishRequest::default()
    };
    node.publish(&request).unwrap();
    World { store, mail, node }
}

impl World {
    fn run(&self) {
        loop {
            let worked = self.node.step_worker().unwrap() == Step::Worked;
            let sent = self.node.dispatcher().step(20).unwrap();
            if !worked && sent == 0 {
                return;
            }
        }
    }

    /// Somebody becomes known and pays, which a receipt answers.
    fn pay(&self, user: &Name) {
        let traits = vec![("email".into(), Some("ada@example.com".into()))];
        let paid = CallKind::Track {
            name: "paid".into(),
            properties: "{}".into(),
        };
        let told = [CallKind::Identify { traits }, paid];
        let calls = told.into_iter().enumerate().map(|(number, kind)| Call {
            event_id: event_id(self.node.salt(), &format!("call-{number}")),
            kind,
            user: Some(user.clone()),
            anonymous: None,
            email: None,
            account: None,
            occurred_at: None,
            historical: false,
        });
        let calls = calls.collect();
        self.node.writer().ingest_and_wait(calls).unwrap();
    }
}

#[test]
fn a_refusal_that_comes_while_an_attempt_is_begun_stops_it() {
    for refused in [false, true] {
        let world = world();
        world.run();
        let ada = Name::new(world.node.salt(), IdentifierKind::UserId, "ada");
        world.pay(&ada);
        if refused {
            let key = person_key(world.node.salt(), ada.own_person());
            world.store.interrupt(Batch {
                suppressions: vec![(key, Some("by hand".into()))],
                ..Batch::default()
            });
        }
        world.run();
        let attempt_count = world.mail.attempts_since(0).len();
        assert_eq!(attempt_count, usize::from(!refused));
    }
}
