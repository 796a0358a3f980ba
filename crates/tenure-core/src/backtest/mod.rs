//! Backtest: what definitions would have said on the company's own past, and how right they were.
//!
//! The log is replayed through the engine on its own clock ([`Replay`]); each moment sees only
//! what was known at it, so nothing leaks from the future by construction. Triggers are compared
//! with an outcome, such as churn, that is itself a condition.

mod measure;
mod replay;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::define::Audience;
use crate::effect::{HealthRecordKind, Output};
use crate::health::{Zone, score_at};
use crate::id::{EnrollmentId, SubjectId};
use crate::log::Entry;
use crate::plan::Plan;
use crate::time::{DAY_MS, Timestamp};

pub use measure::{
    Announcement, Discrimination, LOOK_BACK_DAYS, Period, RocPoint, announce, discriminate,
};
pub use replay::Replay;

/// Days between two looks at every score.
const SCORE_EVERY_DAYS: i64 = 7;

/// What is tested.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Entering a segment.
    Segment(String),
    /// A signal that fires.
    Signal(String),
    /// Entering a program.
    Program(String),
    /// Health that falls into the zone at risk.
    Health(Audience),
}

impl Target {
    /// As reports name it.
    pub fn name(&self) -> String {
        match self {
            Self::Segment(name) => format!("segment {name}"),
            Self::Signal(name) => format!("signal {name}"),
            Self::Program(name) => format!("program {name}"),
            Self::Health(Audience::Account) => "health of accounts at risk".into(),
            Self::Health(Audience::Person) => "health of people at risk".into(),
        }
    }
}

/// What came of a backtest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Entries of the log that were replayed.
    pub entry_count: u64,
    /// One for each target, in the order given.
    pub targets: Vec<TargetReport>,
    /// How well the health of accounts tells, if it is a target.
    pub health: Option<HealthReport>,
}

/// How one target did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetReport {
    /// Which.
    pub target: String,
    /// How well it announced the outcome.
    pub announcement: Announcement,
    /// Who would have been triggered and when, oldest first; at most [`MAX_TRIGGERS_TOLD`].
    pub triggers: Vec<(SubjectId, Timestamp)>,
}

/// How well health tells those with the outcome from the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthReport {
    /// Scores of every week, and whether the outcome followed within the horizon.
    pub discrimination: Discrimination,
    /// Of the subjects with the outcome, how many were healthy so many days before.
    pub before: Vec<HealthyBefore>,
}

/// Who was healthy before the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HealthyBefore {
    /// Days before the outcome.
    pub days: i64,
    /// Subjects that had a zone then.
    pub known_count: u64,
    /// Those of them that were healthy.
    pub healthy_count: u64,
}

/// The most triggers a report names of each target.
pub const MAX_TRIGGERS_TOLD: usize = 1_000;

/// A backtest under way.
#[derive(Debug)]
pub struct Backtest<'a> {
    plan: &'a Plan,
    replay: Replay<'a>,
    seen: Seen<'a>,
    since: Timestamp,
    horizon_ms: i64,
    scores: Vec<(SubjectId, Timestamp, f64)>,
    score_at: Timestamp,
    entry_count: u64,
}

/// What the output of the engine said.
#[derive(Debug)]
struct Seen<'a> {
    targets: &'a [Target],
    outcome: &'a str,
    triggers: Vec<Vec<(SubjectId, Timestamp)>>,
    outcomes: BTreeMap<SubjectId, Timestamp>,
    zones: BTreeMap<SubjectId, Vec<(Timestamp, Option<Zone>)>>,
    entered: BTreeSet<EnrollmentId>,
}

impl<'a> Backtest<'a> {
    /// A backtest of `targets` of the plan from `since` on. `outcome` is a segment of the plan:
    /// entering it is the outcome, which counts for a trigger within `horizon_ms`.
    pub fn new(
        plan: &'a Plan,
        targets: &'a [Target],
        outcome: &'a str,
        since: Timestamp,
        horizon_ms: i64,
    ) -> Self {
        Self {
            plan,
            replay: Replay::new(plan),
            seen: Seen {
                targets,
                outcome,
                triggers: vec![Vec::new(); targets.len()],
                outcomes: BTreeMap::new(),
                zones: BTreeMap::new(),
                entered: BTreeSet::new(),
            },
            since,
            horizon_ms,
            scores: Vec::new(),
            score_at: since,
            entry_count: 0,
        }
    }

    /// Takes in the next entry of the log; all must be given, from the first on.
    pub fn apply(&mut self, entry: &Entry<'_>) {
        self.look_until(entry.received_at);
        let seen = &mut self.seen;
        self.replay.apply(entry, &mut |out| seen.take(out));
        self.entry_count += 1;
    }

    /// Ends the period and judges it.
    pub fn finish(mut self, until: Timestamp) -> Report {
        self.look_until(until);
        let seen = &mut self.seen;
        self.replay.advance(until, &mut |out| seen.take(out));
        let period = Period {
            since: self.since,
            until,
            horizon_ms: self.horizon_ms,
        };
        let health = self.health_report(period);
        let seen = self.seen;
        let targets = seen.targets.iter().zip(seen.triggers);
        Report {
            entry_count: self.entry_count,
            targets: targets
                .map(|(target, mut triggers)| {
                    triggers.retain(|(_, at)| *at >= period.since && *at <= until);
                    let announcement = announce(&triggers, &seen.outcomes, period);
                    triggers.truncate(MAX_TRIGGERS_TOLD);
                    TargetReport {
                        target: target.name(),
                        announcement,
                        triggers,
                    }
                })
                .collect(),
            health,
        }
    }

    fn tests_health(&self) -> bool {
        let target = Target::Health(Audience::Account);
        self.seen.targets.contains(&target) && self.plan.health(Audience::Account).is_some()
    }

    /// Looks at the scores of all accounts at each look that is due by `at`.
    fn look_until(&mut self, at: Timestamp) {
        if !self.tests_health() {
            return;
        }
        while self.score_at <= at {
            let now = self.score_at;
            let seen = &mut self.seen;
            self.replay.advance(now, &mut |out| seen.take(out));
            for root in self.replay.roots() {
                let Some(account) = root.account().map(|state| state.id) else {
                    continue;
                };
                if self.seen.outcomes.contains_key(&account) {
                    continue;
                }
                let score = score_at(self.plan, root, account, now);
                self.scores.extend(score.map(|score| (account, now, score)));
            }
            self.score_at = now.plus_ms(SCORE_EVERY_DAYS * DAY_MS);
        }
    }

    fn health_report(&self, period: Period) -> Option<HealthReport> {
        if !self.tests_health() {
            return None;
        }
        let outcomes = &self.seen.outcomes;
        let settled_until = period.until.plus_ms(-period.horizon_ms);
        let settled = self.scores.iter().filter(|(_, at, _)| *at <= settled_until);
        let labelled = settled.map(|(who, at, score)| {
            let outcome = outcomes.get(who);
            (
                *score,
                outcome.is_some_and(|then| then.since_ms(*at) <= period.horizon_ms),
            )
        });
        let discrimination = discriminate(labelled.collect());
        let inside = |at: Timestamp| at >= period.since && at <= period.until;
        let before = LOOK_BACK_DAYS.map(|days| {
            let ended = outcomes.iter().filter(|(_, at)| inside(**at));
            let zones: Vec<Zone> = ended
                .filter_map(|(who, at)| self.seen.zone(*who, at.plus_ms(-days * DAY_MS)))
                .collect();
            HealthyBefore {
                days,
                known_count: zones.len() as u64,
                healthy_count: zones.iter().filter(|zone| **zone == Zone::Healthy).count() as u64,
            }
        });
        Some(HealthReport {
            discrimination,
            before: before.to_vec(),
        })
    }
}

impl Seen<'_> {
    fn take(&mut self, out: &Output) {
        for change in out.memberships.iter().filter(|change| change.entered) {
            if *change.segment == *self.outcome {
                self.outcomes.entry(change.subject).or_insert(change.at);
            }
            self.trigger(
                change.subject,
                change.at,
                |target| matches!(target, Target::Segment(name) if **name == *change.segment),
            );
        }
        for event in &out.events {
            let signal = event.name.strip_prefix("signal:");
            self.trigger(
                event.subject,
                event.occurred_at,
                |target| matches!(target, Target::Signal(name) if Some(name.as_str()) == signal),
            );
        }
        for change in &out.enrollments {
            if self.entered.insert(change.id) {
                self.trigger(
                    change.subject,
                    change.entered_at,
                    |target| matches!(target, Target::Program(name) if **name == *change.program),
                );
            }
        }
        let zones = out.health.iter();
        for record in zones.filter(|record| record.kind == HealthRecordKind::Zone) {
            let known = self.zones.entry(record.subject).or_default();
            known.push((record.at, record.zone));
            if record.zone == Some(Zone::AtRisk) {
                let audience = match record.subject {
                    SubjectId::Account(_) => Audience::Account,
                    SubjectId::Person(_) => Audience::Person,
                };
                self.trigger(record.subject, record.at, |target| {
                    *target == Target::Health(audience)
                });
            }
        }
    }

    fn trigger(&mut self, subject: SubjectId, at: Timestamp, is: impl Fn(&Target) -> bool) {
        for (target, triggers) in self.targets.iter().zip(&mut self.triggers) {
            if is(target) {
                triggers.push((subject, at));
            }
        }
    }

    fn zone(&self, subject: SubjectId, at: Timestamp) -> Option<Zone> {
        let known = self.zones.get(&subject)?;
        let after = known.partition_point(|(since, _)| *since <= at);
        known[after.checked_sub(1)?].1
    }
}
