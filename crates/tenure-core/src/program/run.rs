//! Running what is due: every step whose time has come, in order of priority.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::compile::{Action, Program, Step, StepIndex};
use super::record::{Note, find, find_mut, record, report};
use super::watch::{End, finish, is_open, program_of};
use super::{act, send, wait};
use crate::decision::Outcome;
use crate::effect::EnrollmentStatus;
use crate::engine::Cx;
use crate::id::{EnrollmentId, PersonId, SubjectId};
use crate::subject::EnrollmentState;
use crate::time::Timestamp;

/// What programs keep during one instant of a root.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    due: BTreeSet<Due>,
    /// Entries of each subject at this instant.
    pub(super) entries: BTreeMap<SubjectId, u32>,
    /// Marketing messages decided at this instant.
    pub(super) slots: Vec<Slot>,
}

/// An enrollment whose time has come; they are run in this order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Timestamp,
    priority: Reverse<i32>,
    program: Box<str>,
    subject: SubjectId,
    id: EnrollmentId,
}

/// A marketing message that took a place under the caps.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) person: PersonId,
    pub(super) program: Box<str>,
    pub(super) priority: i32,
}

/// What comes after a step was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// The next step, or the end.
    Next(Option<StepIndex>),
    /// It stays at this step.
    Rest,
    /// It has ended.
    Ended,
}

/// Notes what is due of a subject, to be run by [`settle`].
pub(super) fn mark_due(cx: &mut Cx<'_>, subject: SubjectId) {
    let plan = cx.plan;
    let now = cx.now;
    let Some(state) = cx.root.subject(subject) else {
        return;
    };
    let ready = |enrollment: &&EnrollmentState| {
        let due = enrollment.wake_at.is_some_and(|at| at <= now);
        due && acts(enrollment) && !plan.paused.contains(enrollment.program.as_ref())
    };
    for enrollment in state.enrollments.iter().filter(ready) {
        let program = program_of(plan, enrollment);
        cx.programs.due.insert(Due {
            at: enrollment.wake_at.unwrap_or(now),
            priority: Reverse(program.map_or(0, |program| program.priority)),
            program: enrollment.program.clone(),
            subject,
            id: enrollment.id,
        });
    }
}

fn acts(enrollment: &EnrollmentState) -> bool {
    is_open(enrollment) && !enrollment.held_out
}

/// Runs everything that is due at this instant. History makes nothing due.
pub(crate) fn settle(cx: &mut Cx<'_>) {
    while let Some(due) = cx.programs.due.pop_first() {
        run(cx, due.subject, due.id);
    }
}

fn run(cx: &mut Cx<'_>, subject: SubjectId, id: EnrollmentId) {
    let plan = cx.plan;
    let Some(enrollment) = find(cx, subject, id).filter(|enrollment| acts(enrollment)) else {
        return;
    };
    if enrollment.wake_at.is_none_or(|at| at > cx.now) {
        return;
    }
    let Some(program) = program_of(plan, enrollment) else {
        let end = End::new(
            EnrollmentStatus::Exited,
            Outcome::Exited,
            "this version of the program does not exist any more",
        );
        return finish(cx, subject, id, end);
    };
    let standing = enrollment
        .step
        .as_deref()
        .and_then(|name| program.step(name));
    let mut waited = enrollment.waiting;
    let mut at = standing.map(|(at, _)| at);
    // Indexes rise or fall along every path, so this ends after as many steps as there are.
    while let Some(index) = at {
        let place = Place {
            subject,
            id,
            program,
            step: &program.steps[index],
        };
        let flow = if std::mem::take(&mut waited) {
            wait::is_over(cx, &place)
        } else {
            arrive(cx, &place)
        };
        match flow {
            Flow::Next(next) => {
                move_to(cx, subject, id, program, next);
                at = next;
            }
            Flow::Rest => return report(cx, subject, id),
            Flow::Ended => return,
        }
        // A step may have ended its own enrollment: a trait it set made the goal hold.
        if find(cx, subject, id).is_none_or(|enrollment| !is_open(enrollment)) {
            return;
        }
    }
    complete(cx, subject, id);
}

/// Where an enrollment stands while a step is run.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) subject: SubjectId,
    pub(super) id: EnrollmentId,
    pub(super) program: &'a Program,
    pub(super) step: &'a Step,
}

impl<'a> Place<'a> {
    /// A decision about this step.
    pub(super) fn note(&self, outcome: Outcome, reason: impl Into<String>) -> Note<'a> {
        Note::of(self.program, outcome, reason)
            .within(self.id)
            .at(&self.step.name)
    }

    /// Records a decision about this step.
    pub(super) fn decide(&self, cx: &mut Cx<'_>, outcome: Outcome, reason: impl Into<String>) {
        record(cx, self.subject, self.note(outcome, reason));
    }
}

fn complete(cx: &mut Cx<'_>, subject: SubjectId, id: EnrollmentId) {
    let end = End::new(
        EnrollmentStatus::Completed,
        Outcome::Completed,
        "all steps are done",
    );
    finish(cx, subject, id, end);
}

/// Puts an enrollment at a step it has not begun.
pub(super) fn move_to(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    id: EnrollmentId,
    program: &Program,
    next: Option<StepIndex>,
) {
    let now = cx.now;
    if let Some(enrollment) = find_mut(cx, subject, id) {
        enrollment.step = next.map(|at| program.steps[at].name.clone());
        enrollment.step_at = now;
        enrollment.wake_at = Some(now);
        enrollment.waiting = false;
        enrollment.served.clear();
    }
}

fn arrive(cx: &mut Cx<'_>, place: &Place<'_>) -> Flow {
    let step = place.step;
    if let Some(only_if) = &step.only_if {
        let answer = cx.holds(place.subject, &only_if.expr, None);
        if answer != Some(true) {
            let why = if answer.is_none() {
                "is unknown"
            } else {
                "does not hold"
            };
            place.decide(cx, Outcome::Skipped, format!("`{}` {why}", only_if.text));
            return Flow::Next(step.next);
        }
    }
    if act::is_act(&step.action) && has_acted(cx, place) {
        let reason = "a step of this name has already acted for this enrollment";
        place.decide(cx, Outcome::AlreadySent, reason);
        return Flow::Next(step.next);
    }
    match &step.action {
        Action::Send(def) => send::send(cx, place, def),
        Action::Wait(def) => wait::begin(cx, place, def),
        Action::Exit(reason) => {
            let note = if reason.is_empty() {
                "an exit step was reached"
            } else {
                reason
            };
            let end = End::new(EnrollmentStatus::Exited, Outcome::Exited, note);
            finish(cx, place.subject, place.id, end);
            Flow::Ended
        }
        Action::Branch(arms) => act::branch(cx, place, arms),
        Action::Split(arms) => act::split(cx, place, arms),
        _ => {
            act::act(cx, place);
            mark_acted(cx, place);
            Flow::Next(step.next)
        }
    }
}

fn has_acted(cx: &Cx<'_>, place: &Place<'_>) -> bool {
    find(cx, place.subject, place.id)
        .is_some_and(|enrollment| enrollment.acted.contains(&place.step.name))
}

/// Remembers that a step has acted, so that no step of that name acts again.
pub(super) fn mark_acted(cx: &mut Cx<'_>, place: &Place<'_>) {
    if let Some(enrollment) = find_mut(cx, place.subject, place.id).filter(|one| is_open(one)) {
        enrollment.acted.push(place.step.name.clone());
    }
}
