//! A small company the tests play stories to, and short words for definitions.

use std::collections::{BTreeMap, BTreeSet};

use tenure_core::decision::Outcome;
use tenure_core::define::*;
use tenure_core::effect::Output;
use tenure_core::engine;
use tenure_core::id::{AccountId, EventId, PersonId, RootId, Salt, SubjectId};
use tenure_core::lang::{parse_condition, parse_filter};
use tenure_core::log::{Body, Command, Entry as LogEntry, Event, PlanVersion, Profile};
use tenure_core::plan::{Plan, PlanSources};
use tenure_core::subject::{Root, SubjectState};
use tenure_core::time::Timestamp;
use tenure_core::value::flatten;

pub(crate) const ACCOUNT: AccountId = AccountId(1);
pub(crate) const ANN: PersonId = PersonId(11);
pub(crate) const BEN: PersonId = PersonId(12);

/// Monday, 2026-01-05T09:00:00Z.
pub(crate) fn monday() -> Timestamp {
    Timestamp::parse("2026-01-05T09:00:00Z").unwrap()
}

pub(crate) fn when(text: &str, audience: Audience) -> Condition {
    Condition {
        text: text.into(),
        expr: parse_condition(text, audience).unwrap_or_else(|found| panic!("{text}: {found:?}")),
        place: Place::default(),
    }
}

pub(crate) fn if_person(text: &str) -> Condition {
    when(text, Audience::Person)
}

pub(crate) fn filter(text: &str) -> Condition {
    Condition {
        text: text.into(),
        expr: parse_filter(text).unwrap_or_else(|found| panic!("{text}: {found:?}")),
        place: Place::default(),
    }
}

/// A program about people that starts with the event `go`, any number of times.
pub(crate) fn program(name: &str, steps: Vec<StepDef>) -> ProgramDef {
    ProgramDef {
        name: name.into(),
        about: String::new(),
        audience: Audience::Person,
        enter: on_event("go"),
        again: Reentry::Always,
        key: None,
        only_if: None,
        goal: None,
        exit: None,
        holdout: 0.0,
        topic: Some("tips".into()),
        priority: 0,
        delivery: Delivery::AtMostOnce,
        steps,
        place: Place::default(),
    }
}

pub(crate) fn on_event(event: &str) -> Entry {
    Entry::Event {
        event: event.into(),
        filter: None,
    }
}

pub(crate) fn step(name: &str, kind: StepKind) -> StepDef {
    StepDef {
        name: name.into(),
        only_if: None,
        kind,
        place: Place::default(),
    }
}

/// Sends the template of the step's own name.
pub(crate) fn send(name: &str) -> StepDef {
    send_to(name, Recipient::Subject, None)
}

pub(crate) fn send_to(name: &str, to: Recipient, topic: Option<&str>) -> StepDef {
    let def = SendDef {
        channel: "email".into(),
        to,
        template: name.into(),
        topic: topic.map(Into::into),
        subject: None,
    };
    step(name, StepKind::Send(def))
}

pub(crate) fn wait(name: &str, wait: WaitDef) -> StepDef {
    step(name, StepKind::Wait(wait))
}

pub(crate) fn until(what: Awaited, at_most_ms: i64, then: &str, otherwise: &str) -> WaitDef {
    WaitDef::Until {
        what,
        at_most_ms: Some(at_most_ms),
        then: vec![send(then)],
        otherwise: vec![send(otherwise)],
    }
}

pub(crate) fn topics() -> Vec<TopicDef> {
    let topic = |name: &str, transactional| TopicDef {
        name: name.into(),
        title: name.into(),
        transactional,
        subscribed_by_default: true,
    };
    vec![
        topic("tips", false),
        topic("news", false),
        topic("billing", true),
    ]
}

pub(crate) fn definitions(programs: Vec<ProgramDef>) -> Definitions {
    Definitions {
        programs,
        policy: PolicyDef {
            topics: topics(),
            ..PolicyDef::default()
        },
        ..Definitions::default()
    }
}

pub(crate) fn sources(version: PlanVersion, current: Definitions) -> PlanSources {
    PlanSources {
        version,
        salt: Salt([7; 32]),
        current,
        program_versions: BTreeMap::default(),
        retired: Vec::new(),
        paused: BTreeSet::default(),
    }
}

pub(crate) fn compile(sources: PlanSources) -> Plan {
    Plan::compile(sources).unwrap_or_else(|found| panic!("{found:#?}"))
}

/// One account with Ann and Ben, at its own clock.
pub(crate) struct Company {
    pub(crate) plan: Plan,
    pub(crate) root: Root,
    pub(crate) now: Timestamp,
    pub(crate) out: Output,
    /// Every entry, to be replayed.
    pub(crate) log: Vec<(Timestamp, Body<'static>)>,
    returned: usize,
}

impl Company {
    pub(crate) fn of(programs: Vec<ProgramDef>) -> Self {
        Self::with(definitions(programs), monday())
    }

    pub(crate) fn with(definitions: Definitions, start: Timestamp) -> Self {
        let mut company = Self::empty(compile(sources(1, definitions)), start);
        company.traits(
            SubjectId::Account(ACCOUNT),
            r#"{"name":"Example","owner":"dana"}"#,
        );
        for (person, name) in [(ANN, "ann"), (BEN, "ben")] {
            let traits = format!(r#"{{"name":"{name} x","email":"{name}@example.com"}}"#);
            company.traits(SubjectId::Person(person), &traits);
        }
        company
    }

    pub(crate) fn empty(plan: Plan, start: Timestamp) -> Self {
        Self {
            plan,
            root: Root::new(RootId(SubjectId::Account(ACCOUNT))),
            now: start,
            out: Output::default(),
            log: Vec::new(),
            returned: 0,
        }
    }

    pub(crate) fn append(&mut self, body: Body<'static>) {
        self.log.push((self.now, body.clone()));
        let entry = LogEntry {
            position: self.log.len() as u64,
            received_at: self.now,
            body,
        };
        engine::apply(&self.plan, &mut self.root, &entry, &mut self.out);
        self.feed_back();
    }

    /// Emitted events come back as log entries.
    fn feed_back(&mut self) {
        while let Some(emitted) = self.out.events.get(self.returned).cloned() {
            self.returned += 1;
            assert!(self.returned < 10_000, "events go round in circles");
            self.append(Body::Event(Event {
                id: emitted.id,
                person: emitted.subject.person(),
                account: emitted.account,
                occurred_at: emitted.occurred_at,
                historical: false,
                name: String::from(emitted.name).into(),
                properties: String::from(emitted.properties).into(),
            }));
        }
    }

    pub(crate) fn event(&mut self, person: PersonId, name: &str, properties: &str) {
        self.event_at(person, name, properties, self.now, false);
    }

    pub(crate) fn event_at(
        &mut self,
        person: PersonId,
        name: &str,
        properties: &str,
        occurred_at: Timestamp,
        historical: bool,
    ) {
        let id = EventId(1_000 + self.log.len() as u128);
        self.append(Body::Event(Event {
            id,
            person: Some(person),
            account: Some(ACCOUNT),
            occurred_at,
            historical,
            name: name.to_owned().into(),
            properties: properties.to_owned().into(),
        }));
    }

    pub(crate) fn go(&mut self) {
        self.event(ANN, "go", "{}");
    }

    pub(crate) fn traits(&mut self, subject: SubjectId, json: &str) {
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        self.append(Body::Profile(Profile {
            subject,
            account: Some(ACCOUNT),
            occurred_at: self.now,
            historical: false,
            traits: flatten(json.as_object().unwrap()),
            identifiers: Vec::new(),
        }));
    }

    pub(crate) fn ann(&mut self, json: &str) {
        self.traits(SubjectId::Person(ANN), json);
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.append(Body::Command(command));
    }

    /// Lets time pass, wake-up by wake-up.
    pub(crate) fn advance(&mut self, ms: i64) {
        self.advance_to(self.now.plus_ms(ms));
    }

    pub(crate) fn advance_to(&mut self, to: Timestamp) {
        while let Some(at) = self.root.wake_at().filter(|at| *at <= to) {
            self.now = self.now.max(at);
            engine::wake(&self.plan, &mut self.root, self.now, &mut self.out);
            self.feed_back();
        }
        self.now = to;
        engine::wake(&self.plan, &mut self.root, to, &mut self.out);
        self.feed_back();
    }

    pub(crate) fn state(&self, person: PersonId) -> &SubjectState {
        self.root.people().get(&person).unwrap()
    }

    /// Templates of the messages decided so far.
    pub(crate) fn sent(&self) -> Vec<&str> {
        self.out
            .messages
            .iter()
            .map(|message| message.template.as_ref())
            .collect()
    }

    /// Decisions so far as `step outcome`, those about entering and leaving as `outcome`.
    pub(crate) fn decided(&self) -> Vec<String> {
        let line = |decision: &tenure_core::decision::Decision| match &decision.step {
            Some(step) => format!("{step} {}", decision.outcome.as_str()),
            None => decision.outcome.as_str().to_owned(),
        };
        self.out.decisions.iter().map(line).collect()
    }

    /// The reason of the last decision with this outcome.
    #[track_caller]
    pub(crate) fn reason(&self, outcome: Outcome) -> &str {
        let mut found = self.out.decisions.iter().rev();
        let decision = found.find(|decision| decision.outcome == outcome);
        let decided = || panic!("no {outcome:?} among {:#?}", self.out.decisions);
        &decision.unwrap_or_else(decided).reason
    }
}
