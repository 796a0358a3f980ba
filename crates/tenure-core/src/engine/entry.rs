//! Log entries: events, profiles, commands.

use crate::define::Audience;
use crate::id::{AccountId, SubjectId};
use crate::log::{Command, Event, Identifier, Profile};
use crate::plan::PropertyMap;
use crate::subject::SubjectState;
use crate::time::Timestamp;

use super::cx::audience;
use super::{Cx, hooks};

impl Cx<'_> {
    pub(super) fn event(&mut self, event: &Event<'_>) {
        let Some(subject) = event.subject() else {
            return;
        };
        self.ensure(subject);
        let plan = self.plan;
        let index = plan.index.event(&event.name);
        let properties = plan.properties(event);
        let account = self.root.id.0.account().filter(|_| event.account.is_some());
        let account = account.map(SubjectId::Account);
        if let Some(account) = account {
            self.count(account, event, &properties, &index.account);
        }
        if subject.person().is_some() {
            self.count(subject, event, &properties, &index.person);
        }
        // Flips come first: a goal this event reaches ends an enrollment before a wait sees it.
        self.notify();
        hooks::on_event(self, subject, event, &properties, index);
        self.after_programs();
        if let Some(account) = account.filter(|account| *account != subject) {
            hooks::on_event(self, account, event, &properties, index);
            self.after_programs();
        }
        self.deliver();
    }

    /// Takes the event into the series of one subject and marks who reads them.
    fn count(
        &mut self,
        subject: SubjectId,
        event: &Event<'_>,
        properties: &PropertyMap,
        series: &[u32],
    ) {
        let plan = self.plan;
        let now = self.now;
        if let Some(state) = self.root.subject_mut(subject) {
            state.seen_at = now;
        }
        self.touch(subject);
        for &at in series {
            let spec = &plan.series[at as usize];
            let Some(observed) = spec.observe(plan, event, properties) else {
                continue;
            };
            let Some(state) = self.root.subject_mut(subject) else {
                return;
            };
            if let Some(staged) = state.series.get_mut(&spec.staged_key()) {
                staged.push(event.occurred_at, observed.clone(), spec, now);
            }
            if let Some(kept) = state.series.get_mut(&spec.key) {
                kept.push(event.occurred_at, observed, spec, now);
                self.mark(subject, &plan.index.series_users[at as usize]);
            }
        }
    }

    pub(super) fn profile(&mut self, profile: &Profile) {
        let subject = profile.subject;
        self.ensure(subject);
        let now = self.now;
        let Some(state) = self.root.subject_mut(subject) else {
            return;
        };
        state.seen_at = now;
        add_identifiers(state, &profile.identifiers);
        let mut changed: Vec<&str> = Vec::new();
        for (name, value) in &profile.traits {
            if tell(state, name, value.clone(), profile.occurred_at) {
                changed.push(name);
            }
        }
        for name in &changed {
            self.mark_trait(subject, name);
        }
        self.touch(subject);
        self.notify();
        if !changed.is_empty() {
            hooks::on_traits(self, subject, &changed);
        }
        self.deliver();
    }

    pub(super) fn command(&mut self, command: &Command) {
        let subject = match command {
            Command::Enroll { subject, .. } | Command::Remove { subject, .. } => Some(*subject),
            Command::Consent { person, .. } | Command::Suppress { person, .. } => {
                Some(SubjectId::Person(*person))
            }
            Command::Pause { .. } | Command::Erase { .. } => None,
        };
        if let Some(subject) = subject {
            self.ensure(subject);
            self.touch(subject);
            self.deliver();
        }
        hooks::on_command(self, command);
        self.deliver();
    }

    /// Makes sure the subject, and the account of the root, have a state.
    pub(super) fn ensure(&mut self, subject: SubjectId) {
        let account = self.root.id.0.account();
        if let Some(account) = account.filter(|_| self.root.account().is_none()) {
            let state = self.fresh(SubjectId::Account(account), None);
            self.root.insert(state);
            self.begin(SubjectId::Account(account));
        }
        let SubjectId::Person(person) = subject else {
            return;
        };
        if !self.root.people().contains_key(&person) {
            let state = self.fresh(subject, account);
            self.root.insert(state);
            self.begin(subject);
            self.people_count_changed();
        }
    }

    /// A state without history: all its series are complete, and empty.
    fn fresh(&self, subject: SubjectId, account: Option<AccountId>) -> SubjectState {
        let mut state = SubjectState::new(subject, account, self.now, self.plan.version);
        state.series.clone_from(match audience(subject) {
            Audience::Person => &self.plan.index.empty_person,
            Audience::Account => &self.plan.index.empty_account,
        });
        state
    }

    fn begin(&mut self, subject: SubjectId) {
        self.start_all(subject);
        self.touch(subject);
    }

    pub(super) fn people_count_changed(&mut self) {
        if let Some(account) = self.root.id.0.account() {
            let plan = self.plan;
            self.mark(SubjectId::Account(account), &plan.index.people_count);
        }
    }
}

/// Sets a trait unless something newer is known; true if that changed anything.
pub(super) fn tell(
    state: &mut SubjectState,
    name: &str,
    value: Option<crate::value::Value>,
    at: Timestamp,
) -> bool {
    match state.trait_times.get_mut(name) {
        Some(known) if *known > at => return false,
        Some(known) => *known = at,
        None => {
            state.trait_times.insert(name.into(), at);
        }
    }
    state.traits.set(name, value)
}

pub(super) fn add_identifiers(state: &mut SubjectState, identifiers: &[Identifier]) {
    for identifier in identifiers {
        if !state.identifiers.contains(identifier) {
            state.identifiers.push(identifier.clone());
        }
    }
}
