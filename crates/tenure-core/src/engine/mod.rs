//! The engine: folds log entries into subject states and says what is to be done.
//!
//! Every function is pure: the same plan, root and input give the same result, whenever and
//! however often it is called.

mod cx;
mod hooks;

pub use cx::Cx;

use crate::aggregate::Series;
use crate::effect::Output;
use crate::id::{PersonId, SubjectId};
use crate::log::{Entry, Published};
use crate::plan::Plan;
use crate::subject::{Root, SeriesKey, SubjectState};
use crate::time::Timestamp;

/// Applies one log entry: first every wake-up of the root due until it was received, each at its
/// own due time, then the entry itself.
pub fn apply(plan: &Plan, root: &mut Root, entry: &Entry<'_>, out: &mut Output) {
    wake(plan, root, entry.received_at, out);
}

/// Runs all wake-ups due at `now` or before, in order of time, each at its due time.
pub fn wake(plan: &Plan, root: &mut Root, now: Timestamp, out: &mut Output) {
    let _ = (plan, root, now, out);
}

/// A person leaves this root; `None` if it is not here.
pub fn detach(
    plan: &Plan,
    root: &mut Root,
    person: PersonId,
    now: Timestamp,
    out: &mut Output,
) -> Option<SubjectState> {
    wake(plan, root, now, out);
    root.people.remove(&person)
}

/// A person arrives in this root.
pub fn attach(plan: &Plan, root: &mut Root, state: SubjectState, now: Timestamp, out: &mut Output) {
    wake(plan, root, now, out);
    if let SubjectId::Person(person) = state.id {
        root.people.insert(person, state);
    }
}

/// A person that turned out to be `into` is folded into it.
pub fn merge(
    plan: &Plan,
    root: &mut Root,
    from: SubjectState,
    into: PersonId,
    now: Timestamp,
    out: &mut Output,
) {
    wake(plan, root, now, out);
    let _ = (from, into);
}

/// Brings a root to a newer plan.
pub fn adopt(
    plan: &Plan,
    root: &mut Root,
    now: Timestamp,
    published: Option<&Published>,
    out: &mut Output,
) {
    let _ = (plan, root, now, published, out);
}

/// Takes backfilled history and evaluates the conditions that waited for it.
pub fn complete(
    plan: &Plan,
    root: &mut Root,
    series: Vec<(SubjectId, SeriesKey, Series)>,
    now: Timestamp,
    out: &mut Output,
) {
    let _ = (plan, root, series, now, out);
}

/// Enters the members of a broadcast's segment.
pub fn broadcast(plan: &Plan, root: &mut Root, program: &str, now: Timestamp, out: &mut Output) {
    let _ = (plan, root, program, now, out);
}

/// A paused program goes on.
pub fn resume(plan: &Plan, root: &mut Root, program: &str, now: Timestamp, out: &mut Output) {
    let _ = (plan, root, program, now, out);
}
