//! The little world of a test: one account with one person, and the clock.

use std::borrow::Cow;

use super::elapsed;
use crate::define::{Audience, TestDef};
use crate::effect::Output;
use crate::engine;
use crate::id::{AccountId, PersonId, RootId, SubjectId};
use crate::log::{Body, Entry, Event, Identifier, IdentifierKind, Position, Profile};
use crate::plan::Plan;
use crate::program::{Program, hold_out};
use crate::subject::Root;
use crate::time::Timestamp;
use crate::value::Value;

/// Subjects tried to find some that no hold-out applies to.
const MAX_TRIES: u32 = 10_000;
/// Events fed back at one instant before a test gives up on programs that go round in circles.
const MAX_RETURNS: u32 = 1_000;

pub(super) struct World<'a> {
    plan: &'a Plan,
    root: Root,
    account: Option<AccountId>,
    person: Option<PersonId>,
    now: Timestamp,
    position: Position,
    /// Everything produced so far.
    pub(super) out: Output,
    told: Vec<(Timestamp, String)>,
    returned: usize,
}

impl<'a> World<'a> {
    pub(super) fn new(plan: &'a Plan, test: &TestDef, program: &Program, start: Timestamp) -> Self {
        let wants_account = !test.account.is_empty() || program.audience == Audience::Account;
        let wants_person = test.person.is_some() || program.audience == Audience::Person;
        let (account, person) = cast(plan, wants_account, wants_person);
        let root = match (account, person) {
            (Some(account), _) => SubjectId::Account(account),
            (None, person) => SubjectId::Person(person.unwrap_or(PersonId(0))),
        };
        let mut world = World {
            plan,
            root: Root::new(RootId(root)),
            account,
            person,
            now: start,
            position: 0,
            out: Output::default(),
            told: Vec::new(),
            returned: 0,
        };
        world.introduce(test);
        world
    }

    /// Tells the traits given, the account first.
    fn introduce(&mut self, test: &TestDef) {
        let given = |traits: &[(String, Value)]| -> Vec<(String, Option<Value>)> {
            let known = traits.iter();
            known
                .map(|(name, value)| (name.clone(), Some(value.clone())))
                .collect()
        };
        if self.account.is_some() {
            let body = self.profile(Audience::Account, &given(&test.account));
            if let Ok(body) = body {
                self.tell(body);
            }
        }
        if self.person.is_some() {
            let mut traits = given(test.person.as_deref().unwrap_or_default());
            if traits.iter().all(|(name, _)| name != "email") {
                traits.push(("email".into(), Some(Value::text("person@example.com"))));
            }
            let body = self.profile(Audience::Person, &traits);
            if let Ok(body) = body {
                self.tell(body);
            }
        }
    }

    pub(super) fn subject(&self, audience: Audience) -> Option<SubjectId> {
        match audience {
            Audience::Account => self.account.map(SubjectId::Account),
            Audience::Person => self.person.map(SubjectId::Person),
        }
    }

    /// Lets time pass, wake-up by wake-up, so that emitted events come back when they happened.
    pub(super) fn advance(&mut self, to: Timestamp) {
        while let Some(at) = self.root.wake_at().filter(|at| *at <= to) {
            let at = at.max(self.now);
            engine::wake(self.plan, &mut self.root, at, &mut self.out);
            self.now = at;
            self.feed_back();
            if self.root.wake_at().is_some_and(|next| next <= at) {
                break;
            }
        }
        self.now = self.now.max(to);
        engine::wake(self.plan, &mut self.root, self.now, &mut self.out);
        self.feed_back();
    }

    /// Adds an entry to the log now.
    pub(super) fn tell(&mut self, body: Body<'_>) {
        self.told.push((self.now, say(&body)));
        self.append(body);
        self.feed_back();
    }

    fn append(&mut self, body: Body<'_>) {
        self.position += 1;
        let entry = Entry {
            position: self.position,
            received_at: self.now,
            body,
        };
        engine::apply(self.plan, &mut self.root, &entry, &mut self.out);
    }

    fn feed_back(&mut self) {
        for _ in 0..MAX_RETURNS {
            let Some(emitted) = self.out.events.get(self.returned).cloned() else {
                return;
            };
            self.returned += 1;
            let event = Event {
                id: emitted.id,
                person: emitted.subject.person(),
                account: emitted.account,
                occurred_at: emitted.occurred_at,
                historical: false,
                name: Cow::Owned(emitted.name.into()),
                properties: Cow::Owned(emitted.properties.into()),
            };
            self.append(Body::Event(event));
        }
    }

    /// An event of the person if there is one, else of the account.
    pub(super) fn event<'b>(&self, name: &'b str, properties: &'b str) -> Event<'b> {
        Event {
            id: self.plan.salt.derive(&[&self.position.to_be_bytes()]),
            person: self.person,
            account: self.account,
            occurred_at: self.now,
            historical: false,
            name: name.into(),
            properties: properties.into(),
        }
    }

    /// Traits of the account or the person.
    pub(super) fn profile(
        &self,
        audience: Audience,
        traits: &[(String, Option<Value>)],
    ) -> Result<Body<'static>, String> {
        let subject = self.subject(audience).ok_or_else(|| match audience {
            Audience::Account => "the test has no account: give it one under `given`".to_owned(),
            Audience::Person => "the test has no person: give it one under `given`".to_owned(),
        })?;
        let kind = match audience {
            Audience::Account => IdentifierKind::AccountId,
            Audience::Person => IdentifierKind::UserId,
        };
        let changes = traits.iter();
        Ok(Body::Profile(Profile {
            subject,
            account: self.account,
            occurred_at: self.now,
            historical: false,
            traits: changes
                .map(|(name, value)| (name.as_str().into(), value.clone()))
                .collect(),
            identifiers: vec![Identifier {
                kind,
                value: "test".into(),
            }],
        }))
    }

    /// What was told and what was decided, in order of time.
    pub(super) fn trace(&self, start: Timestamp) -> Vec<String> {
        let told = self.told.iter().map(|(at, text)| (*at, 0, text.clone()));
        let decided = self.out.decisions.iter().map(|decision| {
            let step = decision
                .step
                .as_deref()
                .map_or_else(String::new, |step| format!(" {step}"));
            let (program, outcome) = (&decision.program, decision.outcome.as_str());
            (
                decision.at,
                1,
                format!("{program}{step}: {outcome} ({})", decision.reason),
            )
        });
        let mut lines: Vec<(Timestamp, u8, String)> = told.chain(decided).collect();
        lines.sort_by_key(|(at, order, _)| (*at, *order));
        let line = |(at, _, text): (Timestamp, u8, String)| {
            format!("{:<10} {text}", elapsed(at.since_ms(start)))
        };
        lines.into_iter().map(line).collect()
    }
}

/// An account and a person that no hold-out of any program applies to.
fn cast(
    plan: &Plan,
    wants_account: bool,
    wants_person: bool,
) -> (Option<AccountId>, Option<PersonId>) {
    let actors = |attempt: u32| {
        let parts: [&[u8]; 2] = [b"program test", &attempt.to_be_bytes()];
        let account: AccountId = plan.salt.derive(&parts);
        let person: PersonId = plan.salt.derive(&parts);
        (
            wants_account.then_some(account),
            wants_person.then_some(person),
        )
    };
    let treated = |(account, person): &(Option<AccountId>, Option<PersonId>)| {
        let account = account.map(SubjectId::Account);
        let person = person.map(SubjectId::Person);
        let subjects: Vec<SubjectId> = account.into_iter().chain(person).collect();
        let root = subjects.first().map(|first| RootId(*first));
        plan.programs.iter().all(|program| {
            let held = |subject: &SubjectId| {
                root.and_then(|root| hold_out(plan, root, *subject, program))
                    .is_some()
            };
            !subjects.iter().any(held)
        })
    };
    let mut attempts = (0..MAX_TRIES).map(actors);
    attempts.find(treated).unwrap_or_else(|| actors(0))
}

fn say(body: &Body<'_>) -> String {
    match body {
        Body::Event(event) => format!("event {} {}", event.name, event.properties),
        Body::Profile(profile) => {
            let names: Vec<&str> = profile
                .traits
                .iter()
                .map(|(name, _)| name.as_ref())
                .collect();
            let whose = if profile.subject.account().is_some() {
                "account"
            } else {
                "person"
            };
            format!("{whose} traits {}", names.join(", "))
        }
        _ => "another entry".into(),
    }
}
