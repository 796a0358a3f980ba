//! New versions (keep, migrate, exit) and the merging of two people.

use std::collections::BTreeMap;

use super::compile::{Action, Program, StepIndex, Wait};
use super::hooks::enrollments;
use super::record::{Note, find, find_mut, record, report};
use super::run::mark_due;
use super::wait::{date_of, zone_of};
use super::watch::{End, end_earlier_watches, finish, is_open, program_of, watch};
use crate::decision::Outcome;
use crate::define::ProgramDef;
use crate::effect::EnrollmentStatus;
use crate::engine::Cx;
use crate::id::{EnrollmentId, SubjectId};
use crate::log::{OnPublish, Published};
use crate::policy::{self, local::next_local_time};
use crate::subject::{EnrollmentState, SubjectState};
use crate::time::Timestamp;

/// Brings the enrollments of a subject to the present plan.
pub(crate) fn adopt(cx: &mut Cx<'_>, subject: SubjectId, published: Option<&Published>) {
    let plan = cx.plan;
    for id in enrollments(cx, subject, is_open) {
        let Some(enrollment) = find(cx, subject, id) else {
            continue;
        };
        let asked = published.and_then(|published| {
            let mut asked = published.programs.iter();
            asked
                .find(|(name, _)| *name == enrollment.program)
                .map(|(_, what)| *what)
        });
        let pinned = program_of(plan, enrollment);
        let current = plan
            .program_index
            .current(&enrollment.program)
            .map(|at| &plan.programs[at]);
        let Some(current) = current else {
            leave(cx, subject, id, "the program was deleted");
            continue;
        };
        if enrollment.version == current.version {
            continue;
        }
        match asked {
            Some(OnPublish::Exit) => leave(cx, subject, id, "a new version was published"),
            Some(OnPublish::Migrate) => migrate(cx, subject, id, current),
            // Nothing is left to finish on.
            Some(OnPublish::Keep) | None if pinned.is_none() => migrate(cx, subject, id, current),
            Some(OnPublish::Keep) | None => {}
        }
    }
    rehouse_watches(cx, subject);
    watch(cx, subject);
    mark_due(cx, subject);
}

/// The goal of an ended enrollment whose version is gone is that of the present version, if there
/// is one.
fn rehouse_watches(cx: &mut Cx<'_>, subject: SubjectId) {
    let plan = cx.plan;
    let homeless = |one: &EnrollmentState| one.is_watched() && program_of(plan, one).is_none();
    for id in enrollments(cx, subject, homeless) {
        let Some(enrollment) = find_mut(cx, subject, id) else {
            continue;
        };
        let current = plan.program_index.current(&enrollment.program);
        match current.map(|at| &plan.programs[at]) {
            Some(program) if program.goal.is_some() => enrollment.version = program.version,
            _ => enrollment.wake_at = None,
        }
    }
}

fn leave(cx: &mut Cx<'_>, subject: SubjectId, id: EnrollmentId, reason: &str) {
    finish(
        cx,
        subject,
        id,
        End::new(EnrollmentStatus::Exited, Outcome::Exited, reason),
    );
}

fn migrate(cx: &mut Cx<'_>, subject: SubjectId, id: EnrollmentId, program: &Program) {
    let Some(enrollment) = find(cx, subject, id) else {
        return;
    };
    let (step, step_at, held_out) = (
        enrollment.step.clone(),
        enrollment.step_at,
        enrollment.held_out,
    );
    let place = step.as_deref().and_then(|name| program.step(name));
    if place.is_none() && !held_out {
        let name = step.as_deref().unwrap_or_default();
        let reason = format!("the new version has no step `{name}`");
        return leave(cx, subject, id, &reason);
    }
    let wake_at = place.map(|(at, _)| wake_at(cx, subject, program, at, step_at));
    let now = cx.now;
    if let Some(enrollment) = find_mut(cx, subject, id) {
        enrollment.version = program.version;
        match wake_at {
            Some(Standing::Waits(wake_at)) if enrollment.waiting => enrollment.wake_at = wake_at,
            // The step of that name does not wait (any more): it is run now.
            Some(Standing::Acts) => {
                enrollment.waiting = false;
                enrollment.wake_at = Some(now);
            }
            _ => {}
        }
    }
    let reason = format!("goes on in version {}", program.version);
    let note = Note::of(program, Outcome::Migrated, reason).within(id);
    record(
        cx,
        subject,
        Note {
            step: step.as_deref(),
            ..note
        },
    );
    report(cx, subject, id);
}

/// What the step of the new version does with an enrollment that stands at it.
enum Standing {
    /// It waits until then, or for something else to happen.
    Waits(Option<Timestamp>),
    /// It is no wait.
    Acts,
}

/// When a wait of the new version ends, counted from when the step was reached.
fn wake_at(
    cx: &Cx<'_>,
    subject: SubjectId,
    program: &Program,
    at: StepIndex,
    step_at: Timestamp,
) -> Standing {
    let Action::Wait(wait) = &program.steps[at].action else {
        return Standing::Acts;
    };
    let until = match wait {
        Wait::For(ms) => Some(step_at.plus_ms(*ms)),
        Wait::LocalTime { minutes, weekdays } => {
            let zone = zone_of(cx.plan, cx.root, subject);
            next_local_time(&zone, step_at, *minutes, weekdays)
        }
        Wait::Date {
            property,
            offset_ms,
        } => date_of(cx.plan, cx.root, subject, property, *offset_ms),
        Wait::Until { at_most_ms, .. } => at_most_ms.map(|ms| step_at.plus_ms(ms)),
    };
    Standing::Waits(until.map(|until| until.max(cx.now)))
}

/// Folds one person's enrollments and contact state into another's. Where both are inside the
/// same program with the same key, the earlier passage goes on and the later one ends.
pub(crate) fn merge(cx: &mut Cx<'_>, from: &SubjectState, into: SubjectId) {
    cx.touch(into);
    let Some(state) = cx.root.subject_mut(into) else {
        return;
    };
    policy::merge(&mut state.contact, &from.contact);
    state.enrollments.extend(from.enrollments.iter().cloned());
    state
        .enrollments
        .sort_by_key(|one| (one.entered_at, one.id));
    end_earlier_watches(state);
    for enrollment in from.enrollments.iter().filter(|one| is_open(one)) {
        report(cx, into, enrollment.id);
    }
    for id in later_twins(cx, into) {
        let reason = "two people turned out to be one, who is inside already";
        finish(
            cx,
            into,
            id,
            End::new(EnrollmentStatus::Removed, Outcome::Removed, reason),
        );
    }
    watch(cx, into);
    mark_due(cx, into);
}

fn later_twins(cx: &Cx<'_>, subject: SubjectId) -> Vec<EnrollmentId> {
    let mut seen: Vec<(Box<str>, Option<Box<str>>)> = Vec::new();
    let mut twins = Vec::new();
    for id in enrollments(cx, subject, is_open) {
        let Some(one) = find(cx, subject, id) else {
            continue;
        };
        let which = (one.program.clone(), one.key.clone());
        if seen.contains(&which) {
            twins.push(id);
        } else {
            seen.push(which);
        }
    }
    twins
}

/// What publishing a new version would do to the enrollments that stand at one step.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Affected {
    /// Step the enrollments stand at; `None` for those that are held out.
    pub step: Option<String>,
    /// How many stand there. *Keep* lets them finish as they are; *exit* ends them all.
    pub enrollment_count: u64,
    /// Whether *migrate* lets them go on, since the new version has a step of that name;
    /// otherwise it ends them.
    pub can_migrate: bool,
}

/// Previews the publication of `new` over older versions of the same program, by step.
pub fn affected<'a>(
    new: &ProgramDef,
    enrollments: impl IntoIterator<Item = &'a EnrollmentState>,
) -> Vec<Affected> {
    let mut counts: BTreeMap<Option<&str>, u64> = BTreeMap::new();
    for one in enrollments {
        if is_open(one) && one.program.as_ref() == new.name {
            *counts.entry(one.step.as_deref()).or_default() += 1;
        }
    }
    let names = new.step_names();
    counts
        .into_iter()
        .map(|(step, enrollment_count)| Affected {
            step: step.map(Into::into),
            enrollment_count,
            can_migrate: step.is_none_or(|step| names.contains(&step)),
        })
        .collect()
}
