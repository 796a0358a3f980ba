//! Identity: persons that move between accounts and persons that turn out to be one.

use crate::aggregate::Series;
use crate::effect::{MembershipChange, Output};
use crate::id::{PersonId, SubjectId};
use crate::log::Merge;
use crate::plan::Plan;
use crate::subject::{Root, SeriesKey, SubjectState};
use crate::time::Timestamp;

use super::entry::{add_identifiers, tell};
use super::{Cx, hooks, wake};

/// A person leaves this root; `None` if it is not here. Memberships stay as they are until
/// [`attach`] or [`merge`].
pub fn detach(
    plan: &Plan,
    root: &mut Root,
    person: PersonId,
    now: Timestamp,
    out: &mut Output,
) -> Option<SubjectState> {
    wake(plan, root, now, out);
    let state = root.remove(person)?;
    let mut cx = Cx::new(plan, root, now, true, out);
    cx.people_count_changed();
    cx.deliver();
    cx.finish();
    Some(state)
}

/// A person arrives in this root; its conditions are evaluated again beside the new account.
pub fn attach(
    plan: &Plan,
    root: &mut Root,
    mut state: SubjectState,
    now: Timestamp,
    out: &mut Output,
) {
    if state.id.person().is_none() {
        return;
    }
    wake(plan, root, now, out);
    let account = root.id.0.account();
    if let Some(past) = state.account.filter(|past| Some(*past) != account) {
        state.note_past_account(past);
    }
    state.account = account;
    let subject = state.id;
    let mut cx = Cx::new(plan, root, now, true, out);
    cx.root.insert(state);
    cx.ensure(subject);
    cx.touch(subject);
    cx.start_all(subject);
    let looking = plan.index.look_at_account.iter();
    cx.dirty.extend(looking.map(|&index| (subject, index)));
    cx.people_count_changed();
    cx.deliver();
    cx.finish();
}

/// A person that turned out to be `into` is folded into it: series, traits by the time they were
/// told, identifiers, enrollments.
pub fn merge(
    plan: &Plan,
    root: &mut Root,
    from: SubjectState,
    into: PersonId,
    now: Timestamp,
    out: &mut Output,
) {
    wake(plan, root, now, out);
    let mut cx = Cx::new(plan, root, now, true, out);
    cx.fold_in(from, into);
    cx.finish();
}

/// Counts of people in this root's account know `from` as `into` from now on. To be called on the
/// root that `from` left, if that is not the root of `into`, and on those of its past accounts.
pub fn rename_person(
    plan: &Plan,
    root: &mut Root,
    from: PersonId,
    into: PersonId,
    now: Timestamp,
    out: &mut Output,
) {
    wake(plan, root, now, out);
    let mut cx = Cx::new(plan, root, now, true, out);
    cx.rename(from, into);
    cx.deliver();
    cx.finish();
}

impl Cx<'_> {
    pub(super) fn merge_within(&mut self, both: &Merge) {
        if both.from_account != both.into_account {
            return;
        }
        if let Some(from) = self.root.remove(both.from) {
            self.fold_in(from, both.into);
        }
    }

    fn fold_in(&mut self, mut from: SubjectState, into: PersonId) {
        let subject = SubjectId::Person(into);
        self.ensure(subject);
        self.rename(from.id.person().unwrap_or(into), into);
        let now = self.now;
        for segment in &from.segments {
            self.out.memberships.push(MembershipChange {
                segment: segment.clone(),
                subject: from.id,
                entered: false,
                at: now,
            });
        }
        let series = std::mem::take(&mut from.series);
        if let Some(state) = self.root.subject_mut(subject) {
            unite(state, &from, now);
            for spec in &self.plan.series {
                let (key, staged) = (spec.key, spec.staged_key());
                for (from_key, other) in [(key, staged), (staged, key)] {
                    let found = series.get(&from_key).filter(|found| !found.is_empty());
                    if let Some(found) = found {
                        unite_series(state, from_key, other, found.clone());
                    }
                }
            }
        }
        hooks::merge(self, &from, subject);
        self.touch(subject);
        self.start_all(subject);
        let plan = self.plan;
        let all = plan.index.person_conditions.iter();
        self.dirty.extend(all.map(|&index| (subject, index)));
        self.people_count_changed();
        self.watch(subject);
        self.deliver();
    }

    fn rename(&mut self, from: PersonId, into: PersonId) {
        let plan = self.plan;
        let account = self.root.id.0;
        let Some(account) = self
            .root
            .subject_mut(account)
            .filter(|a| a.id.account().is_some())
        else {
            return;
        };
        for series in account.series.values_mut() {
            series.rename_person(from, into);
        }
        let subject = account.id;
        self.touch(subject);
        for &at in &plan.index.account_series {
            let spec = &plan.series[at as usize];
            if matches!(spec.kind, crate::plan::SeriesKind::People(_)) {
                self.mark(subject, &plan.index.series_users[at as usize]);
            }
        }
    }
}

/// Puts a series where the other person keeps the same one: complete to complete and staged to
/// staged if it can, else to what there is. What is still missing comes with the backfill.
fn unite_series(state: &mut SubjectState, key: SeriesKey, other: SeriesKey, series: Series) {
    let place = if state.series.contains_key(&key) {
        key
    } else {
        other
    };
    if let Some(known) = state.series.get_mut(&place) {
        known.merge(series);
    }
}

fn unite(state: &mut SubjectState, from: &SubjectState, now: Timestamp) {
    state.created_at = state.created_at.min(from.created_at);
    state.seen_at = now;
    state.decided = state.decided.max(from.decided);
    let left = from.account.filter(|left| Some(*left) != state.account);
    for &past in from.past_accounts.iter().chain(&left) {
        state.note_past_account(past);
    }
    add_identifiers(state, &from.identifiers);
    for (name, &at) in &from.trait_times {
        let newer = state.trait_times.get(name).is_none_or(|known| *known < at);
        if newer {
            tell(state, name, from.traits.get(name).cloned(), at);
        }
    }
    for (signal, &at) in &from.signals_fired {
        let known = state.signals_fired.entry(signal.clone()).or_insert(at);
        *known = (*known).max(at);
    }
}
