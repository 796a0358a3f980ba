//! What is watched throughout an enrollment: goal, exit condition, awaited conditions; and how an
//! enrollment ends.

use std::collections::BTreeMap;

use super::GOAL_WATCH_MS;
use super::compile::{Action, Awaiting, Goal, Program, Wait};
use super::record::{Note, find_mut, record, report};
use super::wait;
use crate::decision::Outcome;
use crate::effect::EnrollmentStatus;
use crate::engine::Cx;
use crate::id::{EnrollmentId, SubjectId};
use crate::plan::Plan;
use crate::policy::local::spoken_ms;
use crate::subject::{EnrollmentState, SubjectState};
use crate::time::Timestamp;

/// See [`EnrollmentState::is_open`].
pub(super) fn is_open(enrollment: &EnrollmentState) -> bool {
    enrollment.is_open()
}

/// Until when the goal counts for who entered at `entered_at`, held out or not: the same time for
/// both, so that they can be compared.
pub(super) fn watch_end(goal: Option<&Goal>, entered_at: Timestamp) -> Timestamp {
    let within_ms = goal.and_then(|goal| goal.within_ms);
    entered_at.plus_ms(within_ms.unwrap_or(GOAL_WATCH_MS))
}

/// The version of the program an enrollment is pinned to.
pub(super) fn program_of<'a>(plan: &'a Plan, enrollment: &EnrollmentState) -> Option<&'a Program> {
    let at = plan
        .program_index
        .pinned(&enrollment.program, enrollment.version)?;
    Some(&plan.programs[at])
}

/// Looks at the watched conditions of all enrollments of a subject: ends those whose goal or exit
/// condition holds, moves on those that wait for a condition which holds. Of those that have
/// ended only the goal is looked at.
pub(super) fn watch(cx: &mut Cx<'_>, subject: SubjectId) {
    let Some(state) = cx.root.subject(subject) else {
        return;
    };
    let open: Vec<EnrollmentId> = state
        .enrollments
        .iter()
        .filter(|enrollment| enrollment.is_open() || enrollment.is_watched())
        .map(|enrollment| enrollment.id)
        .collect();
    for id in open {
        watch_one(cx, subject, id);
    }
}

fn watch_one(cx: &mut Cx<'_>, subject: SubjectId, id: EnrollmentId) {
    let plan = cx.plan;
    let Some(enrollment) = super::record::find(cx, subject, id) else {
        return;
    };
    let Some(program) = program_of(plan, enrollment) else {
        return;
    };
    let entered_at = enrollment.entered_at;
    let goal_only = enrollment.held_out || !enrollment.is_open();
    let step = enrollment.step.clone().filter(|_| enrollment.waiting);
    if let Some(reason) = goal_reached(cx, subject, program, entered_at) {
        let end = End::new(EnrollmentStatus::Goal, Outcome::GoalReached, reason);
        return finish(cx, subject, id, end);
    }
    if goal_only {
        return;
    }
    if let Some(exit) = &program.exit
        && cx.condition(subject, exit.index) == Some(true)
    {
        let reason = format!("the exit condition `{}` holds", exit.check.text);
        return finish(
            cx,
            subject,
            id,
            End::new(EnrollmentStatus::Exited, Outcome::Exited, reason),
        );
    }
    let awaited = step.as_deref().and_then(|name| program.step(name));
    if let Some((_, step)) = awaited
        && let Action::Wait(Wait::Until {
            what: Awaiting::Condition(watch),
            then,
            ..
        }) = &step.action
        && cx.live
        && cx.condition(subject, watch.index) == Some(true)
    {
        let reason = format!("`{}` holds", watch.check.text);
        wait::go_on(cx, subject, id, *then, reason);
    }
}

fn goal_reached(
    cx: &Cx<'_>,
    subject: SubjectId,
    program: &Program,
    entered_at: Timestamp,
) -> Option<String> {
    let goal = program.goal.as_ref()?;
    let holds = cx.condition(subject, goal.watch.index) == Some(true);
    if !holds || is_over(goal, entered_at, cx.now) {
        return None;
    }
    let after = spoken_ms(cx.now.since_ms(entered_at) / 1_000 * 1_000);
    Some(format!(
        "`{}` holds, {after} after entering",
        goal.watch.check.text
    ))
}

/// Whether a goal does not count any more.
fn is_over(goal: &Goal, entered_at: Timestamp, now: Timestamp) -> bool {
    goal.within_ms
        .is_some_and(|within_ms| now.since_ms(entered_at) > within_ms)
}

/// How an enrollment ends.
pub(super) struct End {
    status: EnrollmentStatus,
    outcome: Outcome,
    reason: String,
}

impl End {
    pub(super) fn new(
        status: EnrollmentStatus,
        outcome: Outcome,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            status,
            outcome,
            reason: reason.into(),
        }
    }
}

/// Until when the goal still counts for an enrollment that ends now in this way. Who was removed
/// by hand is not watched, nor who was held out until now.
fn watched_until(
    plan: &Plan,
    enrollment: &EnrollmentState,
    status: EnrollmentStatus,
    now: Timestamp,
) -> Option<Timestamp> {
    let through = matches!(
        status,
        EnrollmentStatus::Completed | EnrollmentStatus::Exited
    );
    if !through || enrollment.held_out {
        return None;
    }
    let goal = program_of(plan, enrollment)?.goal.as_ref()?;
    Some(watch_end(Some(goal), enrollment.entered_at)).filter(|until| *until > now)
}

/// Ends an enrollment, unless it has ended: one that has can only reach its goal.
pub(super) fn finish(cx: &mut Cx<'_>, subject: SubjectId, id: EnrollmentId, end: End) {
    let (plan, now) = (cx.plan, cx.now);
    let may = |one: &&mut EnrollmentState| {
        one.is_open() || one.is_watched() && end.status == EnrollmentStatus::Goal
    };
    let Some(enrollment) = find_mut(cx, subject, id).filter(may) else {
        return;
    };
    let watched_until = watched_until(plan, enrollment, end.status, now);
    enrollment.status = end.status;
    enrollment.ended_at = Some(now);
    enrollment.step = None;
    enrollment.wake_at = watched_until;
    enrollment.waiting = false;
    enrollment.data = "{}".into();
    enrollment.acted = Vec::new();
    enrollment.served = Vec::new();
    let (name, key) = (enrollment.program.clone(), enrollment.key.clone());
    let pinned = program_of(plan, enrollment);
    let known = pinned.or_else(|| {
        plan.program_index
            .current(&name)
            .map(|at| &plan.programs[at])
    });
    if let Some(program) = known {
        record(
            cx,
            subject,
            Note::of(program, end.outcome, end.reason).within(id),
        );
    }
    report(cx, subject, id);
    forget_superseded(cx, subject, &name, key.as_deref());
}

/// Of the passages of one program and key the goal counts for the last alone.
pub(super) fn end_earlier_watches(state: &mut SubjectState) {
    let last: BTreeMap<_, Timestamp> = state
        .enrollments
        .iter()
        .map(|one| ((one.program.clone(), one.key.clone()), one.entered_at))
        .collect();
    for one in state.enrollments.iter_mut().filter(|one| one.is_watched()) {
        let which = (one.program.clone(), one.key.clone());
        if last.get(&which).is_some_and(|at| *at > one.entered_at) {
            one.wake_at = None;
        }
    }
}

/// Of the ended enrollments of one program and key only the last is needed for re-entry.
fn forget_superseded(cx: &mut Cx<'_>, subject: SubjectId, program: &str, key: Option<&str>) {
    let Some(state) = cx.root.subject_mut(subject) else {
        return;
    };
    let same = |enrollment: &EnrollmentState| {
        enrollment.program.as_ref() == program && enrollment.key.as_deref() == key
    };
    let last = state
        .enrollments
        .iter()
        .filter(|one| same(one))
        .map(|one| one.entered_at)
        .max();
    state.enrollments.retain(|one| {
        // Those entered at the same instant are counted when the next id is derived.
        is_open(one) || !same(one) || Some(one.entered_at) == last
    });
}
