//! Indexes from what happens to what it touches.

use std::collections::BTreeMap;

use crate::aggregate::Series;
use crate::define::{Audience, Awaited, Entry, ProgramDef, StepDef, StepKind, WaitDef};

use crate::health::ZONE_CHANGED;
use crate::keyed::Keyed;
use crate::program::ProgramIndex;
use crate::subject::{ConditionKey, SeriesKey};

use super::conditions::{ConditionIndex, TrackedCondition};
use super::series::SeriesSpec;
use super::{Segment, Signal};

/// Events of a message that its recipient has no part in.
const OWN_MESSAGE_EVENTS: [&str; 6] = [
    "message_sent",
    "message_delivered",
    "message_bounced",
    "message_machine_clicked",
    "message_machine_opened",
    "message_prefetched",
];
/// Events whose properties the contact policy reads.
const POLICY_EVENTS: [&str; 4] = [
    "message_bounced",
    "message_complained",
    "message_unsubscribed",
    "message_delivered",
];

/// Whether an event is of what Tenure does, not of what the customer does: it does not make
/// anybody active, else a message to a silent person would wake them up in every figure.
pub(crate) fn is_own_event(name: &str) -> bool {
    name.starts_with("signal:") || name == ZONE_CHANGED || OWN_MESSAGE_EVENTS.contains(&name)
}

/// What an event of one name touches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventIndex {
    /// Series of the person.
    pub person: Vec<u32>,
    /// Series of the account.
    pub account: Vec<u32>,
    /// Whether anything reads its properties.
    pub properties: bool,
    /// Programs (index in the plan) it may let its subject into.
    pub programs: Vec<usize>,
    /// Whether a step of a program waits for it.
    pub awaited: bool,
}

impl EventIndex {
    /// Series of subjects of an audience.
    pub fn of(&self, audience: Audience) -> &[u32] {
        match audience {
            Audience::Person => &self.person,
            Audience::Account => &self.account,
        }
    }
}

/// Conditions that read something.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Users {
    /// Conditions of the same subject.
    pub own: Vec<ConditionIndex>,
    /// Conditions of the people of the account.
    pub people: Vec<ConditionIndex>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    pub(super) events: BTreeMap<Box<str>, EventIndex>,
    pub(super) any_event: EventIndex,
    /// Of an event that Tenure itself causes and nobody asks for.
    no_event: EventIndex,
    pub(crate) series_users: Vec<Users>,
    pub(crate) person_traits: BTreeMap<Box<str>, Users>,
    pub(crate) account_traits: BTreeMap<Box<str>, Users>,
    pub(crate) condition_users: Vec<Users>,
    pub(crate) people_count: Users,
    /// Person conditions that look at the account at all.
    pub(crate) look_at_account: Vec<ConditionIndex>,
    pub(crate) person_conditions: Vec<ConditionIndex>,
    pub(crate) account_conditions: Vec<ConditionIndex>,
    pub(crate) condition_segments: Vec<Vec<u32>>,
    pub(crate) condition_signals: Vec<Vec<u32>>,
    pub(crate) segments: BTreeMap<Box<str>, u32>,
    pub(crate) by_key: BTreeMap<ConditionKey, ConditionIndex>,
    pub(crate) series_by_key: BTreeMap<SeriesKey, u32>,
    /// The series of a subject without history.
    pub(crate) empty_person: Keyed<Series>,
    pub(crate) empty_account: Keyed<Series>,
    pub(crate) person_series: Vec<u32>,
    pub(crate) account_series: Vec<u32>,
    /// Entry conditions of programs new in this plan that take in those for whom they hold.
    pub(crate) existing_entries: Vec<ConditionIndex>,
    /// The same for programs that are entered by entering a segment.
    pub(crate) existing_segments: Vec<u32>,
    /// Conditions kept only for subjects inside a program.
    pub(crate) watched: Vec<ConditionIndex>,
}

impl Index {
    pub(super) fn build(
        series: &[SeriesSpec],
        conditions: &[TrackedCondition],
        segments: &[Segment],
        signals: &[Signal],
    ) -> Self {
        let mut index = Self {
            series_users: vec![Users::default(); series.len()],
            condition_users: vec![Users::default(); conditions.len()],
            condition_segments: vec![Vec::new(); conditions.len()],
            condition_signals: vec![Vec::new(); conditions.len()],
            ..Self::default()
        };
        index.add_series(series);
        for (at, condition) in conditions.iter().enumerate() {
            index.add_condition(ConditionIndex(at as u32), condition);
        }
        for (at, segment) in segments.iter().enumerate() {
            index.segments.insert(segment.name.clone(), at as u32);
            index.condition_segments[segment.condition.0 as usize].push(at as u32);
        }
        for (at, signal) in signals.iter().enumerate() {
            index.condition_signals[signal.condition.0 as usize].push(at as u32);
        }
        for name in POLICY_EVENTS {
            index.want_properties(name);
        }
        index
    }

    /// What events of a name touch.
    pub(crate) fn event(&self, name: &str) -> &EventIndex {
        match self.events.get(name) {
            Some(known) => known,
            None if is_own_event(name) => &self.no_event,
            None => &self.any_event,
        }
    }

    /// Conditions of an audience.
    pub(crate) fn conditions(&self, audience: Audience) -> &[ConditionIndex] {
        match audience {
            Audience::Person => &self.person_conditions,
            Audience::Account => &self.account_conditions,
        }
    }

    /// Series of an audience.
    pub(crate) fn series(&self, audience: Audience) -> &[u32] {
        match audience {
            Audience::Person => &self.person_series,
            Audience::Account => &self.account_series,
        }
    }

    /// Who reads a trait of subjects of an audience.
    pub(crate) fn trait_users(&self, audience: Audience, name: &str) -> Option<&Users> {
        match audience {
            Audience::Person => self.person_traits.get(name),
            Audience::Account => self.account_traits.get(name),
        }
    }

    fn add_series(&mut self, series: &[SeriesSpec]) {
        for spec in series.iter().filter(|spec| &*spec.event != "*") {
            self.events.entry(spec.event.clone()).or_default();
        }
        for (at, spec) in series.iter().enumerate() {
            let at = at as u32;
            match spec.audience {
                Audience::Person => {
                    self.person_series.push(at);
                    self.empty_person.insert(spec.key, Series::default());
                }
                Audience::Account => {
                    self.account_series.push(at);
                    self.empty_account.insert(spec.key, Series::default());
                }
            }
            self.series_by_key.insert(spec.key, at);
            if &*spec.event == "*" {
                self.any_event.add(at, spec);
                let theirs = self.events.iter_mut();
                theirs
                    .filter(|(name, _)| !is_own_event(name))
                    .for_each(|(_, event)| event.add(at, spec));
            } else if let Some(event) = self.events.get_mut(&spec.event) {
                event.add(at, spec);
            }
        }
    }

    fn add_condition(&mut self, at: ConditionIndex, condition: &TrackedCondition) {
        self.by_key.insert(condition.key, at);
        let reads = &condition.reads;
        for &series in &reads.series {
            push(&mut self.series_users[series as usize].own, at);
        }
        for &series in &reads.account_series {
            push(&mut self.series_users[series as usize].people, at);
        }
        for &inner in &reads.conditions {
            push(&mut self.condition_users[inner.0 as usize].own, at);
        }
        for &inner in &reads.account_conditions {
            push(&mut self.condition_users[inner.0 as usize].people, at);
        }
        let own_traits = match condition.audience {
            Audience::Person => &mut self.person_traits,
            Audience::Account => &mut self.account_traits,
        };
        for name in &reads.traits {
            push(&mut own_traits.entry(name.clone()).or_default().own, at);
        }
        for name in &reads.account_traits {
            push(
                &mut self.account_traits.entry(name.clone()).or_default().people,
                at,
            );
        }
        if reads.people_count {
            push(users_of(&mut self.people_count, condition.audience), at);
        }
        if reads.account {
            self.look_at_account.push(at);
        }
        if !condition.always {
            self.watched.push(at);
        }
        match condition.audience {
            Audience::Person => self.person_conditions.push(at),
            Audience::Account => self.account_conditions.push(at),
        }
    }

    /// Which programs an event lets in or moves on.
    pub(super) fn add_entries(&mut self, programs: &ProgramIndex) {
        for (event, places) in &programs.by_event {
            self.event_mut(event).programs.clone_from(places);
        }
        for event in &programs.awaited_events {
            self.event_mut(event).awaited = true;
        }
    }

    /// Programs that start or wait by event read its properties.
    pub(super) fn add_program(&mut self, def: &ProgramDef) {
        if let Entry::Event { event, .. } = &def.enter {
            self.want_properties(event);
        }
        self.add_steps(&def.steps);
    }

    fn add_steps(&mut self, steps: &[StepDef]) {
        for step in steps {
            match &step.kind {
                StepKind::Wait(WaitDef::Until {
                    what,
                    then,
                    otherwise,
                    ..
                }) => {
                    if let Awaited::Event { event, .. } = what {
                        self.want_properties(event);
                    }
                    self.add_steps(then);
                    self.add_steps(otherwise);
                }
                StepKind::Branch(arms) => {
                    for (_, steps) in arms {
                        self.add_steps(steps);
                    }
                }
                StepKind::Split(arms) => {
                    for arm in arms {
                        self.add_steps(&arm.steps);
                    }
                }
                _ => {}
            }
        }
    }

    fn want_properties(&mut self, event: &str) {
        self.event_mut(event).properties = true;
    }

    fn event_mut(&mut self, name: &str) -> &mut EventIndex {
        let fresh = if is_own_event(name) {
            &self.no_event
        } else {
            &self.any_event
        };
        let known = self.events.entry(name.into());
        known.or_insert_with(|| fresh.clone())
    }
}

impl EventIndex {
    fn add(&mut self, at: u32, spec: &SeriesSpec) {
        match spec.audience {
            Audience::Person => self.person.push(at),
            Audience::Account => self.account.push(at),
        }
        self.properties |= spec.reads_properties();
    }
}

fn users_of(users: &mut Users, audience: Audience) -> &mut Vec<ConditionIndex> {
    match audience {
        Audience::Account => &mut users.own,
        Audience::Person => &mut users.people,
    }
}

fn push(list: &mut Vec<ConditionIndex>, at: ConditionIndex) {
    if list.last() != Some(&at) && !list.contains(&at) {
        list.push(at);
    }
}
