//! Switching a root to a newer plan, and taking in backfilled history.
//!
//! A series the plan already kept goes on. A new one (or one that must now reach further back)
//! gathers new events under its staged key until its history arrives; conditions that need it are
//! not kept until then, all others are at once.

use std::collections::BTreeSet;

use crate::aggregate::Series;
use crate::effect::{MembershipChange, Output};
use crate::id::SubjectId;
use crate::log::Published;
use crate::plan::Plan;
use crate::subject::{Root, SeriesKey, SubjectState};
use crate::time::Timestamp;

use super::cx::audience;
use super::notice::Notice;
use super::{Cx, hooks};

/// Brings a root to a newer plan. The caller has run the wake-ups due by `now` under the old one.
///
/// A backfill that was not complete is superseded: the backfill of the new plan must bring all
/// history up to its publication.
pub fn adopt(
    plan: &Plan,
    root: &mut Root,
    now: Timestamp,
    published: Option<&Published>,
    out: &mut Output,
) {
    let subjects: Vec<SubjectId> = root.subjects().map(|state| state.id).collect();
    let mut cx = Cx::new(plan, root, now, true, out);
    cx.initial = true;
    for &subject in &subjects {
        cx.carry_over(subject);
    }
    for &subject in &subjects {
        cx.stop_unready(subject);
        cx.announce_known(subject);
        cx.start_all(subject);
        cx.touch(subject);
    }
    cx.deliver();
    for &subject in &subjects {
        hooks::adopt(&mut cx, subject, published);
        cx.watch(subject);
        cx.deliver();
    }
    cx.finish();
}

/// Takes backfilled history of subjects of this root into their series, then evaluates the
/// conditions that waited for it. Their first answers are reported as changes of membership.
pub fn complete(
    plan: &Plan,
    root: &mut Root,
    series: Vec<(SubjectId, SeriesKey, Series)>,
    now: Timestamp,
    out: &mut Output,
) {
    super::wake(plan, root, now, out);
    let subjects: Vec<SubjectId> = root.subjects().map(|state| state.id).collect();
    let mut cx = Cx::new(plan, root, now, true, out);
    cx.initial = true;
    for (subject, key, history) in series {
        cx.take_history(subject, key, history);
    }
    for &subject in &subjects {
        cx.promote(subject);
    }
    for &subject in &subjects {
        cx.start_all(subject);
        cx.watch(subject);
    }
    cx.deliver();
    cx.finish();
}

impl Cx<'_> {
    fn carry_over(&mut self, subject: SubjectId) {
        let plan = self.plan;
        let now = self.now;
        let Some(state) = self.root.subject_mut(subject) else {
            return;
        };
        state.plan = plan.version;
        state
            .conditions
            .retain(|key| plan.index.by_key.contains_key(&key));
        carry_series(plan, state, now);
        let gone = |name: &str| {
            plan.segment(name)
                .is_none_or(|s| s.audience != audience(subject))
        };
        let left: Vec<Box<str>> = state.segments.iter().filter(|n| gone(n)).cloned().collect();
        state.segments.retain(|name| !gone(name));
        for segment in left {
            self.out.memberships.push(MembershipChange {
                segment,
                subject,
                entered: false,
                at: now,
            });
        }
    }

    /// Answers that are known already and that the new plan asks for anew: segments over a known
    /// condition, and programs that take in those for whom their entry already holds.
    fn announce_known(&mut self, subject: SubjectId) {
        let plan = self.plan;
        for &index in plan.index.conditions(audience(subject)) {
            let condition = &plan.conditions[index.0 as usize];
            let state = self.root.subject(subject);
            let known = state.and_then(|state| state.conditions.get(condition.key));
            let Some(value) = known.map(|known| known.value) else {
                continue;
            };
            let holds = value == Some(true);
            self.sync_membership(subject, index, holds);
            if !holds {
                continue;
            }
            if plan.index.existing_entries.contains(&index) {
                self.notices.push_back(Notice::Condition {
                    subject,
                    condition: index,
                    value,
                    initial: true,
                });
            }
            for &segment in &plan.index.condition_segments[index.0 as usize] {
                if plan.index.existing_segments.contains(&segment) {
                    self.notices.push_back(Notice::Segment {
                        subject,
                        segment,
                        entered: true,
                        initial: true,
                    });
                }
            }
        }
    }

    fn take_history(&mut self, subject: SubjectId, key: SeriesKey, history: Series) {
        let plan = self.plan;
        let Some(&at) = plan.index.series_by_key.get(&key) else {
            return;
        };
        let staged = plan.series[at as usize].staged_key();
        let Some(state) = self.root.subject_mut(subject) else {
            return;
        };
        let place = if state.series.contains_key(&staged) {
            staged
        } else {
            key
        };
        if let Some(known) = state.series.get_mut(&place) {
            known.merge(history);
        }
        self.mark(subject, &plan.index.series_users[at as usize]);
    }

    /// What was staged becomes what is read.
    fn promote(&mut self, subject: SubjectId) {
        let plan = self.plan;
        let now = self.now;
        for &at in plan.index.series(audience(subject)) {
            let spec = &plan.series[at as usize];
            let Some(state) = self.root.subject_mut(subject) else {
                return;
            };
            if let Some(mut staged) = state.series.remove(&spec.staged_key()) {
                staged.expire(spec.horizon_ms, now);
                state.series.insert(spec.key, staged);
                self.mark(subject, &plan.index.series_users[at as usize]);
            }
        }
        self.touch(subject);
    }
}

fn carry_series(plan: &Plan, state: &mut SubjectState, now: Timestamp) {
    let mut wanted = BTreeSet::new();
    for &at in plan.index.series(audience(state.id)) {
        let spec = &plan.series[at as usize];
        wanted.insert(spec.key);
        let known = state.series.get_mut(&spec.key);
        if let Some(known) = known.filter(|known| known.covers(spec.horizon_ms)) {
            known.expire(spec.horizon_ms, now);
            state.series.remove(&spec.staged_key());
        } else {
            wanted.insert(spec.staged_key());
            state.series.insert(spec.staged_key(), Series::default());
        }
    }
    state.series.retain(|key| wanted.contains(key));
}
