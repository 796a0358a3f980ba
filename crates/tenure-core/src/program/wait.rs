//! Waits: how they begin and how they end.

use jiff::tz::TimeZone;

use super::compile::{Action, Awaiting, Program, StepIndex, Wait};
use super::record::{Note, find, find_mut, record};
use super::run::{Flow, Place, mark_due, move_to};
use super::watch::{is_open, program_of};
use crate::decision::Outcome;
use crate::engine::Cx;
use crate::id::{EnrollmentId, SubjectId};
use crate::plan::{Plan, PropertyMap};
use crate::policy::local::{self, next_local_time, spoken, spoken_ms};
use crate::subject::{EnrollmentState, Root};
use crate::time::Timestamp;
use crate::value::Value;

/// The zone of a subject: its trait `timezone`, else its account's, else the policy's.
pub(super) fn zone_of(plan: &Plan, root: &Root, subject: SubjectId) -> TimeZone {
    local::zone_of(plan, root.subject(subject), root.account())
}

/// The instant of a date trait plus an offset; `account.` reads the person's account. A date
/// without an offset is read by the clock of the subject's zone.
pub(super) fn date_of(
    plan: &Plan,
    root: &Root,
    subject: SubjectId,
    property: &str,
    offset_ms: i64,
) -> Option<Timestamp> {
    let own = root.subject(subject)?.traits.get(property);
    let value = own.or_else(|| {
        let name = property.strip_prefix("account.")?;
        root.account()?.traits.get(name)
    })?;
    let at = value.as_instant_in(|| zone_of(plan, root, subject))?;
    Some(at.plus_ms(offset_ms))
}

/// Begins a wait, or passes it if there is nothing to wait for.
pub(super) fn begin(cx: &mut Cx<'_>, place: &Place<'_>, wait: &Wait) -> Flow {
    let now = cx.now;
    let next = place.step.next;
    let zone = zone_of(cx.plan, cx.root, place.subject);
    match wait {
        Wait::For(ms) => {
            let until = now.plus_ms(*ms);
            let reason = format!("waits {}, until {}", spoken_ms(*ms), spoken(until, &zone));
            rest_until(cx, place, Some(until), reason, next)
        }
        Wait::LocalTime { minutes, weekdays } => {
            let until = next_local_time(&zone, now, *minutes, weekdays);
            let reason = format!("waits until {}", spoken(until.unwrap_or(now), &zone));
            rest_until(cx, place, until.or(Some(now)), reason, next)
        }
        Wait::Date {
            property,
            offset_ms,
        } => {
            let until = date_of(cx.plan, cx.root, place.subject, property, *offset_ms);
            let reason = match until {
                Some(until) => format!("waits until {} (`{property}`)", spoken(until, &zone)),
                None => format!("waits until `{property}` is a known date"),
            };
            rest_until(cx, place, until, reason, next)
        }
        Wait::Until {
            what,
            at_most_ms,
            then,
            ..
        } => {
            if let Awaiting::Condition(watch) = what
                && cx.holds(place.subject, &watch.check.expr, None) == Some(true)
            {
                let reason = format!("`{}` holds already", watch.check.text);
                place.decide(cx, Outcome::Resumed, reason);
                return Flow::Next(*then);
            }
            let until = at_most_ms.map(|ms| now.plus_ms(ms));
            let limit =
                at_most_ms.map_or_else(String::new, |ms| format!(", at most {}", spoken_ms(ms)));
            let reason = format!("waits for {}{limit}", awaited(what, place.program));
            rest(cx, place, until, reason)
        }
    }
}

fn awaited(what: &Awaiting, program: &Program) -> String {
    match what {
        Awaiting::Condition(watch) => format!("`{}`", watch.check.text),
        Awaiting::Goal => {
            let goal = program.goal.as_ref();
            let text = goal.map_or("none", |goal| &goal.watch.check.text);
            format!("the goal `{text}`")
        }
        Awaiting::Event { event, .. } => format!("the event `{event}`"),
    }
}

fn rest_until(
    cx: &mut Cx<'_>,
    place: &Place<'_>,
    until: Option<Timestamp>,
    reason: String,
    next: Option<StepIndex>,
) -> Flow {
    if until.is_some_and(|until| until <= cx.now) {
        place.decide(
            cx,
            Outcome::Resumed,
            "the time it waits for has come already",
        );
        return Flow::Next(next);
    }
    rest(cx, place, until, reason)
}

fn rest(cx: &mut Cx<'_>, place: &Place<'_>, until: Option<Timestamp>, reason: String) -> Flow {
    place.decide(cx, Outcome::Waiting, reason);
    if let Some(enrollment) = find_mut(cx, place.subject, place.id) {
        enrollment.waiting = true;
        enrollment.wake_at = until;
    }
    Flow::Rest
}

/// The time of a wait has come.
pub(super) fn is_over(cx: &mut Cx<'_>, place: &Place<'_>) -> Flow {
    let Action::Wait(wait) = &place.step.action else {
        // A migration put a waiting enrollment at a step that does not wait.
        return Flow::Next(place.step.next);
    };
    let Wait::Until {
        what,
        then,
        otherwise,
        ..
    } = wait
    else {
        place.decide(cx, Outcome::Resumed, "the time it waited for has come");
        return Flow::Next(place.step.next);
    };
    // History may have made it hold without ending the wait.
    if let Awaiting::Condition(watch) = what
        && cx.holds(place.subject, &watch.check.expr, None) == Some(true)
    {
        place.decide(
            cx,
            Outcome::Resumed,
            format!("`{}` holds", watch.check.text),
        );
        return Flow::Next(*then);
    }
    let reason = format!("timed out waiting for {}", awaited(what, place.program));
    place.decide(cx, Outcome::Resumed, reason);
    Flow::Next(*otherwise)
}

/// What an enrollment waited for has happened: it goes on at `next` when the instant is settled.
pub(super) fn go_on(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    id: EnrollmentId,
    next: Option<StepIndex>,
    reason: String,
) {
    let plan = cx.plan;
    let Some(enrollment) = find(cx, subject, id) else {
        return;
    };
    let Some(program) = program_of(plan, enrollment) else {
        return;
    };
    if let Some((_, step)) = enrollment
        .step
        .as_deref()
        .and_then(|name| program.step(name))
    {
        let note = Note::of(program, Outcome::Resumed, reason)
            .within(id)
            .at(&step.name);
        record(cx, subject, note);
    }
    if next.is_none() {
        let end = super::watch::End::new(
            crate::effect::EnrollmentStatus::Completed,
            Outcome::Completed,
            "all steps are done",
        );
        return super::watch::finish(cx, subject, id, end);
    }
    move_to(cx, subject, id, program, next);
    mark_due(cx, subject);
}

/// Enrollments of a subject that stand waiting, with the wait.
fn waiting<'a>(cx: &Cx<'a>, subject: SubjectId) -> Vec<(EnrollmentId, &'a Program, &'a Wait)> {
    let plan = cx.plan;
    let enrollments = cx.root.subject(subject).map(|state| &state.enrollments);
    let stands = |enrollment: &EnrollmentState| {
        let program = program_of(plan, enrollment)?;
        let (_, step) = program.step(enrollment.step.as_deref()?)?;
        match &step.action {
            Action::Wait(wait) => Some((enrollment.id, program, wait)),
            _ => None,
        }
    };
    let mut found = Vec::new();
    for enrollment in enrollments.into_iter().flatten() {
        if is_open(enrollment) && enrollment.waiting {
            found.extend(stands(enrollment));
        }
    }
    found
}

/// An event happened: moves on what waits for it. With a keyed enrollment the key must match too.
pub(super) fn on_event(cx: &mut Cx<'_>, subject: SubjectId, name: &str, properties: &PropertyMap) {
    for (id, program, wait) in waiting(cx, subject) {
        let Wait::Until {
            what: Awaiting::Event { event, filter },
            then,
            ..
        } = wait
        else {
            continue;
        };
        if event.as_ref() != name || !key_matches(cx, subject, id, program, properties) {
            continue;
        }
        let satisfied = filter
            .as_ref()
            .is_none_or(|filter| cx.holds(subject, &filter.expr, Some(properties)) == Some(true));
        if satisfied {
            go_on(
                cx,
                subject,
                id,
                *then,
                format!("the event `{event}` happened"),
            );
        }
    }
}

/// Moves on what waits for a condition that holds without having become true before anybody who
/// looked: through imported history, or through a backfill. To be called at every live moment of
/// a subject.
pub(super) fn catch_up(cx: &mut Cx<'_>, subject: SubjectId) {
    if !cx.live || !cx.plan.program_index.awaits_conditions {
        return;
    }
    for (id, _, wait) in waiting(cx, subject) {
        if let Wait::Until {
            what: Awaiting::Condition(watch),
            then,
            ..
        } = wait
            && cx.condition(subject, watch.index) == Some(true)
        {
            let reason = format!("`{}` holds", watch.check.text);
            go_on(cx, subject, id, *then, reason);
        }
    }
}

fn key_matches(
    cx: &Cx<'_>,
    subject: SubjectId,
    id: EnrollmentId,
    program: &Program,
    properties: &PropertyMap,
) -> bool {
    let key = find(cx, subject, id).and_then(|enrollment| enrollment.key.as_deref());
    match (&program.key, key) {
        (Some(name), Some(key)) => {
            properties.get(name).map(Value::to_string).as_deref() == Some(key)
        }
        _ => true,
    }
}

/// Date traits changed: waits for them follow.
pub(super) fn on_dates(cx: &mut Cx<'_>, subject: SubjectId) {
    for (id, _, wait) in waiting(cx, subject) {
        let Wait::Date {
            property,
            offset_ms,
        } = wait
        else {
            continue;
        };
        let until = date_of(cx.plan, cx.root, subject, property, *offset_ms);
        // History makes nothing act at once.
        let until = if cx.live {
            until
        } else {
            until.map(|at| at.max(cx.now.plus_ms(1)))
        };
        let known = find(cx, subject, id).and_then(|enrollment| enrollment.wake_at);
        if known == until {
            continue;
        }
        if let Some(enrollment) = find_mut(cx, subject, id) {
            enrollment.wake_at = until;
        }
        let zone = zone_of(cx.plan, cx.root, subject);
        let reason = match until {
            Some(until) => format!("`{property}` changed: waits until {}", spoken(until, &zone)),
            None => format!("`{property}` changed: waits until it is a known date"),
        };
        note_wait(cx, subject, id, reason);
    }
    mark_due(cx, subject);
}

fn note_wait(cx: &mut Cx<'_>, subject: SubjectId, id: EnrollmentId, reason: String) {
    let plan = cx.plan;
    let Some(enrollment) = find(cx, subject, id) else {
        return;
    };
    let step = enrollment.step.clone();
    if let Some(program) = program_of(plan, enrollment) {
        let mut note = Note::of(program, Outcome::Waiting, reason).within(id);
        note.step = step.as_deref();
        record(cx, subject, note);
    }
}
