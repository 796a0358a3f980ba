//! A backtest says what the live engine did.

use std::collections::{BTreeMap, BTreeSet};

use tenure_core::backtest::{Backtest, Target};
use tenure_core::define::{Audience, SourceFile};
use tenure_core::effect::{HealthRecordKind, Output};
use tenure_core::engine;
use tenure_core::health::Zone;
use tenure_core::id::{AccountId, EventId, RootId, Salt, SubjectId};
use tenure_core::lang::parse_definitions;
use tenure_core::log::{Body, Entry, Event, Profile};
use tenure_core::plan::{Plan, PlanSources};
use tenure_core::subject::Root;
use tenure_core::time::{DAY_MS, HOUR_MS, Timestamp};
use tenure_core::value::Value;

const START: Timestamp = Timestamp(1_767_225_600_000);
const ACCOUNT_COUNT: u64 = 30;
const DEFINITIONS: &str = r#"
health: default
components:
  - { name: logins, weight: 3, value: count("login", 14d), curve: [[0, 0], [6, 100]] }
  - { name: recency, weight: 1, value: since(last("login")), curve: [[1d, 100], [20d, 0]] }
---
segment: lost
audience: account
when: status == "churned"
---
signal: silent
audience: account
when: since(last("login")) >= 10d and not in("lost")
cooldown: 20d
---
signal: often-at-risk
audience: account
when: count("health_zone_changed", 60d, where to == "at_risk") >= 2
"#;

fn plan() -> Plan {
    let file = SourceFile {
        path: "all.yaml".into(),
        text: DEFINITIONS.into(),
    };
    let (current, _) = parse_definitions(vec![file], &[]).unwrap_or_else(|e| panic!("{e:#?}"));
    Plan::compile(PlanSources {
        version: 1,
        salt: Salt([7; 32]),
        current,
        program_versions: BTreeMap::new(),
        retired: Vec::new(),
        paused: BTreeSet::new(),
    })
    .unwrap_or_else(|e| panic!("{e:#?}"))
}

/// A generated number below `below` (Knuth's 64-bit linear congruential generator).
fn next(seed: &mut u64, below: u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

/// A year of logins that get rarer at some accounts, which then churn.
fn history() -> Vec<(Timestamp, AccountId, Option<&'static str>)> {
    let mut seed = 5;
    let mut out = Vec::new();
    for account in 0..ACCOUNT_COUNT {
        let leaves_on = 60 + next(&mut seed, 500);
        for day in 0..365 {
            let id = AccountId(u128::from(account) + 1);
            let at = START.plus_ms(day as i64 * DAY_MS + next(&mut seed, 24) as i64 * HOUR_MS);
            if day == leaves_on {
                out.push((at, id, None));
            }
            let fading = day + 30 > leaves_on;
            if day < leaves_on && next(&mut seed, if fading { 12 } else { 2 }) == 0 {
                out.push((at, id, Some("login")));
            }
        }
    }
    out.sort();
    out
}

/// What the live engine did, and the log with what it emitted.
struct Live {
    plan: Plan,
    roots: BTreeMap<RootId, Root>,
    log: Vec<Entry<'static>>,
    told: usize,
    events: Vec<(String, SubjectId, Timestamp)>,
    at_risk: Vec<(SubjectId, Timestamp)>,
}

impl Live {
    fn take(&mut self, out: Output, at: Timestamp) {
        let zones = out.health.iter().filter(|record| {
            record.kind == HealthRecordKind::Zone && record.zone == Some(Zone::AtRisk)
        });
        self.at_risk
            .extend(zones.map(|record| (record.subject, record.at)));
        for emitted in out.events {
            self.events.push((
                emitted.name.to_string(),
                emitted.subject,
                emitted.occurred_at,
            ));
            let event = Event {
                id: emitted.id,
                person: None,
                account: emitted.account,
                occurred_at: emitted.occurred_at,
                historical: false,
                name: String::from(emitted.name).into(),
                properties: String::from(emitted.properties).into(),
            };
            self.apply(at, Body::Event(event));
        }
    }

    fn apply(&mut self, at: Timestamp, body: Body<'static>) {
        let entry = Entry {
            position: self.log.len() as u64 + 1,
            received_at: at,
            body,
        };
        self.log.push(entry.clone());
        let id = entry.body.root().expect("all is about accounts");
        let root = self.roots.entry(id).or_insert_with(|| Root::new(id));
        let mut out = Output::default();
        engine::apply(&self.plan, root, &entry, &mut out);
        self.take(out, at);
    }

    fn wake(&mut self, until: Timestamp) {
        while let Some((at, id)) = self
            .roots
            .iter()
            .filter_map(|(id, root)| Some((root.wake_at()?, *id)))
            .filter(|(at, _)| *at <= until)
            .min()
        {
            let mut out = Output::default();
            engine::wake(&self.plan, self.roots.get_mut(&id).unwrap(), at, &mut out);
            self.take(out, at);
        }
    }

    fn tell(&mut self, at: Timestamp, account: AccountId, event: Option<&'static str>) {
        self.wake(at);
        self.told += 1;
        let body = match event {
            Some(name) => Body::Event(Event {
                id: EventId(self.told as u128),
                person: None,
                account: Some(account),
                occurred_at: at,
                historical: false,
                name: name.into(),
                properties: "{}".into(),
            }),
            None => Body::Profile(Profile {
                subject: SubjectId::Account(account),
                account: Some(account),
                occurred_at: at,
                historical: false,
                traits: vec![("status".into(), Some(Value::text("churned")))],
                identifiers: Vec::new(),
            }),
        };
        self.apply(at, body);
    }
}

#[test]
fn a_backtest_of_a_year_names_the_same_triggers_at_the_same_instants() {
    let mut live = Live {
        plan: plan(),
        roots: BTreeMap::new(),
        log: Vec::new(),
        told: 0,
        events: Vec::new(),
        at_risk: Vec::new(),
    };
    for (at, account, event) in history() {
        live.tell(at, account, event);
    }
    let end = START.plus_ms(366 * DAY_MS);
    live.wake(end);

    let plan = plan();
    let targets = [
        Target::Health(Audience::Account),
        Target::Signal("often-at-risk".into()),
        Target::Signal("silent".into()),
    ];
    let mut test = Backtest::new(&plan, &targets, "lost", START, 21 * DAY_MS);
    for entry in &live.log {
        test.apply(entry);
    }
    let report = test.finish(end);
    let fired = |name: &str| {
        let of = live.events.iter().filter(|(known, ..)| *known == name);
        let mut of: Vec<_> = of.map(|(_, who, at)| (*who, *at)).collect();
        of.sort_by_key(|(who, at)| (*at, *who));
        of
    };
    live.at_risk.sort_by_key(|(who, at)| (*at, *who));
    let expected = [
        live.at_risk.clone(),
        fired("signal:often-at-risk"),
        fired("signal:silent"),
    ];
    for (report, expected) in report.targets.iter().zip(expected) {
        assert!(expected.len() > 10, "{}: {}", report.target, expected.len());
        let mut found = report.triggers.clone();
        found.sort_by_key(|(who, at)| (*at, *who));
        assert_eq!(found, expected, "{}", report.target);
    }
    let silent = &report.targets[2].announcement;
    assert!(silent.recall.unwrap() > 0.5, "{silent:?}");
    let health = report.health.expect("health is tested");
    assert!(health.discrimination.roc_auc.unwrap() > 0.8, "{health:?}");
}
