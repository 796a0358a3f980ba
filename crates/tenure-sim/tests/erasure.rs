//! Of a person who is erased nothing is left, whatever happens on the way; of all others everything.

use std::path::Path;
use std::sync::Arc;

use tenure_app::access::Actor;
use tenure_app::call::{Call, CallKind, Name, event_id};
use tenure_app::dispatch::DispatchSettings;
use tenure_app::jobs::{JobFilter, JobState};
use tenure_app::node::{Node, Parts};
use tenure_app::publish::PublishRequest;
use tenure_app::worker::Step;
use tenure_app::workspace::Workspace;
use tenure_core::define::SourceFile;
use tenure_core::id::PersonId;
use tenure_core::log::IdentifierKind;
use tenure_core::time::Timestamp;
use tenure_sim::world::clock::VirtualClock;
use tenure_sim::world::mail::FaultyMail;
use tenure_sim::world::run::ENTROPY;
use tenure_sim::world::store::{Cut, FaultyStore};
use tenure_store::memory::MemoryStore;
use tenure_store::query::RefusalFilter;
use tenure_store::row::MessageState;
use tenure_store::{Page, Store};
use tenure_store_sqlite::{Options, SqliteStore};

const DEFINITIONS: &str = r#"policy: default
timezone: UTC
from: "Northbeam <hello@example.com>"
topics: [ { name: onboarding, title: Onboarding, default: subscribed } ]
---
segment: signed-up
audience: person
when: count("signed_up") >= 1
---
program: welcome
about: Somebody signed up
audience: person
topic: onboarding
enter: { event: signed_up }
steps:
  - send: email
    template: welcome
  - task: call
    title: "Call {{ person.nickname }}"
    to: owner
    due: 2d
  - wait: 30d
"#;
const LATER: &str =
    "---\nsegment: reporting\naudience: account\nwhen: count(\"report_created\") >= 2\n";
const TEMPLATE: &str = "---\nsubject: \"Welcome, {{ person.nickname }}\"\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>Hello</mj-text></mj-column></mj-section></mj-body></mjml>";

/// What is told of Noor alone: nowhere else.
const NEEDLES: [&str; 5] = [
    "noor-user",
    "noor@example.com",
    "marker-trait",
    "marker-property",
    "noor-browser",
];

struct World {
    clock: Arc<VirtualClock>,
    mail: Arc<FaultyMail>,
    node: Arc<Node>,
}

impl World {
    fn open(store: Arc<dyn Store>, clock: &Arc<VirtualClock>, mail: &Arc<FaultyMail>) -> Self {
        let node = Node::open_inline(Parts {
            store,
            clock: Arc::clone(clock) as _,
            email: Arc::clone(mail) as _,
            dispatch: DispatchSettings::default(),
            cached_subjects: 0,
        });
        Self {
            clock: Arc::clone(clock),
            mail: Arc::clone(mail),
            node: node.unwrap(),
        }
    }

    /// A company in which Noor and Sam did things.
    fn lived_in(store: Arc<dyn Store>) -> Self {
        Workspace::create(store.as_ref(), "erasure", &ENTROPY).unwrap();
        let noon = Timestamp::parse("2026-03-03T12:00:00Z").unwrap();
        let clock = Arc::new(VirtualClock::at(noon));
        let power = Arc::new(FaultyStore::new());
        let mail = Arc::new(FaultyMail::new(power, Arc::clone(&clock), 0));
        mail.behave();
        let world = Self::open(store, &clock, &mail);
        world.publish(DEFINITIONS);
        for user in ["noor", "sam"] {
            world.live(user);
        }
        let noor = world.person("noor-user");
        world.node.consent(noor, Some("onboarding"), true).unwrap();
        world.run();
        world
    }

    fn publish(&self, text: &str) {
        let file = |path: &str, text: &str| SourceFile {
            path: path.into(),
            text: text.into(),
        };
        let request = PublishRequest {
            files: vec![
                file("all.yaml", text),
                file("templates/welcome.mjml", TEMPLATE),
            ],
            author: "test".into(),
            ..PublishRequest::default()
        };
        self.node.publish(&request).unwrap();
        self.run();
    }

    fn name(&self, kind: IdentifierKind, value: &str) -> Name {
        Name::new(self.node.salt(), kind, value)
    }

    fn person(&self, user: &str) -> PersonId {
        self.name(IdentifierKind::UserId, user).own_person()
    }

    fn call(&self, id: &str, user: &str, kind: CallKind) {
        let call = Call {
            event_id: event_id(self.node.salt(), id),
            kind,
            user: Some(self.name(IdentifierKind::UserId, &format!("{user}-user"))),
            anonymous: Some(self.name(IdentifierKind::AnonymousId, &format!("{user}-browser"))),
            email: Some(self.name(IdentifierKind::Email, &format!("{user}@example.com"))),
            account: Some(self.name(IdentifierKind::AccountId, "acme")),
            occurred_at: None,
            historical: false,
        };
        self.node.writer().ingest_and_wait(vec![call]).unwrap();
        self.run();
    }

    fn live(&self, user: &str) {
        let is_noor = user == "noor";
        let word = |noors: &str| {
            if is_noor {
                noors.to_owned()
            } else {
                "plain".to_owned()
            }
        };
        let browsing = Call {
            event_id: event_id(self.node.salt(), &format!("{user}-0")),
            kind: track(
                "page",
                &format!("{{\"title\":\"{}\"}}", word("marker-property")),
            ),
            user: None,
            anonymous: Some(self.name(IdentifierKind::AnonymousId, &format!("{user}-browser"))),
            email: None,
            account: None,
            occurred_at: None,
            historical: false,
        };
        self.node.writer().ingest_and_wait(vec![browsing]).unwrap();
        let traits = vec![
            (
                "email".into(),
                Some(format!("{user}@example.com").as_str().into()),
            ),
            (
                "nickname".into(),
                Some(word("marker-trait").as_str().into()),
            ),
        ];
        self.call(&format!("{user}-1"), user, CallKind::Identify { traits });
        self.call(
            &format!("{user}-2"),
            user,
            CallKind::Group { traits: Vec::new() },
        );
        let properties = format!("{{\"about\":\"{}\"}}", word("marker-property"));
        self.call(&format!("{user}-3"), user, track("signed_up", &properties));
        self.call(
            &format!("{user}-4"),
            user,
            track("report_created", &properties),
        );
    }

    fn run(&self) {
        loop {
            let worked = self.node.step_worker().unwrap() == Step::Worked;
            let sent = self.node.dispatcher().step(20).unwrap();
            if !worked && sent == 0 {
                return;
            }
        }
    }

    fn erase(&self, user: &str) {
        let person = self.person(user);
        self.node.erase(person, true, &Actor::command()).unwrap();
    }

    fn run_jobs(&self) {
        while self.node.step_jobs().unwrap() {}
    }

    fn job_state(&self) -> JobState {
        let jobs = self
            .node
            .jobs()
            .jobs(JobFilter::default(), None, 10)
            .unwrap();
        jobs[0].state
    }

    fn sent_count(&self) -> usize {
        self.mail.attempts_since(0).len()
    }

    fn members(&self, segment: &str) -> usize {
        let page = Page {
            after: None,
            limit: 100,
        };
        self.node.store().members(segment, &page).unwrap().len()
    }
}

fn track(name: &str, properties: &str) -> CallKind {
    CallKind::Track {
        name: name.into(),
        properties: properties.into(),
    }
}

/// Which needles stand in the files of a folder.
fn found_in(folder: &Path) -> Vec<&'static str> {
    let files: Vec<Vec<u8>> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    let stands = |needle: &str| {
        files.iter().any(|bytes| {
            bytes
                .windows(needle.len())
                .any(|part| part == needle.as_bytes())
        })
    };
    NEEDLES
        .into_iter()
        .filter(|needle| stands(needle))
        .collect()
}

fn found_in_memory(store: &MemoryStore) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    store
        .backup(&folder.path().join("all"), &mut |_, _| {})
        .unwrap();
    found_in(folder.path())
}

#[test]
fn no_byte_of_an_erased_person_is_left_in_any_file_also_after_a_restart_and_a_backfill() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Arc::new(SqliteStore::open(folder.path(), Options::default()).unwrap());
    drop(SqliteStore::create(folder.path(), Options::default()).unwrap());
    let world = World::lived_in(open());
    world.node.flush().unwrap();
    assert_eq!(
        found_in(folder.path()),
        NEEDLES,
        "the search finds what is there"
    );
    assert_eq!((world.sent_count(), world.members("signed-up")), (2, 2));

    world.erase("noor-user");
    world.run_jobs();
    assert_eq!(world.job_state(), JobState::Succeeded);
    assert_eq!(found_in(folder.path()), [""; 0]);
    assert_eq!(world.members("signed-up"), 1);
    assert_eq!(world.node.store().check().unwrap(), [""; 0]);

    let (clock, mail) = (Arc::clone(&world.clock), Arc::clone(&world.mail));
    world.node.stop();
    drop(world);
    let world = World::open(open(), &clock, &mail);
    world.run();
    world.publish(&format!("{DEFINITIONS}{LATER}"));
    while world
        .node
        .live()
        .backfill()
        .is_some_and(|backfill| !backfill.done)
    {
        world.run();
    }
    world.node.flush().unwrap();
    assert_eq!(found_in(folder.path()), [""; 0]);
    assert_eq!(
        world.members("reporting"),
        1,
        "her events still count for the account"
    );
}

#[test]
fn whoever_comes_back_is_new_and_is_not_written_to() {
    let store = Arc::new(MemoryStore::new());
    let world = World::lived_in(Arc::clone(&store) as _);
    world.erase("noor-user");
    world.run_jobs();
    let sent_count = world.sent_count();
    let traits = vec![("email".into(), Some("noor@example.com".into()))];
    world.call("again-1", "noor", CallKind::Identify { traits });
    world.call("again-2", "noor", track("signed_up", "{}"));
    world.node.flush().unwrap();
    assert_eq!(world.sent_count(), sent_count);
    let refusals = store
        .refusals(&RefusalFilter::default(), &Page::default())
        .unwrap();
    let kept: Vec<&str> = refusals
        .iter()
        .map(|(_, refusal)| &*refusal.reason)
        .collect();
    assert_eq!(kept, ["erased"]);
    let messages = store.message_counts().unwrap();
    assert!(
        messages.contains(&(MessageState::Cancelled, 1)),
        "{messages:?}"
    );
    assert!(!found_in_memory(&store).contains(&"marker-trait"));
}

#[test]
fn an_erasure_that_is_cut_off_anywhere_is_completed_after_the_restart() {
    let mut cut_count = 0;
    for cut in [Cut::Before, Cut::After] {
        for after in 0.. {
            let store = Arc::new(FaultyStore::new());
            let world = World::lived_in(Arc::clone(&store) as _);
            world.erase("noor-user");
            store.cut_after(after, cut);
            // What is said to whoever asked is not what this is about.
            while matches!(world.node.step_jobs(), Ok(true)) {}
            let is_cut = store.is_down();
            store.restore_power();
            store.behave();
            let (clock, mail) = (Arc::clone(&world.clock), Arc::clone(&world.mail));
            drop(world);
            let world = World::open(Arc::clone(&store) as _, &clock, &mail);
            world.run();
            world.run_jobs();
            world.node.flush().unwrap();
            assert_eq!(
                found_in_memory(store.data()),
                [""; 0],
                "cut {cut:?} after {after}"
            );
            assert_eq!(world.members("signed-up"), 1, "cut {cut:?} after {after}");
            assert_eq!(world.sent_count(), 2);
            if !is_cut {
                break;
            }
            cut_count += 1;
        }
    }
    assert!(cut_count > 10, "only {cut_count} commits were cut");
}
