//! Health as people write it and as it unfolds.

use std::collections::{BTreeMap, BTreeSet};

use tenure_core::define::{Definitions, SourceFile};
use tenure_core::diagnostic::Diagnostic;
use tenure_core::effect::{HealthRecordKind, Output};
use tenure_core::engine;
use tenure_core::health::{HealthReading, Zone, explain};
use tenure_core::id::{AccountId, EventId, PersonId, RootId, Salt, SubjectId};
use tenure_core::lang::parse_definitions;
use tenure_core::log::{Body, Entry, Event, Profile};
use tenure_core::plan::{Plan, PlanSources};
use tenure_core::subject::Root;
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_core::value::Value;

const START: Timestamp = Timestamp(1_767_225_600_000);
const ACCOUNT: SubjectId = SubjectId::Account(AccountId(1));

const PLAIN: &str = r#"
health: default
zones: { healthy: 70, watch: 50 }
hysteresis: 5
components:
  - { name: logins, weight: 3, value: count("login", 7d), curve: [[0, 0], [10, 100]] }
  - { name: nps, weight: 1, value: nps, curve: [[0, 0], [10, 100]] }
"#;

fn read(text: &str) -> Result<Definitions, Vec<Diagnostic>> {
    let file = SourceFile {
        path: "health.yaml".into(),
        text: text.into(),
    };
    parse_definitions(vec![file], &[]).map(|(definitions, _)| definitions)
}

fn compile(version: u32, text: &str) -> Result<Plan, Vec<Diagnostic>> {
    Plan::compile(PlanSources {
        version,
        salt: Salt([7; 32]),
        current: read(text)?,
        program_versions: BTreeMap::new(),
        retired: Vec::new(),
        paused: BTreeSet::new(),
    })
}

fn codes(text: &str) -> Vec<&'static str> {
    let found = compile(1, text).expect_err("the definitions are wrong");
    assert!(found.iter().all(|one| one.help.is_some()), "{found:#?}");
    found.iter().map(|one| one.code).collect()
}

struct World {
    plan: Plan,
    root: Root,
    out: Output,
    position: u64,
}

impl World {
    fn new(text: &str) -> Self {
        Self {
            plan: compile(1, text).unwrap_or_else(|found| panic!("{found:#?}")),
            root: Root::new(RootId(ACCOUNT)),
            out: Output::default(),
            position: 0,
        }
    }

    fn apply(&mut self, at: Timestamp, body: Body<'_>) {
        self.position += 1;
        let entry = Entry {
            position: self.position,
            received_at: at,
            body,
        };
        engine::apply(&self.plan, &mut self.root, &entry, &mut self.out);
    }

    fn events(&mut self, at: Timestamp, name: &str, times: u32, historical: bool) {
        for _ in 0..times {
            let event = Event {
                id: EventId(u128::from(self.position)),
                person: None,
                account: Some(AccountId(1)),
                occurred_at: at,
                historical,
                name: name.into(),
                properties: "{}".into(),
            };
            self.apply(at, Body::Event(event));
        }
    }

    fn set(&mut self, at: Timestamp, name: &str, value: impl Into<Value>) {
        let profile = Profile {
            subject: ACCOUNT,
            account: Some(AccountId(1)),
            occurred_at: at,
            historical: false,
            traits: vec![(name.into(), Some(value.into()))],
            identifiers: Vec::new(),
        };
        self.apply(at, Body::Profile(profile));
    }

    fn wake(&mut self, at: Timestamp) {
        engine::wake(&self.plan, &mut self.root, at, &mut self.out);
    }

    fn health(&self, at: Timestamp) -> HealthReading {
        explain(&self.plan, &self.root, ACCOUNT, at).expect("a definition applies")
    }

    fn zones(&self) -> Vec<(i64, Option<Zone>)> {
        let changes = self.out.health.iter();
        changes
            .filter(|record| record.kind == HealthRecordKind::Zone)
            .map(|record| (record.at.since_ms(START), record.zone))
            .collect()
    }
}

fn day(days: i64) -> Timestamp {
    START.plus_ms(days * DAY_MS)
}

#[test]
fn a_component_without_data_drops_out_and_the_others_count_for_more() {
    let mut world = World::new(PLAIN);
    world.events(START, "login", 6, false);
    let half = world.health(START);
    assert_eq!((half.score, half.coverage), (Some(60.0), 0.75));
    assert!(half.components[1].sentence.contains("no data"));
    world.set(START, "nps", 9.0);
    let whole = world.health(START);
    assert_eq!((whole.score, whole.coverage), (Some(67.5), 1.0));
    let given: Vec<Option<f64>> = whole
        .components
        .iter()
        .map(|one| one.contribution)
        .collect();
    assert_eq!(given, [Some(45.0), Some(22.5)]);
    assert_eq!(
        whole.components[0].sentence,
        "logins: the number of login in the last 7 days is 6, which scores 60 and gives 45 points"
    );
}

#[test]
fn a_zone_changes_at_the_instant_at_which_events_leave_the_window_and_is_told_once() {
    let mut world = World::new(PLAIN);
    world.events(START, "login", 8, false);
    world.wake(day(30));
    let week = 7 * DAY_MS;
    assert_eq!(
        world.zones(),
        [
            (0, Some(Zone::AtRisk)),
            (0, Some(Zone::Watch)),
            (0, Some(Zone::Healthy)),
            (week, Some(Zone::AtRisk)),
        ]
    );
    let told = &world.out.events;
    assert_eq!(told.len(), 3, "a first zone is no change");
    let last = told.last().expect("the change was told");
    assert_eq!(last.occurred_at, day(7));
    assert_eq!(&*last.name, "health_zone_changed");
    let properties: serde_json::Value = serde_json::from_str(&last.properties).unwrap();
    assert_eq!(
        properties,
        serde_json::json!({"from": "healthy", "to": "at_risk", "score": 0.0, "coverage": 0.75,
            "definition": "default", "contributions": {"logins": 0.0}})
    );
}

#[test]
fn history_that_is_imported_changes_zones_and_tells_nobody() {
    let mut world = World::new(PLAIN);
    world.events(START, "login", 8, true);
    assert_eq!(
        world.root.account().unwrap().health.zone,
        Some(Zone::Healthy)
    );
    assert_eq!(world.out.events, []);
}

#[test]
fn a_trend_compares_with_the_midnight_a_week_ago() {
    let mut world = World::new(PLAIN);
    world.set(START, "nps", 8.0);
    world.events(START, "login", 10, false);
    world.set(day(9), "nps", 4.0);
    world.wake(day(10));
    let now = world.health(day(10));
    // 95 then; the logins are gone and the answer is worse.
    assert_eq!((now.score, now.trend_7d), (Some(10.0), Some(-85.0)));
    assert_eq!(now.trend_30d, None);
    let daily = world
        .out
        .health
        .iter()
        .filter(|r| r.kind == HealthRecordKind::Daily);
    let daily: Vec<(i64, Option<f64>)> = daily
        .map(|record| (record.at.since_ms(START) / DAY_MS, record.score))
        .collect();
    assert_eq!(daily, [(1, Some(95.0)), (7, Some(20.0)), (10, Some(10.0))]);
}

#[test]
fn the_first_definition_by_priority_and_name_that_applies_counts() {
    let definition = |name: &str, rest: &str| {
        format!(
            "health: {name}\n{rest}\ncomponents:\n  - {{ name: one, value: nps, curve: [[0, 0], [10, 100]] }}\n---\n"
        )
    };
    let text = definition("aaa", "")
        + &definition("large", "when: seats > 100")
        + &definition("pilot", "when: pilot == true\npriority: 1");
    let mut world = World::new(&text);
    world.set(START, "nps", 8.0);
    assert_eq!(world.health(START).definition, "aaa");
    world.set(START, "seats", 200.0);
    assert_eq!(world.health(START).definition, "large");
    world.set(START, "pilot", true);
    assert_eq!(world.health(START).definition, "pilot");
}

#[test]
fn a_new_definition_is_in_force_at_once_and_its_zone_is_no_change_of_the_customer() {
    let mut world = World::new(PLAIN);
    world.events(START, "login", 8, false);
    let told = world.out.events.len();
    world.plan = compile(2, &PLAIN.replace("[10, 100]", "[20, 100]")).unwrap();
    engine::adopt(&world.plan, &mut world.root, day(1), None, &mut world.out);
    assert_eq!(world.health(day(1)).score, Some(40.0));
    assert_eq!(
        world.root.account().unwrap().health.zone,
        Some(Zone::AtRisk)
    );
    assert_eq!(world.out.events.len(), told);
}

#[test]
fn what_tenure_does_makes_nobody_active() {
    let text = r"
health: default
components:
  - { name: active, value: active_people(7d), curve: [[0, 0], [1, 100]] }
---
health: people
audience: person
components:
  - { name: nps, value: nps, curve: [[0, 0], [10, 100]] }
";
    let mut world = World::new(text);
    for name in ["health_zone_changed", "signal:silent", "message_sent"] {
        let event = Event {
            id: EventId(9),
            person: Some(PersonId(5)),
            account: Some(AccountId(1)),
            occurred_at: START,
            historical: false,
            name: name.into(),
            properties: "{}".into(),
        };
        world.apply(START, Body::Event(event));
    }
    assert_eq!(world.health(START).score, Some(0.0));
}

#[test]
fn everything_wrong_with_a_definition_is_said_at_once() {
    let found = read(
        r#"
health: Default
zones: { healthy: 50, watch: 70 }
components:
  - { name: a, weight: 0, value: plan == "pro", curve: [[0, 0], [1, 100]] }
  - { name: b, value: count("x", 7d), curve: [[0, 0], [0, 50], [5, 101]] }
  - { name: c, value: since(last("x")), curve: [[0, 0], [5d, 100]] }
  - { name: d, value: count("health_zone_changed"), curve: [[0, 0], [5, 100]] }
  - { name: e, curve: [[0, 0]], wieght: 3 }
"#,
    )
    .expect_err("much is wrong");
    let codes: Vec<&str> = found.iter().map(|one| one.code).collect();
    assert_eq!(
        codes,
        [
            "bad-name",
            "bad-zones",
            "bad-number",
            "not-a-number",
            "bad-curve",
            "bad-curve",
            "bad-curve",
            "health-echo",
            "missing-key",
            "bad-curve",
            "unknown-key"
        ],
        "{found:#?}"
    );
}

#[test]
fn circles_through_health_are_refused() {
    let one = |value: &str| {
        format!(
            "health: h\ncomponents:\n  - {{ name: a, value: {value}, curve: [[0, 0], [1, 100]] }}\n---\n"
        )
    };
    assert_eq!(codes(&one("health")), ["health-circle"]);
    let through_segment = one("nps").replace("components", "when: in(\"big\")\ncomponents")
        + "segment: big\naudience: account\nwhen: health.zone == \"healthy\"\n";
    assert_eq!(codes(&through_segment), ["health-circle"]);
    let person = one("account.health").replace("health: h", "health: p\naudience: person");
    assert!(compile(1, &(person + &one("nps"))).is_ok());
}

#[test]
fn health_that_nothing_defines_is_refused_and_a_second_default_too() {
    assert_eq!(
        codes("segment: low\naudience: account\nwhen: health < 50\n"),
        ["no-health"]
    );
    let low = "segment: low\nwhen: account.health < 50 or `health` == 1\n---\n";
    assert!(compile(1, &format!("{low}{PLAIN}")).is_ok());
    let second = PLAIN.replace("health: default", "health: other");
    assert_eq!(
        codes(&format!("{PLAIN}---\n{second}")),
        ["second-default-health"]
    );
    assert_eq!(
        codes(&format!(
            "{PLAIN}---\nsegment: x\naudience: account\nwhen: health.zoen == 1\n"
        )),
        ["unknown-health"]
    );
}

#[test]
fn a_signal_tells_what_was_compared_and_its_value() {
    let text = format!(
        "{PLAIN}---\nsignal: falling\nabout: It falls\naudience: account\nseverity: critical\nwhen: health < 50 and in(\"paying\") and since(last(\"login\")) >= 5d\ncooldown: 30d\n---\nsegment: paying\naudience: account\nwhen: plan in [\"pro\"]\n"
    );
    let mut world = World::new(&text);
    world.set(START, "plan", "pro");
    world.events(START, "login", 8, false);
    world.wake(day(30));
    let fired = world.out.events.iter();
    let fired: Vec<_> = fired
        .filter(|event| &*event.name == "signal:falling")
        .collect();
    assert_eq!(fired.len(), 1);
    let told: serde_json::Value = serde_json::from_str(&fired[0].properties).unwrap();
    assert_eq!(told["severity"], "critical");
    assert_eq!(
        told["facts"],
        serde_json::json!([
            {"what": "health", "value": 0},
            {"what": "plan", "value": "pro"},
            {"what": "the time since the last login", "value": 7 * DAY_MS},
        ])
    );
}
