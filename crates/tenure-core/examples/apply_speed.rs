//! How long the engine takes per event: a plan with 50 conditions and 10 programs, 100 000 people
//! without an account, events in random order.
//!
//! `cargo run --release -p tenure-core --example apply_speed`

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a measurement reads the clock and prints"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use tenure_core::define::{
    Audience, Condition, Definitions, Delivery, Entry as Enter, GoalDef, Place, ProgramDef,
    Recipient, Reentry, SegmentDef, SendDef, StepDef, StepKind, WaitDef,
};
use tenure_core::effect::Output;
use tenure_core::engine;
use tenure_core::id::{EventId, PersonId, RootId, Salt, SubjectId};
use tenure_core::lang::parse_condition;
use tenure_core::log::{Body, Entry, Event, decode, encode};
use tenure_core::plan::{Backfill, Plan, PlanSources};
use tenure_core::subject::Root;
use tenure_core::time::{DAY_MS, Timestamp};

const PEOPLE: u64 = 100_000;
const EVENTS: u64 = 2_000_000;
const START: Timestamp = Timestamp(1_767_225_600_000);
const NAMES: [&str; 12] = [
    "session_started",
    "report_created",
    "feature_used",
    "invited_teammate",
    "order",
    "ticket_opened",
    "page",
    "export_run",
    "comment_added",
    "integration_connected",
    "search",
    "settings_changed",
];

fn condition(text: &str) -> Condition {
    let expr = parse_condition(text, Audience::Person);
    Condition {
        text: text.into(),
        expr: expr.unwrap_or_else(|found| panic!("{text}: {found:?}")),
        place: Place::default(),
    }
}

fn segments() -> Vec<SegmentDef> {
    let mut texts = Vec::new();
    for (at, name) in NAMES.iter().enumerate() {
        texts.push(format!("count(\"{name}\", {}d) >= {}", 7 + at, 2 + at % 4));
        texts.push(format!("since(last(\"{name}\")) >= {}d", 5 + at));
        texts.push(format!("never(\"{name}\") and plan == \"pro\""));
        texts.push(format!("drop(count(\"{name}\"), 7d) >= 30%"));
    }
    texts.push("distinct(\"feature_used\", feature, 30d) >= 3".into());
    texts.push("sum(\"order\", total, 30d) > 500".into());
    let segment = |(at, text): (usize, &String)| SegmentDef {
        name: format!("segment-{at}"),
        about: String::new(),
        audience: Audience::Person,
        when: condition(text),
        place: Place::default(),
    };
    texts.iter().enumerate().map(segment).collect()
}

fn programs() -> Vec<ProgramDef> {
    let step = |name: &str, kind: StepKind| StepDef {
        name: name.into(),
        only_if: None,
        kind,
        place: Place::default(),
    };
    let send = |name: &str| {
        step(
            name,
            StepKind::Send(SendDef {
                channel: "email".into(),
                to: Recipient::Subject,
                template: "hello".into(),
                topic: None,
                subject: None,
            }),
        )
    };
    let program = |at: usize| ProgramDef {
        name: format!("program-{at}"),
        about: String::new(),
        audience: Audience::Person,
        enter: if at.is_multiple_of(2) {
            Enter::When {
                condition: condition(&format!("since(last(\"{}\")) >= {}d", NAMES[at], 5 + at)),
                existing: false,
            }
        } else {
            Enter::Event {
                event: NAMES[at].into(),
                filter: None,
            }
        },
        again: Reentry::After(60 * DAY_MS),
        key: None,
        only_if: Some(condition("plan == \"pro\"")),
        goal: Some(GoalDef {
            when: condition(&format!("count(\"{}\", 7d) >= 3", NAMES[at])),
            within_ms: Some(30 * DAY_MS),
        }),
        exit: None,
        holdout: 0.1,
        topic: None,
        priority: 0,
        delivery: Delivery::AtMostOnce,
        steps: vec![
            send("first"),
            step("wait", StepKind::Wait(WaitDef::For(3 * DAY_MS))),
            send("second"),
        ],
        place: Place::default(),
    };
    (0..10).map(program).collect()
}

fn plan() -> Plan {
    let current = Definitions {
        segments: segments(),
        programs: programs(),
        templates: vec!["hello".into()],
        ..Definitions::default()
    };
    let sources = PlanSources {
        version: 1,
        salt: Salt([7; 32]),
        current,
        program_versions: BTreeMap::new(),
        retired: Vec::new(),
        paused: BTreeSet::new(),
    };
    Plan::compile(sources).unwrap_or_else(|found| panic!("{found:?}"))
}

/// A fixed sequence of numbers that looks random (SplitMix64).
struct Mix(u64);

impl Mix {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

fn person(number: u64) -> PersonId {
    PersonId((u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64) | u128::from(number))
}

fn event(at: u64, mix: &mut Mix) -> (Timestamp, Event<'static>) {
    // Two million events over ten days.
    let now = START.plus_ms((at * 432) as i64);
    let event = Event {
        id: EventId(u128::from(at)),
        person: Some(person(mix.next(PEOPLE))),
        account: None,
        occurred_at: now,
        historical: false,
        name: NAMES[mix.next(NAMES.len() as u64) as usize].into(),
        properties: r#"{"feature":"export","total":12.5,"path":"/reports/weekly"}"#.into(),
    };
    (now, event)
}

fn main() {
    let plan = plan();
    println!(
        "{} conditions, {} series, {} programs, {PEOPLE} people, {EVENTS} events",
        plan.conditions.len(),
        plan.series.len(),
        plan.programs.len()
    );
    let mut roots: BTreeMap<PersonId, Root> = BTreeMap::new();
    let mut out = Output::default();
    let mut mix = Mix(1);
    let (mut decisions, mut flips) = (0, 0);
    let mut started = Instant::now();
    for at in 0..EVENTS {
        if at == EVENTS / 2 {
            let each = started.elapsed().as_secs_f64() * 1e6 / at as f64;
            println!("first half (people appear): {each:.2} µs per event");
            started = Instant::now();
        }
        let (received_at, event) = event(at, &mut mix);
        let Some(id) = event.person else { continue };
        let root = roots
            .entry(id)
            .or_insert_with(|| Root::new(RootId(SubjectId::Person(id))));
        let entry = Entry {
            position: at + 1,
            received_at,
            body: Body::Event(event),
        };
        engine::apply(&plan, root, &entry, &mut out);
        decisions += out.decisions.len();
        flips += out.memberships.len();
        out.clear();
    }
    let each = started.elapsed().as_secs_f64() * 1e6 / (EVENTS / 2) as f64;
    println!("second half: {each:.2} µs per event, wake-ups and programs included");
    println!("{flips} changes of membership, {decisions} decisions");
    let bytes: usize = roots
        .values()
        .take(1_000)
        .flat_map(Root::subjects)
        .filter_map(|state| postcard::to_stdvec(state).ok())
        .map(|packed| packed.len())
        .sum();
    println!("{} bytes per packed state", bytes / 1_000);
    backfill(&plan);
}

fn backfill(plan: &Plan) {
    let mut mix = Mix(1);
    let mut chunk = Vec::new();
    for at in 0..EVENTS {
        let (received_at, event) = event(at, &mut mix);
        encode(received_at, &Body::Event(event), &mut chunk);
    }
    for (what, wanted) in [
        ("count of one name", "order"),
        ("distinct values", "feature_used"),
    ] {
        let specs: Vec<_> = plan
            .series
            .iter()
            .filter(|spec| &*spec.event == wanted && (wanted == "order" || spec.property.is_some()))
            .cloned()
            .collect();
        let started = Instant::now();
        let mut backfill = Backfill::new(plan, &specs, EVENTS);
        for entry in decode(1, &chunk).flatten() {
            backfill.fold(&entry);
        }
        let subjects = backfill.subjects().count();
        let rate = EVENTS as f64 / started.elapsed().as_secs_f64();
        println!("backfill, {what}: {rate:.0} events per second, {subjects} subjects");
    }
}
