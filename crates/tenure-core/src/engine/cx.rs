//! One moment of one root: what the engine works with and what programs see of it.

use std::collections::{BTreeSet, VecDeque};

use crate::define::Audience;
use crate::effect::Output;
use crate::expr::Expr;
use crate::id::SubjectId;
use crate::plan::{ConditionIndex, Plan, PropertyMap, Users};
use crate::program::Pending;
use crate::subject::Root;
use crate::time::Timestamp;
use crate::value::Value;

use super::eval::Scene;
use super::notice::Notice;

/// One moment of one root.
#[derive(Debug)]
pub struct Cx<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The root.
    pub root: &'a mut Root,
    /// The engine's time.
    pub now: Timestamp,
    /// False for historical entries and those older than a day: nothing is entered or sent.
    pub live: bool,
    /// What is to be done.
    pub out: &'a mut Output,
    /// What programs keep during this moment.
    pub(crate) programs: Pending,
    /// Whether conditions are evaluated for the first time under a new plan.
    pub(super) initial: bool,
    /// Conditions to evaluate: the account's come first, then person by person, each after what
    /// it depends on.
    pub(super) dirty: BTreeSet<(SubjectId, ConditionIndex)>,
    pub(super) notices: VecDeque<Notice>,
    pub(super) touched: BTreeSet<SubjectId>,
    /// How many of the enrollment changes in `out` have been looked at.
    pub(super) seen_enrollments: usize,
}

impl<'a> Cx<'a> {
    /// A moment of a root.
    pub fn new(
        plan: &'a Plan,
        root: &'a mut Root,
        now: Timestamp,
        live: bool,
        out: &'a mut Output,
    ) -> Self {
        let seen_enrollments = out.enrollments.len();
        Self {
            plan,
            root,
            now,
            live,
            out,
            programs: Pending::default(),
            initial: false,
            dirty: BTreeSet::new(),
            notices: VecDeque::new(),
            touched: BTreeSet::new(),
            seen_enrollments,
        }
    }

    /// Whether an expression holds for a subject now; `None` is unknown.
    pub fn holds(
        &self,
        subject: SubjectId,
        expr: &Expr,
        event: Option<&PropertyMap>,
    ) -> Option<bool> {
        self.scene(subject, event).logic(expr).0
    }

    /// The value of an expression for a subject now; `None` is unknown. Durations are
    /// milliseconds, instants epoch milliseconds.
    pub fn value(
        &self,
        subject: SubjectId,
        expr: &Expr,
        event: Option<&PropertyMap>,
    ) -> Option<Value> {
        self.scene(subject, event).value(expr)
    }

    /// A tracked condition as last evaluated; evaluated now if it is not kept for the subject.
    pub fn condition(&self, subject: SubjectId, index: ConditionIndex) -> Option<bool> {
        let condition = &self.plan.conditions[index.0 as usize];
        let state = self.root.subject(subject)?;
        match state.conditions.get(condition.key) {
            Some(known) => known.value,
            None => self.holds(subject, &condition.expr, None),
        }
    }

    /// Sets or (with `None`) removes a trait as of now, and evaluates again what depends on it.
    /// Flips reach programs after the present call returns.
    pub fn set_trait(&mut self, subject: SubjectId, name: &str, value: Option<Value>) {
        let now = self.now;
        let Some(state) = self.root.subject_mut(subject) else {
            return;
        };
        state.trait_times.insert(name.into(), now);
        if state.traits.set(name, value) {
            self.mark_trait(subject, name);
            self.settle();
        }
        self.touch(subject);
    }

    /// Evaluates again what depends on traits of the subject, after a step has changed some.
    /// Flips reach programs after the present call returns.
    pub fn refresh(&mut self, subject: SubjectId) {
        let plan = self.plan;
        let users = match audience(subject) {
            Audience::Person => &plan.index.person_traits,
            Audience::Account => &plan.index.account_traits,
        };
        for users in users.values() {
            self.mark(subject, users);
        }
        self.settle();
        self.touch(subject);
    }

    fn scene<'b>(&'b self, subject: SubjectId, event: Option<&'b PropertyMap>) -> Scene<'b> {
        Scene {
            event,
            ..Scene::of(self.plan, self.root, subject, self.now)
        }
    }

    /// Remembers that a subject changed, and so must be stored and needs its next wake-up.
    pub(crate) fn touch(&mut self, subject: SubjectId) {
        self.touched.insert(subject);
    }

    /// Marks who reads a trait of a subject.
    pub(super) fn mark_trait(&mut self, subject: SubjectId, name: &str) {
        let plan = self.plan;
        if let Some(users) = plan.index.trait_users(audience(subject), name) {
            self.mark(subject, users);
        }
    }

    /// Marks those who read something of a subject to be evaluated.
    pub(super) fn mark(&mut self, subject: SubjectId, users: &Users) {
        self.dirty
            .extend(users.own.iter().map(|&index| (subject, index)));
        if matches!(subject, SubjectId::Account(_)) {
            self.mark_people(&users.people);
        }
    }

    /// Marks conditions of every person of the root.
    pub(super) fn mark_people(&mut self, conditions: &[ConditionIndex]) {
        if conditions.is_empty() {
            return;
        }
        for &person in self.root.people().keys() {
            let person = SubjectId::Person(person);
            self.dirty
                .extend(conditions.iter().map(|&index| (person, index)));
        }
    }
}

/// Of which kind a subject is.
pub(super) fn audience(subject: SubjectId) -> Audience {
    match subject {
        SubjectId::Account(_) => Audience::Account,
        SubjectId::Person(_) => Audience::Person,
    }
}
