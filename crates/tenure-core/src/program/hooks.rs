//! What the engine calls when something happened to a subject.

use super::compile::{Program, ProgramEntry};
use super::enter::{Entrance, Why, enter};
use super::record::{Note, find_mut, record};
use super::run::mark_due;
use super::wait::{self, date_of};
use super::watch::{End, finish, is_open, watch};
use crate::decision::Outcome;
use crate::define::Audience;
use crate::effect::EnrollmentStatus;
use crate::engine::Cx;
use crate::id::{EnrollmentId, PersonId, SubjectId};
use crate::log::{Command, Event};
use crate::plan::{ConditionIndex, EventIndex, Plan, PropertyMap};
use crate::policy::{self, Choice, Receipt};
use crate::subject::{EnrollmentState, Root, SubjectState};
use crate::time::Timestamp;
use crate::value::Value;

/// Name prefix of events that signals emit: they acted when they fired, not when they come back.
const SIGNAL_PREFIX: &str = "signal:";

fn is_about(program: &Program, subject: SubjectId) -> bool {
    match program.audience {
        Audience::Person => subject.person().is_some(),
        Audience::Account => subject.account().is_some(),
    }
}

/// Programs of the plan at these places that are about this kind of subject.
fn programs<'a>(
    plan: &'a Plan,
    places: Option<&'a Vec<usize>>,
    subject: SubjectId,
) -> impl Iterator<Item = &'a Program> {
    let all = places.into_iter().flatten().map(|at| &plan.programs[*at]);
    all.filter(move |program| is_about(program, subject))
}

/// An event of the subject (for an account also those of its people) happened.
pub(crate) fn on_event(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    event: &Event<'_>,
    properties: &PropertyMap,
    index: &EventIndex,
) {
    let plan = cx.plan;
    let name = event.name.as_ref();
    if let Some(person) = subject.person() {
        take_receipt(cx, person, name, properties);
    }
    if name.starts_with(SIGNAL_PREFIX) {
        return;
    }
    if cx.live && index.awaited {
        wait::on_event(cx, subject, name, properties);
    }
    wait::catch_up(cx, subject);
    // Imports are not worth a decision per event; late events are.
    if event.historical {
        return;
    }
    for program in programs(plan, Some(&index.programs), subject) {
        if let ProgramEntry::Event {
            filter: Some(filter),
            ..
        } = &program.entry
            && cx.holds(subject, &filter.expr, Some(properties)) != Some(true)
        {
            continue;
        }
        let key = program.key.as_deref().and_then(|key| properties.get(key));
        let entrance = Entrance {
            why: Why::Event(name),
            key: key.map(|key| Value::to_string(key).into()),
            data: &event.properties,
            event: Some(properties),
        };
        enter(cx, subject, program, &entrance);
    }
}

fn take_receipt(cx: &mut Cx<'_>, person: PersonId, name: &str, properties: &PropertyMap) {
    if !name.starts_with("message_") {
        return;
    }
    let text = |property: &str| properties.get(property).and_then(Value::as_text);
    let receipt = Receipt::of_event(name, text("kind"), text("topic"));
    if let (Some(receipt), Some(state)) = (receipt, cx.root.subject_mut(SubjectId::Person(person)))
    {
        policy::record_receipt(&mut state.contact, receipt);
        cx.touch(SubjectId::Person(person));
    }
}

/// A tracked condition of the subject changed its answer. `initial` is the first answer after a
/// backfill or a new plan.
pub(crate) fn on_flip(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    condition: ConditionIndex,
    value: Option<bool>,
    initial: bool,
) {
    if value != Some(true) {
        return;
    }
    let plan = cx.plan;
    let index = &plan.program_index;
    for program in programs(plan, index.by_condition.get(&condition), subject) {
        if let ProgramEntry::When { text, existing, .. } = &program.entry
            && (!initial || *existing)
        {
            let how = if initial { "holds" } else { "became true" };
            let why = format!("`{text}` {how}");
            enter(cx, subject, program, &Entrance::because(why));
        }
    }
    if index.watched.contains(&condition) {
        watch(cx, subject);
    }
}

/// The subject entered or left a segment.
pub(crate) fn on_segment(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    segment: &str,
    entered: bool,
    initial: bool,
) {
    let plan = cx.plan;
    for program in programs(plan, plan.program_index.by_segment.get(segment), subject) {
        if let ProgramEntry::Segment { existing, .. } = &program.entry
            && entered
            && (!initial || *existing)
        {
            let how = if initial { "is in" } else { "entered" };
            let why = format!("{how} the segment `{segment}`");
            enter(cx, subject, program, &Entrance::because(why));
        }
    }
}

/// A signal of the subject fired; `evidence` is a JSON object.
pub(crate) fn on_signal(cx: &mut Cx<'_>, subject: SubjectId, signal: &str, evidence: &str) {
    let plan = cx.plan;
    let index = &plan.program_index;
    let event = format!("{SIGNAL_PREFIX}{signal}");
    let properties = PropertyMap::parse(evidence);
    let by_event = plan.index.event(&event);
    if cx.live && by_event.awaited {
        wait::on_event(cx, subject, &event, &properties);
    }
    let by_signal = programs(plan, index.by_signal.get(signal), subject);
    let by_event = programs(plan, Some(&by_event.programs), subject);
    for program in by_signal.chain(by_event) {
        if let ProgramEntry::Event {
            filter: Some(filter),
            ..
        } = &program.entry
            && cx.holds(subject, &filter.expr, Some(&properties)) != Some(true)
        {
            continue;
        }
        let entrance = Entrance {
            why: Why::Signal(signal),
            key: None,
            data: evidence,
            event: Some(&properties),
        };
        enter(cx, subject, program, &entrance);
    }
}

/// Traits of the subject changed: waits for dates and entries by date follow.
pub(crate) fn on_traits(cx: &mut Cx<'_>, subject: SubjectId, changed: &[&str]) {
    wait::on_dates(cx, subject);
    wait::catch_up(cx, subject);
    note_missed_dates(cx, subject, changed);
    let dates = &cx.plan.program_index.account_dates;
    if subject.account().is_some() && changed.iter().any(|name| dates.contains(*name)) {
        let people: Vec<PersonId> = cx.root.people().keys().copied().collect();
        for person in people {
            let subject = SubjectId::Person(person);
            let dates = &cx.plan.program_index.dates;
            if programs(cx.plan, Some(dates), subject).next().is_some() {
                // Its next wake-up may have moved.
                cx.touch(subject);
            }
            wait::on_dates(cx, subject);
        }
    }
}

/// A date that became known when the moment of entry had passed enters nobody; say so.
fn note_missed_dates(cx: &mut Cx<'_>, subject: SubjectId, changed: &[&str]) {
    let plan = cx.plan;
    if !cx.live {
        return;
    }
    for program in programs(plan, Some(&plan.program_index.dates), subject) {
        let ProgramEntry::Date {
            property,
            offset_ms,
        } = &program.entry
        else {
            continue;
        };
        let at = date_of(cx.plan, cx.root, subject, property, *offset_ms);
        if changed.contains(&property.as_ref())
            && let Some(at) = at.filter(|at| *at <= cx.now)
        {
            let reason = format!("`{property}` became known after the moment of entry, {at}");
            record(cx, subject, Note::of(program, Outcome::NotEligible, reason));
        }
    }
}

/// The subject's wake-up time has come: steps that are due, held-out watches that are over,
/// entries by date and by schedule.
pub(crate) fn on_wake(cx: &mut Cx<'_>, subject: SubjectId) {
    let plan = cx.plan;
    let now = cx.now;
    end_watches(cx, subject);
    wait::catch_up(cx, subject);
    for program in programs(plan, Some(&plan.program_index.dates), subject) {
        if let ProgramEntry::Date {
            property,
            offset_ms,
        } = &program.entry
            && date_of(cx.plan, cx.root, subject, property, *offset_ms) == Some(now)
        {
            let why = format!("the moment for `{property}` has come");
            enter(cx, subject, program, &Entrance::because(why));
        }
    }
    for program in programs(plan, Some(&plan.program_index.schedules), subject) {
        let ProgramEntry::Schedule { schedule, .. } = &program.entry else {
            continue;
        };
        let due = schedule.next_after(now.plus_ms(-1), plan.policy.zone()) == Some(now);
        // A schedule asks about everybody: those it is not for are not worth a decision.
        let only_if = program.only_if.as_ref();
        if due && only_if.is_none_or(|check| cx.holds(subject, &check.expr, None) == Some(true)) {
            let why = "the scheduled time has come";
            enter(cx, subject, program, &Entrance::because(why));
        }
    }
    mark_due(cx, subject);
}

fn end_watches(cx: &mut Cx<'_>, subject: SubjectId) {
    let now = cx.now;
    let over = |one: &EnrollmentState| {
        is_open(one) && one.held_out && one.wake_at.is_some_and(|at| at <= now)
    };
    for id in enrollments(cx, subject, over) {
        let reason = "the time in which the held-out subject was watched is over";
        let end = End::new(EnrollmentStatus::Completed, Outcome::Completed, reason);
        finish(cx, subject, id, end);
    }
    end_goal_watches(cx, subject);
}

/// The goals of ended enrollments whose time is over count no more.
fn end_goal_watches(cx: &mut Cx<'_>, subject: SubjectId) {
    let now = cx.now;
    let over = |one: &EnrollmentState| one.is_watched() && one.wake_at.is_some_and(|at| at <= now);
    let ended = enrollments(cx, subject, over);
    for &id in &ended {
        if let Some(enrollment) = find_mut(cx, subject, id) {
            enrollment.wake_at = None;
        }
    }
    if !ended.is_empty() {
        cx.watch(subject);
    }
}

/// Ids of the enrollments of a subject that satisfy a test.
pub(super) fn enrollments(
    cx: &Cx<'_>,
    subject: SubjectId,
    test: impl Fn(&EnrollmentState) -> bool,
) -> Vec<EnrollmentId> {
    let state = cx.root.subject(subject);
    let all = state.map_or(&[][..], |state| &state.enrollments);
    all.iter()
        .filter(|one| test(one))
        .map(|one| one.id)
        .collect()
}

/// The earliest instant strictly after `now` at which programs must look at the subject though
/// nothing happens.
pub(crate) fn next_wake(
    plan: &Plan,
    root: &Root,
    subject: SubjectId,
    now: Timestamp,
) -> Option<Timestamp> {
    let index = &plan.program_index;
    let state = root.subject(subject)?;
    let timers = timers(plan, state);
    let dates = programs(plan, Some(&index.dates), subject).filter_map(|program| {
        let ProgramEntry::Date {
            property,
            offset_ms,
        } = &program.entry
        else {
            return None;
        };
        date_of(plan, root, subject, property, *offset_ms)
    });
    let schedules = programs(plan, Some(&index.schedules), subject).filter_map(|program| {
        let ProgramEntry::Schedule { schedule, only_if } = &program.entry else {
            return None;
        };
        // When it becomes true this is asked again; while it is not kept it is asked at the time.
        let known = only_if.and_then(|index| {
            let key = plan.conditions[index.0 as usize].key;
            state.conditions.get(key)
        });
        if known.is_some_and(|known| known.value != Some(true)) {
            return None;
        }
        schedule.next_after(now, plan.policy.zone())
    });
    timers
        .chain(dates)
        .chain(schedules)
        .filter(|at| *at > now)
        .min()
}

fn timers(plan: &Plan, state: &SubjectState) -> impl Iterator<Item = Timestamp> {
    let acts = |one: &&EnrollmentState| {
        !is_open(one) || one.held_out || !plan.paused.contains(one.program.as_ref())
    };
    state
        .enrollments
        .iter()
        .filter(acts)
        .filter_map(|one| one.wake_at)
}

/// Somebody asked for something.
pub(crate) fn on_command(cx: &mut Cx<'_>, command: &Command) {
    match command {
        Command::Enroll {
            program,
            subject,
            key,
            data,
            ..
        } => {
            let entrance = Entrance {
                why: Why::Said("asked for by API or by hand".into()),
                key: key.clone(),
                data,
                event: None,
            };
            enroll(cx, *subject, program, &entrance);
        }
        Command::Remove {
            program, subject, ..
        } => remove(cx, *subject, program),
        Command::Consent {
            person,
            topic,
            subscribed,
            ..
        } => {
            let choice = if *subscribed {
                Choice::Subscribed
            } else {
                Choice::Unsubscribed
            };
            if let Some(state) = cx.root.subject_mut(SubjectId::Person(*person)) {
                policy::record_choice(&mut state.contact, topic.as_deref(), choice);
                cx.touch(SubjectId::Person(*person));
            }
        }
        Command::Suppress {
            person, suppressed, ..
        } => {
            if let Some(state) = cx.root.subject_mut(SubjectId::Person(*person)) {
                policy::record_suppression(&mut state.contact, *suppressed);
                cx.touch(SubjectId::Person(*person));
            }
        }
        Command::Pause { .. } | Command::Erase { .. } => {}
    }
}

fn enroll(cx: &mut Cx<'_>, subject: SubjectId, name: &str, entrance: &Entrance<'_>) {
    let plan = cx.plan;
    let current = plan
        .program_index
        .current(name)
        .map(|at| &plan.programs[at]);
    if let Some(program) = current.filter(|program| is_about(program, subject)) {
        enter(cx, subject, program, entrance);
    }
}

fn remove(cx: &mut Cx<'_>, subject: SubjectId, name: &str) {
    for id in enrollments(cx, subject, |one| {
        is_open(one) && one.program.as_ref() == name
    }) {
        let reason = "removed by API or by hand";
        let end = End::new(EnrollmentStatus::Removed, Outcome::Removed, reason);
        finish(cx, subject, id, end);
    }
}

/// A broadcast is sent: the subject enters if it is in the segment now, which is the program's
/// own unless another is named.
pub(crate) fn broadcast(cx: &mut Cx<'_>, subject: SubjectId, name: &str, other: Option<&str>) {
    let plan = cx.plan;
    let Some(at) = plan.program_index.current(name) else {
        return;
    };
    let program = &plan.programs[at];
    let ProgramEntry::Broadcast(own) = &program.entry else {
        return;
    };
    let segment = other.unwrap_or(own);
    if is_about(program, subject)
        && cx
            .root
            .subject(subject)
            .is_some_and(|state| state.in_segment(segment))
    {
        let why = format!("is in the segment `{segment}` of the broadcast");
        enter(cx, subject, program, &Entrance::because(why));
    }
}

/// A paused program goes on: what came due meanwhile acts now, in order of its time.
pub(crate) fn resume(cx: &mut Cx<'_>, subject: SubjectId, program: &str) {
    let of_program = |one: &EnrollmentState| is_open(one) && one.program.as_ref() == program;
    if !enrollments(cx, subject, of_program).is_empty() {
        // Its timers count again, also those not yet due.
        cx.touch(subject);
        watch(cx, subject);
        mark_due(cx, subject);
    }
}
