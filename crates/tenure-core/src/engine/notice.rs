//! Evaluating what is marked, and telling programs what became of it.
//!
//! All marked conditions of the root are evaluated before anybody is told, so that whoever reacts
//! sees one consistent moment.

use crate::effect::{EmittedEvent, MembershipChange};
use crate::id::{EventId, SubjectId};
use crate::plan::{ConditionIndex, Signal};
use crate::subject::ConditionState;

use super::cx::audience;
use super::eval::{Scene, earliest};
use super::evidence::evidence;
use super::{Cx, hooks};

/// How often one entry may make steps run in one root; a circle of programs that set each other's
/// traits ends here.
const MAX_ROUNDS: usize = 1_000;

/// Something programs are told.
#[derive(Debug)]
pub(super) enum Notice {
    /// Membership changed.
    Segment {
        subject: SubjectId,
        /// Index in the plan.
        segment: u32,
        entered: bool,
        initial: bool,
    },
    /// A condition began or ceased to hold.
    Condition {
        subject: SubjectId,
        condition: ConditionIndex,
        value: Option<bool>,
        initial: bool,
    },
}

impl Cx<'_> {
    /// Evaluates all that is marked, and what depends on it.
    pub(super) fn settle(&mut self) {
        while let Some((subject, index)) = self.dirty.pop_first() {
            self.evaluate(subject, index);
        }
    }

    /// Evaluates all that is marked, tells programs and runs the steps that are due, until nothing
    /// more follows.
    pub(super) fn deliver(&mut self) {
        for _ in 0..MAX_ROUNDS {
            self.notify();
            hooks::settle(self);
            self.after_programs();
            if self.notices.is_empty() {
                return;
            }
        }
        self.notices.clear();
    }

    /// Evaluates all that is marked and tells programs, without running any step yet: so that
    /// what happens at one instant for several reasons is decided by priority.
    pub(super) fn notify(&mut self) {
        self.after_programs();
        while let Some(notice) = self.notices.pop_front() {
            self.tell(&notice);
            self.after_programs();
        }
    }

    /// To be called after programs ran: enrollments may have begun or ended.
    pub(super) fn after_programs(&mut self) {
        while self.seen_enrollments < self.out.enrollments.len() {
            let subject = self.out.enrollments[self.seen_enrollments].subject;
            self.seen_enrollments += 1;
            self.watch(subject);
        }
        self.settle();
    }

    fn evaluate(&mut self, subject: SubjectId, index: ConditionIndex) {
        let plan = self.plan;
        if let Some(health) = plan.health_at(index) {
            self.evaluate_health(subject, health);
            return;
        }
        let condition = &plan.conditions[index.0 as usize];
        let state = self.root.subject(subject);
        let Some(known) = state
            .and_then(|state| state.conditions.get(&condition.key))
            .copied()
        else {
            return;
        };
        let scene = Scene::of(plan, self.root, subject, self.now);
        let (value, next_change_at) = scene.answer(condition);
        let changed = value != known.value;
        if !changed && next_change_at == known.next_change_at && !self.initial {
            return;
        }
        let fresh = ConditionState {
            value,
            since: if changed { self.now } else { known.since },
            next_change_at,
        };
        let state = self.root.subject_mut(subject);
        if let Some(kept) = state.and_then(|state| state.conditions.get_mut(&condition.key)) {
            *kept = fresh;
        }
        self.touch(subject);
        let holds = value == Some(true);
        self.sync_membership(subject, index, holds);
        if changed {
            self.mark(subject, &plan.index.condition_users[index.0 as usize]);
        }
        if holds != (known.value == Some(true)) {
            self.notices.push_back(Notice::Condition {
                subject,
                condition: index,
                value,
                initial: self.initial,
            });
        }
    }

    pub(super) fn sync_membership(
        &mut self,
        subject: SubjectId,
        index: ConditionIndex,
        holds: bool,
    ) {
        let plan = self.plan;
        for &segment in &plan.index.condition_segments[index.0 as usize] {
            let name = &plan.segments[segment as usize].name;
            let Some(state) = self.root.subject_mut(subject) else {
                return;
            };
            if state.in_segment(name) == holds {
                continue;
            }
            if holds {
                state.segments.push(name.clone());
            } else {
                state.segments.retain(|known| known != name);
            }
            self.out.memberships.push(MembershipChange {
                segment: name.clone(),
                subject,
                entered: holds,
                at: self.now,
            });
            self.notices.push_back(Notice::Segment {
                subject,
                segment,
                entered: holds,
                initial: self.initial,
            });
        }
    }

    fn tell(&mut self, notice: &Notice) {
        let plan = self.plan;
        match *notice {
            Notice::Segment {
                subject,
                segment,
                entered,
                initial,
            } => {
                let name = &plan.segments[segment as usize].name;
                hooks::on_segment(self, subject, name, entered, initial);
            }
            Notice::Condition {
                subject,
                condition,
                value,
                initial,
            } => {
                if value == Some(true) && self.live && !initial {
                    for &signal in &plan.index.condition_signals[condition.0 as usize] {
                        self.fire(subject, &plan.signals[signal as usize]);
                    }
                }
                hooks::on_flip(self, subject, condition, value, initial);
            }
        }
    }

    fn fire(&mut self, subject: SubjectId, signal: &Signal) {
        let now = self.now;
        let Some(state) = self.root.subject_mut(subject) else {
            return;
        };
        let last = state.signals_fired.get(&signal.name);
        if last.is_some_and(|last| now.since_ms(*last) < signal.cooldown_ms) {
            return;
        }
        state.signals_fired.insert(signal.name.clone(), now);
        let account = state.account;
        let told = evidence(&Scene::of(self.plan, self.root, subject, now), signal);
        let id = self.plan.salt.hash(
            "signal",
            &[
                signal.name.as_bytes(),
                &subject.bits().to_be_bytes(),
                &now.0.to_be_bytes(),
            ],
        );
        self.out.events.push(EmittedEvent {
            id: EventId(id),
            subject,
            account: account.or(subject.account()),
            name: format!("signal:{}", signal.name).into(),
            occurred_at: now,
            properties: told.clone(),
        });
        hooks::on_signal(self, subject, &signal.name, &told);
    }

    /// Begins to keep a condition for a subject, if the history it needs is there.
    pub(super) fn start(&mut self, subject: SubjectId, index: ConditionIndex) {
        let key = self.plan.conditions[index.0 as usize].key;
        let missing = self
            .root
            .subject(subject)
            .is_some_and(|state| !state.conditions.contains_key(&key));
        if missing && self.ready(subject, index) {
            self.keep(subject, index);
            self.dirty.insert((subject, index));
            let plan = self.plan;
            self.mark(subject, &plan.index.condition_users[index.0 as usize]);
        }
    }

    /// Lets go of conditions whose history is not complete (any more).
    pub(super) fn stop_unready(&mut self, subject: SubjectId) {
        let plan = self.plan;
        for &index in plan.index.conditions(audience(subject)) {
            if self.ready(subject, index) {
                continue;
            }
            if let Some(state) = self.root.subject_mut(subject) {
                state
                    .conditions
                    .remove(&plan.conditions[index.0 as usize].key);
            }
        }
    }

    /// Begins to keep all conditions that are kept for every subject.
    pub(super) fn start_all(&mut self, subject: SubjectId) {
        let plan = self.plan;
        for &index in plan.index.conditions(audience(subject)) {
            if plan.conditions[index.0 as usize].always {
                self.start(subject, index);
            }
        }
    }

    fn keep(&mut self, subject: SubjectId, index: ConditionIndex) {
        let key = self.plan.conditions[index.0 as usize].key;
        let fresh = ConditionState {
            value: None,
            since: self.now,
            next_change_at: None,
        };
        if let Some(state) = self.root.subject_mut(subject)
            && !state.conditions.contains_key(&key)
        {
            state.conditions.insert(key, fresh);
        }
    }

    /// Whether the history a condition needs is complete.
    fn ready(&self, subject: SubjectId, index: ConditionIndex) -> bool {
        let condition = &self.plan.conditions[index.0 as usize];
        condition.needs.iter().all(|&(series, reach_ms)| {
            let spec = &self.plan.series[series as usize];
            let state = if spec.audience == condition.audience {
                self.root.subject(subject)
            } else {
                self.root.account()
            };
            let covered = |state: &crate::subject::SubjectState| {
                let series = state.series.get(&spec.key);
                series.is_some_and(|series| series.covers(reach_ms))
            };
            state.is_none_or(covered)
        })
    }

    /// Keeps the conditions of the programs the subject is inside of, and lets go of the others.
    /// Nobody is told of their first answer: programs ask when they need it.
    pub(crate) fn watch(&mut self, subject: SubjectId) {
        let plan = self.plan;
        let active = self.active_programs(subject);
        for &index in &plan.index.watched {
            let condition = &plan.conditions[index.0 as usize];
            if condition.audience != audience(subject) {
                continue;
            }
            let wanted = condition.programs.iter().any(|at| active.contains(at));
            let state = self.root.subject(subject);
            let kept = state.is_some_and(|state| state.conditions.contains_key(&condition.key));
            if wanted && !kept && self.ready(subject, index) {
                self.keep(subject, index);
                self.answer_quietly(subject, index);
            } else if !wanted
                && kept
                && let Some(state) = self.root.subject_mut(subject)
            {
                state.conditions.remove(&condition.key);
            }
        }
        self.touch(subject);
    }

    fn answer_quietly(&mut self, subject: SubjectId, index: ConditionIndex) {
        let condition = &self.plan.conditions[index.0 as usize];
        let scene = Scene::of(self.plan, self.root, subject, self.now);
        let (value, next_change_at) = scene.answer(condition);
        if let Some(state) = self.root.subject_mut(subject)
            && let Some(kept) = state.conditions.get_mut(&condition.key)
        {
            kept.value = value;
            kept.next_change_at = next_change_at;
        }
    }

    /// Index of every program the subject is inside of, held out included, or whose goal still
    /// counts for it.
    fn active_programs(&self, subject: SubjectId) -> Vec<usize> {
        let Some(state) = self.root.subject(subject) else {
            return Vec::new();
        };
        let enrollments = state.enrollments.iter();
        enrollments
            .filter(|enrollment| enrollment.is_open() || enrollment.is_watched())
            .filter_map(|enrollment| {
                self.plan.program_names.iter().position(|(name, version)| {
                    *name == enrollment.program && *version == enrollment.version
                })
            })
            .collect()
    }

    /// Ends the moment: every changed subject gets its next wake-up.
    pub(super) fn finish(mut self) {
        for subject in std::mem::take(&mut self.touched) {
            let by_program = hooks::next_wake(self.plan, self.root, subject, self.now);
            if let Some(state) = self.root.subject_mut(subject) {
                let changes = state.conditions.values();
                let by_condition = changes.filter_map(|kept| kept.next_change_at).min();
                let next = earliest(by_condition, by_program);
                state.dirty = true;
                let next = next.map(|at| at.max(self.now.plus_ms(1)));
                self.root.set_wake(subject, next);
            }
        }
    }
}
