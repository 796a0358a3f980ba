//! From what happens to the programs it concerns.

use std::collections::{BTreeMap, BTreeSet};

use super::compile::{Action, Awaiting, Program, ProgramEntry, Wait};
use crate::define::Audience;
use crate::log::PlanVersion;
use crate::plan::ConditionIndex;
use crate::policy::local::ZONE_TRAIT;

/// Which programs a happening may concern; places are indexes into the plan's programs.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProgramIndex {
    versions: BTreeMap<Box<str>, Vec<(PlanVersion, usize)>>,
    current: BTreeMap<Box<str>, usize>,
    pub(crate) by_event: BTreeMap<Box<str>, Vec<usize>>,
    pub(super) by_condition: BTreeMap<ConditionIndex, Vec<usize>>,
    pub(super) by_segment: BTreeMap<Box<str>, Vec<usize>>,
    pub(super) by_signal: BTreeMap<Box<str>, Vec<usize>>,
    pub(super) dates: Vec<usize>,
    pub(super) schedules: Vec<usize>,
    pub(crate) awaited_events: BTreeSet<Box<str>>,
    pub(super) watched: BTreeSet<ConditionIndex>,
    /// Whether any step waits for a condition.
    pub(super) awaits_conditions: bool,
    /// Traits of an account that decide when a person program's wait ends or when it starts.
    pub(super) account_dates: BTreeSet<Box<str>>,
}

impl ProgramIndex {
    /// Builds the index of a plan's programs.
    pub(crate) fn build(programs: &[Program]) -> Self {
        let mut index = Self::default();
        for (at, program) in programs.iter().enumerate() {
            let versions = index.versions.entry(program.name.clone()).or_default();
            versions.push((program.version, at));
            if program.current {
                index.current.insert(program.name.clone(), at);
            }
            index.add_entry(at, program);
            index.add_watches(program);
        }
        index
    }

    /// The version of a program an enrollment is pinned to.
    pub(super) fn pinned(&self, name: &str, version: PlanVersion) -> Option<usize> {
        let versions = self.versions.get(name)?;
        let found = versions.iter().find(|(known, _)| *known == version);
        found.map(|(_, at)| *at)
    }

    /// The version of a program that subjects enter now.
    pub(super) fn current(&self, name: &str) -> Option<usize> {
        self.current.get(name).copied()
    }

    fn add_entry(&mut self, at: usize, program: &Program) {
        match &program.entry {
            ProgramEntry::When { index, .. } => {
                self.by_condition.entry(*index).or_default().push(at);
            }
            ProgramEntry::Event { event, .. } => {
                self.by_event.entry(event.clone()).or_default().push(at);
            }
            ProgramEntry::Segment { segment, .. } => {
                self.by_segment.entry(segment.clone()).or_default().push(at);
            }
            ProgramEntry::Signal(signal) => {
                self.by_signal.entry(signal.clone()).or_default().push(at);
            }
            ProgramEntry::Schedule { .. } => self.schedules.push(at),
            ProgramEntry::Date { property, .. } => {
                self.dates.push(at);
                self.note_date(program.audience, property);
            }
            ProgramEntry::Api | ProgramEntry::Broadcast(_) | ProgramEntry::Closed => {}
        }
    }

    fn add_watches(&mut self, program: &Program) {
        self.watched
            .extend(program.goal.as_ref().map(|goal| goal.watch.index));
        self.watched
            .extend(program.exit.as_ref().map(|exit| exit.index));
        for step in &program.steps {
            let Action::Wait(wait) = &step.action else {
                continue;
            };
            match wait {
                Wait::Date { property, .. } => self.note_date(program.audience, property),
                Wait::Until {
                    what: Awaiting::Condition(watch),
                    ..
                } => {
                    self.watched.insert(watch.index);
                    self.awaits_conditions = true;
                }
                Wait::Until {
                    what: Awaiting::Event { event, .. },
                    ..
                } => {
                    self.awaited_events.insert(event.clone());
                }
                Wait::Until {
                    what: Awaiting::Goal,
                    ..
                }
                | Wait::For(_)
                | Wait::LocalTime { .. } => {}
            }
        }
    }

    fn note_date(&mut self, audience: Audience, property: &str) {
        if audience == Audience::Person {
            let of_account = property.strip_prefix("account.");
            self.account_dates.extend(of_account.map(Into::into));
            // People without a zone of their own have the account's.
            self.account_dates.insert(ZONE_TRAIT.into());
        }
    }
}
