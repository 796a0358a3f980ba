//! A shell in small: roots, and what the engine says about them.

use std::collections::BTreeMap;

use tenure_core::aggregate::Series;
use tenure_core::define::{Audience, Condition, Definitions, Place, SegmentDef};
use tenure_core::effect::{HealthRecord, MembershipChange, Output};
use tenure_core::engine;
use tenure_core::expr::Expr;
use tenure_core::id::{RootId, Salt, SubjectId};
use tenure_core::log::{Body, Entry};
use tenure_core::oracle::{Moment, Oracle};
use tenure_core::plan::{Backfill, Plan, PlanSources};
use tenure_core::subject::{Root, SeriesKey, SubjectState};
use tenure_core::time::Timestamp;

/// A plan of segments only.
pub(crate) fn plan(version: u32, segments: &[(Audience, Expr)]) -> Plan {
    plan_of(version, definitions(segments))
}

/// A plan of these definitions.
pub(crate) fn plan_of(version: u32, current: Definitions) -> Plan {
    let sources = PlanSources {
        version,
        salt: Salt([7; 32]),
        current,
        program_versions: BTreeMap::new(),
        retired: Vec::new(),
        paused: std::collections::BTreeSet::new(),
    };
    Plan::compile(sources).expect("generated definitions are right")
}

/// Definitions of segments named `s0`, `s1`, …
pub(crate) fn definitions(segments: &[(Audience, Expr)]) -> Definitions {
    let segment = |(at, (audience, expr)): (usize, &(Audience, Expr))| SegmentDef {
        name: format!("s{at}"),
        about: String::new(),
        audience: *audience,
        when: Condition {
            text: tenure_core::lang::canonical(expr),
            expr: expr.clone(),
            place: Place::default(),
        },
        place: Place::default(),
    };
    Definitions {
        segments: segments.iter().enumerate().map(segment).collect(),
        ..Definitions::default()
    }
}

/// Roots under one plan.
pub(crate) struct World<'a> {
    pub plan: &'a Plan,
    pub roots: BTreeMap<RootId, Root>,
    pub memberships: Vec<MembershipChange>,
    pub health: Vec<HealthRecord>,
}

impl<'a> World<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            roots: BTreeMap::new(),
            memberships: Vec::new(),
            health: Vec::new(),
        }
    }

    fn take(&mut self, out: &mut Output) {
        self.memberships.append(&mut out.memberships);
        self.health.append(&mut out.health);
    }

    fn root(roots: &mut BTreeMap<RootId, Root>, id: RootId) -> &mut Root {
        roots.entry(id).or_insert_with(|| Root::new(id))
    }

    pub(crate) fn wake(&mut self, at: Timestamp) {
        let mut out = Output::default();
        for root in self.roots.values_mut() {
            engine::wake(self.plan, root, at, &mut out);
        }
        self.take(&mut out);
    }

    pub(crate) fn apply(&mut self, entry: &Entry<'_>) {
        let (plan, now) = (self.plan, entry.received_at);
        let mut out = Output::default();
        let id = entry.body.root().expect("generated entries have a root");
        match &entry.body {
            Body::Merge(merge) => {
                let merged = self
                    .roots
                    .get(&id)
                    .and_then(|root| root.people().get(&merge.from));
                let past = merged
                    .map(|state| state.past_accounts.to_vec())
                    .unwrap_or_default();
                let into_id = RootId(
                    merge
                        .into_account
                        .map_or(SubjectId::Person(merge.into), SubjectId::Account),
                );
                if id == into_id {
                    engine::apply(plan, Self::root(&mut self.roots, id), entry, &mut out);
                } else {
                    let from = Self::root(&mut self.roots, id);
                    let from = engine::detach(plan, from, merge.from, now, &mut out);
                    let from = from.expect("the merged person is known");
                    let root = Self::root(&mut self.roots, into_id);
                    engine::merge(plan, root, from, merge.into, now, &mut out);
                }
                let known = past.into_iter().chain(merge.from_account);
                for account in known {
                    let id = RootId(SubjectId::Account(account));
                    let root = Self::root(&mut self.roots, id);
                    engine::rename_person(plan, root, merge.from, merge.into, now, &mut out);
                }
            }
            Body::Move(moved) => {
                let to = moved
                    .to
                    .map_or(SubjectId::Person(moved.person), SubjectId::Account);
                let from = Self::root(&mut self.roots, id);
                let state = engine::detach(plan, from, moved.person, now, &mut out);
                let state = state.expect("the moved person is known");
                let root = Self::root(&mut self.roots, RootId(to));
                engine::attach(plan, root, state, now, &mut out);
            }
            _ => engine::apply(plan, Self::root(&mut self.roots, id), entry, &mut out),
        }
        self.take(&mut out);
    }

    /// Switches every root to a newer plan.
    pub(crate) fn adopt(&mut self, plan: &'a Plan, now: Timestamp) {
        self.wake(now);
        self.plan = plan;
        let mut out = Output::default();
        for root in self.roots.values_mut() {
            engine::adopt(plan, root, now, None, &mut out);
        }
        self.take(&mut out);
    }

    /// Hands every root its backfilled history.
    pub(crate) fn complete(&mut self, mut backfill: Backfill<'_>, now: Timestamp) {
        let mut out = Output::default();
        for root in self.roots.values_mut() {
            let subjects: Vec<SubjectId> = root.subjects().map(|state| state.id).collect();
            let series: Vec<(SubjectId, SeriesKey, Series)> = subjects
                .into_iter()
                .flat_map(|subject| backfill.take(subject))
                .collect();
            engine::complete(self.plan, root, series, now, &mut out);
        }
        self.take(&mut out);
    }

    pub(crate) fn subjects(&self) -> impl Iterator<Item = &SubjectState> {
        self.roots.values().flat_map(Root::subjects)
    }

    /// What differs from the oracle at a moment.
    pub(crate) fn differences(&self, oracle: &Oracle<'_>, moment: Moment) -> Vec<String> {
        let mut out = Vec::new();
        for state in self.subjects() {
            let audience = match state.id {
                SubjectId::Account(_) => Audience::Account,
                SubjectId::Person(_) => Audience::Person,
            };
            for condition in &self.plan.conditions {
                if condition.audience != audience {
                    continue;
                }
                let expected = oracle
                    .held(state.id, &condition.expr, moment)
                    .map(|held| (held.value, held.since));
                let kept = state.conditions.get(&condition.key);
                let kept = kept.map(|kept| (kept.value, kept.since));
                if kept != expected {
                    out.push(format!(
                        "{} at {} knowing {}: `{}` is {kept:?}, should be {expected:?}",
                        state.id,
                        moment.at,
                        moment.known,
                        tenure_core::lang::canonical(&condition.expr),
                    ));
                }
            }
            for segment in &self.plan.segments {
                if segment.audience != audience {
                    continue;
                }
                let condition = &self.plan.conditions[segment.condition.0 as usize];
                let holds = oracle.holds(state.id, &condition.expr, moment) == Some(true);
                if state.in_segment(&segment.name) != holds {
                    out.push(format!(
                        "{} in {} should be {holds}",
                        state.id, segment.name
                    ));
                }
            }
        }
        out
    }
}
