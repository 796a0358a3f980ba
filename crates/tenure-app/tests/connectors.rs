//! Connectors of a node, with a provider that does as it is told.

#[path = "world/mod.rs"]
mod world;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, json};
use tenure_app::access::Actor;
use tenure_app::breakers::BreakerState;
use tenure_app::call::{Call, CallKind as Kind, Name, event_id};
use tenure_app::connectors::{Config, ListBinding, PullFrom, PushRequest};
use tenure_app::dispatch::DispatchSettings;
use tenure_app::query::Query;
use tenure_connectors::Outcome;
use tenure_connectors::provider::{
    Action, CallKind, Change, Connector, Description, Fault, Item, Mode, Move, Page, Planned,
    PulledCall, Pushed, Who, Write, describe, message_id,
};
use tenure_connectors::webhook::Attempt;
use tenure_core::define::Audience;
use tenure_core::id::SubjectId;
use tenure_core::log::IdentifierKind;
use tenure_core::subject::SubjectState;
use tenure_core::value::Value;

use world::World;

const SEGMENT: (&str, &str) = (
    "segments/pro.yaml",
    "segment: pro\naudience: person\nwhen: plan == \"pro\"\n",
);

/// Gives the pages it was given, and keeps a list.
#[derive(Default)]
struct Provider {
    pages: Mutex<Vec<Page>>,
    faults: Mutex<VecDeque<Fault>>,
    members: Mutex<BTreeSet<String>>,
    /// In the order in which they came.
    moves: Mutex<Vec<String>>,
    attempts: Mutex<VecDeque<Attempt>>,
    written: Mutex<Vec<Write>>,
}

impl Connector for Provider {
    fn description(&self) -> &'static Description {
        describe("hubspot").unwrap()
    }

    fn test(&self, _now_ms: i64) -> Result<String, Fault> {
        Ok("it answers".into())
    }

    fn pull(&self, stream: &str, cursor: Option<&str>, _now_ms: i64) -> Result<Page, Fault> {
        if stream != "contacts" {
            return Ok(page(&[], "0", false));
        }
        if let Some(fault) = self.faults.lock().pop_front() {
            return Err(fault);
        }
        let index: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let pages = self.pages.lock();
        Ok(pages.get(index).cloned().unwrap_or(Page {
            calls: Vec::new(),
            cursor: pages.len().to_string(),
            more: false,
        }))
    }

    fn plan(&self, items: &[Item], _now_ms: i64) -> Vec<Planned> {
        let plan = |(index, item): (usize, &Item)| {
            let (who, action, fields) = match &item.change {
                Change::Member { who, direction, .. } => match direction {
                    Move::Add => (who, Action::Add, Map::new()),
                    Move::Remove => (who, Action::Remove, Map::new()),
                },
                Change::Person { who, traits } => {
                    let fields = traits
                        .iter()
                        .map(|(name, told)| (name.clone(), told.value.clone()));
                    (who, Action::Upsert, fields.collect())
                }
                _ => panic!("{item:?}"),
            };
            Planned::Write(Write {
                index,
                item_id: item.id.clone(),
                object: "contacts".into(),
                action,
                key_field: "user_id".into(),
                key: who.user_id.clone().unwrap(),
                fields,
            })
        };
        items.iter().enumerate().map(plan).collect()
    }

    fn write(&self, writes: &[Write], _now_ms: i64) -> Vec<Attempt> {
        writes.iter().map(|write| self.write_one(write)).collect()
    }
}

impl Provider {
    fn write_one(&self, write: &Write) -> Attempt {
        if let Some(attempt) = self.attempts.lock().pop_front() {
            return attempt;
        }
        let key = write.key.clone();
        match write.action {
            Action::Add => drop(self.members.lock().insert(key)),
            Action::Remove => drop(self.members.lock().remove(&key)),
            _ => self.written.lock().push(write.clone()),
        }
        self.moves
            .lock()
            .push(format!("{:?} {}", write.action, write.key));
        Attempt {
            outcome: Outcome::Accepted {
                response: "ok".into(),
                queue_id: None,
            },
            retry_after_ms: None,
        }
    }

    fn members(&self) -> Vec<String> {
        self.members.lock().iter().cloned().collect()
    }
}

fn start(lists: &[&str]) -> (World, Arc<Provider>) {
    let world = World::new(DispatchSettings::default());
    world.publish(&[SEGMENT]);
    let provider = Arc::new(Provider::default());
    set(&world, &provider, lists);
    (world, provider)
}

fn set(world: &World, provider: &Arc<Provider>, lists: &[&str]) {
    let lists = lists.iter().map(|list| ListBinding {
        segment: "pro".into(),
        list: (*list).into(),
    });
    let config = Config {
        name: "crm".into(),
        kind: "hubspot".into(),
        settings: [].into(),
        mapping: None,
        pull_every_s: Some(60),
        lists: lists.collect(),
    };
    let connectors = world.node.connectors();
    connectors.set(&config, &Actor::command()).unwrap();
    connectors.take_opened("crm", Arc::clone(provider) as _);
}

/// Tells traits of a person, and lets the engine take them.
fn identify(world: &World, user: &str, traits: &[(&str, &str)]) {
    let salt = world.node.salt();
    let traits = traits
        .iter()
        .map(|(name, value)| ((*name).into(), Some(Value::text(*value))));
    let call = Call {
        event_id: event_id(salt, &format!("{user} {}", world.node.log_end())),
        kind: Kind::Identify {
            traits: traits.collect(),
        },
        user: Some(Name::new(salt, IdentifierKind::UserId, user)),
        anonymous: None,
        email: None,
        account: None,
        occurred_at: None,
        historical: false,
    };
    world.node.writer().ingest_and_wait(vec![call]).unwrap();
    world.run();
}

fn call(record: &str, plan: &str, only_if_missing: bool) -> PulledCall {
    let mut fields = Map::new();
    fields.insert("plan".into(), json!(plan));
    PulledCall {
        message_id: message_id("crm", "contacts", record, plan, ""),
        kind: CallKind::Identify,
        who: Who {
            user_id: Some(record.into()),
            ..Who::default()
        },
        event: String::new(),
        occurred_at_ms: None,
        fields,
        only_if_missing,
    }
}

fn page(calls: &[PulledCall], cursor: &str, more: bool) -> Page {
    Page {
        calls: calls.to_vec(),
        cursor: cursor.into(),
        more,
    }
}

fn person(world: &World, user: &str) -> Option<SubjectState> {
    let query = Query::new(world.store.as_ref(), world.node.salt());
    let id = query.person_named(IdentifierKind::UserId, user).unwrap()?;
    query.subject(SubjectId::Person(id)).unwrap()
}

fn plan_of(world: &World, user: &str) -> Option<Value> {
    person(world, user)?.traits.get("plan").cloned()
}

#[test]
fn what_is_pulled_is_told_once_and_goes_on_at_the_kept_cursor() {
    let (world, provider) = start(&[]);
    *provider.pages.lock() = vec![
        page(
            &[call("anna", "pro", false), call("bea", "free", false)],
            "1",
            true,
        ),
        page(&[call("cora", "pro", false)], "2", false),
    ];
    let connectors = world.node.connectors();
    let pulled = connectors
        .pull("crm", "contacts", 10, PullFrom::Cursor)
        .unwrap();
    assert_eq!(
        (pulled.page_count, pulled.accepted_count, pulled.more),
        (2, 3, false)
    );
    world.run();
    assert_eq!(plan_of(&world, "anna"), Some(Value::text("pro")));

    let quiet = connectors
        .pull("crm", "contacts", 10, PullFrom::Cursor)
        .unwrap();
    assert_eq!((quiet.page_count, quiet.accepted_count), (1, 0));
    let again = connectors
        .pull("crm", "contacts", 10, PullFrom::Beginning)
        .unwrap();
    assert_eq!((again.accepted_count, again.duplicate_count), (0, 3));
}

#[test]
fn a_failure_keeps_the_cursor_and_pauses_for_as_long_as_the_provider_asks() {
    let (world, provider) = start(&[]);
    *provider.pages.lock() = vec![page(&[call("anna", "pro", false)], "1", false)];
    let busy = Fault::Busy {
        retry_after_ms: 90_000,
        code: Some(429),
        reason: "too many".into(),
    };
    provider.faults.lock().push_back(busy);
    let connectors = world.node.connectors();
    let pulled = connectors
        .pull("crm", "contacts", 10, PullFrom::Cursor)
        .unwrap();
    assert!(pulled.failure.unwrap().contains("too many"));
    let config = connectors.show("crm").unwrap().config;
    world.pass(89_999);
    connectors.work(&config).unwrap();
    assert_eq!(plan_of(&world, "anna"), None);
    world.pass(1);
    connectors.work(&config).unwrap();
    world.run();
    assert_eq!(plan_of(&world, "anna"), Some(Value::text("pro")));
    let (_, progress) = &connectors.show("crm").unwrap().streams[0];
    assert_eq!(
        (progress.failure_count, progress.failure.as_deref()),
        (0, None)
    );
}

#[test]
fn a_provider_that_is_away_is_left_alone_until_its_breaker_lets_it_be_asked() {
    /// So many failures in a row open a breaker.
    const FAILURES: usize = 5;
    let (world, provider) = start(&[]);
    *provider.pages.lock() = vec![page(&[call("anna", "pro", false)], "1", false)];
    let away = || Fault::NotSent {
        reason: "nobody answers".into(),
    };
    provider
        .faults
        .lock()
        .extend((0..=FAILURES).map(|_| away()));
    let connectors = world.node.connectors();
    let pull = || {
        connectors
            .pull("crm", "contacts", 1, PullFrom::Cursor)
            .unwrap()
    };
    for _ in 0..FAILURES {
        assert!(pull().failure.unwrap().contains("nobody answers"));
    }
    let open = |name: &str| {
        world
            .node
            .breakers()
            .into_iter()
            .any(|view| view.name == name && view.state == BreakerState::Open)
    };
    assert!(open("connector:crm"));
    assert!(pull().failure.unwrap().contains("is left alone until"));
    assert_eq!(provider.faults.lock().len(), 1, "it was not asked");
    let request = PushRequest {
        segment: None,
        audience: Audience::Person,
        mode: Mode::Write,
        page: tenure_store::Page {
            after: None,
            limit: 1,
        },
    };
    assert!(
        connectors
            .push("crm", &request)
            .unwrap_err()
            .to_string()
            .contains("left alone")
    );
    provider.faults.lock().clear();
    assert!(world.node.reset_breaker("connector:crm").unwrap());
    let config = connectors.show("crm").unwrap().config;
    connectors.work(&config).unwrap();
    world.run();
    assert_eq!(plan_of(&world, "anna"), Some(Value::text("pro")));
    assert!(!open("connector:crm"));
}

#[test]
fn a_provider_that_refuses_is_there() {
    let (world, provider) = start(&[]);
    let refused = || Fault::Unauthorized {
        code: 401,
        reason: "no".into(),
    };
    provider.faults.lock().extend((0..9).map(|_| refused()));
    let connectors = world.node.connectors();
    for _ in 0..9 {
        connectors
            .pull("crm", "contacts", 1, PullFrom::Cursor)
            .unwrap();
    }
    assert!(provider.faults.lock().is_empty());
    assert!(
        world
            .node
            .breakers()
            .iter()
            .all(|view| view.name != "connector:crm")
    );
}

#[test]
fn a_value_that_counts_for_more_here_is_not_overwritten() {
    let (world, provider) = start(&[]);
    identify(&world, "anna", &[("plan", "pro")]);
    world.run();
    *provider.pages.lock() = vec![page(
        &[call("anna", "theirs", true), call("bea", "theirs", true)],
        "1",
        false,
    )];
    let connectors = world.node.connectors();
    connectors
        .pull("crm", "contacts", 1, PullFrom::Cursor)
        .unwrap();
    world.run();
    assert_eq!(plan_of(&world, "anna"), Some(Value::text("pro")));
    assert_eq!(plan_of(&world, "bea"), Some(Value::text("theirs")));
}

#[test]
fn a_list_has_who_was_in_the_segment_before_and_follows_it_from_then_on() {
    let (world, provider) = start(&[]);
    identify(&world, "anna", &[("plan", "pro")]);
    world.run();
    set(&world, &provider, &["42"]);
    let connectors = world.node.connectors();
    identify(&world, "bea", &[("plan", "pro")]);
    world.run();
    while connectors.step_lists("crm").unwrap() {}
    assert_eq!(provider.members(), ["anna", "bea"]);
    identify(&world, "anna", &[("plan", "free")]);
    world.run();
    while connectors.step_lists("crm").unwrap() {}
    assert_eq!(provider.members(), ["bea"]);
    assert_eq!(
        provider.moves.lock().len(),
        3,
        "{:?}",
        provider.moves.lock()
    );
}

#[test]
fn what_a_list_does_not_take_now_is_tried_again_later_and_in_order() {
    let (world, provider) = start(&["42"]);
    let lost = Attempt {
        outcome: Outcome::Unknown {
            reason: "no answer came in time".into(),
        },
        retry_after_ms: None,
    };
    let connectors = world.node.connectors();
    identify(&world, "anna", &[("plan", "pro")]);
    world.run();
    provider.attempts.lock().push_back(lost);
    assert!(!connectors.step_lists("crm").unwrap());
    world.pass(1_000);
    identify(&world, "anna", &[("plan", "free")]);
    world.run();
    assert!(!connectors.step_lists("crm").unwrap(), "it did not pause");
    assert!(provider.moves.lock().is_empty());
    world.pass(1_000);
    while connectors.step_lists("crm").unwrap() {}
    assert_eq!(*provider.moves.lock(), ["Add anna", "Remove anna"]);
    assert!(provider.members().is_empty());
}

#[test]
fn a_dry_run_of_a_push_says_what_would_be_written_of_the_mapped_traits() {
    let (world, provider) = start(&[]);
    identify(&world, "anna", &[("plan", "pro"), ("first_name", "Anna")]);
    world.node.flush().unwrap();
    let request = |mode| PushRequest {
        segment: Some("pro".into()),
        audience: Audience::Person,
        mode,
        page: tenure_store::Page::default(),
    };
    let connectors = world.node.connectors();
    let report = connectors.push("crm", &request(Mode::DryRun)).unwrap();
    let Pushed::WouldWrite { write } = &report.rows[0].pushed else {
        panic!("{report:?}");
    };
    assert_eq!(json!(write.fields), json!({ "first_name": "Anna" }));
    assert!(provider.written.lock().is_empty());
    let report = connectors.push("crm", &request(Mode::Write)).unwrap();
    assert_eq!((report.accepted_count, report.rows.len()), (1, 1));
    assert_eq!(provider.written.lock().len(), 1);
}

#[test]
fn a_set_up_is_checked_and_holds_no_secret() {
    let (world, provider) = start(&["42"]);
    let connectors = world.node.connectors();
    let config = connectors.show("crm").unwrap().config;
    let complain = |config: Config| {
        let error = connectors.set(&config, &Actor::command()).unwrap_err();
        error.to_string()
    };
    let with = |name: &str, value: &str| Config {
        settings: [(name.to_owned(), value.to_owned())].into(),
        ..config.clone()
    };
    assert!(complain(with("token", "pat-1")).contains("is a secret"));
    assert!(complain(with("colour", "blue")).contains("this kind knows base_url"));
    let named = |name: &str| Config {
        name: name.into(),
        ..config.clone()
    };
    assert!(complain(named("CRM")).starts_with("name:"));
    let slack = Config {
        kind: "slack".into(),
        ..config.clone()
    };
    assert!(complain(slack).contains("Slack has no lists"));
    connectors.remove("crm", &Actor::command()).unwrap();
    assert!(connectors.show("crm").is_err());
    assert!(provider.moves.lock().is_empty());
}
