//! The main job on one inline node: an event comes in, a condition becomes true, a program sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use tenure_app::call::{Call, CallKind, Name, event_id};
use tenure_app::clock::Clock;
use tenure_app::dispatch::DispatchSettings;
use tenure_app::node::{Node, Parts};
use tenure_app::publish::PublishRequest;
use tenure_app::worker::Step;
use tenure_app::workspace::{ENTROPY_BYTES, Workspace};
use tenure_connectors::{EmailTransport, Outcome, PreparedEmail};
use tenure_core::define::SourceFile;
use tenure_core::log::IdentifierKind;
use tenure_core::time::{DAY_MS, HOUR_MS, Timestamp};
use tenure_store::memory::MemoryStore;
use tenure_store::query::{DecisionFilter, MessageFilter};
use tenure_store::{Page, Store};

struct Hands {
    now: AtomicI64,
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }
}

#[derive(Default)]
struct Mailbox {
    mails: Mutex<Vec<String>>,
    answer: Mutex<Option<Outcome>>,
}

impl EmailTransport for Mailbox {
    fn send(&self, mail: &PreparedEmail) -> Outcome {
        self.mails
            .lock()
            .push(String::from_utf8_lossy(mail.bytes()).into_owned());
        let accepted = Outcome::Accepted {
            response: "ok".into(),
            queue_id: None,
        };
        self.answer.lock().clone().unwrap_or(accepted)
    }
}

struct World {
    store: Arc<MemoryStore>,
    clock: Arc<Hands>,
    mailbox: Arc<Mailbox>,
    node: Arc<Node>,
}

const DEFINITIONS: &str = r#"
policy: default
timezone: UTC
from: "Northbeam <hello@example.com>"
topics: [ { name: tips, title: Tips, default: subscribed } ]
---
segment: active
audience: person
when: count("report_created", 7d) >= 2
---
program: quiet
audience: person
topic: tips
enter: { when: 'count("report_created", 30d) >= 1 and since(last("report_created")) >= 10d', again: always }
steps:
  - send: email
    template: miss-you
"#;

const TEMPLATE: &str = "---\nsubject: \"We miss you, {{ person.first_name }}\"\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ person.first_name }}</mj-text></mj-column></mj-section></mj-body></mjml>";

impl World {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        Workspace::create(store.as_ref(), "test", &[7; ENTROPY_BYTES]).unwrap();
        let start = Timestamp::parse("2026-03-02T09:00:00Z").unwrap();
        let clock = Arc::new(Hands {
            now: AtomicI64::new(start.0),
        });
        let mailbox = Arc::new(Mailbox::default());
        let node = open(&store, &clock, &mailbox);
        Self {
            store,
            clock,
            mailbox,
            node,
        }
    }

    fn restart(&mut self) {
        self.node = open(&self.store, &self.clock, &self.mailbox);
    }

    fn pass(&self, ms: i64) {
        self.clock.now.fetch_add(ms, Ordering::SeqCst);
        self.run();
    }

    fn run(&self) {
        loop {
            let worked = self.node.step_worker().unwrap() == Step::Worked;
            let sent = self.node.dispatcher().step(100).unwrap();
            if !worked && sent == 0 {
                return;
            }
        }
    }

    fn publish(&self, text: &str) {
        let files = vec![
            SourceFile {
                path: "all.yaml".into(),
                text: text.into(),
            },
            SourceFile {
                path: "templates/miss-you.mjml".into(),
                text: TEMPLATE.into(),
            },
        ];
        let request = PublishRequest {
            files,
            author: "test".into(),
            ..PublishRequest::default()
        };
        match self.node.publish(&request) {
            Ok(_) => self.run(),
            Err(tenure_app::error::AppError::Definitions(findings)) => {
                panic!(
                    "{}",
                    findings
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join("\n")
                )
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn call(&self, id: &str, user: &str, kind: CallKind) -> Call {
        let salt = self.node.salt();
        Call {
            event_id: event_id(salt, id),
            kind,
            user: Some(Name::new(salt, IdentifierKind::UserId, user)),
            anonymous: None,
            email: None,
            account: None,
            occurred_at: None,
            historical: false,
        }
    }

    fn track(&self, id: &str, user: &str, event: &str) {
        let kind = CallKind::Track {
            name: event.into(),
            properties: "{}".into(),
        };
        self.node
            .writer()
            .ingest_and_wait(vec![self.call(id, user, kind)])
            .unwrap();
        self.run();
    }

    fn identify(&self, user: &str, first_name: &str) {
        let email = format!("{user}@example.com");
        let traits = vec![
            ("email".into(), Some(email.as_str().into())),
            ("first_name".into(), Some(first_name.into())),
        ];
        let id = format!("identify-{user}");
        let call = self.call(&id, user, CallKind::Identify { traits });
        self.node.writer().ingest_and_wait(vec![call]).unwrap();
        self.run();
    }

    fn outcomes(&self) -> Vec<&'static str> {
        let decisions = self
            .store
            .decisions(
                &DecisionFilter::default(),
                &Page {
                    after: None,
                    limit: 100,
                },
            )
            .unwrap();
        decisions
            .iter()
            .rev()
            .map(|decision| decision.outcome.as_str())
            .collect()
    }
}

fn open(store: &Arc<MemoryStore>, clock: &Arc<Hands>, mailbox: &Arc<Mailbox>) -> Arc<Node> {
    let parts = Parts {
        store: Arc::clone(store) as _,
        clock: Arc::clone(clock) as _,
        email: Arc::clone(mailbox) as _,
        dispatch: DispatchSettings::default(),
        cached_subjects: 0,
    };
    Node::open_inline(parts).unwrap()
}

#[test]
fn a_condition_that_only_time_makes_true_sends_its_mail_once_at_that_time() {
    let world = World::new();
    world.publish(DEFINITIONS);
    world.identify("ada", "Ada");
    world.track("e1", "ada", "report_created");
    world.pass(10 * DAY_MS - 1);
    assert_eq!(world.mailbox.mails.lock().len(), 0);
    world.pass(1);
    assert_eq!(
        world.mailbox.mails.lock().len(),
        1,
        "{:?}",
        world.outcomes()
    );
    world.pass(5 * DAY_MS);
    let mails = world.mailbox.mails.lock();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("We miss you, Ada"), "{}", mails[0]);
    assert!(mails[0].contains("List-Unsubscribe"), "{}", mails[0]);
}

#[test]
fn members_follow_a_window_to_the_millisecond_and_a_repeat_counts_once() {
    let world = World::new();
    world.publish(DEFINITIONS);
    world.identify("ada", "Ada");
    let members = || {
        world
            .store
            .members("active", &Page::default())
            .unwrap()
            .len()
    };
    world.track("e1", "ada", "report_created");
    world.track("e1", "ada", "report_created");
    assert_eq!(members(), 0);
    world.pass(HOUR_MS);
    world.track("e2", "ada", "report_created");
    assert_eq!(members(), 1);
    world.pass(7 * DAY_MS - HOUR_MS - 1);
    assert_eq!(members(), 1);
    world.pass(1);
    assert_eq!(members(), 0);
}

#[test]
fn a_restart_at_any_moment_neither_repeats_nor_loses_the_mail() {
    let mut world = World::new();
    world.publish(DEFINITIONS);
    world.restart();
    world.identify("ada", "Ada");
    world.restart();
    world.track("e1", "ada", "report_created");
    world.restart();
    world.pass(9 * DAY_MS);
    world.restart();
    world.pass(2 * DAY_MS);
    assert_eq!(
        world.mailbox.mails.lock().len(),
        1,
        "{:?}",
        world.outcomes()
    );
    world.restart();
    world.pass(2 * DAY_MS);
    assert_eq!(world.mailbox.mails.lock().len(), 1);
}

#[test]
fn a_new_segment_counts_what_happened_before_it_was_defined() {
    let world = World::new();
    world.identify("ada", "Ada");
    world.track("e1", "ada", "report_created");
    world.track("e2", "ada", "report_created");
    world.pass(DAY_MS);
    world.publish(DEFINITIONS);
    assert_eq!(
        world
            .store
            .members("active", &Page::default())
            .unwrap()
            .len(),
        1
    );
    assert!(world.node.live().backfill().unwrap().done);
}

#[test]
fn an_unknown_outcome_is_parked_and_never_sent_again_by_itself() {
    let world = World::new();
    world.publish(DEFINITIONS);
    world.identify("ada", "Ada");
    *world.mailbox.answer.lock() = Some(Outcome::Unknown {
        reason: "no reply to the final dot".into(),
    });
    world.track("e1", "ada", "report_created");
    world.pass(10 * DAY_MS);
    world.pass(DAY_MS);
    assert_eq!(world.mailbox.mails.lock().len(), 1);
    let filter = MessageFilter {
        state: Some(tenure_store::row::MessageState::Unknown),
        ..MessageFilter::default()
    };
    let unknown = world.store.messages(&filter, &Page::default()).unwrap();
    assert_eq!(unknown.len(), 1);
    *world.mailbox.answer.lock() = None;
    world.node.resend(unknown[0].intent.id).unwrap();
    world.run();
    assert_eq!(world.mailbox.mails.lock().len(), 2);
}

#[test]
fn what_certainly_did_not_go_out_is_tried_again_later() {
    let world = World::new();
    world.publish(DEFINITIONS);
    world.identify("ada", "Ada");
    *world.mailbox.answer.lock() = Some(Outcome::NotSent {
        reason: "connection refused".into(),
    });
    world.track("e1", "ada", "report_created");
    world.pass(10 * DAY_MS);
    *world.mailbox.answer.lock() = None;
    world.pass(HOUR_MS);
    let sent = MessageFilter {
        state: Some(tenure_store::row::MessageState::Sent),
        ..MessageFilter::default()
    };
    assert_eq!(
        world.store.messages(&sent, &Page::default()).unwrap().len(),
        1
    );
}

#[test]
fn every_wait_of_a_program_ends_when_due_although_the_node_restarts_in_between() {
    let mut world = World::new();
    world.publish(
        r#"
policy: default
from: "Northbeam <hello@example.com>"
topics: [ { name: tips, title: Tips, default: subscribed } ]
---
program: drip
audience: person
topic: tips
enter: { event: signed_up }
steps:
  - wait: 1d
  - send: email
    template: miss-you
  - wait: 1d
  - wait: 1d
  - send: email
    template: miss-you
"#,
    );
    world.identify("ada", "Ada");
    world.track("e1", "ada", "signed_up");
    world.node.flush().unwrap();
    world.restart();
    for _ in 0..3 {
        world.pass(DAY_MS);
    }
    assert_eq!(
        world.mailbox.mails.lock().len(),
        2,
        "{:?}",
        world.outcomes()
    );
}

#[test]
fn an_account_that_a_merged_person_left_long_ago_counts_one_person() {
    let mut world = World::new();
    world.publish("segment: busy\naudience: account\nwhen: active_people(30d) >= 2\n");
    let tell = |world: &World, id: &str, kind: CallKind, names: [Option<&str>; 3]| {
        let salt = world.node.salt();
        let name = |kind, value: Option<&str>| value.map(|value| Name::new(salt, kind, value));
        let [user, anonymous, account] = names;
        let call = Call {
            event_id: event_id(salt, id),
            kind,
            user: name(IdentifierKind::UserId, user),
            anonymous: name(IdentifierKind::AnonymousId, anonymous),
            email: None,
            account: name(IdentifierKind::AccountId, account),
            occurred_at: None,
            historical: false,
        };
        world.node.writer().ingest_and_wait(vec![call]).unwrap();
        world.run();
    };
    let busy = |world: &World| world.store.members("busy", &Page::default()).unwrap().len();
    let group = || CallKind::Group { traits: Vec::new() };
    let seen = || CallKind::Track {
        name: "seen".into(),
        properties: "{}".into(),
    };
    let visitor = Some("visitor");
    tell(&world, "1", group(), [None, visitor, Some("acme")]);
    tell(&world, "2", seen(), [None, visitor, None]);
    tell(&world, "3", group(), [None, visitor, Some("other")]);
    tell(&world, "4", group(), [Some("ada"), None, Some("acme")]);
    tell(&world, "5", seen(), [Some("ada"), None, None]);
    assert_eq!(busy(&world), 1);
    world.restart();
    let identify = CallKind::Identify { traits: Vec::new() };
    tell(&world, "6", identify, [Some("ada"), visitor, None]);
    assert_eq!(busy(&world), 0, "the visitor was Ada");
}
