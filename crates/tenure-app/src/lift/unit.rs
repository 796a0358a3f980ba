//! Who was eligible, in which arm, and whether the goal was reached.

use std::collections::{BTreeMap, BTreeSet};

use tenure_core::decision::{Decision, Outcome};
use tenure_core::id::{EnrollmentId, SubjectId};
use tenure_core::time::Timestamp;
use tenure_store::query::{DecisionFilter, instant_cursor};
use tenure_store::{Page, StoreError};

use crate::customer::{arm_name, read_all};
use crate::query::Query;

/// A subject's first passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) subject: SubjectId,
    pub(super) enrollment: EnrollmentId,
    pub(super) entered_at: Timestamp,
    pub(super) held_out: bool,
    pub(super) goal_at: Option<Timestamp>,
}

/// All subjects that were eligible, in the order of eligibility.
#[derive(Debug, Default)]
pub(super) struct Units {
    pub(super) first: Vec<Unit>,
    arms: BTreeMap<EnrollmentId, BTreeMap<Box<str>, String>>,
}

impl Units {
    /// Those whose time is over.
    pub(super) fn settled(&self, now: Timestamp, window_ms: i64) -> Vec<&Unit> {
        let over = |unit: &&Unit| super::end_of(unit, window_ms) <= now;
        self.first.iter().filter(over).collect()
    }

    /// The arm of a split that an enrollment took.
    pub(super) fn arm(&self, enrollment: EnrollmentId, step: &str) -> Option<&str> {
        Some(self.arms.get(&enrollment)?.get(step)?.as_str())
    }
}

#[derive(Default)]
struct Gathered {
    entered: Vec<Unit>,
    goals: BTreeMap<EnrollmentId, Timestamp>,
    arms: BTreeMap<EnrollmentId, BTreeMap<Box<str>, String>>,
}

impl Gathered {
    fn take(&mut self, row: &Decision) {
        let Some(enrollment) = row.enrollment else {
            return;
        };
        match row.outcome {
            Outcome::Entered | Outcome::HeldOut | Outcome::HeldOutGlobally => {
                self.entered.push(Unit {
                    subject: row.subject,
                    enrollment,
                    entered_at: row.at,
                    held_out: row.outcome != Outcome::Entered,
                    goal_at: None,
                });
            }
            Outcome::GoalReached => {
                self.goals.insert(enrollment, row.at);
            }
            Outcome::Took => {
                let step = row.step.clone().unwrap_or_default();
                let arms = self.arms.entry(enrollment).or_default();
                arms.insert(step, arm_name(&row.reason));
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Units {
        let mut seen = BTreeSet::new();
        self.entered
            .sort_by_key(|unit| (unit.entered_at, unit.enrollment));
        self.entered.retain(|unit| seen.insert(unit.subject));
        for unit in &mut self.entered {
            unit.goal_at = self.goals.get(&unit.enrollment).copied();
        }
        Units {
            first: self.entered,
            arms: self.arms,
        }
    }
}

impl Query<'_> {
    /// Everybody a program was to take, and whether all were read.
    pub(super) fn units(&self, program: &str) -> Result<(Units, bool), StoreError> {
        let filter = DecisionFilter {
            program: Some(program.to_owned()),
            ..DecisionFilter::default()
        };
        let mut gathered = Gathered::default();
        let read = |page: &Page| self.store().decisions(&filter, page);
        let cursor = |row: &Decision| instant_cursor(row.at, row.id);
        let complete = read_all(read, cursor, |row| gathered.take(row))?;
        Ok((gathered.finish(), complete))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_core::id::{AccountId, DecisionId};

    fn row(account: u128, enrollment: u128, at: i64, outcome: Outcome) -> Decision {
        Decision {
            id: DecisionId(0),
            at: Timestamp(at),
            subject: SubjectId::Account(AccountId(account)),
            program: "p".into(),
            version: 1,
            enrollment: Some(EnrollmentId(enrollment)),
            step: None,
            outcome,
            reason: "".into(),
            message: None,
        }
    }

    #[test]
    fn a_subject_counts_once_by_its_first_passage_and_when_its_time_is_over() {
        let mut gathered = Gathered::default();
        for row in [
            row(1, 12, 500, Outcome::Entered),
            row(1, 11, 100, Outcome::Entered),
            row(1, 12, 600, Outcome::GoalReached),
            row(2, 21, 50, Outcome::HeldOutGlobally),
            row(2, 21, 70, Outcome::GoalReached),
        ] {
            gathered.take(&row);
        }
        let units = gathered.finish();
        let told: Vec<(i64, bool, bool)> = units
            .first
            .iter()
            .map(|unit| (unit.entered_at.0, unit.held_out, unit.goal_at.is_some()))
            .collect();
        assert_eq!(told, [(50, true, true), (100, false, false)]);
        assert_eq!(units.settled(Timestamp(149), 100).len(), 0);
        assert_eq!(units.settled(Timestamp(150), 100).len(), 1);
    }
}
