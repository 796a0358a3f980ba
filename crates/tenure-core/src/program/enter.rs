//! Entering a program, or being told why not.

use super::compile::Program;
use super::record::{Note, record, report};
use super::run::mark_due;
use super::watch::{End, finish, is_open};
use super::{HOLDOUT_WATCH_MS, MAX_ENROLLMENTS, MAX_ENTRIES_PER_INSTANT};
use crate::decision::Outcome;
use crate::define::Reentry;
use crate::effect::EnrollmentStatus;
use crate::engine::Cx;
use crate::id::{EnrollmentId, RootId, Salt, SubjectId};
use crate::plan::{Plan, PropertyMap};
use crate::policy::local::spoken_ms;
use crate::subject::{EnrollmentState, SubjectState};
use crate::time::Timestamp;

/// What brings a subject to the door of a program.
pub(super) struct Entrance<'a> {
    /// Why it would enter, in words.
    pub(super) why: String,
    /// Key of a keyed enrollment.
    pub(super) key: Option<Box<str>>,
    /// A JSON object for templates.
    pub(super) data: &'a str,
    /// Properties of the triggering event.
    pub(super) event: Option<&'a PropertyMap>,
}

impl Entrance<'_> {
    /// An entrance without key and data.
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
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
    entrance: Entrance<'_>,
) {
    if cx.root.subject(subject).is_none() {
        return;
    }
    if let Some((outcome, reason)) = refusal(cx, subject, program, &entrance) {
        let reason = format!("{}, but {reason}", entrance.why);
        return record(cx, subject, Note::of(program, outcome, reason));
    }
    *cx.programs.entries.entry(subject).or_default() += 1;
    let held_out = hold_out(cx.plan, cx.root.id, subject, program);
    let left_alone = held_out.is_some();
    let id = add(cx, subject, program, &entrance, left_alone);
    let (outcome, reason) = held_out.unwrap_or((Outcome::Entered, entrance.why));
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
fn refusal(
    cx: &Cx<'_>,
    subject: SubjectId,
    program: &Program,
    entrance: &Entrance<'_>,
) -> Option<(Outcome, String)> {
    if !cx.live {
        let reason = "it is history (imported, or received more than a day late)";
        return Some((Outcome::Historical, reason.into()));
    }
    if cx.plan.paused.contains(program.name.as_ref()) {
        return Some((Outcome::Paused, "the program is paused".into()));
    }
    not_eligible(cx, subject, program, entrance)
        .map(|reason| (Outcome::NotEligible, reason))
        .or_else(|| {
            Some((
                Outcome::NotAgain,
                not_again(cx, subject, program, entrance)?,
            ))
        })
}

fn not_eligible(
    cx: &Cx<'_>,
    subject: SubjectId,
    program: &Program,
    entrance: &Entrance<'_>,
) -> Option<String> {
    if let Some(only_if) = &program.only_if {
        match cx.holds(subject, &only_if.expr, entrance.event) {
            Some(true) => {}
            Some(false) => return Some(format!("`{}` does not hold", only_if.text)),
            None => return Some(format!("`{}` is unknown", only_if.text)),
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
            return Some(format!("the {what} `{}` holds already", check.text));
        }
    }
    None
}

fn not_again(
    cx: &Cx<'_>,
    subject: SubjectId,
    program: &Program,
    entrance: &Entrance<'_>,
) -> Option<String> {
    let state = cx.root.subject(subject)?;
    let same = |enrollment: &&EnrollmentState| {
        enrollment.program == program.name && enrollment.key == entrance.key
    };
    if let Some(inside) = state
        .enrollments
        .iter()
        .filter(same)
        .find(|one| is_open(one))
    {
        return Some(format!("it is inside since {}", inside.entered_at));
    }
    let last = state
        .enrollments
        .iter()
        .filter(same)
        .map(|one| one.entered_at)
        .max();
    if let Some(last) = last {
        match program.again {
            Reentry::Always => {}
            Reentry::Never => return Some(format!("it entered once, at {last}")),
            Reentry::After(ms) if cx.now.since_ms(last) >= ms => {}
            Reentry::After(ms) => {
                let after = spoken_ms(ms);
                return Some(format!("it last entered at {last}, less than {after} ago"));
            }
        }
    }
    let entries = cx
        .programs
        .entries
        .get(&subject)
        .copied()
        .unwrap_or_default();
    if entries >= MAX_ENTRIES_PER_INSTANT {
        return Some(
            "it entered too many programs at this instant: do they enroll each other?".into(),
        );
    }
    let open_count = state.enrollments.iter().filter(|one| is_open(one)).count();
    (open_count >= MAX_ENROLLMENTS).then(|| format!("it is inside {open_count} programs or keys"))
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
    let watch_ms = program.goal.as_ref().and_then(|goal| goal.within_ms);
    let watch_until = now.plus_ms(watch_ms.unwrap_or(HOLDOUT_WATCH_MS));
    let first = program.first.map(|at| program.steps[at].name.clone());
    cx.touch(subject);
    let Some(state) = cx.root.subject_mut(subject) else {
        return EnrollmentId(0);
    };
    let id = derive_id(salt, state, program, entrance.key.as_deref(), now);
    make_room(state);
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
            .min_by_key(|(_, one)| (one.key.is_none(), one.ended_at))
            .map(|(at, _)| at);
        match oldest {
            Some(at) => state.enrollments.remove(at),
            None => return,
        };
    }
}
