//! The engine: folds log entries into subject states and says what is to be done.
//!
//! Every function is pure: the same plan, root and input give the same result, whenever and
//! however often it is called.

mod cx;
mod entry;
pub(crate) mod eval;
mod evidence;
mod health;
mod hooks;
mod identity;
mod notice;
pub(crate) mod score;
mod switch;
#[cfg(test)]
mod tests;

pub use cx::Cx;
pub use identity::{attach, detach, merge, rename_person};
pub use switch::{adopt, complete};

use std::collections::BTreeSet;

use crate::effect::Output;
use crate::id::SubjectId;
use crate::log::{Body, Entry};
use crate::plan::Plan;
use crate::subject::Root;
use crate::time::{DAY_MS, Timestamp};

/// What happened longer ago than this when it is received neither starts a program nor sends.
pub const LATE_AFTER_MS: i64 = DAY_MS;

/// Applies one log entry: first every wake-up of the root due until it was received, each at its
/// own due time, then the entry itself.
///
/// A merge is applied here if both persons are in this root; otherwise, and for a move, the shell
/// carries the state over with [`detach`], [`merge`] and [`attach`]. A publication and a sweep
/// concern all roots: the shell calls [`adopt`], [`complete`], [`broadcast`] and [`resume`].
pub fn apply(plan: &Plan, root: &mut Root, entry: &Entry<'_>, out: &mut Output) {
    let now = entry.received_at;
    wake(plan, root, now, out);
    let live = match &entry.body {
        Body::Event(event) => is_live(event.historical, event.occurred_at, now),
        Body::Profile(profile) => is_live(profile.historical, profile.occurred_at, now),
        _ => true,
    };
    let mut cx = Cx::new(plan, root, now, live, out);
    match &entry.body {
        Body::Event(event) => cx.event(event),
        Body::Profile(profile) => cx.profile(profile),
        Body::Merge(both) => cx.merge_within(both),
        Body::Command(command) => cx.command(command),
        Body::Move(_) | Body::Published(_) | Body::Sweep(_) => {}
    }
    cx.finish();
}

fn is_live(historical: bool, occurred_at: Timestamp, received_at: Timestamp) -> bool {
    !historical && received_at.since_ms(occurred_at) <= LATE_AFTER_MS
}

/// Runs all wake-ups due at `now` or before, in order of time, each at its due time.
pub fn wake(plan: &Plan, root: &mut Root, now: Timestamp, out: &mut Output) {
    while let Some(due) = root.wake_at().filter(|due| *due <= now) {
        let mut cx = Cx::new(plan, root, due, true, out);
        cx.wake();
        cx.finish();
    }
}

impl Cx<'_> {
    fn wake(&mut self) {
        let now = self.now;
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let woken = self.root.due(now);
        for &subject in &woken {
            self.touch(subject);
            let Some(state) = self.root.subject(subject) else {
                continue;
            };
            let changed = state.conditions.iter();
            let changed = changed.filter(|(_, kept)| due(kept.next_change_at));
            let indexes = changed.filter_map(|(key, _)| self.plan.index.by_key.get(key));
            self.dirty.extend(indexes.map(|&index| (subject, index)));
        }
        self.notify();
        // Also those for whom a condition became true at this very instant through their account.
        let concerned: BTreeSet<SubjectId> = self.touched.iter().copied().chain(woken).collect();
        for subject in concerned {
            hooks::on_wake(self, subject);
        }
        self.deliver();
    }
}

/// Enters the members of a broadcast's segment.
pub fn broadcast(plan: &Plan, root: &mut Root, program: &str, now: Timestamp, out: &mut Output) {
    for_each_subject(plan, root, now, out, |cx, subject| {
        hooks::broadcast(cx, subject, program);
    });
}

/// A paused program goes on.
pub fn resume(plan: &Plan, root: &mut Root, program: &str, now: Timestamp, out: &mut Output) {
    for_each_subject(plan, root, now, out, |cx, subject| {
        hooks::resume(cx, subject, program);
    });
}

fn for_each_subject(
    plan: &Plan,
    root: &mut Root,
    now: Timestamp,
    out: &mut Output,
    mut react: impl FnMut(&mut Cx<'_>, SubjectId),
) {
    wake(plan, root, now, out);
    let subjects: Vec<SubjectId> = root.subjects().map(|state| state.id).collect();
    let mut cx = Cx::new(plan, root, now, true, out);
    for subject in subjects {
        react(&mut cx, subject);
        cx.deliver();
    }
    cx.finish();
}
