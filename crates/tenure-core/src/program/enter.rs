//! Entering a program, or being told why not.

use std::fmt;

use super::compile::Program;
use super::record::{Note, record, report};
use super::refuse::{Refusal, forget, is_news};
use super::run::mark_due;
use super::watch::{End, finish, is_open, watch_end};
use super::{MAX_ENROLLMENTS, MAX_ENTRIES_PER_INSTANT};
use crate::decision::Outcome;
use crate::define::Reentry;
use crate::effect::EnrollmentStatus;
use crate::engine::Cx;
use crate::id::{EnrollmentId, RootId, Salt, SubjectId};
use crate::plan::{Plan, PropertyMap};
use crate::subject::{EnrollmentState, SubjectState};
use crate::time::Timestamp;

/// What brings a subject to the door of a program.
pub(super) struct Entrance<'a> {
    /// Why it would enter.
    pub(super) why: Why<'a>,
    /// Key of a keyed enrollment.
    pub(super) key: Option<Box<str>>,
    /// A JSON object for templates.
    pub(super) data: &'a str,
    /// Properties of the triggering event.
    pub(super) event: Option<&'a PropertyMap>,
}

/// Why a subject would enter; put in words only if that is recorded.
pub(super) enum Why<'a> {
    /// An event of this name happened.
    Event(&'a str),
    /// The signal of this name fired.
    Signal(&'a str),
    /// Anything else, in words.
    Said(String),
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(name) => write!(f, "the event `{name}` happened"),
            Self::Signal(name) => write!(f, "the signal `{name}` fired"),
            Self::Said(words) => f.write_str(words),
        }
    }
}

impl Entrance<'_> {
    /// An entrance without key and data.
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self {
            why: Why::Said(why.into()),
            key: None,
            data: "{}",
            event: None,
        }
    }
}

/// Lets a subject into a program if it may, and records the answer.
pub(super) fn enter(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    program: &Program,
    entrance: &Entrance<'_>,
) {
    let refusal = refusal(cx, subject, program, entrance);
    let now = cx.now;
    let Some(state) = cx.root.subject_mut(subject) else {
        return;
    };
    if let Some(refusal) = refusal {
        let repeats = matches!(entrance.why, Why::Event(_) | Why::Signal(_));
        let key = entrance.key.as_deref();
        if repeats && !is_news(state, program, &refusal, key, now) {
            return;
        }
        let reason = format!("{}, but {refusal}", entrance.why);
        return record(cx, subject, Note::of(program, refusal.outcome(), reason));
    }
    forget(state, program);
    *cx.programs.entries.entry(subject).or_default() += 1;
    let held_out = hold_out(cx.plan, cx.root.id, subject, program);
    let left_alone = held_out.is_some();
    let id = add(cx, subject, program, entrance, left_alone);
    let (outcome, reason) =
        held_out.unwrap_or_else(|| (Outcome::Entered, entrance.why.to_string()));
    record(cx, subject, Note::of(program, outcome, reason).within(id));
    report(cx, subject, id);
    if program.first.is_none() && !left_alone {
        let end = End::new(
            EnrollmentStatus::Completed,
            Outcome::Completed,
            "it has no steps",
        );
        return finish(cx, subject, id, end);
    }
    mark_due(cx, subject);
}

/// Why a subject may not enter now.
fn refusal<'a>(
    cx: &Cx<'_>,
    subject: SubjectId,
    program: &'a Program,
    entrance: &Entrance<'_>,
) -> Option<Refusal<'a>> {
    if !cx.live {
        return Some(Refusal::History);
    }
    if cx.plan.paused.contains(program.name.as_ref()) {
        return Some(Refusal::Paused);
    }
    not_eligible(cx, subject, program, entrance)
        .or_else(|| not_again(cx, subject, program, entrance))
}

fn not_eligible<'a>(
    cx: &Cx<'_>,
    subject: SubjectId,
    program: &'a Program,
    entrance: &Entrance<'_>,
) -> Option<Refusal<'a>> {
    if let Some(only_if) = &program.only_if {
        let holds = cx.holds(subject, &only_if.expr, entrance.event);
        if holds != Some(true) {
            let (text, unknown) = (&*only_if.text, holds.is_none());
            return Some(Refusal::Unmet { text, unknown });
        }
    }
    let goal = program
        .goal
        .as_ref()
        .map(|goal| (&goal.watch.check, "goal"));
    let exit = program
        .exit
        .as_ref()
        .map(|exit| (&exit.check, "exit condition"));
    for (check, what) in goal.into_iter().chain(exit) {
        if cx.holds(subject, &check.expr, None) == Some(true) {
            let text = &check.text;
            return Some(Refusal::Already { what, text });
        }
    }
    None
}

fn not_again<'a>(
    cx: &Cx<'_>,
    subject: SubjectId,
    program: &'a Program,
    entrance: &Entrance<'_>,
) -> Option<Refusal<'a>> {
    let state = cx.root.subject(subject)?;
    let same = |enrollment: &&EnrollmentState| {
        enrollment.program == program.name && enrollment.key == entrance.key
    };
    let mut known = state.enrollments.iter().filter(same);
    if let Some(inside) = known.find(|one| is_open(one)) {
        return Some(Refusal::Inside(inside.entered_at));
    }
    let known = state.enrollments.iter().filter(same);
    if let Some(last) = known.map(|one| one.entered_at).max() {
        match program.again {
            Reentry::Always => {}
            Reentry::Never => return Some(Refusal::Once(last)),
            Reentry::After(ms) if cx.now.since_ms(last) >= ms => {}
            Reentry::After(after_ms) => return Some(Refusal::TooSoon { last, after_ms }),
        }
    }
    let entries = cx.programs.entries.get(&subject).copied();
    if entries.unwrap_or_default() >= MAX_ENTRIES_PER_INSTANT {
        return Some(Refusal::TooMany);
    }
    let open_count = state.enrollments.iter().filter(|one| is_open(one)).count();
    (open_count >= MAX_ENROLLMENTS).then_some(Refusal::Full(open_count))
}

/// Whether (and by which hold-out) a subject of a root is left alone.
pub(crate) fn hold_out(
    plan: &Plan,
    root: RootId,
    subject: SubjectId,
    program: &Program,
) -> Option<(Outcome, String)> {
    if plan.policy.is_transactional(program.topic.as_deref()) {
        return None;
    }
    let global = plan.policy.holdout();
    let root = root.0.bits().to_be_bytes();
    if plan.salt.fraction("global-holdout", &[&root]) < global {
        let reason = format!("in the global hold-out of {}%", global * 100.0);
        return Some((Outcome::HeldOutGlobally, reason));
    }
    let parts: [&[u8]; 2] = [program.name.as_bytes(), &subject.bits().to_be_bytes()];
    if plan.salt.fraction("holdout", &parts) < program.holdout {
        let reason = format!("in the program's hold-out of {}%", program.holdout * 100.0);
        return Some((Outcome::HeldOut, reason));
    }
    None
}

fn add(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    program: &Program,
    entrance: &Entrance<'_>,
    held_out: bool,
) -> EnrollmentId {
    let (now, salt) = (cx.now, cx.plan.salt);
    let watch_until = watch_end(program.goal.as_ref(), now);
    let first = program.first.map(|at| program.steps[at].name.clone());
    cx.touch(subject);
    let Some(state) = cx.root.subject_mut(subject) else {
        return EnrollmentId(0);
    };
    let id = derive_id(salt, state, program, entrance.key.as_deref(), now);
    make_room(state);
    // The goal counts for this passage from now on.
    let same = |one: &&mut EnrollmentState| one.program == program.name && one.key == entrance.key;
    for earlier in state.enrollments.iter_mut().filter(same) {
        earlier.wake_at = None;
    }
    state.enrollments.push(EnrollmentState {
        id,
        program: program.name.clone(),
        version: program.version,
        key: entrance.key.clone(),
        entered_at: now,
        step: first.filter(|_| !held_out),
        step_at: now,
        wake_at: Some(if held_out { watch_until } else { now }),
        waiting: false,
        status: if held_out {
            EnrollmentStatus::HeldOut
        } else {
            EnrollmentStatus::Active
        },
        held_out,
        ended_at: None,
        data: entrance.data.into(),
        acted: Vec::new(),
        served: Vec::new(),
    });
    id
}

/// An enrollment's id. Several entries of one key at one instant are told apart by their number.
fn derive_id(
    salt: Salt,
    state: &SubjectState,
    program: &Program,
    key: Option<&str>,
    now: Timestamp,
) -> EnrollmentId {
    let before = state.enrollments.iter().filter(|one| {
        one.program == program.name && one.key.as_deref() == key && one.entered_at == now
    });
    salt.derive(&[
        program.name.as_bytes(),
        &program.version.to_be_bytes(),
        &state.id.bits().to_be_bytes(),
        key.unwrap_or_default().as_bytes(),
        &now.0.to_be_bytes(),
        &(before.count() as u64).to_be_bytes(),
    ])
}

/// Forgets the oldest ended enrollment when the subject has as many as it may: keyed ones first,
/// so that `again: never` of unkeyed programs is kept longest.
fn make_room(state: &mut SubjectState) {
    while state.enrollments.len() >= MAX_ENROLLMENTS {
        let ended = state
            .enrollments
            .iter()
            .enumerate()
            .filter(|(_, one)| !is_open(one));
        let oldest = ended
            .min_by_key(|(_, one)| (one.key.is_none(), one.is_watched(), one.ended_at))
            .map(|(at, _)| at);
        match oldest {
            Some(at) => state.enrollments.remove(at),
            None => return,
        };
    }
}
