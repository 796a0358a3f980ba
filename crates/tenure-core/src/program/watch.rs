//! What is watched throughout an enrollment: goal, exit condition, awaited conditions; and how an
//! enrollment ends.

use super::compile::{Action, Awaiting, Goal, Program, Wait};
use super::record::{Note, find_mut, record, report};
use super::wait;
use crate::decision::Outcome;
use crate::effect::EnrollmentStatus;
use crate::engine::Cx;
use crate::id::{EnrollmentId, SubjectId};
use crate::plan::Plan;
use crate::policy::local::spoken_ms;
use crate::subject::EnrollmentState;
use crate::time::Timestamp;

/// Whether an enrollment is still going on: through its steps, or held out and watched.
pub(super) fn is_open(enrollment: &EnrollmentState) -> bool {
    enrollment.ended_at.is_none()
}

/// The version of the program an enrollment is pinned to.
pub(super) fn program_of<'a>(plan: &'a Plan, enrollment: &EnrollmentState) -> Option<&'a Program> {
    let at = plan
        .program_index
        .pinned(&enrollment.program, enrollment.version)?;
    Some(&plan.programs[at])
}

/// Looks at the watched conditions of all enrollments of a subject: ends those whose goal or exit
/// condition holds, moves on those that wait for a condition which holds.
pub(super) fn watch(cx: &mut Cx<'_>, subject: SubjectId) {
    let Some(state) = cx.root.subject(subject) else {
        return;
    };
    let open: Vec<EnrollmentId> = state
        .enrollments
        .iter()
        .filter(|enrollment| is_open(enrollment))
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
    let held_out = enrollment.held_out;
    let step = enrollment.step.clone().filter(|_| enrollment.waiting);
    if let Some(reason) = goal_reached(cx, subject, program, entered_at) {
        let end = End::new(EnrollmentStatus::Goal, Outcome::GoalReached, reason);
        return finish(cx, subject, id, end);
    }
    if held_out {
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

/// Ends an enrollment, unless it has ended.
pub(super) fn finish(cx: &mut Cx<'_>, subject: SubjectId, id: EnrollmentId, end: End) {
    let (plan, now) = (cx.plan, cx.now);
    let Some(enrollment) = find_mut(cx, subject, id).filter(|enrollment| is_open(enrollment))
    else {
        return;
    };
    enrollment.status = end.status;
    enrollment.ended_at = Some(now);
    enrollment.step = None;
    enrollment.wake_at = None;
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
